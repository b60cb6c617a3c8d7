"""The same report as one page of HTML that needs nothing else, and as a PDF set by Typst."""

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
    """What a report can be written as."""

    HTML = "html"
    PDF = "pdf"

    @property
    def media_type(self) -> str:
        return "application/pdf" if self is Format.PDF else "text/html; charset=utf-8"


def report(version: Version) -> Report:
    """Collect and write the report on a version as it is now."""
    return chapters.write(collect(version))


def render(made: Report, form: Format) -> bytes:
    """The report in a format."""
    return as_pdf(made) if form is Format.PDF else as_html(made)


def as_html(made: Report) -> bytes:
    """One page with its style and charts in it."""
    return render_to_string("predictions/report/report.html", {"report": made}).encode()


def as_pdf(made: Report) -> bytes:
    """A4, with an outline, page numbers and tags for those who cannot see it.

    Texts reach Typst as data, never as its markup.
    """
    report = json.dumps(made.to_dict(), ensure_ascii=False)
    return typst.compile(
        TYPST,
        output=None,
        font_paths=fonts.of_pdf(),
        sys_inputs={"report": report, "remark": fonts.remark(report)},
    )


def file_name(version: Version, form: Format) -> str:
    """What to call the file of a version's report."""
    return f"{version.classifier}-v{version.number}-report.{form}"
