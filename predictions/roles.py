"""The roles of the portal: groups with permissions, which migrations grant."""

from collections.abc import Iterable, Mapping
from typing import Any

ROLES = {
    "viewer": "looks",
    "analyst": "predicts, scores files and adds true labels",
    "trainer": "uploads datasets and trains",
    "importer": "makes datasets from databases",
    "approver": "activates versions, rolls back, creates keys, deals with alerts and erases by reference",
}


def grant(apps: Any, alias: str, granted: Mapping[str, Iterable[str]]) -> None:
    """Grant permissions, `app.verb_model`, or those that a model of the app declares, to each role; called by migrations.

    The permissions and content types are created here if they are missing, because Django creates them only after the
    last migration of a new database. Django keeps existing ones.
    """
    content_types = apps.get_model("contenttypes", "ContentType").objects.using(alias)
    permissions = apps.get_model("auth", "Permission").objects.using(alias)
    groups = apps.get_model("auth", "Group").objects.using(alias)
    for role, names in granted.items():
        group, _ = groups.get_or_create(name=role)
        for name in names:
            app, codename = name.split(".")
            meta = _meta(apps, app, codename)
            verb = codename.partition("_")[0]
            title = dict(meta.permissions).get(codename, f"Can {verb} {meta.verbose_name_raw}")
            content_type, _ = content_types.get_or_create(app_label=app, model=meta.model_name)
            permission, _ = permissions.get_or_create(
                content_type=content_type, codename=codename, defaults={"name": title}
            )
            group.permissions.add(permission)


def _meta(apps: Any, app: str, codename: str) -> Any:
    """The model that declares a permission, or that its name ends with."""
    for model in apps.get_app_config(app).get_models():
        if codename in dict(model._meta.permissions):
            return model._meta
    return apps.get_model(app, codename.partition("_")[2])._meta
