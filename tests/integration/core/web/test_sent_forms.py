"""Forms of the portal: carried out once for each page, and kept when a login has run out."""

import re
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.utils import timezone

from clfsite.core.errors import Conflict
from clfsite.core.web import sent_forms
from clfsite.core.web.models import SentForm
from predictions.batches.models import Batch
from predictions.models import ApiKey, Feedback, Prediction
from tests.support.factories import PASSWORD, DatasetFactory, PredictionFactory, UserFactory, trained_version
from training.models import Activation, Run

TOKEN = re.compile(r'name="form_token" value="([0-9a-f-]{36})"')
CSRF = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
RUN_PAGE = "/portal/runs/new"


def member(password: str = PASSWORD) -> User:
    person = UserFactory.create(username="ada", password=password)
    person.user_permissions.set(Permission.objects.all())
    return person


def browser(person: User, **options: Any) -> Client:
    client = Client(**options)
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client


def run_fields(**more: Any) -> dict[str, Any]:
    return {
        "dataset": DatasetFactory.create().pk,
        "estimator": "logistic_regression",
        "search": "grid",
        "scoring": "accuracy",
        "folds": 4,
        "seed": 77,
        "space": '{"C": [0.5]}',
        **more,
    }


def key_fields() -> dict[str, Any]:
    return {"name": "shop", "scopes": ["predict"], "expires": "7"}


# by form: its page, what it is filled with, and what it makes
FORMS: dict[str, tuple[str, Callable[[], dict[str, Any]], Callable[[], int]]] = {
    "run": (RUN_PAGE, run_fields, Run.objects.exclude(state=Run.State.RUNNING).count),
    "prediction": (
        "/portal/predict",
        lambda: {
            "feature-spend": "99.5",
            "feature-tenure": "5",
            "feature-member": "true",
            "feature-plan": "pro",
        },
        Prediction.objects.count,
    ),
    "batch": (
        "/portal/batches",
        lambda: {
            "model": "churn",
            "file": SimpleUploadedFile("t.csv", b"spend,tenure,member,plan\n1,2,true,pro\n"),
        },
        Batch.objects.count,
    ),
    "key": ("/portal/keys", key_fields, ApiKey.objects.count),
}


@pytest.mark.django_db
@pytest.mark.parametrize("name", FORMS)
def test_a_form_that_is_sent_twice_is_carried_out_once(name: str) -> None:
    trained_version(classifier="churn", activate=True, default=True)
    path, fields, count = FORMS[name]
    client = browser(member())
    (token, *_) = TOKEN.findall(client.get(path).content.decode())
    before = count()
    first = client.post(path, {**fields(), "form_token": token})
    second = client.post(path, {**fields(), "form_token": token})
    assert count() == before + 1
    if name == "key":
        assert "This form was already sent" in second.content.decode()
    else:
        assert first.status_code == second.status_code == 302
        assert first["Location"] == second["Location"]
    (other, *_) = TOKEN.findall(client.get(path).content.decode())
    assert other != token
    client.post(path, {**fields(), "form_token": other})
    assert count() == before + 2


@pytest.mark.django_db
def test_a_form_that_was_refused_can_be_sent_again() -> None:
    trained_version(classifier="churn", activate=True, default=True)
    client = browser(member())
    token = TOKEN.findall(client.get(RUN_PAGE).content.decode())[0]
    fields = run_fields(form_token=token)
    assert client.post(RUN_PAGE, {**fields, "classifier": "no name!"}).status_code == 200
    assert client.post(RUN_PAGE, fields).status_code == 302
    assert Run.objects.filter(recipe_data__seed=77).count() == 1


@pytest.mark.django_db
def test_a_token_is_of_one_person_and_is_forgotten_after_a_day(client: Client) -> None:
    person = member()
    other = UserFactory.create()
    token = "0199a3c4-7a3c-7bb0-b1a0-5f6f6a3c1a2b"
    SentForm.objects.create(user=other, token=token, address="/portal/runs/1")
    (made,) = [browser(person).post("/portal/keys", {**key_fields(), "form_token": token})]
    assert made.status_code == 200
    assert ApiKey.objects.count() == 1
    SentForm.objects.update(created_at=timezone.now() - timedelta(hours=25))
    sent_forms.forget_old()
    assert not SentForm.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_second_of_two_clicks_waits_for_what_the_first_one_makes() -> None:
    person, made = member(), list[str]()
    token = "0199a3c4-7a3c-7bb0-b1a0-5f6f6a3c1a2b"
    began, go_on = threading.Event(), threading.Event()

    class Request:
        user = person
        POST = {"form_token": token}

    def create() -> str:
        made.append("made")
        began.set()
        assert go_on.wait(10)
        return "/portal/runs/7"

    result = list[str | None]()

    def send() -> None:
        result.append(sent_forms.send_once(Request(), create))  # type: ignore[arg-type]
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(2)]
    threads[0].start()
    assert began.wait(10)
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert (made, result) == (["made"], ["/portal/runs/7"] * 2)


@pytest.mark.django_db
def test_a_form_that_never_ends_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sent_forms, "WAIT_SECONDS", 0.0)
    person = member()
    token = "0199a3c4-7a3c-7bb0-b1a0-5f6f6a3c1a2b"
    SentForm.objects.create(user=person, token=token)

    class Request:
        user = person
        POST = {"form_token": token}

    with pytest.raises(Conflict, match="still being processed"):
        sent_forms.send_once(Request(), lambda: "/")  # type: ignore[arg-type]


@pytest.mark.django_db
def test_the_form_of_a_run_keeps_its_values_through_a_login_that_ran_out() -> None:
    client = browser(member())
    fields = run_fields(classifier="mine")
    client.logout()
    sent = client.post(RUN_PAGE, fields)
    assert sent.status_code == 302
    login = client.post(sent["Location"], {"username": "ada", "password": PASSWORD})
    assert (login.status_code, login["Location"]) == (302, RUN_PAGE)
    page = client.get(RUN_PAGE)
    assert not Run.objects.exists(), "opening a page starts nothing"
    form = page.context["form"]
    for name, value in fields.items():
        assert str(form[name].value()) == str(value), name
    assert "Check the form" in page.content.decode()
    assert client.get(RUN_PAGE).context["form"]["seed"].value() != "77", "it is shown once"
    data = {name: form[name].value() for name in fields}
    assert client.post(RUN_PAGE, data).status_code == 302
    assert Run.objects.get().recipe_data["seed"] == 77


def sent_without_a_login(path: str, page: str, fields: dict[str, Any]) -> Client:
    """A browser that sent a form after its login had run out, and has logged in again."""
    client = browser(member())
    client.logout()
    sent = client.post(path, fields, headers={"referer": f"http://testserver{page}"})
    login = client.post(sent["Location"], {"username": "ada", "password": PASSWORD})
    assert login["Location"] == page
    return client


@pytest.mark.django_db
def test_the_reason_of_an_activation_outlives_a_login_and_activates_nothing_by_itself() -> None:
    version = trained_version(classifier="churn")
    page = f"/portal/versions/{version.pk}"
    shown = sent_without_a_login(page, page, {"reason": "better recall"}).get(page)
    assert shown.context["form"]["reason"].value() == "better recall"
    assert "Check the form" in shown.content.decode()
    assert not Activation.objects.exists()


@pytest.mark.django_db
def test_a_truth_outlives_a_login_though_its_form_is_sent_to_another_address() -> None:
    prediction = PredictionFactory.create()
    label = prediction.version.contract.classes[1]
    page = f"/portal/predictions/{prediction.pk}"
    shown = sent_without_a_login(f"{page}/feedback", page, {"label": label}).get(page)
    assert shown.context["form"]["label"].value() == label
    assert not Feedback.objects.exists()


@pytest.mark.django_db
def test_what_stood_beside_a_file_outlives_a_login() -> None:
    page = "/portal/feedback"
    file = SimpleUploadedFile("t.csv", b"id,label\n1,2\n")
    shown = sent_without_a_login(page, page, {"replace": "on", "file": file}).get(page)
    form = shown.context["form"]
    assert form["replace"].value() == "on"
    assert not form.errors
    assert "then choose the file again" in shown.content.decode()


@pytest.mark.django_db
def test_no_cookie_keeps_a_password() -> None:
    client = browser(member())
    client.logout()
    client.post("/portal/profile", dict.fromkeys(("old_password", "new_password1", "new_password2"), "s3"))
    assert sent_forms.COOKIE not in client.cookies


@pytest.mark.django_db
def test_a_form_that_has_expired_leads_to_its_page_and_not_to_where_it_was_sent() -> None:
    prediction = PredictionFactory.create()
    page = f"/portal/predictions/{prediction.pk}"
    client = browser(member(), enforce_csrf_checks=True)
    refused = client.post(
        f"{page}/feedback", {"label": "yes"}, headers={"referer": f"http://testserver{page}"}
    )
    assert refused.status_code == 403
    assert f'href="{page}"' in refused.content.decode()


@pytest.mark.django_db
def test_a_login_in_another_window_costs_no_values() -> None:
    client = browser(member(), enforce_csrf_checks=True)
    old = CSRF.findall(client.get(RUN_PAGE).content.decode())[0]
    client.cookies["csrftoken"] = "x" * 32
    refused = client.post(
        RUN_PAGE, run_fields(csrfmiddlewaretoken=old), headers={"origin": "http://testserver"}
    )
    assert refused.status_code == 403
    assert f'href="{RUN_PAGE}"' in refused.content.decode()
    assert client.get(RUN_PAGE).context["form"]["seed"].value() == "77"


@pytest.mark.django_db
@pytest.mark.parametrize("origin", ["https://evil.example.org", "null"])
def test_the_form_of_another_site_is_not_kept(origin: str) -> None:
    client = browser(member(), enforce_csrf_checks=True)
    refused = client.post(RUN_PAGE, run_fields(), headers={"origin": origin})
    assert refused.status_code == 403
    assert sent_forms.COOKIE not in client.cookies


@pytest.mark.django_db
def test_a_kept_form_that_was_changed_or_is_of_another_page_fills_nothing() -> None:
    client = browser(member())
    client.logout()
    client.post("/portal/keys", key_fields())
    client.force_login(User.objects.get(), backend="django.contrib.auth.backends.ModelBackend")
    assert client.get(RUN_PAGE).context["form"]["seed"].value() == 0
    assert client.get("/portal/keys").context["form"]["name"].value() == "shop"
    client.cookies[sent_forms.COOKIE] = "forged"
    assert client.get("/portal/keys").context["form"]["name"].value() is None


@pytest.mark.django_db
def test_a_button_without_a_page_of_its_own_leads_back_to_the_page_that_held_it() -> None:
    client = Client()
    address = "http://testserver/portal/keys?page=2"
    sent = client.post("/portal/keys/7/revoke", headers={"referer": address})
    assert sent["Location"] == "/accounts/login/?next=/portal/keys%3Fpage%3D2"
    sent = client.post("/portal/keys/7/revoke", headers={"referer": "https://evil.example.org/x"})
    assert sent["Location"] == "/accounts/login/?next=/portal/keys/7/revoke"
