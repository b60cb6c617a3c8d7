"""People and roles in the administration."""

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from predictions.models import ApiKey
from tests.integration.clfsite.test_access import ROLE_OF
from tests.support.factories import ApiKeyFactory

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


def _deactivate(admin: Client, person: User, **more: str) -> str:
    path = reverse("admin:auth_user_change", args=[person.pk])
    joined = person.date_joined
    sent = {
        "username": person.username,
        "is_staff": "on",
        "date_joined_0": f"{joined:%Y-%m-%d}",
        "date_joined_1": f"{joined:%H:%M:%S}",
        **more,
    }
    answer = admin.post(path, sent, follow=True)
    person.refresh_from_db()
    assert not person.is_active, answer.context and answer.context.get("errors")
    return answer.content.decode()


def test_a_person_who_leaves_leaves_no_key_that_works(admin: Client) -> None:
    ada = User.objects.create_user("ada", is_staff=True)
    mine = ApiKeyFactory.create(name="shop", actor="ada")
    other = ApiKeyFactory.create(name="crm", actor="bob")
    page = admin.get(reverse("admin:auth_user_change", args=[ada.pk])).content.decode()
    assert "shop" in page
    assert "crm" not in page
    assert 'name="revoke_keys"' in page
    assert "1 API keys of ada were revoked" in _deactivate(admin, ada, revoke_keys="on")
    mine.refresh_from_db()
    other.refresh_from_db()
    assert (mine.revoked_by, other.revoked_at) == ("root", None)


def test_keys_that_go_on_working_are_told(admin: Client) -> None:
    ada = User.objects.create_user("ada", is_staff=True)
    ApiKeyFactory.create(name="shop", actor="ada")
    assert "1 API keys that ada created still work" in _deactivate(admin, ada)
    assert ApiKey.objects.filter(revoked_at=None).count() == 1


def test_keys_are_not_offered_to_who_may_not_revoke_them() -> None:
    ada = User.objects.create_user("ada", is_staff=True)
    key = ApiKeyFactory.create(name="shop", actor="ada")
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "change_user"]))
    client = Client()
    client.force_login(clerk)
    page = client.get(reverse("admin:auth_user_change", args=[ada.pk])).content.decode()
    assert "shop" not in page
    _deactivate(client, ada, revoke_keys="on")
    key.refresh_from_db()
    assert key.revoked_at is None


def test_sessions_outlive_a_new_secret_key_while_the_old_one_is_a_fallback(settings: Settings) -> None:
    client, old = Client(), settings.SECRET_KEY
    client.force_login(User.objects.create_superuser("root"))
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "n" * 50, [old]
    assert client.get(reverse("predictions:home")).status_code == 200
    settings.SECRET_KEY_FALLBACKS = []
    stranger = Client()
    stranger.cookies["sessionid"] = client.cookies["sessionid"].value
    settings.SECRET_KEY = "m" * 50
    assert stranger.get(reverse("predictions:home")).status_code == 302
