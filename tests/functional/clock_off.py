"""`python -m tests.functional.clock_off HOURS ARGUMENTS`: Celery's command in a process whose clock is so many hours off."""

import sys
from datetime import datetime, timedelta

from celery.__main__ import main
from django.utils import timezone

right = timezone.now
off = timedelta(hours=float(sys.argv.pop(1)))


def wrong() -> datetime:
    return right() + off


timezone.now = wrong
main()
