"""Texts from outside as values of a form: what a browser does to their line ends changes none of them."""

import pytest

from clfsite.core.web.forms import TextChoiceField, carry, read_text
from predictions.feedback.forms import FeedbackForm

PLACES = [
    "Ring 4\nKöln",
    "Kai 9\r\nOslo",
    "Rua 2\rSão Paulo",
    "plain",
    '"quoted"',
    '"a\\nb"',
    "",
    "a\r\nb",
    "a\nb",
]


def browsers_send(value: str) -> str:
    """A value of a form as every browser sends it."""
    return value.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")


@pytest.mark.parametrize("text", PLACES)
def test_a_text_comes_back_as_it_went_out(text: str) -> None:
    assert read_text(browsers_send(carry(text)), PLACES) == text
    # a value that is not among the known ones, too
    assert read_text(browsers_send(carry(f"{text}\nmore")), PLACES) == f"{text}\nmore"


def test_a_text_that_was_typed_or_posted_as_it_is_finds_the_one_it_can_only_mean() -> None:
    assert read_text("Ring 4\r\nKöln", PLACES) == "Ring 4\nKöln"
    assert read_text("Ring 4\nKöln", PLACES) == "Ring 4\nKöln"
    assert read_text("a\r\nb", PLACES) == "a\r\nb"
    assert read_text("a\r\nb", ["a\nb", "a\rb"]) == "a\r\nb", "either could be meant"
    assert read_text('"no JSON', PLACES) == '"no JSON'


@pytest.mark.parametrize("label", [place for place in PLACES if place])
def test_a_true_label_with_line_ends_is_taken(label: str) -> None:
    form = FeedbackForm(PLACES, {"label": browsers_send(carry(label))})
    assert form.is_valid(), form.errors
    assert form.cleaned_data["label"] == label
    shown = FeedbackForm(PLACES, known=label)
    assert shown["label"].value() in dict(shown.fields["label"].choices)  # type: ignore[attr-defined]


def test_a_text_that_is_no_choice_is_refused() -> None:
    field = TextChoiceField()
    field.offer(PLACES)
    for value in ("Ring 5", carry("Ring 4\r\nKöln"), '"plain"'):
        with pytest.raises(Exception, match="not one of the available choices"):
            field.clean(value)
