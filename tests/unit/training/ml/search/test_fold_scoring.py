"""The journal of a search: what its lines say of how far the search is."""

import json
from pathlib import Path

import pytest

from training.ml.progress import Progress
from training.ml.search.fold_scoring import ROUND, note, read


def lines(*scores: tuple[str, float]) -> list[str]:
    return [json.dumps(score) for score in scores]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ([], Progress(0, 6, None)),
        (lines(("a", 1.0)), Progress(1, 6, None)),
        (lines(("a", 1.0), ("b", 0.5), ("a", 0.6)), Progress(3, 6, 0.8)),
        (lines(("a", 0.8), ("a", 0.8), ("b", 0.5), ("b", 0.7)), Progress(4, 6, 0.8)),
        ([*lines(("a", 1.0), ("a", 1.0)), ROUND, *lines(("a", 0.5))], Progress(3, 6, 1.0)),
        ([*lines(("a", 1.0), ("a", 1.0)), ROUND, *lines(("a", 0.5), ("a", 0.7))], Progress(4, 6, 0.6)),
        (lines(*[("a", 0.5), ("a", 0.7)] * 4), Progress(8, 8, 0.6)),
    ],
    ids=[
        "nothing yet",
        "a fold is no score of a setting",
        "folds of settings side by side",
        "the best of two settings",
        "a new round keeps the old score while it has none",
        "a new round on more rows counts alone, be it lower",
        "more fits than planned",
    ],
)
def test_best_is_the_mean_over_all_folds_of_a_setting_in_the_latest_round(
    written: list[str], expected: Progress, tmp_path: Path
) -> None:
    journal = tmp_path / "scores"
    journal.touch()
    for line in written:
        note(str(journal), line)
    result = read(journal, 6, folds=2)
    assert (result.done, result.total) == (expected.done, expected.total)
    assert result.best == (None if expected.best is None else pytest.approx(expected.best))


def test_line_half_written_is_left_for_the_next_look(tmp_path: Path) -> None:
    journal = tmp_path / "scores"
    journal.write_text('["a", 0.5]\n["a", 0.')
    assert read(journal, 6, folds=1) == Progress(1, 6, 0.5)
