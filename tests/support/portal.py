"""People in front of the portal."""

from django.contrib.auth.models import Permission
from django.test import Client

from clfsite.core.api.permissions import LOOK
from tests.support.factories import UserFactory


def staff_client(*permissions: str, username: str = "ada") -> Client:
    """The browser of a member of staff who may look, and has exactly these permissions beyond."""
    person = UserFactory.create(username=username, password=None)
    for permission in {LOOK, *permissions}:
        app, codename = permission.split(".")
        person.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    client = Client()
    client.force_login(person)
    return client
