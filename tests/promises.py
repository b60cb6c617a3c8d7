"""A pytest plugin: which promises of the site the tests of this run have proved, a line for each."""

from collections import Counter

import pytest

PROMISES = {
    1: "what was acknowledged is in the log after a kill -9, once and the same",
    2: "a retry with the same Idempotency-Key makes no second prediction",
    3: "without PostgreSQL the answer is 503 in time; within 5 s all is well again",
    4: "predictions go on without Redis; accepted jobs finish though it was flushed",
    5: "workers killed anywhere: the same output, and one version per run",
    6: "one active version under racing activations, and none fails a prediction",
    7: "a changed, missing or swapped artifact is never served",
    8: "every bad input gets its documented answer",
    9: "every route stands in the role matrix",
    10: "a dump of the database holds no usable key",
    11: "a full disk loses nothing acknowledged, and needs no repair",
    12: "settings that lose commits are refused at the start",
}
_outcomes: dict[int, Counter[str]] = {number: Counter() for number in PROMISES}


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let each report of a test carry the numbers of its promises, also out of a process of pytest-xdist."""
    numbers = {int(number) for mark in item.iter_markers("promise") for number in mark.args}
    item.user_properties += [("promise", number) for number in sorted(numbers)]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note how each test of a promise ended; a fixture that fails counts like its test."""
    if report.when == "call" or report.outcome != "passed":
        for name, number in report.user_properties:
            if name == "promise":
                _outcomes[int(str(number))][report.outcome] += 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print a line for each promise."""
    terminalreporter.section("promises")
    for number, promise in PROMISES.items():
        found = _outcomes[number]
        word = "BROKEN" if found["failed"] else "kept" if found["passed"] else "not tried"
        counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(found.items()))
        terminalreporter.write_line(f"{number:>3}  {word:<9}  {promise} ({counts or 'no test'})")
