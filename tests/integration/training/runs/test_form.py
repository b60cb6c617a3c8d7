"""The form that starts a run, or repeats one."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.test import Client
from django.urls import reverse

from clfsite.core.storage import files
from tests.support.factories import TINY_SPACE, DatasetFactory, RunFactory
from tests.support.portal import staff_client
from training.datasets.service import import_dataset
from training.models import Dataset, Run

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
    assert "The run takes at most 5 minutes" in shown
    assert "Balanced: a search around the best of them" in shown
    assert "The first three end early if no better model is found" in shown


def test_the_address_may_name_the_dataset(trainer: Client) -> None:
    chosen = DatasetFactory.create(name="older")
    DatasetFactory.create(name="newest")
    shown = trainer.get(NEW, {"dataset": chosen.pk}).content.decode()
    assert f'<option value="{chosen.pk}" selected>' in shown
    assert trainer.get(NEW, {"dataset": "x\0"}).status_code == 200


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"estimator": "logistic_regression", "space": ""}, "<strong>15</strong> models will be fitted"),
        ({"search": "random", "space": ""}, "<strong>24</strong> models will be fitted"),
        ({"max_minutes": "2.5"}, "After 2.5 minutes the search stops"),
        ({"space": "", "max_fits": "10"}, "3 settings, each on 3 folds"),
        ({"folds": "10"}, "1 setting, each on 10 folds"),
        ({"search": "halving", "space": ""}, "most of them on few rows"),
        ({"folds": "none"}, "models will be fitted"),
        ({"space": "{"}, "models will be fitted"),
        ({"space": '{"n_estimators": [[1]]}'}, "held-out fifth"),
        ({"estimator": "auto", "search": "portfolio", "space": ""}, "proven settings of all kinds"),
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
    assert form.errors["goal"] == ["An aim requires two classes; this table has 3."]


def test_the_advanced_part_begins_closed(trainer: Client) -> None:
    DatasetFactory.create()
    assert not trainer.get(NEW).context["form"].has_advanced


def test_a_dataset_whose_file_is_gone_is_said_to_be_gone(trainer: Client) -> None:
    dataset = DatasetFactory.create()
    files.datasets().delete(dataset.file_name)
    shown = trainer.post(NEW, filled(dataset)).content.decode()
    assert "is missing from storage; upload the table again" in shown


def test_without_a_table_the_form_leads_to_the_tables(trainer: Client) -> None:
    shown = trainer.get(NEW).content.decode()
    assert "No datasets yet" in shown
    assert f'href="{reverse("training:dataset-list")}">Upload a dataset' in shown


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
        "positive": "no",
        "group": "spend",
        "time": None,
    }
    Run.objects.filter(pk=before.pk).update(recipe_data=recipe)
    path = reverse("training:run-repeat", args=[before.pk])
    context = trainer.get(path).context
    form = context["form"]
    data = {name: form[name].value() for name in form.fields}
    data |= {name: context["columns"][name].value() for name in ("positive", "group")}
    assert data["classifier"] == "churn"
    response = trainer.post(path, data)
    assert response.status_code == 302, response.context["form"].errors
    again = Run.objects.latest("pk")
    assert again.recipe_data == recipe
    assert (again.dataset, again.classifier) == (before.dataset, before.classifier)


def test_parts_of_a_date_are_offered_and_chosen(trainer: Client) -> None:
    rows = [f"{2020 + n % 3},{n % 12 + 1},{n % 28 + 1},{'yes' if n % 5 else 'no'}" for n in range(90)]
    table = "year,month,day,y\n" + "\n".join(rows) + "\n"
    dataset = import_dataset(name="days", target="y", source=ContentFile(table.encode(), "t.csv"), user=None)
    field = trainer.get(NEW, {"dataset": dataset.pk}).context["columns"]["date_parts"]
    ((value, label),) = field.field.choices
    assert label == "year, month, day"
    response = trainer.post(NEW, filled(dataset, date_parts=[value]))
    assert response.status_code == 302, response.context["form"].errors
    run = Run.objects.get()
    assert run.corrections.date_parts == (("year", "month", "day"),)
    again = trainer.get(reverse("training:run-repeat", args=[run.pk])).context["columns"]["date_parts"]
    assert again.value() == [value]


def test_protected_inputs_are_chosen_and_part_of_the_contract(trainer: Client) -> None:
    dataset = DatasetFactory.create(name="customers")
    field = trainer.get(NEW, {"dataset": dataset.pk}).context["columns"]["protected"]
    assert '"plan"' in dict(field.field.choices)
    response = trainer.post(NEW, filled(dataset, protected=['"plan"', '"member"']))
    assert response.status_code == 302, response.context["form"].errors
    run = Run.objects.get()
    assert run.corrections.protected == ("plan", "member")
    again = trainer.get(reverse("training:run-repeat", args=[run.pk])).context["columns"]["protected"]
    assert again.value() == ['"plan"', '"member"']


def test_a_positive_class_with_line_ends_comes_back_from_a_browser(trainer: Client) -> None:
    rows = [f'{n * n},"{("low" if n % 3 else "high")}\r\nrisk"' for n in range(60)]
    table = "n,y\n" + "\n".join(rows) + "\n"
    dataset = import_dataset(name="risks", target="y", source=ContentFile(table.encode(), "t.csv"), user=None)
    page = trainer.get(NEW, {"dataset": dataset.pk}).context["columns"]
    options = dict(page["positive"].field.choices)
    (other,) = [value for value, label in options.items() if label == "low\r\nrisk"]
    assert not {"\r", "\n"} & set(other), "browsers change line ends"
    assert options[page["positive"].value()] == "high\r\nrisk"
    assert trainer.post(NEW, filled(dataset, positive=other)).status_code == 302
    assert Run.objects.get().recipe.positive == "low\r\nrisk"


def test_a_column_of_time_is_chosen(trainer: Client) -> None:
    dataset = DatasetFactory.create(name="customers")
    response = trainer.post(NEW, filled(dataset, folds=2, time="tenure"))
    assert response.status_code == 302, response.context["form"].errors
    run = Run.objects.get()
    assert run.recipe.time == "tenure"
    again = trainer.get(reverse("training:run-repeat", args=[run.pk])).context["columns"]["time"]
    assert again.value() == "tenure"
