"""Titles of metrics and estimators, as pages and reports show them."""

from django import template
from django.template.defaultfilters import capfirst

from training.ml.search.families import FAMILIES

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
    """A metric's title; scikit-learn's own scorers keep their names."""
    return METRIC_TITLES.get(name, name)


@register.filter
def in_order(metrics: dict[str, float]) -> list[tuple[str, float]]:
    """Metrics as they are always listed; PostgreSQL does not keep the order of JSON's keys."""
    return [(name, metrics[name]) for name in METRIC_TITLES if name in metrics]


@register.filter
def estimator(name: str) -> str:
    """The title of an estimator family, which a later release may have dropped."""
    return FAMILIES[name].title if name in FAMILIES else capfirst(name)
