"""People and what they may, and bad logins of the last minutes, for administrators."""

from typing import Any

from axes.models import AccessAttempt
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import ManyToManyField, QuerySet
from django.forms import CheckboxSelectMultiple, ModelMultipleChoiceField
from django.http import HttpRequest

from training.admin import ReadOnlyAdmin

admin.site.unregister([Group, User])


@admin.register(User)
class PersonAdmin(UserAdmin):  # type: ignore[type-arg]
    """Roles are ticked. Dates are not edited; and the pair of lists that Django has for groups tells a reader nothing."""

    filter_horizontal = ()
    readonly_fields = ["last_login", "date_joined"]
    list_display = ["username", "email", "first_name", "last_name", "is_staff", "is_superuser", "last_login"]

    def formfield_for_manytomany(
        self, db_field: "ManyToManyField[Any, Any]", request: HttpRequest, **options: Any
    ) -> "ModelMultipleChoiceField[Any] | None":
        if db_field.name == "groups":
            options["widget"] = CheckboxSelectMultiple
        return super().formfield_for_manytomany(db_field, request, **options)


@admin.register(Group)
class RoleAdmin(GroupAdmin):
    """Permissions as one list, for the same reason."""

    filter_horizontal = ()


@admin.register(AccessAttempt)
class BadLoginAdmin(ReadOnlyAdmin):
    """Rows end by themselves with the lock; unlocking somebody is an action."""

    list_display = ["username", "ip_address", "failures_since_start", "attempt_time", "user_agent"]
    search_fields = ["=username", "ip_address"]
    hidden = ["get_data", "post_data", "http_accept"]
    actions = ["unlock"]

    def has_unlock_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("axes.delete_accessattempt")

    @admin.action(description="Forget them, which unlocks", permissions=["unlock"])
    def unlock(self, request: HttpRequest, chosen: QuerySet[AccessAttempt]) -> None:
        """Let those log in again whose bad logins these were."""
        names = ", ".join(f"{attempt.username} from {attempt.ip_address}" for attempt in chosen)
        chosen.delete()
        self.message_user(request, f"Unlocked: {names}.", messages.SUCCESS)
