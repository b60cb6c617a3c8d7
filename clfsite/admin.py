"""Administration of people, permissions, and recent failed logins."""

from typing import Any

from axes.models import AccessAttempt
from django.apps import apps
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.forms import UserChangeForm, UserCreationForm
from django.contrib.auth.models import Group, Permission, User
from django.db.models import Count, ManyToManyField, QuerySet
from django.forms import BooleanField, CheckboxSelectMultiple, ModelMultipleChoiceField
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join

from clfsite.core.web.read_only_admin import ReadOnlyAdmin
from predictions.keys import service as keys
from predictions.models import ApiKey

admin.site.unregister([Group, User])
# names that describe the content, unlike the names of Django and axes
apps.get_app_config("auth").verbose_name = "People and roles"
apps.get_app_config("axes").verbose_name = "Bad logins"

REVOKE = "revoke_keys"
# permissions that the site checks, except viewing; Django creates four for each model, most of them unused
ASKED = (
    *(f"{verb}_{model}" for verb in ("add", "change", "delete") for model in ("user", "group")),
    "delete_accessattempt",
    *("add_prediction", "add_batch", "add_feedback", "add_apikey", "change_apikey"),
    *("add_dataset", "query_source", "add_run", "activate_version", "change_classifier"),
    *("change_alert", "change_receiver", "add_erasure"),
)


class PermissionChoice(ModelMultipleChoiceField):  # type: ignore[type-arg]
    """Checkboxes of permissions, with the site's names."""

    def label_from_instance(self, permission: Any) -> str:
        part = apps.get_app_config(permission.content_type.app_label).verbose_name
        return f"{part}: {permission.name.removeprefix('Can ')}"


def permissions() -> ModelMultipleChoiceField:  # type: ignore[type-arg]
    """A field with the permissions that the site checks."""
    seen = [f"view_{model._meta.model_name}" for model in admin.site._registry]
    queryset = Permission.objects.filter(codename__in=[*ASKED, *seen]).select_related("content_type")
    return PermissionChoice(queryset, required=False, widget=CheckboxSelectMultiple)


class PersonForm(UserChangeForm):  # type: ignore[type-arg]
    """A person, and whether to revoke the keys that the person created."""

    revoke_keys = BooleanField(
        required=False,
        label="Revoke these keys",
        help_text="For a person who leaves. Programs that use one of the keys stop working within 5 seconds.",
    )


def _keys_of(person: User) -> list[ApiKey]:
    """The keys that a person created and that work."""
    rows = ApiKey.objects.filter(created_by=person.get_username(), revoked_at=None)
    return [row for row in rows if row.is_usable]


def _may_revoke(request: HttpRequest, person: User) -> bool:
    return request.user.has_perm("predictions.change_apikey") and bool(_keys_of(person))


@admin.register(User)
class PersonAdmin(UserAdmin):  # type: ignore[type-arg]
    """Roles and permissions are checkboxes, because a click in Django's lists discards the selection."""

    note = (
        "Groups are the roles and give permissions. A login without a group sees nothing. Only staff can log "
        "in. Deactivate the login of a person who leaves, and revoke the keys that this person created: deleting the "
        "login loses the record of what the person started."
    )
    filter_horizontal = ()
    readonly_fields = ["last_login", "date_joined"]
    list_display = ["username", "roles", "is_active", "is_staff", "is_superuser", "last_login"]
    list_filter = ["groups", "is_active", "is_staff", "is_superuser"]
    search_help_text = "Part of a login, a name or an email address."
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Personal information", {"fields": ("first_name", "last_name", "email")}),
        ("Permissions", {"fields": ("is_active", "is_staff", "is_superuser", "groups")}),
        ("Additional permissions", {"fields": ("user_permissions",), "classes": ("collapse",)}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    form = PersonForm
    add_form = UserCreationForm
    add_form_template = "admin/change_form.html"
    add_fieldsets = ((None, {"fields": ("username", "password1", "password2", "is_staff", "groups")}),)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"is_staff": True, **super().get_changeform_initial_data(request)}

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or not request.user.has_perm("predictions.view_apikey"):
            return fieldsets
        fields = ("api_keys", REVOKE) if _may_revoke(request, obj) else ("api_keys",)
        return (*fieldsets, ("API keys", {"fields": fields}))

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        return [*super().get_readonly_fields(request, obj), "api_keys"]

    @admin.display(description="Keys that this person created and that work")
    def api_keys(self, person: User) -> str:
        rows = format_html_join(
            "", "<li>{}: {}</li>", ((row, ", ".join(row.scopes)) for row in _keys_of(person))
        )
        return format_html("<ul>{}</ul>", rows) if rows else "-"

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change or not (left := _keys_of(obj)):
            return
        if form.cleaned_data.get(REVOKE) and _may_revoke(request, obj):
            revoked = keys.revoke(left, actor=request.user.get_username())
            self.message_user(request, f"{len(revoked)} API keys of {obj} were revoked.", messages.SUCCESS)
        elif not obj.is_active and "is_active" in form.changed_data:
            self.message_user(
                request,
                f"{obj} can no longer log in, but {len(left)} API keys that {obj} created still work.",
                messages.WARNING,
            )

    @admin.display
    def roles(self, person: User) -> str:
        return ", ".join(sorted(group.name for group in person.groups.all())) or "-"

    def formfield_for_manytomany(
        self, db_field: "ManyToManyField[Any, Any]", request: HttpRequest, **options: Any
    ) -> "ModelMultipleChoiceField[Any] | None":
        if db_field.name == "groups":
            options["widget"] = CheckboxSelectMultiple
            return super().formfield_for_manytomany(db_field, request, **options)
        return permissions()


@admin.register(Group)
class RoleAdmin(GroupAdmin):
    """Permissions are checkboxes, because a click in Django's lists discards the selection."""

    note = "Groups are the roles. Each group gives its members the selected permissions."
    filter_horizontal = ()
    list_display = ["name", "people"]
    search_help_text = "Part of the name."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        return super().get_queryset(request).annotate(member_count=Count("user"))

    @admin.display(ordering="member_count")
    def people(self, group: Any) -> int:
        return int(group.member_count)

    def formfield_for_manytomany(
        self, db_field: "ManyToManyField[Any, Any]", request: HttpRequest | None = None, **options: Any
    ) -> "ModelMultipleChoiceField[Any] | None":
        return permissions()


@admin.register(AccessAttempt)
class BadLoginAdmin(ReadOnlyAdmin):
    """Failed logins. Rows expire with the lock; an action unlocks a login."""

    note = (
        "Failed logins. Five failures of one name from one address lock that name for this address, fifty "
        "failures from one address lock the address, for 15 minutes. The action deletes the failures, which "
        "unlocks at once."
    )
    list_display = ["username", "ip_address", "failures_since_start", "attempt_time", "user_agent"]
    search_fields = ["=username", "ip_address"]
    search_help_text = "A complete login, or part of an address."
    first = ["id", "username", "ip_address", "failures_since_start", "attempt_time"]
    hidden = ["get_data", "post_data", "http_accept"]
    labels = {"ip_address": "address", "failures_since_start": "bad logins", "attempt_time": "last"}
    actions = ["unlock"]

    def has_unlock_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("axes.delete_accessattempt")

    @admin.action(description="Delete and unlock", permissions=["unlock"])
    def unlock(self, request: HttpRequest, chosen: QuerySet[AccessAttempt]) -> None:
        """Delete the failed logins, which unlocks their names and addresses."""
        names = ", ".join(f"{attempt.username} from {attempt.ip_address}" for attempt in chosen)
        chosen.delete()
        self.message_user(request, f"Unlocked: {names}.", messages.SUCCESS)
