"""The notation of columns: how numbers, dates and missing values are written."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.ml.files.dates import decide_date, iso, parse
from training.ml.files.notation import Evidence, MixedError, Notation, decide_number


def decide(*cells: str, delimiter: str = ",", decimal: str = "", evidence: str = "") -> Notation | None:
    return decide_number(
        Counter(cells), delimiter=delimiter, evidence=Evidence(decimal=evidence), decimal=decimal
    )


def read(*cells: str, **known: str) -> list[str | None]:
    """The cells as plain numbers, in the notation that is recognised."""
    notation = decide(*cells, **known)
    assert notation is not None
    return [None if notation.is_missing(cell) else notation.number(cell) for cell in cells]


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["2915,53", "2094,0"], ["2915.53", "2094.0"]),
        (["2.915,53", "2.094,00", "7"], ["2915.53", "2094.00", "7"]),
        (["2,915.53", "950"], ["2915.53", "950"]),
        (["1 200,50", "900"], ["1200.50", "900"]),
        (["1\u00a0200", "1\u202f300"], ["1200", "1300"]),
        (["1'200.50", "1\u2019300"], ["1200.50", "1300"]),
        (["1,23,456.5", "2"], ["123456.5", "2"]),
        (["$1,200", "$5"], ["1200", "5"]),
        (["US$ 3", "US$ 4.5"], ["3", "4.5"]),
        (["1 200 EUR", "900 EUR"], ["1200", "900"]),
        (["12 kg", "13.5 kg"], ["12", "13.5"]),
        (["12%", "7.5 %"], ["12", "7.5"]),
        (["(300.00)", "25.5"], ["-300.00", "25.5"]),
        (["$(300)", "$25"], None),
        (["($300)", "$25"], ["-300", "25"]),
        (["300-", "25"], ["-300", "25"]),
        (["\u22125", "3"], ["-5", "3"]),
        (["-$5", "$3"], ["-5", "3"]),
        (["+5", "1e3"], ["5", "1e3"]),
        ([".5", "3."], ["0.5", "3"]),
        (["1,234", "1,234,567"], ["1234", "1234567"]),
        (["0,123", "1,234"], ["0.123", "1.234"]),
        (["1.234", "5,5"], ["1234", "5.5"]),
        (["1,5", "1.5"], ["1.5", "1.5"]),
    ],
)
def test_numbers_are_read_in_the_notation_of_their_column(
    cells: list[str], numbers: list[str] | None
) -> None:
    assert (read(*cells) if numbers else decide(*cells)) == numbers


@pytest.mark.parametrize(
    "cells",
    [
        ["A12", "B13"],
        ["1st", "2nd"],
        ["12 kg", "13 g"],
        ["$5", "\u20ac6"],
        ["00123", "45"],
        ["9007199254740993", "3"],
        ["1-2", "3-4"],
        ["10a", "12"],
        ["192.168.0.1", "10.0.0.1"],
        ["1.2.3", "2.0.1"],
        ["low", "high"],
    ],
    ids=" ".join,
)
def test_codes_units_that_differ_and_texts_are_no_numbers(cells: list[str]) -> None:
    assert decide(*cells) is None


@pytest.mark.parametrize("cells", [["1,5", "1.5", "1.234"], ["1,234.5", "1.234,5"]], ids=" ".join)
def test_column_of_two_notations_is_refused_where_a_value_can_be_read_in_two_ways(cells: list[str]) -> None:
    with pytest.raises(MixedError):
        decide(*cells)


def test_decimal_mark_that_is_chosen_settles_what_can_be_read_in_two_ways() -> None:
    assert read("1,5", "1.234", decimal=",") == ["1.5", "1234"]


@pytest.mark.parametrize(
    ("known", "number"),
    [
        ({"delimiter": ","}, "1234"),
        ({"delimiter": ";"}, "1.234"),
        ({"delimiter": ";", "evidence": "."}, "1234"),
        ({"delimiter": ",", "evidence": ","}, "1.234"),
    ],
)
def test_comma_that_could_be_both_is_read_as_the_rest_of_the_file_has_it(
    known: dict[str, str], number: str
) -> None:
    assert read("1,234", "2,345", **known)[0] == number


@pytest.mark.parametrize("mark", ["-", "?", ".", "\\N", "unknown", "n.a.", "N/A", "#DIV/0!", "(null)"])
def test_usual_marks_among_numbers_are_missing(mark: str) -> None:
    assert read(mark, "1.5", "2") == [None, "1.5", "2"]


def test_text_that_is_repeated_among_numbers_is_a_mark_and_one_that_is_not_is_a_slip() -> None:
    assert read(*["pending"] * 3, *map(str, range(10))).count(None) == 3
    notation = decide("pending", *map(str, range(20)))
    assert notation is not None
    assert notation.missing == ()
    assert notation.number("pending") is None


def test_notation_survives_being_stored() -> None:
    notation = Notation(",", ".", "EUR", ("-", "?"), "%d/%m/%Y")
    assert Notation.from_dict(notation.to_dict()) == notation
    assert Notation().to_dict() == {}


@given(
    numbers=st.lists(st.integers(-(10**9), 10**9).map(lambda cents: cents / 100), min_size=5, max_size=20),
    marks=st.sampled_from([(".", ","), (",", "."), (",", " "), (".", "'"), (".", ""), (",", "")]),
    form=st.sampled_from(["{}", "${}", "{} EUR", "{}%", "{} kg"]),
    brackets=st.booleans(),
)
def test_numbers_written_in_a_random_notation_are_read_back(
    numbers: list[float], marks: tuple[str, str], form: str, brackets: bool
) -> None:
    decimal, thousands = marks

    def write(number: float) -> str:
        text = f"{abs(number):,.2f}".replace(",", "t").replace(".", decimal).replace("t", thousands)
        text = form.format(text)
        if number >= 0:
            return text
        return f"({text})" if brackets else f"-{text}"

    cells = [*map(write, numbers), write(1234.56)]
    assert [float(text or "nan") for text in read(*cells)] == [*numbers, 1234.56]


@pytest.mark.parametrize(
    ("text", "formats", "day"),
    [
        ("2021-05-15", ("ISO8601",), "2021-05-15"),
        ("2021-05-15T01:02:03Z", ("ISO8601",), "2021-05-15T01:02:03"),
        ("2021-05-15 10:00:00+02:00", ("ISO8601",), "2021-05-15T08:00:00"),
        ("15/05/2021", ("%d/%m/%Y",), "2021-05-15"),
        ("05/15/2021", ("%m/%d/%Y",), "2021-05-15"),
        ("3.4.2021", ("%d.%m.%Y",), "2021-04-03"),
        ("3.4.21 17:05", ("%d.%m.%y %H:%M",), "2021-04-03T17:05:00"),
        ("12 Jan 2024", ("%d %b %Y",), "2024-01-12"),
        ("Jan 12, 2024", ("%b %d, %Y",), "2024-01-12"),
        ("5/13/2024 3:04 PM", ("%m/%d/%Y %I:%M %p",), "2024-05-13T15:04:00"),
        ("20240113", ("%Y%m%d",), "2024-01-13"),
        ("1700000000", ("epoch",), "2023-11-14T22:13:20"),
        ("1700000000000", ("epoch_ms",), "2023-11-14T22:13:20"),
    ],
)
def test_dates_are_recognised_with_their_format(text: str, formats: tuple[str, ...], day: str) -> None:
    assert decide_date([text], "created_at") == formats
    assert iso(parse([text], formats[0])).tolist() == [day]


def test_day_and_month_that_can_be_swapped_leave_two_formats_and_one_that_cannot_decides() -> None:
    assert decide_date(["1/2/2021", "3/4/2021"], "joined") == ("%d/%m/%Y", "%m/%d/%Y")
    assert decide_date(["1/2/2021", "13/4/2021"], "joined") == ("%d/%m/%Y",)


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        (["20240113"], "amount"),
        (["1700000000"], "phone"),
        (["2024-01-13", "soon"], "date"),
        (["1/2"], "date"),
    ],
)
def test_digits_without_a_name_that_speaks_of_time_and_texts_are_no_dates(
    texts: list[str], name: str
) -> None:
    assert decide_date(texts, name) == ()
