"""People and roles in the administration."""

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import reverse

from tests.integration.clfsite.test_access import ROLE_OF

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def test_a_person_is_made_with_a_role_and_may_log_in_to_the_portal(admin: Client) -> None:
    page = admin.get(reverse("admin:auth_user_add"))
    assert page.context["adminform"].form["is_staff"].initial is True
    password = "correct-horse-battery-9"
    sent = {
        "username": "ada",
        "password1": password,
        "password2": password,
        "is_staff": "on",
        "groups": [Group.objects.get(name="viewer").pk],
    }
    assert admin.post(reverse("admin:auth_user_add"), sent).status_code == 302
    client = Client()
    client.post(reverse("login"), {"username": "ada", "password": password})
    assert client.get(reverse("predictions:home")).status_code == 200


def test_the_list_of_people_tells_their_roles(admin: Client) -> None:
    ada = User.objects.create_user("ada", is_staff=True)
    ada.groups.set(Group.objects.filter(name__in=["viewer", "approver"]))
    shown = admin.get(reverse("admin:auth_user_changelist")).content.decode()
    assert '<td class="field-roles">approver, viewer</td>' in shown


def test_a_role_is_offered_no_permission_that_nothing_asks_for(admin: Client) -> None:
    role = Group.objects.get(name="approver")
    page = admin.get(reverse("admin:auth_group_change", args=[role.pk]))
    field = page.context["adminform"].form.fields["permissions"]
    offered = set(field.queryset.values_list("codename", flat=True))
    asked = {name.split(".")[1] for name in ROLE_OF}
    assert offered >= asked | {"view_run", "delete_accessattempt", "change_user"}
    assert not {"add_hourlycount", "view_session", "add_logentry", "delete_run", "change_version"} & offered
    assert "Training: activate a version" in page.content.decode()


def test_saving_a_role_as_it_is_keeps_what_its_people_may(admin: Client) -> None:
    for role in Group.objects.all():
        before = set(role.permissions.values_list("pk", flat=True))
        path = reverse("admin:auth_group_change", args=[role.pk])
        form = admin.get(path).context["adminform"].form
        chosen = [permission.pk for permission in form.initial["permissions"]]
        assert admin.post(path, {"name": role.name, "permissions": chosen}).status_code == 302
        assert set(role.permissions.values_list("pk", flat=True)) == before
        assert before


def test_a_permission_beyond_the_roles_is_given_to_a_person(admin: Client) -> None:
    ada = User.objects.create_user("ada", is_staff=True)
    path = reverse("admin:auth_user_change", args=[ada.pk])
    activate = Permission.objects.get(codename="activate_version")
    sent = {"username": "ada", "is_active": "on", "is_staff": "on", "user_permissions": [activate.pk]}
    assert admin.post(path, sent).status_code == 302
    assert list(ada.user_permissions.all()) == [activate]
