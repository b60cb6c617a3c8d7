"""Training the demo table: clfsite's search against scikit-learn's GridSearchCV as users write it by hand."""

import time
from pathlib import Path

import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from training.ml.inference import infer
from training.ml.recipe import Recipe
from training.ml.table import read_table
from training.ml.train import train

TABLE, TARGET = Path("data/churn.csv"), "churn"


def plain() -> tuple[float, float]:
    """Seconds and held-out ROC-AUC of the grid written directly in scikit-learn."""
    table = pd.read_csv(TABLE)
    y = table.pop(TARGET)
    X_fit, X_held, y_fit, y_held = train_test_split(table, y, test_size=0.2, stratify=y, random_state=0)
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    texts = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    preprocessor = make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")),
        (texts, make_column_selector(dtype_exclude="number")),
    )
    forest = RandomForestClassifier(random_state=0)
    grid = {
        f"randomforestclassifier__{name}": values for name, values in Recipe().spaces["random_forest"].items()
    }
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    search = GridSearchCV(make_pipeline(preprocessor, forest), grid, scoring="roc_auc", cv=folds, n_jobs=-1)
    began = time.perf_counter()
    search.fit(X_fit, y_fit)
    seconds = time.perf_counter() - began
    return seconds, float(roc_auc_score(y_held == "Yes", search.predict_proba(X_held)[:, 1]))


def ours() -> tuple[float, float]:
    """Seconds and held-out ROC-AUC of the same grid through training.ml, cross-validation of five metrics included."""
    table = read_table(TABLE)
    began = time.perf_counter()
    trained = train(table, infer(table, TARGET), Recipe())
    return time.perf_counter() - began, trained.held_out.metrics["roc_auc"]


def main() -> None:
    """Print both and their ratio."""
    (plain_seconds, plain_auc), (our_seconds, our_auc) = plain(), ours()
    print(f"training {TABLE.name}, 12 candidates x 5 folds")
    print(f"  scikit-learn  {plain_seconds:7.1f} s  held-out ROC-AUC {plain_auc:.4f}")
    print(f"  clfsite       {our_seconds:7.1f} s  held-out ROC-AUC {our_auc:.4f}")
    print(f"  ratio         {plain_seconds / our_seconds:7.2f}x")
