"""Comparison of versions: their metrics, their differences, and limits of the comparison."""

from collections.abc import Callable, Sequence
from typing import Any, TypedDict

from clfsite.core.errors import InvalidInput, NotFound
from training.models import Version
from training.templatetags.titles import METRIC_TITLES

LEAST, MOST = 2, 6  # versions
# digits of a number that all databases can compare
LONGEST_NUMBER = 18


class Figure(TypedDict):
    """One metric of one version.

    `difference` is relative to the first version; `best` marks the highest value that only one version has, if all of them
    predict the same.
    """

    version: int
    value: float
    difference: float
    best: bool
    std: float | None
    interval: list[float] | None


class Metric(TypedDict):
    """One metric of all versions, in the given order."""

    metric: str
    cross_validation: list[Figure]
    held_out: list[Figure]


def chosen(written: Sequence[str]) -> list[Version]:
    """Return the versions with these ids, in this order, each with `active`.

    Raises:
        InvalidInput: the ids are not two to six different numbers.
        NotFound: one of the versions does not exist.
    """
    named = [text for text in written if text]
    for text in named:
        if not (text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER):
            raise InvalidInput(f"expected ids of versions, which are whole numbers, got {text[:40]!r}")
    ids = [int(text) for text in named]
    if not LEAST <= len(ids) <= MOST:
        raise InvalidInput(f"expected {LEAST} to {MOST} versions, got {len(ids)}")
    twice = [id_ for id_ in ids if ids.count(id_) > 1]
    if twice:
        raise InvalidInput(f"duplicate version {twice[0]}; list each version once")
    rows = Version.objects.with_active().select_related("classifier", "run__dataset")
    versions = rows.defer("golden", "artifacts", "run__candidates", "run__dataset__profile").in_bulk(ids)
    absent = [id_ for id_ in ids if id_ not in versions]
    if absent:
        raise NotFound(f"there is no version with the id {absent[0]}")
    return [versions[id_] for id_ in ids]


def metrics(versions: Sequence[Version]) -> list[Metric]:
    """Return all metrics of all versions, with the differences to the first version and marks for the best."""
    return [
        {
            "metric": name,
            "cross_validation": _figures(
                versions,
                lambda version, name=name: version.cross_validation[name]["mean"],
                std=lambda version, name=name: version.cross_validation[name]["std"],
            ),
            "held_out": _figures(
                versions,
                lambda version, name=name: version.metrics[name],
                interval=lambda version, name=name: version.held_out.get("intervals", {}).get(name),
            ),
        }
        for name in METRIC_TITLES
    ]


def _figures(
    versions: Sequence[Version],
    value: Callable[..., float],
    *,
    std: Callable[..., float | None] = lambda version: None,
    interval: Callable[..., list[float] | None] = lambda version: None,
) -> list[Figure]:
    values = [value(version) for version in versions]
    is_same = len(_asked(versions)) == 1
    return [
        {
            "version": version.pk,
            "value": figure,
            "difference": figure - values[0],
            "best": is_same and figure == max(values) and values.count(figure) == 1,
            "std": std(version),
            "interval": interval(version),
        }
        for version, figure in zip(versions, values, strict=True)
    ]


def _asked(versions: Sequence[Version]) -> set[tuple[str, tuple[str, ...]]]:
    """What these versions predict: target and classes."""
    return {(version.contract.target, version.contract.classes) for version in versions}


def remarks(versions: Sequence[Version]) -> list[str]:
    """Return the reasons why metrics and curves of these versions are not directly comparable."""
    texts = []
    first = versions[0]
    positives = dict.fromkeys(version.contract.positive for version in versions)
    tables = {version.run.dataset_id: str(version.run.dataset) for version in versions}
    folds = {version.run.recipe.folds for version in versions}
    if len(_asked(versions)) > 1:
        texts.append(
            "They predict different classes or different columns, so their metrics cannot be compared."
        )
    elif len(positives) > 1:
        named = ", ".join(
            f"{name} {version.contract.positive}"
            for name, version in zip(names(versions), versions, strict=True)
        )
        texts.append(
            f"Their positive classes differ ({named}): F1, precision and recall are about one class in one version and "
            "about the other in another."
        )
    if len(tables) > 1:
        texts.append(
            f"They were evaluated on held-out rows of different datasets ({', '.join(tables.values())}), so "
            "their metrics and curves are not strictly comparable: a difference may come from the rows."
        )
    elif len({version.run.recipe.seed for version in versions}) > 1:
        texts.append(
            f"They were evaluated on different fifths of {first.run.dataset}, because their seeds differ: a "
            "small difference "
            "may come from the rows."
        )
    if len(folds) > 1:
        texts.append(
            f"They were cross-validated over different numbers of folds ({', '.join(map(str, sorted(folds)))}): those with more folds were trained on more rows."
        )
    return texts


def names(versions: Sequence[Version]) -> list[str]:
    """Return short names of the versions, without the classifier's name if all have the same classifier."""
    if len({version.classifier_id for version in versions}) == 1:
        return [f"Version {version.number}" for version in versions]
    return [str(version) for version in versions]


def libraries(versions: Sequence[Version]) -> list[list[tuple[str, str, bool]]]:
    """Return the libraries of each version: name, release, and whether the releases differ between versions."""
    known = dict.fromkeys(name for version in versions for name in sorted(version.libraries))
    releases = {name: [version.libraries.get(name, "not recorded") for version in versions] for name in known}
    return [
        [(name, row[place], len(set(row)) > 1) for name, row in releases.items()]
        for place in range(len(versions))
    ]


def labels(versions: Sequence[Version]) -> list[str]:
    """Return the classes for which at least one version has curves, in the order of the versions."""
    curves = [curve for version in versions for curve in version.held_out.get("curves", {}).get("roc", [])]
    return list(dict.fromkeys(curve["label"] for curve in curves))


def as_dict(versions: Sequence[Version]) -> dict[str, Any]:
    """Return versions, metrics and remarks as the input of ComparisonSerializer."""
    return {"versions": versions, "metrics": metrics(versions), "remarks": remarks(versions)}
