"""The limits of a version, for its model card and its report."""

from clfsite.core.web.numbers import percent
from training.ml.judge.calibration import FAIRLY, calibration_gap
from training.models import Version
from training.templatetags.titles import METRIC_TITLES

SHOWN_FEATURES = 10
LISTED = 8  # classes or inputs in one sentence
# held-out rows of a class, with which the interval of its recall is about as wide as WIDE: 0.11 for a recall of 0.8
FEW_ROWS = 200
WIDE = 0.1  # width of an interval from which it is reported
# share of the rows below which a class hardly affects accuracy
RARE = 0.1
# drop from cross-validation to held-out rows from which it is reported
GAP = 0.05


def limits(version: Version) -> list[str]:
    """Return sentences about the limits of the version and of its metrics."""
    dataset = version.run.dataset
    sentences = [
        (
            f"It learned from {dataset.rows:,} rows of {dataset}, as they were when the table was created. "
            "It does not know about later changes."
        ),
        (
            "It was only evaluated on the ranges and categories of its training table. Other values are "
            "answered with a warning, or refused if the classifier is strict."
        ),
        *_of_classes(version),
        *_of_figures(version),
    ]
    leaks = [warning["column"] for warning in version.run.data_warnings if warning["code"] == "leak"]
    if leaks:
        sentences.append(
            f"{_listed(leaks)} predicts the class almost by itself: make sure that it is known before the "
            "prediction."
        )
    if version.run.recipe_data.get("class_weight"):
        sentences.append(
            "Rows of rare classes counted more in training, so its probabilities are too high for those classes."
        )
    if version.contract.left_out:
        sentences.append(f"It does not use: {', '.join(list(version.contract.left_out)[:20])}.")
    sentences.append(
        "A probability is a share of similar cases, not a verdict on a single case. Have a person make "
        "important decisions."
    )
    return sentences


def _of_classes(version: Version) -> list[str]:
    held_out = version.held_out
    sentences = []
    few = [f"{row['label']} ({row['rows']:,})" for row in held_out["per_class"] if row["rows"] < FEW_ROWS]
    if few:
        sentences.append(
            f"Few held-out rows: {_listed(few)}. The metrics of these classes may be off by several per cent."
        )
    rare = [row["label"] for row in held_out["per_class"] if row["rows"] < RARE * held_out["rows"]]
    if rare:
        sentences.append(
            f"Rare: {_listed(rare)}. Accuracy says little about rare classes; check their recall and "
            "precision."
        )
    for line in (held_out.get("curves") or {}).get("calibration", [])[:LISTED]:
        gap = calibration_gap(line)
        if gap > FAIRLY:
            sentences.append(f"The probabilities of {line['label']} are off by {percent(gap)} on average.")
    return sentences


def _of_figures(version: Version) -> list[str]:
    sentences = [
        f"Its {METRIC_TITLES.get(name, name)} is uncertain: between {low:.3f} and {high:.3f}."
        for name, (low, high) in (version.held_out.get("intervals") or {}).items()
        if high - low > WIDE
    ]
    fall = version.cross_validation["roc_auc"]["mean"] - version.metrics["roc_auc"]
    if fall > GAP:
        sentences.append(
            f"Its ROC-AUC is {fall:.3f} lower on the held-out rows than in cross-validation: it may be overfitting."
        )
    return sentences


def _listed(names: list[str]) -> str:
    return ", ".join(names[:LISTED])
