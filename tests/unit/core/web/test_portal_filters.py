"""Template filters of the portal."""

import pytest

from clfsite.core.web.templatetags.portal import whole


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("12 to 34", "12 to 34"),
        (
            "2020-01-01 to <b>",
            '<span class="whole">2020-01-01</span> to &lt;b&gt;',
        ),
        (
            "2026-11-30 20:12:16.074 UTC",
            '<span class="whole">2026-11-30</span> <span class="whole">20:12:16.074</span> UTC',
        ),
        (7, "7"),
    ],
)
def test_dates_of_a_text_stay_in_one_line(text: object, shown: str) -> None:
    assert whole(text) == shown
