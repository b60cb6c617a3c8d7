"""What a model card says beside the figures: where a version should not be relied on."""

from training.models import Version

SHOWN_FEATURES = 10
# a class with fewer held-out rows has figures that a few rows decide
FEW_ROWS = 30
# a fall from cross-validation to the held-out rows, or an interval as wide, that a reader should know of
GAP = 0.05
WIDE = 0.1


def limits(version: Version) -> list[str]:
    """Sentences about what the figures do not carry, the same for every reader."""
    held_out, contract = version.held_out, version.contract
    found = [
        (
            f"It learnt from {version.run.dataset.rows:,} rows of {version.run.dataset}, as they were when the table was made. "
            "Where the world has moved on since, it has not."
        ),
        (
            "It knows the ranges and categories listed below; what lies outside is answered with a warning, "
            "or refused where the classifier is strict, and was never judged."
        ),
    ]
    rare = [each["label"] for each in held_out["per_class"] if each["rows"] < FEW_ROWS]
    if rare:
        found.append(
            f"Of {', '.join(rare[:5])} there were fewer than {FEW_ROWS} held-out rows: figures of such a class rest on a few."
        )
    low, high = (held_out.get("intervals") or {}).get("roc_auc") or (0.0, 0.0)
    if high - low > WIDE:
        found.append(
            f"Its ROC-AUC is known to lie between {low:.3f} and {high:.3f} only, for lack of held-out rows."
        )
    fall = version.cross_validation["roc_auc"]["mean"] - version.metrics["roc_auc"]
    if fall > GAP:
        found.append(
            f"On the held-out rows its ROC-AUC is {fall:.3f} lower than in cross-validation: it may have learnt single rows by heart."
        )
    if version.run.recipe_data.get("class_weight"):
        found.append(
            "Rows of rare classes counted more in training, so that its probabilities read too high for them."
        )
    if contract.left_out:
        found.append(f"It does not look at: {', '.join(list(contract.left_out)[:20])}.")
    found.append(
        "A probability is a share of cases alike, not a verdict on one; a person should decide where much hangs on it."
    )
    return found
