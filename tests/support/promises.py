"""A pytest plugin that prints a line for each promise of the site: kept, BROKEN or not tried."""

from collections import Counter

import pytest

from tests.checklist import PROMISES

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
        result = _outcomes[number]
        word = "BROKEN" if result["failed"] else "kept" if result["passed"] else "not tried"
        counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(result.items()))
        terminalreporter.write_line(f"{number:>3}  {word:<9}  {promise} ({counts or 'no test'})")
