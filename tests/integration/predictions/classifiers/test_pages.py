"""The page of a classifier."""

import html

from django.urls import reverse

from tests.support.factories import ClassifierFactory, PredictionFactory
from tests.support.portal import staff_client
from training.models import Classifier, Version
from training.versions import verdict


def address(classifier: Classifier) -> str:
    return reverse("predictions:classifier-detail", args=[classifier.pk])


def test_a_classifier_has_a_page_with_all_that_belongs_to_it(version: Version) -> None:
    prediction = PredictionFactory.create(version=version)
    response = staff_client("predictions.add_prediction").get(address(version.classifier))
    shown = response.content.decode()
    for sentence in verdict.sentences(version):
        assert sentence in shown
    assert f'href="{reverse("training:version-detail", args=[version.pk])}"' in shown
    assert f'href="{reverse("predictions:prediction-detail", args=[prediction.pk])}"' in shown
    assert f'href="{reverse("predictions:predict")}?model=churn"' in shown
    assert "a test needs it" in shown
    assert "Edit" not in shown


def test_a_served_classifier_shows_how_to_call_it_and_a_new_key_is_filled_in(version: Version) -> None:
    shown = staff_client().get(address(version.classifier)).content.decode()
    assert "Bearer YOUR_KEY" in html.unescape(shown)
    client = staff_client("predictions.view_apikey", "predictions.add_apikey", username="grace")
    response = client.post(reverse("predictions:key-list"), {"name": "shop", "scopes": ["predict"]})
    _, key = response.context["made"]
    shown = html.unescape(response.content.decode())
    assert f"Bearer {key}" in shown
    assert '"model": "churn"' in shown
    assert "YOUR_KEY" not in shown
    other = client.post(reverse("predictions:key-list"), {"name": "other", "scopes": ["read"]})
    assert "Call it" not in other.content.decode()


def test_a_classifier_without_a_version_says_what_is_missing(db: None) -> None:
    response = staff_client().get(address(ClassifierFactory.create()))
    assert "No version yet" in response.content.decode()


def test_notes_are_edited_and_the_default_is_chosen_on_the_page(version: Version) -> None:
    client = staff_client("training.change_classifier")
    second = ClassifierFactory.create(name="second")
    sent = {"owner": "Team A", "tags": "new, blue", "notes": "Not for all.", "is_default": "on"}
    shown = client.post(address(second), sent, follow=True).content.decode()
    assert "Team A" in shown
    assert "Not for all." in shown
    second.refresh_from_db()
    assert (second.tags, second.is_default) == (["new", "blue"], True)
    assert 'name="is_default"' not in shown
    refused = client.post(address(second), {"tags": "x" * 50})
    assert "at most 40 characters" in refused.content.decode()


def test_every_name_leads_to_the_page(version: Version) -> None:
    client = staff_client()
    link = f'href="{address(version.classifier)}"'
    for route in (
        "predictions:home",
        "training:run-list",
        "training:version-list",
        "predictions:classifier-list",
    ):
        assert link in client.get(reverse(route)).content.decode(), route
    for route in ("training:version-detail", "training:version-card"):
        assert link in client.get(reverse(route, args=[version.pk])).content.decode(), route
