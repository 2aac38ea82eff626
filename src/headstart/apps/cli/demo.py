"""`headstart demo`: the whole way, offline, on two real photos that come with headstart."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import click

from headstart.apps.cli.console import say
from headstart.apps.cli.grouping import PATH, Command, option

_PHOTOS = Path(__file__).with_name("demo_photos")
_COLUMNS, _ROWS = 3, 4


@click.command(cls=Command, examples=("demo",))
@option(
    "-o", "--output", type=PATH, metavar="FOLDER", default=Path("demo-model"), help="Save the demo's classifier here."
)
@option(
    "--photos", "tiles", type=PATH, metavar="FOLDER", default=Path("demo-photos"), help="Put the demo's photos here."
)
def demo(output: Path, tiles: Path) -> None:
    """Show the whole way on two photos, offline."""
    from headstart.apps.cli.predict import show_guesses
    from headstart.apps.cli.predicted import show_predictions
    from headstart.apps.cli.train import show
    from headstart.backbones import DEFAULT
    from headstart.classifier.as_is import classify_all
    from headstart.classifier.bundle import check_target
    from headstart.classifier.training import train
    from headstart.progress import Silent

    again = _saved_by_a_demo(output)  # only what an earlier demo saved is replaced
    check_target(output, overwrite=again)
    photos = sample_photos()
    cut_tiles(photos, tiles)
    say("1. A pre-trained model as it is, on two photos. Its classes are ImageNet's 1,000.")
    say("   Photos: danielbuechele and vultilion, flickr.com, licence CC BY 2.0; see CREDITS.md beside them.")
    say(f"   $ headstart classify {shlex.join(map(str, photos.values()))} --top 3")
    show_guesses(classify_all(list(photos.values()), DEFAULT, 3, None, Silent()))
    say()
    say("2. Two classes of your own: tiles of one photo against tiles of the other.")
    say(f"   {_COLUMNS * _ROWS} tiles of each from the left half to train, as many from the right half to test.")
    say(f"   $ headstart train {tiles} -o {output}")
    training = train(tiles)
    classifier = training.classifier
    replace(classifier, about=replace(classifier.about, demo=True)).save(output, overwrite=again)
    show(replace(training, model=str(output)))
    tile = sorted((tiles / "test").glob("*/*"))[0]
    say()
    say("3. Use the saved classifier.")
    say(f"   $ headstart predict {output} {tile}")
    show_predictions(classifier.predictions([tile]))
    say()
    say("Your turn. Type:")
    for line in _next(output, tiles):
        say(f"   $ {line}")
    say("Then sort photos of your own into folders named by what they show, and:")
    say("   $ headstart train FOLDER -o NAME")


def _next(output: Path, tiles: Path) -> list[str]:
    """What can be typed now, as it must be typed; first of all what makes the shell find headstart."""
    found = shutil.which("headstart")
    lines = [f"headstart evaluate {output} {tiles}", f"headstart predict {output} {tiles / 'test'}"]
    if found is not None and Path(found).parent == Path(sys.executable).parent:
        return lines
    folder = Path(sys.prefix)
    shown = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    script = shown / ("Scripts\\activate" if os.name == "nt" else "bin/activate")
    return [f"{script}" if os.name == "nt" else f"source {script}", *lines]


def _saved_by_a_demo(folder: Path) -> bool:
    from headstart.classifier import saved
    from headstart.errors import BundleError

    try:
        return saved.read(folder).about.demo
    except BundleError:
        return False


def cut_tiles(photos: dict[str, Path], root: Path) -> None:
    """Cut `root/{train,test}/<name>/*.png`: train from each photo's left half, test from its right half.

    The tiles of a half lie in a grid and do not overlap.
    """
    from PIL import Image

    for name, path in photos.items():
        with Image.open(path) as file:
            picture = file.convert("RGB")
        half = picture.width // 2
        width, height = half // _COLUMNS, picture.height // _ROWS
        for side, left in (("train", 0), ("test", half)):
            target = root / side / name
            target.mkdir(parents=True, exist_ok=True)
            for i in range(_COLUMNS * _ROWS):
                x, y = left + i % _COLUMNS * width, i // _COLUMNS * height
                picture.crop((x, y, x + width, y + height)).save(target / f"{i:02}.png")


def sample_photos() -> dict[str, Path]:
    """The two photos that come with headstart; `CREDITS.md` beside them names their authors and their licence."""
    return {"temple": _PHOTOS / "china.jpg", "flower": _PHOTOS / "flower.jpg"}
