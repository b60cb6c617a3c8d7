"""What a version's metrics mean, in sentences."""

from typing import Any

from training.models import Classifier, Run, Version
from training.versions import verdict
from training.versions.verdict import Outcome

HELD_OUT = {
    "rows": 1000,
    "metrics": {"accuracy": 0.802},
    "intervals": {"accuracy": [0.78, 0.82]},
    "confusion": [[664, 71], [127, 138]],
    "per_class": [
        {"label": "No", "rows": 735, "recall": 0.9},
        {"label": "Yes", "rows": 265, "recall": 0.52},
    ],
    "curves": {
        "roc": [
            {
                "label": "Yes",
                "x": [0.0, 0.1, 0.5, 1.0],
                "y": [0.0, 0.6, 0.9, 1.0],
                "thresholds": [1.0, 0.5, 0.2, 0.0],
            }
        ]
    },
}


def version(positive: str | None = "Yes", **held_out: object) -> Version:
    contract: dict[str, Any] = {
        "target": "churn",
        "features": [],
        "classes": ["No", "Yes"],
        "left_out": {},
        "positive": positive,
    }
    return Version(
        classifier=Classifier(name="churn"),
        number=1,
        run=Run(recipe_data={"estimator": "random_forest"}),
        contract_data=contract,
        held_out={**HELD_OUT, **held_out},
        family="random_forest",
        threshold=0.5,
    )


def test_the_sentences_say_what_is_found_missed_and_worth_it() -> None:
    first, second, third, fourth = (text.replace("\u202f", " ") for text in verdict.sentences(version()))
    assert first == "It finds 52 % of all Yes; 66 % of the rows that it labels Yes are Yes."
    assert second == "Of 1,000 similar rows 138 are found, 71 are false alarms and 127 are missed."
    assert third == (
        "80.2 % of its labels are correct (95 % interval: 78.0 to 82.0 %); always answering No would be correct "
        "for 73.5 %."
    )
    assert fourth == "The best model of the search is: Random forest."


def test_a_version_that_is_no_better_than_one_answer_is_said_to_be_so() -> None:
    third = verdict.sentences(version(metrics={"accuracy": 0.7}, intervals={}))[2].replace("\u202f", " ")
    assert third == "70.0 % of its labels are correct, no more than by always answering No (73.5 %)."


def test_without_a_positive_class_the_weakest_class_is_named() -> None:
    assert "It finds Yes least often" in verdict.sentences(version(None))[1]
    assert verdict.trials(version(None)) == []


def test_another_threshold_changes_what_is_found() -> None:
    found = {round(trial.threshold, 2): trial.sentences for trial in verdict.trials(version())}
    assert len(found) == verdict.STEPS - 1
    assert found[0.5] == verdict.sentences(version())[:2]
    assert "It finds 60" in found[0.48][0]
    assert "It finds 60" in found[0.22][0]
    assert "It finds 90" in found[0.2][0]
    assert found[0.98] == ["It labels no row Yes, and so misses all 265 of 1,000 rows that are."]


def test_a_version_of_before_there_were_thresholds_has_no_slider() -> None:
    (curve,) = HELD_OUT["curves"]["roc"]  # type: ignore[index]
    early = {name: value for name, value in curve.items() if name != "thresholds"}
    assert verdict.trials(version(curves={"roc": [early]})) == []
    assert verdict.trials(version(curves={})) == []


def test_nothing_found_pays_at_no_cost() -> None:
    outcome = Outcome([[900, 0], [100, 0]], 1)
    assert (outcome.precision, outcome.pays_from) == (None, None)
