"""What files are proven on: the user's photos, blends of them, and made-up pictures that may be passed on."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from headstart.classifier.classifier import Classifier
from headstart.classifier.remembered import recall, spread
from headstart.errors import ExportError, PhotoError
from headstart.export.int8 import CALIBRATION
from headstart.photos import images
from headstart.photos.images import Images, View
from headstart.photos.pictures import Pictures
from headstart.photos.sources import find_files

#: Photos, at most; pictures that are made up; pictures mixed from neighbours, at most.
PHOTOS, MADE_UP, BLENDS = 200, 8, 50
#: Photos, at most, that a file resizes itself in a proof: whole photos take up to a second each.
WHOLE = 20
#: So many photos to quantise a model with that proof and calibration need not share them.
FEW = 50


@dataclass(frozen=True)
class Photos:
    """Photos in a classifier's view.

    Attributes:
        paths: n of them, in the order given. hashes: SHA-256 (hex) of each file.
        labels: the class that the folder of each is named after; None if it is not named after one.
        pixels: uint8 `(n, height, width, 3)`.
        left_out: files beside them that cannot be read as photos.
    """

    paths: tuple[str, ...]
    hashes: tuple[str, ...]
    labels: tuple[str | None, ...]
    pixels: Images
    left_out: int = 0

    def __len__(self) -> int:
        return len(self.paths)

    def only(self, rows: Sequence[int]) -> Photos:
        """Some of them."""
        paths, hashes = (tuple(of[i] for i in rows) for of in (self.paths, self.hashes))
        return Photos(paths, hashes, tuple(self.labels[i] for i in rows), self.pixels[list(rows)])

    def blends(self) -> Images:
        """Means of neighbouring photos: they lie between classes, where differences show most."""
        count = min(len(self) - 1, BLENDS)
        if count < 1:
            return self.pixels[:0]
        pairs = self.pixels[: count + 1].astype(np.uint16)
        return ((pairs[:-1] + pairs[1:]) // 2).astype(np.uint8)


def photos_for(classifier: Classifier, given: Pictures | None) -> Photos:
    """The photos to prove on: those given, else those that it was measured on, if they are still there; at most 200.

    Raises:
        ExportError: photos are given, and none of them can be used.
        DataError: a path does not exist.
    """
    files = _files(classifier, given)
    found = read([files[i] for i in spread(len(files), PHOTOS)], classifier.card.view, classifier.classes)
    if given is not None and not len(found):
        raise ExportError("None of the photos to prove on can be used.\nExpected at least one photo.")
    return found


def split_for_int8(classifier: Classifier, given: Pictures | None) -> tuple[Photos, Photos]:
    """Photos to quantise with, and others to measure the price on; of a few, every second one is used for each.

    Raises:
        ExportError: fewer than two can be used.
    """
    files = _files(classifier, given)
    proof = spread(len(files), PHOTOS)
    rest = sorted(set(range(len(files))) - set(proof))
    if len(rest) < FEW:
        proof, rest = list(range(0, len(files), 2)), list(range(1, len(files), 2))
    rest = [rest[i] for i in spread(len(rest), CALIBRATION)]
    calibration, price = (
        read([files[i] for i in rows], classifier.card.view, classifier.classes) for rows in (rest, proof[:PHOTOS])
    )
    if not len(calibration) or not len(price):
        raise ExportError(
            "int8 needs photos to quantise with, and others to measure what it costs.\nExpected at least two, better "
            "some hundred: --photos FOLDER (in Python: photos=...)."
        )
    return calibration, replace(price, left_out=price.left_out + calibration.left_out)


def _files(classifier: Classifier, given: Pictures | None) -> list[str]:
    return recall(classifier) if given is None else find_files(given)


def read(files: Sequence[str], view: View, classes: Sequence[str] = ()) -> Photos:
    """The photos among these files that can be used."""
    paths, hashes, pixels = [], [], []
    for file in files:
        try:
            data = images.read(file)
            pixels.append(images.decode(data, view))
        except PhotoError:
            continue
        paths.append(file)
        hashes.append(images.content_hash(data).hex())
    folders = [os.path.basename(os.path.dirname(os.path.abspath(path))) for path in paths]
    labels = tuple(folder if folder in classes else None for folder in folders)
    stacked = np.stack(pixels) if pixels else np.zeros((0, view.height, view.width, 3), np.uint8)
    return Photos(tuple(paths), tuple(hashes), labels, stacked, len(files) - len(paths))


def framed(pixels: Images, view: View) -> Images:
    """Pictures in a frame that a file with the view inside cuts off again; only `crop` cuts anything off."""
    if view.fit != "crop":
        return pixels
    tall, wide = (round((side / view.fraction - side) / 2) for side in (view.height, view.width))
    return np.pad(pixels, ((0, 0), (tall, tall), (wide, wide), (0, 0)))


def made_up(view: View, count: int = MADE_UP) -> Images:
    """Pictures that show nothing: soft blots of colour, the same ones every time. They compress well.

    Returns:
        uint8 `(count, height, width, 3)`, 0 and 255 among its numbers.
    """
    from PIL import Image

    found = []
    for i in range(count):
        sides = 2 + 2 * (i % 4), 3 + 2 * (i % 3)
        digits = hashlib.shake_256(f"headstart {i}".encode()).digest(sides[0] * sides[1] * 3)
        small = np.frombuffer(digits, np.uint8).reshape(*sides, 3)
        large = Image.fromarray(small).resize((view.width, view.height), Image.Resampling.BICUBIC)
        found.append(np.asarray(large))
    return np.stack(found)
