"""Django's admin: the log and the rest to read, and the few things to decide there."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from clfsite.core.storage import files
from predictions.keys import service as keys
from predictions.models import first_id
from tests.support.factories import (
    ActivationFactory,
    ApiKeyFactory,
    BatchFactory,
    ClassifierFactory,
    PredictionFactory,
    VersionFactory,
    trained_version,
)
from training.models import Activation, Classifier, Version

LOG = reverse("admin:predictions_prediction_changelist")
VERSIONS = reverse("admin:training_version_changelist")
CLASSIFIERS = reverse("admin:training_classifier_changelist")
KEYS = reverse("admin:predictions_apikey_changelist")


@pytest.fixture
def admin(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def act(client: Client, path: str, action: str, *chosen: Any, **more: str) -> Any:
    """Take an action on rows of a list and follow to the page that comes of it."""
    data = {"action": action, "_selected_action": [str(row.pk) for row in chosen], **more}
    return client.post(path, data, follow=True)


def search(client: Client, **query: str) -> list[Any]:
    """What the log lists for a query."""
    return list(client.get(LOG, query).context["cl"].result_list)


@pytest.mark.parametrize(
    "model",
    [
        "predictions.prediction",
        "predictions.batch",
        "predictions.feedback",
        "predictions.apikey",
        "training.dataset",
        "training.run",
        "training.version",
        "training.activation",
    ],
)
def test_rows_can_be_read_and_neither_added_nor_changed_nor_deleted(model: str, admin: Client) -> None:
    prediction = PredictionFactory.create()
    rows = {
        "predictions.prediction": prediction,
        "predictions.batch": BatchFactory.create(version=prediction.version),
        "predictions.feedback": prediction.feedback.create(label="no", source="api", actor="tests"),
        "predictions.apikey": ApiKeyFactory.create(),
        "training.dataset": prediction.version.run.dataset,
        "training.run": prediction.version.run,
        "training.version": prediction.version,
        "training.activation": ActivationFactory.create(version=prediction.version),
    }
    base = f"admin:{model.replace('.', '_')}"
    row = rows[model]
    assert admin.get(reverse(f"{base}_changelist")).status_code == 200
    shown = admin.get(reverse(f"{base}_change", args=[row.pk]))
    assert shown.status_code == 200
    assert 'name="_save"' not in shown.content.decode()
    assert admin.post(reverse(f"{base}_change", args=[row.pk]), {"name": "x"}).status_code == 403
    assert admin.get(reverse(f"{base}_add")).status_code == 403
    assert admin.post(reverse(f"{base}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403


def test_the_log_is_searched_by_the_whole_id_and_by_the_caller(admin: Client) -> None:
    version = VersionFactory.create()
    wanted = PredictionFactory.create(version=version, caller="shop 1")
    PredictionFactory.create(version=version, caller="shop 10")
    assert search(admin, q=str(wanted.pk)) == [wanted]
    assert search(admin, q=f" {str(wanted.pk).upper()} ") == [wanted]
    assert search(admin, q="shop 1") == [wanted]
    assert search(admin, q="shop") == []


def test_the_log_is_filtered_by_time_label_source_and_classifier(admin: Client) -> None:
    version = VersionFactory.create()
    old = first_id(timezone.now() - timedelta(days=3))
    PredictionFactory.create(version=version, id=old)
    wanted = PredictionFactory.create(version=version, label="no", source="form")
    other = PredictionFactory.create()
    assert set(search(admin, days="1")) == {wanted, other}
    assert len(search(admin, days="7")) == 3
    assert search(admin, label="no") == [wanted]
    assert search(admin, source__exact="form") == [wanted]
    assert search(admin, version__classifier__id__exact=str(other.version.classifier_id)) == [other]
    assert len(search(admin, days="nonsense")) == 3
    assert len(search(admin, label="a\0b")) == 3


def test_the_log_is_read_without_counting_it_and_without_distinct(admin: Client) -> None:
    PredictionFactory.create_batch(12, version=VersionFactory.create())
    with CaptureQueriesContext(connection) as queries:
        admin.get(LOG)
    log = [query["sql"] for query in queries if "predictions_prediction" in query["sql"]]
    assert [sql for sql in log if "COUNT" in sql and "LIMIT" not in sql] == []
    assert [sql for sql in log if "DISTINCT" in sql] == []
    assert len(queries) <= 10


def test_an_id_of_nothing_leads_back_to_the_log(admin: Client) -> None:
    for pk in ("1", "00000000-0000-0000-0000-000000000000", "x" * 500):
        assert admin.get(reverse("admin:predictions_prediction_change", args=[pk])).status_code == 302


def test_activating_a_version_asks_for_a_reason_and_keeps_it(admin: Client) -> None:
    trained_version(classifier="churn", activate=True)
    second = trained_version(classifier="churn")
    asked = act(admin, VERSIONS, "activate", second)
    assert "churn v1 is active now. churn v2 replaces it" in asked.content.decode()
    assert Activation.objects.count() == 1
    done = act(admin, VERSIONS, "activate", second, confirmed="yes", reason="better on new customers")
    activation = Activation.objects.latest("number")
    assert (activation.version, activation.reason, activation.actor) == (
        second,
        "better on new customers",
        "root",
    )
    assert "Churn v2 is now active" in done.content.decode()


def test_before_it_is_activated_a_version_is_shown_beside_the_one_that_answers(admin: Client) -> None:
    now = trained_version(classifier="churn", activate=True)
    asked = act(admin, VERSIONS, "activate", trained_version(classifier="churn")).content.decode()
    assert "churn v1, now" in asked
    assert f"{now.metrics['roc_auc']:.3f}" in asked
    assert "Compare them in the portal" in asked


def test_the_active_version_is_not_activated_again(admin: Client) -> None:
    version = trained_version(classifier="churn", activate=True)
    assert "Churn v1 is already active" in act(admin, VERSIONS, "activate", version).content.decode()
    assert Activation.objects.count() == 1


def test_what_administrators_decided_stands_in_the_history_of_the_row(admin: Client) -> None:
    version = trained_version(classifier="churn")
    act(admin, VERSIONS, "activate", version, confirmed="yes", reason="fewer false alarms")
    act(admin, CLASSIFIERS, "make_default", version.classifier)
    answer = admin.get(reverse("admin:training_version_history", args=[version.pk])).content.decode()
    assert "Activated: fewer false alarms" in answer
    answer = admin.get(
        reverse("admin:training_classifier_history", args=[version.classifier_id])
    ).content.decode()
    assert "Made the default classifier." in answer


def test_a_classifier_shows_which_version_answers(admin: Client) -> None:
    ClassifierFactory.create(name="idle")
    before = ActivationFactory.create(version__classifier__name="churn")
    newest = ActivationFactory.create(version__classifier=before.classifier)
    page = admin.get(CLASSIFIERS)
    answers = {row.name: [item.version for item in row.in_force] for row in page.context["cl"].result_list}
    assert answers == {"churn": [newest.version], "idle": []}
    assert reverse("admin:training_version_change", args=[newest.version_id]) in page.content.decode()


def test_activating_without_a_reason_asks_again(admin: Client) -> None:
    version = trained_version()
    asked = act(admin, VERSIONS, "activate", version, confirmed="yes", reason=" ")
    assert "This field is required" in asked.content.decode()
    assert not Activation.objects.exists()


def test_of_two_chosen_versions_none_is_activated(admin: Client) -> None:
    shown = act(admin, VERSIONS, "activate", VersionFactory.create(), VersionFactory.create())
    assert "Choose exactly one version." in shown.content.decode()
    assert not Activation.objects.exists()


def test_a_version_that_cannot_serve_is_refused_with_the_reason(admin: Client) -> None:
    version = trained_version()
    files.artifacts().delete(version.artifacts["pipeline"]["name"])
    shown = act(admin, VERSIONS, "activate", version, confirmed="yes", reason="try").content.decode()
    assert "is missing from storage" in shown
    assert not Activation.objects.exists()


def test_a_viewer_of_versions_is_not_offered_to_activate(client: Client, db: None) -> None:
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.set(_permissions("view_version"))
    client.force_login(viewer)
    version = trained_version()
    assert '<option value="activate">' not in client.get(VERSIONS).content.decode()
    act(client, VERSIONS, "activate", version, confirmed="yes", reason="try")
    assert not Activation.objects.exists()


def test_the_active_version_is_marked_in_the_list(admin: Client) -> None:
    old = ActivationFactory.create().version
    new = ActivationFactory.create(version__classifier=old.classifier).version
    listed = {row.pk: row.active for row in admin.get(VERSIONS).context["cl"].result_list}
    assert listed == {old.pk: False, new.pk: True}


def test_the_default_classifier_is_changed_in_one_step(admin: Client) -> None:
    before = ClassifierFactory.create(is_default=True)
    after = ClassifierFactory.create()
    act(admin, CLASSIFIERS, "make_default", after)
    assert list(Classifier.objects.filter(is_default=True)) == [after]
    assert (
        "Choose exactly one classifier"
        in act(admin, CLASSIFIERS, "make_default", before, after).content.decode()
    )
    assert list(Classifier.objects.filter(is_default=True)) == [after]


def test_a_classifier_can_be_made_strict_and_keeps_its_name(admin: Client) -> None:
    classifier = ClassifierFactory.create()
    path = reverse("admin:training_classifier_change", args=[classifier.pk])
    assert admin.post(path, {"strict": "on", "name": "other"}).status_code == 302
    changed = Classifier.objects.get(pk=classifier.pk)
    assert (changed.strict, changed.name) == (True, classifier.name)


def test_revoking_keys_stops_them_and_is_recorded(admin: Client) -> None:
    key, kept = ApiKeyFactory.create(), ApiKeyFactory.create()
    shown = act(admin, KEYS, "revoke", key).content.decode()
    key.refresh_from_db()
    kept.refresh_from_db()
    assert not key.is_usable
    assert kept.is_usable
    assert str(key) in shown
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.get_change_message()) == (str(key.pk), "Revoked.")


def test_a_key_revoked_twice_keeps_its_first_time(admin: Client) -> None:
    key = ApiKeyFactory.create(revoked_at=timezone.now() - timedelta(days=1))
    before = key.revoked_at
    act(admin, KEYS, "revoke", key)
    key.refresh_from_db()
    assert key.revoked_at == before


def test_the_digest_of_a_key_is_not_shown(admin: Client) -> None:
    key = ApiKeyFactory.create(secret="clf_" + "s" * 40)
    shown = admin.get(reverse("admin:predictions_apikey_change", args=[key.pk])).content.decode()
    assert key.digest not in shown
    assert "s" * 40 not in shown
    assert keys.exists("clf_" + "s" * 40)


def test_keys_are_filtered_by_whether_they_open_anything(admin: Client) -> None:
    past = timezone.now() - timedelta(days=1)
    usable, expired = ApiKeyFactory.create(), ApiKeyFactory.create(expires_at=past)
    revoked = ApiKeyFactory.create(expires_at=past, revoked_at=past)
    for state, key in {"usable": usable, "expired": expired, "revoked": revoked}.items():
        page = admin.get(KEYS, {"state": state})
        assert list(page.context["cl"].result_list) == [key]
        assert f'<td class="field-state">{state}</td>' in page.content.decode()
    assert len(admin.get(KEYS, {"state": "lost"}).context["cl"].result_list) == 3


def test_feedback_is_shown_beside_what_was_predicted_and_filtered_by_whether_it_stands(admin: Client) -> None:
    prediction = PredictionFactory.create(label="stays")
    given = {"source": "api", "actor": "tests"}
    old = prediction.feedback.create(label="leaves", superseded_at=timezone.now(), **given)
    new = prediction.feedback.create(label="moves", **given)
    path = reverse("admin:predictions_feedback_changelist")
    for chosen, rows in {"no": [new], "yes": [old], "": [new, old]}.items():
        page = admin.get(path, {"superseded": chosen})
        assert list(page.context["cl"].result_list) == rows
    assert '<td class="field-predicted">stays</td>' in page.content.decode()


def test_feedback_is_listed_without_a_join_to_the_log(admin: Client) -> None:
    version = VersionFactory.create()
    for prediction in PredictionFactory.create_batch(3, version=version):
        prediction.feedback.create(label="no", source="api", actor="tests")
    with CaptureQueriesContext(connection) as queries:
        admin.get(reverse("admin:predictions_feedback_changelist"))
    assert [query["sql"] for query in queries if "JOIN" in query["sql"] and "feedback" in query["sql"]] == []
    log = [query["sql"] for query in queries if 'FROM "predictions_prediction"' in query["sql"]]
    assert len(log) == 1
    assert "features" not in log[0]


@pytest.mark.parametrize("name", ["predictions_prediction", "predictions_batch", "training_run"])
def test_a_row_that_no_administrator_changes_says_so_and_has_no_history(name: str, admin: Client) -> None:
    prediction = PredictionFactory.create()
    rows = {
        "predictions_prediction": prediction,
        "predictions_batch": BatchFactory.create(version=prediction.version),
        "training_run": prediction.version.run,
    }
    shown = admin.get(reverse(f"admin:{name}_change", args=[rows[name].pk])).content.decode()
    assert 'class="note"' in shown
    assert "historylink" not in shown
    assert ">In the portal</a>" in shown


def test_no_page_of_a_row_shows_json(admin: Client) -> None:
    warnings = [{"feature": "tenure", "code": "out_of_range", "message": "100 is <b>much</b>"}]
    prediction = PredictionFactory.create(warnings=warnings, probability=0.123456789)
    for row in (prediction, prediction.version, prediction.version.run, prediction.version.run.dataset):
        name = row._meta.label_lower.replace(".", "_")
        shown = admin.get(reverse(f"admin:{name}_change", args=[row.pk])).content.decode()
        assert "{&quot;" not in shown, name
        if row == prediction:
            assert "<td>100 is &lt;b&gt;much&lt;/b&gt;</td>" in shown
            assert "0.1235" in shown


def _permissions(*codenames: str) -> Any:
    from django.contrib.auth.models import Permission

    return Permission.objects.filter(codename__in=codenames)


def test_lists_take_no_more_queries_for_more_rows(admin: Client, django_assert_max_num_queries: Any) -> None:
    for _ in range(4):
        version: Version = VersionFactory.create()
        BatchFactory.create(version=version)
        ActivationFactory.create(version=version)
    for name in ("training_version", "training_run", "training_activation", "predictions_batch"):
        with django_assert_max_num_queries(9):
            assert admin.get(reverse(f"admin:{name}_changelist")).status_code == 200
