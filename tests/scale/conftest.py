"""A source of backbones that worker processes find too: mean colours, and one photo that ends its process."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MODULE = '''
import os
import numpy as np
from fakes import FakeBackbone
from headstart.backbones.plugins import BackboneSource
from dataclasses import replace


class Mean(FakeBackbone):
    """Mean colours; a picture whose first pixel is (1, 2, 3) ends the process, as a fault in a decoder does."""

    def _vectors(self, images):
        if log := os.environ.get("EMBEDDED"):
            with open(log, "ab", buffering=0) as file:
                file.write(b"." * len(images))
        if (images[:, 0, 0] == [1, 2, 3]).all(axis=1).any():
            os.kill(os.getpid(), 9)
        return super()._vectors(images)


class Source(BackboneSource):
    def load(self, name):
        made = Mean(delay=0.4 if name == "slow" else 0.0)
        made.card = replace(made.card, handle=f"mean:{name}")
        return made
'''


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package of the plugin, as pip would install it."""
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "mean_colours.py").write_text(MODULE)
    facts = folder / "mean_colours-1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: mean-colours\nVersion: 1\n")
    (facts / "entry_points.txt").write_text("[headstart.sources]\nmean = mean_colours:Source\n")
    return folder


@pytest.fixture(autouse=True)
def installed(plugin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin is there for this process and for those it starts."""
    install(plugin, monkeypatch)


def install(plugin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the plugin where this process and those it starts look for packages."""
    monkeypatch.syspath_prepend(str(plugin))
    monkeypatch.setenv("PYTHONPATH", ":".join([str(plugin), *(path for path in sys.path if path)]))


def paint(path: Path, number: int) -> None:
    """A photo whose content and mean depend on a number alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    colours = np.random.default_rng(number).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(colours).save(path, "PNG")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """`{train,test}/{cat,dog}/*.png`: 40 photos, of which two are copies, and two files that are no photos."""
    root = tmp_path / "photos"
    for number in range(40):
        split = "test" if number % 4 == 0 else "train"
        paint(root / split / ("cat" if number % 2 else "dog") / f"{number:02d}.png", number if number != 21 else 23)
    (root / "train" / "cat" / "empty.png").write_bytes(b"")
    (root / "train" / "dog" / "text.jpg").write_text("not a photo")
    return root
