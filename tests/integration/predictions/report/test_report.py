"""The report on a version: its numbers are the database's, its page needs nothing else, its PDF is whole."""

import io
import json
import re
import shlex
from dataclasses import asdict, replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pypdf import PdfReader

from predictions.feedback.service import give_feedback
from predictions.models import Feedback, FeedbackCount, HourlyCount, HourlyLatency, Prediction, hour_of
from predictions.monitoring import counts, quality
from predictions.monitoring.evaluation.evaluate import evaluate
from predictions.report import facts as report_facts
from predictions.report import render
from predictions.report.blocks import Figure, Items, Report, Table
from predictions.report.chapters import closing, training
from predictions.report.render import Format
from tests.support.counted import only, serve
from tests.support.factories import (
    ActivationFactory,
    ClassifierFactory,
    PredictionFactory,
    VersionFactory,
    tiny,
)
from tests.support.portal import staff_client
from training.management import columns
from training.management.commands.train import Command
from training.ml.judge.aim import Aim
from training.ml.search.recipe import Recipe
from training.ml.tables import inference
from training.ml.trainer import train
from training.models import Run, Version
from training.versions import model_card
from training.versions.verdict import Outcome

# drawing and setting a report takes seconds, so tests share one
pytestmark = [pytest.mark.django_db]
ANSWERS = [("yes", "yes"), ("yes", "no"), ("no", "no"), ("no", "no"), ("no", "yes"), ("yes", None)]
HOSTILE = "<script>alert(1)</script> #import $x$ & \\ 漢字"


@pytest.fixture
def lived() -> Version:
    """An active version 2 of churn with six logged answers, five of them judged, one with a warning."""
    classifier = ClassifierFactory.create(name="churn", is_default=True)
    ActivationFactory.create(version=VersionFactory.create(classifier=classifier), classifier=classifier)
    version: Version = VersionFactory.create(classifier=classifier)
    ActivationFactory.create(version=version, classifier=classifier, reason="it is better")
    for place, (label, truth) in enumerate(ANSWERS):
        warnings = [{"feature": "plan", "code": "unknown_category", "message": "..."}] if place == 0 else []
        prediction = PredictionFactory.create(
            version=version, label=label, warnings=warnings, latency_ms=3.0 if place else 70.0
        )
        if truth:
            give_feedback(prediction_id=prediction.pk, label=truth, actor="tests", source=Feedback.Source.API)
    return Version.objects.select_related("classifier", "run__dataset", "run__created_by").get(pk=version.pk)


_made: list[Report] = []
_set: list[bytes] = []


@pytest.fixture
def made(lived: Version) -> Report:
    """The report on it, written once for all tests that only read it: drawing the charts takes a second."""
    if not _made:
        _made.append(render.report(lived))
    return _made[0]


@pytest.fixture
def pdf(made: Report) -> bytes:
    """The same as a PDF, set once."""
    if not _set:
        _set.append(render.as_pdf(made))
    return _set[0]


class Page(HTMLParser):
    """What a browser would fetch, and the ids and links within the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in {"src", "href", "xlink:href", "srcset", "data", "action", "poster"}:
                self.references.append(value or "")
            if name == "id":
                self.ids.append(value or "")


def tables(made: Report) -> dict[str, Table]:
    return {
        block.caption: block
        for chapter in made.chapters
        for block in chapter.blocks
        if isinstance(block, Table)
    }


def pdf_text(data: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages)


def test_every_metric_is_the_database_s(lived: Version, made: Report) -> None:
    rows = {row[0]: row for row in tables(made)["The five metrics"].rows}
    titles = {
        "ROC-AUC": "roc_auc",
        "Accuracy": "accuracy",
        "F1": "f1",
        "Precision": "precision",
        "Recall": "recall",
    }
    assert set(rows) == set(titles)
    for title, name in titles.items():
        fold, (low, high) = lived.cross_validation[name], lived.held_out["intervals"][name]
        assert rows[title][1:4] == [
            f"{fold['mean']:.3f} ± {fold['std']:.3f}",
            f"{lived.held_out['metrics'][name]:.3f}",
            f"{low:.3f} to {high:.3f}",
        ]


def test_serving_and_monitoring_are_sums_over_the_counts(lived: Version) -> None:
    result = report_facts.collect(lived)
    served = HourlyCount.objects.filter(version=lived).aggregate(total=Sum("predictions"))["total"]
    assert result.serving.predictions == served == len(ANSWERS)
    assert result.serving.labels == {"no": 3, "yes": 3}
    assert sum(result.serving.latencies) == HourlyLatency.objects.aggregate(total=Sum("predictions"))["total"]
    assert (result.serving.within_ms(0.5), result.serving.within_ms(0.99)) == (5, 100)
    judged = FeedbackCount.objects.aggregate(total=Sum("predictions"))["total"]
    assert result.monitoring.quality.judged == judged == 5
    assert result.monitoring.quality == quality.of_versions([lived])[0]
    assert result.monitoring.quality.accuracy == 3 / 5
    assert sum(day.judged for day in result.monitoring.days.values()) == 5
    assert (result.monitoring.warned, result.monitoring.looked_at) == (1, len(ANSWERS))
    assert result.monitoring.warnings == {("plan", "unknown_category"): 1}


def test_inputs_that_moved_are_in_monitoring_and_limits(lived: Version) -> None:
    (size,) = (item.size for item in lived.reference.bins.columns if item.name == "tenure")
    # half a year ago, after which there were no more
    at = timezone.now() - timedelta(days=180)
    serve(lived, hour_of(at), 1_000, shares={"tenure": only(size, size - 2)})
    evaluation = report_facts.collect(lived).monitoring.evaluation
    assert evaluation.predictions == 1_000
    assert [column.name for column in evaluation.moved] == ["tenure"]
    assert evaluation.moved == evaluate(lived, days=7, until=evaluation.until).moved
    made = render.report(lived)
    table = tables(made)["How far inputs have moved"]
    assert [table.rows[place][0] for place in table.strong] == ["tenure"]
    assert "The values of tenure differ from the training data" in render.as_html(made).decode()


def test_the_report_names_the_limits_of_the_model_card(lived: Version) -> None:
    chapter = closing.limits(report_facts.collect(lived))
    items = next(block for block in chapter.blocks if isinstance(block, Items))
    limits = model_card.limits(lived)
    assert items.items[: len(limits)] == limits


def test_what_the_threshold_costs_follows_from_the_confusion_matrix() -> None:
    outcome = Outcome([[850, 50], [20, 80]], 1)
    assert vars(outcome) == vars(Outcome([[80, 20], [50, 850]], 0))
    assert outcome.costs(1) == (70, 100, 900)
    assert outcome.costs(10) == (250, 1000, 900)
    assert outcome.pays_from == 50 / 80
    assert outcome.pays_until == 850 / 20
    at_break_even = outcome.costs(50 / 80)
    assert at_break_even[0] == pytest.approx(at_break_even[1])


def test_page_and_pdf_say_the_same_numbers(lived: Version, made: Report, pdf: bytes) -> None:
    page, text = render.as_html(made).decode(), pdf_text(pdf)
    metrics, confusion = lived.held_out["metrics"], lived.held_out["confusion"]
    for output in (
        f"{metrics['roc_auc']:.3f}",
        f"{lived.held_out['rows']:,} held-out rows",
        f"{lived.threshold:.4g}",
        "60.0\u202f%",
        str(confusion[0][0]),
        "it is better",
        lived.run.dataset.sha256,
    ):
        assert output in page
        assert re.sub(r"\s", "", output) in re.sub(r"[\s\u200b]", "", text)


def test_the_page_refers_to_nothing_outside_itself(made: Report) -> None:
    text = render.as_html(made).decode()
    page = Page(text)
    assert page.references
    assert all(reference.startswith("#") for reference in page.references)
    assert {reference[1:] for reference in page.references} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert not page.tags & {"script", "img", "link", "iframe", "object", "embed"}
    assert "@import" not in text
    assert not re.search(r"url\((?!['\"]?#)", text)
    namespaces = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert set(re.findall(r"https?://[^\s\"'<)]+", text)) <= namespaces


def test_the_pdf_has_its_pages_its_contents_and_a_reading_of_every_figure(made: Report, pdf: bytes) -> None:
    reader = PdfReader(io.BytesIO(pdf))
    text = "\n".join(page.extract_text() for page in reader.pages)
    assert 10 <= len(reader.pages) <= 20
    assert reader.metadata is not None
    assert reader.metadata.title == "churn, version 2"
    assert [str(entry["/Title"]) for entry in reader.outline if isinstance(entry, dict)] == [
        f"{number} {chapter.title}" for number, chapter in enumerate(made.chapters, start=1)
    ]
    figures = [block for chapter in made.chapters for block in chapter.blocks if isinstance(block, Figure)]
    assert len(figures) >= 10
    assert all(figure.reading for figure in figures)
    assert f"Figure {len(figures)}" in text
    assert f"1 of {len(reader.pages) - 1}" in text
    root: Any = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]


def test_its_command_asks_for_the_very_same_run(lived: Version) -> None:
    recipe = Recipe(
        space={"n_estimators": [5], "max_depth": [None, 3]},
        max_fits=41,
        max_minutes=12.3456789,
        aim={"goal": "cost", "value": 1234567.25},
        positive="-it's",
        class_weight="balanced",
        group="-its customer",
    )
    corrected = {"zip code": "category", "-x": "leave_out", "id": "take_in", "n": "number", "note": "text"}
    Run.objects.filter(pk=lived.run_id).update(
        recipe_data=recipe.to_dict(),
        corrections_data={
            "columns": corrected,
            "strict": True,
            "labels": "merge",
            "date_parts": [["year", "it's month", "-day"]],
            "protected": ["-it's group"],
        },
    )
    contract = {**lived.contract_data, "target": "it's $ due"}
    Version.objects.filter(pk=lived.pk).update(contract_data=contract)
    lived.refresh_from_db()
    written = training.command(report_facts.collect(lived)).text.replace("\\\n", " ").splitlines()[0]
    asked = vars(Command().create_parser("manage.py", "train").parse_args(shlex.split(written)[3:]))
    assert asked["target"] == "it's $ due"
    corrections = columns.read_options(asked, strict=asked["strict"])
    assert corrections.to_dict() == lived.run.corrections_data
    names = (
        "estimator",
        "search",
        "scoring",
        "folds",
        "seed",
        "max_fits",
        "max_minutes",
        "class_weight",
        "positive",
        "group",
    )
    assert {name: asked[name] for name in names} == {name: getattr(recipe, name) for name in names}
    assert json.loads(asked["space"]) == recipe.space
    assert asdict(Aim.parse(asked["aim"])) == recipe.aim


@pytest.mark.case("U26", "U27")
def test_names_that_look_like_markup_are_text_in_both(lived: Version) -> None:
    Version.objects.filter(pk=lived.pk).update(
        contract_data={**lived.contract_data, "left_out": {HOSTILE: "a constant column"}}
    )
    lived.refresh_from_db()
    made = render.report(lived)
    page = render.as_html(made).decode()
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; #import $x$" in page
    assert "<script>alert(1)</script> #import $x$ &" in pdf_text(render.as_pdf(made)).replace("\n", " ")


def test_a_version_without_use_truth_and_curves_says_so() -> None:
    version: Version = VersionFactory.create(threshold=0.5)
    early = {
        name: value
        for name, value in version.held_out.items()
        if name not in {"curves", "importance", "intervals"}
    }
    Version.objects.filter(pk=version.pk).update(held_out=early)
    version.refresh_from_db()
    made = render.report(version)
    page = render.as_html(made).decode()
    for text in (
        "has made no predictions yet",
        "There is no feedback for this version yet",
        "No curves were recorded",
        "not recorded",
        "never active",
    ):
        assert text in page
    assert render.as_pdf(made).startswith(b"%PDF")


def test_three_classes_have_no_threshold_and_curves_for_each() -> None:
    table = pd.concat([tiny().table] * 3, ignore_index=True)
    table["left"] = [("no", "perhaps", "yes")[place % 3] for place in range(len(table))]
    recipe = Recipe(folds=3, estimator="logistic_regression", space={"C": [1.0]})
    trained = train(table, inference.infer(table, "left"), recipe, jobs=1, accelerate=False)
    version: Version = VersionFactory.create(
        contract_data=trained.contract.to_dict(), held_out=trained.held_out.to_dict(), threshold=None
    )
    made = render.report(version)
    page = render.as_html(made).decode()
    assert "With 3 classes there is no threshold" in page
    assert "of each class against all others" in page
    assert render.as_pdf(made).startswith(b"%PDF")


def test_collecting_asks_the_same_few_questions_however_long_a_version_lived(lived: Version) -> None:
    with CaptureQueriesContext(
        connection,
    ) as before:
        report_facts.collect(lived)
    for _ in range(5):
        PredictionFactory.create(version=lived, source=Prediction.Source.CSV)
    VersionFactory.create(classifier=lived.classifier)
    with CaptureQueriesContext(connection) as after:
        report_facts.collect(lived)
    assert len(after) == len(before) <= 22


@pytest.fixture
def written(lived: Version, tmp_path: Path) -> Path:
    return tmp_path / "reports"


def test_the_command_writes_both_for_the_active_version(
    written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("report", output=written)
    names = ["churn-v2-report.html", "churn-v2-report.pdf"]
    assert sorted(path.name for path in written.iterdir()) == names
    assert capsys.readouterr().out.split() == [str(written / name) for name in names]
    assert (written / names[1]).read_bytes().startswith(b"%PDF")


def test_the_command_takes_another_version_and_one_format(written: Path) -> None:
    call_command("report", "--version", "1", "--format", "html", "--output", str(written))
    assert [path.name for path in written.iterdir()] == ["churn-v1-report.html"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--classifier", "chrun"], "there is no classifier 'chrun'; choose from churn"),
        (["--version", "7"], "churn has no version 7; there are: 1, 2"),
    ],
)
def test_the_command_says_what_there_is_instead(lived: Version, options: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=re.escape(words)):
        call_command("report", *options)


def test_the_command_needs_a_classifier() -> None:
    with pytest.raises(CommandError, match="no classifier found; train one"):
        call_command("report")


def test_a_folder_that_cannot_be_written_to_is_named(lived: Version, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError, match="cannot write to"):
        call_command("report", "--format", "html", "--output", str(tmp_path / "file"))


def test_the_version_s_page_links_to_its_report(lived: Version) -> None:
    client, form = staff_client(), Format.PDF
    assert (
        f"/portal/versions/{lived.pk}/report.pdf"
        in client.get(f"/portal/versions/{lived.pk}").content.decode()
    )
    response = client.get(f"/portal/versions/{lived.pk}/report.{form}")
    assert response["Content-Type"] == form.media_type
    assert response["Content-Disposition"] == f'attachment; filename="churn-v2-report.{form}"'
    assert client.get(f"/portal/versions/0/report.{form}").status_code == 404


def test_a_latency_beyond_the_last_step_has_no_bound(lived: Version) -> None:
    served = report_facts.collect(lived).serving
    slow = replace(served, latencies=[*[0] * len(counts.LATENCY_MS), 3])
    assert slow.within_ms(0.5) is None
