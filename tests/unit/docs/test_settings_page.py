"""The documents list every setting as `clfsite.env` declares it."""

import re

from clfsite.env import declared
from tests import settings


def test_the_table_of_settings_is_what_is_declared() -> None:
    text = settings.PAGE.read_text()
    assert text == settings.page(text), "run: make settings"


def test_the_example_file_lists_what_is_declared() -> None:
    assert settings.EXAMPLE.read_text() == settings.example(), "run: make settings"


def test_no_line_of_the_example_file_sets_anything() -> None:
    lines = settings.EXAMPLE.read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("# ")] == []
    named = [match[1] for line in lines if (match := re.match(r"# ([A-Z_<>]+)=", line))]
    assert named == [setting.title for setting in declared()]
