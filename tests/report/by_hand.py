"""Small results made by hand, of which every figure is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from headstart.backbones.card import Card
from headstart.classifier.comparison import Comparison, ComparisonSeconds, Entry
from headstart.classifier.trained import Training, Work
from headstart.evaluation.metrics import Bin, Evaluation, Mistake
from headstart.evaluation.paired import Difference
from headstart.evaluation.results import Answers, PhotoCounts
from headstart.features.extraction import Skipped
from headstart.heads.head import HeadChoice
from headstart.photos.images import View


def evaluation(right: int, wrong: int) -> Evaluation:
    accuracy = right / (right + wrong)
    return Evaluation(
        protocol="test set",
        classes=("cat", "dog"),
        n=right + wrong,
        accuracy=accuracy,
        interval=(accuracy - 0.0612, min(1.0, accuracy + 0.0413)),
        balanced_accuracy=0.8417,
        log_loss=0.4321,
        calibration_error=0.0191,
        confusion=np.array([[right - 30.0, wrong], [0.0, 30.0]]),
        bins=(Bin(low=0.8, high=0.87, photos=90, confidence=0.83, accuracy=0.81),),
        mistakes=(Mistake("gone/cat7.jpg", "cat", "dog", 0.912),),
    )


def entry(name: str, right: int, speed: float | None, **changes: Any) -> Entry:
    card = Card(
        handle=f"builtin:{name}",
        weights=name,
        revision=1,
        view=View(224, 224),
        channels="RGB",
        mean=(0.0, 0.0, 0.0),
        scale=(255.0, 255.0, 255.0),
        output="pooled",
        dim=1280,
        precision="float32",
    )
    made = Entry(
        card=card,
        name=name,
        head=HeadChoice("logistic", 0.316),
        evaluation=evaluation(right, 100 - right),
        answers=Answers((), np.ones((1, 0), bool), None, np.ones(0, bool)),
        train=50,
        test=100,
        photos=PhotoCounts(151, (Skipped("odd.jpg", "corrupt", ""),)),
        parameters=4_651_000,
        file_bytes=18_610_000,
        work=Work(150, 0, speed),
        backbone_seconds=1.5,
        head_seconds=0.25,
    )
    return replace(made, **changes)


def comparison(**changes: Any) -> Comparison:
    """Of three: one does not differ from the best by more than chance, of one the speed is unknown."""
    level = Difference(100, 0.011, (-0.0213, 0.0434), 0.412, 5, 4)
    far = Difference(100, 0.2, (0.1213, 0.2834), 0.0001, 21, 1)
    made = Comparison(
        source="pets",
        classes=("cat", "dog"),
        entries=(
            entry("great", 91, 120.5, is_best=True, is_on_front=True),
            entry("even", 90, 520.25, is_on_front=True, difference=level),
            entry("poor", 71, None, difference=far),
        ),
        verdict="great and even do not differ by more than chance on 100 photos.",
        failures=(),
        left_out=(),
        quick=None,
        seed=3,
        fraction=1.0,
        view="squash",
        notes=(),
        learning_curve=None,
        seconds=ComparisonSeconds(scan=1.0, extract=79.0, heads=1.2, curve=None, total=81.2),
        command=("headstart", "compare", "my pets"),
    )
    return replace(made, **changes)


def with_best(result: Comparison, **changes: Any) -> Comparison:
    """With another evaluation of the best entry."""
    best = replace(result.best, evaluation=replace(result.best.evaluation, **changes))
    return replace(result, entries=(best, *result.entries[1:]))


def with_evaluation(result: Training, **changes: Any) -> Training:
    """With another evaluation of the trained classifier."""
    measured = replace(result.measured, evaluation=replace(result.measured.evaluation, **changes))
    return replace(result, trial=replace(result.trial, measured=measured))
