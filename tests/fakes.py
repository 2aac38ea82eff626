"""What tests share: a network whose answers you can compute in your head, and small photos made from a seed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, ImageColor, ImageDraw, ImageFilter

import headstart
from headstart.backbones.base import Backbone, Tag, Vectors
from headstart.backbones.card import Card
from headstart.photos.images import Images, View

if TYPE_CHECKING:
    from headstart.classifier.trained import Training

#: Colours of classes that are not called by a colour's name, in the order of the classes.
_PALETTE = ("red", "lime", "blue", "yellow", "cyan", "magenta", "orange", "purple", "white", "black")


class FakeBackbone(Backbone):
    """The mean red, green and blue of a picture (0..255), repeated until there are `dim` numbers.

    As a classifier it knows `red`, `green` and `blue`: each one's share of the light.

    Attributes:
        embedded: pictures that an extraction sent through it, copies made by `with_fit` included.
        probed: pictures embedded one batch at a time, as the estimate before a run does.
        delay: seconds that each batch takes.
    """

    labels = ("red", "green", "blue")

    def __init__(self, dim: int = 8, size: int = 16, weights: str = "fake", delay: float = 0.0) -> None:
        self.card = Card(
            handle=f"fake:{weights}",
            weights=weights,
            revision=1,
            view=View(size, size),
            channels="RGB",
            mean=(0.0, 0.0, 0.0),
            scale=(1.0, 1.0, 1.0),
            output="mean",
            dim=dim,
            precision="float32",
            classes=3,
            crop=0.875,
            licence="Apache-2.0",
        )
        self.delay = delay
        self._counts = {"embedded": 0, "probed": 0}  # shared with copies under another card
        self._lock = threading.Lock()

    @property
    def embedded(self) -> int:
        return self._counts["embedded"]

    @property
    def probed(self) -> int:
        return self._counts["probed"]

    def embed(self, images: Images) -> Vectors:
        self._count("probed", len(images))
        return self._vectors(images)

    def embed_stream(self, batches: Iterable[tuple[Tag, Images]], done: Callable[[Tag, Vectors], None]) -> None:
        for tag, images in batches:
            vectors = self._vectors(images)
            self._count("embedded", len(images))
            done(tag, vectors)

    def classify(self, images: Images) -> Vectors:
        self.check(images)
        light = images.mean(axis=(1, 2)) + 1e-6
        return (light / light.sum(axis=1, keepdims=True)).astype(np.float32)

    def _vectors(self, images: Images) -> Vectors:
        self.check(images)
        if self.delay:
            time.sleep(self.delay)
        means = images.astype(np.float64).mean(axis=(1, 2))  # sums of whole numbers: exact, whatever the batch
        return np.tile(means, (1, -(-self.card.dim // 3)))[:, : self.card.dim].astype(np.float32)

    def _count(self, what: str, pictures: int) -> None:
        with self._lock:
            self._counts[what] += pictures


def write_photo(path: Path, colour: str | tuple[int, int, int], seed: int = 0, size: tuple[int, int] = (32, 24)) -> str:
    """Write one photo, the kind told by the ending: a colour with seeded noise of +-20; returns its path.

    PNG, BMP and TIFF keep every pixel, so that the fake's vector is the mean of what was written.
    """
    rgb = ImageColor.getrgb(colour)[:3] if isinstance(colour, str) else colour
    noise = np.random.default_rng([seed, *rgb]).integers(-20, 21, (size[1], size[0], 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(np.array(rgb) + noise, 0, 255).astype(np.uint8)).save(path)
    return str(path)


def write_photos(folder: Path, classes: Mapping[str, int], seed: int = 0, suffix: str = ".jpg") -> list[str]:
    """Write `folder/<class>/<number><suffix>` for each class and its count; returns the paths in that order.

    A class called by a colour's name (`red`, `navy`) has that colour; others take the colours of a fixed
    palette by their place. All photos differ, and the same seed gives the same bytes.
    """
    paths = []
    for place, (name, count) in enumerate(classes.items()):
        try:
            colour = ImageColor.getrgb(name)[:3]
        except ValueError:
            colour = ImageColor.getrgb(_PALETTE[place % len(_PALETTE)])[:3]
        for number in range(count):
            path = folder / name / f"{number:03d}{suffix}"
            paths.append(write_photo(path, colour, seed=seed * 100_003 + place * 1_009 + number))
    return paths


def start_python(script: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a real process that runs `script` (these helpers can be imported); the three streams are pipes of text."""
    places = [str(Path(__file__).parent), str(Path(headstart.__file__).parents[1])]
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
    )


def training_of(backbone: Backbone, photos: object, labels: object = None, **settings: Any) -> Training:
    """`headstart.train` on a backbone that no handle leads to; takes the other arguments of `train`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("headstart.backbones.load", lambda *_, **__: backbone)
        return headstart.train(photos, labels, **settings)  # type: ignore[arg-type]


def spoilt_photos(folder: Path, tiles: Path) -> Path:
    """The tiles with faults that `headstart check` finds; returns the folder.

    Of 12 tiles each, `train/temple` has three flowers and `train/flower` two temples (`wrong-*.png`). Copies:
    `temple/copy.jpg`, `flower/mirrored.jpg` of a temple, and `test/temple/same.png` of the train part. Poor:
    `flower/{dark,blank,blurred,tiny}.png`. `flower/empty.jpg` is empty. The class `Temples` has one photo.
    """
    shutil.copytree(tiles, folder)
    temple, flower = folder / "train" / "temple", folder / "train" / "flower"
    for source, target, numbers in ((flower, temple, (5, 7, 10)), (temple, flower, (5, 8))):
        for number in numbers:
            (source / f"{number:02}.png").rename(target / f"wrong-{number}.png")
    Image.open(temple / "06.png").convert("RGB").save(temple / "copy.jpg", quality=60)
    mirrored = Image.open(temple / "07.png").convert("RGB").transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    mirrored.save(flower / "mirrored.jpg", quality=90)
    shutil.copy(temple / "10.png", folder / "test" / "temple" / "same.png")
    other = Image.open(flower / "04.png").convert("RGB")
    other.point([value // 8 for value in range(256)] * 3).save(flower / "dark.png")
    Image.new("RGB", (200, 200), "grey").save(flower / "blank.png")
    other.filter(ImageFilter.GaussianBlur(other.width / 10)).save(flower / "blurred.png")
    other.resize((40, 40)).save(flower / "tiny.png")
    (folder / "train" / "Temples").mkdir()
    shutil.move(temple / "09.png", folder / "train" / "Temples")
    (flower / "empty.jpg").touch()
    return folder


def given_away(folder: Path) -> Path:
    """24 dark JPEGs of boxes, 24 bright PNGs of discs: the background or the format is enough; returns the folder."""
    rng = np.random.default_rng(0)
    for i in range(48):
        bright = i % 2
        picture = Image.fromarray(rng.integers(0, 40, (96, 96, 3)).astype(np.uint8) + np.uint8(30 + 120 * bright))
        pen = ImageDraw.Draw(picture)
        colour = tuple(rng.integers(100, 256, 3).tolist())
        (pen.ellipse if bright else pen.rectangle)((30, 30, 66, 66), fill=colour)
        path = folder / ("disc" if bright else "box") / f"{i:02}.{'png' if bright else 'jpg'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)
    return folder
