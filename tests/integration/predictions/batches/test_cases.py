"""Every kind of CSV that there is, as a file to score: read alike, or refused with line and column."""

import codecs
import csv
import gzip
import io
import zipfile
from dataclasses import dataclass, replace

import pytest
from django.core.files.base import ContentFile

from clfsite.core.errors import InvalidInput
from predictions.batches import downloads as batch_downloads
from predictions.batches.models import Batch
from predictions.batches.service import create_batch, execute_batch, files
from predictions.models import Prediction
from tests.support.workbook import workbook
from training.ml.files.notation import Notation
from training.models import Version

HEADER = b"spend,tenure,member,plan\n"
ROW = b"100,5,true,pro\n"
WHOLE = HEADER + ROW * 3


def archive(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(name, WHOLE)
    return buffer.getvalue()


@dataclass(frozen=True)
class Bad:
    """A file that is refused, at upload or by the check: the words that say why, and where."""

    content: bytes
    words: str
    line: int | None = None
    column: str = ""


def cell(text: bytes, *, before: int = 2) -> bytes:
    """A file with one odd cell under spend, behind some good rows."""
    return HEADER + ROW * before + text + b",5,true,pro\n"


BAD: dict[str, Bad] = {
    "C01 0 bytes": Bad(b"", "file is empty"),
    "blank lines": Bad(b"\n\r\n \n", "file is empty"),
    "C02 header only": Bad(HEADER, "a header and no rows"),
    "C07 zip": Bad(archive("customers.csv"), "zip archive"),
    "damaged workbook": Bad(archive("xl/workbook.xml"), "workbook cannot be read"),
    "C10 PNG": Bad(b"\x89PNG\r\n\x1a\n", "PNG picture"),
    "damaged UTF-8": Bad(WHOLE + "1,2,true,öä\n".encode() + b"1,2,true,\xf6\n", "byte 0xf6 on line 6"),
    "C14 NUL": Bad(WHOLE + b"1,2,true,p\0\n", "holds a NUL byte", 5),
    "C19 unclosed quote": Bad(WHOLE + b'1,2,true,"pro\n', "not closed", 5),
    "text behind a quote": Bad(WHOLE + b'1,2,true,"pro"x\n', "not well-formed CSV", 5),
    "C20 long row": Bad(WHOLE + b"1,2,true,pro,more\n", "5 cells where the header has 4", 5),
    "C21 short row": Bad(WHOLE + b"1,2\n", "2 cells where the header has 4", 5),
    "C21 short row behind a quoted line end": Bad(HEADER + b'1,2,true,"p\nq"\n1\n', "1 cells", 4),
    "C22 huge field": Bad(WHOLE + b"1,2,true," + b"z" * 200_000 + b"\n", "field larger than", 5),
    "C23 duplicate header": Bad(b"spend,spend,member,plan\n1,2,true,pro\n", "in columns 1 and 2", 1, "spend"),
    "C24 blank header": Bad(b"spend,,member,plan\n1,2,true,pro\n", "no column for tenure", 1, "tenure"),
    "C25 10,001 columns": Bad(
        ",".join(f"c{place}" for place in range(10_001)).encode() + b"\n1", "10,001 columns"
    ),
    "C37 missing column": Bad(b"spend,tenure,member\n1,2,true\n", "no column for plan", 1, "plan"),
    "mistyped column": Bad(
        b"spend,tenur,member,plan,x\n1,2,true,pro,1\n", "no feature named tenur", 1, "tenure"
    ),
    "C26 inf": Bad(cell(b"inf"), "expected a finite number", 4, "spend"),
    "1e300": Bad(cell(b"1e300"), "expected a number from", 4, "spend"),
    "two notations": Bad(
        b"spend;tenure;member;plan\n1,5;5;true;pro\n2.5;5;true;pro\n1,234;5;true;pro\n",
        'got "1,5"',
        2,
        "spend",
    ),
    "1_000": Bad(cell(b"1_000"), 'got "1_000"', 4, "spend"),
    "Arabic digits": Bad(cell("٣".encode()), "expected a number", 4, "spend"),
    "half an integer": Bad(HEADER + b"1,2.5,true,pro\n", "expected a whole number", 2, "tenure"),
    "C27 missing where training saw none": Bad(
        HEADER + b"1,NA,true,pro\n", "had no missing values", 2, "tenure"
    ),
    "no boolean": Bad(HEADER + b"1,2,perhaps,pro\n", "expected true or false", 2, "member"),
}
GOOD: dict[str, bytes] = {
    "C08 xlsx": workbook(
        one=[["spend", "tenure", "member", "plan"], *[[100, 5, "true", "pro"]] * 3], two=[["x"]]
    ),
    "C09 gzip": gzip.compress(WHOLE),
    "C12 UTF-16": WHOLE.decode().encode("utf-16"),
    "C13 cp1252": "état,spend,tenure,member,plan\n".encode("cp1252") + b"x,100,5,true,pro\n" * 3,
    "blanks in the header": b" spend ,tenure, member ,plan\n" + ROW * 3,
    "trailing delimiter": WHOLE.replace(b"\n", b",\n"),
    "C11 BOM": codecs.BOM_UTF8 + WHOLE,
    "C15 semicolon": WHOLE.replace(b",", b";"),
    "C15 tab": WHOLE.replace(b",", b"\t"),
    "C15 pipe": WHOLE.replace(b",", b"|"),
    "C16 CR only": WHOLE.replace(b"\n", b"\r"),
    "CRLF": WHOLE.replace(b"\n", b"\r\n"),
    "C17 mixed line ends": HEADER + b"100,5,true,pro\r\n100,5,true,pro\r100,5,true,pro\n",
    "no line end at the end": WHOLE[:-1],
    "blank lines": HEADER + b"\n".join([ROW] * 3) + b"\n\n",
    "quoted": HEADER + b'"100","5","true","pro"\n' * 3,
    "C36 reordered": b"plan,member,tenure,spend\n" + b"pro,true,5,100\n" * 3,
    "with the target": b"left," + HEADER + b"yes,100,5,true,pro\n" * 3,
    "C18 target with line ends and delimiters": b"left," + HEADER + b'"a\r\nb,c",100,5,true,pro\n' * 3,
    "C34 target with formulas": b"left," + HEADER + b"=1+1,100,5,true,pro\n" * 3,
}


def run(content: bytes) -> Batch:
    batch = create_batch(source=ContentFile(content, name="file.csv"), caller="tests")
    execute_batch(batch)
    return batch


def result(batch: Batch) -> list[dict[str, str]]:
    text = batch_downloads.answers(batch).getvalue().decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("case", BAD)
def test_file_that_cannot_be_scored_is_refused_with_line_and_column(case: str, version: Version) -> None:
    bad = BAD[case]
    try:
        batch = run(bad.content)
    except InvalidInput as error:
        text, problems = str(error), error.errors
        assert not Batch.objects.exists()
    else:
        assert batch.state == "failed"
        text, problems = batch.error, batch.problems
    assert bad.words in text + "".join(problem["message"] for problem in problems)
    assert not Prediction.objects.exists()
    if bad.line:
        assert (problems[0]["line"], problems[0]["column"]) == (bad.line, bad.column)


@pytest.mark.parametrize("case", GOOD)
def test_every_way_to_write_csv_is_scored_alike(case: str, version: Version) -> None:
    batch = run(GOOD[case])
    assert (batch.state, batch.error, batch.rows_total) == ("succeeded", "", 3)
    expected = {"spend": 100, "tenure": 5, "member": True, "plan": "pro"}
    assert list(Prediction.objects.values_list("features", flat=True)) == [expected] * 3
    rows = result(batch)
    assert [(row["spend"], row["plan"]) for row in rows] == [("100", "pro")] * 3
    left = {"C34 target with formulas": "'=1+1", "C18 target with line ends and delimiters": "a\r\nb,c"}
    assert {row["left"] for row in rows if "left" in row} <= {"yes", *left.values()}
    if case in left:
        assert rows[0]["left"] == left[case]


NUMBERS = {
    "C28 1,5": b"spend;tenure;member;plan\n" + b"1234,5;5;true;pro\n" * 3,
    "thousands": b'spend,tenure,member,plan\n"1,234.50",5,true,pro\n"1,234.5",5,true,pro\n"1,234.5",5,true,pro\n',
    "unit": HEADER + b"$1234.5,5,true,pro\n" * 3,
}


@pytest.mark.parametrize("case", NUMBERS)
def test_numbers_in_another_notation_are_read_kept_as_written_and_told(case: str, version: Version) -> None:
    batch = run(NUMBERS[case])
    assert (batch.state, batch.error) == ("succeeded", "")
    assert [features["spend"] for features in Prediction.objects.values_list("features", flat=True)] == [
        1234.5
    ] * 3
    assert result(batch)[-1]["spend"] in {"1234,5", "1,234.5", "$1234.5"}
    assert [(note["column"], note["code"]) for note in batch.reading["notes"]] == [("spend", "notation")]


@pytest.mark.parametrize("number", [1.234, 12.5])
def test_number_of_a_workbook_is_plain_where_the_training_table_had_decimal_commas(
    number: float, version: Version
) -> None:
    contract = version.contract
    comma = Notation(decimal=",", thousands=".")
    features = tuple(
        replace(feature, notation=comma) if feature.name == "spend" else feature
        for feature in contract.features
    )
    Version.objects.filter(pk=version.pk).update(contract_data=replace(contract, features=features).to_dict())
    run(workbook(one=[["spend", "tenure", "member", "plan"], [number, 5, "true", "pro"]]))
    assert Prediction.objects.get().features["spend"] == number


@pytest.mark.case("C34")
def test_names_of_columns_that_begin_as_formulas_are_quoted(version: Version) -> None:
    batch = run(WHOLE)
    batch.header = ["=cmd", *batch.header[1:]]
    first = batch_downloads.answers(batch).getvalue().decode().splitlines()[0]
    assert first.split(",")[:4] == ["prediction_id", "row", "label", "probability"]


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "..",
        "/",
        "a\\b.csv",
        "<script>.csv",
        "=cmd.csv",
        "x" * 300,
        "a%00\0.csv",
        "ÿ\n.csv",
    ],
)
@pytest.mark.case("C35")
def test_hostile_file_name_is_never_used(name: str, version: Version) -> None:
    file = ContentFile(WHOLE)
    file.name = name
    batch = create_batch(source=file, caller="tests")
    execute_batch(batch)
    assert "/" not in batch.file_name
    assert "\0" not in batch.file_name
    assert sorted(files().listdir(batch.folder)[1]) == ["answers-000000.csv", "source.csv"]
    disposition = batch_downloads.answers(batch)["Content-Disposition"]
    assert disposition.isascii()
    assert not set(disposition) & set("<>/\\\r\n=%;") - set("=;")
