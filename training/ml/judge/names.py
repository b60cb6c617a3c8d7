"""What the metrics are called and where the threshold begins: for forms and commands, which judge nothing themselves."""

METRICS = ("accuracy", "f1", "roc_auc", "precision", "recall")
DEFAULT_THRESHOLD = 0.5
