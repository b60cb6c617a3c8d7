"""The catalogue: every family fits every kind of table, from scikit-learn's own classes alone."""

import inspect
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
from training.ml.search.estimators import build_model, build_pipeline
from training.ml.search.families import FAMILIES
from training.ml.search.recipe import Recipe
from training.ml.tables.corrections import Choice, Corrections
from training.ml.tables.inference import infer
from training.ml.trainer import train

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
    labels = np.ravel(fitted(table, family).predict(infer(table, "label").prepare(table)))
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
    known = inspect.signature(type(build_model(family, 0))).parameters
    assert {*FAMILIES[family].space, *FAMILIES[family].taken} <= set(known)
    assert all(FAMILIES[family].space.values())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("make", [tables.mixed, tables.codes], ids=lambda make: make.__name__)
def test_pipeline_is_made_of_scikit_learn_and_the_library_of_its_family(
    family: str, make: Callable[[], pd.DataFrame]
) -> None:
    unpickler = Unpickler(io.BytesIO(pickle.dumps(fitted(make(), family))))
    unpickler.load()
    assert "sklearn" in unpickler.packages
    libraries, standard = {"sklearn", "numpy", "scipy", "pandas"}, {"_codecs", "operator", "functools", "re"}
    if family in {"lightgbm", "catboost"}:
        libraries |= {family, f"_{family}"}
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


def many_levels(levels: int, rows: int, classes: int = 2) -> pd.DataFrame:
    """A table in which the values of one category decide the class, apart from a tenth of the rows."""
    random = np.random.default_rng(0)
    names = [f"dept {number}" for number in range(levels)]
    class_of = dict(zip(names, random.integers(0, classes, levels), strict=True))
    dept = random.choice(names, rows)
    decided = np.array([class_of[name] for name in dept])
    label = np.where(random.random(rows) < 0.1, random.integers(0, classes, rows), decided)
    return pd.DataFrame(
        {"dept": dept, "hours": random.integers(0, 40, rows), "label": [f"class {code}" for code in label]}
    )


@pytest.mark.parametrize(("family", "classes"), [*((family, 2) for family in FAMILIES), ("random_forest", 3)])
def test_many_levels_are_learned_by_every_family(family: str, classes: int) -> None:
    table = many_levels(300, 1_500, classes)
    recipe = Recipe(estimator=family, folds=2, search="random", max_fits=2)
    trained = train(table, infer(table, "label"), recipe, jobs=1, accelerate=False)
    assert trained.held_out.metrics["roc_auc"] > 0.8
    assert trained.cross_validation["roc_auc"]["mean"] > 0.8
    assert trained.held_out.importance[0]["feature"] == "dept"
    assert trained.engine["name"] != "scikit-learn", trained.engine


def test_level_that_says_nothing_is_not_learned() -> None:
    table = many_levels(300, 1_500)
    table["label"] = np.random.default_rng(1).choice(["no", "yes"], len(table))
    trained = train(table, infer(table, "label"), Recipe(folds=2, max_fits=2), jobs=1, accelerate=False)
    assert abs(trained.cross_validation["roc_auc"]["mean"] - 0.5) < 0.1


def test_unseen_level_is_an_average_row_and_a_missing_one_is_a_level() -> None:
    table = many_levels(100, 1_000)
    table.loc[:49, ["dept", "label"]] = [None, "class 1"]
    contract = infer(table, "label")
    preprocessor = build_pipeline(contract, "random_forest", 0).named_steps["preprocessor"]
    preprocessor.fit_transform(contract.prepare(table), table["label"])
    asked = pd.DataFrame({"dept": ["nowhere", None]})
    levels = preprocessor.named_transformers_["levels"]
    unseen, missing = levels.transform(asked)[:, 0]
    scaler = levels.named_steps["scaler"]
    share = (table["label"] == "class 1").mean()
    assert unseen == pytest.approx((share - scaler.mean_[0]) / scaler.scale_[0])
    assert missing > unseen + 0.5


def test_training_row_does_not_see_its_own_label() -> None:
    random = np.random.default_rng(0)
    table = pd.DataFrame({"name": [f"n{row}" for row in range(300)], "label": random.choice(["a", "b"], 300)})
    contract = infer(table, "label", Corrections({"name": Choice.CATEGORY}))
    preprocessor = build_pipeline(contract, "random_forest", 0).named_steps["preprocessor"]
    encoded = preprocessor.fit_transform(contract.prepare(table), table["label"])[:, 0]
    assert np.corrcoef(encoded, table["label"] == "b")[0, 1] < 0.1


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
