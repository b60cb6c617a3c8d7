"""Runs in the portal: start, watch, judge, repeat."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.factories import TINY_SPACE, DatasetFactory, RunFactory, VersionFactory
from tests.portal import staff_client
from training import storage
from training.ml.scoring import Progress
from training.models import Dataset, Run

LIST = reverse("training:run-list")
NEW = reverse("training:run-create")
FITS = reverse("training:run-fits")
# parameters that make a space of 58 ** 6 settings
GRID = ("n_estimators", "max_depth", "min_samples_leaf", "max_leaf_nodes", "max_features", "random_state")


@pytest.fixture
def trainer(db: None) -> Client:
    return staff_client("training.add_run")


@pytest.fixture
def approver(db: None) -> Client:
    return staff_client("training.add_run", "training.activate_version", username="grace")


def filled(chosen: Dataset, **changes: Any) -> dict[str, Any]:
    values = {
        "dataset": chosen.pk,
        "classifier": "",
        "estimator": "random_forest",
        "search": "grid",
        "scoring": "roc_auc",
        "folds": 3,
        "seed": 7,
        "space": json.dumps(TINY_SPACE),
    }
    return {**values, **changes}


def detail(client: Client, run: Run) -> Any:
    response = client.get(reverse("training:run-detail", args=[run.pk]))
    assert response.status_code == 200
    return response


def test_a_run_is_queued_and_its_page_follows(
    trainer: Client, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    dataset = DatasetFactory.create(name="customers")
    with django_capture_on_commit_callbacks(execute=True) as sent:
        response = trainer.post(NEW, filled(dataset))
    run = Run.objects.get()
    assert response["Location"] == reverse("training:run-detail", args=[run.pk])
    assert (run.state, run.classifier.name, run.dataset, run.activate_when_done) == (
        "queued",
        "customers",
        dataset,
        False,
    )
    assert (run.recipe.folds, run.recipe.seed, run.recipe.space) == (3, 7, TINY_SPACE)
    assert str(run.created_by) == "ada"
    assert len(sent) == 1


def test_the_form_begins_with_sensible_values_and_says_how_much_work_they_are(trainer: Client) -> None:
    DatasetFactory.create(name="older")
    newest = DatasetFactory.create(name="newest")
    response = trainer.get(NEW)
    shown = response.content.decode()
    assert f'<option value="{newest.pk}">newest v1: 60 rows, predicts left</option>' in shown
    assert "<strong>60</strong> models are fitted" in shown
    assert "12 settings, each on 5 folds" in shown


def test_the_address_may_name_the_dataset(trainer: Client) -> None:
    chosen = DatasetFactory.create(name="older")
    DatasetFactory.create(name="newest")
    shown = trainer.get(NEW, {"dataset": chosen.pk}).content.decode()
    assert f'<option value="{chosen.pk}" selected>' in shown
    assert trainer.get(NEW, {"dataset": "x\0"}).status_code == 200


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"estimator": "logistic_regression", "space": ""}, "<strong>15</strong> models are fitted"),
        ({"search": "random", "space": ""}, "<strong>24</strong> models are fitted"),
        ({"max_minutes": "2.5"}, "After 2.5 minutes the search ends"),
        ({"space": "", "max_fits": "10"}, "3 settings, each on 3 folds"),
        ({"folds": "10"}, "1 setting, each on 10 folds"),
        ({"search": "halving", "space": ""}, "most of them on few rows"),
        ({"folds": "none"}, "models are fitted"),
        ({"space": "{"}, "models are fitted"),
        ({"space": '{"n_estimators": [[1]]}'}, "models are fitted"),
    ],
)
def test_the_amount_of_work_follows_the_form(changes: dict[str, str], words: str, trainer: Client) -> None:
    shown = trainer.get(FITS, filled(DatasetFactory.create(), **changes)).content.decode()
    assert words in shown
    assert "<html" not in shown


def test_activation_is_offered_to_those_who_may_activate(trainer: Client, approver: Client) -> None:
    dataset = DatasetFactory.create()
    assert "Activate when done" not in trainer.get(NEW).content.decode()
    trainer.post(NEW, filled(dataset, activate="on"))
    assert Run.objects.latest("pk").activate_when_done is False
    assert "Activate when done" in approver.get(NEW).content.decode()
    approver.post(NEW, filled(dataset, activate="on"))
    assert Run.objects.latest("pk").activate_when_done is True


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"dataset": "999"}, "dataset"),
        ({"dataset": "x"}, "dataset"),
        ({"estimator": "magic"}, "estimator"),
        ({"search": "magic"}, "search"),
        ({"scoring": "magic"}, "scoring"),
        ({"folds": "1"}, "folds"),
        ({"folds": "1e3"}, "folds"),
        ({"seed": "-1"}, "seed"),
        ({"seed": str(2**32)}, "seed"),
        ({"space": "{"}, "space"),
        ({"space": "[1]"}, "space"),
        ({"space": '{"max_depth": [NaN]}'}, "space"),
        ({"space": '{"max_depth": [1e999]}'}, "space"),
        ({"space": '{"max_depth": ["\\u0000"]}'}, "space"),
        ({"space": "[" * 1_900}, "space"),
        ({"space": '{"max_depth": [' + "1," * 5_100 + "1]}"}, "space"),
        ({"space": '{"magic": [1]}'}, "__all__"),
        ({"space": '{"max_depth": 3}'}, "__all__"),
        ({"space": json.dumps({name: list(range(2, 60)) for name in GRID})}, "__all__"),
        ({"classifier": "../etc"}, "__all__"),
        ({"folds": "50"}, "__all__"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused_where_it_is_wrong(
    changes: dict[str, str], field: str, trainer: Client
) -> None:
    form = trainer.post(NEW, filled(DatasetFactory.create(), **changes)).context["form"]
    assert list(form.errors) == [field]
    assert not Run.objects.exists()


def test_weights_budget_and_aim_become_part_of_the_recipe(trainer: Client) -> None:
    chosen = {"class_weight": "balanced", "max_fits": "30", "max_minutes": "2.5"}
    data = filled(
        DatasetFactory.create(), **chosen, estimator="auto", space="", goal="recall", goal_value="0.8"
    )
    assert trainer.post(NEW, data).status_code == 302
    recipe = Run.objects.get().recipe
    assert (recipe.estimator, recipe.class_weight) == ("auto", "balanced")
    assert (recipe.max_fits, recipe.max_minutes) == (30, 2.5)
    assert recipe.aim == {"goal": "recall", "value": 0.8}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"class_weight": "heavy"}, "class_weight"),
        ({"max_fits": "0"}, "max_fits"),
        ({"max_fits": "2"}, "max_fits"),
        ({"max_minutes": "-1"}, "max_minutes"),
        ({"max_minutes": "inf"}, "max_minutes"),
        ({"goal": "luck"}, "goal"),
        ({"goal": "precision"}, "goal_value"),
        ({"goal": "recall", "goal_value": "1.5"}, "goal_value"),
        ({"goal": "cost", "goal_value": "0"}, "goal_value"),
        ({"goal": "cost", "goal_value": "nan"}, "goal_value"),
    ],
)
def test_an_advanced_setting_that_cannot_be_is_refused_on_its_field_in_sight(
    changes: dict[str, str], field: str, trainer: Client
) -> None:
    response = trainer.post(NEW, filled(DatasetFactory.create(), **changes))
    assert list(response.context["form"].errors) == [field]
    assert response.context["form"].has_advanced
    assert not Run.objects.exists()


def test_an_aim_for_more_than_two_classes_is_refused_on_its_field(trainer: Client) -> None:
    dataset = DatasetFactory.create()
    classes = ["no", "perhaps", "yes"]
    Dataset.objects.filter(pk=dataset.pk).update(contract_data={**dataset.contract_data, "classes": classes})
    form = trainer.post(NEW, filled(dataset, goal="f1")).context["form"]
    assert form.errors["goal"] == ["An aim chooses between two classes; this table has 3."]


def test_the_advanced_part_begins_closed(trainer: Client) -> None:
    DatasetFactory.create()
    assert not trainer.get(NEW).context["form"].has_advanced


def test_a_dataset_whose_file_is_gone_is_said_to_be_gone(trainer: Client) -> None:
    dataset = DatasetFactory.create()
    storage.datasets().delete(dataset.file_name)
    shown = trainer.post(NEW, filled(dataset)).content.decode()
    assert "is gone from storage; upload the table again" in shown


def test_without_a_table_the_form_leads_to_the_tables(trainer: Client) -> None:
    shown = trainer.get(NEW).content.decode()
    assert "There is no table to train on" in shown
    assert f'href="{reverse("training:dataset-list")}">Add a table' in shown


def test_a_run_is_repeated_with_all_of_its_recipe(trainer: Client) -> None:
    before = RunFactory.create(classifier__name="churn")
    recipe = {
        **before.recipe_data,
        "scoring": "balanced_accuracy",
        "seed": 41,
        "space": {"max_depth": [3, None]},
        "class_weight": "balanced",
        "max_fits": 6,
        "max_minutes": 0.5,
        "aim": {"goal": "cost", "value": 5.0},
    }
    Run.objects.filter(pk=before.pk).update(recipe_data=recipe)
    path = reverse("training:run-repeat", args=[before.pk])
    form = trainer.get(path).context["form"]
    data = {name: form[name].value() for name in form.fields}
    assert data["classifier"] == "churn"
    response = trainer.post(path, data)
    assert response.status_code == 302, response.context["form"].errors
    again = Run.objects.latest("pk")
    assert again.recipe_data == recipe
    assert (again.dataset, again.classifier) == (before.dataset, before.classifier)


def test_a_run_under_way_fetches_its_progress_until_it_is_over(trainer: Client) -> None:
    run = RunFactory.create(running=True, fits_total=60, fits_done=15, best_score=0.8123)
    progress = reverse("training:run-progress", args=[run.pk])
    assert f'hx-get="{progress}"' in detail(trainer, run).content.decode()
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
    assert f"Nothing was changed: run {run.pk} is over already." in cancel(trainer, run).content.decode()
    run.refresh_from_db()
    assert (run.state, run.cancel_requested_at) == ("failed", None)


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
        (15, 3.5, "about 1\u202fmin"),
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


def test_a_run_tells_its_warnings_its_attempts_and_where_it_is_tracked(trainer: Client) -> None:
    url = "https://wandb.example/runs/7"
    run = RunFactory.create(
        succeeded=True, attempt=2, warnings=["no threshold reaches a recall of 1"], tracking_url=url
    )
    shown = detail(trainer, run).content.decode()
    assert "alert-warning" in shown
    assert "No threshold reaches a recall of 1" in shown
    assert f'href="{url}"' in shown
    assert "2, because the process of the one before was lost" in shown
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


@pytest.mark.parametrize(
    ("sort", "ranks"),
    [
        ("", [1, 2, 3]),
        ("-rank", [3, 2, 1]),
        ("seconds", [2, 3, 1]),
        ("-std", [3, 1, 2]),
        ("params", [1, 2, 3]),
    ],
)
def test_the_leaderboard_is_sorted_as_asked(sort: str, ranks: list[int], trainer: Client) -> None:
    run = RunFactory.create(succeeded=True)
    tried = [
        {**run.candidates[0], "rank": rank, "std": std, "seconds": seconds}
        for rank, std, seconds in ((1, 0.2, 9.0), (2, 0.1, 1.0), (3, 0.3, 2.0))
    ]
    Run.objects.filter(pk=run.pk).update(candidates=tried)
    response = trainer.get(reverse("training:run-detail", args=[run.pk]), {"sort": sort})
    assert [each["rank"] for each in response.context["candidates"]] == ranks


def test_a_long_leaderboard_is_paged(trainer: Client) -> None:
    run = RunFactory.create(succeeded=True)
    tried = [{**run.candidates[0], "rank": rank} for rank in range(1, 121)]
    Run.objects.filter(pk=run.pk).update(candidates=tried)
    response = trainer.get(reverse("training:run-detail", args=[run.pk]), {"page": "3"})
    assert [each["rank"] for each in response.context["candidates"]] == list(range(101, 121))


def test_what_happened_is_told_in_order_and_drawn(trainer: Client) -> None:
    run = RunFactory.create(running=True, attempt=2, fits_total=60)
    run.note(Progress(3, 60, 0.5))
    run.note(Progress(9, 60, 0.75))
    response = detail(trainer, run)
    assert [event.text for event in response.context["events"]] == [
        "Asked for by the command line",
        "A worker began attempt 2, as the process before was lost",
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
        "It was asked to end",
        "The run cancelled",
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

    def found(**query: str) -> list[Run]:
        return list(trainer.get(LIST, query).context["page"])

    assert found(state="failed", classifier="churn") == [failed]
    assert len(found(state="failed")) == 2
    assert len(found(state="nonsense")) == 3
    shown = trainer.get(LIST, {"state": "cancelled"}).content.decode()
    assert "No such run" in shown


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
