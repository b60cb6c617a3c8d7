"""Files as people have them: every form gives the same table, and what was recognised is told."""

import gzip
import io
from pathlib import Path

import pytest

from tests.support.workbook import workbook
from training.ml.files.canonical import write_canonical
from training.ml.files.columns import read_columns
from training.ml.files.options import Options
from training.ml.files.reading import TableError
from training.ml.files.sources import Source, open_source

PLAIN = "age,income,city,y\n26,2915.53,São Paulo,yes\n25,2094,Köln,no\n67,4131.47,Oslo,yes\n"
ROWS = [line.split(",") for line in PLAIN.splitlines()]


def separated(delimiter: str, *, comma: bool = False) -> str:
    lines = [delimiter.join(cell.replace(".", ",") if comma else cell for cell in row) for row in ROWS]
    return "\n".join(lines) + "\n"


def r_table() -> str:
    quoted = [[f'"{cell}"' if not cell[0].isdigit() else cell for cell in row] for row in ROWS]
    body = [f'"{number}" {" ".join(row)}' for number, row in enumerate(quoted[1:], start=1)]
    return "\n".join([" ".join(quoted[0]), *body]) + "\n"


def each_line(change: str) -> str:
    return "".join(f"{change.format(line)}\n" for line in PLAIN.splitlines())


FORMS: dict[str, tuple[bytes, list[str]]] = {
    "plain": (PLAIN.encode(), []),
    "line ends of Windows": (PLAIN.replace("\n", "\r\n").encode(), []),
    "mark of UTF-8": (PLAIN.encode("utf-8-sig"), []),
    "no line end at the end": (PLAIN.rstrip().encode(), []),
    "semicolons and decimal commas": (separated(";", comma=True).encode(), ["notation"]),
    "tabs": (separated("\t").encode(), []),
    "Windows-1252": (PLAIN.encode("cp1252"), ["encoding"]),
    "UTF-16": (PLAIN.encode("utf-16"), ["encoding"]),
    "UTF-16 without a mark": (PLAIN.encode("utf-16-be"), ["encoding"]),
    "gzip": (gzip.compress(PLAIN.encode()), ["gzip"]),
    "line that names the delimiter": (b"sep=,\r\n" + PLAIN.encode(), ["separator_line"]),
    "comments": (("# export\n# of today\n" + PLAIN + "# end\n").encode(), ["comments"]),
    "title": (("Customers 2026\n\n" + PLAIN).encode(), ["title"]),
    "trailing delimiter": (each_line("{},").encode(), ["trailing_delimiter"]),
    "trailing delimiter below the header": (
        (ROWS[0][0] + PLAIN[3:].replace("yes\n", "yes,\n").replace("no\n", "no,\n")).encode(),
        ["trailing_delimiter"],
    ),
    "empty columns of a spreadsheet": (each_line("{},,,").encode(), ["trailing_delimiter"]),
    "blanks in the header": (
        (" age , income , city , y \n" + PLAIN.partition("\n")[2]).encode(),
        ["header_blanks"],
    ),
    "blanks after commas": (PLAIN.replace(",", ", ").encode(), ["header_blanks", "blanks"]),
    "blank lines": (PLAIN.replace("\n", "\n\n").encode(), []),
    "row of totals": ((PLAIN + "Total,9141.0,,\n").encode(), ["totals"]),
}


def opened(content: bytes, folder: Path, **options: str) -> Source:
    path = folder / "upload"
    path.write_bytes(content)
    (folder / "work").mkdir()
    return open_source(path, folder / "work", Options.of(**options))


def stored(source: Source, target: str = "y") -> tuple[str, list[str]]:
    """The table in the form in which it is stored, and the codes of all notes."""
    table = read_columns(source.path, source.delimiter, target=target, is_typed=source.is_typed)
    path = source.path.with_name("stored.csv")
    write_canonical(table, path)
    return path.read_text(), [note.code for note in (*source.notes, *table.notes)]


@pytest.mark.parametrize("form", FORMS)
def test_same_table_in_any_form_is_stored_the_same_and_what_was_recognised_is_told(
    form: str, tmp_path: Path
) -> None:
    content, notes = FORMS[form]
    assert stored(opened(content, tmp_path)) == (PLAIN, notes)


def test_parquet_is_stored_as_the_same_table(tmp_path: Path) -> None:
    import duckdb

    path = tmp_path / "table.parquet"
    (tmp_path / "table.csv").write_text(PLAIN)
    with duckdb.connect() as database:
        database.read_csv(str(tmp_path / "table.csv"), dtype={"y": "VARCHAR"}).to_parquet(str(path))
    assert stored(opened(path.read_bytes(), tmp_path))[0] == PLAIN


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
def test_delimiter_tells_what_a_comma_means_in_every_encoding(encoding: str, tmp_path: Path) -> None:
    source = opened("größe;y\n1,234;a\n2,345;b\n".encode(encoding), tmp_path)
    assert stored(source)[0] == "größe,y\n1.234,a\n2.345,b\n"


def test_number_of_a_workbook_is_what_it_looks_like_beside_texts_with_decimal_commas(tmp_path: Path) -> None:
    rows: list[list[object]] = [["a", "b", "y"], [1.234, "1,5", "u"], [2.345, "2,75", "v"]]
    assert stored(opened(workbook(one=rows), tmp_path))[0] == "a,b,y\n1.234,1.5,u\n2.345,2.75,v\n"


def test_names_of_rows_and_an_unnamed_index_become_a_column(tmp_path: Path) -> None:
    index = "".join(f"{number},{line}\n" for number, line in enumerate(PLAIN.splitlines()[1:]))
    expected = "column 1," + PLAIN.partition("\n")[0]
    for number, (content, note) in enumerate(
        [(r_table(), "row_names"), (f",{PLAIN.partition(chr(10))[0]}\n{index}", "unnamed")]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        text, notes = stored(opened(content.encode(), folder))
        assert text.partition("\n")[0] == expected
        assert notes == [note]


def test_rows_one_cell_longer_than_the_header_are_no_names_if_they_look_like_numbers(tmp_path: Path) -> None:
    source = opened(b"a,b\n1,5,2\n2,5,3\n9,5,4\n8,1,1\n", tmp_path)
    with pytest.raises(TableError, match="3 cells where the header has 2"):
        stored(source, "b")


@pytest.mark.parametrize("form", ["comments", "title", "line that names the delimiter", "blank lines"])
def test_line_of_an_error_is_that_of_the_file_of_the_user(form: str, tmp_path: Path) -> None:
    content = FORMS[form][0] + b"67,4131.47,Oslo\n"
    source = opened(content, tmp_path)
    with pytest.raises(TableError) as caught:
        stored(source)
    assert caught.value.problems[0].line == content.count(b"\n")


def test_encoding_and_delimiter_that_are_chosen_are_taken(tmp_path: Path) -> None:
    source = opened("a;b|y\nż;1|p\nó;2|q\n".encode("cp1250"), tmp_path, encoding="cp1250", delimiter="pipe")
    assert stored(source)[0] == "a;b,y\nż;1,p\nó;2,q\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("imię;miasto\nŁukasz;Gdańsk\nżółć;Kraków\n", "Windows-1250"),
        ("имя;город\nИван;Москва\nАнна;Казань\n", "Windows-1251"),  # noqa: RUF001  # noqa: RUF001
        ("名前;都市\n太郎;東京\n花子;大阪\n", "SHIFT-JIS"),
        ("nom;ville\nAndré;Orléans\nZoë;Genève\n", "Windows-1252"),
    ],
)
def test_encodings_are_told_apart_by_their_letters(text: str, encoding: str, tmp_path: Path) -> None:
    codec = {"SHIFT-JIS": "shift_jis"}.get(encoding, encoding.replace("Windows-", "cp"))
    source = opened((text * 3).encode(codec), tmp_path)
    assert source.facts["encoding"] == encoding
    assert (source.path.read_text(), source.delimiter) == (text * 3, ";")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (gzip.compress(PLAIN.encode() * 100)[:-20], "archive is damaged"),
        (b"PAR1 nothing", "Parquet file cannot be read"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"x" * 600, "workbook cannot be read"),
    ],
    ids=["gzip", "parquet", "xls"],
)
def test_damaged_file_is_named(content: bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(TableError, match=words):
        opened(content, tmp_path)


def test_archive_is_not_unpacked_beyond_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    with gzip.open(path, "wb") as file:
        file.write(b"0" * 1_000_000)
    with pytest.raises(TableError, match="larger than the limit of 10,000 bytes"):
        open_source(path, tmp_path, limit=10_000)


@pytest.mark.parametrize(
    "options", [{"delimiter": "x"}, {"encoding": "latin-99"}, {"encoding": "zip"}, {"decimal": "p"}], ids=str
)
def test_option_that_is_not_allowed_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(TableError, match="expected"):
        Options.of(**options)


def test_hash_at_the_start_of_a_name_is_no_comment(tmp_path: Path) -> None:
    source = opened(b"#id,a\n1,2\n3,4\n", tmp_path)
    assert read_columns(source.path, source.delimiter).frame().to_dict("list") == {"#id": [1, 3], "a": [2, 4]}


def test_rows_and_texts_that_begin_with_a_hash_are_no_comments(tmp_path: Path) -> None:
    content = b'# export\nid,note,y\n#1,"one\n# two",a\n#2,x,b\n# by hand\n'
    assert stored(opened(content, tmp_path))[0] == 'id,note,y\n#1,"one\n# two",a\n#2,x,b\n'


def test_file_without_a_header_of_its_own_form_stays_as_it_is(tmp_path: Path) -> None:
    source = opened(PLAIN.encode(), tmp_path)
    assert source.path == tmp_path / "upload"
    assert io.StringIO(source.path.read_text()).readline() == "age,income,city,y\n"
