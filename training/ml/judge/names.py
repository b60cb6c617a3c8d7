"""Names of the metrics and the default threshold, for forms and commands that do not import scikit-learn."""

METRICS = ("accuracy", "f1", "roc_auc", "precision", "recall")
DEFAULT_THRESHOLD = 0.5  # probability of the positive class
