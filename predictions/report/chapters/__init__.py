"""The report's chapters, in order: pure functions from facts to blocks."""

from predictions.report.blocks import Report
from predictions.report.chapters import closing, data, judgement, life, monitoring, training
from predictions.report.facts import Facts


def write(facts: Facts) -> Report:
    """Write the chapters on a version."""
    chapters = [
        closing.summary(facts),
        data.data(facts),
        data.contract(facts),
        training.training(facts),
        training.search(facts),
        judgement.evaluation(facts),
        judgement.threshold(facts),
        life.versions(facts),
        life.serving(facts),
        monitoring.monitoring(facts),
        closing.limits(facts),
        closing.reproduction(facts),
    ]
    return closing.title_page(facts, chapters)
