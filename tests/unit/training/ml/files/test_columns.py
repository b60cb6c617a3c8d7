"""Tables as read: each column in its notation, with what was recognised, and stored so that reading gives the same."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from training.ml.files.canonical import write_canonical
from training.ml.files.columns import Table, read_columns
from training.ml.files.loading import read_stored
from training.ml.files.options import Options
from training.ml.files.reading import TableError
from training.ml.files.sources import open_source

Read = Callable[..., Table]
CITIES = ["Oslo", "São Paulo", "New York", "a;b", "x, y", 'say "hi"', "line\nend", "NA"]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def write_and_read(text: str, **options: object) -> Table:
        path = tmp_path / "table.csv"
        path.write_text(text)
        target = str(options.pop("target", "y"))
        texts = options.pop("texts", ())
        return read_columns(path, ",", target=target, texts=texts, options=Options.of(**options))  # type: ignore[arg-type]

    return write_and_read


def lines(*rows: str, times: int = 1) -> str:
    return "\n".join([rows[0], *rows[1:] * times]) + "\n"


def values(table: Table, name: str) -> list[object]:
    return [None if pd.isna(value) else value for value in table.columns[name].values]


def noted(table: Table) -> dict[str, str]:
    return {note.column: note.code for note in table.notes}


def test_mark_of_missing_numbers_is_missing_in_texts_but_not_among_codes(read: Read) -> None:
    table = read(lines("n,word,country,y", "NA,NA,NA,a", "1,blue,DE,b", "2,green,ZA,a"))
    assert values(table, "n") == [None, 1, 2]
    assert values(table, "word") == [None, "blue", "green"]
    assert values(table, "country") == ["NA", "DE", "ZA"]
    assert noted(table) == {"n": "missing", "word": "missing", "country": "kept_text"}


@pytest.mark.parametrize("mark", ["None", "NULL", "null", "n/a", "N/A", "NA"])
def test_text_that_no_number_of_the_file_is_missing_by_is_a_value(mark: str, read: Read) -> None:
    table = read(lines("n,plan,y", f"1,{mark},{mark}", "2,pro,low", "3,,low"))
    assert values(table, "plan") == [mark, "pro", None]
    assert values(table, "y") == [mark, "low", "low"]
    assert noted(table) == {"plan": "kept_text", "y": "kept_text"}


@pytest.mark.parametrize("mark", ["nan", "NaN", "<NA>", "#N/A", "\\N"])
def test_text_that_is_never_a_value_is_missing_everywhere(mark: str, read: Read) -> None:
    table = read(lines("plan,y", f"{mark},a", "pro,b"))
    assert values(table, "plan") == [None, "pro"]


def test_choice_of_marks_is_kept_in_the_notation_and_a_declared_category_keeps_all(read: Read) -> None:
    text = lines("n,plan,code,y", "-9,unknown,NA,a", "1,pro,x,b", "2,NA,y,b")
    table = read(text, missing=["-9", "unknown"], keep=["NA"], texts=["code"])
    assert values(table, "n") == [None, 1, 2]
    assert values(table, "plan") == [None, "pro", "NA"]
    assert values(table, "code") == ["NA", "x", "y"]
    assert table.notations() == {"n": {"missing": ["-9"]}, "plan": {"missing": ["unknown"]}}


def test_zeros_before_numbers_and_numbers_too_long_are_codes_wherever_they_stand(read: Read) -> None:
    rows = [f"{number},{number},x" for number in range(10_050)]
    table = read(lines("zip,big,y", *rows, "007,9007199254740993,x"))
    assert values(table, "zip")[:2] == ["0", "1"]
    assert values(table, "zip")[-1] == "007"
    assert values(table, "big")[-1] == "9007199254740993"
    assert noted(table) == {"zip": "codes", "big": "too_large"}


@pytest.mark.parametrize("cell", ["-10000000000000000000", "-9007199254740993", "9007199254740993"])
def test_a_whole_number_that_floats_round_is_a_code_whatever_stands_beside_it(read: Read, cell: str) -> None:
    table = read(f"big,y\n{cell},a\n5.5,b\n")
    assert values(table, "big") == [cell, "5.5"]
    assert noted(read(f"big,y\n{cell},a\n5,b\n")) == {"big": "too_large"}


def test_decimal_comma_of_one_column_settles_another(read: Read) -> None:
    table = read(lines("a,b,y", '"1,5",1.234,x', '"2,25",5.678,x'))
    assert values(table, "a") == [1.5, 2.25]
    assert values(table, "b") == [1234, 5678]


def test_values_of_two_notations_are_named_by_line(read: Read) -> None:
    with pytest.raises(TableError) as caught:
        read(lines("a,y", '"1,5",x', "1.5,x", '"1,234",x'))
    assert [(problem.line, problem.column) for problem in caught.value.problems] == [(4, "a")]
    assert "--decimal" in str(caught.value)
    assert values(read(lines("a,y", '"1,5",x', '"1,234",x'), decimal="comma"), "a") == [1.5, 1.234]


def test_dates_become_times_and_their_format_is_kept(read: Read) -> None:
    table = read(lines("joined,y", "13/02/2024,a", ",b", "01/03/2024,a"))
    assert values(table, "joined") == [pd.Timestamp(2024, 2, 13), None, pd.Timestamp(2024, 3, 1)]
    assert table.notations() == {"joined": {"date": "%d/%m/%Y"}}


@pytest.mark.parametrize("mark", ["-", "unknown", "NA", "0000-00-00", "00/00/0000"])
def test_marks_among_dates_are_missing(mark: str, read: Read) -> None:
    table = read(lines("joined,y", "13/02/2024,a", f"{mark},b"))
    assert values(table, "joined") == [pd.Timestamp(2024, 2, 13), None]
    assert table.notations() == {"joined": {"date": "%d/%m/%Y", "missing": [mark]}}


def test_numbers_in_several_units_are_told(read: Read) -> None:
    table = read(lines("price,y", "$5,a", "6 EUR,b", "7 EUR,a"))
    assert values(table, "price") == ["$5", "6 EUR", "7 EUR"]
    assert noted(table) == {"price": "mixed_units"}
    assert "$, EUR" in table.notes[0].message


def test_dates_that_can_be_read_in_two_ways_are_asked_about_and_not_guessed(read: Read) -> None:
    text = lines("joined,y", "01/02/2024,a", "03/04/2024,b")
    table = read(text)
    assert values(table, "joined") == ["01/02/2024", "03/04/2024"]
    assert noted(table) == {"joined": "ambiguous_date"}
    assert values(read(text, dates=["joined=m/d/y"]), "joined")[0] == pd.Timestamp(2024, 1, 2)
    with pytest.raises(TableError, match=r"line 3.*expected a date"):
        read(lines("joined,y", "01/02/2024,a", "soon,b"), dates=["joined=d/m/y"])


@pytest.mark.parametrize("last", ["Total,99,", "SUM:,99,", ",Total,"])
def test_last_row_of_totals_without_a_label_is_left_out_and_told(last: str, read: Read) -> None:
    table = read(lines("a,b,y", "1,5,x", "2,6,z", last))
    assert table.rows == 2
    assert values(table, "b") == [5, 6]
    assert table.notes[0].code == "totals"


def test_last_row_with_a_label_or_another_word_stays(read: Read) -> None:
    assert read(lines("a,b,y", "u,5,x", "Total,6,z")).rows == 2
    assert read(lines("a,b,y", "u,5,x", "Totally,6,")).rows == 2


@pytest.mark.parametrize(
    "cells", [["1", "2.5"], ["1.0", "2.5"], ["1.00", "2.50"], ["1", "2.5", ""]], ids=" ".join
)
def test_number_has_one_text_in_the_stored_table(cells: list[str], tmp_path: Path, read: Read) -> None:
    table = read(lines("n,c,y", *(f"{cell},k,x" for cell in cells)))
    write_canonical(table, tmp_path / "stored.csv")
    stored = (tmp_path / "stored.csv").read_text()
    assert stored == lines("n,c,y", "1,k,x", "2.5,k,x", *([",k,x"] if "" in cells else []))
    assert table.is_canonical == (stored == (tmp_path / "table.csv").read_text())


TABLES = st.lists(
    st.tuples(
        st.integers(-(10**6), 10**6),
        st.integers(-(10**8), 10**8).map(lambda cents: cents / 100),
        st.sampled_from(CITIES),
        st.sampled_from(["yes", "no"]),
    ),
    min_size=4,
    max_size=30,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    rows=TABLES,
    delimiter=st.sampled_from(",;\t|"),
    decimal=st.sampled_from(".,"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    end=st.sampled_from(["\n", "\r\n"]),
    above=st.sampled_from(["", "# comment", "sep"]),
    trailing=st.booleans(),
    padded=st.booleans(),
)
def test_known_table_in_a_random_notation_is_read_back(
    rows: list[tuple[int, float, str, str]],
    delimiter: str,
    decimal: str,
    encoding: str,
    end: str,
    above: str,
    trailing: bool,
    padded: bool,
    tmp_path: Path,
) -> None:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator=end)
    tail = [""] if trailing else []
    writer.writerow([*(f" {name} " if padded else name for name in ("n", "x", "city", "y")), *tail])
    for number, share, city, label in [*rows, (1, 0.25, "Köln", "yes")]:
        writer.writerow([number, repr(share).replace(".", decimal), city, label, *tail])
    first = {"": "", "# comment": f"# comment{end}", "sep": f"sep={delimiter}{end}"}[above]
    path = tmp_path / "upload"
    path.write_bytes((first + buffer.getvalue()).encode(encoding))
    source = open_source(path, tmp_path)
    table = read_columns(source.path, source.delimiter, target="y")
    expected = [*rows, (1, 0.25, "Köln", "yes")]
    assert [tuple(row) for row in table.frame().itertuples(index=False)] == expected
    stored = tmp_path / "stored.csv"
    write_canonical(table, stored)
    again = read_stored(stored, target="y", texts=["city"], numbers=[], dates=[], is_canonical=True)
    pd.testing.assert_frame_equal(again, table.frame(), check_dtype=False)
