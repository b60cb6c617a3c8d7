"""The id of the site, which its keys in Redis and its state folder carry.

Two sites that share a Redis do not take each other's jobs, and a site refuses the state folder of another one.
"""

from contextlib import suppress
from functools import cache

from django.conf import settings
from django.db import connection

from clfsite.core.jobs.models import Site

# in the state folder
FILE = "site"


@cache
def key() -> str:
    """The id of the site, from its database.

    Raises:
        django.db.Error: the database does not answer, or is not migrated.
    """
    was_open = connection.connection is not None
    try:
        return Site.objects.this().key
    finally:
        if not was_open:
            # the thread that sends a message uses the database for this only
            connection.close()


def foreign_folder() -> str:
    """If the state folder belongs to another site, a message that says what to do; otherwise an empty string.

    Raises:
        django.db.Error: the database does not answer.
    """
    if Site._meta.db_table not in connection.introspection.table_names():
        # a database from before an upgrade
        return ""
    path, own = settings.STATE_DIR / FILE, key()
    owner = path.read_text().strip() if path.exists() else ""
    if owner in {"", own}:
        return ""
    return (
        f"the state folder {settings.STATE_DIR} belongs to another site: {path} has {owner}, the id in the database is "
        f"{own}. Set CLFSITE_STATE_DIR and DATABASE_URL of the same site; if the folder is right, remove {path} first"
    )


def claim_folder() -> str:
    """Mark the state folder as this site's, unless it belongs to another one; then return the message.

    Raises:
        django.db.Error: the database does not answer, or is not migrated.
    """
    if problem := foreign_folder():
        return problem
    # a folder that cannot be written is reported where it is used
    with suppress(OSError):
        (settings.STATE_DIR / FILE).write_text(f"{key()}\n")
    return ""
