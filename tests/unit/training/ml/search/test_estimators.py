"""The catalogue: every family fits every kind of table, from scikit-learn's own classes alone."""

import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from tests.support import tables
from training.ml.search.estimators import MAX_CATEGORIES, build_model, build_pipeline
from training.ml.search.families import FAMILIES
from training.ml.tables.inference import infer

KINDS = [
    tables.numbers,
    tables.texts,
    tables.mixed,
    tables.codes,
    tables.three_classes,
    tables.three_classes_with_gaps,
]
QUICK = {"n_estimators": 5, "max_iter": 20, "max_leaf_nodes": 7}


def fitted(table: pd.DataFrame, family: str, seed: int = 0) -> Pipeline:
    """A quick model of this family, fitted on the whole table."""
    contract = infer(table, "label")
    pipeline = build_pipeline(contract, family, seed)
    quick = {name: value for name, value in QUICK.items() if name in FAMILIES[family].space}
    pipeline.named_steps["model"].set_params(**quick)
    return pipeline.fit(contract.prepare(table), table["label"].to_numpy(dtype=object))


def answers(family: str, seed: int) -> NDArray[np.float64]:
    """Probabilities for rows that a model with this seed has not seen."""
    table = tables.mixed()
    pipeline = fitted(table.iloc[::2], family, seed)
    proba: NDArray[np.float64] = pipeline.predict_proba(infer(table, "label").prepare(table.iloc[1::2]))
    return proba


class Unpickler(pickle.Unpickler):
    """Notes the packages that a pickle takes its classes from."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.packages: set[str] = set()

    def find_class(self, module: str, name: str) -> Any:
        self.packages.add(module.split(".", maxsplit=1)[0])
        return super().find_class(module, name)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_every_family_learns_every_kind_of_table(family: str, make: Callable[[], pd.DataFrame]) -> None:
    table = make()
    labels = fitted(table, family).predict(infer(table, "label").prepare(table))
    most_frequent = table["label"].value_counts(normalize=True).iloc[0]
    assert (labels == table["label"]).mean() > most_frequent


@pytest.mark.parametrize("family", FAMILIES)
def test_same_seed_gives_the_same_model(family: str) -> None:
    np.testing.assert_array_equal(answers(family, 1), answers(family, 1))


@pytest.mark.parametrize("family", ["random_forest", "extra_trees"])
def test_another_seed_gives_another_model(family: str) -> None:
    assert not np.array_equal(answers(family, 1), answers(family, 2))


@pytest.mark.parametrize("family", FAMILIES)
def test_default_space_names_parameters_that_the_family_has(family: str) -> None:
    known = build_model(family, 0).get_params()
    assert set(FAMILIES[family].space) <= set(known)
    assert all(FAMILIES[family].space.values())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("make", [tables.mixed, tables.codes], ids=lambda make: make.__name__)
def test_pipeline_is_made_of_scikit_learn_alone(family: str, make: Callable[[], pd.DataFrame]) -> None:
    unpickler = Unpickler(io.BytesIO(pickle.dumps(fitted(make(), family))))
    unpickler.load()
    assert "sklearn" in unpickler.packages
    libraries, standard = {"sklearn", "numpy", "scipy", "pandas"}, {"_codecs", "operator", "functools", "re"}
    assert unpickler.packages <= {*libraries, *standard, "builtins", "copyreg", "collections"}


def as_read(table: pd.DataFrame, **options: Any) -> pd.DataFrame:
    """A table written as CSV and read by pandas."""
    read: pd.DataFrame = pd.read_csv(io.StringIO(table.to_csv(index=False)), **options)
    return read


def none_for_missing(table: pd.DataFrame) -> pd.DataFrame:
    return as_read(table).astype(object).replace({np.nan: None})


CHOSEN: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "the whole table": lambda table: table,
    "one row": lambda table: table.iloc[[4]],
    "a row with gaps": lambda table: table.iloc[[0]],
    "rows without the letter": lambda table: table.iloc[1:],
    "rows of whole numbers alone": lambda table: table.iloc[2:9],
    "gaps alone": lambda table: table.assign(colour=np.nan, member=np.nan, zone=np.nan),
    "another order": lambda table: table[table.columns[::-1]],
    "more columns": lambda table: table.assign(name="x", a2=1),
    "values never seen": lambda table: table.assign(colour="mauve", zone="7"),
}
READ: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "as it comes": as_read,
    "with None": none_for_missing,
    "with nullable types": lambda table: as_read(table, dtype_backend="numpy_nullable"),
    "with categories": lambda table: as_read(table, dtype={"colour": "category", "zone": "category"}),
}


@pytest.mark.parametrize("choose", CHOSEN.values(), ids=list(CHOSEN))
@pytest.mark.parametrize("read", READ.values(), ids=list(READ))
def test_pipeline_takes_a_frame_as_pandas_reads_it(
    choose: Callable[[pd.DataFrame], pd.DataFrame], read: Callable[[pd.DataFrame], pd.DataFrame]
) -> None:
    table = tables.codes()
    contract = infer(table, "label")
    pipeline = fitted(table, "random_forest")
    expected = pipeline.predict_proba(contract.prepare(choose(table)))
    np.testing.assert_allclose(pipeline.predict_proba(read(choose(table))), expected, rtol=0, atol=1e-12)


def test_only_category_that_is_missing_in_every_row_is_taken() -> None:
    table = tables.texts()[["colour", "label"]]
    proba = fitted(table, "logistic_regression").predict_proba(pd.DataFrame({"colour": [np.nan, np.nan]}))
    assert proba.shape == (2, 2)


def test_rare_categories_share_one_column() -> None:
    names = [f"c{number % 100}" for number in range(400)]
    table = pd.DataFrame({"name": names, "label": ["yes", "no"] * 200})
    contract = infer(table, "label")
    preprocessor = build_pipeline(contract, "random_forest", 0).named_steps["preprocessor"]
    assert preprocessor.fit_transform(contract.prepare(table)).shape == (400, MAX_CATEGORIES)


def test_missing_category_is_a_category_of_its_own() -> None:
    table = tables.three_classes_with_gaps()[["hint", "label"]]
    contract = infer(table, "label")
    preprocessor = build_pipeline(contract, "random_forest", 0).named_steps["preprocessor"]
    assert preprocessor.fit_transform(contract.prepare(table)).shape[1] == table["hint"].nunique() + 1


@pytest.mark.parametrize("values", [["x", "y"], [1.5, 2.5]], ids=["texts", "numbers"])
def test_feature_without_any_value_in_a_fold_does_no_harm(values: list[object]) -> None:
    table = pd.DataFrame({"sparse": [*values, None, None, None, None], "label": ["yes", "no"] * 3})
    contract = infer(table, "label")
    X, y = contract.prepare(table), table["label"]
    pipeline = build_pipeline(contract, "logistic_regression", 0).fit(X.iloc[2:], y.iloc[2:])
    assert pipeline.predict_proba(X).shape == (6, 2)
