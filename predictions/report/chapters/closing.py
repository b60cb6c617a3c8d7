"""Summary, limits and reproduction."""

from clfsite.core.web import numbers
from predictions.monitoring import quality
from predictions.report.blocks import Block, Chapter, Heading, Items, Pairs, Report, Text, Tile, Tiles
from predictions.report.chapters.life import life_pairs
from predictions.report.chapters.training import command
from predictions.report.facts import LOOKED_AT, Facts
from training.templatetags.titles import estimator
from training.versions import model_card, verdict

WORDS = {
    "Classifier": "a name for a prediction task, with numbered versions, of which at most one is active",
    "Contract": "the inputs that a version accepts: names, kinds, categories, ranges and missing values",
    "Held out": "the fifth of the table that was not used for search and fit",
    "Cross-validation": "training on all folds except one and evaluating on that one, for each fold",
    "Threshold": "the probability from which a row gets the positive class",
    "Calibrated": "of the rows given a probability of 70 %, about 70 % are of the class",
    "Interval": "the range of a metric in 95 of 100 tables resampled from the rows",
}


def summary(facts: Facts) -> Chapter:
    """A summary on one page."""
    version = facts.version
    judged = facts.monitoring.quality
    blocks: list[Block] = [
        Text(
            f"{version.classifier} predicts {facts.contract.target} from "
            f"{numbers.count(len(facts.contract.features), 'input')}. Version {version.number} is a "
            f"{estimator(version.family or facts.run.recipe.estimator).lower()}, trained on {facts.dataset.rows:,} rows and "
            f"evaluated on {facts.held_out['rows']:,} held-out rows."
        ),
        Tiles(tiles(facts)),
        life_pairs(facts),
        Heading("Key points"),
        Items([*verdict.sentences(version), *_taken_home_live(facts)]),
    ]
    if judged.judged < quality.ENOUGH:
        blocks.append(Text("Until there is more feedback, only the held-out rows show how well it works."))
    return Chapter("summary", "Summary", blocks)


def tiles(facts: Facts) -> list[Tile]:
    """The four key figures."""
    metrics, judged = facts.version.metrics, facts.monitoring.quality
    intervals = facts.held_out.get("intervals") or {}
    bounds = intervals.get("roc_auc")
    return [
        Tile(
            "ROC-AUC",
            numbers.score(metrics["roc_auc"]),
            f"{bounds[0]:.3f} to {bounds[1]:.3f}" if bounds else "held out",
        ),
        Tile("Accuracy", numbers.percent(metrics["accuracy"]), "on held-out rows"),
        Tile(
            "Live accuracy",
            numbers.percent(judged.accuracy) if judged.judged else "none",
            f"of {numbers.count(judged.judged, 'prediction')} with feedback",
        ),
        Tile("Predictions", f"{facts.serving.predictions:,}", "by this version"),
    ]


def _taken_home_live(facts: Facts) -> list[str]:
    ranked = facts.held_out.get("importance") or []
    sentences = []
    if ranked:
        sentences.append(f"Its most important inputs are {', '.join(row['feature'] for row in ranked[:3])}.")
    within = facts.serving.within_ms(0.99) if facts.serving.predictions else None
    if within is not None:
        sentences.append(
            f"99{numbers.NARROW}% of its predictions were scored within {numbers.latency(within)}."
        )
    return sentences


def limits(facts: Facts) -> Chapter:
    """The limits of the version, as far as they follow from its metrics."""
    return Chapter(
        "limits",
        "Limits",
        [
            Text("Limits of this version:"),
            Items([*model_card.limits(facts.version), *_limits_in_use(facts)]),
            Heading("Limits of every version"),
            Items(
                [
                    (
                        "The held-out rows were drawn at random from the same table. They show how the "
                        "version works on similar rows, not on rows of next year or of another place."
                    ),
                    (
                        "The probabilities describe correlations in the table. They do not predict the "
                        "effect of changing an input."
                    ),
                    (
                        "This report does not show whether errors affect some groups of people more than "
                        "others. If that matters, evaluate the log for these groups first."
                    ),
                    (
                        "Feedback is not a random sample: whether and when a true label becomes known may "
                        "depend on the prediction."
                    ),
                    (
                        f"Warnings are counted in at most {LOOKED_AT:,} recent predictions. Latency "
                        "is estimated from a histogram."
                    ),
                ]
            ),
        ],
    )


def _limits_in_use(facts: Facts) -> list[str]:
    """The limits of the version that follow from feedback and the values of callers."""
    sentences = []
    moved = [column.name for column in facts.monitoring.evaluation.moved]
    if moved:
        sentences.append(
            f"The values of {', '.join(moved[:8])} differ from the training data: the metrics above may not "
            "hold for the rows of callers."
        )
    if facts.monitoring.quality.judged < quality.ENOUGH:
        sentences.append(
            f"Only {numbers.count(facts.monitoring.quality.judged, 'prediction')} with feedback: too few for "
            "a live accuracy."
        )
    return sentences


def reproduction(facts: Facts) -> Chapter:
    """How to reproduce the version, the sources of the figures, and a glossary."""
    return Chapter(
        "reproduction",
        "How to reproduce this",
        [
            Text(
                "The first command trains on a file, the second uses the table and the recipe stored in the "
                "site. With the releases listed under Training, both reproduce the model."
            ),
            command(facts),
            Text(
                f"This report was made on {numbers.moment(facts.made_at)} by "
                f"manage.py report --classifier {facts.version.classifier} --version {facts.version.number}. Every figure "
                "was read from the site's database: the dataset, the run, the version, the activations, the hourly counts of "
                "predictions, latency and feedback, and the latest logged predictions."
            ),
            Heading("Words"),
            Pairs(list(WORDS.items())),
        ],
    )


def title_page(facts: Facts, chapters: list[Chapter]) -> Report:
    """The report with its title page."""
    state = "active" if facts.is_active else "not active"
    return Report(
        title=f"{facts.version.classifier}, version {facts.version.number}",
        subtitle=f"Report on a classifier of {facts.contract.target}",
        made_at=numbers.moment(facts.made_at),
        facts=[
            ("Classifier", str(facts.version.classifier)),
            ("Version", f"{facts.version.number}, {state}"),
            ("Estimator", estimator(facts.version.family or facts.run.recipe.estimator)),
            ("Trained", numbers.moment(facts.version.created_at)),
            ("Dataset", f"{facts.dataset}, SHA-256 {facts.dataset.sha256[:16]}..."),
        ],
        tiles=tiles(facts),
        chapters=chapters,
    )
