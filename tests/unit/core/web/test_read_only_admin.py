"""Values of JSON as tables."""

from typing import Any

import pytest

from clfsite.core.web.read_only_admin import as_table


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        ({}, "-"),
        ([], "-"),
        (True, "yes"),
        (0, "0"),
        (239.05, "239.05"),
        (0.9048079912, "0.9048"),
        (1e-05, "1e-05"),
        (["predict", "read"], "predict, read"),
    ],
)
def test_a_value_without_parts_is_shown_as_it_is_read(value: Any, shown: str) -> None:
    assert as_table(value) == shown


def test_a_record_is_a_table_of_names_and_values() -> None:
    assert as_table({"plan": "<pro>", "member": False}) == (
        '<table class="values"><tr><th scope="row">plan</th><td>&lt;pro&gt;</td></tr>'
        '<tr><th scope="row">member</th><td>no</td></tr></table>'
    )


def test_records_are_rows_with_a_column_for_each_name() -> None:
    table = (
        '<table class="values"><tr><td></td><th scope="col">mean</th><th scope="col">std</th></tr>{}</table>'
    )
    rows = {"f1": {"mean": 0.5}, "recall": {"mean": 1, "std": 0.25}}
    assert as_table(rows) == table.format(
        '<tr><th scope="row">f1</th><td>0.5</td><td>-</td></tr>'
        '<tr><th scope="row">recall</th><td>1</td><td>0.25</td></tr>'
    )
    assert as_table(list(rows.values())) == table.format(
        '<tr><th scope="row">1</th><td>0.5</td><td>-</td></tr>'
        '<tr><th scope="row">2</th><td>1</td><td>0.25</td></tr>'
    )


def test_rows_of_numbers_are_rows() -> None:
    assert as_table([[1.8, 25]]) == '<table class="values"><tr><td>1.8</td><td>25</td></tr></table>'


def test_parts_of_several_kinds_are_tables_within_a_table() -> None:
    inner = '<table class="values"><tr><th scope="row">b</th><td>1</td></tr></table>'
    outer = '<table class="values"><tr><th scope="row">1</th><td>a</td></tr><tr><th scope="row">2</th><td>{}</td></tr></table>'
    assert as_table(["a", {"b": 1}]) == outer.format(inner)
