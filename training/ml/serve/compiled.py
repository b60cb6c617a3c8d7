"""Compiled pipelines that score one row in microseconds: arrays for the preprocessor, ONNX for the trees.

A compiled pipeline is used only after `agrees` has compared it with scikit-learn on real and on extreme rows.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, softmax
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from training.ml.judge.decision import Decision, arranged, probabilities
from training.ml.search.estimators import DATE, LARGEST_SCALED, MISSING_CATEGORY, PROSE
from training.ml.serve import onnx_trees
from training.ml.serve.onnx_trees import Matrix
from training.ml.tables.contract import LARGEST, MOMENTS, SELECTED_WORDS, Contract, Feature, Kind

TOLERANCE = 1e-6  # difference of a probability
UNSEEN = "a category that no table holds \u2603"
FAR_DATES = ("0001-01-01", "1969-12-31T23:59:59.999999", "2024-02-29T12:30:00", "9999-12-31T23:59:59.999999")
# the step of a text's pipeline that takes texts without gaps
FIRST_OF_WORDS = 3
# batch sizes, in rows, at which the two engines are timed
SIZES = (1_000, 10_000)


@dataclass(frozen=True)
class Block:
    """The one-hot columns of one categorical feature: the column of each category."""

    name: str
    places: Mapping[str, int]
    missing: int
    unknown: int

    def place(self, value: Any) -> int:
        """Return the column of a value, or -1 if all columns of the block stay 0."""
        if value is None or value != value:  # noqa: PLR0124  only NaN differs from itself
            return self.missing
        return self.places.get(value, self.unknown)


@dataclass(frozen=True)
class Levels:
    """The columns of one feature that is encoded by the target, from column `first` on: a vector for each value."""

    name: str
    first: int
    vectors: Mapping[str, Matrix]
    missing: Matrix
    unknown: Matrix

    @property
    def width(self) -> int:
        return len(self.unknown)

    def encode(self, values: Sequence[Any]) -> Matrix:
        """Return the columns of values, shape (values, width)."""
        return np.array(
            [
                self.missing if value is None or value != value else self.vectors.get(value, self.unknown)  # noqa: PLR0124
                for value in values
            ]
        )


@dataclass(frozen=True)
class Moments:
    """The columns of one date, from column `first` on: its parts, and the days since the last date of training."""

    feature: Feature
    first: int
    medians: Matrix
    means: Matrix
    scales: Matrix

    @property
    def name(self) -> str:
        return self.feature.name

    @property
    def width(self) -> int:
        return len(self.means)

    @cached_property
    def _last(self) -> np.datetime64:
        return np.datetime64(self.feature.moment(self.feature.last), "us")

    def encode(self, values: Sequence[Any] | NDArray[Any]) -> Matrix:
        """Return the columns of dates, given as a list of JSON values or as an array, shape (values, width)."""
        moments = values if isinstance(values, np.ndarray) else list(map(self.feature.moment, values))
        times = np.array(moments, dtype=MOMENTS)
        months, days = (
            times.astype("datetime64[M]").astype(np.int64),
            times.astype("datetime64[D]").astype(np.int64),
        )
        # the first day of 1970 was a Thursday
        columns = [months // 12 + 1970, months % 12 + 1, (days + 3) % 7]
        if self.feature.has_times:
            columns.append(times.astype("datetime64[h]").astype(np.int64) % 24)
        raw = np.column_stack([*columns, (times - self._last) / np.timedelta64(1, "D")]).astype(np.float64)
        raw[np.isnat(times)] = np.nan
        np.copyto(raw, self.medians, where=np.isnan(raw))
        return np.clip((raw - self.means) / self.scales, -LARGEST_SCALED, LARGEST_SCALED)


@dataclass(frozen=True)
class Words:
    """The columns of one text, from column `first` on, by the fitted steps of scikit-learn from texts to weights."""

    name: str
    first: int
    width: int
    steps: Pipeline

    def encode(self, values: Sequence[Any] | NDArray[Any]) -> Matrix:
        """Return the columns of texts, shape (values, width)."""
        # only NaN differs from itself
        texts = ["" if value is None or value != value else str(value) for value in values]  # noqa: PLR0124
        columns: Matrix = self.steps.transform(texts)
        return columns


Part: TypeAlias = Levels | Moments | Words


@dataclass(frozen=True)
class Preprocessor:
    """A fitted preprocessor of `estimators.build_preprocessor` as arrays.

    The columns are those of numbers, then a block per category, then those of the other parts.
    """

    numbers: tuple[str, ...]
    medians: Matrix
    means: Matrix
    scales: Matrix
    blocks: tuple[Block, ...]
    parts: tuple[Part, ...]
    width: int

    def records(self, records: Sequence[Mapping[str, Any]]) -> Matrix:
        """Return the scaled features of checked records, shape (records, width)."""
        X = np.zeros((len(records), self.width))
        if self.numbers:
            self._scale(
                X, np.array([[record[name] for name in self.numbers] for record in records], np.float64)
            )
        for block in self.blocks:
            for row, record in enumerate(records):
                place = block.place(record[block.name])
                if place >= 0:
                    X[row, place] = 1.0
        for part in self.parts:
            X[:, part.first : part.first + part.width] = part.encode(
                [record[part.name] for record in records]
            )
        return X

    def frame(self, frame: pd.DataFrame) -> Matrix:
        """Return the scaled features of a frame prepared by the contract, shape (rows, width)."""
        return self.arrays({str(name): column.to_numpy() for name, column in frame.items()}, len(frame))

    def arrays(self, arrays: Mapping[str, NDArray[Any]], count: int) -> Matrix:
        """Return the scaled features of `count` rows, given as the columns of a prepared frame."""
        X = np.zeros((count, self.width))
        if self.numbers:
            self._scale(X, np.column_stack([arrays[name] for name in self.numbers]))
        rows = np.arange(count)
        for block in self.blocks:
            codes, values = pd.factorize(arrays[block.name], use_na_sentinel=False)
            places = np.array([block.place(value) for value in values], dtype=np.intp)[codes]
            X[rows[places >= 0], places[places >= 0]] = 1.0
        for part in self.parts:
            if not isinstance(part, Levels):
                X[:, part.first : part.first + part.width] = part.encode(arrays[part.name])
                continue
            codes, values = pd.factorize(arrays[part.name], use_na_sentinel=False)
            X[:, part.first : part.first + part.width] = part.encode(list(values))[codes]
        return X

    def _scale(self, X: Matrix, raw: Matrix) -> None:
        """Scale the raw numbers and write them into X; `raw` is overwritten."""
        np.copyto(raw, self.medians, where=np.isnan(raw))
        raw -= self.means
        raw /= self.scales
        # np.clip does the same, but takes three times as long for one row
        np.maximum(raw, -LARGEST_SCALED, out=raw)
        np.minimum(raw, LARGEST_SCALED, out=X[:, : len(self.numbers)])


@dataclass(frozen=True)
class Compiled:
    """Preprocessor and model; `predict` maps scaled features to probabilities, (rows, width) to (rows, classes).

    The classes are in the contract's order.
    """

    engine: str
    preprocessor: Preprocessor
    predict: onnx_trees.Predict

    def proba(self, frame: pd.DataFrame) -> Matrix:
        """Return the probabilities of a frame prepared by the contract, shape (rows, classes)."""
        return self.predict(self.preprocessor.frame(frame))


def compile_pipeline(pipeline: Pipeline, contract: Contract) -> Compiled | None:
    """Compile a fitted pipeline; return None if a step or estimator of it is not supported."""
    model = pipeline.named_steps["model"]
    for kind, engine, build in _ENGINES:
        if isinstance(model, kind):
            predict = build(model)
            if predict is None:
                return None
            predict = _arranging(predict, list(model.classes_), contract.classes)
            return Compiled(engine, _preprocessor(pipeline, contract), predict)
    return None


def _arranging(
    predict: onnx_trees.Predict, known: Sequence[str], classes: Sequence[str]
) -> onnx_trees.Predict:
    """Wrap a function to return the classes in the contract's order; return it unchanged if the order is the same."""
    if known == list(classes):
        return predict
    return lambda X: arranged(predict(X), known, classes)


def agrees(compiled: Compiled, pipeline: Pipeline, frame: pd.DataFrame, decision: Decision) -> bool:
    """Return whether labels are equal and probabilities within 1e-6 on every row of a prepared frame."""
    expected, actual = probabilities(pipeline, frame, decision.classes), compiled.proba(frame)
    return bool(
        np.abs(expected - actual).max(initial=0.0) <= TOLERANCE
        and (decision.places(expected) == decision.places(actual)).all()
    )


def edge_rows(contract: Contract, frame: pd.DataFrame) -> pd.DataFrame:
    """Return rows with one feature each set to a missing, extreme or unseen value.

    Args:
        frame: prepared rows to vary, shape (rows, features); only the first few are used.

    Returns:
        A prepared frame of a few hundred rows for a table of a few dozen columns.
    """
    varied = []
    for _, base in frame.head(3).iterrows():
        for feature in contract.features:
            for value in _extremes(feature):
                row = base.copy()
                row[feature.name] = value
                varied.append(row)
    varied += [
        pd.Series({feature.name: choose(_extremes(feature), key=_order) for feature in contract.features})
        for choose in (min, max)
    ]
    return pd.DataFrame(varied, columns=frame.columns).astype(frame.dtypes.to_dict())


def fastest_from(compiled: Compiled, pipeline: Pipeline, frame: pd.DataFrame) -> int | None:
    """Return the number of rows from which scikit-learn is faster, or None if it is slower at all sizes."""
    model = pipeline.named_steps["model"]
    for size in SIZES:
        X = compiled.preprocessor.frame(frame.iloc[np.arange(size) % len(frame)])
        if _seconds(lambda X=X: model.predict_proba(X)) < _seconds(lambda X=X: compiled.predict(X)):  # type: ignore[misc]
            return size
    return None


def _seconds(call: Callable[[], object]) -> float:
    """Return the seconds of the faster of two calls."""
    times = []
    for _ in range(2):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return min(times)


def _extremes(feature: Feature) -> list[Any]:
    if feature.kind is Kind.CATEGORY:
        return [math.nan, UNSEEN, *feature.categories[:50]]
    if feature.kind is Kind.TEXT:
        return [math.nan, "", UNSEEN, "?!"]
    if feature.kind is Kind.DATE:
        return [pd.NaT, *map(pd.Timestamp, (feature.first, feature.last, *FAR_DATES))]
    if feature.kind is Kind.BOOLEAN:
        return [math.nan, 0.0, 1.0]
    low, high = feature.low or 0.0, feature.high or 0.0
    return [
        math.nan,
        0.0,
        low,
        high,
        np.nextafter(low, -np.inf),
        np.nextafter(high, np.inf),
        -LARGEST,
        LARGEST,
    ]


def _order(value: Any) -> tuple[bool, float]:
    """The sort key of a feature's edge values: missing and unseen ones first."""
    return (not isinstance(value, str) and value == value, 0.0 if isinstance(value, str) else value)  # noqa: PLR0124


def _preprocessor(pipeline: Pipeline, contract: Contract) -> Preprocessor:
    fitted = {
        part: (transformer, [columns] if isinstance(columns, str) else list(columns))
        for part, transformer, columns in pipeline.named_steps["preprocessor"].transformers_
    }
    transformer, numbers = fitted["numbers"]
    blocks: list[Block] = []
    parts: list[Part] = []
    medians = means = scales = np.empty(0)
    if numbers:
        steps = transformer.named_steps
        medians, means, scales = steps["imputer"].statistics_, steps["scaler"].mean_, steps["scaler"].scale_
        medians = np.where(np.isnan(medians), 0.0, medians)  # a column without values has no median
    width = len(numbers)
    transformer, categories = fitted["categories"]
    if categories:
        encoder = transformer.named_steps["encoder"]
        for name, known, rare in zip(
            categories, encoder.categories_, encoder.infrequent_categories_, strict=True
        ):
            block, size = _block(name, [str(category) for category in known], rare, width)
            blocks.append(block)
            width += size
    if "levels" in fitted:
        parts += _levels(*fitted["levels"], width)
        width += sum(part.width for part in parts)
    for place, feature in enumerate(contract.dates):
        part = _moments(feature, fitted[f"{DATE}{place}"][0], width)
        parts.append(part)
        width += part.width
    for place, name in enumerate(contract.prose):
        steps = fitted[f"{PROSE}{place}"][0][FIRST_OF_WORDS:]
        parts.append(Words(name, width, SELECTED_WORDS, steps))
        width += SELECTED_WORDS
    return Preprocessor(tuple(numbers), medians, means, scales, tuple(blocks), tuple(parts), width)


def _moments(feature: Feature, transformer: Pipeline, first: int) -> Moments:
    imputer, scaler = transformer.named_steps["imputer"], transformer.named_steps["scaler"]
    medians = np.where(np.isnan(imputer.statistics_), 0.0, imputer.statistics_)
    return Moments(feature, first, medians, scaler.mean_, scaler.scale_)


def _levels(transformer: Pipeline, names: Sequence[str], first: int) -> Iterator[Levels]:
    encoder, scaler = transformer.named_steps["encoder"], transformer.named_steps["scaler"]
    means = np.atleast_1d(encoder.target_mean_)
    size = len(means)
    for place, (name, known) in enumerate(zip(names, encoder.categories_, strict=True)):
        columns = slice(place * size, (place + 1) * size)
        shares = np.vstack([np.column_stack(encoder.encodings_[columns]), means])
        shares = (shares - scaler.mean_[columns]) / scaler.scale_[columns]
        vectors = dict(zip(map(str, known), shares, strict=False))
        yield Levels(
            name, first + columns.start, vectors, vectors.get(MISSING_CATEGORY, shares[-1]), shares[-1]
        )


def _block(name: str, known: list[str], rare: NDArray[np.object_] | None, first: int) -> tuple[Block, int]:
    """Return the block that begins at a column, and its width; rare categories share its last column."""
    infrequent = set() if rare is None else {str(category) for category in rare}
    frequent = [category for category in known if category not in infrequent]
    places = {category: first + place for place, category in enumerate(frequent)}
    shared = first + len(frequent) if infrequent else -1
    places |= dict.fromkeys(infrequent, shared)
    return Block(name, places, places.get(MISSING_CATEGORY, shared), shared), len(frequent) + bool(infrequent)


def _linear(model: LogisticRegression) -> onnx_trees.Predict:
    weights, intercept = model.coef_.T, model.intercept_

    def predict(X: Matrix) -> Matrix:
        scores = X @ weights + intercept
        if scores.shape[1] > 1:
            shares: Matrix = softmax(scores, axis=1)
            return shares
        positive = expit(scores[:, 0])
        return np.column_stack([1 - positive, positive])

    return predict


_ENGINES: tuple[tuple[Any, str, Callable[[Any], onnx_trees.Predict | None]], ...] = (
    ((RandomForestClassifier, ExtraTreesClassifier), "onnxruntime", onnx_trees.forest),
    (HistGradientBoostingClassifier, "onnxruntime", onnx_trees.boosting),
    (LogisticRegression, "numpy", _linear),
)
