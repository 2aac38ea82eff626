"""What a report says in sentences: the verdict, how it was measured, what the intervals mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headstart.evaluation.metrics import Bin, top_confusions
from headstart.report.html import figures
from headstart.report.html.markup import Markup, foreign, inline, tag

Row = Mapping[str, Any]

HEADS = {
    "logistic": "logistic regression",
    "ridge": "ridge regression",
    "centroid": "nearest centroid",
    "knn": "nearest neighbours",
}
_FEW = 200


def verdict(evaluation: Row) -> Markup:
    """The accuracy in one line."""
    n = figures.counted(evaluation["n"], "photo")
    how = ", each judged by heads that had not seen it" if _crossed(evaluation["protocol"]) else " it had not seen"
    return inline(figures.percent(evaluation["accuracy"]), " right on ", n, how, ".")


def sure(evaluation: Row) -> Markup:
    """The interval of the accuracy, a sentence."""
    low, high = (figures.percent(end) for end in evaluation["interval"])
    return inline("With 95\u00a0% confidence the accuracy lies between ", low, " and ", high, ".")


def head_of(kind: str) -> str:
    """A head in plain words."""
    return HEADS.get(kind, kind)


def called(one: Row, among: Sequence[Row]) -> str:
    """The name of an entry; with its head where there are several heads."""
    several = len({other["head"] for other in among}) > 1
    return f"{one['name']} ({one['head']})" if several else str(one["name"])


def behind(difference: Row) -> Markup:
    """How far behind the best, and whether that is more than luck."""
    if "error" in difference:
        return tag("span", "Not compared: ", str(difference["error"]), class_="under")
    luck = "more than luck" if difference["told_apart"] else "cannot be told apart"
    ends = inline(figures.points_between(difference["interval"]), "; ", figures.probability(difference["p"]))
    return inline(
        figures.points(difference["difference"]), tag("span", luck, class_="luck"), tag("span", ends, class_="under")
    )


def confusions(confusion: Row) -> Markup:
    """The three most frequent confusions, a sentence."""
    found = top_confusions(confusion["classes"], confusion["counts"], 3)
    if not found:
        wrong = any(n for i, row in enumerate(confusion["counts"]) for j, n in enumerate(row) if i != j)
        return inline(f"{'Hardly any' if wrong else 'No'} photo was taken for another class.")
    said = [
        inline(foreign(one.label), " taken for ", foreign(one.predicted), " (", figures.photos(one.photos), ")")
        for one in found
    ]
    return inline("Most often ", *_listed(said), ".")


def calibration(evaluation: Row, bins: Sequence[Bin]) -> Markup:
    """What its probabilities are worth."""
    error, n = evaluation["calibration_error"], evaluation["n"]
    photos = sum(one.photos for one in bins)
    said = sum(one.photos * one.confidence for one in bins) / photos
    right = sum(one.photos * one.accuracy for one in bins) / photos
    tendency = "too sure" if said - right > 0.02 else "too timid" if right - said > 0.02 else "as sure as it should be"
    worth = (
        "Its probabilities can be taken at their word."
        if error < 0.03
        else "Its probabilities are a fair guide."
        if error < 0.08
        else "Do not take its probabilities at their word."
    )
    chance = " With so few photos, part of that is chance." if n < _FEW and error >= 0.03 else ""
    return inline(
        "What it said and what came true differ by ",
        figures.percent(error),
        " on average (the expected calibration "
        f"error). {worth}{chance} On the whole it was {tendency}: {figures.percent_text(said)} sure, "
        f"{figures.percent_text(right)} right.",
    )


def measured(document: Row, protocol: str, n: int, compared: int) -> list[Markup]:
    """How it was measured, and what its figures mean: paragraphs.

    Args:
        document: of a training or a comparison.
        protocol: `test set` or `cross-validation`.
        n: photos measured on.
        compared: how many were compared with each other.
    """
    return [
        tag("p", paragraph)
        for paragraph in (_protocol(document, protocol, n), _interval(protocol), *_pairs(protocol, compared), _ALIKE)
    ]


_ALIKE = (
    "Classes weigh alike in training, however many photos each has. Probabilities are calibrated by one temperature, "
    "fitted on held-out photos; they suppose that classes are met as often as each other. Copies of a photo count "
    "once, and a photo found under two labels is left out."
)


def _protocol(document: Row, protocol: str, n: int) -> Markup:
    if _crossed(protocol):
        return inline(
            "By cross-validation: ",
            figures.counted(n, "photo"),
            " in stratified folds, repeated with other folds "
            "where photos are few. Each photo was judged by heads that had not seen it; the final head learned from "
            "all of them, so it is usually a little better than these figures. Strengths and temperatures were chosen "
            "on other folds than those they were measured on.",
        )
    return inline(
        "On a test set: the head learned from ",
        figures.counted(document["train"], "photo"),
        " and was then asked about ",
        figures.photos(n),
        " others. Copies of these among the photos to learn from were left out first, and "
        "its strength and temperature were chosen without them.",
    )


def _interval(protocol: str) -> Markup:
    which = "Wilson's score interval" + (" with continuity correction" if _crossed(protocol) else "")
    return inline(
        f"The interval beside an accuracy is {which}, at 95\u00a0%: had other photos been drawn from the same source, "
        "about 95 of 100 such intervals would hold the true accuracy. It knows the luck of the draw, and nothing of "
        "photos that look different in use."
    )


def _pairs(protocol: str, compared: int) -> list[Markup]:
    if compared < 2:
        return []
    which = (
        "the corrected resampled t-test (Nadeau and Bengio)"
        if _crossed(protocol)
        else "McNemar's mid-p test, with Tango's interval"
    )
    return [
        inline(
            f"Differences are judged on the same photos, by {which}: only photos that one alone got right tell two "
            "apart, so overlapping intervals are no answer. p says how often luck alone would make so great a "
            "difference; below 0.05 it is called more than luck. “Cannot be told apart” does not mean equal: the "
            "interval of the difference says what is still possible."
        ),
        inline(
            f"The best of {compared} looks a little better than it is, because it was picked for its figure on these "
            "very photos."
        ),
    ]


def _crossed(protocol: str) -> bool:
    return protocol == "cross-validation"


def _listed(said: Sequence[Markup]) -> list[str]:
    parts: list[str] = []
    for place, one in enumerate(said):
        parts += [one] if place == 0 else [" and " if place == len(said) - 1 else ", ", one]
    return parts
