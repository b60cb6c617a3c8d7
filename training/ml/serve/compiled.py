"""Compiled pipelines that score one row in microseconds: arrays for the preprocessor, a graph of ONNX for the rest.

A compiled pipeline is used only after `agrees` has compared it with scikit-learn on real and on extreme rows.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import onnx
import pandas as pd
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline

from training.ml.judge.decision import Decision, arranged, probabilities
from training.ml.search.estimators import DATE, JOINED, LARGEST_SCALED, MISSING_CATEGORY, PARTS_LIMITS, PROSE
from training.ml.serve.compiled_trees import (
    boosting,
    cat_boosting,
    complemented,
    forest,
    interpolated,
    light_boosting,
    many_rows,
    probabilities_of,
)
from training.ml.serve.onnx_graph import FEATURES, Graph, Matrix, Predict, running
from training.ml.tables.contract import LARGEST, MOMENTS, SELECTED_WORDS, Contract, DateParts, Feature, Kind
from training.ml.tables.date_parts import FEWEST

ENGINE = "onnxruntime"
TOLERANCE = 1e-6  # difference of a probability
UNSEEN = "a category that no table holds \u2603"
FAR_DATES = ("0001-01-01", "1969-12-31T23:59:59.999999", "2024-02-29T12:30:00", "9999-12-31T23:59:59.999999")
MONTHS = 12
THURSDAY = 3  # the weekday of the first day of 1970
# the step of a text's pipeline that takes texts without gaps
FIRST_OF_WORDS = 3
# values that a row of a table is tried with, each in a row of its own
MOST_EDGES = 1_000
# batch sizes, in rows, at which the two engines are timed
SIZES = (1_000, 10_000)
# seconds of a call after which it is not repeated, and larger batches are not tried
LONG_SECONDS = 0.25


def _scaled(raw: Matrix, medians: Matrix, means: Matrix, scales: Matrix) -> Matrix:
    """Return scaled numbers in which a missing one is the median."""
    known = np.where(np.isnan(raw), medians, raw)
    return np.clip((known - means) / scales, -LARGEST_SCALED, LARGEST_SCALED)


@dataclass(frozen=True)
class Block:
    """The one-hot columns of one categorical feature, or its codes: the column or code of each category."""

    name: str
    places: Mapping[str, int]
    missing: int
    unknown: int

    def place(self, value: Any) -> int:
        """Return the column of a value, or -1 if all columns of the block stay 0, or there is no code."""
        if value is None or value != value:  # noqa: PLR0124  only NaN differs from itself
            return self.missing
        return self.places.get(value, self.unknown)

    def column(self, values: NDArray[Any]) -> NDArray[np.intp]:
        """Return the column of each value, see `place`."""
        codes, known = pd.factorize(values, use_na_sentinel=False)
        return np.array([self.place(value) for value in known], dtype=np.intp)[codes]


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

    def of_records(self, records: Sequence[Mapping[str, Any]]) -> Matrix:
        return self.encode([record[self.name] for record in records])

    def of_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> Matrix:
        codes, values = pd.factorize(arrays[self.name], use_na_sentinel=False)
        return self.encode(list(values))[codes]

    def encode(self, values: Sequence[Any]) -> Matrix:
        """Return the columns of values, shape (values, width)."""
        return np.array(
            [
                self.missing if value is None or value != value else self.vectors.get(value, self.unknown)  # noqa: PLR0124
                for value in values
            ]
        )


@dataclass(frozen=True)
class Codes:
    """The columns of categories as codes, from column `first` on; a value without a code is missing."""

    blocks: tuple[Block, ...]
    first: int

    @property
    def width(self) -> int:
        return len(self.blocks)

    def of_records(self, records: Sequence[Mapping[str, Any]]) -> Matrix:
        places = [[block.place(record[block.name]) for block in self.blocks] for record in records]
        return self._known(np.array(places, dtype=np.float64))

    def of_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> Matrix:
        columns = [block.column(arrays[block.name]) for block in self.blocks]
        return self._known(np.column_stack(columns).astype(np.float64))

    @staticmethod
    def _known(places: Matrix) -> Matrix:
        places[places < 0] = np.nan
        return places


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

    def of_records(self, records: Sequence[Mapping[str, Any]]) -> Matrix:
        return self.encode([record[self.name] for record in records])

    def of_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> Matrix:
        return self.encode(arrays[self.name])

    def encode(self, values: Sequence[Any] | NDArray[Any]) -> Matrix:
        """Return the columns of dates, given as a list of JSON values or as an array, shape (values, width)."""
        moments = values if isinstance(values, np.ndarray) else list(map(self.feature.moment, values))
        times = np.array(moments, dtype=MOMENTS)
        months, days = (
            times.astype("datetime64[M]").astype(np.int64),
            times.astype("datetime64[D]").astype(np.int64),
        )
        columns = [months // MONTHS + 1970, months % MONTHS + 1, (days + THURSDAY) % 7]
        if self.feature.has_times:
            columns.append(times.astype("datetime64[h]").astype(np.int64) % 24)
        raw = np.column_stack([*columns, (times - self._last) / np.timedelta64(1, "D")]).astype(np.float64)
        raw[np.isnat(times)] = np.nan
        return _scaled(raw, self.medians, self.means, self.scales)


@dataclass(frozen=True)
class JoinedDate:
    """The columns of a date of several inputs, from column `first` on: weekday and days since the last one of training."""

    names: tuple[str, ...]
    last: np.datetime64
    first: int
    medians: Matrix
    means: Matrix
    scales: Matrix

    @property
    def width(self) -> int:
        return len(self.means)

    def of_records(self, records: Sequence[Mapping[str, Any]]) -> Matrix:
        return self.encode(
            np.array([[record[name] for name in self.names] for record in records], np.float64)
        )

    def of_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> Matrix:
        return self.encode(np.column_stack([arrays[name] for name in self.names]).astype(np.float64))

    def encode(self, parts: Matrix) -> Matrix:
        """Return the columns of rows of parts, NaN if missing, shapes (rows, parts) and (rows, width)."""
        least, most = (np.array(limits[: len(self.names)]) for limits in PARTS_LIMITS)
        missing = np.isnan(parts)
        whole = np.where(missing, 0, parts).clip(least, most).round().astype(np.int64)
        year, month, day = whole[:, 0], whole[:, 1], whole[:, 2]
        months = ((year - 1970) * MONTHS + month - 1).astype("datetime64[M]")
        days = months.astype("datetime64[D]") + (day - 1)
        is_date = ~missing.any(axis=1) & (month >= 1) & (month <= MONTHS) & (day >= 1)
        is_date &= days.astype("datetime64[M]") == months
        times = days.astype(MOMENTS)
        if len(self.names) > FEWEST:
            times = times + whole[:, FEWEST].astype("timedelta64[h]")
        weekday = (times.astype("datetime64[D]").astype(np.int64) + THURSDAY) % 7
        raw = np.column_stack([weekday, (times - self.last) / np.timedelta64(1, "D")])
        raw[~is_date] = np.nan
        return _scaled(raw, self.medians, self.means, self.scales)


@dataclass(frozen=True)
class Words:
    """The columns of one text, from column `first` on, by the fitted steps of scikit-learn from texts to weights."""

    name: str
    first: int
    width: int
    steps: Pipeline

    def of_records(self, records: Sequence[Mapping[str, Any]]) -> Matrix:
        return self.encode([record[self.name] for record in records])

    def of_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> Matrix:
        return self.encode(arrays[self.name])

    def encode(self, values: Sequence[Any] | NDArray[Any]) -> Matrix:
        """Return the columns of texts, shape (values, width)."""
        # only NaN differs from itself
        texts = ["" if value is None or value != value else str(value) for value in values]  # noqa: PLR0124
        columns: Matrix = self.steps.transform(texts)
        return columns


Part: TypeAlias = Codes | Levels | Moments | JoinedDate | Words


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
            X[:, part.first : part.first + part.width] = part.of_records(records)
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
            places = block.column(arrays[block.name])
            X[rows[places >= 0], places[places >= 0]] = 1.0
        for part in self.parts:
            X[:, part.first : part.first + part.width] = part.of_arrays(arrays)
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
class Joined:
    """Several preprocessors whose columns stand side by side."""

    parts: tuple[Preprocessor, ...]

    @property
    def width(self) -> int:
        return sum(part.width for part in self.parts)

    def records(self, records: Sequence[Mapping[str, Any]]) -> Matrix:
        """Return the features of checked records, shape (records, width)."""
        return np.hstack([part.records(records) for part in self.parts])

    def frame(self, frame: pd.DataFrame) -> Matrix:
        """Return the features of a frame prepared by the contract, shape (rows, width)."""
        return np.hstack([part.frame(frame) for part in self.parts])

    def arrays(self, arrays: Mapping[str, NDArray[Any]], count: int) -> Matrix:
        """Return the features of `count` rows, given as the columns of a prepared frame."""
        return np.hstack([part.arrays(arrays, count) for part in self.parts])


@dataclass(frozen=True)
class Compiled:
    """Preprocessor and model; `predict` maps scaled features to probabilities, (rows, width) to (rows, classes).

    The classes are in the contract's order.
    """

    engine: str
    preprocessor: Preprocessor | Joined
    predict: Predict

    def proba(self, frame: pd.DataFrame) -> Matrix:
        """Return the probabilities of a frame prepared by the contract, shape (rows, classes)."""
        return self.predict(self.preprocessor.frame(frame))


def compile_pipeline(pipeline: Pipeline, contract: Contract) -> Compiled | None:
    """Compile a fitted pipeline; return None if a step or estimator of it is not supported."""
    model, fitted = pipeline.named_steps["model"], pipeline.named_steps["preprocessor"]
    parts = [part for _, part in fitted.transformer_list] if isinstance(fitted, FeatureUnion) else [fitted]
    prepared = [_preprocessor(part, contract) for part in parts]
    preprocessor = Joined(tuple(prepared)) if len(parts) > 1 else prepared[0]
    exported = export(model, preprocessor.width)
    if exported is None:
        return None
    predict = _arranging(running(exported), list(model.classes_), contract.classes)
    return Compiled(ENGINE, preprocessor, predict)


def export(model: Any, features: int) -> onnx.ModelProto | None:
    """Return a fitted estimator, calibration and all members of a mix included, as one model of ONNX.

    Its input are rows of the pipeline's preprocessor, its output the probabilities of `predict_proba`. None if an
    estimator is not supported or too large.
    """
    graph = Graph(features)
    proba = _add(model, graph, FEATURES)
    return None if proba is None else graph.model(proba, len(model.classes_))


def _add(model: Any, graph: Graph, features: str) -> str | None:
    """Add a fitted model to a graph and return the name of its probabilities; None if it is not supported."""
    if isinstance(model, CalibratedClassifierCV):
        (pair,) = model.calibrated_classifiers_
        proba = _add(pair.estimator, graph, features)
        return None if proba is None else _calibrated(proba, pair.calibrators, graph)
    if isinstance(model, VotingClassifier):
        return _mixed(model, graph, features)
    if isinstance(model, FrozenEstimator):
        return _add(model.estimator, graph, features)
    if isinstance(model, Pipeline):
        columns = model.named_steps["columns"].transformers_[0][2]
        ends = (np.array([end]) for end in (columns.start, columns.stop, 1))
        return _add(model.named_steps["model"], graph, graph.add("Slice", features, *ends))
    add = _SUPPORTED.get(type(model).__name__)
    return add(model, graph, features) if add else None


def _mixed(model: VotingClassifier, graph: Graph, features: str) -> str | None:
    """Add the weighted mean of the members' probabilities."""
    members = [_add(member, graph, features) for member in model.estimators_]
    known = [name for name in members if name is not None]
    if len(known) < len(members) or len(members) == 1:
        return known[0] if known else None
    weights = np.asarray(model.weights) / np.sum(model.weights)
    side_by_side = graph.add("Concat", *known, attributes=[("axis", 1)])
    return graph.add("MatMul", side_by_side, np.kron(weights[:, None], np.eye(len(model.classes_))))


def _calibrated(proba: str, calibrators: Sequence[Any], graph: Graph) -> str:
    """Add calibrated probabilities, as of scikit-learn's `CalibratedClassifierCV`."""
    if len(calibrators) == 1:
        return complemented(_calibrator(calibrators[0], _column(proba, 1, graph), graph), graph)
    columns = [_calibrator(of, _column(proba, place, graph), graph) for place, of in enumerate(calibrators)]
    shares = graph.add("Concat", *columns, attributes=[("axis", 1)])
    total = graph.add("ReduceSum", shares, np.array([1]))
    even = np.full((1, len(columns)), 1 / len(columns))
    is_zero = graph.add("Equal", total, np.zeros((1, 1)))
    return graph.add("Where", is_zero, even, graph.add("Div", shares, total))


def _column(proba: str, place: int, graph: Graph) -> str:
    return graph.add("Gather", proba, np.array([place]), attributes=[("axis", 1)])


def _calibrator(fitted: Any, scores: str, graph: Graph) -> str:
    """Add a fitted isotonic or sigmoid calibrator of scores, shape (rows, 1)."""
    if isinstance(fitted, IsotonicRegression):
        return interpolated(scores, fitted.X_thresholds_, fitted.y_thresholds_, graph)
    return graph.add("Sigmoid", graph.add("Sub", graph.add("Mul", scores, _one(-fitted.a_)), _one(fitted.b_)))


def _one(value: float) -> Matrix:
    return np.array([[value]], dtype=np.float64)


def _arranging(predict: Predict, known: Sequence[str], classes: Sequence[str]) -> Predict:
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
    """Return rows with one feature each set to a missing, extreme or unseen value; with several in a wide table.

    Args:
        frame: prepared rows to vary, shape (rows, features); only the first few are used.

    Returns:
        A prepared frame of a few hundred rows for a table of a few dozen columns, and of 3,002 rows at most.
    """
    extremes = {feature.name: _extremes(feature) for feature in contract.features}
    count = min(sum(map(len, extremes.values())), MOST_EDGES)
    bases = frame.head(3)
    columns: dict[str, list[Any]] = {}
    first = 0
    for name, values in extremes.items():
        column = np.repeat(bases[name].astype(object).to_numpy(), count)
        for number, value in enumerate(values, start=first):
            column[number % count :: count] = value
        first += len(values)
        columns[name] = [*column, *(choose(values, key=_order) for choose in (min, max))]
    return pd.DataFrame(columns, columns=frame.columns, dtype=object).astype(frame.dtypes.to_dict())


def fastest_from(compiled: Compiled, pipeline: Pipeline, frame: pd.DataFrame) -> int | None:
    """Return the number of rows from which scikit-learn is faster, or None if it is slower at all sizes tried."""
    own = many_rows(pipeline.named_steps["model"])
    for size in SIZES:
        X = compiled.preprocessor.frame(frame.iloc[np.arange(size) % len(frame)])
        seconds = _seconds(lambda X=X: compiled.predict(X))  # type: ignore[misc]
        if _seconds(lambda X=X: own(X)) < seconds:  # type: ignore[misc]
            return size
        if seconds > LONG_SECONDS:
            break
    return None


def _seconds(call: Callable[[], object]) -> float:
    """Return the seconds of a call, or of the faster of two if they are short."""
    times: list[float] = []
    while len(times) < 2 and max(times, default=0.0) <= LONG_SECONDS:  # noqa: PLR2004
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


def _preprocessor(preprocessor: ColumnTransformer, contract: Contract) -> Preprocessor:
    fitted = {
        part: (transformer, [columns] if isinstance(columns, str) else list(columns))
        for part, transformer, columns in preprocessor.transformers_
    }
    transformer, numbers = fitted["numbers"]
    blocks: list[Block] = []
    parts: list[Part] = []
    medians = means = scales = np.empty(0)
    if numbers:
        medians, means, scales = _scaling(transformer)
    width = len(numbers)
    if "codes" in fitted and fitted["codes"][1]:
        codes = _codes(*fitted["codes"], width)
        parts.append(codes)
        width += codes.width
    transformer, categories = fitted.get("categories", (None, []))
    if categories:
        encoder = transformer.named_steps["encoder"]
        for name, known, rare in zip(
            categories, encoder.categories_, encoder.infrequent_categories_, strict=True
        ):
            block, size = _block(name, [str(category) for category in known], rare, width)
            blocks.append(block)
            width += size
    if "levels" in fitted:
        levels = list(_levels(*fitted["levels"], width))
        parts += levels
        width += sum(part.width for part in levels)
    for place, feature in enumerate(contract.dates):
        part = _moments(feature, fitted[f"{DATE}{place}"][0], width)
        parts.append(part)
        width += part.width
    for place, joined in enumerate(contract.date_parts):
        of_date = _joined_date(joined, fitted[f"{JOINED}{place}"][0], width)
        parts.append(of_date)
        width += of_date.width
    for place, name in enumerate(contract.prose):
        steps = fitted[f"{PROSE}{place}"][0][FIRST_OF_WORDS:]
        parts.append(Words(name, width, SELECTED_WORDS, steps))
        width += SELECTED_WORDS
    return Preprocessor(tuple(numbers), medians, means, scales, tuple(blocks), tuple(parts), width)


def _moments(feature: Feature, transformer: Pipeline, first: int) -> Moments:
    return Moments(feature, first, *_scaling(transformer))


def _joined_date(joined: DateParts, transformer: Pipeline, first: int) -> JoinedDate:
    return JoinedDate(joined.columns, np.datetime64(joined.last, "us"), first, *_scaling(transformer))


def _scaling(transformer: Pipeline) -> tuple[Matrix, Matrix, Matrix]:
    """Return the medians, means and scales of fitted steps for numbers, neutral ones where missing numbers stay so."""
    if "scaler" not in transformer.named_steps:
        count = transformer.named_steps["limiter"].n_features_in_
        return np.full(count, np.nan), np.zeros(count), np.ones(count)
    imputer, scaler = transformer.named_steps["imputer"], transformer.named_steps["scaler"]
    # a column without values has no median
    medians = np.where(np.isnan(imputer.statistics_), 0.0, imputer.statistics_)
    return medians, scaler.mean_, scaler.scale_


def _codes(transformer: Pipeline, names: Sequence[str], first: int) -> Codes:
    """Return the codes of categories; rare ones share the last code, and an unknown one has none."""
    encoder = transformer.named_steps["encoder"]
    blocks = []
    for name, known, rare in zip(names, encoder.categories_, encoder.infrequent_categories_, strict=True):
        block, _ = _block(name, [str(category) for category in known], rare, 0)
        missing = block.places.get(MISSING_CATEGORY, -1)
        blocks.append(replace(block, missing=missing, unknown=-1))
    return Codes(tuple(blocks), first)


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


def _linear(model: LogisticRegression, graph: Graph, features: str) -> str:
    scores = graph.add("Add", graph.add("MatMul", features, model.coef_.T), model.intercept_[None, :])
    return probabilities_of(scores, graph, len(model.intercept_))


# by the name of the class, because LightGBM and CatBoost may not be installed
_SUPPORTED: Mapping[str, Callable[[Any, Graph, str], str | None]] = {
    "RandomForestClassifier": forest,
    "ExtraTreesClassifier": forest,
    "HistGradientBoostingClassifier": boosting,
    "LGBMClassifier": light_boosting,
    "CatBoostClassifier": cat_boosting,
    "LogisticRegression": _linear,
}
