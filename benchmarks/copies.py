"""Near copies: how many are found, what is found wrongly, what they do to the accuracy, and how long it takes.

    python benchmarks/copies.py [--most N] [--sheet FILE.png] [--only found|accuracy|time]

`found`: N photos of each shared set and an altered copy of each, for every alteration; then the pairs among all
originals, by path, and as a picture to look at: are they copies? `accuracy`: photos of clothes, without and with a
re-encoded copy of each, by cross-validation. `time`: 30,000 made thumbnails. Bars: 97 % of re-encoded, half-size,
brighter, darker and mirrored copies, 90 % of cropped and turned ones; 1 false group in 1,000 photos; 1 point; 30 s.
"""

from __future__ import annotations

import argparse
import io
import random
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

import headstart
from common import DATA, machine, own_peak_mb
from headstart.features.records import Records
from headstart.features.store import Store
from headstart.photos import images
from headstart.photos.reading import readers
from headstart.progress import Silent
from headstart.trust.copies import thumbnails
from headstart.trust.copies.finding import Pair, find, groups

SETS = {"clothing10": "clothing10/*/*/*", "food10-64": "food10-64/*/*/*", "two-trees": "two-trees/*/*"}
PHOTOS, BASES = 30_000, 10_000


def cropped(picture: Image.Image) -> Image.Image:
    width, height = picture.size
    return picture.crop((round(width * 0.05), round(height * 0.05), round(width * 0.95), round(height * 0.95)))


def halved(picture: Image.Image) -> Image.Image:
    return picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.BICUBIC)


ALTERATIONS: dict[str, tuple[Callable[[Image.Image], Image.Image], int]] = {
    "JPEG quality 50": (lambda picture: picture, 50),
    "half size": (halved, 90),
    "20 % brighter": (lambda picture: ImageEnhance.Brightness(picture).enhance(1.2), 90),
    "20 % darker": (lambda picture: ImageEnhance.Brightness(picture).enhance(0.8), 90),
    "mirrored": (ImageOps.mirror, 90),
    "cropped 5 %": (cropped, 90),
    "turned 3 degrees": (lambda picture: picture.rotate(3, Image.Resampling.BICUBIC), 90),
}


def altered(path: str, name: str) -> bytes:
    """The bytes of an altered copy."""
    alter, quality = ALTERATIONS[name]
    buffer = io.BytesIO()
    with Image.open(path) as file:
        picture = ImageOps.exif_transpose(file).convert("RGB")
    alter(picture).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def pairs_of(paths: list[str], store: Store) -> tuple[Pair, ...]:
    hashes = np.array([images.content_hash(images.read(path)) for path in paths], "V32")
    return find(paths, hashes, store, Silent())


def found(most: int, sheet: Path | None, store: Store, folder: Path) -> None:
    shown: list[tuple[str, str]] = []
    for name, pattern in SETS.items():
        everything = sorted(str(path) for path in DATA.glob(pattern))
        some = sorted(random.Random(20).sample(everything, min(most, len(everything))))
        original = pairs_of(everything, store)
        print(f"\n{name}: {len(everything)} photos, copies of {len(some)}", flush=True)
        for number, alteration in enumerate(ALTERATIONS):
            copies = [str(folder / f"{number}-{i}.jpg") for i in range(len(some))]
            with readers() as pool:
                for copy, content in zip(copies, pool.map(altered, some, [alteration] * len(some)), strict=True):
                    Path(copy).write_bytes(content)
            paths = some + copies
            pairs = {(pair.first, pair.second) for pair in pairs_of(paths, store)}
            right = {(i, i + len(some)) for i in range(len(some))}
            print(f"  {alteration:18} {len(pairs & right) / len(some):6.1%} found", flush=True)
        print(f"  pairs among the originals: {len(original)}, in {len(groups(original))} groups")
        for pair in original:
            one, two = everything[pair.first], everything[pair.second]
            print(f"    {pair.score:.3f} {pair.reason}: {Path(one).relative_to(DATA)} {Path(two).relative_to(DATA)}")
            shown.append((one, two))
    if sheet is not None:
        draw(shown, sheet)


def draw(pairs: list[tuple[str, str]], target: Path, side: int = 200) -> None:
    """All pairs side by side."""
    canvas = Image.new("RGB", (2 * side, max(len(pairs), 1) * (side + 14)), "white")
    for row, pair in enumerate(pairs):
        ImageDraw.Draw(canvas).text((0, row * (side + 14)), Path(pair[0]).name, fill="black")
        for column, path in enumerate(pair):
            picture = images.load(path, images.View(side, side, "pad"))
            canvas.paste(Image.fromarray(picture), (column * side, row * (side + 14) + 14))
    canvas.save(target)


def accuracy(most: int, store: Store, folder: Path) -> None:
    everything = sorted(str(path) for path in DATA.glob(SETS["clothing10"]))
    some = sorted(random.Random(21).sample(everything, most))
    for name in ("alone", "doubled"):
        for path in some:
            target = folder / name / Path(path).parent.name
            target.mkdir(parents=True, exist_ok=True)
            (target / Path(path).name).write_bytes(Path(path).read_bytes())
            if name == "doubled":
                (target / f"copy-{Path(path).name}").write_bytes(altered(path, "JPEG quality 50"))
    alone = headstart.train(folder / "alone", store=store.folder, progress=Silent())
    doubled = headstart.train(folder / "doubled", store=store.folder, progress=Silent())
    torn = headstart.train(folder / "doubled", store=store.folder, keep_copies=True, progress=Silent())
    print(f"\n{most} photos of clothing10, by cross-validation: {alone.accuracy:.2%}")
    print(f"  with a copy of each: {doubled.accuracy:.2%} (bar: within 1 point)")
    print(f"  the same with --keep-copies: {torn.accuracy:.2%}")


def timed(folder: Path) -> None:
    """Thumbnails of 10,000 made pictures, three altered versions each, compared."""
    generator = np.random.default_rng(22)
    store = Store(folder)
    table = Records(store.copies, "thumbnails", thumbnails.WIDTH)
    hashes = np.frombuffer(generator.bytes(32 * PHOTOS), "V32")
    for start in range(0, BASES, 500):
        small = generator.integers(0, 256, (500, 12, 12, 3), np.uint8)
        rows = []
        for picture in small:
            base = Image.fromarray(picture).resize((48, 48), Image.Resampling.BICUBIC)
            for factor in (1.0, 0.8, 0.9):
                packed = thumbnails.packed(np.asarray(ImageEnhance.Brightness(base).enhance(factor)))
                rows.append(np.concatenate([packed, np.zeros(thumbnails.FACTS, np.uint8)]))
        table.append(hashes[3 * start : 3 * start + len(rows)].tolist(), np.array(rows))
    before, clock, used = own_peak_mb(), time.perf_counter(), cpu()
    pairs = find([""] * PHOTOS, hashes, store, Silent())
    seconds, busy, more = time.perf_counter() - clock, cpu() - used, own_peak_mb() - before
    print(f"\n{PHOTOS:,} thumbnails: {seconds:.1f} s (bar 30 s), {busy:.1f} s of processor time, {more:.0f} MB more")
    print(f"  (bar: 31 MB, 20 % of the features); {len(groups(pairs)):,} of {BASES:,} groups found")


def cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--most", type=int, default=600)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--only", choices=["found", "accuracy", "time"])
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = Store(folder / "store")
        if options.only in (None, "time"):
            timed(folder / "made")
        if options.only in (None, "found"):
            found(options.most, options.sheet, store, folder)
        if options.only in (None, "accuracy"):
            accuracy(options.most, store, folder)


if __name__ == "__main__":
    main()
