"""The search around the settings of one family, by Optuna."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from training.ml.search.auto.portfolio import RANGES, Setting, draw, in_ranges
from training.ml.search.auto.race import Contender

# settings that are drawn at random before the others are chosen by what came before, known ones included
STARTUP_TRIALS = 8
# settings in a row, for each parameter of a family, without progress, after which its search ends
PATIENCE = 15
# settings in a row for which there was no time, after which the search ends
REFUSED = 5


class Step(NamedTuple):
    """What a setting is judged on: a level, and folds."""

    level: int
    folds: Sequence[int]


class Tuning:
    """The search around the settings of a family.

    Args:
        known: settings that were judged at a step; those of the family are what the search begins with.
    """

    def __init__(self, family: str, known: Iterable[Contender], step: Step, seed: int) -> None:
        import optuna  # imported here, because the import takes a second

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.family = family
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP_TRIALS)
        self.study = optuna.create_study(direction="maximize", sampler=sampler)
        for contender in known:
            if contender.setting.family == family:
                self.study.enqueue_trial(in_ranges(contender.setting))
                trial = self.study.ask()
                draw(trial, family)
                self.study.tell(trial, contender.score(*step))
        self.trial: optuna.Trial
        self.since = self.refused = 0

    @property
    def has_hope(self) -> bool:
        """Whether something better may be found."""
        return self.since < PATIENCE * len(RANGES[self.family])

    @property
    def has_time(self) -> bool:
        """Whether there was time for at least one of the last settings."""
        return self.refused < REFUSED

    def ask(self) -> Setting:
        """The next setting to judge."""
        self.trial = self.study.ask()
        return draw(self.trial, self.family)

    def tell(self, score: float, *, is_progress: bool) -> None:
        """Note the score of the last setting, and whether it was clearly better than all before."""
        self.study.tell(self.trial, score)
        self.since, self.refused = 0 if is_progress else self.since + 1, 0

    def give_up(self) -> None:
        """Note that there was no time to judge the last setting."""
        from optuna.trial import TrialState

        self.study.tell(self.trial, state=TrialState.FAIL)
        self.refused += 1
