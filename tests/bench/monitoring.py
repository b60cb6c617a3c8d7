"""What monitoring finds after how many predictions, and how often it is wrong, beside other rules on the same predictions.

    python -m tests.bench.monitoring                    all scenarios at two rates of traffic; some minutes
    python -m tests.bench.monitoring --only season      one of them

Thirteen weeks of predictions are drawn for a model of twenty inputs, and each hour the rules look at them as a worker does.
"""

import os
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import django
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import jensenshannon
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

if TYPE_CHECKING:
    from predictions.monitoring.evaluation.facts import Moved

START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WEEKS, CHANGE_WEEK = 13, 5
HOURS = WEEKS * 7 * 24
TABLE, HELD_OUT = 5_000, 1_000  # rows
NUMBERS, CATEGORIES, FLAGS = 12, 6, 2
MOVED = "n0"  # the most important input
FEEDBACK = 0.1  # share of predictions whose true label comes


def draw(
    random: np.random.Generator, rows: int, *, is_weekend: NDArray[np.bool_] | None = None
) -> pd.DataFrame:
    """Rows of twenty inputs; at weekends, if given, two of them are distributed otherwise."""
    data: dict[str, Any] = {f"n{place}": random.normal(size=rows) for place in range(NUMBERS)}
    data["n1"] = np.exp(random.normal(3, 0.5, rows)).round(2)  # a price
    data["n2"][random.random(rows) < 0.05] = np.nan
    shares = (0.4, 0.3, 0.15, 0.1, 0.05)
    for place in range(CATEGORIES):
        data[f"c{place}"] = random.choice(np.array(list("abcde"), dtype=object), rows, p=shares)
    for place in range(FLAGS):
        data[f"b{place}"] = random.random(rows) < 0.3
    if is_weekend is not None:
        data["n3"] = data["n3"] + is_weekend
        swapped = is_weekend & (random.random(rows) < 0.5)
        data["c1"] = np.where(swapped, "e", data["c1"])
    return pd.DataFrame(data)


def chance_of(X: pd.DataFrame) -> NDArray[np.float64]:
    """The probability of a positive true label, which depends on six of the inputs."""
    score = 1.2 * X["n0"] + 0.8 * np.log(X["n1"] / 20) - 0.7 * X["n3"] + 0.5 * X["n4"]
    score = score + 0.9 * (X["c0"] == "a") + 0.6 * X["b0"] - 0.8
    return np.asarray(1 / (1 + np.exp(-score.to_numpy(dtype=float))))


def truth_of(random: np.random.Generator, X: pd.DataFrame) -> NDArray[np.bool_]:
    """True labels."""
    return np.asarray(random.random(len(X)) < chance_of(X))


Change = Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]


def _shifted(X: pd.DataFrame, _: np.random.Generator) -> pd.DataFrame:
    return X.assign(**{MOVED: X[MOVED] + 0.25})


def _new_category(X: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    return X.assign(c0=np.where(random.random(len(X)) < 0.05, "new", X["c0"]))


def _cents(X: pd.DataFrame, _: np.random.Generator) -> pd.DataFrame:
    return X.assign(n1=100 * X["n1"])


def _missing(X: pd.DataFrame, _: np.random.Generator) -> pd.DataFrame:
    return X.assign(**{MOVED: np.nan})


def _unchanged(X: pd.DataFrame, _: np.random.Generator) -> pd.DataFrame:
    return X


@dataclass(frozen=True)
class Scenario:
    """What happens from a week on, and the column that it happens to; `is_real` if not only the values sent are others."""

    change: Change = _unchanged
    column: str = ""
    is_real: bool = False
    flips: bool = False
    has_season: bool = False


SCENARIOS = {
    "nothing": Scenario(),
    "weekly season": Scenario(has_season=True),
    "shift of 0.25 sd": Scenario(_shifted, MOVED, is_real=True),
    "new category, 5 %": Scenario(_new_category, "c0", is_real=True),
    "EUR to cents": Scenario(_cents, "n1"),
    "column missing": Scenario(_missing, MOVED),
    "labels flipped": Scenario(flips=True),
}


@dataclass
class Site:
    """A version with its reference, and thirteen weeks of its predictions by hour."""

    reference: Any
    held_out: float
    then: pd.DataFrame
    now: pd.DataFrame
    hour: NDArray[np.intp]
    counts: NDArray[np.int64]
    is_right: NDArray[np.bool_]
    chance: NDArray[np.float64]
    judged: NDArray[np.bool_]
    days: dict[int, pd.DataFrame] = field(default_factory=dict)


def simulate(scenario: Scenario, rate: int, seed: int) -> Site:
    """Train on a table, and predict the rows of thirteen weeks."""
    from training.ml.tables import inference
    from training.ml.watch.bins import Binner
    from training.ml.watch.estimate import pooled
    from training.ml.watch.reference import cells_of, describe

    random = np.random.default_rng(seed)
    season = random.random(TABLE) < 2 / 7 if scenario.has_season else None
    table = draw(random, TABLE, is_weekend=season)
    y = truth_of(random, table)
    contract = inference.infer(table.assign(left=np.where(y, "yes", "no")), "left")
    numbers, rest = contract.numbers, contract.categories
    model = make_pipeline(
        make_column_transformer(
            (make_pipeline(SimpleImputer(), StandardScaler()), numbers),
            (OneHotEncoder(handle_unknown="ignore"), rest),
        ),
        LogisticRegression(),
    )
    X = contract.prepare(table)
    model.fit(X[:-HELD_OUT], y[:-HELD_OUT])
    crossed = cross_val_predict(clone(model), X[:-HELD_OUT], y[:-HELD_OUT], method="predict_proba")[:, 1]
    positive = model.predict_proba(X[-HELD_OUT:])[:, 1]
    (truth, labels, confidence), others = (
        (
            np.where(true, "yes", "no").tolist(),
            np.where(score >= 0.5, "yes", "no").tolist(),
            np.maximum(score, 1 - score),
        )
        for true, score in ((y[-HELD_OUT:], positive), (y[:-HELD_OUT], crossed))
    )
    reference: Any = describe(X, contract, truth=truth, labels=labels, confidence=confidence)
    reference = replace(reference, known=pooled(reference.cells, cells_of(reference.bins, *others)))
    of_day = 1 + 0.7 * np.sin(2 * np.pi * (np.arange(HOURS) % 24 - 9) / 24)
    rows = random.poisson(rate * of_day)
    hour = np.repeat(np.arange(HOURS), rows)
    now = draw(random, len(hour), is_weekend=hour // 24 % 7 >= 5 if scenario.has_season else None)
    is_changed = hour >= CHANGE_WEEK * 7 * 24
    changed = scenario.change(now, random)
    sent = pd.concat([now[~is_changed], changed[is_changed]], ignore_index=True)
    chance = chance_of(sent if scenario.is_real else now)
    real = random.random(len(chance)) < chance
    if scenario.flips:
        real, chance = real ^ is_changed, np.where(is_changed, 1 - chance, chance)
    prepared = contract.prepare(sent)
    positive = model.predict_proba(prepared)[:, 1]
    label = np.where(positive >= 0.5, "yes", "no")
    bins = reference.bins
    binner = Binner(bins, contract)
    places = binner.by_column({name: prepared[name].to_numpy() for name in contract.names})
    counts = np.zeros((HOURS, bins.size), dtype=np.int64)
    for column in range(places.shape[1]):
        np.add.at(counts, (hour, places[:, column] + bins.offsets[column]), 1)
    level = np.searchsorted(bins.confidence, np.maximum(positive, 1 - positive), side="right")
    cell = np.where(label == bins.classes[0], 0, 1) * bins.levels + level
    np.add.at(counts, (hour, bins.offsets[-1] + cell), 1)
    is_right = (label == "yes") == real
    held_out = float(np.mean([one == other for one, other in zip(labels, truth, strict=True)]))
    chance_right = np.where(label == "yes", chance, 1 - chance)
    judged = random.random(len(hour)) < FEEDBACK
    return Site(reference, held_out, X, prepared, hour, counts, is_right, chance_right, judged)


def alerts(site: Site) -> Iterator[tuple[int, str, str]]:
    """The alerts that open, as a worker looks every hour: hour, rule and column."""
    from predictions.alerts.rules import confirmed
    from predictions.monitoring.quality import LATELY, Score

    moved: list[dict[int, dict[tuple[str, str], Moved]]] = []
    open_: set[tuple[str, str]] = set()
    right = np.bincount(site.hour[site.judged], site.is_right[site.judged], HOURS).cumsum()
    judged = np.bincount(site.hour[site.judged], minlength=HOURS).cumsum()
    for hour in range(1, HOURS):
        moved.append({days: _moved(site, hour, days) for days in (1, 7)})
        found: set[tuple[str, str]] = set()
        for days in (1, 7):
            earlier = moved[-25][days] if len(moved) > 24 else {}
            found |= set(confirmed(moved[-1][days], earlier))
        first = max(hour - int(LATELY / HOUR), 0)
        counted = int(judged[hour] - judged[first]), int(right[hour] - right[first])
        if Score(judged=counted[0], correct=counted[1], held_out=site.held_out, rows=HELD_OUT).has_dropped:
            found.add(("accuracy", ""))
        yield from ((hour, *key) for key in found - open_)
        open_ = found


def _moved(site: Site, hour: int, days: int) -> "dict[tuple[str, str], Moved]":
    """What moved in a window that ends with an hour."""
    from predictions.monitoring.bins import Hours
    from predictions.monitoring.evaluation.shifts import WEEKS_BEFORE, distributions

    first = max(hour + 1 - 24 * (days + 7 * WEEKS_BEFORE), 0)
    hours = Hours([START + place * HOUR for place in range(first, hour + 1)], site.counts[first : hour + 1])
    until = START + hour * HOUR + timedelta(minutes=59)
    since = START + (hour + 1 - 24 * days) * HOUR
    version: Any = SimpleNamespace(held_out={})
    columns, label_mix, probabilities = distributions(version, site.reference, hours, since, until)
    found = {("drift", column.name): column for column in columns if column.moved}
    others = (("label_mix", label_mix), ("probabilities", probabilities))
    return {**found, **{(name, ""): mix for name, mix in others if mix.moved}}


Rule = Callable[[pd.Series, pd.Series], bool]


def _psi(then: pd.Series, now: pd.Series) -> float:
    """The population stability index over tenths of training, categories, and missing values."""
    if then.dtype.kind == "f":
        edges = np.unique(np.nanquantile(then, np.arange(1, 10) / 10))
        parts = [
            np.append(
                np.bincount(np.digitize(part.dropna(), edges), minlength=len(edges) + 1), part.isna().sum()
            )
            for part in (then, now)
        ]
    else:
        names = sorted({*then.dropna(), *now.dropna()})
        parts = [part.value_counts().reindex(names, fill_value=0).to_numpy() for part in (then, now)]
    shares = [np.maximum(part / max(part.sum(), 1), 1e-4) for part in parts]
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())


def _test(then: pd.Series, now: pd.Series) -> float:
    """The p-value of Kolmogorov and Smirnov, and of chi-squared for categories."""
    if then.dtype.kind == "f":
        return float(stats.ks_2samp(then.dropna(), now.dropna()).pvalue) if now.notna().any() else 0.0
    names = sorted({*then.dropna(), *now.dropna()})
    parts = [part.value_counts().reindex(names, fill_value=0) for part in (then, now)]
    return float(stats.chi2_contingency(parts).pvalue)


def _evidently(then: pd.Series, now: pd.Series) -> bool:
    """The defaults of Evidently: tests up to 1,000 rows, and distances above 0.1 for more."""
    if len(then) <= 1_000 or then.nunique() <= 2:
        return _test(then, now) < 0.05
    if then.dtype.kind == "f" and then.nunique() > 5:
        if not now.notna().any():
            return True
        distance = stats.wasserstein_distance(then.dropna(), now.dropna()) / max(then.std(), 1e-3)
        return bool(distance >= 0.1)
    names = sorted({*then.dropna(), *now.dropna()})
    shares = [part.value_counts(normalize=True).reindex(names, fill_value=0) for part in (then, now)]
    return bool(jensenshannon(shares[0].to_numpy(), shares[1].to_numpy(), base=2) >= 0.1)


RULES: dict[str, Rule] = {
    "PSI > 0.1": lambda then, now: _psi(then, now) > 0.1,
    "PSI > 0.2": lambda then, now: _psi(then, now) > 0.2,
    "K-S, chi-squared, p < 0.05": lambda then, now: _test(then, now) < 0.05,
    "Evidently's defaults": _evidently,
}


def by_day(site: Site, rule: Rule, column: str) -> tuple[int, int, int | None]:
    """The days without a change with an alarm of any column, all these days, and the first day that the column is found."""
    false, days, found = 0, 0, None
    day_of = site.hour // 24
    for day in range(WEEKS * 7):
        rows = site.now[day_of == day]
        is_changed = bool(column) and day >= CHANGE_WEEK * 7
        if not is_changed:
            days += 1
            false += any(rule(site.then[name], rows[name]) for name in site.then)
        elif rule(site.then[column], rows[column]):
            found = day
            break
    return false, days, found


def estimates(site: Site, rows: int = 1_000) -> NDArray[np.float64]:
    """Mean errors in windows after the change, shape (6,).

    Of the estimate, of that from held-out rows alone, and of the held-out accuracy, against the accuracy to be expected of
    these inputs; then of the estimate against the share that was right, how far this share is from the expected one by
    chance, and how often the interval of the estimate holds it.
    """
    from training.ml.watch.estimate import estimated_accuracy

    found = []
    first = int(np.searchsorted(site.hour, CHANGE_WEEK * 7 * 24))
    hours = np.unique(site.hour[first:])
    start = 0
    totals = site.counts[hours][:, site.reference.bins.offsets[-1] :].sum(axis=1).cumsum()
    while start < len(hours):
        end = int(np.searchsorted(totals, (totals[start - 1] if start else 0) + rows)) + 1
        if end > len(hours):
            break
        window = hours[start:end]
        cells = site.reference.bins.cells(site.counts[window].sum(axis=0))
        estimate: Any = estimated_accuracy(site.reference.known, cells)
        alone: Any = estimated_accuracy(site.reference.cells, cells)
        within = (site.hour >= window[0]) & (site.hour <= window[-1])
        real, expected = float(site.is_right[within].mean()), float(site.chance[within].mean())
        values = (estimate.value, alone.value, site.held_out)
        errors = [*(value - expected for value in values), estimate.value - real, real - expected]
        found.append([*map(abs, errors), estimate.low <= real <= estimate.high])
        start = end
    means: NDArray[np.float64] = np.array(found).mean(axis=0)
    return means


def show(name: str, rate: int, seeds: int) -> None:
    """One scenario at one rate, by all rules."""
    scenario = SCENARIOS[name]
    change = CHANGE_WEEK * 7 * 24
    false: list[str] = []
    after: list[str] = []
    others: dict[str, list[tuple[int, int, int | None]]] = {rule: [] for rule in RULES}
    errors = []
    for seed in range(seeds):
        site = simulate(scenario, rate, seed)
        rows = np.bincount(site.hour, minlength=HOURS).cumsum()
        found = None
        for hour, rule, column in alerts(site):
            if hour < change or not (scenario.column or scenario.flips):
                false.append(f"{rule} {column} in hour {hour}")
            elif column == scenario.column and (rule == "drift" or scenario.flips) and found is None:
                found = hour
                after.append(f"{rows[hour] - rows[change - 1]:,} ({rule})")
                break
        if found is None and (scenario.column or scenario.flips):
            after.append("never")
        for other, rule_of in RULES.items():
            others[other].append(by_day(site, rule_of, scenario.column))
        errors.append(estimates(site))
    print(f"\n{name}, {rate} predictions an hour, {seeds} times {WEEKS} weeks")
    print(
        f"  our alerts: {len(false)} false; found after {', '.join(after) or '-'}", *false[:5], sep="\n    "
    )
    for other, results in others.items():
        alarms, days = sum(result[0] for result in results), sum(result[1] for result in results)
        first = [
            "never" if day is None else f"{(day + 1 - CHANGE_WEEK * 7) * rate * 24:,}" for *_, day in results
        ]
        shown = ", ".join(first) if scenario.column else "-"
        print(f"  {other}: alarms on {alarms} of {days} days without a change; found after {shown}")
    error, alone, plain, real, chance, held = 100 * np.mean(errors, axis=0)
    print(
        f"  expected accuracy of 1,000 predictions: estimate off by {error:.2f} points, from held-out rows alone by "
        f"{alone:.2f}, held-out figure by {plain:.2f}\n"
        f"  share that was right: estimate off by {real:.2f}, of which chance {chance:.2f}; in its interval {held:.0f} %",
        flush=True,
    )


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clfsite.settings")
    parser = ArgumentParser(prog="tests.bench.monitoring", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=list(SCENARIOS))
    parser.add_argument("--rate", type=int, nargs="*", default=[25, 100], help="predictions an hour")
    parser.add_argument("--seeds", type=int, nargs="*", default=[5, 2], help="for each rate")
    options = parser.parse_args()
    django.setup()
    for name in [options.only] if options.only else SCENARIOS:
        for rate, seeds in zip(options.rate, options.seeds, strict=False):
            show(name, rate, seeds)


if __name__ == "__main__":
    main()
