"""The page: which sections there are, in which order, and the templates that they are made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from headstart.backbones.card import Card
from headstart.classifier.comparison import Comparison, Entry, label
from headstart.classifier.trained import Training
from headstart.evaluation.metrics import Evaluation
from headstart.evaluation.results import PhotoCounts
from headstart.heads.head import HeadChoice
from headstart.report.geometry import MATRIX_CLASSES, shades, span_of
from headstart.report.html import charts, figures
from headstart.report.html.cost import cost
from headstart.report.html.labels import shortened
from headstart.report.html.machine import here
from headstart.report.html.markup import breakable, foreign, printable
from headstart.report.html.short_paths import command_line, shortener
from headstart.report.html.thumbnail import file_name, heat, plain, thumbnail
from headstart.report.text.evaluation import against_text
from headstart.safety.printable import percent

_HERE = Path(__file__).parent
#: Anchors of the sections and what the list of contents calls them, in their order; each has a template.
_SECTIONS = {
    "backbones": "Backbones",
    "cost": "Speed",
    "against": "Old and new",
    "confusions": "Confusions",
    "classes": "Classes",
    "calibration": "Calibration",
    "learning": "More photos?",
    "mistakes": "Mistakes",
    "quick": "Left out",
    "failures": "Failures",
    "notes": "Notes",
    "skipped": "Skipped files",
    "how": "Method",
    "again": "Run it again",
}
_DURATIONS = {
    "scan": "finding photos",
    "extract": "features",
    "head": "head",
    "heads": "heads",
    "evaluate": "measuring",
    "curve": "learning curve",
}
_HEADS = {
    "logistic": "logistic regression",
    "lda": "linear discriminant analysis",
    "ridge": "ridge regression",
    "centroid": "nearest centroid",
    "knn": "nearest neighbours",
}


@dataclass(frozen=True)
class _Best:
    """The classifier that a report shows in detail: the one trained, or the best of a comparison.

    Attributes:
        name: for people; empty if there is only one.
        card: of its backbone. head: its kind and strength.
        evaluation: how good it is.
        photos: how many there were. train: trained on. test: measured on; None: cross-validation.
        seed: of the folds.
    """

    name: str
    card: Card
    head: HeadChoice
    evaluation: Evaluation
    photos: PhotoCounts
    train: int
    test: int | None
    seed: int


#: Letters of a backbone's name in the heading, which fits two lines on a phone.
_NAME = 22


def training(result: Training, day: date, paths: bool) -> str:
    """The report of a training, made on a day, with whole paths or without."""
    classifier, measured, trial = result.classifier, result.measured, result.trial
    head = classifier.choice
    of = (measured.evaluation, measured.photos, trial.train, trial.test, classifier.seed)
    empty = {"backbones", "cost", "quick", "failures", "notes"}
    return _page("training", result, _Best("", classifier.card, head, *of), empty, day, paths)


def comparison(result: Comparison, day: date, paths: bool) -> str:
    """The report of a comparison, made on a day, with whole paths or without."""
    best, name = result.best, label(result.best, result.entries)
    of = (best.evaluation, best.photos, best.train, best.test, result.seed)
    speeds = [one.speed for one in result.entries if one.speed]
    there = {"cost": speeds[1:], "quick": result.quick, "failures": result.failures, "notes": result.notes}
    empty = {key for key, content in there.items() if not content}
    return _page("comparison", result, _Best(name, best.card, best.head, *of), empty, day, paths)


def standing(entries: Sequence[Entry]) -> str:
    """What a comparison found, in a line; its verdict has the figures."""
    best, others = entries[0], entries[1:]
    name = shortened(best.name, _NAME)
    if not others:
        return f"{name}, compared with none"
    equal = sum(one.accuracy == best.accuracy for one in entries)
    if equal > 1:
        return f"{equal} of {len(entries)} are equally accurate"
    if all(one.difference is not None and one.difference.is_significant for one in others):
        return f"{name} is clearly the best of {len(entries)}"
    return f"{name} leads, but not clearly"


def _page(template: str, result: Training | Comparison, best: _Best, empty: Set[str], day: date, paths: bool) -> str:
    against = _against(result, paths)
    there: dict[str, object] = {"against": against, "learning": result.learning_curve}
    there |= {"skipped": best.photos.skipped, "again": result.command}
    hidden = empty | {key for key, content in there.items() if not content}
    evaluation, bins = best.evaluation, best.evaluation.bins
    photos = sum(one.photos for one in bins)
    short = shortener(result.source, paths)
    page = templates().get_template(f"{template}.html.j2")
    return page.render(
        result=result,
        best=best,
        evaluation=evaluation,
        crossed=evaluation.protocol == "cross-validation",
        sections={key: name for key, name in _SECTIONS.items() if key not in hidden},
        guessing=math.log(len(evaluation.classes)),
        wrong=round(evaluation.n * (1 - evaluation.accuracy)),
        confidence=sum(one.photos * one.confidence for one in bins) / photos,
        accuracy=sum(one.photos * one.accuracy for one in bins) / photos,
        command=command_line(result.command, short),
        explained={} if isinstance(result, Comparison) else {one.path: one for one in result.explanations},
        paths=paths,
        short=short,
        against=against,
        day=day,
        machine=here(),
    )


def _against(result: Training | Comparison, paths: bool) -> list[str]:
    """How it compares with an old classifier, whose folder is shown with `paths` only."""
    if not isinstance(result, Training) or result.against is None:
        return []
    found = result.against
    return against_text(found if paths else replace(found, model=Path(found.model).name))


@cache
def templates() -> Environment:
    """Templates, and the filters and drawings that they use."""
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        finalize=printable,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: list[Callable[..., object]] = [figures.percent, figures.between, figures.points]
    filters += [figures.points_between, figures.probability, figures.counted, figures.count_text, figures.whole]
    filters += [figures.decimal, figures.significant, figures.speed, figures.millions, figures.seconds]
    environment.filters |= {one.__name__: one for one in [*filters, breakable, foreign, file_name]}
    environment.filters["percent_text"] = percent
    environment.filters["head_name"] = _HEADS.__getitem__
    drawings: list[Callable[..., object]] = [standing, charts.interval, charts.reliability, charts.learning_curve, cost]
    environment.globals |= {one.__name__: one for one in [*drawings, shades, span_of, thumbnail, heat, plain]}
    environment.globals |= {
        "MATRIX_CLASSES": MATRIX_CLASSES,
        "durations": _DURATIONS,
        "style": Markup((_HERE / "style.css").read_text("utf-8")),
    }
    return environment
