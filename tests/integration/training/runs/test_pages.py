"""Runs in the portal: watch, cancel, judge, find."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from predictions.keys import service as keys
from tests.support.factories import RunFactory, VersionFactory
from tests.support.portal import staff_client
from training.ml.progress import Phase, Progress
from training.ml.search.families import AUTO, PLAIN_BOOSTING, families_of
from training.ml.search.recipe import Recipe
from training.models import Run

LIST = reverse("training:run-list")
NEW = reverse("training:run-create")


@pytest.fixture
def trainer(db: None) -> Client:
    return staff_client("training.add_run")


def detail(client: Client, run: Run) -> Any:
    response = client.get(reverse("training:run-detail", args=[run.pk]))
    assert response.status_code == 200
    return response


def test_a_run_under_way_fetches_its_progress_until_it_is_over(trainer: Client) -> None:
    run = RunFactory.create(running=True, fits_total=60, fits_done=15, best_score=0.8123)
    progress = reverse("training:run-progress", args=[run.pk])
    assert f'hx-get="{progress}?' in detail(trainer, run).content.decode()
    piece = trainer.get(progress).content.decode()
    assert "15 of 60 models fitted" in piece
    assert 'value="25"' in piece
    assert "0.812" in piece
    run.fail("it was stopped")
    assert trainer.get(progress)["HX-Refresh"] == "true"
    assert "It was stopped" in detail(trainer, run).content.decode()


def test_a_queued_run_says_that_it_waits(trainer: Client) -> None:
    assert "Waiting for a worker" in detail(trainer, RunFactory.create()).content.decode()


def cancel(client: Client, run: Run) -> Any:
    return client.post(reverse("training:run-cancel", args=[run.pk]), follow=True)


def test_a_queued_run_is_cancelled_at_once(trainer: Client) -> None:
    run = RunFactory.create()
    assert "data-confirm" in detail(trainer, run).content.decode()
    shown = cancel(trainer, run).content.decode()
    run.refresh_from_db()
    assert run.state == "cancelled"
    assert f"Run {run.pk} is cancelled." in shown
    assert "state-cancelled" in shown
    assert "data-confirm" not in shown


def test_a_running_run_is_cancelling_until_its_process_has_ended(trainer: Client) -> None:
    run = RunFactory.create(running=True)
    shown = cancel(trainer, run).content.decode()
    assert "is being cancelled" in shown
    assert "Cancelling" in shown
    assert "data-confirm" not in shown
    assert "Cancelling" in trainer.get(LIST).content.decode()
    assert "Cancelling" in trainer.get(reverse("training:run-progress", args=[run.pk])).content.decode()
    assert run.cancel()
    shown = detail(trainer, run).content.decode()
    assert "Cancelled" in shown
    assert "Cancelling" not in shown


def test_a_run_that_is_over_is_not_cancelled(trainer: Client) -> None:
    run = RunFactory.create(failed=True)
    assert "data-confirm" not in detail(trainer, run).content.decode()
    assert f"Nothing was changed: run {run.pk} has already ended." in cancel(trainer, run).content.decode()
    run.refresh_from_db()
    assert (run.state, run.cancel_requested_at) == ("failed", None)


def test_a_failed_run_is_started_again_by_a_button(trainer: Client) -> None:
    run = RunFactory.create(failed=True)
    address = reverse("training:run-resume", args=[run.pk])
    page = reverse("training:run-detail", args=[run.pk])
    assert address in trainer.get(page).content.decode()
    shown = trainer.post(address, follow=True).content.decode()
    assert "it was made to fail" not in shown
    assert address not in shown
    run.refresh_from_db()
    assert run.state == "queued"
    shown = trainer.post(address, follow=True).content.decode()
    assert "Nothing was changed: " in shown


def test_a_run_under_way_has_one_state_on_its_page_which_the_piece_that_refreshes_tells(
    trainer: Client,
) -> None:
    for run in (RunFactory.create(), RunFactory.create(running=True)):
        shown = trainer.get(reverse("training:run-detail", args=[run.pk])).content.decode()
        assert shown.count('class="state ') == 1
        assert shown.index('id="progress"') < shown.index('class="state ')
    over = trainer.get(
        reverse("training:run-detail", args=[RunFactory.create(failed=True).pk])
    ).content.decode()
    assert over.count('class="state ') == 1


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        (Progress(0, 1, phase=Phase.CHECK), "Step 2 of 8: Checking the table"),
        (Progress(0, 2, phase=Phase.REFIT), "Step 4 of 8: Fitting the best model"),
        (
            Progress(20, 60, phase=Phase.IMPORTANCE),
            "Step 6 of 8: Measuring how much each input matters, 20 of 60 inputs",
        ),
        (Progress(0, 1, phase=Phase.SAVE), "Step 8 of 8: Saving the version"),
    ],
)
def test_a_run_names_its_phase_in_portal_and_api(progress: Progress, words: str, trainer: Client) -> None:
    run = RunFactory.create(running=True)
    run.note(progress)
    assert words in trainer.get(reverse("training:run-progress", args=[run.pk])).content.decode()
    _, key = keys.create(name="reader", scopes=("read",))
    answer = Client().get(f"/api/runs/{run.pk}", headers={"authorization": f"Bearer {key}"}).json()
    assert [answer["phase"], answer["phase_done"], answer["phase_total"]] == [
        progress.phase,
        progress.done,
        progress.total,
    ]


def test_a_phase_that_is_counted_tells_how_long_it_still_takes(trainer: Client) -> None:
    run = RunFactory.create(running=True)
    run.note(Progress(0, 60, phase=Phase.IMPORTANCE))
    Run.objects.filter(pk=run.pk).update(phase_at=timezone.now() - timedelta(seconds=100))
    run.refresh_from_db()
    run.note(Progress(20, 60, phase=Phase.IMPORTANCE))
    assert run.seconds_left == pytest.approx(200, abs=10)


def test_someone_who_may_only_look_cannot_cancel(db: None) -> None:
    run = RunFactory.create()
    viewer = staff_client()
    assert "data-confirm" not in detail(viewer, run).content.decode()
    assert cancel(viewer, run).status_code == 403


@pytest.mark.parametrize(
    ("done", "budget", "words"),
    [
        (0, None, "0 of 60"),
        (15, None, "about 5\u202fmin"),
        (15, 3.5, "about 2\u202fmin"),
        (15, 1, "15 of 60"),
    ],
)
def test_the_time_left_follows_from_the_fits_done_and_the_budget(
    done: int, budget: float | None, words: str, trainer: Client
) -> None:
    begun = timezone.now() - timedelta(seconds=100)
    run = RunFactory.create(running=True, fits_total=60, fits_done=done, started_at=begun)
    Run.objects.filter(pk=run.pk).update(recipe_data={**run.recipe_data, "max_minutes": budget})
    shown = trainer.get(reverse("training:run-progress", args=[run.pk])).content.decode()
    assert words in shown
    assert (" left" in shown) == words.startswith("about")


def test_a_search_for_a_time_promises_no_number_of_models(trainer: Client) -> None:
    run = RunFactory.create(running=True, recipe_data=Recipe("auto").to_dict())
    run.note(Progress(0, 10_000))
    Run.objects.filter(pk=run.pk).update(phase_at=timezone.now() - timedelta(seconds=100))
    run.refresh_from_db()
    run.note(Progress(1_500, 2_000, 0.8))
    shown = trainer.get(reverse("training:run-progress", args=[run.pk])).content.decode()
    assert "Searching for the best model, 1,500 models fitted, at most " in shown
    assert " left, less if nothing better is found" in shown
    assert "2,000" not in shown
    assert "Portfolio, as many models as there is time for" in detail(trainer, run).content.decode()


def test_the_page_is_loaded_again_when_the_search_can_be_stopped(trainer: Client) -> None:
    recipe = Recipe("auto").to_dict()
    queued = RunFactory.create(recipe_data=recipe)
    address = reverse("training:run-progress", args=[queued.pk])
    assert f'hx-get="{address}?can_stop=False"' in detail(trainer, queued).content.decode()
    assert "HX-Refresh" not in trainer.get(address, {"can_stop": "False"})
    running = RunFactory.create(running=True, recipe_data=recipe)
    address = reverse("training:run-progress", args=[running.pk])
    assert "HX-Refresh" in trainer.get(address, {"can_stop": "False"})
    assert "Stop and keep the best so far" in detail(trainer, running).content.decode()


def test_a_run_tells_its_warnings_its_attempts_and_where_it_is_tracked(trainer: Client) -> None:
    url = "https://wandb.example/runs/7"
    run = RunFactory.create(
        succeeded=True, attempt=2, warnings=["no threshold reaches a recall of 1"], tracking_url=url
    )
    shown = detail(trainer, run).content.decode()
    assert "alert-warning" in shown
    assert "No threshold reaches a recall of 1" in shown
    assert f'href="{url}"' in shown
    assert "<dt>Attempt</dt>" in shown
    shown = detail(trainer, RunFactory.create(succeeded=True, attempt=1)).content.decode()
    for words in ("alert-warning", "Weights &amp; Biases", "Attempt"):
        assert words not in shown


def test_the_leaderboard_names_families_and_knows_those_of_older_runs(trainer: Client) -> None:
    run = RunFactory.create(succeeded=True)
    new, old = {**run.candidates[0], "family": "extra_trees"}, dict(run.candidates[0])
    del old["family"]
    Run.objects.filter(pk=run.pk).update(candidates=[new, old])
    shown = detail(trainer, run).content.decode()
    assert '<td data-label="Family">Extra trees</td>' in shown
    assert '<td data-label="Family">Random forest</td>' in shown


def test_families_that_the_budget_left_out_are_named(trainer: Client) -> None:
    run = RunFactory.create(succeeded=True)
    tried = [{**run.candidates[0], "family": "random_forest"}]
    recipe = {**run.recipe_data, "estimator": "auto"}
    Run.objects.filter(pk=run.pk).update(candidates=tried, recipe_data=recipe)
    shown = detail(trainer, run).content.decode()
    assert "Not tried within the budget: Extra trees," in shown
    assert "Not tried" not in detail(trainer, RunFactory.create(succeeded=True)).content.decode()


def test_a_family_whose_place_another_takes_is_named_with_the_reason(trainer: Client) -> None:
    run = RunFactory.create(succeeded=True)
    names = [name for name in families_of(AUTO) if name != PLAIN_BOOSTING]
    tried = [{**run.candidates[0], "family": family} for family in names]
    recipe = {**run.recipe_data, "estimator": "auto", "search": "portfolio"}
    Run.objects.filter(pk=run.pk).update(candidates=tried, recipe_data=recipe)
    shown = detail(trainer, run).content.decode()
    assert "Histogram gradient boosting was not tried: LightGBM takes its place" in shown
    assert "within the budget" not in shown


@pytest.mark.parametrize(
    ("sort", "ranks"),
    [
        ("", [1, 2, 3]),
        ("-rank", [3, 2, 1]),
        ("seconds", [2, 3, 1]),
        ("-std", [3, 1, 2]),
        ("family", [3, 1, 2]),
        ("params", [1, 2, 3]),
    ],
)
def test_the_leaderboard_is_sorted_as_asked(sort: str, ranks: list[int], trainer: Client) -> None:
    run = RunFactory.create(succeeded=True)
    tried = [
        {**run.candidates[0], "rank": rank, "std": std, "seconds": seconds, "family": family}
        for rank, std, seconds, family in (
            (1, 0.2, 9.0, "extra_trees"),
            (2, 0.1, 1.0, "random_forest"),
            (3, 0.3, 2.0, ""),
        )
    ]
    del tried[2]["family"]
    Run.objects.filter(pk=run.pk).update(candidates=tried)
    response = trainer.get(reverse("training:run-detail", args=[run.pk]), {"sort": sort})
    assert [candidate["rank"] for candidate in response.context["candidates"]] == ranks


def test_a_long_leaderboard_is_paged(trainer: Client) -> None:
    run = RunFactory.create(succeeded=True)
    tried = [{**run.candidates[0], "rank": rank} for rank in range(1, 121)]
    Run.objects.filter(pk=run.pk).update(candidates=tried)
    response = trainer.get(reverse("training:run-detail", args=[run.pk]), {"page": "3"})
    assert [candidate["rank"] for candidate in response.context["candidates"]] == list(range(101, 121))


def test_what_happened_is_told_in_order_and_drawn(trainer: Client) -> None:
    run = RunFactory.create(running=True, attempt=2, fits_total=60)
    run.note(Progress(3, 60, 0.5))
    run.note(Progress(9, 60, 0.75))
    response = detail(trainer, run)
    assert [event.text for event in response.context["events"]] == [
        "Requested by the command line",
        "A worker started attempt 2",
        "ROC-AUC 0.5000: the best setting after 3 models",
        "ROC-AUC 0.7500: the best setting after 9 models",
    ]
    piece = trainer.get(reverse("training:run-progress", args=[run.pk]))
    best = piece.context["best"]
    assert best["table"]["rows"] == [["3", "0.0", "0.5000"], ["9", "0.0", "0.7500"]]
    assert best["figure"]["data"][0]["y"] == [0.5, 0.75, 0.75]
    assert "the best setting after 9 models" in piece.content.decode()
    run.request_cancel()
    run.cancel()
    assert [event.text for event in detail(trainer, run).context["events"]][-2:] == [
        "Cancellation requested",
        "The run was cancelled",
    ]


def test_a_finished_run_tells_what_it_became(trainer: Client) -> None:
    version = VersionFactory.create()
    assert (
        detail(trainer, version.run).context["events"][-1].text == "The run succeeded, and became version 1"
    )


def test_runs_are_found_by_state_and_classifier(trainer: Client) -> None:
    failed = RunFactory.create(failed=True, classifier__name="churn")
    RunFactory.create(failed=True)
    RunFactory.create(classifier=failed.classifier)

    def search(**query: str) -> list[Run]:
        return list(trainer.get(LIST, query).context["page"])

    assert search(state="failed", classifier="churn") == [failed]
    assert len(search(state="failed")) == 2
    assert len(search(state="nonsense")) == 3
    shown = trainer.get(LIST, {"state": "cancelled"}).content.decode()
    assert "No matching runs" in shown


def test_runs_are_sorted_as_asked(trainer: Client) -> None:
    low = RunFactory.create(succeeded=True, best_score=0.2)
    high = RunFactory.create(succeeded=True, best_score=0.9)
    none = RunFactory.create()
    for sort, expected in {
        "score": [low, high, none],
        "-score": [high, low, none],
        "": [none, high, low],
    }.items():
        assert list(trainer.get(LIST, {"sort": sort}).context["page"]) == expected


@pytest.mark.parametrize("sort", ["state", "estimator", "took", "by", "version"])
def test_every_heading_of_the_runs_sorts(sort: str, trainer: Client) -> None:
    began, recipe = timezone.now(), RunFactory.build().recipe_data
    low, high = (
        VersionFactory.create(
            number=number,
            run__recipe_data={**recipe, "estimator": estimator},
            run__created_by=User.objects.create(username=name),
            run__started_at=began,
            run__finished_at=began + timedelta(seconds=number),
        ).run
        for number, estimator, name in ((2, "extra_trees", "bea"), (9, "random_forest", "bob"))
    )
    Run.objects.filter(pk=low.pk).update(state="cancelled")
    for asked, expected in ((sort, [low, high]), (f"-{sort}", [high, low])):
        assert list(trainer.get(LIST, {"sort": asked}).context["page"]) == expected


def test_a_run_that_succeeded_shows_metrics_settings_and_its_version(trainer: Client) -> None:
    version = VersionFactory.create()
    response = detail(trainer, version.run)
    shown = response.content.decode()
    assert reverse("training:version-detail", args=[version.pk]) in shown
    folds = version.cross_validation["roc_auc"]
    assert f"{folds['mean']:.3f}" in shown
    assert f"± {folds['std']:.3f}" in shown
    assert f"{version.metrics['roc_auc']:.3f}" in shown
    assert "n_estimators = 5" in shown
    assert response.context["confusion"]["table"]["headers"] == [
        "Actual class",
        "Predicted no",
        "Predicted yes",
    ]


def test_what_a_run_tells_is_escaped(trainer: Client) -> None:
    run = RunFactory.create(failed=True, error="<script>alert(1)</script>")
    assert "<script>alert(1)" not in detail(trainer, run).content.decode()


def test_someone_who_may_only_look_sees_no_way_to_train(db: None) -> None:
    viewer = staff_client()
    run = RunFactory.create()
    assert NEW not in viewer.get(LIST).content.decode()
    assert "Train again" not in detail(viewer, run).content.decode()


def test_the_list_shows_every_state(trainer: Client) -> None:
    for state in ({}, {"running": True}, {"succeeded": True}, {"failed": True}):
        RunFactory.create(**state)
    shown = trainer.get(LIST).content.decode()
    for word in ("Queued", "Running", "Succeeded", "Failed"):
        assert word in shown


def test_more_runs_take_no_more_queries(trainer: Client, django_assert_max_num_queries: Any) -> None:
    for _ in range(6):
        VersionFactory.create()
        RunFactory.create(failed=True)
    with django_assert_max_num_queries(8):
        assert len(trainer.get(LIST).context["page"]) == 12


def test_a_search_with_a_budget_is_stopped_on_its_page(trainer: Client) -> None:
    run = RunFactory.create(running=True, recipe_data={**RunFactory.build().recipe_data, "max_minutes": 5})
    stop = reverse("training:run-stop", args=[run.pk])
    assert f'action="{stop}"' in detail(trainer, run).content.decode()
    shown = trainer.post(stop, follow=True).content.decode()
    assert "Stopping: the fits under way are finished first" in shown
    assert "Asked to stop with the best setting so far" in shown
    assert f'action="{stop}"' not in shown
    endless = RunFactory.create(running=True)
    assert (
        "cannot be stopped early"
        in trainer.post(reverse("training:run-stop", args=[endless.pk]), follow=True).content.decode()
    )


def test_a_finished_run_leads_to_its_version_and_whoever_may_to_the_activation(trainer: Client) -> None:
    run = VersionFactory.create().run
    assert "Review and activate" not in detail(trainer, run).content.decode()
    approver = staff_client("training.activate_version", username="grace")
    assert "Review and activate version 1" in detail(approver, run).content.decode()
