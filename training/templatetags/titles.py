"""Titles of metrics and estimators, as pages and reports show them."""

from django import template
from django.template.defaultfilters import capfirst

from training.ml.search.families import FAMILIES, MIX

METRIC_TITLES = {
    "roc_auc": "ROC-AUC",
    "accuracy": "Accuracy",
    "f1": "F1",
    "precision": "Precision",
    "recall": "Recall",
}

register = template.Library()


@register.filter
def metric(name: str) -> str:
    """Return the title of a metric, or the name of another scorer of scikit-learn."""
    return METRIC_TITLES.get(name, name)


@register.filter
def in_order(metrics: dict[str, float]) -> list[tuple[str, float]]:
    """Return metrics in their usual order, because PostgreSQL does not keep the order of JSON's keys."""
    return [(name, metrics[name]) for name in METRIC_TITLES if name in metrics]


@register.filter
def estimator(name: str) -> str:
    """Return the title of an estimator family, also if this release no longer has the family."""
    if name == MIX:
        return "Mix of models"
    return FAMILIES[name].title if name in FAMILIES else capfirst(name)
