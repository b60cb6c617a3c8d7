"""Versions in the portal: compare, download, activate."""

import hashlib
import platform
from itertools import permutations
from typing import Any

import joblib
import pytest
from django.core.files.base import ContentFile
from django.test import Client
from django.urls import reverse

from clfsite.core.storage import files
from clfsite.core.web.charts import SHOWN_CURVES
from tests.support import bucket as buckets
from tests.support.factories import ActivationFactory, ClassifierFactory, VersionFactory, trained_version
from tests.support.portal import staff_client
from tests.support.site import free_port
from training.models import Activation, Run, Version
from training.versions import charts, model_card

LIST = reverse("training:version-list")


@pytest.fixture
def approver(db: None) -> Client:
    return staff_client("training.activate_version")


def path(version: Version) -> str:
    return reverse("training:version-detail", args=[version.pk])


def download(client: Client, version: Version, part: str) -> Any:
    return client.get(reverse("training:version-artifact", args=[version.pk, part]))


def test_versions_stand_under_their_classifier_with_the_active_one_marked(approver: Client) -> None:
    churn = ClassifierFactory.create(name="churn")
    first = ActivationFactory.create(version=VersionFactory.create(classifier=churn)).version
    second = VersionFactory.create(classifier=churn)
    other = VersionFactory.create(classifier__name="other")
    context = approver.get(LIST).context
    assert [(classifier.name, versions) for classifier, versions in context["groups"]] == [
        ("churn", [second, first]),
        ("other", [other]),
    ]
    assert {version.pk for _, versions in context["groups"] for version in versions if version.active} == {
        first.pk
    }


def test_all_that_is_known_of_a_version_stands_on_its_page(approver: Client) -> None:
    version = trained_version(classifier="churn", activate=True)
    response = approver.get(path(version))
    shown = response.content.decode()
    for entry in version.artifacts.values():
        assert entry["sha256"] in shown
    assert "F1, precision and recall are those of the positive class, yes." in " ".join(shown.split())
    assert "The positive class is yes." in " ".join(shown.split())
    assert f"scikit-learn {version.libraries['scikit-learn']}" in shown
    assert f"python {platform.python_version()}" in shown
    assert f"± {version.cross_validation['f1']['std']:.3f}" in shown
    assert f"{version.metrics['f1']:.3f}" in shown
    assert "n_estimators = 5" in shown
    assert "a test needs it" in shown
    assert "yes if its probability is at least 0.5" in shown
    assert response.context["confusion"]["id"] == "confusion"


def test_intervals_stand_beside_the_held_out_metrics(approver: Client) -> None:
    version = VersionFactory.create()
    low, high = version.held_out["intervals"]["recall"]
    assert f"{low:.3f} to {high:.3f}" in approver.get(path(version)).content.decode()


def test_the_charts_of_a_version_have_titles_axes_and_tables(approver: Client) -> None:
    drawn = approver.get(path(VersionFactory.create())).context["charts"]
    assert [item["id"] for item in drawn] == ["roc", "precision-recall", "calibration", "importance"]
    for item in drawn:
        assert item["title"]
        assert item["note"]
        assert item["figure"]["layout"]["xaxis"]["title"]["text"]
        assert item["figure"]["layout"]["yaxis"]["title"]["text"]
        assert item["table"]["rows"]
        assert {len(row) for row in item["table"]["rows"]} == {len(item["table"]["headers"])}


@pytest.mark.parametrize("kept", [(), ("curves",), ("importance",), ("intervals",)])
def test_a_version_recorded_before_there_were_curves_still_has_its_page(
    kept: tuple[str, ...], approver: Client
) -> None:
    version = VersionFactory.create()
    late = {"curves", "importance", "intervals"} - set(kept)
    held_out = {name: value for name, value in version.held_out.items() if name not in late}
    Version.objects.filter(pk=version.pk).update(held_out=held_out)
    response = approver.get(path(version))
    assert f"{version.metrics['recall']:.3f}" in response.content.decode()
    assert len(response.context["charts"]) == 3 * ("curves" in kept) + ("importance" in kept)


def test_many_classes_and_inputs_are_drawn_in_part_and_listed_in_full() -> None:
    curve = {"x": [0, 0.5, 1], "y": [0, 0.9, 1], "area": 0.8}
    drawn = charts.roc([{"label": f"<b>{number}", **curve} for number in range(9)])
    assert len(drawn["figure"]["data"]) == 1 + SHOWN_CURVES
    assert drawn["figure"]["data"][0]["name"] == "&lt;b&gt;0 (area 0.800)"
    assert "3 more are in the table" in drawn["note"]
    assert len(drawn["table"]["rows"]) == 27
    bars = charts.importance([{"feature": f"<i>{number}", "mean": 0.1, "std": 0.01} for number in range(20)])
    assert len(bars["figure"]["data"][0]["x"]) == charts.SHOWN_FEATURES
    assert bars["figure"]["data"][0]["customdata"][0][0] == "&lt;i&gt;0"
    assert "5 more are in the table" in bars["note"]
    assert len(bars["table"]["rows"]) == 20


@pytest.mark.parametrize(
    ("aim", "words"),
    [
        (None, "none: the more probable class"),
        ({"goal": "f1", "value": None}, "highest F1"),
        ({"goal": "precision", "value": 0.9}, "precision of at least 0.9,"),
        ({"goal": "recall", "value": 0.9995}, "recall of at least 0.9995,"),
        ({"goal": "recall", "value": 0.8}, "recall of at least 0.8,"),
        ({"goal": "cost", "value": 5.0}, "a missed case costs 5 times as much"),
    ],
)
def test_the_threshold_tells_what_it_serves(aim: dict[str, Any] | None, words: str, approver: Client) -> None:
    version = VersionFactory.create()
    Run.objects.filter(pk=version.run_id).update(recipe_data={**version.run.recipe_data, "aim": aim})
    shown = approver.get(path(version)).content.decode()
    assert "yes if its probability is at least 0.5" in shown
    assert words in shown


def test_only_the_first_activation_has_its_reason_filled_in(approver: Client) -> None:
    first = trained_version(classifier="churn")
    shown = approver.get(path(first)).content.decode()
    assert 'value="first version of churn"' in shown
    # it takes nothing out of service, so there is nothing to confirm
    assert 'data-confirm="Activate' not in shown
    approver.post(path(first), {"reason": "first version of churn"})
    second = trained_version(classifier="churn")
    assert "first version of churn" not in approver.get(path(second)).context["form"].initial.values()


def test_a_version_is_activated_with_a_reason(approver: Client) -> None:
    trained_version(classifier="churn", activate=True)
    version = trained_version(classifier="churn")
    assert "data-confirm" in approver.get(path(version)).content.decode()
    response = approver.post(path(version), {"reason": "  better on new customers "}, follow=True)
    activation = Activation.objects.latest("number")
    assert (activation.version, activation.actor, activation.reason) == (
        version,
        "ada",
        "better on new customers",
    )
    shown = response.content.decode()
    assert "churn v2 is now active" in shown
    assert "Activate this version" not in shown


def test_an_older_version_is_rolled_back_to(approver: Client) -> None:
    old = trained_version(classifier="churn", activate=True)
    trained_version(classifier="churn", activate=True)
    assert "Roll back to this version" in approver.get(path(old)).content.decode()
    approver.post(path(old), {"reason": "the new one is worse"})
    assert [item.version.number for item in Activation.objects.order_by("number")] == [1, 2, 1]


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501])
def test_without_a_fitting_reason_nothing_is_activated(reason: str, approver: Client) -> None:
    version = trained_version()
    form = approver.post(path(version), {"reason": reason}).context["form"]
    assert form.errors["reason"]
    assert not Activation.objects.exists()


def test_a_version_that_is_active_already_is_said_to_be(approver: Client) -> None:
    version = trained_version(classifier="churn", activate=True)
    shown = approver.post(path(version), {"reason": "again"}, follow=True).content.decode()
    assert "Nothing was changed: churn v1 is already active." in shown
    assert Activation.objects.count() == 1


def test_a_version_whose_file_was_changed_is_refused_with_the_reason(approver: Client) -> None:
    version = trained_version()
    name = version.artifacts["pipeline"]["name"]
    with files.artifacts().open(name) as file:
        data = bytearray(file.read())
    data[100] ^= 1
    files.artifacts().save(name, ContentFile(bytes(data)))
    shown = approver.post(path(version), {"reason": "try"}, follow=True).content.decode()
    assert "SHA-256" in shown
    assert "Nothing was changed" in shown
    assert not Activation.objects.exists()


def test_looking_activates_nothing_and_shows_no_form(db: None) -> None:
    version = trained_version()
    viewer = staff_client()
    assert "Activate this version" not in viewer.get(path(version), {"reason": "x"}).content.decode()
    assert viewer.post(path(version), {"reason": "x"}).status_code == 403
    assert not Activation.objects.exists()


@pytest.mark.parametrize("part", ["pipeline", "model", "preprocessor"])
def test_a_part_is_downloaded_as_it_was_recorded_and_loads_with_joblib(
    part: str, approver: Client, tmp_path: Any
) -> None:
    version = trained_version(classifier="churn")
    response = download(approver, version, part)
    data = response.getvalue()
    assert response["Content-Disposition"] == f'attachment; filename="churn-v1-{part}.joblib"'
    assert hashlib.sha256(data).hexdigest() == version.artifacts[part]["sha256"]
    (tmp_path / "part.joblib").write_bytes(data)
    assert hasattr(joblib.load(tmp_path / "part.joblib"), "get_params")


def test_a_part_that_was_changed_is_not_handed_out(approver: Client) -> None:
    version = trained_version()
    name = version.artifacts["model"]["name"]
    files.artifacts().save(name, ContentFile(b"another model"))
    response = approver.get(reverse("training:version-artifact", args=[version.pk, "model"]), follow=True)
    assert "Nothing was downloaded: the stored model of" in response.content.decode()


def test_a_storage_that_does_not_answer_is_said_on_a_page(approver: Client, settings: Any) -> None:
    version = trained_version()
    url = f"http://127.0.0.1:{free_port()}"
    settings.STORAGES = buckets.in_bucket(url, "nowhere", settings.STORAGES)
    response = download(approver, version, "model")
    assert (response.status_code, response["Retry-After"]) == (503, "2")
    assert "the bucket nowhere at" in response.content.decode()


def test_a_part_that_does_not_exist_or_was_lost_is_not_found(approver: Client) -> None:
    version = trained_version()
    assert download(approver, version, "secret").status_code == 404
    assert download(approver, VersionFactory.create(), "model").status_code == 404


def test_without_versions_the_page_leads_to_the_first_run(db: None) -> None:
    assert "A person with the trainer role" in staff_client().get(LIST).content.decode()
    trainer = staff_client("training.add_run", username="grace")
    assert reverse("training:run-create") in trainer.get(LIST).content.decode()


def test_reasons_and_names_are_escaped(approver: Client) -> None:
    version = VersionFactory.create()
    ActivationFactory.create(version=version, reason="<script>alert(1)</script>", actor="<i>")
    shown = approver.get(path(version)).content.decode()
    assert "<script>alert(1)" not in shown
    assert "<i>" not in shown


def test_the_history_says_what_answered_from_when_until_when(approver: Client) -> None:
    first = ActivationFactory.create(reason="the first")
    second = ActivationFactory.create(version__classifier=first.classifier, reason="better", actor="grace")
    back = ActivationFactory.create(
        version=first.version, classifier=first.classifier, reason="worse after all"
    )
    ActivationFactory.create()
    path = reverse("training:classifier-history", args=[first.classifier_id])
    response = approver.get(path)
    assert [(item.pk, item.until) for item in response.context["page"]] == [
        (back.pk, None),
        (second.pk, back.created_at),
        (first.pk, second.created_at),
    ]
    shown = response.content.decode()
    for text in ("the first", "better", "by grace", "worse after all", "active"):
        assert text in shown


def test_a_long_history_is_paged_and_the_version_shows_its_end(
    approver: Client, django_assert_max_num_queries: Any
) -> None:
    first = ActivationFactory.create()
    for _ in range(29):
        ActivationFactory.create(version=first.version, classifier=first.classifier)
    path_to = reverse("training:classifier-history", args=[first.classifier_id])
    with django_assert_max_num_queries(8):
        assert len(approver.get(path_to).context["page"]) == 25
    assert [item.number for item in approver.get(path_to, {"page": 2}).context["page"]] == [5, 4, 3, 2, 1]
    assert len(approver.get(path(first.version)).context["spells"]) == 5


def test_a_classifier_without_history_says_what_to_do(approver: Client) -> None:
    path_to = reverse("training:classifier-history", args=[ClassifierFactory.create().pk])
    assert "No activations yet" in approver.get(path_to).content.decode()


def card(client: Client, version: Version) -> str:
    return str(client.get(reverse("training:version-card", args=[version.pk])).content.decode())


def test_a_model_card_holds_what_whoever_relies_on_a_version_should_know(approver: Client) -> None:
    version = VersionFactory.create()
    shown = card(approver, version)
    low, high = version.held_out["intervals"]["recall"]
    for text in (
        version.run.dataset.sha256,
        "60 rows, 12 of them held out",
        "n_estimators = 5",
        f"{low:.3f} to {high:.3f}",
        "yes if its probability is at least 0.5",
        f"scikit-learn {version.libraries['scikit-learn']}",
        f"python {platform.python_version()}",
        "Few held-out rows: no (",
        "Drop in ROC-AUC when shuffled",
        "basic, plus, pro, or missing",
        "data-print",
    ):
        assert text in shown, text


def test_a_model_card_warns_of_what_the_figures_show(approver: Client) -> None:
    version = VersionFactory.create()
    assert "overfitting" not in "".join(
        model_card.limits(VersionFactory.create(cross_validation={"roc_auc": {"mean": 0, "std": 0}}))
    )
    version.cross_validation["roc_auc"]["mean"] = version.metrics["roc_auc"] + 0.2
    version.run.recipe_data["class_weight"] = "balanced"
    version.held_out["intervals"]["roc_auc"] = [0.5, 0.9]
    answer = " ".join(model_card.limits(version))
    for text in (
        "0.200 lower on the held-out rows",
        "are too high for those classes",
        "between 0.500 and 0.900",
    ):
        assert text in answer


@pytest.mark.parametrize(
    ("sort", "numbers"),
    [
        ("", [3, 2, 1]),
        ("version", [1, 2, 3]),
        ("-roc_auc", [2, 3, 1]),
        ("-state", [2, 3, 1]),
        ("estimator", [3, 1, 2]),
        ("-dataset", [1, 3, 2]),
        ("golden", [3, 2, 1]),
    ],
)
def test_versions_are_sorted_within_their_classifier(sort: str, numbers: list[int], approver: Client) -> None:
    churn = ClassifierFactory.create(name="churn")
    VersionFactory.create(classifier__name="a-first")
    for score, family, dataset in ((0.5, "b", "c"), (0.9, "c", "a"), (0.7, "a", "b")):
        version = VersionFactory.create(classifier=churn, run__dataset__name=dataset)
        metrics = {**version.held_out["metrics"], "roc_auc": score}
        Version.objects.filter(pk=version.pk).update(
            held_out={**version.held_out, "metrics": metrics}, family=family
        )
    ActivationFactory.create(version=Version.objects.get(classifier=churn, number=2))
    groups = approver.get(LIST, {"sort": sort}).context["groups"]
    assert [str(classifier) for classifier, _ in groups] == ["a-first", "churn"]
    assert [version.number for version in groups[1][1]] == numbers


def test_a_long_list_of_versions_is_paged(approver: Client) -> None:
    VersionFactory.create_batch(51, classifier=ClassifierFactory.create())
    assert [len(versions) for _, versions in approver.get(LIST, {"page": 2}).context["groups"]] == [1]


def test_more_versions_take_no_more_queries(approver: Client, django_assert_max_num_queries: Any) -> None:
    for _ in range(4):
        VersionFactory.create_batch(2, classifier=ActivationFactory.create().classifier)
    with django_assert_max_num_queries(8):
        groups = approver.get(LIST).context["groups"]
    assert sum(len(versions) for _, versions in groups) == 12


def test_costs_of_mistakes_give_a_curve_and_the_cheapest_threshold(approver: Client) -> None:
    version = trained_version(classifier="churn")
    context = approver.get(path(version), {"unit": "EUR", "cost-0-1": "1", "cost-1-0": "20"}).context
    assert context["costs_chart"]["figure"]["layout"]["yaxis"]["title"]["text"] == "Cost of 1,000 rows (EUR)"
    assert context["form"].initial["threshold"] == context["cheapest"] < 0.5
    assert "EUR" in context["trials"][0]["sentences"][-1]
    shown = approver.get(path(version), {"cost-0-1": "0", "cost-1-0": "0"}).content.decode()
    assert "Every mistake costs 0; give at least one a cost." in shown


def test_the_threshold_of_the_active_version_is_changed_with_a_reason(approver: Client) -> None:
    version = trained_version(classifier="churn", activate=True)
    address = f"{path(version)}?unit=EUR&cost-0-1=1&cost-1-0=20"
    approver.post(address, {"reason": "missed ones cost more", "threshold": "0.25"}, follow=True)
    activation = Activation.objects.latest("number")
    assert (activation.number, activation.version, activation.threshold) == (2, version, 0.25)
    assert activation.costs_data["mistakes"] == {"no": {"yes": 1}, "yes": {"no": 20}}
    response = approver.get(path(version))
    assert "threshold 0.25" in response.content.decode()
    assert response.context["costs_form"].initial["cost-1-0"] == 20
    assert response.context["trials"][response.context["own"]]["threshold"] == 0.25


def test_the_cheapest_label_of_many_classes_is_offered_once_costs_are_known(approver: Client) -> None:
    two = VersionFactory.create()
    version = VersionFactory.create(
        contract_data={**two.contract_data, "classes": ["high", "low", "middle"], "positive": None},
        held_out={**two.held_out, "confusion": [[3, 0, 0], [0, 3, 0], [0, 1, 2]]},
        threshold=None,
    )
    offer = "Answer the label with the least expected cost"
    mistakes = {f"cost-{actual}-{label}": "1" for actual, label in permutations(range(3), 2)}
    for _ in range(2):
        first = approver.get(path(version)).content.decode()
        assert offer not in first
        assert ('id="decision"' in first) != Activation.objects.exists(), (
            "an active version has no other choice"
        )
        assert offer in approver.get(path(version), mistakes).content.decode()
        ActivationFactory.create(version=version)


def test_a_mix_is_shown_by_its_members_and_weights(approver: Client) -> None:
    members = [
        {"family": "lightgbm", "params": {"num_leaves": 8}, "weight": 0.7},
        {"family": "logistic_regression", "params": {"C": 0.1}, "weight": 0.3},
    ]
    version = VersionFactory.create(family="mix", params={"members": members})
    shown = " ".join(approver.get(path(version)).content.decode().split())
    assert "Mix of models" in shown
    assert "70.0 % LightGBM: " in shown
    assert "30.0 % Logistic regression: " in shown
    assert "weighted by these shares" in shown
