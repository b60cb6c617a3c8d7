"""Labels of charts in lines."""

import pytest

from clfsite.core.web.charts import wrapped


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("tenure", "tenure"),
        ("flipper_length_mm", "flipper_length_<br>mm"),
        ("Bank transfer (automatic)", "Bank transfer<br>(automatic)"),
        ("Month-to-month", "Month-to-month"),
        ("a<b", "a&lt;b"),
        ("one two three four five six seven eight nine", "one two three<br>four five six…"),
    ],
)
def test_a_label_breaks_between_its_words(label: str, shown: str) -> None:
    assert wrapped(label) == shown
