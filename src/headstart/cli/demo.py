"""`headstart demo`: the whole way, offline, on two real photos that scikit-learn ships."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from headstart.cli.console import say

_TILES = 12
_SIDE = 160


def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the demo's classifier is saved.")] = Path(
        "demo-model"
    ),
) -> None:
    """Show the whole way, offline: as is, train, measure, save, predict."""
    from headstart.cli.predict import classify, predict
    from headstart.cli.train import show
    from headstart.training import train

    photos = sample_photos()
    say("1. A network as it is, on two photos that scikit-learn ships. Its classes are ImageNet's 1,000.")
    say(f"   $ headstart classify {' '.join(str(path) for path in photos.values())} --top 3")
    classify(list(photos.values()), top=3)
    with tempfile.TemporaryDirectory(prefix="headstart-demo-") as folder:
        root = Path(folder) / "tiles"
        cut_tiles(photos, root)
        say()
        say(f"2. Two things of your own: tell tiles of one photo from tiles of the other. {_TILES} tiles each from the")
        say("   left half to train, as many from the right half to test.")
        say(f"   $ headstart train {root} -o {output}")
        result = train(root, output=output, overwrite=True)
        show(result)
        tile = sorted((root / "test").glob("*/*"))[0]
        say()
        say("3. Use what was saved.")
        say(f"   $ headstart predict {output} {tile}")
        predict(output, [tile])
    say()
    say("Now yours: put photos into folders named by what they show, and: headstart train FOLDER -o NAME")


def cut_tiles(photos: dict[str, Path], root: Path) -> None:
    """Cut `root/{train,test}/<name>/*.png`: train from each photo's left half, test from its right half."""
    from PIL import Image

    for name, path in photos.items():
        with Image.open(path) as file:
            picture = file.convert("RGB")
        half = picture.width // 2
        for side, left in (("train", 0), ("test", half)):
            target = root / side / name
            target.mkdir(parents=True)
            for i in range(_TILES):
                column, row = i % 4, i // 4
                x = left + column * (half - _SIDE) // 3
                y = row * (picture.height - _SIDE) // 2
                picture.crop((x, y, x + _SIDE, y + _SIDE)).save(target / f"{i:02}.png")


def sample_photos() -> dict[str, Path]:
    """The files behind `sklearn.datasets.load_sample_images`, found without importing scikit-learn (2 s)."""
    spec = importlib.util.find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("scikit-learn, a dependency of headstart, is not installed")
    folder = Path(spec.origin).parent / "datasets" / "images"
    return {"temple": folder / "china.jpg", "flower": folder / "flower.jpg"}
