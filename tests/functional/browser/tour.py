"""Every page that people see, in one list, and a site with enough life in it that none of them is empty."""

import csv
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from django.urls import reverse

from clfsite.supervisor import WORKER
from tests.support.site import ROOT, Site

SCORED, JUDGED, BATCHED = 400, 150, 60
# what fills the site where no call of the API does it; runs inside the site
FILL = """
import csv
import sqlite3
from contextlib import closing
from datetime import timedelta
from axes.models import AccessAttempt
from django.contrib.auth.models import Group, User
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.utils import timezone
from predictions.alerts import outbox
from predictions.alerts.models import Delivery, Receiver
from predictions.alerts.service import Finding, silence, sync
from predictions.batches import service as batches
from predictions.monitoring.inspection.service import inspect
from predictions.roles import ROLES
from training.archive.service import archive
from training.datasets.uploads import store_upload
from training.models import Classifier, MachineSpeed, Run, Version
from training.runs.service import request_run
from training.sources.service import import_query
from training.versions.service import activate_version

call_command(
    "train", {table!r}, target="churn", estimator="logistic_regression", scoring="f1", folds=3, seed=1, activate=True
)
demo = User.objects.get(username="demo")
with open({rows!r}, "rb") as file:
    rows = file.read()
for hold in (False, True):
    source = ContentFile(rows, name="customers.csv")
    batches.execute_batch(batches.create_batch(source=source, caller="demo", user=demo, hold=hold))
store_upload(ContentFile(rows.replace(b",", b";"), name="customers.csv"), demo)
header, *lines = csv.reader(rows.decode().splitlines())
with closing(sqlite3.connect({warehouse!r})) as database, database:
    database.execute("CREATE TABLE customers (" + ", ".join(header) + ")")
    database.executemany("INSERT INTO customers VALUES (" + ", ".join("?" * len(header)) + ")", lines)
for part in ("LIMIT 40", "LIMIT 50 OFFSET 10"):
    archive(
        import_query(
            source="warehouse", sql="SELECT *\\nFROM customers\\n" + part, name="customers", target="churn", user=demo
        )
    )
first = Version.objects.order_by("pk").first()
activate_version(version=first, actor="demo", reason="The new one finds fewer of those who leave")
Classifier.objects.filter(pk=first.classifier_id).update(set_level=0.9, review=True)
dataset = first.run.dataset
failed = request_run(dataset=dataset, recipe=first.run.recipe, classifier="churn", user=demo)
failed.start()
failed.fail(
    "the training process was killed, probably because memory ran out; use fewer rows or a smaller search "
    "space, or give the worker more memory"
)
waiting = request_run(dataset=dataset, recipe=first.run.recipe, classifier="churn", user=demo)
waiting.start()
Run.objects.filter(pk=waiting.pk).update(
    phase="search", phase_at=waiting.started_at, phase_done=18, phase_total=waiting.fits_total,
    fits_done=18, best_score=0.834, history=[[1.2, 2, 0.781], [3.5, 7, 0.812], [9.0, 15, 0.834]],
)
hook = "https://hooks.example.org/services/T0/B0/secret"
receiver = Receiver.objects.create(name="on call", kind="slack", target=hook, events=["alert", "run"])
lost = outbox.queue_test(receiver)
Delivery.objects.filter(pk=lost.pk).update(state="failed", attempts=1, error="the receiver answered 404")
serving = Version.objects.get(pk=first.pk)
# not a rule of the site, whose worker would close it
sync(serving, [Finding("upstream", "Prices arrive in cents since yesterday, not in euros.", "price")], set())
silence(first.classifier, until=timezone.now() + timedelta(days=1), reason="A campaign", actor="demo", rule="accuracy")
call_command("housekeeping")
# what a worker does every six hours, here with a protected input
serving.contract_data["protected"] = [serving.contract.categories[0]]
serving.save()
inspect(serving)
# a worker would measure it for seconds, as soon as the form of a run is opened
MachineSpeed.objects.create(host="here", cores=2, factors={{}}, measured_at=timezone.now())
AccessAttempt.objects.create(
    username="nobody", ip_address="203.0.113.7", failures_since_start=5, user_agent="Mozilla/5.0 (X11; Linux x86_64)",
    path_info="/accounts/login/",
)
for role in [*ROLES, ""]:
    person = User.objects.create(username=role or "newcomer", is_staff=True)
    person.set_password({password!r})
    person.save()
    person.groups.set(Group.objects.filter(name=role))
"""
# a run that nobody renews would be begun anew, and be over before its picture is taken
RENEW = """
import time
from training.models import Run

run = Run.objects.get(state="running")
while run.renew():
    time.sleep(5)
"""


@dataclass(frozen=True)
class Stop:
    """A page: how its picture is called, its route and what the route and the query need, filled in from the site."""

    name: str
    route: str
    args: tuple[str, ...] = ()
    query: str = ""
    who: str = "demo"
    status: int = 200

    def path(self, known: dict[str, str]) -> str:
        """Where it is on a site whose ids are known."""
        query = f"?{self.query.format(**known)}" if self.query else ""
        return reverse(self.route, args=[arg.format(**known) for arg in self.args]) + query


TOUR = [
    Stop("home", "predictions:home"),
    Stop("classifiers", "predictions:classifier-list"),
    Stop("classifier", "predictions:classifier-detail", ("{classifier}",)),
    Stop("predict", "predictions:predict"),
    Stop("batches", "predictions:batch-list"),
    Stop("batch", "predictions:batch-detail", ("{batch}",)),
    Stop("batch-preview", "predictions:batch-detail", ("{held}",)),
    Stop("predictions", "predictions:prediction-list"),
    Stop("prediction", "predictions:prediction-detail", ("{prediction}",)),
    Stop("analytics", "predictions:analytics"),
    Stop("monitoring", "predictions:monitoring"),
    Stop("feedback", "predictions:feedback-list"),
    Stop("review", "predictions:review-list"),
    Stop("keys", "predictions:key-list"),
    Stop("alerts", "predictions:alert-list"),
    Stop("alert", "predictions:alert-detail", ("1",)),
    Stop("alert-settings", "predictions:alert-settings", ("{classifier}",)),
    Stop("receivers", "predictions:receiver-list"),
    Stop("storage", "predictions:storage"),
    Stop("erasures", "predictions:erasure-list"),
    Stop("retraining", "predictions:retraining", ("{classifier}",)),
    Stop("profile", "profile"),
    Stop("help", "help", ("user-guide",)),
    Stop("datasets", "training:dataset-list"),
    Stop("upload", "training:upload-detail", ("{upload}",)),
    Stop("dataset", "training:dataset-detail", ("{dataset}",)),
    Stop("dataset-query", "training:query-create"),
    Stop("dataset-queried", "training:dataset-detail", ("{changed}",)),
    Stop("dataset-changes", "training:dataset-changes", ("{changed}",)),
    Stop("runs", "training:run-list"),
    Stop("run", "training:run-detail", ("{run}",)),
    Stop("run-failed", "training:run-detail", ("{failed}",)),
    Stop("run-under-way", "training:run-detail", ("{running}",)),
    Stop("run-new", "training:run-create"),
    Stop("run-again", "training:run-repeat", ("{run}",)),
    Stop("versions", "training:version-list"),
    Stop("version", "training:version-detail", ("{version}",)),
    Stop("version-compare", "training:version-compare", query="versions={version}&versions={other}"),
    Stop("version-card", "training:version-card", ("{version}",)),
    Stop("history", "training:classifier-history", ("{classifier}",)),
    Stop("login", "login", who=""),
    Stop("no-role", "predictions:home", who="newcomer", status=403),
    Stop("not-allowed", "predictions:key-list", who="viewer", status=403),
    Stop("not-found", "training:run-detail", ("0",), status=404),
    Stop("docs", "docs"),
    Stop("admin", "admin:index"),
    Stop("admin-app", "admin:app_list", ("training",)),
    Stop("admin-login", "admin:login", who=""),
    Stop("admin-password", "admin:password_change"),
    Stop("admin-log", "admin:predictions_prediction_changelist"),
    Stop("admin-prediction", "admin:predictions_prediction_change", ("{prediction}",)),
    Stop("admin-feedback", "admin:predictions_feedback_changelist"),
    Stop("admin-feedback-row", "admin:predictions_feedback_change", ("1",)),
    Stop("admin-batches", "admin:predictions_batch_changelist"),
    Stop("admin-batch", "admin:predictions_batch_change", ("{batch}",)),
    Stop("admin-keys", "admin:predictions_apikey_changelist"),
    Stop("admin-key", "admin:predictions_apikey_change", ("1",)),
    Stop("admin-key-history", "admin:predictions_apikey_history", ("1",)),
    Stop("admin-runs", "admin:training_run_changelist"),
    Stop("admin-run", "admin:training_run_change", ("{run}",)),
    Stop("admin-run-failed", "admin:training_run_change", ("{failed}",)),
    Stop("admin-datasets", "admin:training_dataset_changelist"),
    Stop("admin-dataset", "admin:training_dataset_change", ("{dataset}",)),
    Stop("admin-versions", "admin:training_version_changelist"),
    Stop("admin-version", "admin:training_version_change", ("{version}",)),
    Stop("admin-activations", "admin:training_activation_changelist"),
    Stop("admin-activation", "admin:training_activation_change", ("1",)),
    Stop("admin-classifiers", "admin:training_classifier_changelist"),
    Stop("admin-classifier", "admin:training_classifier_change", ("{classifier}",)),
    Stop("admin-bad-logins", "admin:axes_accessattempt_changelist"),
    Stop("admin-bad-login", "admin:axes_accessattempt_change", ("1",)),
    Stop("admin-people", "admin:auth_user_changelist"),
    Stop("admin-person-new", "admin:auth_user_add"),
    Stop("admin-person", "admin:auth_user_change", ("{person}",)),
    Stop("admin-person-password", "admin:auth_user_password_change", ("{person}",)),
    Stop("admin-person-history", "admin:auth_user_history", ("{person}",)),
    Stop("admin-person-delete", "admin:auth_user_delete", ("{person}",)),
    Stop("admin-roles", "admin:auth_group_changelist"),
    Stop("admin-role-new", "admin:auth_group_add"),
    Stop("admin-approver", "admin:index", who="approver"),
    Stop("admin-approver-classifier", "admin:training_classifier_change", ("{classifier}",), who="approver"),
    Stop("admin-viewer-versions", "admin:training_version_changelist", who="viewer"),
    Stop("admin-not-allowed", "admin:predictions_apikey_changelist", who="viewer", status=403),
    Stop("admin-role", "admin:auth_group_change", ("{role}",)),
]
# routes that are no page: pieces of one, downloads, and what is only posted to
NO_PAGES = {
    "predictions:log-dataset",
    "predictions:alert-acknowledge",
    "predictions:alert-close",
    "predictions:silence-create",
    "predictions:silence-end",
    "predictions:receiver-test",
    "predictions:receiver-switch",
    "predictions:receiver-delete",
    "predictions:message-again",
    "predictions:batch-cancel",
    "predictions:batch-errors",
    "predictions:batch-feature",
    "predictions:batch-progress",
    "predictions:batch-result",
    "predictions:batch-resume",
    "predictions:batch-sample",
    "predictions:batch-start",
    "predictions:key-revoke",
    "predictions:predict-what-if",
    "predictions:prediction-export",
    "predictions:prediction-export-parquet",
    "predictions:prediction-export-unjudged",
    "predictions:prediction-feedback",
    "predictions:review-answer",
    "predictions:version-report",
    "training:classifier-archive",
    "training:dataset-archive",
    "training:query-again",
    "training:run-archive",
    "training:run-cancel",
    "training:run-columns",
    "training:run-fits",
    "training:run-progress",
    "training:run-resume",
    "training:run-stop",
    "training:version-archive",
    "training:version-artifact",
    "training:version-retrain",
}


@dataclass
class Lively:
    """A site that serves, with what is on it."""

    site: Site
    password: str
    known: dict[str, str] = field(default_factory=dict)


def warehouse(state: Path) -> Path:
    """The database that the site of a state folder can query."""
    return state / "warehouse.db"


def environment(state: Path) -> dict[str, str]:
    """What the site of the tour needs in its environment."""
    return {"CLFSITE_SOURCE_WAREHOUSE": f"sqlite:///{warehouse(state)}"}


def enliven(site: Site, password: str) -> Lively:
    """Fill a serving demo site: predictions with truths, a batch, two versions and their history, runs of each kind."""
    with (ROOT / "data" / "churn.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))[-SCORED:]
    part = site.state / "customers.csv"
    with part.open("w", newline="") as target:
        writer = csv.DictWriter(target, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows[:BATCHED])
    with site.client() as client:
        prediction = _ask(client, rows)
    site.manage(
        "shell",
        "--no-imports",
        "-c",
        FILL.format(
            table=str(site.state / "churn.csv"),
            rows=str(part),
            warehouse=str(warehouse(site.state)),
            password=password,
        ),
    )
    site.start("manage.py", "shell", "-c", RENEW, "--no-imports")
    # not before, or it would take up the run that is to be seen under way
    site.start("-m", *WORKER)
    with site.client() as client:
        known = {**_ids(client), "prediction": prediction}
    return Lively(site, password, known)


def _ask(client: httpx.Client, rows: list[dict[str, str]]) -> str:
    """Have rows answered, say of some what was true, and return the id of the last prediction."""
    contract = client.get("/info").json()["classifiers"][0]["contract"]
    kinds = {feature["name"]: feature["kind"] for feature in contract["features"]}
    records = [{name: _value(kinds[name], row[name]) for name in kinds} for row in rows]
    answers = client.post("/predict-batch", json={"records": records}).raise_for_status().json()
    ids = [answer["prediction_id"] for answer in answers["predictions"]]
    lines = "\n".join(f"{pk},{row['churn']}" for pk, row in zip(ids[:JUDGED], rows, strict=False))
    files = {"file": ("truth.csv", f"id,label\n{lines}\n", "text/csv")}
    client.post("/api/feedback", files=files).raise_for_status()
    far = {**records[0], "tenure": 100}
    return str(client.post("/predict", json={"features": far}).raise_for_status().json()["prediction_id"])


def _value(kind: str, text: str) -> Any:
    if text == "":
        return None
    if kind in {"integer", "number"}:
        return json.loads(text)
    return text == "true" if kind == "boolean" else text


def _ids(client: httpx.Client) -> dict[str, str]:
    """What stands in the addresses of the tour."""
    runs = client.get("/api/runs").raise_for_status().json()["results"]
    by_state = {run["state"]: str(run["id"]) for run in runs}
    versions = client.get("/api/versions").raise_for_status().json()["results"]
    datasets = client.get("/api/datasets").raise_for_status().json()["results"]
    changed = next(item["id"] for item in datasets if item["name"] == "customers" and item["number"] == 2)
    newest, *_, oldest = sorted((version["id"] for version in versions), reverse=True)
    return {
        "version": str(newest),
        "other": str(oldest),
        "run": by_state["succeeded"],
        "failed": by_state["failed"],
        "running": by_state["running"],
        "dataset": "1",
        "changed": str(changed),
        "upload": "1",
        "classifier": "1",
        "batch": "1",
        "held": "2",
        # the demo user is the first, and cannot be shown as one whom anybody would delete
        "person": "2",
        "role": "1",
    }
