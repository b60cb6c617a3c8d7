"""Versions side by side, on a page and over the API: the same figures, and when they cannot be compared."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from predictions.keys import service as keys
from tests.integration.conftest import problem_of
from tests.support.factories import ActivationFactory, DatasetFactory, RunFactory, VersionFactory, tiny
from tests.support.portal import staff_client
from training.ml.judge.names import METRICS
from training.models import Classifier, Version
from training.versions import charts, comparison

pytestmark = pytest.mark.django_db

PAGE = reverse("training:version-compare")


@pytest.fixture
def viewer() -> Client:
    return staff_client()


@pytest.fixture
def pair() -> list[Version]:
    """Two versions of one classifier on the same rows; the second has a better recall and a worse precision."""
    first = VersionFactory.create(classifier__name="churn")
    run = RunFactory.create(classifier=first.classifier, dataset=first.run.dataset, succeeded=True)
    metrics = {**first.metrics, "recall": first.metrics["recall"] + 0.01, "precision": 0.25}
    second = VersionFactory.create(
        classifier=first.classifier, run=run, held_out={**first.held_out, "metrics": metrics}, threshold=0.31
    )
    return [first, second]


def look(client: Client, versions: list[Version], **query: Any) -> Any:
    return client.get(PAGE, {"versions": [version.pk for version in versions], **query})


def ask(client: Client, ids: str, scope: str = "read") -> Any:
    _, key = keys.create(name="caller", scopes=(scope,))
    path = f"/api/versions/compare?ids={ids}"
    return client.get(path, headers={"authorization": f"Bearer {key}"})


def change(version: Version, **values: Any) -> Version:
    """The version with other values in its row, as an early release or another table would have written it."""
    Version.objects.filter(pk=version.pk).update(**values)
    return Version.objects.get(pk=version.pk)


def of_three_classes(classifier: Classifier) -> Version:
    """A version that tells apart what the tiny table does not have."""
    contract = {**tiny().contract.to_dict(), "classes": ["high", "low", "middle"], "target": "level"}
    curve = {"x": [0.0, 0.5, 1.0], "y": [0.0, 0.9, 1.0], "area": 0.8}
    curves = {kind: [{"label": label, **curve} for label in contract["classes"]] for kind in charts.CURVES}
    for item in curves["calibration"]:
        item["counts"] = [1, 2, 3]
    held_out = {
        **tiny().trained.held_out.to_dict(),
        "confusion": [[3, 0, 0], [0, 3, 0], [0, 1, 2]],
        "curves": curves,
    }
    return VersionFactory.create(
        classifier=classifier, contract_data=contract, held_out=held_out, threshold=None
    )


def test_page_shows_what_each_version_is_and_how_it_was_made(viewer: Client, pair: list[Version]) -> None:
    ActivationFactory.create(version=pair[1])
    change(pair[0], libraries={**pair[0].libraries, "numpy": "1.0"})
    shown = look(viewer, pair).content.decode()
    for words in (
        "Version 1", "Version 2", "Not active", "Active", "Grid over Random forest", "n_estimators = 5",
        f"{pair[0].run.dataset}", "60 rows, 12 held out", "yes if its probability is at least 0.5",
        "yes if its probability is at least 0.31", "seed 0", "differs",
    ):  # fmt: skip
        assert words in shown


def test_figures_have_spread_interval_difference_and_the_best_is_marked(
    viewer: Client, pair: list[Version]
) -> None:
    response = look(viewer, pair)
    rows = {row["metric"]: row for row in response.context["metrics"]}
    assert set(rows) == set(METRICS)
    first, second = rows["recall"]["held_out"]
    assert (first["best"], second["best"]) == (False, True)
    assert second["difference"] == pytest.approx(0.01)
    assert rows["precision"]["held_out"][0]["best"]
    assert [item["best"] for item in rows["roc_auc"]["held_out"]] == [False, False]
    shown = response.content.decode()
    low, high = pair[0].held_out["intervals"]["recall"]
    assert f"{low:.3f} to {high:.3f}" in shown
    assert f"± {pair[0].cross_validation['f1']['std']:.3f}" in shown
    assert "+0.010" in shown
    assert "±0.000" in shown
    assert "\u2212" in shown


def test_no_value_is_the_best_where_different_classes_are_predicted(
    viewer: Client, pair: list[Version]
) -> None:
    other = change(pair[1], contract_data={**pair[1].contract_data, "target": "gone"})
    response = look(viewer, [pair[0], other])
    figures = [figure for row in response.context["metrics"] for figure in row["held_out"]]
    assert not any(figure["best"] for figure in figures)
    assert "so their metrics cannot be compared" in response.content.decode()


def test_the_positive_class_is_named_and_two_different_ones_are_told(
    viewer: Client, pair: list[Version]
) -> None:
    assert "those of the positive class, yes" in look(viewer, pair).content.decode()
    turned = {**pair[1].contract_data, "positive": "no"}
    other = change(pair[1], contract_data=turned)
    (remark,) = comparison.remarks(comparison.chosen([str(pair[0].pk), str(other.pk)]))
    assert "positive classes differ (Version 1 yes, Version 2 no)" in remark


def test_a_class_with_line_ends_is_the_one_that_a_browser_asks_for(
    viewer: Client, pair: list[Version]
) -> None:
    curves = pair[0].held_out["curves"]["roc"][0]
    named = [{**curves, "label": "a"}, {**curves, "label": "b\nc"}]
    change(
        pair[0],
        held_out={**pair[0].held_out, "curves": {kind: named for kind in charts.CURVES if kind == "roc"}},
    )
    assert look(viewer, pair, **{"class": "b\r\nc"}).context["label"] == "b\nc"


def test_curves_lie_over_each_other_and_keep_their_colours(viewer: Client, pair: list[Version]) -> None:
    context = look(viewer, pair).context
    assert [curve["id"] for curve in context["curves"]] == ["roc", "precision-recall", "calibration"]
    for curve in context["curves"]:
        lines = curve["figure"]["data"][:2]
        assert [line["name"].split(" (")[0] for line in lines] == ["Version 1", "Version 2"]
        assert [line["line"]["color"] for line in lines] == ["var(--chart-1)", "var(--chart-2)"]
        assert curve["table"]["headers"][0] == "Version"
        assert {row[0] for row in curve["table"]["rows"]} == {"Version 1", "Version 2"}
    bars = context["importance"]["figure"]["data"]
    assert [bar["marker"]["color"] for bar in bars] == ["var(--chart-1)", "var(--chart-2)"]
    assert context["importance"]["table"]["headers"] == ["Input", "Version 1", "Version 2"]
    assert len({confusion["id"] for confusion in context["confusions"]}) == 2


def test_versions_on_the_same_rows_need_no_remark(viewer: Client, pair: list[Version]) -> None:
    assert look(viewer, pair).context["remarks"] == []


def test_page_says_that_rows_of_other_datasets_are_not_strictly_comparable(
    viewer: Client, pair: list[Version]
) -> None:
    newer = DatasetFactory.create(name=pair[0].run.dataset.name, number=2, sha256="1" * 64, file=False)
    run = RunFactory.create(classifier=pair[0].classifier, dataset=newer, succeeded=True)
    third = VersionFactory.create(classifier=pair[0].classifier, run=run)
    shown = look(viewer, [*pair, third]).content.decode()
    assert f"different datasets ({pair[0].run.dataset}, {newer})" in shown
    assert "not strictly comparable" in shown


def test_other_seeds_folds_and_classes_are_remarked_on(pair: list[Version]) -> None:
    recipe = {**pair[1].run.recipe_data, "seed": 4, "folds": 7}
    type(pair[1].run).objects.filter(pk=pair[1].run_id).update(recipe_data=recipe)
    result = comparison.remarks(comparison.chosen([str(version.pk) for version in pair]))
    assert [
        words in remark for words, remark in zip(("different fifths", "folds (3, 7)"), result, strict=True)
    ] == [
        True,
        True,
    ]
    other = of_three_classes(pair[0].classifier)
    assert "predict different classes" in comparison.remarks([pair[0], other])[0]


def test_class_of_the_curves_can_be_chosen(viewer: Client, pair: list[Version]) -> None:
    three = of_three_classes(Classifier.objects.create(name="levels"))
    response = look(viewer, [pair[0], three], **{"class": "middle"})
    assert response.context["labels"] == ["yes", "high", "low", "middle"]
    line, chance = response.context["curves"][0]["figure"]["data"]
    # the version without this class has no line, and the other keeps its own colour
    assert (line["name"], line["line"]["color"]) == ("levels v1 (area 0.800)", "var(--chart-2)")
    assert chance["name"] == "by chance"
    assert response.context["label"] == "middle"
    assert look(viewer, [pair[0], three], **{"class": "<b>"}).context["label"] == "yes"


def test_versions_of_early_releases_are_compared_by_what_they_have(
    viewer: Client, pair: list[Version]
) -> None:
    early = {key: pair[0].held_out[key] for key in ("rows", "metrics", "confusion", "per_class")}
    versions = [change(version, held_out=early) for version in pair]
    response = look(viewer, versions)
    assert "No curves were recorded" in response.content.decode()
    assert response.context["importance"] is None
    assert response.context["metrics"][0]["held_out"][0]["interval"] is None


def test_inputs_that_a_version_does_not_have_are_said_to_be_none() -> None:
    drawn = charts.compared_importance(
        ["one", "two"],
        [
            [{"feature": "a", "mean": 0.2, "std": 0.01}],
            [{"feature": f"b{number}", "mean": 0.1 - number / 100, "std": 0.0} for number in range(12)],
        ],
    )
    assert drawn["table"]["rows"][0] == ["a", "0.2000 ± 0.0100", "not an input"]
    assert len(drawn["table"]["rows"]) == 13
    assert "3 more are in the table" in drawn["note"]
    assert drawn["figure"]["data"][0]["y"] == [0]


# what is chosen, with V and W for two versions that there are, and what is said
CANNOT: dict[str, tuple[list[str], int, str]] = {
    "none": ([], 422, "expected 2 to 6 versions, got 0"),
    "one": (["V"], 422, "got 1"),
    "seven": (["V", "W", "1", "2", "3", "4", "5"], 422, "got 7"),
    "the same twice": (["V", "W", "V"], 422, "duplicate version"),
    "text": (["V", "newest"], 422, "whole numbers, got 'newest'"),
    "a negative number": (["V", "-1"], 422, "got '-1'"),
    "Arabic digits": (["V", "\u0663"], 422, "got"),
    "too many digits": (["V", "9" * 30], 422, "whole numbers"),
    "an unknown one": (["V", "999999999999999999"], 404, "no version with the id 999999999999999999"),
}


@pytest.mark.parametrize(("written", "status", "words"), CANNOT.values(), ids=list(CANNOT))
def test_choice_that_cannot_be_compared_is_told_and_can_be_changed(
    viewer: Client, client: Client, pair: list[Version], written: list[str], status: int, words: str
) -> None:
    ids = [{"V": str(pair[0].pk), "W": str(pair[1].pk)}.get(item, item) for item in written]
    shown = viewer.get(PAGE, {"versions": ids})
    assert words in shown.context["problem"]
    assert ("checked" in shown.content.decode()) == ("V" in written)
    assert words in problem_of(ask(client, ",".join(ids)), status)["detail"]


def test_list_offers_a_box_for_each_version_once_there_are_two(viewer: Client) -> None:
    version = VersionFactory.create()
    path = reverse("training:version-list")
    assert "Compare selected" not in viewer.get(path).content.decode()
    VersionFactory.create()
    shown = viewer.get(path).content.decode()
    assert f'aria-label="Compare {version}"' in shown
    assert "two to six versions" in shown


def test_version_that_could_be_activated_leads_to_a_comparison_with_the_active_one() -> None:
    active = ActivationFactory.create().version
    other = VersionFactory.create(classifier=active.classifier)
    approver = staff_client("training.activate_version")
    shown = approver.get(reverse("training:version-detail", args=[other.pk])).content.decode()
    assert f"{PAGE}?versions={active.pk}&amp;versions={other.pk}" in shown


def test_api_tells_what_the_page_shows(client: Client, pair: list[Version]) -> None:
    ActivationFactory.create(version=pair[0])
    response = ask(client, f"{pair[1].pk}, {pair[0].pk}")
    assert response.status_code == 200, response.content
    answer = response.json()
    assert [(version["id"], version["active"]) for version in answer["versions"]] == [
        (pair[1].pk, False),
        (pair[0].pk, True),
    ]
    first = answer["versions"][0]
    assert first["dataset"]["number"] == 1
    assert first["recipe"] == pair[1].run.recipe_data
    assert (first["threshold"], first["classes"]) == (0.31, ["no", "yes"])
    assert first["held_out"]["curves"]["roc"][0]["label"] == "yes"
    assert first["held_out"]["importance"]
    assert first["libraries"] == pair[1].libraries
    assert {row["metric"] for row in answer["metrics"]} == set(METRICS)
    recall = next(row for row in answer["metrics"] if row["metric"] == "recall")
    assert [item["best"] for item in recall["held_out"]] == [True, False]
    assert recall["held_out"][1]["difference"] == pytest.approx(-0.01)
    assert recall["cross_validation"][0]["std"] == pair[1].cross_validation["recall"]["std"]
    assert answer["remarks"] == []


def test_api_needs_a_reader(client: Client, pair: list[Version]) -> None:
    problem_of(client.get("/api/versions/compare?ids=1,2"), 401)
    problem_of(ask(client, "1,2", scope="predict"), 403)


def test_names_are_escaped(viewer: Client, pair: list[Version]) -> None:
    contract = {**pair[0].contract_data, "target": "<script>x</script>"}
    shown = look(viewer, [change(pair[0], contract_data=contract), pair[1]]).content.decode()
    assert "<script>x" not in shown


def test_six_versions_take_no_more_queries_than_two(
    viewer: Client, pair: list[Version], django_assert_num_queries: Any
) -> None:
    more = VersionFactory.create_batch(4)
    viewer.get(PAGE)
    with django_assert_num_queries(5):
        look(viewer, pair)
    with django_assert_num_queries(5):
        look(viewer, [*pair, *more])
