"""Class names of networks.

A list belongs to a network by its length: 1,000 ImageNet classes, or 1,001 with a first class "background", as
TensorFlow's older classifiers have. Taken for each other, every answer is off by one.
"""

from __future__ import annotations

from importlib.resources import files

from headstart.backbones.hints import Hints

BACKGROUND = "background"


def imagenet() -> tuple[str, ...]:
    """The 1,000 ImageNet class names in index order."""
    text = files("headstart.backbones").joinpath("imagenet_classes.txt").read_text("utf-8")
    return tuple(text.splitlines())


def labels_for(classes: int, hints: Hints) -> tuple[str, ...]:
    """Names of a network's `classes` scores; empty if they are not known, and then it has features only."""
    if len(hints.labels) == classes:
        return hints.labels
    if classes == 1000:
        return imagenet()
    return (BACKGROUND, *imagenet()) if classes == 1001 else ()
