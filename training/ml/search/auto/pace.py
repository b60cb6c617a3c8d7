"""How long fits will take on this machine as it is now, learned from the fits so far."""

from collections import defaultdict
from dataclasses import dataclass, field

from training.ml.search import cost
from training.ml.search.auto.portfolio import Setting, relative_work
from training.ml.search.cost import Size

# how much longer than a fit of the model of `cost` the first one may take
CAUTION = 2.0
# share of the rows of the largest fits from which others count as well
SIMILAR = 0.5


@dataclass
class Pace:
    """The seconds of fits, by family: what they took divided by what `cost` expects.

    Attributes:
        size: the size of the whole table.
    """

    size: Size
    known: dict[str, list[tuple[int, float]]] = field(default_factory=lambda: defaultdict(list))

    def expected(self, setting: Setting, rows: int) -> float:
        """The seconds of a fit on so many rows, with its preparation, on the machine of `cost`."""
        size = Size(rows, self.size.inputs, self.size.width, self.size.classes)
        work = relative_work(setting, self.size.width)
        return cost.fit_seconds(setting.family, size) * work

    def learn(self, setting: Setting, rows: int, seconds: float) -> None:
        """Note what a fit took."""
        self.known[setting.family].append((rows, seconds / self.expected(setting, rows)))

    def predict(self, setting: Setting, rows: int) -> float:
        """Return the seconds that a fit will take; fits on many rows say more about others than those on few."""
        return self.expected(setting, rows) * self._factor(setting.family)

    def _factor(self, family: str) -> float:
        factors = self.known.get(family)
        if factors:
            largest = max(rows for rows, _ in factors)
            alike = [factor for rows, factor in factors if rows >= SIMILAR * largest][-5:]
            return sum(alike) / len(alike)
        others = [self._factor(other) for other in self.known]
        return CAUTION * max([1.0, *others]) if others else CAUTION
