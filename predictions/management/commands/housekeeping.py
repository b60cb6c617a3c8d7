"""`manage.py housekeeping`: remove what the settings do not keep."""

import json as json_module
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import filesizeformat

from clfsite.core.jobs import site
from clfsite.core.jobs.models import Chore
from predictions.housekeeping import service, space


class Command(BaseCommand):
    help = (
        "Remove predictions, files of batches, artifacts of versions that were never active, uploads, sessions and "
        "failed logins that are older than the settings CLFSITE_KEEP_... keep them, and measure the space. A worker "
        "does the same daily. It may be interrupted at any time."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would be removed, and remove nothing"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object only")

    def handle(self, *, dry_run: bool, json: bool, **_: Any) -> None:
        if problem := site.foreign_folder():
            raise CommandError(problem)
        if dry_run:
            removed = {kind: asdict(value) for kind, value in service.clean(is_trial=True).items()}
            sizes = space.measure()
        else:
            result = service.execute() or {}
            Chore.objects.note(service.NAME, result)
            removed, sizes = result["removed"], result["history"][-1]["bytes"]
        if json:
            self.stdout.write(json_module.dumps({"dry_run": dry_run, "removed": removed, "bytes": sizes}))
            return
        verb = "would be removed" if dry_run else "removed"
        for kind, value in removed.items():
            name = kind.replace("_", " ")
            self.stdout.write(f"{name}: {value['items']:,} {verb}, {filesizeformat(value['size_bytes'])}")
        self.stdout.write("what is stored now:")
        for kind, size_bytes in sizes.items():
            self.stdout.write(f"  {space.TITLES[kind]}: {filesizeformat(size_bytes)}")
