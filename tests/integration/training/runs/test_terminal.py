"""A run as the terminal tells of it: how many fits, the best so far, and how long it still takes."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import OutputWrapper
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from predictions.keys import service as keys
from tests.support.factories import RunFactory, VersionFactory
from tests.support.portal import staff_client
from training.management import terminal
from training.ml.progress import Phase, Progress
from training.models import Run

pytestmark = pytest.mark.django_db


def halfway(**values: Any) -> Run:
    """A run that has fitted 10 of its 40 models in two hours."""
    began = timezone.now() - timedelta(hours=2)
    figures = {"fits_done": 10, "fits_total": 40, "best_score": 0.8125, "started_at": began, **values}
    return RunFactory.create(running=True, classifier__name="churn", **figures)


def lines(run: Run, *progress: Progress, capfd: pytest.CaptureFixture[str], quiet: bool = False) -> list[str]:
    """What is said on standard error as a run advances."""
    watch = terminal.Watch(run, quiet=quiet)
    with watch.bar:
        for item in progress:
            run.note(item)
            watch.report(item)
    return capfd.readouterr().err.splitlines()


def test_without_a_terminal_a_quarter_is_a_line_with_best_score_and_time_left(
    capfd: pytest.CaptureFixture[str],
) -> None:
    progress = [Progress(9, 40), Progress(10, 40, 0.8125), Progress(11, 40, 0.9)]
    assert lines(halfway(), *progress, capfd=capfd) == [
        "churn: Searching for the best model (3 of 8)",
        "churn: 10 of 40 fits, best score so far 0.8125, about 6 h 0 min left",
    ]


def test_a_long_search_is_heard_of_between_its_quarters(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "LINE_SECONDS", 0.0)
    text = lines(halfway(), Progress(0, 400), Progress(1, 400), Progress(2, 400, 0.7), capfd=capfd)
    assert [line.split(" fits")[0] for line in text[1:]] == ["churn: 1 of 400", "churn: 2 of 400"]


def test_every_phase_is_a_line_and_inputs_are_counted(capfd: pytest.CaptureFixture[str]) -> None:
    counted = [Progress(done, 60, phase=Phase.IMPORTANCE) for done in (0, 5, 15, 16, 60)]
    progress = [Progress(0, 1, phase=Phase.JUDGE), *counted, Progress(0, 1, phase=Phase.COMPILE)]
    text = lines(halfway(), *progress, capfd=capfd)
    assert [line.split(", about")[0] for line in text] == [
        "churn: Judging the model on held-out rows (5 of 8)",
        "churn: Measuring how much each input matters (6 of 8)",
        "churn: 15 of 60 inputs",
        "churn: 60 of 60 inputs",
        "churn: Compiling the model for fast answers (7 of 8)",
    ]


def test_on_a_terminal_the_bar_says_the_same(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "140")
    shown = " ".join(lines(halfway(), Progress(10, 40, 0.8125), capfd=capfd))
    for words in (
        "churn: Searching for the best model",
        "10/40",
        "best score so far 0.8125",
        "about 6 h 0 min left",
    ):
        assert words in shown


def test_the_members_of_a_mix_are_lines_of_their_own() -> None:
    out = StringIO()
    members = [
        {"family": "lightgbm", "params": {"num_leaves": 8, "max_depth": None}, "weight": 2 / 3},
        {"family": "logistic_regression", "params": {"C": 0.1}, "weight": 1 / 3},
    ]
    version = VersionFactory.create(family="mix", params={"members": members})
    terminal.show(version, 1.0, OutputWrapper(out), as_json=False)
    assert out.getvalue().splitlines()[:4] == [
        f"{version}: mix of models",
        "  67% lightgbm, num_leaves = 8, max_depth = None",
        "  33% logistic_regression, C = 0.1",
        "positive class yes, predicted from a probability of 0.5",
    ]


def test_quiet_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    assert lines(halfway(), Progress(10, 40, 0.8125), capfd=capfd, quiet=True) == []


def test_terminal_portal_and_api_tell_the_same(capfd: pytest.CaptureFixture[str], client: Client) -> None:
    run = halfway()
    assert "about 6 h 0 min left" in lines(run, Progress(9, 40), Progress(10, 40, 0.8125), capfd=capfd)[1]
    piece = staff_client().get(reverse("training:run-progress", args=[run.pk])).content.decode()
    assert "Searching for the best model" in piece
    assert "10 of 40 models fitted" in piece
    assert "about 6\u202fh 0\u202fmin left" in piece
    assert "so far: 0.81" in piece
    _, key = keys.create(name="reader", scopes=("read",))
    answer = client.get(f"/api/runs/{run.pk}", headers={"authorization": f"Bearer {key}"}).json()
    assert (answer["fits_done"], answer["fits_total"], answer["best_score"]) == (10, 40, 0.8125)
    assert (answer["phase"], answer["phase_done"], answer["phase_total"]) == ("search", 10, 40)
    assert answer["seconds_left"] == pytest.approx(21_600, abs=60)


@pytest.mark.parametrize(
    "values",
    [
        {"fits_done": 0},
        {"state": Run.State.QUEUED},
        {"state": Run.State.FAILED, "finished_at": timezone.now(), "error": "x"},
    ],
    ids=["no fit yet", "waiting", "over"],
)
def test_nothing_is_said_of_the_time_left_where_nothing_is_known(values: dict[str, Any]) -> None:
    assert halfway(**values).seconds_left is None


def test_a_budget_of_minutes_ends_the_time_left() -> None:
    run = halfway()
    run.recipe_data = {**run.recipe_data, "max_minutes": 121}
    assert run.seconds_left == pytest.approx(60, abs=10)


@pytest.mark.parametrize("jobs", ["0", "-2", "many"])
def test_a_number_of_processes_that_cannot_be_is_refused(jobs: str) -> None:
    with pytest.raises(CommandError, match="--jobs"):
        call_command("train", "table.csv", "--target", "left", "--jobs", jobs)
