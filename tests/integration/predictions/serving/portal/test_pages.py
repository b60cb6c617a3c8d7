"""The form made from the contract, and the answer beside it."""

from typing import Any

import pytest
from django.db.models import Sum
from django.test import Client
from django.urls import reverse

from clfsite.core.web import metrics
from predictions.models import HourlyCount, Prediction
from predictions.monitoring.counts import collect
from predictions.serving.live_models import live_models
from predictions.serving.portal.forms import FeaturesForm
from predictions.serving.portal.views import ranked
from tests.support.factories import ClassifierFactory, PredictionFactory, trained_version
from tests.support.portal import staff_client
from training.ml.tables.contract import Contract, Feature, Kind
from training.models import Classifier, Version

PREDICT = reverse("predictions:predict")
WHAT_IF = reverse("predictions:predict-what-if")
VALUES = {"spend": "100.5", "tenure": "5", "member": "true", "plan": "pro"}


def data(**changes: str) -> dict[str, str]:
    return {f"feature-{name}": value for name, value in {**VALUES, **changes}.items()}


@pytest.fixture
def analyst(db: None) -> Client:
    return staff_client("predictions.add_prediction")


def test_the_form_has_a_field_for_every_feature_filled_with_its_default(
    analyst: Client, version: Version
) -> None:
    shown = analyst.get(PREDICT).content.decode()
    for feature in version.contract.features:
        assert f'name="feature-{feature.name}"' in shown
    tenure = next(feature for feature in version.contract.features if feature.name == "tenure")
    assert f'value="{tenure.default}"' in shown
    assert f"Training saw {tenure.low} to {tenure.high}." in shown
    assert 'step="1"' in shown
    assert 'step="any"' in shown


def test_the_form_is_there_right_after_the_first_activation(analyst: Client) -> None:
    # a thread of the web process looks for activations from now on, and the page may be earlier
    live_models.refresh()
    trained_version(classifier="churn", activate=True, default=True)
    assert 'name="feature-tenure"' in analyst.get(PREDICT, {"model": "churn"}).content.decode()


def test_an_answer_is_logged_and_shown_beside_the_values_it_was_asked_with(
    analyst: Client, version: Version
) -> None:
    response = analyst.post(PREDICT, data(tenure="17"), follow=True)
    logged = Prediction.objects.get()
    assert response.redirect_chain == [(f"{PREDICT}?prediction={logged.pk}", 302)]
    assert (logged.source, logged.caller, logged.version) == ("form", "ada", version)
    assert logged.features == {"spend": 100.5, "tenure": 17, "member": True, "plan": "pro"}
    shown = response.content.decode()
    assert reverse("predictions:prediction-detail", args=[logged.pk]) in shown
    assert 'value="17"' in shown
    assert '<option value="pro" selected>' in shown
    shares = response.context["shares"]
    assert [share["share"] for share in shares] == sorted(logged.probabilities.values(), reverse=True)
    assert [share["label"] for share in shares if share["is_answer"]] == [logged.label]


def test_loading_an_answer_again_asks_nothing_again(analyst: Client, version: Version) -> None:
    analyst.post(PREDICT, data())
    logged = Prediction.objects.get()
    assert analyst.get(PREDICT, {"prediction": str(logged.pk)}).status_code == 200
    assert Prediction.objects.count() == 1


def test_an_empty_input_and_the_missing_choice_stand_for_null(analyst: Client, version: Version) -> None:
    shown = analyst.get(PREDICT).content.decode()
    assert '<option value="">(missing)</option>' in shown
    analyst.post(PREDICT, data(spend="", plan=""))
    features = Prediction.objects.get().features
    assert (features["spend"], features["plan"]) == (None, None)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [("tenure", "500", "outside the training range"), ("plan", "gold <b>", "is not in the training data")],
)
def test_a_value_that_training_never_saw_is_answered_with_a_warning_and_stays_in_the_form(
    name: str, value: str, words: str, analyst: Client, version: Version
) -> None:
    shown = analyst.post(PREDICT, data(**{name: value}), follow=True).content.decode()
    assert Prediction.objects.get().warnings[0]["feature"] == name
    assert words in shown
    assert f'value="{value.replace("<", "&lt;").replace(">", "&gt;")}"' in shown


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("tenure", "many", "expected a number, got"),
        ("tenure", "1.5", "expected a whole number, got 1.5"),
        ("tenure", "", "had no missing values in training"),
        ("tenure", "1_000", "expected a number, got"),
        ("tenure", "\u0665", "expected a number, got"),
        ("spend", "nan", ""),
        ("spend", "1e999", "expected a finite number"),
        ("member", "perhaps", "expected true or false"),
        ("plan", "a\0b", "NUL"),
        ("plan", "x" * 1_001, "at most 1,000 characters"),
    ],
)
def test_a_value_that_the_contract_refuses_has_its_reason_beside_it(
    name: str, value: str, words: str, analyst: Client, version: Version
) -> None:
    response = analyst.post(PREDICT, data(**{name: value}), follow=True)
    if value == "nan":  # a mark for a missing value, which spend may have
        assert Prediction.objects.get().features["spend"] is None
        return
    form = response.context["form"]
    assert words in form.errors[name][0]
    assert form["member" if name != "member" else "tenure"].value() is not None
    assert "Nothing was stored" in response.content.decode()
    assert not Prediction.objects.exists()


def test_a_strict_classifier_refuses_beside_the_field_what_another_warns_of(
    analyst: Client, version: Version
) -> None:
    Classifier.objects.update(strict=True)
    form = analyst.post(PREDICT, data(tenure="500")).context["form"]
    assert "outside the training range" in form.errors["tenure"][0]
    assert not Prediction.objects.exists()


def test_of_several_classifiers_the_address_names_one(analyst: Client, version: Version) -> None:
    trained_version(classifier="other", activate=True)
    shown = analyst.get(PREDICT, {"model": "other"}).content.decode()
    assert "Values of other" in shown
    assert "?model=churn" in shown
    analyst.post(f"{PREDICT}?model=other", data())
    assert Prediction.objects.get().version.classifier.name == "other"


def test_without_an_active_version_the_page_says_what_to_do(analyst: Client) -> None:
    ClassifierFactory.create(name="unborn", is_default=True)
    shown = analyst.get(PREDICT).content.decode()
    assert "No version of any classifier is active; train one and activate it" in shown


def test_a_logged_prediction_can_be_changed_and_asked_again(analyst: Client, version: Version) -> None:
    logged = PredictionFactory.create(version=version, features={**version.contract.example, "tenure": 33})
    form = analyst.get(PREDICT, {"prediction": str(logged.pk)}).context["form"]
    assert form["tenure"].value() == "33"


@pytest.mark.parametrize(
    "query",
    [
        {"model": "nobody"},
        {"model": "a\0b"},
        {"prediction": "1"},
        {"prediction": "../x"},
        {"prediction": "00000000-0000-0000-0000-000000000000"},
    ],
)
def test_an_unknown_classifier_or_prediction_is_not_found(
    query: dict[str, str], analyst: Client, version: Version
) -> None:
    assert analyst.get(PREDICT, query).status_code == 404


def series() -> dict[str, float]:
    """What the metrics tell of predictions, scoring and refusals."""
    kept = ("clfsite_predictions_total", "clfsite_step_seconds_count", "clfsite_prediction_warnings_total")
    lines = metrics.exposition().decode().splitlines()
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line.startswith(kept)
    }


def test_what_if_answers_as_a_prediction_would_and_leaves_no_trace(analyst: Client, version: Version) -> None:
    analyst.post(PREDICT, data(tenure="17"))
    logged = Prediction.objects.get()
    before = series()
    response = analyst.post(WHAT_IF, data(tenure="17"))
    assert response.context["tried"].probabilities == logged.probabilities
    warned = analyst.post(WHAT_IF, data(tenure="500", plan="gold")).content.decode()
    assert "outside the training range" in warned
    assert "Not logged. Select Predict" in warned
    assert Prediction.objects.count() == 1
    collect()
    assert HourlyCount.objects.aggregate(total=Sum("predictions"))["total"] == 1
    assert series() == before


def test_what_if_says_how_far_the_answer_moved_from_the_logged_one(analyst: Client, version: Version) -> None:
    logged = PredictionFactory.create(version=version, probabilities={"no": 0.5, "yes": 0.5})
    response = analyst.post(f"{WHAT_IF}?prediction={logged.pk}", data())
    for share in response.context["shares"]:
        assert share["change"] == pytest.approx(share["share"] - 0.5)
    assert "points)" in response.content.decode()


@pytest.mark.parametrize(
    ("changes", "feature", "words"),
    [
        ({"tenure": "many"}, "tenure", "expected a number"),
        ({"tenure": ""}, "tenure", "had no missing values"),
    ],
)
def test_what_if_names_what_keeps_it_from_answering(
    changes: dict[str, str], feature: str, words: str, analyst: Client, version: Version
) -> None:
    response = analyst.post(WHAT_IF, data(**changes))
    assert response.context["tried"] is None
    ((name, message),) = response.context["problems"]
    assert (name, words in message) == (feature, True)


def test_what_if_of_a_strict_classifier_refuses_what_another_warns_of(
    analyst: Client, version: Version
) -> None:
    Classifier.objects.update(strict=True)
    response = analyst.post(WHAT_IF, data(tenure="500"))
    assert response.context["tried"] is None
    assert "outside the training range" in response.content.decode()


def test_without_scripts_a_button_tries_the_values_and_logs_nothing(
    analyst: Client, version: Version
) -> None:
    response = analyst.post(PREDICT, {**data(tenure="17"), "try": "1"})
    assert response.context["form"]["tenure"].value() == "17"
    assert "Not logged. Select Predict" in response.content.decode()
    assert not Prediction.objects.exists()


def test_what_if_of_an_unknown_classifier_or_prediction_is_not_found(
    analyst: Client, version: Version
) -> None:
    for query in ("model=nobody", "model=a%00b", "prediction=1"):
        assert analyst.post(f"{WHAT_IF}?{query}", data()).status_code == 404


def test_of_many_classes_the_most_probable_are_shown_and_the_rest_counted() -> None:
    result = ranked("c99", {f"c{number}": number / 4_950 for number in range(100)})
    assert [share["label"] for share in result["shares"]][:2] == ["c99", "c98"]
    assert (len(result["shares"]), result["left_out"]) == (12, 88)


@pytest.mark.parametrize(
    "name", ["petal length (cm)", '"><script>alert(1)</script>', "__proto__", "100%", "é"]
)
def test_any_name_of_a_feature_gives_a_field_whose_label_finds_it(name: str) -> None:
    contract = Contract("kind", (Feature(name, Kind.NUMBER, True, 1.5),), ("a", "b"), {})
    form = FeaturesForm(contract)
    field = form[name]
    assert not {" ", '"', "<", ">"} & set(field.id_for_label)
    bound: dict[str, Any] = {field.html_name: "2.5"}
    answered = FeaturesForm(contract, bound)
    assert answered.is_valid()
    assert answered.cleaned_data == {name: 2.5}


def test_the_form_offers_rows_to_start_with_and_answers_its_first_values_at_once(
    analyst: Client, version: Version
) -> None:
    response = analyst.get(PREDICT)
    shown = response.content.decode()
    assert 'hx-trigger="load, input delay:250ms"' in shown
    titles = [row.title for row in response.context["examples"]]
    assert titles[:2] == ["Typical", "Uncertain"]
    assert "Clearly yes" in titles
    for row in response.context["examples"]:
        assert version.contract.check(row.record)[0] == []
    uncertain = response.context["examples"][1]
    form = analyst.get(PREDICT, {"example": uncertain.name}).context["form"]
    assert {name: form.initial[name] for name in ("plan", "tenure")} == {
        name: "" if uncertain.record[name] is None else str(uncertain.record[name])
        for name in ("plan", "tenure")
    }
    logged = analyst.post(PREDICT, data(), follow=True).content.decode()
    assert 'hx-trigger="input delay:250ms"' in logged


def test_an_input_of_0_and_1_is_a_choice() -> None:
    flag = Feature("partner", Kind.INTEGER, False, 0, low=0, high=1)
    form = FeaturesForm(Contract("left", (flag,), ("no", "yes"), {}))
    assert list(form.fields["partner"].widget.choices) == [("0", "0"), ("1", "1")]
    unseen = FeaturesForm(Contract("left", (flag,), ("no", "yes"), {}), record={"partner": 2})
    assert ("2", "2") in list(unseen.fields["partner"].widget.choices)
