"""Near copies: how many are found, what is found wrongly, what they do to the accuracy, and how long it takes.

    python benchmarks/copies.py [--most N] [--sheet FILE.png] [--only found|accuracy|time|neighbours]

`found`: N photos of each shared set and an altered copy of each, for every alteration; then the pairs among all
originals, by path, and as a picture to look at: are they copies? `accuracy`: photos of clothes, without and with a
re-encoded copy of each, by cross-validation. `time`: 30,000 made thumbnails, and as many of quarters of the shared
photos, which have more candidates. `neighbours`: what the graph misses. Bars: 97 % of re-encoded, half-size,
brighter, darker and mirrored copies, 90 % of cropped and turned ones; 1 false group in 1,000 photos; 1 point; 30 s.
"""

from __future__ import annotations

import argparse
import io
import random
import resource
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

import headstart
from common import DATA, machine
from headstart.features.records import Records
from headstart.features.store import Store
from headstart.heads.linear_algebra import one_thread
from headstart.photos import images
from headstart.photos.reading import readers
from headstart.progress import Silent
from headstart.trust.copies import nearest, thumbnails
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


def made() -> Iterator[np.ndarray]:
    """Thumbnails of 10,000 made pictures, three altered versions of each."""
    generator = np.random.default_rng(22)
    for _ in range(BASES):
        base = Image.fromarray(generator.integers(0, 256, (12, 12, 3), np.uint8)).resize(
            (48, 48), Image.Resampling.BICUBIC
        )
        for factor in (1.0, 0.8, 0.9):
            yield thumbnails.packed(np.asarray(ImageEnhance.Brightness(base).enhance(factor)))


def quarters() -> Iterator[np.ndarray]:
    """Thumbnails of shared photos and of their quarters, whole photos first."""
    paths = sorted(path for pattern in SETS.values() for path in DATA.glob(pattern))
    for part in range(5):
        for path in paths:
            with Image.open(path) as file:
                picture = ImageOps.exif_transpose(file).convert("RGB")
            width, height = picture.size
            if part:
                x, y = (part - 1) % 2 * width // 2, (part - 1) // 2 * height // 2
                picture = picture.crop((x, y, x + width // 2, y + height // 2))
            yield thumbnails.packed(np.asarray(picture.resize((48, 48), Image.Resampling.BICUBIC, reducing_gap=2.0)))


def timed(what: str, pictures: Iterator[np.ndarray], folder: Path) -> None:
    """Compare 30,000 thumbnails."""
    store = Store(folder)
    table = Records(store.copies, "thumbnails", thumbnails.WIDTH)
    hashes = np.frombuffer(np.random.default_rng(22).bytes(32 * PHOTOS), "V32")
    for start in range(0, PHOTOS, 500):
        rows = [np.concatenate([one, np.zeros(thumbnails.FACTS, np.uint8)]) for one in islice(pictures, 500)]
        table.append(hashes[start : start + 500].tolist(), np.array(rows))
    found, seconds, busy, more = in_its_own_process(store, hashes)
    print(f"\n{PHOTOS:,} thumbnails of {what}: {seconds:.1f} s (bar 30 s), {busy:.1f} s of processor time,")
    print(f"  {more:.0f} MB more that are not the mapped file (bar: 31 MB, 20 % of the features); {found:,} groups")


def in_its_own_process(store: Store, hashes: np.ndarray) -> tuple[int, float, float, float]:
    """Look for copies where nothing else has taken memory before: groups, seconds, processor time and MB."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(measured, str(store.folder), hashes.tobytes()).result()


def measured(folder: str, hashes: bytes) -> tuple[int, float, float, float]:
    peak, ended = [before := own_memory_mb()], threading.Event()

    def watch() -> None:
        while not ended.wait(0.01):
            peak[0] = max(peak[0], own_memory_mb())

    watcher = threading.Thread(target=watch)
    watcher.start()
    clock, used = time.perf_counter(), cpu()
    pairs = find([""] * (len(hashes) // 32), np.frombuffer(hashes, "V32"), Store(folder), Silent())
    seconds, busy = time.perf_counter() - clock, cpu() - used
    ended.set()
    watcher.join()
    return len(groups(pairs)), seconds, busy, peak[0] - before


def own_memory_mb() -> float:
    """Memory of this process without mapped files (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) / 1024


def neighbours(count: int) -> None:
    """What the graph misses of the candidates of exact search: of quarters of photos and noisy copies."""
    generator = np.random.default_rng(23)
    packed = np.array(list(islice(quarters(), min(count, PHOTOS))))
    grey = thumbnails.unpacked(packed).grey
    more = generator.integers(0, len(grey), count - len(grey))
    noise = generator.normal(0, generator.uniform(2, 25, (len(more), 1, 1)), (len(more), 48, 48))
    grey = np.concatenate([grey, np.clip(grey[more] + noise, 0, 255)]).astype(np.float32)
    index = np.concatenate([nearest._halves(nearest.described(part)) for part in np.array_split(grey, 100)])
    index = np.rint(127 * index).astype(np.int8)
    parts = np.array_split(np.arange(count), count // 192)
    results = []
    with one_thread():
        for search in (nearest._All, nearest._Graph):
            used = cpu()
            prepared = search(index)
            codes = [nearest._nearest(prepared, count, rows, grey[rows]) for rows in parts]
            results.append(np.unique(np.concatenate(codes)))
            name = search.__name__[1:].lower()
            print(f"  {name}: {len(results[-1]):,} candidates, {cpu() - used:.1f} s of processor time")
    exact, graph = results
    shared = len(np.intersect1d(exact, graph))
    print(f"  the graph has {shared / len(exact):.2%} of the candidates of {count:,} pictures (bar 99 %)", flush=True)


def cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--most", type=int, default=600)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--only", choices=["found", "accuracy", "time", "neighbours"])
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = Store(folder / "store")
        if options.only in (None, "time"):
            timed("made pictures (10,000 groups)", made(), folder / "made")
            timed("quarters of photos", quarters(), folder / "quarters")
        if options.only in (None, "neighbours"):
            for count in (20_000, 30_000, 50_000):
                neighbours(count)
        if options.only in (None, "found"):
            found(options.most, options.sheet, store, folder)
        if options.only in (None, "accuracy"):
            accuracy(options.most, store, folder)


if __name__ == "__main__":
    main()
