"""Bad logins of the last minutes, for administrators: to look at, and to forget."""

from axes.models import AccessAttempt
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from training.admin import ReadOnlyAdmin


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
