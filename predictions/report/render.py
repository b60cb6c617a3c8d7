"""A report as one self-contained page of HTML, and as a PDF made by Typst."""

import json
from enum import StrEnum

import typst
from django.conf import settings
from django.template.loader import render_to_string

from predictions.report import chapters, fonts
from predictions.report.blocks import Report
from predictions.report.facts import collect
from training.models import Version

TYPST = settings.BASE_DIR / "templates" / "predictions" / "report" / "report.typ"


class Format(StrEnum):
    """The formats of a report."""

    HTML = "html"
    PDF = "pdf"

    @property
    def media_type(self) -> str:
        return "application/pdf" if self is Format.PDF else "text/html; charset=utf-8"


def report(version: Version) -> Report:
    """Collect the current facts about a version and write the report."""
    return chapters.write(collect(version))


def render(made: Report, form: Format) -> bytes:
    """Return the report in a format."""
    return as_pdf(made) if form is Format.PDF else as_html(made)


def as_html(made: Report) -> bytes:
    """Return one page that includes its style and charts."""
    return render_to_string("predictions/report/report.html", {"report": made}).encode()


def as_pdf(made: Report) -> bytes:
    """Return a PDF on A4 with an outline, page numbers, and tags for screen readers.

    Texts are passed to Typst as data, never as markup.
    """
    report = json.dumps(made.to_dict(), ensure_ascii=False)
    return typst.compile(
        TYPST,
        output=None,
        font_paths=fonts.of_pdf(),
        sys_inputs={"report": report, "remark": fonts.remark(report)},
    )


def file_name(version: Version, form: Format) -> str:
    """Return the file name of the report on a version."""
    return f"{version.classifier}-v{version.number}-report.{form}"
