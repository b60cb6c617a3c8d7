"""Logging in: the lock after bad logins, what a login must not tell or believe, and the end of sessions."""

from typing import Any

import pytest
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client, RequestFactory
from django.urls import reverse

from clfsite.accounts import logins
from tests.support.factories import PASSWORD, UserFactory
from tests.support.threads import at_once

pytestmark = pytest.mark.dialect

LOGIN = reverse("login")
HOME = reverse("predictions:home")
LIMIT = settings.AXES_FAILURE_LIMIT
WRONG = "not-the-password"
OFFICE = "198.51.100.7"


@pytest.fixture
def ada(db: None) -> User:
    return UserFactory.create(username="ada", is_superuser=True)


def log_in(username: str = "ada", password: str = WRONG, *, address: str = OFFICE, path: str = LOGIN) -> Any:
    """The answer to a login from an address, by a browser of its own."""
    data = {"username": username, "password": password}
    return Client(REMOTE_ADDR=address).post(path, data)


def is_locked(response: Any) -> bool:
    return bool(response.status_code == 429)


def test_after_five_bad_logins_even_the_right_password_waits(ada: User) -> None:
    answers = [log_in() for _ in range(LIMIT)]
    assert [is_locked(answer) for answer in answers] == [False] * (LIMIT - 1) + [True]
    response = log_in(password=PASSWORD)
    assert is_locked(response)
    assert 0 < int(response["Retry-After"]) <= settings.AXES_COOLOFF_TIME.total_seconds()
    assert "Try again in 15 minutes." in response.content.decode()
    assert not Session.objects.exists()


def test_the_administration_has_no_way_around_the_lock(ada: User) -> None:
    for _ in range(LIMIT):
        log_in(path=reverse("admin:login"))
    assert is_locked(log_in(password=PASSWORD))
    assert is_locked(log_in(password=PASSWORD, path=reverse("admin:login")))


def test_a_lock_holds_for_one_name_from_one_address(ada: User) -> None:
    UserFactory.create(username="grace")
    for _ in range(LIMIT):
        log_in()
    assert log_in(password=PASSWORD, address="203.0.113.9").status_code == 302
    assert log_in("grace", PASSWORD).status_code == 302


def test_an_address_that_tries_many_names_is_locked_later(ada: User) -> None:
    answers = [log_in(f"name{number}") for number in range(logins.ADDRESS_LIMIT)]
    assert [is_locked(answer) for answer in answers].index(True) == logins.ADDRESS_LIMIT - 1
    assert is_locked(log_in(password=PASSWORD))


def test_a_good_login_forgets_the_bad_ones_of_its_name_alone(ada: User) -> None:
    for _ in range(LIMIT - 1):
        log_in()
        log_in("grace")
    assert log_in(password=PASSWORD).status_code == 302
    assert list(AccessAttempt.objects.values_list("username", "failures_since_start")) == [
        ("grace", LIMIT - 1)
    ]


def test_a_lock_ends_and_trying_does_not_prolong_it(ada: User) -> None:
    for _ in range(LIMIT):
        log_in()
    last = AccessAttempt.objects.get().attempt_time
    assert is_locked(log_in())
    assert AccessAttempt.objects.get().attempt_time == last
    AccessAttempt.objects.update(attempt_time=last - settings.AXES_COOLOFF_TIME)
    assert log_in(password=PASSWORD).status_code == 302


@pytest.mark.case("U19")
def test_known_unknown_and_inactive_users_look_the_same(ada: User) -> None:
    UserFactory.create(username="left", is_active=False)
    pages: dict[str, list[tuple[int, str]]] = {}
    for name in ("ada", "nobody", "left"):
        answers = [log_in(name, PASSWORD if name == "left" else WRONG) for _ in range(LIMIT + 1)]
        pages[name] = [
            (answer.status_code, _without_token(answer).replace(name, "NAME")) for answer in answers
        ]
    assert pages["ada"] == pages["nobody"] == pages["left"]


def _without_token(response: Any) -> str:
    return str(response.content.decode()).replace(str(response.context["csrf_token"]), "TOKEN")


@pytest.mark.django_db(transaction=True)
@pytest.mark.case("U18")
def test_ten_bad_logins_in_parallel_are_all_counted() -> None:
    UserFactory.create(username="ada", is_superuser=True)
    answers = at_once([log_in] * 10)
    assert {answer.status_code for answer in answers} <= {200, 429}
    assert sum(AccessAttempt.objects.values_list("failures_since_start", flat=True)) >= LIMIT
    assert is_locked(log_in(password=PASSWORD))


@pytest.fixture
def proxies(request: pytest.FixtureRequest, settings: Any) -> int:
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": request.param}
    return int(request.param)


@pytest.mark.parametrize(
    ("proxies", "forwarded", "remote", "address"),
    [
        (0, "203.0.113.1", "198.51.100.7", "198.51.100.7"),
        (1, "203.0.113.1", "10.0.0.1", "203.0.113.1"),
        (1, "1.1.1.1, 203.0.113.1", "10.0.0.1", "203.0.113.1"),
        (2, "1.1.1.1, 203.0.113.1, 10.0.0.2", "10.0.0.1", "203.0.113.1"),
        (1, "<script>", "10.0.0.1", "10.0.0.1"),
        (1, "", "10.0.0.1", "10.0.0.1"),
        (0, "", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        (0, "", "::ffff:198.51.100.7", "198.51.100.7"),
        (0, "", "", "::"),
    ],
    indirect=["proxies"],
)
@pytest.mark.case("U24")
def test_an_address_is_what_the_nearest_trusted_proxy_saw(
    proxies: int, forwarded: str, remote: str, address: str
) -> None:
    headers = {"x-forwarded-for": forwarded} if forwarded else {}
    request = RequestFactory(REMOTE_ADDR=remote).get("/", headers=headers)
    assert logins.address_of(request) == address


@pytest.mark.case("U24")
def test_forged_addresses_do_not_evade_the_lock(ada: User) -> None:
    for number in range(LIMIT):
        Client(REMOTE_ADDR=OFFICE, headers={"x-forwarded-for": f"203.0.113.{number}"}).post(
            LOGIN, {"username": "ada", "password": WRONG}
        )
    assert is_locked(log_in(password=PASSWORD))


@pytest.mark.parametrize(
    "next_url", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"]
)
@pytest.mark.case("U25")
def test_a_login_leads_to_no_other_site(next_url: str, ada: User) -> None:
    data = {"username": "ada", "password": PASSWORD, "next": next_url}
    assert Client().post(f"{LOGIN}?next={next_url}", data)["Location"] == HOME
    client = Client()
    client.force_login(ada)
    assert client.get(LOGIN, {"next": next_url})["Location"] == HOME


@pytest.mark.case("U22")
def test_a_session_that_was_there_before_the_login_is_not_kept(ada: User) -> None:
    client = Client()
    client.cookies["sessionid"] = "a" * 32
    before = client.session
    before["planted"] = "by somebody else"
    before.save()
    planted = str(before.session_key)
    client.cookies["sessionid"] = planted
    client.post(LOGIN, {"username": "ada", "password": PASSWORD})
    assert client.cookies["sessionid"].value != planted
    assert client.get(HOME).status_code == 200
    other = Client()
    other.cookies["sessionid"] = planted
    assert other.get(HOME).status_code == 302


def test_bad_logins_leave_no_password_and_the_name_only_where_it_is_counted(
    ada: User, caplog: pytest.LogCaptureFixture
) -> None:
    Client(enforce_csrf_checks=False).post(
        LOGIN, {"username": "hunter2-typed-as-name", "password": "hunter2", "csrfmiddlewaretoken": "t0ken"}
    )
    attempt = AccessAttempt.objects.get()
    assert "hunter2" not in attempt.post_data + caplog.text
    assert "t0ken" not in attempt.post_data
    # as SECURITY.md says
    assert attempt.username == "hunter2-typed-as-name"


@pytest.mark.parametrize("name", ["n" * 10_000, "имя", "a\0b", " "])
def test_no_name_is_too_strange_to_be_refused(name: str, ada: User) -> None:
    assert {log_in(name).status_code for _ in range(LIMIT - 1)} == {200}
    assert log_in(name).status_code in {200, 429}


def test_an_administrator_unlocks(ada: User) -> None:
    for _ in range(LIMIT):
        log_in()
    client = Client()
    client.force_login(ada)
    attempt = AccessAttempt.objects.get()
    data = {"action": "unlock", "_selected_action": [str(attempt.pk)]}
    shown = client.post(reverse("admin:axes_accessattempt_changelist"), data, follow=True)
    assert "Unlocked: ada from 198.51.100.7." in shown.content.decode()
    assert log_in(password=PASSWORD).status_code == 302
