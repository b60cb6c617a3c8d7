"""Whether rows as a whole differ from those of training, also where no single column does.

A classifier learns to tell the rows of one table from those of the other. If it can, for rows that it has not seen, the tables
differ; the ROC-AUC says how far.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from training.ml.tables.contract import WRITTEN, Contract, Kind
from training.ml.watch.bins import lengths_of
from training.ml.watch.shares import Share, around

if TYPE_CHECKING:
    import pandas as pd

# rows of either table; more say little more
MOST_ROWS = 2_000
FOLDS = 5
# ROC-AUC from which a difference matters
LEAST_AUC = 0.55
# probability of an ROC-AUC by chance, below which the tables differ
RATE = 0.01
# columns that tell the most
NAMED = 3


@dataclass(frozen=True)
class WholeTable:
    """How well a classifier tells the rows of two tables apart.

    Attributes:
        auc: of rows that the classifier has not seen; 0.5 if it cannot.
        p: probability of such an ROC-AUC by chance.
        columns: those that tell the most, the first most of all; empty if the tables do not differ.
    """

    auc: Share
    p: float
    columns: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Whether the tables differ by more than chance and by an amount that matters."""
        return self.p < RATE and self.auc.value > LEAST_AUC


def compare(
    then: "pd.DataFrame", now: "pd.DataFrame", contract: Contract, seed: int = 0
) -> WholeTable | None:
    """Compare two samples of rows as the contract prepares them; None if there is no column to compare.

    Dates are left out, because those of later rows are later.
    """
    # imported here, because scikit-learn slows down the start of the site
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.inspection import permutation_importance
    from sklearn.model_selection import StratifiedKFold

    from training.ml.judge.metrics import Ranked

    names = [feature.name for feature in contract.features if feature.kind is not Kind.DATE]
    if not names:
        return None
    parts = [table.sample(min(len(table), MOST_ROWS), random_state=seed) for table in (then, now)]
    X = np.column_stack(
        [_encoded([part[name].to_numpy() for part in parts], contract, name) for name in names]
    )
    is_now = np.repeat([False, True], [len(part) for part in parts])
    model = HistGradientBoostingClassifier(
        max_iter=60, max_leaf_nodes=16, min_samples_leaf=20, random_state=seed
    )
    aucs, variances = [], []
    for fit, rest in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(X, is_now):
        model.fit(X[fit], is_now[fit])
        aucs.append(Ranked(is_now[rest], model.predict_proba(X[rest])[:, 1]).auc())
        hits, misses = int(is_now[rest].sum()), int((~is_now[rest]).sum())
        variances.append((hits + misses + 1) / (12 * hits * misses))
        last = rest
    auc, variance = float(np.mean(aucs)), sum(variances) / FOLDS**2
    p = 0.5 * math.erfc((auc - 0.5) / math.sqrt(2 * variance))
    found = WholeTable(around(auc, variance, len(X)), p, ())
    if not found.differs:
        return found
    drop = permutation_importance(
        model, X[last], is_now[last], scoring="roc_auc", n_repeats=2, random_state=seed
    )
    telling = drop.importances_mean
    best = np.argsort(-telling, kind="stable")[:NAMED]
    return WholeTable(found.auc, p, tuple(names[place] for place in best if telling[place] > 0))


def _encoded(parts: Sequence[NDArray[Any]], contract: Contract, name: str) -> NDArray[np.float64]:
    """The values of both tables as numbers; categories by frequency, texts by length, NaN where missing."""
    import pandas as pd

    (feature,) = (feature for feature in contract.features if feature.name == name)
    values = np.concatenate(parts)
    if feature.kind is Kind.TEXT:
        return lengths_of(values)
    if feature.kind in WRITTEN:
        column = pd.Series(values, dtype=object)
        counts = column.value_counts()
        # Equally frequent values are ordered by a checksum: in the order of the rows, rare ones would tell the table.
        ranked = sorted(counts.index, key=lambda value: (-counts[value], crc32(str(value).encode())))
        order = {value: float(place) for place, value in enumerate(ranked)}
        return np.asarray(column.map(order), dtype=np.float64)
    return np.asarray(values, dtype=np.float64)
