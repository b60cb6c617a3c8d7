"""`manage.py keys`: list API keys, and revoke them."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from predictions.keys import service as keys
from predictions.models import ApiKey

COLUMNS = ("id", "name", "begins", "state", "scopes", "made by", "expires", "last used")


class Command(BaseCommand):
    help = "List API keys, or revoke them. A revoked key stops working within 5 seconds and cannot be used again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        listing = actions.add_parser("list", help="list the keys that work")
        listing.add_argument("--all", action="store_true", help="list expired and revoked keys, too")
        listing.add_argument("--made-by", metavar="LOGIN", help="only keys that this person created")
        listing.add_argument("--json", action="store_true", help="print one JSON object per line")
        revoking = actions.add_parser("revoke", help="revoke keys")
        revoking.add_argument("ids", nargs="*", type=int, metavar="ID", help="ids, as `keys list` shows them")
        revoking.add_argument("--made-by", metavar="LOGIN", help="all keys that this person created")

    def handle(self, *, action: str, **options: Any) -> None:
        if action == "list":
            self._list(options["made_by"], is_all=options["all"], as_json=options["json"])
        else:
            self._revoke(options["ids"], options["made_by"])

    def _list(self, made_by: str | None, *, is_all: bool, as_json: bool) -> None:
        rows = ApiKey.objects.order_by("id")
        if made_by is not None:
            rows = rows.filter(created_by=made_by)
        described = [_described(row) for row in rows if is_all or row.is_usable]
        if as_json:
            for item in described:
                self.stdout.write(json.dumps(item))
            return
        table = [COLUMNS, *([str(value) for value in item.values()] for item in described)]
        widths = [max(len(row[place]) for row in table) for place in range(len(COLUMNS))]
        for row in table:
            self.stdout.write(
                "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
            )

    def _revoke(self, ids: list[int], made_by: str | None) -> None:
        if bool(ids) == (made_by is not None):
            raise CommandError("name either ids of keys or --made-by LOGIN; `manage.py keys list` shows both")
        rows = list(ApiKey.objects.filter(pk__in=ids) if ids else ApiKey.objects.filter(created_by=made_by))
        missing = sorted(set(ids) - {row.pk for row in rows})
        if missing:
            raise CommandError(f"there is no key {', '.join(map(str, missing))}; nothing was revoked")
        revoked = keys.revoke(rows, actor="")
        for row in revoked:
            self.stdout.write(f"revoked: {row.pk} {row}")
        self.stdout.write(f"{len(revoked)} keys revoked; they stop working within 5 seconds")


def _described(row: ApiKey) -> dict[str, Any]:
    """A key as it is listed, in the order of COLUMNS."""
    state = "revoked" if row.revoked_at else "expired" if row.is_expired else "works"
    return {
        "id": row.pk,
        "name": row.name,
        "begins": row.hint or "-",
        "state": state,
        "scopes": ",".join(row.scopes),
        "made_by": row.created_by or "-",
        "expires": f"{row.expires_at:%Y-%m-%d}" if row.expires_at else "never",
        "last_used": f"{row.last_used_at:%Y-%m-%d}" if row.last_used_at else "never",
    }
