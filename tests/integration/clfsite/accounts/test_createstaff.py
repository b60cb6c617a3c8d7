"""`manage.py createstaff`: a login that works, with exactly the roles asked for."""

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

pytestmark = pytest.mark.django_db


def create(name: str, *roles: str, capsys: pytest.CaptureFixture[str]) -> str:
    call_command("createstaff", name, *(argument for role in roles for argument in ("--role", role)))
    return capsys.readouterr().out.strip()


def test_the_printed_password_opens_what_the_roles_allow(capsys: pytest.CaptureFixture[str]) -> None:
    password = create("ada", "analyst", "approver", capsys=capsys)
    client = Client()
    data = {"username": "ada", "password": password}
    assert client.post(reverse("login"), data)["Location"] == reverse("predictions:home")
    assert client.get(reverse("predictions:home")).status_code == 200
    assert client.get(reverse("training:run-create")).status_code == 403
    person = User.objects.get()
    assert (person.is_staff, person.is_superuser) == (True, False)
    assert set(person.groups.values_list("name", flat=True)) == {"analyst", "approver"}


@pytest.mark.parametrize(
    ("name", "words"), [("ada", "already exists"), ("a b", "valid username"), ("", "blank")]
)
def test_a_name_that_will_not_do_is_refused(
    name: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    create("ada", "viewer", capsys=capsys)
    with pytest.raises(CommandError, match=words):
        create(name, "viewer", capsys=capsys)
    assert User.objects.count() == 1


def test_an_unknown_role_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError, match="king"):
        create("ada", "king", capsys=capsys)


def test_a_role_whose_group_is_gone_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    Group.objects.filter(name="viewer").delete()
    with pytest.raises(CommandError, match="no group viewer"):
        create("ada", "viewer", capsys=capsys)
