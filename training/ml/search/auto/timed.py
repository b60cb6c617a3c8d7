"""The search `portfolio`: proven settings of all families first, then a search around the best, for as long as it may take.

The budget of minutes is that of the whole training. Each fit is predicted before it is begun, from the fits so far, and
time is kept for what follows the search, see `Clock`. A large table is searched on growing samples of its rows.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from training.ml.judge.importance import BUDGET_SECONDS, EFFORTS
from training.ml.progress import Progress
from training.ml.search.auto import mixing
from training.ml.search.auto.mixing import MOST_MEMBERS, Mix
from training.ml.search.auto.portfolio import RANGES, settings
from training.ml.search.auto.race import Contender, Race
from training.ml.search.auto.tuning import Step, Tuning
from training.ml.search.families import MIX
from training.ml.search.nested_forests import Given
from training.ml.search.recipe import HOLD_OUT
from training.ml.search.searches import BudgetSpent, Candidate, Mixed, SearchResult, Task

# seconds of what follows a search, of any table and for each held-out row: judging, compiling and saving
AFTER_SECONDS, AFTER_ROW = 1.0, 40e-6
# how often a model predicts the held-out rows
AFTER_PASSES = 5
# part of the budget in which the importance of inputs is measured, at most
IMPORTANCE = 0.06
# part of the time of the search that the first fit may take
FIRST = 0.1
# parts of the time of the search after which the portfolio was judged on samples, on all rows, and on all folds
SAMPLES, PROVEN, COMPLETE = 0.3, 0.5, 0.7
# part of the budget in which the members of a mix are fitted, beside the best setting, and seconds to choose them
MIXED, CHOICE_SECONDS = 0.1, 0.5
# a fit for the version takes up to so much longer than predicted, and is short if it takes this part of the budget
MARGIN, SHORT = 1.2, 0.05
# settings that are kept from one level for the next, as a part of those judged
KEPT = 0.5
# families around whose settings the search goes on
FAMILIES_SEARCHED = 2
# how far the score of a family may be behind that of the best one
WITHIN_REACH = 0.03
# how much better a score must be to count as progress; less is chance
PROGRESS = 0.0005
# fits that a search at a level has time for, at least; if it has less, the level before is searched
TRIALS = 12
# settings that are judged on all folds at the end, if there is time
FINALISTS = 6
# part of the time of the tuning that is kept to judge the finalists
FINAL = 0.35
# best settings of each family that may be members of a mix
OF_A_FAMILY = 4
# candidates that a run shows, beside the best one of each family
SHOWN = 100
REPORT_SECONDS = 0.5


class Clock:
    """The time that is left for the search: the budget, less what follows the search.

    Attributes:
        budget: the seconds of the whole training.
        ends: the time on the task's clock at which it should end.
    """

    def __init__(self, task: Task, began: float) -> None:
        self.task = task
        self.budget = 60 * (task.recipe.budget_minutes or math.inf)
        self.ends = began + self.budget
        self.held_out = round(len(task.y) * HOLD_OUT / (1 - HOLD_OUT))
        most = EFFORTS[0]
        # rows that are scored for the importance of inputs, at most
        self.shuffled = len(task.contract.features) * most.repeats * min(self.held_out, most.rows)
        self.reserved = AFTER_SECONDS + AFTER_ROW * self.held_out + IMPORTANCE * self.budget

    @property
    def left(self) -> float:
        """The seconds left."""
        return self.ends - self.task.clock() - self.reserved

    @property
    def is_over(self) -> bool:
        return self.left <= 0

    @property
    def is_stopped(self) -> bool:
        """Whether a person asked to end the search, after which the clock is far beyond the end."""
        return self.left < -2 * self.budget

    def after(self, contender: Contender, refit: float, delay: float) -> float:
        """The seconds of what follows if a setting wins.

        Args:
            refit: those of its last fit.
            delay: how much longer everything takes because of other work on the machine.
        """
        rows = AFTER_ROW * delay + AFTER_PASSES * contender.seconds_per_row
        importance = min(
            IMPORTANCE * self.budget, self.shuffled * (AFTER_ROW * delay + contender.seconds_per_row)
        )
        return AFTER_SECONDS * delay + self.held_out * rows + importance + refit * MARGIN


def find(task: Task, began: float, report: Callable[[Progress], None]) -> tuple[SearchResult, int]:
    """Search until the time is used, or nothing better is found for long.

    Args:
        began: the time on the task's clock at which the whole training began.

    Returns:
        (the result, the number of fits). Rows on whose fold the winner was not judged have no probabilities: NaN.
    """
    return Search(task, began, report).run()


class Search:
    """One search, see `find`."""

    def __init__(self, task: Task, began: float, report: Callable[[Progress], None]) -> None:
        self.task = task
        self.clock = Clock(task, began)
        self.began, self.whole = time.monotonic(), max(self.clock.left, 1e-9)
        self.race = Race(task, self._is_over, self._report)
        self.note, self.noted = report, 0.0
        self.contenders: list[Contender] = []
        self.all_folds = list(range(task.recipe.folds))
        self.warnings: list[str] = []

    def run(self) -> tuple[SearchResult, int]:
        self._portfolio()
        self._tune()
        self._complete()
        best, done = self.best, self.race.fits
        # the best one first, although others may have been judged on more folds
        ranked = sorted(
            self._judged(), key=lambda contender: (contender is best, *contender.order), reverse=True
        )
        candidates = _shown([_candidate(contender, rank) for rank, contender in enumerate(ranked, start=1)])
        proba = self._joined(
            best.level, {fold: best.probas[best.level, fold] for fold in best.folds(best.level)}
        )
        single = SearchResult(
            candidates,
            proba,
            rows=self._rows(best),
            importance_seconds=min(BUDGET_SECONDS, IMPORTANCE * self.clock.budget / self.race.delay),
            warnings=self._told(),
        )
        found = self._mixed(single, self._mixable(ranked[:SHOWN]), lambda: self.clock.is_over)
        self.note(Progress(done, done, found.candidates[0].mean))
        return found, done

    @property
    def best(self) -> Contender:
        """The best setting so far: of those judged on the most rows and folds, unless another is clearly better on fewer folds."""
        best = max(self._judged(), key=lambda contender: contender.order)
        level = best.level
        for contender in self._judged():
            shared = [fold for fold in best.folds(level) if fold in contender.folds(level)]
            if shared and contender.score(level, shared) - best.score(level, shared) > best.spread(level):
                best = contender
        return best

    def _judged(self) -> list[Contender]:
        return [contender for contender in self.contenders if contender.level >= 0]

    def _rows(self, best: Contender) -> NDArray[np.intp] | None:
        """The rows on which there is time to fit the best setting; None for all."""
        rows = len(self.task.y)
        left, refit = self.clock.left + self.clock.reserved, self._refit(best) * MARGIN
        fewer = round(rows * (left - self._after(best) + refit) / refit)
        # a person who asks to end the search early waits for the fit
        if fewer >= rows or refit < SHORT * self.clock.budget or self.clock.is_stopped:
            return None
        fewer = max(fewer, self.race.levels[best.level])
        self.warnings.append(
            f"the best setting was fitted on {fewer:,} of {rows:,} rows, because time ran out"
        )
        return self.race.ordered(np.arange(rows))[:fewer]

    def _is_over(self) -> bool:
        """Whether to break off a fit; the first one is finished in any case."""
        return self.clock.is_over and self.race.fits > 0

    def _told(self) -> list[str]:
        folds = len(self.best.folds(self.best.level))
        if folds < len(self.all_folds):
            self.warnings.append(
                f"the best setting was judged on {folds} of {len(self.all_folds)} folds, because time ran out"
            )
        return self.warnings

    # the portfolio

    def _portfolio(self) -> None:
        """Judge the portfolio on samples, and the better part of it on all rows."""
        field = self._field()
        self.contenders = list(field)
        for level in range(self.race.last):
            limit = self._limit(SAMPLES * (level + 1) / self.race.last)
            for contender in field:
                self._judge(contender, self._start(level), until=limit)
            done = [contender for contender in field if contender.level == level]
            if not done:
                break
            field = sorted(done, key=lambda contender: -contender.score(level))
            field = field[: max(2, math.ceil(len(field) * KEPT))]
        limit, last = self._limit(PROVEN), self.race.last
        for contender in field:
            self._judge(contender, self._start(last), until=limit)
        started = [contender for contender in field if contender.level == last]
        for contender in sorted(started, key=lambda item: -item.score(*self._start(last))):
            if self._is_cheap(contender):
                self._judge(contender, Step(last, self.all_folds), until=self._limit(COMPLETE))

    def _field(self) -> list[Contender]:
        """The portfolio in its order, begun with the cheapest setting if the first may take too long, as with many classes."""
        field = [Contender(setting) for setting in settings()]

        def seconds(contender: Contender) -> float:
            return self.race.predict(contender.setting, 0)

        if seconds(field[0]) > FIRST * self.whole:
            field.insert(0, field.pop(field.index(min(field, key=seconds))))
        return field

    def _is_cheap(self, contender: Contender) -> bool:
        """Whether a part of the time is enough to judge a few settings like this one on all folds."""
        seconds = self.race.predict(contender.setting, self.race.last) * len(self.all_folds)
        return seconds * MOST_MEMBERS < self.whole * PROVEN

    def _start(self, level: int) -> Step:
        """What a setting is judged on first at a level."""
        return Step(level, self.race.first_folds(level))

    def _limit(self, share: float) -> float:
        """The seconds that must be left when this share of the search is over."""
        return self.whole * (1 - share)

    def _judge(self, contender: Contender, step: Step, *, until: float = 0.0) -> bool:
        """Judge a setting on folds, unless the time is over before; the first setting of all is judged in any case.

        Args:
            until: the seconds that are to be left after it.
        """
        missing = [fold for fold in step.folds if (step.level, fold) not in contender.scores]
        for wave in _waves(missing, len(self.race.first_folds(step.level))):
            seconds = self.race.predict(contender.setting, step.level) * len(wave)
            is_first = not self._judged()
            if not self._has_fits(len(wave)):
                return False
            if not is_first and seconds > self.clock.left - until - self._more_reserve(contender):
                return False
            try:
                self.race.judge(contender, step.level, wave)
            except BudgetSpent:
                return False
            self._reserve()
        return True

    def _more_reserve(self, contender: Contender) -> float:
        """The seconds by which what follows the search takes longer if this setting wins."""
        return max(0.0, self._after(contender) - self.clock.reserved)

    def _after(self, contender: Contender) -> float:
        """The seconds of what follows the search if this setting wins."""
        return self.clock.after(contender, self._refit(contender), self.race.delay)

    def _refit(self, contender: Contender) -> float:
        """The seconds of a fit on all rows of the training."""
        return self.race.pace.predict(contender.setting, len(self.task.y))

    def _reserve(self) -> None:
        self.clock.reserved = self._after(self.best)

    # the search around the best

    def _tune(self) -> None:
        """Search around the best families, at the level that leaves time for several settings."""
        if self.clock.is_over:
            return
        step = self._step_of_tuning()
        known = self._known(step)
        kept = self._mix_seconds()
        if len(step.folds) < len(self.all_folds):
            kept += self.clock.left * FINAL
        reached = top = max(contender.score(*step) for contender in known)
        tunings = [Tuning(family, known, step, self.task.recipe.seed) for family in self._families(step)]
        has_time = True
        while tunings and not self._is_spent(step, kept):
            tuning = tunings.pop(0)
            contender = Contender(tuning.ask())
            if not self._try(contender, step, known, until=kept):
                tuning.give_up()
                tunings += [tuning] * tuning.has_time
                has_time &= tuning.has_time
                continue
            self.contenders.append(contender)
            is_better = False
            if len(contender.folds(step.level)) == len(step.folds):
                known.append(contender)
                is_better = contender.score(*step) > top
            is_progress = is_better and contender.score(*step) > reached + PROGRESS
            tuning.tell(contender.score(step.level), is_progress=is_progress)
            tunings.insert(0 if is_better else len(tunings), tuning)
            tunings = [item for item in tunings if item.has_hope]
            if is_progress:
                reached = contender.score(*step)
            if is_better:
                top = contender.score(*step)
                self._judge(contender, self._start(self.race.last), until=kept)
        if not tunings and has_time:
            self.warnings.append("the search ended early, because many settings in a row were hardly better")

    def _known(self, step: Step) -> list[Contender]:
        """The settings that were judged at such a step."""
        return [item for item in self._judged() if set(step.folds) <= set(item.folds(step.level))]

    def _is_spent(self, step: Step, kept: float) -> bool:
        """Whether no more settings can be judged at a step within the budgets."""
        fastest = min(self.race.predict(contender.setting, step.level) for contender in self._judged())
        return self.clock.left - kept < fastest or not self._has_fits(len(step.folds))

    def _has_fits(self, count: int) -> bool:
        """Whether so many fits are within the budget of fits."""
        most = self.task.recipe.max_fits
        return most is None or self.race.fits + count <= most

    def _step_of_tuning(self) -> Step:
        """The most rows and folds on which there is time for some settings, and on which others were judged."""
        possible = [step for step in self._steps() if self._known(step)]
        for step in possible:
            seconds = self.race.predict(self.best.setting, step.level) * len(step.folds)
            if seconds * TRIALS < self.clock.left:
                return step
        return possible[-1]

    def _steps(self) -> list[Step]:
        """All that settings are judged on, the most rows and folds first."""
        steps = [Step(self.race.last, self.all_folds)]
        return steps + [self._start(level) for level in range(self.race.last, -1, -1)]

    def _families(self, step: Step) -> list[str]:
        """The families of the best settings at a step, the best one first, without those that are far behind."""
        ordered = sorted(self._known(step), key=lambda contender: -contender.score(*step))
        least = ordered[0].score(*step) - WITHIN_REACH
        near = [contender for contender in ordered if contender.score(*step) >= least]
        families = dict.fromkeys(contender.setting.family for contender in near)
        return [family for family in families if family in RANGES][:FAMILIES_SEARCHED]

    def _try(self, contender: Contender, step: Step, known: Sequence[Contender], *, until: float) -> bool:
        """Judge a setting fold by fold, and give it up when it is behind half of the others."""
        for wave in _waves(step.folds, self.task.jobs):
            if not self._judge(contender, Step(step.level, wave), until=until):
                return False
            done = contender.folds(step.level)
            others = [other.score(step.level, done) for other in known]
            if len(done) < len(step.folds) and contender.score(step.level) < float(np.median(others)):
                return True
        return True

    # the end

    def _complete(self) -> None:
        """Judge the best settings on all rows and folds, as far as time allows."""
        finalists = sorted(
            self._judged(), key=lambda item: (item.level, item.score(*self._start(item.level))), reverse=True
        )
        for contender in finalists[:FINALISTS]:
            self._judge(contender, Step(self.race.last, self.all_folds), until=self._mix_seconds())

    def _mix_seconds(self) -> float:
        """The seconds to choose and fit a mix beside the best setting; 0 if that is too long."""
        best = sorted(self._judged(), key=lambda item: item.order, reverse=True)[:MOST_MEMBERS]
        refits = sum(self._refit(item) for item in best) * MARGIN
        return CHOICE_SECONDS * self.race.delay + refits if refits < MIXED * self.clock.budget else 0.0

    def _mixable(self, ranked: Sequence[Contender]) -> list[Contender]:
        """Return the settings that may be members of a mix, none if there is no time for it."""
        last = self.race.last
        complete = [item for item in ranked if item.level == last and item.folds(last) == self.all_folds]
        # settings alike add little to each other, so each family has only its best ones
        few: list[Contender] = []
        for item in complete:
            if sum(other.setting.family == item.setting.family for other in few) < OF_A_FAMILY:
                few.append(item)
        left = MIXED * self.clock.budget if self._mix_seconds() else 0.0
        few = [item for item in few if self._refit(item) * MARGIN * MOST_MEMBERS < 2 * left]
        return [] if self.clock.is_stopped or self.best not in few else few

    def _mixed(
        self, single: SearchResult, few: Sequence[Contender], is_over: Callable[[], bool]
    ) -> SearchResult:
        """Return a result with a mix of some settings before the others; the same one if none beats the best setting."""
        if len(few) < 2:  # noqa: PLR2004
            return single
        last, folds, y = self.race.last, self.all_folds, self.task.y
        truths = [y[self.race.places(last, fold)] for fold in folds]

        def score(fold: int, proba: NDArray[np.float64]) -> float:
            given = Given(self.race.classes, proba, MIX)
            return self.task.scorer(given, self.task.X.iloc[self.race.places(last, fold)], truths[fold])

        mix = mixing.choose([[item.probas[last, fold] for fold in folds] for item in few], score, is_over)
        if mix is None:
            return single
        places = list(mix.weights)
        members = [few[place] for place in places]

        def without(place: int) -> SearchResult:
            kept = [member for member in members if member is not members[place]]
            return self._mixed(single, kept, lambda: False)

        return replace(
            single,
            candidates=[
                _candidate_of(members, mix),
                *(replace(candidate, rank=candidate.rank + 1) for candidate in single.candidates),
            ],
            proba=self._joined(last, dict(enumerate(mix.probas))),
            mixed=Mixed(places.index(mix.best), without),
        )

    def _joined(self, level: int, probas: Mapping[int, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return the probabilities by fold in the order of the rows, NaN where there are none."""
        joined = np.full((len(self.task.y), len(self.race.classes)), np.nan)
        for fold, proba in probas.items():
            joined[self.race.places(level, fold)] = proba
        return joined

    def _report(self) -> None:
        now = time.monotonic()
        if now - self.noted < REPORT_SECONDS:
            return
        self.noted = now
        done = self.race.fits
        spent = now - self.began
        total = done + round(done / max(spent, 1e-3) * max(min(self.clock.left, self.whole), 0.0))
        self.note(Progress(done, total, self._best_score()))

    def _best_score(self) -> float | None:
        """The best score on the most rows and folds on which a setting was judged; None before the first.

        Scores of settings that were judged on others are not compared, so this one falls only where more rows or folds
        are used.
        """
        for step in self._steps():
            if known := self._known(step):
                return max(contender.score(*step) for contender in known)
        return None


def _waves(folds: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for first in range(0, len(folds), size):
        yield folds[first : first + size]


def _shown(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The first candidates, and the best one of each family."""
    firsts: dict[str, int] = {}
    for candidate in candidates:
        firsts.setdefault(candidate.family, candidate.rank)
    return [item for item in candidates if item.rank <= SHOWN or item.rank == firsts[item.family]]


def _candidate(contender: Contender, rank: int) -> Candidate:
    level = contender.level
    scores = [contender.scores[level, fold] for fold in contender.folds(level)]
    return Candidate(
        family=contender.setting.family,
        params=dict(contender.setting.params),
        mean=float(np.mean(scores)),
        std=float(np.std(scores)),
        rank=rank,
        seconds=contender.seconds,
    )


def _candidate_of(members: Sequence[Contender], mix: Mix) -> Candidate:
    described = [
        {"family": member.setting.family, "params": dict(member.setting.params), "weight": weight}
        for member, weight in zip(members, mix.weights.values(), strict=True)
    ]
    return Candidate(
        family=MIX,
        params={"members": described},
        mean=float(np.mean(mix.scores)),
        std=float(np.std(mix.scores)),
        rank=1,
        seconds=sum(member.seconds for member in members),
    )
