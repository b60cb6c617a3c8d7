"""Training, evaluation and scoring in plain Python: the eight names that a notebook needs.

Everything else in this package may change between releases. The names import their modules on first use,
so a process that only reads contracts does not wait for scikit-learn.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from training.ml.files.loading import read_table as read_table
    from training.ml.judge.evaluation import evaluate as evaluate
    from training.ml.saved import load as load
    from training.ml.saved import save as save
    from training.ml.search.recipe import Recipe as Recipe
    from training.ml.tables.corrections import Corrections as Corrections
    from training.ml.tables.inference import infer as infer
    from training.ml.trainer import train as train

_MODULES = {
    "read_table": "files.loading",
    "infer": "tables.inference",
    "Corrections": "tables.corrections",
    "Recipe": "search.recipe",
    "train": "trainer",
    "evaluate": "judge.evaluation",
    "save": "saved",
    "load": "saved",
}
__all__ = list(_MODULES)


# Threads of OpenMP that wait for each other sleep, instead of spinning. On a machine that does other work as well, boosting
# with two threads otherwise takes several times as long as with one. OpenMP reads this when scikit-learn is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
