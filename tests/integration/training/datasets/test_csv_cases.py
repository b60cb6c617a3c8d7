"""Every kind of CSV that there is, through portal, API and commands: the same answer, with the same line and column."""

import codecs
import gzip
import io
import zipfile
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from predictions.keys import service as keys
from tests.integration.conftest import problem_of
from tests.support.portal import staff_client
from tests.support.workbook import workbook
from training.models import Dataset

pytestmark = pytest.mark.django_db

WAYS = ("portal", "api", "importdataset", "train")
LIST = reverse("training:dataset-list")


@dataclass(frozen=True)
class Bad:
    """A file that is refused: the words that say why, and where the fault is, if it is at one place."""

    content: bytes
    words: str
    line: int | None = None
    column: str = ""


def archive(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(name, "a,left\n1,x\n")
    return buffer.getvalue()


ROWS = b"1,x\n2,y\n" * 10
BAD: dict[str, Bad] = {
    "C01 0 bytes": Bad(b"", "file is empty"),
    "blank lines": Bad(b"\n\r\n \n", "file is empty"),
    "C02 header only": Bad(b"a,left\n", "a header and no rows"),
    "C07 zip": Bad(archive("table.csv"), "zip archive"),
    "damaged workbook": Bad(archive("xl/workbook.xml"), "workbook cannot be read"),
    "damaged gzip": Bad(gzip.compress(b"a,left\n1,x\n")[:-9], "gzip archive is damaged"),
    "C10 PNG": Bad(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "PNG picture"),
    "damaged UTF-8": Bad("a,left\n1,ä\n2,é\n".encode() + b"2,\xf6\n", "byte 0xf6 on line 4"),
    "C14 NUL in a row": Bad(b"a,left\n1,x\n2,y\0\n", "holds a NUL byte", 3),
    "C14 NUL in the header": Bad(b"a\0,left\n1,x\n", "holds a NUL byte", 1),
    "C19 unclosed quote": Bad(b'a,left\n1,x\n2,"y\n3,x\n', "not closed", 3),
    "text behind a quote": Bad(b'a,left\n"1"2,x\n', "not well-formed CSV", 2),
    "C20 long row": Bad(b"a,left\n1,x\n2,y,z\n", "3 cells where the header has 2", 3),
    "C21 short row": Bad(b"a,left\n1,x\n2\n", "1 cells where the header has 2", 3),
    "C21 short row behind a quoted line end": Bad(b'a,left\n"p\nq",x\n2\n', "1 cells", 4),
    "C22 huge field": Bad(b"a,left\n1,x\n" + b"z" * 200_000 + b",y\n", "field larger than", 3),
    "C23 duplicate header": Bad(b"a,a,left\n1,2,x\n", "in columns 1 and 2", 1, "a"),
    "C25 10,001 columns": Bad(
        ",".join([*(f"c{place}" for place in range(10_000)), "left"]).encode() + b"\n1", "10,001 columns"
    ),
    "C26 inf": Bad(b"a,left\n" + ROWS + b"inf,x\n", "not a finite number", 22, "a"),
    "1e300": Bad(b"a,left\n" + ROWS + b"1e300,x\n", "is too large", 22, "a"),
    "two notations": Bad(b"a;left\n1,5;x\n2.5;y\n1,234;x\n", "can be read in two ways", 4, "a"),
    "slip among numbers": Bad(b"a,left\n" + ROWS + b"l2,x\n", "expected a number like the other", 22, "a"),
    "C29 target absent": Bad(b"a,Left\n1,x\n2,y\n", "left"),
    "C30 one class": Bad(b"a,left\n1,x\n2,x\n", "only one class"),
    "target empty": Bad(b"a,left\n1,\n2,\n", 'column "left" is empty'),
    "C32 constant feature alone": Bad(b"a,left\n1,x\n1,y\n", "a: every value is the same"),
    "C33 missing feature alone": Bad(b"a,left\nNA,x\n,y\n", "a: every value is missing"),
}

GOOD: dict[str, bytes] = {
    "C08 xlsx": workbook(one=[["a", "left"], *[[1, "x"], [2, "y"]] * 10]),
    "C09 gzip": gzip.compress(b"a,left\n" + ROWS),
    "C12 UTF-16": (b"a,left\n" + ROWS).decode().encode("utf-16"),
    "C13 cp1252": b"a,left\n" + ROWS + "3,ö\n".encode("cp1252") * 3,
    "C24 blank header": b"a,,left\n" + ROWS.replace(b",", b",1,"),
    "C28 1,5": b"a;left\n" + ROWS.replace(b",", b",5;"),
    "C11 BOM": codecs.BOM_UTF8 + b"a,left\n" + ROWS,
    "C15 semicolon": b"a;left\n" + ROWS.replace(b",", b";"),
    "C15 tab": b"a\tleft\n" + ROWS.replace(b",", b"\t"),
    "C15 pipe": b"a|left\n" + ROWS.replace(b",", b"|"),
    "C16 CR only": (b"a,left\n" + ROWS).replace(b"\n", b"\r"),
    "C17 mixed line ends": b"a,left\r\n1,x\n2,y\r" * 1 + ROWS,
    "C18 quoted line end": b'a,left\n"1",x\n' + b'1,"y"\n' + ROWS,
    "no line end at the end": b"a,left\n" + ROWS[:-1],
    "C27 NA": b"a,left\nNA,x\n" + ROWS,
    "C32 constant and missing beside a feature": b"a,one,none,left\n" + b"1,7,,x\n2,7,,y\n" * 10,
    "C31 class of one row": b"a,left\n" + ROWS + b"3,z\n",
    "C34 formula cells": b"a,formula,left\n1,=1+1,x\n2,\"=cmd|' /C calc'!A0\",y\n" * 1
    + b"1,@SUM(A1),x\n2,+1,y\n",
    "C36 reordered columns": b"left,a\nx,1\ny,2\n" + b"x,1\ny,2\n" * 9,
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def by_api(client: Client, **data: Any) -> Any:
    _, key = keys.create(name="caller", scopes=("train",))
    return client.post("/api/datasets", data, headers={"authorization": f"Bearer {key}"})


def by_portal(file: Any = None, **data: Any) -> Any:
    """The answer to the upload of a file, and to its form if the file can be read."""
    client = staff_client("training.add_dataset", username=uuid4().hex)
    response = client.post(LIST, {"file": file} if file else {})
    return client.post(response["location"], data) if response.status_code == 302 else response


def sent(content: bytes, name: str = "table.csv") -> dict[str, Any]:
    return {"name": "table", "target": "left", "file": SimpleUploadedFile(name, content)}


def refusal(way: str, content: bytes, client: Client, folder: Path) -> tuple[str, list[tuple[int, str]]]:
    """What each way says, and the lines and columns that it names."""
    if way == "portal":
        form = by_portal(**sent(content)).context["form"]
        errors = [message for messages in form.errors.values() for message in messages]
        return errors[0], [(item["line"], item["column"]) for item in form.problems]
    if way == "api":
        problem = problem_of(by_api(client, **sent(content)), 422)
        places = [(error["line"], error["column"]) for error in problem["errors"] if "line" in error]
        return problem["detail"] + "".join(error["message"] for error in problem["errors"]), places
    path = folder / "table.csv"
    path.write_bytes(content)
    with pytest.raises(CommandError) as caught:
        call_command(way, str(path), "--target", "left", stdout=StringIO())
    return str(caught.value), []


@pytest.mark.parametrize("case", BAD)
def test_file_that_cannot_be_used_is_refused_everywhere_with_line_and_column(
    case: str, way: str, client: Client, tmp_path: Path
) -> None:
    bad = BAD[case]
    text, places = refusal(way, bad.content, client, tmp_path)
    assert bad.words in text
    assert not Dataset.objects.exists()
    if bad.line is None:
        return
    if way in {"portal", "api"}:
        assert places[0] == (bad.line, bad.column)
    where = f'line {bad.line}, column "{bad.column}":' if bad.column else f"line {bad.line}:"
    assert where in text


@pytest.mark.parametrize("case", GOOD)
@pytest.mark.parametrize("way", WAYS[:3])
def test_every_way_to_write_csv_is_read_everywhere(
    case: str, way: str, client: Client, tmp_path: Path
) -> None:
    if way == "portal":
        assert by_portal(**sent(GOOD[case])).status_code == 302
    elif way == "api":
        response = by_api(client, **sent(GOOD[case]))
        assert response.status_code == 201, response.content
    else:
        path = tmp_path / "table.csv"
        path.write_bytes(GOOD[case])
        call_command(way, str(path), "--target", "left", stdout=StringIO(), stderr=StringIO())
    dataset = Dataset.objects.get()
    assert dataset.contract.names[0] == "a"
    assert {"x", "y"} <= set(dataset.contract.classes)


HOSTILE = [
    "../../etc/passwd",
    "..",
    "/",
    "a\\b.csv",
    "<script>.csv",
    "=cmd.csv",
    "x" * 300,
    "a%00.csv",
    "\xff.csv",
]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.case("C35")
def test_hostile_file_name_is_never_used(name: str, client: Client, tmp_path: Path) -> None:
    _, key = keys.create(name="caller", scopes=("train",))
    fields = {"name": "table", "target": "left"}
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{fields[key]}\r\n' for key in fields
    ]
    parts.append(f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n')
    body = "".join(parts).encode("latin-1") + GOOD["C11 BOM"] + b"\r\n--b--\r\n"
    headers = {"authorization": f"Bearer {key}"}
    response = client.generic(
        "POST", "/api/datasets", body, "multipart/form-data; boundary=b", headers=headers
    )
    assert response.status_code in {201, 422}, response.content
    stored = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert stored == sorted(dataset.file_name for dataset in Dataset.objects.all())


@pytest.mark.case("C03", "C04")
def test_no_file_and_two_files_are_told_apart_from_one(client: Client) -> None:
    problem = problem_of(by_api(client, name="table", target="left"), 422)
    assert problem["errors"][0]["field"] == "file"
    assert "No file was sent" in by_portal(name="table", target="left").content.decode()
    two = [SimpleUploadedFile("one.csv", GOOD["C11 BOM"]), SimpleUploadedFile("two.csv", GOOD["C15 pipe"])]
    problem = problem_of(by_api(client, name="table", target="left", file=two), 422)
    assert "one file" in problem["errors"][0]["message"]
    assert "one file" in by_portal(name="table", target="left", file=two).context["form"].errors["file"][0]
    assert not Dataset.objects.exists()


@pytest.mark.parametrize(
    ("boundary", "status"), [("; boundary=" + "x" * 300, 415), ("", 400), ("; boundary=another", 422)]
)
@pytest.mark.case("C05")
def test_bad_boundary_is_no_file(boundary: str, status: int, client: Client) -> None:
    _, key = keys.create(name="caller", scopes=("train",))
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\na,left\r\n--b--\r\n'
    headers = {"authorization": f"Bearer {key}"}
    response = client.generic(
        "POST", "/api/datasets", body, f"multipart/form-data{boundary}", headers=headers
    )
    problem_of(response, status)
    assert not Dataset.objects.exists()


@pytest.mark.parametrize("over", [0, 1])
@pytest.mark.case("C06")
def test_limit_is_kept_to_the_byte_everywhere(
    over: int, way: str, client: Client, tmp_path: Path, settings: Any
) -> None:
    content = GOOD["C15 semicolon"]
    settings.CLFSITE_UPLOAD_BYTES = len(content) - over
    if way == "portal":
        response = by_portal(**sent(content))
        assert over == ("larger than the limit" in response.content.decode())
    elif way == "api":
        response = by_api(client, **sent(content))
        assert response.status_code == (413 if over else 201)
    else:
        path = tmp_path / "table.csv"
        path.write_bytes(content)
        if over:
            with pytest.raises(CommandError, match="CLFSITE_UPLOAD_BYTES"):
                call_command(way, str(path), "--target", "left")
        else:
            call_command("importdataset", str(path), "--target", "left", stdout=StringIO(), stderr=StringIO())
    assert Dataset.objects.exists() == (not over)
