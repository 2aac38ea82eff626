"""Class names.

A list belongs to a model by its length: 1,000 ImageNet classes, or 1,001 with "background" as the first class, as
TensorFlow's older classifiers have. With the wrong list every answer would be off by one.
"""

from __future__ import annotations

from importlib.resources import files

from headstart.backbones.hints import Hints


def imagenet() -> tuple[str, ...]:
    """The 1,000 ImageNet class names in index order."""
    return tuple(files("headstart.backbones").joinpath("imagenet_classes.txt").read_text("utf-8").splitlines())


def labels_for(classes: int, hints: Hints) -> tuple[str, ...]:
    """Names of a model's `classes` scores; empty if they are not known: then it gives features only."""
    if len(hints.labels) == classes:
        return hints.labels
    if classes == 1000:
        return imagenet()
    return ("background", *imagenet()) if classes == 1001 else ()
