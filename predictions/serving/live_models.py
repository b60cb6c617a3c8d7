"""The active versions of this process: loaded once, verified, and replaced after an activation."""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

import orjson
from django.db.models import Max
from django.utils.asyncio import async_unsafe

from clfsite.core.errors import Conflict, NotFound, ProblemError, Unavailable
from predictions.serving import metrics
from training.ml.tables.contract import Contract
from training.ml.watch.bins import Binner
from training.models import Activation, Classifier, Version

if TYPE_CHECKING:
    from training.ml.serve.loaded_model import LoadedModel

logger = logging.getLogger(__name__)

# seconds until an activation is noticed; the promise is 2
CHECK_SECONDS = 1.0
# seconds until a version that could not be loaded is tried again, because its storage may be back
RETRY_SECONDS = 5.0
PINNED = 8


@dataclass(frozen=True)
class Live:
    """A loaded version with the data of its rows that serving needs."""

    classifier: str
    is_default: bool
    strict: bool
    version_id: int
    number: int
    metrics: dict[str, float]
    loaded: "LoadedModel"
    activation_id: int | None
    activated_at: datetime | None
    binner: Binner
    # the level of the sets in answers, 0 for none, and the least probability of each class; None without sets
    set_level: float = 0
    least: Sequence[float] | None = None

    @property
    def contract(self) -> Contract:
        return self.loaded.contract

    @cached_property
    def places(self) -> dict[str, int]:
        """Each class's position among the probabilities."""
        return {label: place for place, label in enumerate(self.contract.classes)}

    def write_shares(self, proba: Sequence[Sequence[float]]) -> list[str]:
        """The probabilities of each row, given in the order of the classes, as a JSON object."""
        return [self._shares % tuple(row) for row in proba]

    @cached_property
    def _shares(self) -> str:
        names = (orjson.dumps(label).decode().replace("%", "%%") for label in self.contract.classes)
        return "{" + ",".join(f"{name}:%r" for name in names) + "}"


class LiveModels:
    """The loaded versions of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._active: dict[str, Live] = {}
        self._pinned: dict[tuple[str, int], Live] = {}
        self._pins = threading.Lock()
        self._checked = self._loaded = 0.0
        self._state: object = None
        self._is_followed = False
        self.problems: dict[str, str] = {}

    def get(self, model: str | None = None, version: int | None = None) -> Live:
        """Return the active or the pinned version.

        Args:
            model: a classifier's name; the default classifier where None.
            version: a number that pins it; the active one where None.

        Raises:
            NotFound: the classifier or version does not exist. Unavailable: no version is active, or it
            cannot be loaded.
        """
        self._catch_up()
        live = self._active.get(model) if model else self._default()
        if version is not None:
            name = model or (live.classifier if live else self._default_name())
            return live if live and live.number == version else self._pin(name, version)
        if live:
            return live
        if model:
            _check_served(model)
        name = model or "any classifier"
        problem = self.problems.get(model or self._default_name())
        raise Unavailable(problem or f"no version of {name} is active; train one and activate it")

    def all(self) -> list[Live]:
        """Every classifier's active version, the default first."""
        self._catch_up()
        return sorted(self._active.values(), key=lambda live: (not live.is_default, live.classifier))

    def forget(self) -> None:
        """Drop all loaded versions; the next call reads the database again."""
        with self._lock:
            self._active, self._pinned, self.problems = {}, {}, {}
            self._checked, self._state, self._is_followed = 0.0, None, False

    def _default(self) -> Live | None:
        return next((live for live in self._active.values() if live.is_default), None)

    def _default_name(self) -> str:
        return Classifier.objects.filter(is_default=True).values_list("name", flat=True).first() or ""

    def look(self) -> None:
        """Look for new activations now, for a page that is opened right after one."""
        with self._lock:
            self._look()

    def refresh(self) -> None:
        """Look for new activations and load them. Until then, requests use the loaded versions.

        After the first call, requests do not look for activations themselves.
        """
        self.look()
        self._is_followed = True

    def _catch_up(self) -> None:
        """Look for new activations at most once a second, if no thread does."""
        if self._state is not None and (
            self._is_followed or time.monotonic() - self._checked < CHECK_SECONDS
        ):
            return
        self._look_once()

    @async_unsafe("versions are looked up in a thread")
    def _look_once(self) -> None:
        # while one thread loads, the others use the previous version
        if not self._lock.acquire(blocking=self._state is None):
            return
        try:
            self._look()
        finally:
            self._lock.release()

    def _look(self) -> None:
        state, now = self._read_state(), time.monotonic()
        if state != self._state or (self.problems and now - self._loaded > RETRY_SECONDS):
            self._reload()
            self._state, self._loaded = state, now
        self._checked = now

    def _read_state(self) -> object:
        newest = Activation.objects.aggregate(newest=Max("id"))["newest"]
        archived = Version.objects.aggregate(newest=Max("archived_at"))["newest"]
        served = Classifier.objects.filter(archived_at=None)
        return newest, archived, tuple(served.values_list("id", "is_default", "strict", "set_level"))

    def _reload(self) -> None:
        active: dict[str, Live] = {}
        for classifier in Classifier.objects.filter(archived_at=None):
            activation = classifier.activation
            if activation is None:
                continue
            before = self._active.get(classifier.name)
            try:
                active[classifier.name] = self._load(classifier, activation.version, activation, before)
                self.problems.pop(classifier.name, None)
            except ProblemError as error:
                logger.exception("%s stays as it was", classifier)
                self.problems[classifier.name] = str(error)
                if before:
                    active[classifier.name] = before
        self._active = active
        with self._pins:
            # one of them may be archived now
            self._pinned = {}
        metrics.faulty_classifiers.set(len(self.problems))

    def _load(
        self, classifier: Classifier, version: Version, activation: Activation | None, before: Live | None
    ) -> Live:
        from training.versions.registry import (
            # imported here because it loads scikit-learn, which a site without a version does not need
            load_model,
        )

        known = before if before and before.version_id == version.pk else None
        loaded = known.loaded if known else load_model(version)
        if activation:
            costs = activation.costs
            loaded = loaded.deciding(activation.threshold_in_force, costs.matrix if costs else None)
        return Live(
            classifier=classifier.name,
            is_default=classifier.is_default,
            strict=classifier.strict or loaded.contract.strict,
            version_id=version.pk,
            number=version.number,
            metrics=version.metrics,
            loaded=loaded,
            activation_id=activation.pk if activation else None,
            activated_at=activation.created_at if activation else None,
            binner=known.binner if known else Binner(version.reference.bins, loaded.contract),
            set_level=classifier.set_level,
            least=version.least_probabilities(classifier.set_level),
        )

    def _pin(self, model: str, number: int) -> Live:
        kept = self._pinned.get((model, number))
        if kept:
            return kept
        version = (
            Version.objects.select_related("classifier").filter(classifier__name=model, number=number).first()
        )
        if version is None:
            raise NotFound(f"there is no version {number} of {model[:100]!r}")
        if version.archived_at or version.classifier.archived_at:
            raise NotFound(f"version {number} of {model} is archived; restore it to use it")
        try:
            live = self._load(version.classifier, version, None, None)
        except Conflict as error:
            raise Unavailable(str(error)) from error
        with self._pins:
            while len(self._pinned) >= PINNED:
                self._pinned.pop(next(iter(self._pinned)))
            self._pinned[model, number] = live
        return live


def _check_served(model: str) -> None:
    """Raise NotFound unless the classifier exists and is not archived."""
    row = None if "\x00" in model else Classifier.objects.filter(name=model).only("archived_at").first()
    if row is None:
        raise NotFound(f"there is no classifier {model[:100]!r}; /info lists the classifiers")
    if row.archived_at:
        raise NotFound(f"the classifier {model} is archived; restore it to use it")


live_models = LiveModels()
