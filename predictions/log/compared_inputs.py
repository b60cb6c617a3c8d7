"""The values of one prediction, compared with the training data."""

from dataclasses import dataclass, replace
from typing import Any

from clfsite.core.web.charts import spark
from predictions.models import Prediction
from training.ml.tables import times
from training.ml.tables.contract import Contract, Feature, Kind
from training.models import Dataset


@dataclass(frozen=True)
class Input:
    """One value: `bars` is the histogram of the training table and `mark` the position of the value in it, in
    bars.

    `share` is the share of training rows with this value, or with one of `rarer` values if the table's profile counts
    them together. All are None if the profile does not have them.
    """

    feature: Feature
    value: Any
    remark: str
    bars: list[dict[str, float]] | None = None
    mark: float | None = None
    share: float | None = None
    rarer: int | None = None

    @property
    def is_new(self) -> bool:
        """Whether the value is a category that training did not have."""
        is_category = self.feature.kind is Kind.CATEGORY and isinstance(self.value, str)
        return is_category and self.feature.spelled(self.value) not in self.feature.categories

    @property
    def is_outside(self) -> bool:
        """Whether the value is outside the histogram, with the mark at one end."""
        if self.feature.kind is Kind.DATE:
            moment, begin, end = map(self.feature.moment, (self.value, self.feature.first, self.feature.last))
            return moment is not None and begin is not None and end is not None and not begin <= moment <= end
        low, high = self.feature.low, self.feature.high
        return (
            self.mark is not None and low is not None and high is not None and not low <= self.value <= high
        )


def of_prediction(prediction: Prediction, contract: Contract) -> list[Input]:
    """Every feature of the contract, in its order."""
    remarks = {warning["feature"]: warning["message"] for warning in prediction.warnings}
    dataset = Dataset.objects.only("profile", "rows").get(runs=prediction.version.run_id)
    profile = {column["name"]: column for column in dataset.profile}
    return [
        _input(
            feature,
            prediction.features.get(feature.name),
            remarks.get(feature.name, ""),
            profile.get(feature.name, {}),
            dataset.rows,
        )
        for feature in contract.features
    ]


def _number(feature: Feature, value: Any) -> float | None:
    """The place of a value on the axis of the histogram: a number, or the seconds since 1970 of a date."""
    if feature.kind is Kind.DATE:
        moment = feature.moment(value)
        return None if moment is None else times.seconds(moment)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _input(feature: Feature, value: Any, remark: str, column: dict[str, Any], rows: int) -> Input:
    edges = column.get("edges")
    number = _number(feature, value)
    if edges and number is not None and edges[-1] > edges[0]:
        place = (number - edges[0]) / (edges[-1] - edges[0]) * len(column["counts"])
        mark = min(max(place, 0.0), float(len(column["counts"])))
        return Input(feature, value, remark, bars=spark(column["counts"]), mark=mark)
    if value is None:
        return Input(feature, value, remark, share=column["missing"] / rows if column else None)
    top = {str(text).lower(): count for text, count in column.get("top", [])}
    count = top.get(str(value).lower())
    if count is not None:
        return Input(feature, value, remark, share=count / rows)
    found = Input(feature, value, remark)
    rarer = column.get("distinct", 0) - len(column.get("top", []))
    if feature.kind is not Kind.CATEGORY or found.is_new or not top or rarer < 1:
        return found
    others = rows - column["missing"] - sum(count for _, count in column["top"])
    return replace(found, share=others / rows, rarer=rarer)
