"""A person's own page."""

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from tests.support.factories import PASSWORD, UserFactory

PROFILE = reverse("profile")
HOME = reverse("predictions:home")
NEW = "another-good-password-4"


@pytest.fixture
def grace(db: None) -> User:
    person: User = UserFactory.create(username="grace", email="grace@example.org")
    person.groups.set(Group.objects.filter(name__in=["analyst", "viewer"]))
    return person


def browser(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def change(client: Client, *, old: str = PASSWORD, new: str = NEW, again: str = "") -> str:
    """Fill in the form and return the page that comes of it."""
    data = {"old_password": old, "new_password1": new, "new_password2": again or new}
    return client.post(PROFILE, data, follow=True).content.decode()


def test_it_says_who_one_is_and_what_one_may(grace: User) -> None:
    shown = browser(grace).get(PROFILE).content.decode()
    for text in (
        "grace@example.org",
        "analyst: predicts, scores files and adds true labels",
        "viewer: looks",
    ):
        assert text in shown
    assert "superuser" not in shown


def test_a_new_password_ends_every_other_session_of_the_person(grace: User) -> None:
    here, there, other = browser(grace), browser(grace), browser(UserFactory.create(is_superuser=True))
    assert "The password was changed." in change(here)
    assert here.get(HOME).status_code == 200
    assert there.get(HOME).status_code == 302
    assert other.get(HOME).status_code == 200
    login = {"username": "grace", "password": NEW}
    assert Client().post(reverse("login"), login).status_code == 302


def test_the_session_that_changes_the_password_gets_a_new_id(grace: User) -> None:
    client = browser(grace)
    before = client.cookies["sessionid"].value
    change(client)
    assert client.cookies["sessionid"].value != before


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"old": "wrong"}, "Your old password was entered incorrectly"),
        ({"new": "short"}, "too short"),
        ({"new": "password"}, "too common"),
        ({"new": "17283940592736"}, "entirely numeric"),
        ({"again": "something-else-5"}, "The two password fields"),
    ],
)
def test_a_password_that_will_not_do_is_refused_with_the_reason(
    values: dict[str, str], words: str, grace: User
) -> None:
    here, there = browser(grace), browser(grace)
    assert words in change(here, **values)
    assert there.get(HOME).status_code == 200


def test_passwords_are_not_sent_back(grace: User) -> None:
    assert "a-wrong-old-one" not in change(browser(grace), old="a-wrong-old-one")
