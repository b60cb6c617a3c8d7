"""`make bench-pages`: the pages of staff over millions of logged predictions, each by the server's time and its queries.

DATABASE_URL names a PostgreSQL database that `python -m tests.bench.seed` has filled. Pages are asked for in this very
process, through every middleware and template; what a browser and a network add is not in the figures.
"""

import os
import statistics
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import django

ROUNDS = 5
LIMIT_MS = 300
PAGE = 50


def main() -> int:
    """Measure every page, print a line for each, and return 1 if one is too slow."""
    if not os.environ.get("DATABASE_URL", "").startswith("postgres"):
        sys.exit("DATABASE_URL has to name a PostgreSQL database that tests.bench.seed has filled")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clfsite.settings")
    django.setup()
    from django.contrib.auth.models import User
    from django.test import Client

    from predictions.models import HourlyCount

    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.get_or_create(username="bench", is_staff=True, is_superuser=True)[0])
    logged = sum(HourlyCount.objects.values_list("predictions", flat=True))
    print(f"{logged:,} predictions; median of {ROUNDS} after the first, which found the caches as they were")
    print(f"{'page':<52}{'first':>9}{'median':>9}{'queries':>9}")
    slow = []
    for name, path in pages():
        first, median, queries = measure(client, path)
        print(f"{name:<52}{first:>6.0f} ms{median:>6.0f} ms{queries:>9}", flush=True)
        if median >= LIMIT_MS:
            slow.append(name)
    print(f"too slow, {LIMIT_MS} ms or more: {', '.join(slow)}" if slow else f"all below {LIMIT_MS} ms")
    return 1 if slow else 0


def measure(client: Any, path: str) -> tuple[float, float, int]:
    """The first time and the median of the others in ms, and the queries of one."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    taken = []
    for _ in range(ROUNDS + 1):
        with CaptureQueriesContext(connection) as queries:
            began = time.perf_counter()
            response = client.get(path)
            content = response.getvalue()
            taken.append((time.perf_counter() - began) * 1_000)
        assert response.status_code == 200, (path, response.status_code, content[:500])
        count = len(queries)
    return taken[0], statistics.median(taken[1:]), count


def pages() -> Iterator[tuple[str, str]]:
    """Yield name and address of every page to measure."""
    from django.urls import reverse

    from predictions.models import Prediction

    keys = Prediction.objects.order_by("-id").values_list("id", flat=True)
    yield "home", reverse("predictions:home")
    analytics = reverse("predictions:analytics")
    yield "analytics", analytics
    for period in ("24h", "7d", "90d", "365d"):
        yield f"analytics, {period}", f"{analytics}?period={period}"
    yield "analytics, one version, 90d", f"{analytics}?version=2&period=90d"
    monitoring = reverse("predictions:monitoring")
    for classifier, days in (("churn", 7), ("wide", 1), ("wide", 7)):
        yield f"monitoring, {classifier}, {days} d", f"{monitoring}?classifier={classifier}&days={days}"
    log = reverse("predictions:prediction-list")
    yield "explorer, first page", log
    thousandth = keys[PAGE * 999 - 1 : PAGE * 999].get()
    yield "explorer, 1,000th page", f"{log}?before={thousandth}"
    yield "explorer, 999th page, from there back", f"{log}?after={thousandth}"
    last = Prediction.objects.order_by("id").values_list("id", flat=True)[PAGE]
    yield "explorer, last page", f"{log}?before={last}"
    yield "explorer, oldest first", f"{log}?sort=time"
    yield "explorer, oldest first, last page", f"{log}?{urlencode({'sort': 'time', 'after': keys[PAGE]})}"
    for filters in searches():
        named = ", ".join(f"{name} {value}" for name, value in filters.items())
        yield f"explorer, {named}", f"{log}?{urlencode(filters)}"
        yield f"oldest first, {named}", f"{log}?{urlencode({**filters, 'sort': 'time'})}"
    yield "one prediction", reverse("predictions:prediction-detail", args=[thousandth])
    admin = reverse("admin:predictions_prediction_changelist")
    yield "admin list", admin
    for query in administration():
        yield f"admin list, {urlencode(query)}", f"{admin}?{urlencode(query)}"
    yield "admin list, one id", f"{admin}?{urlencode({'q': thousandth})}"


def searches() -> Iterator[dict[str, Any]]:
    """Yield every filter by itself, and combinations, rare and impossible things among them."""
    from training.models import Version

    first, second = Version.objects.filter(classifier__name="churn").order_by("number")[:2]
    yield {"classifier": "churn"}
    yield {"classifier": "renewal"}
    yield {"version": second.pk}
    yield {"version": first.pk}
    yield {"label": "Yes"}
    for source in ("api", "form", "csv", "mlflow", "open_inference"):
        yield {"source": source}
    for caller in ("checkout", "one-off", "long-gone", "nobody"):
        yield {"caller": caller}
    yield {"feedback": "with"}
    yield {"feedback": "without"}
    yield {"feedback": "wrong"}
    yield {"low": 99}
    yield {"high": 51}
    yield {"high": 30}
    yield {"since": month_ago(2), "until": month_ago(1)}
    yield {"since": month_ago(1), "feedback": "without"}
    yield {"version": first.pk, "label": "Yes", "source": "form"}
    yield {"classifier": "churn", "caller": "one-off", "feedback": "with"}
    yield {"label": "Yes", "high": 50.01}
    yield {"version": second.pk, "feedback": "wrong", "label": "No", "low": 95}
    yield {"source": "mlflow", "feedback": "without"}


def administration() -> Iterator[dict[str, Any]]:
    """Yield what the administration's list can be asked for."""
    from training.models import Classifier

    yield {"days": 1}
    yield {"days": 30}
    yield {"source__exact": "mlflow"}
    yield {"label": "Yes"}
    yield {"version__classifier__id__exact": Classifier.objects.get(name="renewal").pk}
    yield {"label": "Yes", "source__exact": "mlflow"}
    yield {"q": "one-off"}
    yield {"p": 100}


def month_ago(months: int) -> str:
    """A moment as the filter takes it."""
    from django.utils import timezone

    return f"{timezone.now() - timedelta(days=28 * months):%Y-%m-%dT%H:%M}"


if __name__ == "__main__":
    raise SystemExit(main())
