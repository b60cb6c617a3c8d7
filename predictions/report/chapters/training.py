"""The training of the version: recipe and search."""

import json
import shlex
from collections.abc import Mapping
from typing import Any

from clfsite.core.web import numbers
from predictions.report import charts, drawing
from predictions.report.blocks import Block, Chapter, Code, Figure, Heading, Items, Pairs, Remark, Table, Text
from predictions.report.facts import Facts
from training.ml.judge.aim import Aim
from training.ml.search.auto.portfolio import RANGES
from training.ml.search.recipe import BALANCED, HOLD_OUT, PORTFOLIO, Recipe
from training.ml.tables.contract import MANY_LEVELS, SELECTED_WORDS
from training.ml.tables.digits import exact
from training.templatetags.titles import estimator, metric

LISTED = 20  # settings
SEARCHES = {
    "grid": "every combination of the values below",
    "random": "combinations drawn at random from the values below",
    "halving": "many combinations on few rows, then the best third on three times as many rows, and so on",
    "optuna": "combinations proposed by Optuna from earlier results, with poor ones stopped early",
    PORTFOLIO: "proven settings of all families first, then settings around the best, proposed by Optuna",
}


def training(facts: Facts) -> Chapter:
    """The recipe, the split of the rows and the steps of the pipeline."""
    run, recipe = facts.run, facts.run.recipe
    learned = 1 - HOLD_OUT
    weight = "weighted inversely to their frequency" if recipe.class_weight == BALANCED else "not weighted"
    blocks: list[Block] = [
        Text(
            f"First, a fifth of the rows, {facts.held_out['rows']:,}, was held out"
            f"{'' if recipe.time else ' at random, stratified by class'}. Search, choice of the threshold and fit used only the other "
            f"{numbers.percent(learned, 0)}; the chapter on evaluation is about the held-out rows. "
            "Everything random "
            f"follows from the seed {recipe.seed}: the same table, recipe and library releases give the same model."
            + _kept_together(facts)
        ),
        Pairs(
            [
                ("Run", f"{run.pk}, {run.state}"),
                ("Requested by", run.created_by.get_username() if run.created_by else "the command line"),
                ("Began", numbers.moment(run.started_at)),
                ("Took", numbers.duration(run.seconds) if run.seconds is not None else "not recorded"),
                (
                    "Estimators tried",
                    estimator(recipe.estimator) if recipe.estimator != "auto" else "all families",
                ),
                ("Chosen", f"{estimator(facts.version.family or recipe.estimator)}"),
                ("Its settings", _settings(facts.version.params)),
                ("Folds of the cross-validation", str(recipe.folds)),
                ("Judged by", metric(recipe.scoring)),
                ("Classes", weight),
                ("Budget", _budget(facts)),
            ]
        ),
        Heading("Steps of the pipeline"),
        Items(
            [
                (
                    "Numbers: a missing value becomes the median of the training rows; then each number is "
                    "scaled to a mean of 0 "
                    "and a standard deviation of 1."
                ),
                (
                    "Categories: a missing value is a category of its own; then each category becomes a "
                    f"column of 0 and 1. If there are more than {MANY_LEVELS} categories, each becomes the share of "
                    "the classes among its rows instead, measured on other rows than the one that is encoded; an "
                    "unknown category becomes the share among all rows."
                ),
                (
                    "Dates: year, month, weekday, hour if there are times, and the days since the last date of the "
                    "table, as numbers."
                ),
                (
                    f"Texts that were taken in: the {SELECTED_WORDS} words that tell the classes apart best, weighted by "
                    "TF-IDF."
                ),
                "The estimator turns the columns into a probability of each class.",
            ]
        ),
        Heading("Software"),
        Text(
            "The files were written with these releases; the site does not serve them with another release "
            "of scikit-learn: "
            + ", ".join(f"{name} {release}" for name, release in sorted(facts.version.libraries.items()))
            + "."
        ),
        *[Remark(warning) for warning in run.warnings],
    ]
    if run.tracking_url:
        blocks.append(Text(f"The run is tracked at Weights & Biases: {run.tracking_url}"))
    return Chapter("training", "Training", blocks)


def _kept_together(facts: Facts) -> str:
    """Which rows no split parted, or their order in time, as a sentence."""
    group, time = facts.run.recipe.group, facts.run.recipe.time
    if time is not None:
        return f" The held-out rows are the newest by {drawing.cut(time)}, and folds were blocks of time."
    if group is None:
        return ""
    return f" Rows with the same {drawing.cut(group)} were on one side of every split."


def _budget(facts: Facts) -> str:
    recipe = facts.run.recipe
    parts = []
    if recipe.max_fits is not None:
        parts.append(numbers.count(recipe.max_fits, "fit"))
    if recipe.budget_minutes is not None:
        parts.append(f"{exact(recipe.budget_minutes)} minutes")
    return " or ".join(parts) or "none"


def search(facts: Facts) -> Chapter:
    """The candidates, the best first."""
    run, recipe = facts.run, facts.run.recipe
    tried = run.candidates
    scoring = metric(recipe.scoring)
    families = len({row["family"] for row in tried})
    names = [
        f"{row['rank']}. {estimator(row['family'])}" if families > 1 else f"Candidate {row['rank']}"
        for row in tried
    ]
    blocks: list[Block] = [
        Text(
            f"The search tried {SEARCHES.get(recipe.search, recipe.search)}: {numbers.count(len(tried), 'candidate')} in "
            f"{numbers.count(run.fits_total, 'planned fit')}, each evaluated with {scoring} over "
            f"{recipe.folds} folds."
        ),
        Heading("Values to try"),
        Items(_values(recipe)),
    ]
    if len(tried) > 1:
        blocks.append(
            Figure(
                charts.candidates(tried, names, scoring),
                f"The best {min(len(tried), charts.SHOWN_CANDIDATES)} of {numbers.count(len(tried), 'candidate')}",
                _reading(facts),
            )
        )
    blocks.append(
        Table(
            "Candidates, best first" + (f": {LISTED} of {len(tried):,}" if len(tried) > LISTED else ""),
            ["Rank", "Estimator", "Settings", scoring, "Spread", "Seconds a fit"],
            [
                [
                    str(row["rank"]),
                    estimator(row["family"]),
                    _settings(row["params"]),
                    f"{row['mean']:.4f}",
                    f"{row['std']:.4f}",
                    f"{row['seconds']:.2f}",
                ]
                for row in tried[:LISTED]
            ],
            numbers=(0, 3, 4, 5),
            wide=2,
        )
    )
    return Chapter("search", "Search", blocks)


def _values(recipe: Recipe) -> list[str]:
    """The values to try of each family, in one line."""
    if recipe.search == PORTFOLIO:
        return [
            f"{estimator(family)}: "
            + "; ".join(
                f"{name} {exact(values.low)} to {exact(values.high)}" for name, values in ranges.items()
            )
            for family, ranges in RANGES.items()
            if family in recipe.spaces
        ]
    return [
        f"{estimator(family)}: "
        + "; ".join(f"{name} {', '.join(map(exact, values))}" for name, values in space.items())
        for family, space in recipe.spaces.items()
    ]


def _settings(params: Mapping[str, Any]) -> str:
    """Settings in one line; of a mix, its members with their weights."""
    if "members" in params:
        return "; ".join(
            f"{numbers.percent(member['weight'], 0)} {estimator(member['family'])} ({_settings(member['params'])})"
            for member in params["members"]
        )
    settings = (
        f"{name} {'none' if value is None else exact(value)}" for name, value in sorted(params.items())
    )
    return ", ".join(settings) or "its own defaults"


def _reading(facts: Facts) -> str:
    """Whether the best candidate is clearly better than the others."""
    best, *others = facts.run.candidates
    alike = sum(row["mean"] >= best["mean"] - best["std"] for row in others)
    if not alike:
        return (
            "The best candidate is better than all others by more than its standard deviation over the folds."
        )
    return (
        f"{numbers.count(alike, 'other candidate is', 'other candidates are')} within one standard deviation "
        "of the best: which one won is partly chance, and a simpler one would work about as well."
    )


def command(facts: Facts) -> Code:
    """The command that reproduces the version."""
    recipe, corrections = facts.run.recipe, facts.run.corrections
    options = [
        _option("target", facts.contract.target),
        f"--classifier {facts.version.classifier}",
        f"--estimator {recipe.estimator}",
        f"--search {recipe.search}",
        f"--scoring {recipe.scoring}",
        f"--folds {recipe.folds}",
        f"--seed {recipe.seed}",
    ]
    if recipe.space:
        options.append(_option("space", json.dumps(recipe.space, ensure_ascii=False)))
    if recipe.max_fits is not None:
        options.append(f"--max-fits {recipe.max_fits}")
    if recipe.max_minutes is not None:
        options.append(f"--max-minutes {exact(recipe.max_minutes)}")
    aim = Aim.from_dict(recipe.aim)
    if aim:
        options.append(f"--aim {aim.goal}" + (f"={exact(aim.value)}" if aim.value is not None else ""))
    named = {"group": recipe.group, "time": recipe.time, "positive": recipe.positive}
    options += [_option(name, value) for name, value in named.items() if value is not None]
    if corrections.labels is not None:
        options.append(f"--{corrections.labels}-labels")
    options += [_option(choice.replace("_", "-"), name) for name, choice in corrections.columns.items()]
    options += [_option("date-parts", ",".join(names)) for names in corrections.date_parts]
    options += [_option("protected", name) for name in corrections.protected]
    if recipe.class_weight:
        options.append(f"--class-weight {recipe.class_weight}")
    if corrections.strict:
        options.append("--strict")
    lines = " \\\n  ".join([f"python manage.py train {facts.dataset.name}.csv", *options])
    return Code(
        f"{lines}\npython manage.py retrain {facts.version.classifier} --version {facts.version.number}"
    )


def _option(name: str, value: str) -> str:
    """An option whose value is a text from outside: one that begins with a dash would pass for another option."""
    return f"--{name}{'=' if value.startswith('-') else ' '}{shlex.quote(value)}"
