"""Who may call what: every route of the site is in a table here, for every role and method; a new one is closed until it is."""

from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import resolve, reverse

from predictions.roles import ROLES
from tests.integration.predictions.test_portal_access import ACCESS, things
from tests.support.factories import (
    ActivationFactory,
    ApiKeyFactory,
    ClassifierFactory,
    UserFactory,
    trained_version,
)
from tests.support.routes import routes

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
NOBODY = "a member of staff without a role"

# the permissions that pages and calls ask for, and the one role beside superusers that has each
ROLE_OF = {
    "predictions.add_prediction": "analyst",
    "predictions.add_batch": "analyst",
    "predictions.add_feedback": "analyst",
    "training.add_dataset": "trainer",
    "training.query_source": "importer",
    "training.add_run": "trainer",
    "training.activate_version": "approver",
    "training.change_classifier": "approver",
    "predictions.view_apikey": "approver",
    "predictions.add_apikey": "approver",
    "predictions.change_apikey": "approver",
    "predictions.change_alert": "approver",
    "predictions.change_receiver": "approver",
    "predictions.add_erasure": "approver",
}
SCOPE_OF_ROLE = {"predict": "analyst", "feedback": "analyst", "train": "trainer", "activate": "approver"}
# calls under /api/: what scope each method needs; other methods are refused to everyone
API: dict[str, dict[str, str]] = {
    "api:dataset-list": {"GET": "read", "POST": "train"},
    "api:dataset-detail": {"GET": "read", "PATCH": "train", "DELETE": "train"},
    "api:dataset-changes": {"GET": "read"},
    "api:run-list": {"GET": "read", "POST": "train"},
    "api:run-detail": {"GET": "read", "PATCH": "train", "DELETE": "train"},
    "api:run-resume": {"POST": "train"},
    "api:run-cancel": {"POST": "train"},
    "api:run-stop": {"POST": "train"},
    "api:classifier-list": {"GET": "read"},
    "api:classifier-detail": {"GET": "read", "PATCH": "activate", "DELETE": "activate"},
    "api:classifier-live": {"GET": "read"},
    "api:classifier-monitoring": {"GET": "read"},
    "api:version-list": {"GET": "read"},
    "api:version-detail": {"GET": "read", "PATCH": "activate", "DELETE": "activate"},
    "api:version-compare": {"GET": "read"},
    "api:version-activate": {"POST": "activate"},
    "api:version-retrain": {"POST": "train"},
    "api:prediction-list": {"GET": "read"},
    "api:prediction-detail": {"GET": "read"},
    "api:prediction-feedback": {"POST": "feedback"},
    "api:reference-feedback": {"POST": "feedback"},
    "api:feedback": {"POST": "feedback"},
    "api:alert-list": {"GET": "read"},
    "api:alert-detail": {"GET": "read"},
    "api:alert-acknowledge": {"POST": "activate"},
    "api:alert-close": {"POST": "activate"},
    "api:alert-settings": {"GET": "read", "PATCH": "activate"},
    "api:classifier-silences": {"POST": "activate"},
    "api:silence-detail": {"DELETE": "activate"},
    "api:receiver-list": {"GET": "activate", "POST": "activate"},
    "api:receiver-detail": {"GET": "activate", "PATCH": "activate", "DELETE": "activate"},
    "api:receiver-test": {"POST": "activate"},
    "api:receiver-deliveries": {"GET": "activate"},
    "api:erasure-list": {"GET": "activate", "POST": "activate"},
    "api:classifier-retention": {"GET": "read", "PATCH": "activate"},
    "api:log-dataset": {"POST": "train"},
    "api:retraining": {"GET": "read", "PATCH": "train"},
    "api:batch-list": {"GET": "read", "POST": "predict"},
    "api:batch-detail": {"GET": "read"},
    "api:batch-start": {"POST": "predict"},
    "api:batch-resume": {"POST": "predict"},
    "api:batch-cancel": {"POST": "predict"},
    "api:batch-result": {"GET": "read"},
    "api:batch-errors": {"GET": "read"},
}
READING, PREDICTING = {"GET": {"predict", "read"}}, {"POST": {"predict"}}
# serving calls, by route with an address of each: keys alone, no session; any one of the scopes will do
SERVING: dict[str, tuple[str, dict[str, set[str]]]] = {
    "predict": ("/predict", PREDICTING),
    "predict-batch": ("/predict-batch", PREDICTING),
    "info": ("/info", READING),
    "mlflow-invocations": ("/invocations", PREDICTING),
    "v2": ("/v2", READING),
    "/v2/models/<model>/": ("/v2/models/churn", READING),
    "/v2/models/<model>/ready/": ("/v2/models/churn/ready", READING),
    "/v2/models/<model>/infer/": ("/v2/models/churn/infer", PREDICTING),
    "/v2/models/<model>/versions/<version>/": ("/v2/models/churn/versions/1", READING),
    "/v2/models/<model>/versions/<version>/ready/": ("/v2/models/churn/versions/1/ready", READING),
    "/v2/models/<model>/versions/<version>/infer/": ("/v2/models/churn/versions/1/infer", PREDICTING),
}
# open to everyone, or with a gate of its own that its own tests look at
OPEN = {
    *("health", "health-live", "health-ready", "mlflow-ping", "mlflow-version", "metrics"),
    *("api:schema", "docs", "login", "logout", "/", "/v2/health/live/", "/v2/health/ready/", "/v2/"),
}
# rows that a role sees in the administration, where nothing is added or deleted but by superusers
SEEN = {
    *("training.classifier", "training.dataset", "training.run", "training.version", "training.activation"),
    *("predictions.prediction", "predictions.batch", "predictions.feedback"),
}
SEEN_BY: dict[str, set[str]] = {
    **dict.fromkeys(ROLES, SEEN),
    "approver": SEEN | {"predictions.apikey"},
    NOBODY: set(),
}
CHANGED_BY = {"approver": {"training.classifier"}}
# the administration's pages that any member of staff has, and those that only lead elsewhere
ADMIN_COMMON = {
    "index",
    "login",
    "logout",
    "password_change",
    "password_change_done",
    "jsi18n",
    "autocomplete",
}
ADMIN_COMMON |= {"view_on_site", "app_list"}


def listed_routes() -> set[str]:
    """Every route: its name, or its address where it has none."""
    return {name or address for name, address in routes()}


def member(role: str) -> Client:
    """The browser of a member of staff in one role, or in none."""
    person = UserFactory.create(password=None)
    if role != NOBODY:
        person.groups.set([Group.objects.get(name=role)])
    client = Client()
    client.force_login(person)
    return client


def bearer(*scopes: str) -> Client:
    secret = f"clf_secret-{'-'.join(scopes)}"
    ApiKeyFactory.create(secret=secret, scopes=scopes)
    return Client(headers={"authorization": f"Bearer {secret}"})


@pytest.fixture
def arguments(db: None) -> dict[str, list[Any]]:
    """What each route with a variable part is asked for."""
    version = trained_version(classifier="churn", activate=True, default=True)
    pages = things(version)
    run = pages["training:run-detail"]
    prediction = pages["predictions:prediction-detail"]
    return {
        **pages,
        "api:dataset-detail": [version.run.dataset_id],
        "api:dataset-changes": pages["training:dataset-changes"],
        "api:run-detail": run,
        "api:run-resume": run,
        "api:run-cancel": run,
        "api:run-stop": run,
        "api:classifier-detail": [version.classifier.name],
        "api:classifier-live": [version.classifier.name],
        "api:classifier-monitoring": [version.classifier.name],
        "api:version-detail": [version.pk],
        "api:version-activate": [version.pk],
        "api:version-retrain": [version.pk],
        "api:prediction-detail": prediction,
        **{f"api:batch-{name}": pages["predictions:batch-result"] for name in ("detail", "result", "errors")},
        **{f"api:batch-{name}": pages[f"predictions:batch-{name}"] for name in ("start", "resume", "cancel")},
        "api:prediction-feedback": prediction,
        **{
            f"api:alert-{name}": pages["predictions:alert-detail"]
            for name in ("detail", "acknowledge", "close")
        },
        "api:alert-settings": [version.classifier.name],
        "api:classifier-retention": [version.classifier.name],
        "api:log-dataset": [version.classifier.name],
        "api:retraining": [version.classifier.name],
        "api:classifier-silences": [version.classifier.name],
        "api:silence-detail": pages["predictions:silence-end"],
        **{
            f"api:receiver-{name}": pages["predictions:receiver-test"]
            for name in ("detail", "test", "deliveries")
        },
    }


def call(client: Client, method: str, path: str) -> int:
    """The status of a call with an empty JSON object; downloads are read to their end, which closes the file."""
    response = client.generic(method, path, b"{}", content_type="application/json")
    response.getvalue()
    return response.status_code


@pytest.mark.promise(9)
def test_every_route_is_in_a_table() -> None:
    listed = {*ACCESS, *API, *SERVING, *OPEN}
    # the administration has a test of its own; what has no name there leads on to what has one
    result = {name for name in listed_routes() if not name.startswith(("admin:", "/admin/"))}
    assert result - listed == set(), "say here who may call them"
    assert listed - result == set(), "these are gone"


def test_every_permission_that_a_page_asks_for_belongs_to_a_role() -> None:
    asked = {item for pair in ACCESS.values() for item in pair if item}
    assert asked == set(ROLE_OF)


@pytest.mark.django_db
def test_a_fresh_database_has_the_roles_with_their_permissions() -> None:
    granted = {
        group.name: {
            f"{permission.content_type.app_label}.{permission.codename}"
            for permission in group.permissions.select_related("content_type")
        }
        for group in Group.objects.all()
    }
    assert set(granted) == set(ROLES)
    for role, permissions in granted.items():
        looks = {name for name in permissions if ".view_" in name}
        assert {name.replace("view_", "") for name in looks} == SEEN_BY[role]
        acts = permissions - looks
        expected = {name for name, owner in ROLE_OF.items() if owner == role and ".view_" not in name}
        assert acts == expected


@pytest.mark.parametrize("role", [*ROLES, NOBODY])
def test_a_role_opens_and_posts_to_its_pages_and_no_others(
    role: str, arguments: dict[str, list[Any]]
) -> None:
    client = member(role)
    for name, (needs, to_post) in ACCESS.items():
        path = reverse(name, args=arguments.get(name, []))
        for method in METHODS:
            if method == "HEAD" and not needs and role != next(iter(ROLES)):
                # takes as long as GET, and is the same for all
                continue
            wanted = [needs] if method in {"GET", "HEAD"} else [needs, to_post]
            refused = role == NOBODY or any(ROLE_OF[item] != role for item in wanted if item)
            status = call(client, method, path)
            assert (status == 403) == refused, (role, method, name, status)
            assert status < 500, (role, method, name)
            if method in {"PUT", "PATCH", "DELETE"} and not refused:
                assert status == 405, (role, method, name, status)


@pytest.mark.parametrize("role", [*ROLES, NOBODY])
def test_a_session_calls_the_api_as_its_role_may(role: str, arguments: dict[str, list[Any]]) -> None:
    client = member(role)
    for name, scopes in API.items():
        path = reverse(name, args=arguments.get(name, []))
        for method in METHODS:
            scope = scopes.get(method)
            status = call(client, method, path)
            if scope is None:
                assert status == 405, (role, method, name, status)
            else:
                refused = role == NOBODY or SCOPE_OF_ROLE.get(scope, role) != role
                assert (status == 403) == refused, (role, method, name, status)
                assert status not in {401, 405}
            assert status < 500, (role, method, name)


@pytest.mark.parametrize("scope", ["read", "predict", "feedback", "train", "activate"])
def test_a_key_calls_what_its_scope_names(scope: str, arguments: dict[str, list[Any]]) -> None:
    client = bearer(scope)
    for name, scopes in API.items():
        path = reverse(name, args=arguments.get(name, []))
        for method, needed in scopes.items():
            assert (call(client, method, path) == 403) == (needed != scope), (method, name)
    for name, (path, several) in SERVING.items():
        for method in METHODS:
            status = call(client, method, path)
            if method in several:
                assert (status == 403) == (scope not in several[method]), (method, name, status)
            else:
                assert status == 405, (method, name, status)


@pytest.mark.django_db
def test_who_has_no_role_is_told_whom_to_ask() -> None:
    response = member(NOBODY).get(reverse("predictions:home"))
    assert response.status_code == 403
    assert "Your login has no role yet" in response.content.decode()


def test_a_key_opens_no_page(arguments: dict[str, list[Any]]) -> None:
    client = bearer("read", "predict", "feedback", "train", "activate")
    for name in ACCESS:
        response = client.get(reverse(name, args=arguments.get(name, [])))
        assert response.status_code == 302, name
        assert response["Location"].startswith(reverse("login"))


@pytest.mark.promise(9)
def test_without_a_key_nothing_is_served_and_a_session_does_not_replace_one(
    arguments: dict[str, list[Any]], client: Client
) -> None:
    session = Client()
    session.force_login(User.objects.create_superuser("root"))
    for path, methods in SERVING.values():
        for method in methods:
            assert call(client, method, path) == 401
            assert call(session, method, path) == 401
    for name, scopes in API.items():
        for method in scopes:
            assert call(client, method, reverse(name, args=arguments.get(name, []))) == 401


@pytest.mark.parametrize("role", [*ROLES, NOBODY])
def test_the_administration_shows_a_role_its_rows_and_lets_it_change_none(
    role: str, arguments: dict[str, list[Any]]
) -> None:
    client = member(role)
    ActivationFactory.create(classifier=ClassifierFactory.create())
    seen, pages = SEEN_BY[role], set()
    for model in admin.site._registry:
        label, base = model._meta.label_lower, f"admin:{model._meta.app_label}_{model._meta.model_name}"
        row = model._default_manager.first()
        key = row.pk if row is not None else 0
        pages |= {f"{base}_{page}" for page in ("changelist", "add", "history", "delete", "change")}
        pages |= {name for name in listed_routes() if name.startswith(base)}
        opened = {page: reverse(f"{base}_{page}", args=[key]) for page in ("history", "change", "delete")}
        assert call(client, "GET", reverse(f"{base}_changelist")) == (200 if label in seen else 403), label
        changes = label in CHANGED_BY.get(role, set())
        assert call(client, "POST", reverse(f"{base}_add")) == 403, label
        if row is None:
            continue
        assert call(client, "GET", opened["change"]) == (200 if label in seen else 403), label
        assert (call(client, "POST", opened["change"]) == 403) == (not changes), label
        assert call(client, "POST", opened["delete"]) == 403, label
    rest = {name for name in listed_routes() if name.startswith("admin:")} - pages
    assert {name.removeprefix("admin:") for name in rest} <= ADMIN_COMMON


class Links(HTMLParser):
    """What a page offers: (method, address) of its links and forms."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.page = page
        self.found: set[tuple[str, str]] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "a" and (values.get("href") or "").startswith("/"):
            self.found.add(("GET", values["href"] or ""))
        if tag == "form" and values.get("method") != "dialog":
            self.found.add(((values.get("method") or "get").upper(), values.get("action") or self.page))


@pytest.mark.parametrize("role", ROLES)
def test_what_a_page_offers_is_what_the_role_may_do(role: str, arguments: dict[str, list[Any]]) -> None:
    client = member(role)
    for name, (needs, _) in ACCESS.items():
        if needs and ROLE_OF[needs] != role:
            continue
        path = reverse(name, args=arguments.get(name, []))
        response = client.get(path)
        if response.status_code != 200 or "text/html" not in response["Content-Type"]:
            response.getvalue()
            continue
        links = Links(path)
        links.feed(response.content.decode())
        for method, address in links.found:
            target = resolve(urlsplit(urljoin(path, address)).path).view_name
            opens, posts = ACCESS.get(target, ("", ""))
            wanted = {opens} if method == "GET" else {opens, posts}
            assert all(ROLE_OF[item] == role for item in wanted if item), (role, name, method, address)
