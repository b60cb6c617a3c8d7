"""The training table and the inputs of the version."""

from collections.abc import Mapping
from typing import Any

from django.template.defaultfilters import filesizeformat

from clfsite.core.web import numbers
from predictions.report import charts, drawing
from predictions.report.blocks import Block, Chapter, Figure, Heading, Items, Pairs, Remark, Table, Text
from predictions.report.facts import Facts
from training.ml.tables.contract import Feature, Kind, top_values
from training.templatetags.values import span, spread

# most columns in the report, because tables can have thousands
LISTED = 60
SHOWN_INPUTS = 6  # inputs in the chart
SHOWN_CATEGORIES = 8  # categories of an input


def data(facts: Facts) -> Chapter:
    """The dataset, its classes and its columns."""
    dataset = facts.dataset
    blocks: list[Block] = [
        Text(
            f"The version was trained on {dataset}, an immutable table that is identified by its SHA-256. "
            f"Every row describes one case; the column {facts.contract.target} holds the class to predict."
        ),
        Pairs(
            [
                ("Dataset", str(dataset)),
                ("Rows and columns", f"{dataset.rows:,} and {dataset.columns:,}"),
                ("Column to predict", facts.contract.target),
                ("Classes", ", ".join(facts.contract.classes)),
                *(
                    [("Positive class", facts.contract.positive)]
                    if facts.contract.positive is not None
                    else []
                ),
                ("Size", filesizeformat(dataset.size_bytes)),
                ("SHA-256", dataset.sha256),
                ("Stored", numbers.moment(dataset.created_at)),
            ]
        ),
        *_classes(facts),
        Heading("Columns"),
        _columns(facts),
        *_inputs(facts),
        Heading("Findings"),
        *_warnings(facts),
    ]
    return Chapter("data", "Data", blocks)


def _classes(facts: Facts) -> list[Block]:
    counts = facts.class_counts
    if not counts:
        return []
    total = sum(counts.values())
    rarest, commonest = min(counts, key=lambda name: counts[name]), max(counts, key=lambda name: counts[name])
    return [
        Figure(
            charts.classes(counts),
            f"Rows of each class in {facts.dataset}",
            f"{commonest} is the most frequent class with {numbers.percent(counts[commonest] / total)} of the rows; a "
            f"classifier that always answered {commonest} would be right as often. {rarest} has "
            f"{numbers.count(counts[rarest], 'row')}.",
        )
    ]


def _columns(facts: Facts) -> Table:
    profile = facts.dataset.profile
    return Table(
        f"Columns of {facts.dataset}{_of(len(profile))}",
        ["Column", "Kind", "Missing", "Distinct", "Values"],
        [
            [
                column["name"],
                column["kind"],
                numbers.percent(column["missing"] / max(facts.dataset.rows, 1)),
                f"{column.get('distinct', 0):,}",
                _values(column),
            ]
            for column in profile[:LISTED]
        ],
        numbers=(2, 3),
        wide=4,
    )


def _of(total: int) -> str:
    return f": the first {LISTED} of {total:,}" if total > LISTED else ""


def _values(column: Mapping[str, Any]) -> str:
    if "quantiles" in column:
        return spread(column["quantiles"])
    shown = [value for value, _ in top_values(column)[:4]]
    more = ", ..." if column.get("distinct", 0) > len(shown) else ""
    return ", ".join(drawing.cut(value) for value in shown) + more


def _inputs(facts: Facts) -> list[Block]:
    """The most important inputs, by class."""
    ranked = [row["feature"] for row in facts.held_out.get("importance") or []]
    profiled = [facts.column(name) for name in ranked]
    shown = [column for column in profiled if column and column.get("by_class")][:SHOWN_INPUTS]
    if not shown:
        return []
    return [
        Figure(
            charts.inputs(shown),
            "The most important inputs, by class",
            "Each chart shows the share of the rows of a class with a value. If the classes do not overlap, "
            "the input separates them by itself.",
        )
    ]


def _warnings(facts: Facts) -> list[Block]:
    warnings = facts.run.data_warnings
    if not warnings:
        return [
            Text(
                "The table was checked for columns that predict the class by themselves, duplicates, "
                "identifiers, tiny classes and rows without a label. Nothing was found."
            )
        ]
    return [Items([f"{warning['column']}: {warning['message']}." for warning in warnings[:LISTED]])]


def contract(facts: Facts) -> Chapter:
    """The inputs, their values, and the treatment of other values."""
    agreed = facts.contract
    strict = agreed.strict or facts.version.classifier.strict
    unseen = (
        "This version is strict: a category or number outside the training data is refused."
        if strict
        else "A category or number outside the training data is answered with a warning, and counted."
    )
    blocks: list[Block] = [
        Text(
            "The contract was inferred from the table and is checked on every row, from the API, the form or "
            "a file. A row with a missing input, an unknown input or a value of another kind is refused and "
            f"not scored. {unseen}"
        ),
        Table(
            f"Inputs of the version{_of(len(agreed.features))}",
            ["Input", "Kind", "May be missing", "Values seen in training"],
            [
                [feature.name, feature.kind.value, "yes" if feature.missing else "no", _seen(feature)]
                for feature in agreed.features[:LISTED]
            ],
            wide=3,
        ),
    ]
    if agreed.left_out:
        blocks += [
            Heading("Columns that are left out"),
            Items([f"{name}: {reason}." for name, reason in list(agreed.left_out.items())[:LISTED]]),
        ]
    corrections = facts.run.corrections_data.get("columns") or {}
    if corrections:
        changes = ", ".join(f"{name} ({choice.replace('_', ' ')})" for name, choice in corrections.items())
        blocks.append(Remark(f"The inferred contract was corrected manually before training: {changes}."))
    blocks += [
        Remark(
            f"{', '.join(parts.columns)} are the parts of one date: its weekday and the days since the last date are learned, "
            "too."
        )
        for parts in agreed.date_parts
    ]
    if agreed.protected:
        blocks.append(Remark(f"Monitoring compares the groups of {', '.join(agreed.protected)}."))
    if agreed.merged:
        spellings = "; ".join(
            f"{spelling} as {label}" for spelling, label in list(agreed.merged.items())[:LISTED]
        )
        blocks.append(Remark(f"Different spellings of labels were merged into one class: {spellings}."))
    return Chapter("contract", "Contract", blocks)


def _seen(feature: Feature) -> str:
    if feature.kind is Kind.CATEGORY:
        shown = ", ".join(drawing.cut(category) for category in feature.categories[:SHOWN_CATEGORIES])
        left = len(feature.categories) - SHOWN_CATEGORIES
        return f"{shown} and {left} more" if left > 0 else shown
    if feature.kind is Kind.TEXT:
        return "any text, learned by its words"
    if feature.kind is Kind.BOOLEAN:
        return "true, false"
    return span(feature) or "not recorded"
