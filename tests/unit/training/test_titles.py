"""The titles of metrics and estimators on pages."""

from training.templatetags import titles


def test_metrics_and_estimators_have_titles_and_unknown_ones_keep_their_names() -> None:
    assert titles.metric("roc_auc") == "ROC-AUC"
    assert titles.metric("balanced_accuracy") == "balanced_accuracy"
    assert titles.estimator("random_forest") == "Random forest"
    assert titles.estimator("of another release") == "Of another release"
    assert titles.in_order({"f1": 0.5, "accuracy": 0.7}) == [("accuracy", 0.7), ("f1", 0.5)]
