"""What a user says about a file, from a form or a command line."""

import pytest

from training.ml.files.options import Options
from training.ml.files.reading import TableError


def test_a_date_is_a_column_and_its_format() -> None:
    dates = Options.of(dates=["joined=d/m/y", "a=b=d.m.y"]).dates
    assert dates == {"joined": "%d/%m/%Y", "a=b": "%d.%m.%Y"}


@pytest.mark.parametrize("given", ["joined", "=d/m/y", ""])
def test_a_date_without_column_or_format_is_quoted(given: str) -> None:
    with pytest.raises(TableError, match=f"expected COLUMN=FORMAT .*, got .*{given}"):
        Options.of(dates=[given])


def test_a_mark_cannot_be_missing_and_a_value() -> None:
    with pytest.raises(TableError, match="cannot both mean a missing value and be a value"):
        Options.of(missing=["NA", "-"], keep=["-"])


def test_options_that_are_not_set_are_no_options() -> None:
    assert not Options.of(sheet=None, decimal="")
    assert Options.of(decimal=",").to_dict() == {"decimal": ","}
