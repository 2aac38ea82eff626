"""Near copies: found whatever was done to them, kept together, and only then."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

import headstart
from headstart.classifier import trial
from headstart.classifier.comparing import compare
from headstart.classifier.training import train
from headstart.evaluation.leakage import Clean, joined
from headstart.features.store import Store
from headstart.photos import images
from headstart.progress import Progress, Silent
from headstart.trust.copies import finding, nearest, thumbnails
from headstart.trust.copies.finding import Pair, find, groups
from headstart.trust.copies.shots import in_sequence

Alter = Callable[[Image.Image], Image.Image]


class Notes(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def message(self, text: str) -> None:
        self.lines.append(text)


def cropped(picture: Image.Image) -> Image.Image:
    width, height = picture.size
    return picture.crop((round(width * 0.05), round(height * 0.05), round(width * 0.95), round(height * 0.95)))


ALTERATIONS: dict[str, Alter] = {
    "half size": lambda picture: picture.resize((picture.width // 2, picture.height // 2)),
    "brighter": lambda picture: ImageEnhance.Brightness(picture).enhance(1.2),
    "darker": lambda picture: ImageEnhance.Brightness(picture).enhance(0.8),
    "mirrored": ImageOps.mirror,
    "cropped": cropped,
    "turned": lambda picture: picture.rotate(3, Image.Resampling.BICUBIC),
}


#: Parts of the demo's photos that show more than the sky or a blurred background: left and upper edge.
PARTS = {
    "temple": [(120, 0), (0, 120), (120, 120), (240, 120), (480, 120), (0, 240), (120, 240), (240, 240)],
    "flower": [(240, 0), (360, 0), (120, 120), (240, 120), (360, 120), (120, 240), (240, 240), (360, 240)],
}


def tile(samples: dict[str, Path], number: int = 0, name: str = "temple") -> Image.Image:
    """One of eight parts of a photo of the demo, 120 x 120 pixels; they do not overlap."""
    x, y = PARTS[name][number]
    with Image.open(samples[name]) as photo:
        return photo.convert("RGB").crop((x, y, x + 120, y + 120))


def singles(samples: dict[str, Path], root: Path) -> Path:
    """`root/{temple,flower}/*.jpg`, eight photos each."""
    for name in PARTS:
        for i in range(8):
            saved(tile(samples, i, name), root / name / f"{i}.jpg")
    return root


def saved(picture: Image.Image, path: Path, quality: int = 90, taken: datetime | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    if taken is not None:
        exif[0x010F], exif[0x0110], exif[0x0132] = "Maker", "Model", taken.strftime("%Y:%m:%d %H:%M:%S")
    picture.save(path, quality=quality, exif=exif)
    return path


def hashes(paths: list[str]) -> thumbnails.Hashes:
    return np.array([images.content_hash(images.read(path)) for path in paths], "V32")


def found(*paths: Path | str) -> tuple[Pair, ...]:
    names = [path if isinstance(path, str) else str(path) for path in paths]
    return find(names, hashes(names), Store(), Silent())


@pytest.mark.parametrize("name", ALTERATIONS)
def test_an_altered_copy_is_found_and_nothing_else(samples: dict[str, Path], tmp_path: Path, name: str) -> None:
    paths = [saved(tile(samples, number), tmp_path / f"{number}.jpg") for number in range(6)]
    copies = [saved(ALTERATIONS[name](tile(samples, i)), tmp_path / f"copy{i}.jpg", 50) for i in range(6)]
    pairs = found(*paths, *copies)
    assert [(pair.first, pair.second) for pair in pairs] == [(i, i + 6) for i in range(6)]
    assert {pair.reason for pair in pairs} == {"mirrored copy" if name == "mirrored" else "copy"}
    assert all(pair.score >= finding._STRUCTURE for pair in pairs)


def test_different_parts_of_a_photo_are_no_copies(samples: dict[str, Path], tmp_path: Path, tiles: Path) -> None:
    assert found(*sorted(tiles.rglob("*.png")), *sorted(singles(samples, tmp_path).rglob("*.jpg"))) == ()


def test_blank_pictures_are_no_copies(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(4)]
    for i, path in enumerate(paths):
        Image.new("RGB", (64, 64), (40 * i, 90, 120)).save(path)
    assert found(*paths) == ()


def test_a_burst_is_a_group_if_time_or_names_agree(samples: dict[str, Path], tmp_path: Path) -> None:
    """The same scene, but something moved: it differs more than a copy does."""
    noon = datetime(2026, 5, 1, 12, 0, 0)

    def moved(number: int, size: int) -> Image.Image:
        scene = tile(samples)
        for i in range(6):  # leaves in the wind: other parts of the scene are covered each time
            x, y = (37 * i + 29 * number) % 100, (53 * i + 47 * number) % 100
            scene.paste(tile(samples, 1).crop((x, y, x + size, y + size)), (x, y))
        return scene

    def pairs(size: int, first: str, second: str, seconds: float) -> list[str]:
        one = saved(moved(0, size), tmp_path / first, taken=noon)
        two = saved(moved(1, size), tmp_path / second, taken=noon + timedelta(seconds=seconds))
        return [pair.reason for pair in found(one, two)]

    assert pairs(14, "a.jpg", "b.jpg", 2) == ["burst"]
    assert pairs(14, "c.jpg", "d.jpg", 60) == []
    assert pairs(14, "IMG_0007.jpg", "IMG_0008.jpg", 60) == []
    assert pairs(8, "IMG_0017.jpg", "IMG_0018.jpg", 60) == ["burst"]
    assert pairs(8, "IMG_0117.jpg", "IMG_0217.jpg", 60) == []


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("x/IMG_0041.jpg", "x/IMG_0042.jpg", True),
        ("x/IMG_0041.jpg", "x/IMG_0099.jpg", False),
        ("x/IMG_0041.jpg", "y/IMG_0042.jpg", False),
        ("x/IMG_0041.jpg", "x/DSC_0042.jpg", False),
        ("x/00.png", "x/01.png", False),
        ("<picture 1>", "<picture 2>", False),
    ],
)
def test_names_in_sequence_are_those_of_one_camera(first: str, second: str, expected: bool) -> None:
    assert in_sequence(first, second) is expected


def test_groups_are_what_pairs_link() -> None:
    pairs = [Pair(0, 4, "copy", 1.0), Pair(2, 3, "burst", 0.6), Pair(3, 4, "copy", 0.9), Pair(5, 6, "copy", 1.0)]
    assert [group.photos for group in groups(pairs)] == [(0, 2, 3, 4), (5, 6)]
    assert [len(group.pairs) for group in groups(pairs)] == [3, 1]


def test_pictures_in_memory_are_compared(samples: dict[str, Path]) -> None:
    pictures = [tile(samples, i) for i in range(4)]
    names = headstart.photos.pictures.listed([*pictures, ImageOps.mirror(pictures[2])])
    assert [(pair.first, pair.second) for pair in found(*names)] == [(2, 4)]


def test_photos_that_are_gone_are_not_compared(samples: dict[str, Path], tmp_path: Path) -> None:
    paths = [saved(tile(samples, i), tmp_path / f"{i}.jpg") for i in range(3)]
    paths.append(saved(ImageOps.mirror(tile(samples)), tmp_path / "3.jpg"))
    names = [str(path) for path in paths]
    known = hashes(names)
    paths[1].unlink()
    paths[2].write_bytes(paths[0].read_bytes())  # another photo by now
    assert [(pair.first, pair.second) for pair in find(names, known, Store(), Silent())] == [(0, 3)]
    paths[0].unlink()
    assert [(pair.first, pair.second) for pair in find(names, known, Store(), Silent())] == [(0, 3)]  # from the store


def test_a_photo_that_was_gone_is_compared_when_it_is_back(samples: dict[str, Path], tmp_path: Path) -> None:
    one, two = saved(tile(samples), tmp_path / "0.jpg"), saved(ImageOps.mirror(tile(samples)), tmp_path / "1.jpg")
    names, known, content = [str(one), str(two)], hashes([str(one), str(two)]), two.read_bytes()
    two.unlink()
    assert find(names, known, Store(), Silent()) == ()
    two.write_bytes(content)
    assert len(find(names, known, Store(), Silent())) == 1


def test_a_damaged_thumbnail_is_made_again(samples: dict[str, Path], tmp_path: Path) -> None:
    one, two = saved(tile(samples), tmp_path / "0.jpg"), saved(ImageOps.mirror(tile(samples)), tmp_path / "1.jpg")
    names = [str(one), str(two)]
    known, before = hashes(names), found(one, two)
    (verdict,) = Store().copies.glob("*.json")
    verdict.unlink()
    values = Store().copies / "thumbnails.values"
    values.write_bytes(bytes([values.read_bytes()[0] ^ 1]) + values.read_bytes()[1:])
    assert found(one, two) == before != ()
    one.unlink()
    two.unlink()
    verdict.unlink()
    assert find(names, known, Store(), Silent()) == before  # from the store, where the new one is


def test_what_was_found_is_kept_and_a_damaged_file_is_found_again(
    samples: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [saved(tile(samples), tmp_path / "a.jpg"), saved(tile(samples), tmp_path / "b.jpg", 50)]
    first = found(*paths)
    (file,) = (Store().copies).glob("*.json")
    calls: list[int] = []
    compared = finding._compared

    def counted(gallery: thumbnails.Gallery, count: int, progress: Progress) -> list[finding._Alike]:
        calls.append(count)
        return compared(gallery, count, progress)

    monkeypatch.setattr(finding, "_compared", counted)
    assert found(*reversed(paths)) == first == (Pair(0, 1, "copy", first[0].score),)
    assert not calls
    for damaged in ("[[0, 7, false, true, false, 1.0]]", "[[0]]", "{"):
        file.write_text(damaged)
        assert found(*paths) == first
    assert calls == [2, 2, 2]


def test_a_store_that_cannot_be_written_changes_nothing(samples: dict[str, Path], tmp_path: Path) -> None:
    paths = [saved(tile(samples), tmp_path / "a.jpg"), saved(tile(samples), tmp_path / "b.jpg", 50)]
    (tmp_path / "copies").write_text("in the way")
    names = [str(path) for path in paths]
    assert len(find(names, hashes(names), Store(tmp_path), Silent())) == 1


def test_all_pictures_are_compared_block_by_block(samples: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    names = headstart.photos.pictures.listed([*(tile(samples, i) for i in range(6)), ImageOps.mirror(tile(samples, 5))])
    whole = found(*names)
    for module, name in (
        (nearest, "_ROWS"),
        (nearest, "_COLUMNS"),
        (finding, "_CHUNK"),
        (thumbnails, "_CHUNK"),
    ):
        monkeypatch.setattr(module, name, 2)
    shutil.rmtree(Store().copies)
    assert found(*names) == whole != ()


def test_many_pictures_are_searched_in_a_graph_which_misses_few() -> None:
    """Noise instead of photos: every second picture has an altered copy, every tenth a mirrored one."""
    pytest.importorskip("usearch")
    random = np.random.default_rng(7)
    grey = random.integers(0, 256, (1500, 12, 12)).astype(np.float32).repeat(4, axis=1).repeat(4, axis=2)
    copies = np.clip(grey[:750] * 0.8 + random.normal(0, 20, (750, 48, 48)), 0, 255).astype(np.float32)
    copies[::5] = copies[::5, :, ::-1]
    index = np.rint(127 * nearest._halves(nearest.described(np.concatenate([grey, copies])))).astype(np.int8)
    rows = np.arange(len(index))
    exact, graph = (
        nearest._nearest(search, len(index), rows, np.concatenate([grey, copies]))
        for search in (nearest._All(index), nearest._Graph(index))
    )
    assert len(exact) >= 750
    assert len(np.intersect1d(exact, graph)) >= 0.99 * len(exact)
    assert len(np.setdiff1d(graph, exact)) == 0


def test_without_the_library_the_user_learns_of_it(monkeypatch: pytest.MonkeyPatch, samples: dict[str, Path]) -> None:
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    monkeypatch.setattr(nearest, "_MANY", 2)
    names = headstart.photos.pictures.listed([tile(samples), ImageOps.mirror(tile(samples))])
    notes = Notes()
    assert [pair.reason for pair in find(names, hashes(names), Store(), notes)] == ["mirrored copy"]
    assert "pip install 'headstart[neighbours]'" in notes.lines[-1]


def test_a_picture_has_only_so_many_candidates(samples: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "_NEAREST", 2)
    names = headstart.photos.pictures.listed(
        [ImageEnhance.Brightness(tile(samples)).enhance(1 - i / 100) for i in range(12)]
    )
    gallery = thumbnails.Gallery(names, hashes(names), Store(), Silent())
    with ThreadPoolExecutor(1) as pool:
        pairs, _ = nearest.candidates(gallery, len(names), pool, Silent())
    assert len(pairs) <= 12 * 2 * 2
    assert len(groups(found(*names))) == 1


# --- in train and compare ---


def doubled(samples: dict[str, Path], root: Path) -> Path:
    """`singles` and an altered copy of each, whose features differ."""
    for path in sorted(singles(samples, root).rglob("*.jpg")):
        with Image.open(path) as picture:
            saved(cropped(ImageOps.mirror(picture)), path.with_name(f"copy-{path.name}"), 60)
    return root


def test_copies_are_in_the_same_fold_and_count_once(samples: dict[str, Path], tmp_path: Path) -> None:
    notes = Notes()
    training = train(doubled(samples, tmp_path / "photos"), progress=notes)
    answers = training.measured.answers
    assert answers.folds is not None
    where: dict[str, set[tuple[int, ...]]] = {}
    for path, folds in zip(answers.paths, answers.folds.T.tolist(), strict=True):
        where.setdefault(Path(path).parent.name + Path(path).stem.removeprefix("copy-"), set()).add(tuple(folds))
    assert len(where) == 16
    assert all(len(folds) == 1 for folds in where.values())
    assert training.trial.data.train.independent == 16
    assert int(answers.once.sum()) == 16
    assert any("32 photos nearly the same as others" in line and "16 groups" in line for line in notes.lines)


def test_kept_copies_are_different_photos_and_the_user_is_warned(samples: dict[str, Path], tmp_path: Path) -> None:
    notes = Notes()
    training = train(doubled(samples, tmp_path / "photos"), keep_copies=True, progress=notes)
    assert training.trial.data.train.independent == 32
    assert any("are not looked for" in line for line in notes.lines)


def test_training_copies_of_test_photos_are_left_out_and_named(samples: dict[str, Path], tmp_path: Path) -> None:
    root = tmp_path / "photos"
    for path in sorted(singles(samples, tmp_path / "all").rglob("*.jpg")):
        target = root / ("test" if path.stem in "0123" else "train") / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    for i in (2, 3):
        saved(cropped(tile(samples, i)), root / "train" / "temple" / f"copy{i}.jpg", 70)
    notes = Notes()
    training = train(root, progress=notes)
    assert [(Path(one.path).name, one.reason) for one in training.skipped] == [
        ("copy2.jpg", "duplicate"),
        ("copy3.jpg", "duplicate"),
    ]
    assert "nearly the same photo as" in training.skipped[0].detail
    (line,) = (line for line in notes.lines if "2 training photos also in the test set: left out" in line)
    assert "copy2.jpg" in line
    assert train(root, keep_copies=True, progress=False).skipped == ()


def test_copies_with_two_labels_are_reported_and_used(samples: dict[str, Path], tmp_path: Path) -> None:
    root = singles(samples, tmp_path)
    saved(ImageOps.mirror(tile(samples, 5)), root / "flower" / "wrong.jpg")
    notes = Notes()
    training = train(root, progress=notes)
    assert training.skipped == ()
    assert training.trial.train == 17
    assert any("different labels" in line and "wrong.jpg is labelled flower" in line for line in notes.lines)


def test_a_class_of_copies_only_is_used_with_a_warning(tiles: Path, samples: dict[str, Path], tmp_path: Path) -> None:
    root = tmp_path / "photos"
    shutil.copytree(tiles / "train" / "flower", root / "flower")
    for quality in (40, 60, 80):
        saved(tile(samples), root / "temple" / f"{quality}.jpg", quality)
    notes = Notes()
    training = train(root, progress=notes)
    assert training.trial.train == 15
    assert any("All photos of 'temple' look like copies" in line for line in notes.lines)


def test_compare_keeps_copies_together_for_every_backbone(samples: dict[str, Path], tmp_path: Path) -> None:
    root = doubled(samples, tmp_path / "photos")
    result = compare(root, backbones="builtin:efficientnet-lite0", heads=["centroid", "ridge"], progress=False)
    assert [int(entry.answers.once.sum()) for entry in result.entries] == [16, 16]
    assert not result.keep_copies
    kept = compare(root, backbones="builtin:efficientnet-lite0", heads="centroid", keep_copies=True, progress=False)
    assert int(kept.best.answers.once.sum()) == 32


@pytest.mark.usefixtures("tiles_are_new")
def test_compare_makes_thumbnails_while_it_decodes(
    tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[str] = []
    monkeypatch.setattr(thumbnails, "_made", lambda path, digest: decoded.append(path))
    result = compare(tiles / "train", backbones="builtin:efficientnet-lite0", heads="centroid", progress=False)
    assert not result.keep_copies
    assert decoded == []


def test_photos_in_memory_can_be_trained_on(samples: dict[str, Path]) -> None:
    pictures = [tile(samples, i, name) for name in ("temple", "flower") for i in range(5)]
    labels = ["temple"] * 5 + ["flower"] * 5
    training = train([*pictures, *map(ImageOps.mirror, pictures)], labels * 2, progress=False)
    assert training.trial.data.train.independent == 10


def test_copies_do_not_raise_the_accuracy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels by chance: nothing can be learned, except from a copy of the same photo on the other side."""
    random = np.random.default_rng(5)
    root = tmp_path / "photos"
    for i in range(60):
        noise = random.integers(0, 256, (12, 12, 3), np.uint8)
        picture = Image.fromarray(noise).resize((96, 96), Image.Resampling.BICUBIC)
        for name, quality in (("a", 95), ("b", 50)):
            saved(picture, root / str(i % 2) / f"{name}{i}.jpg", quality)
    together = train(root, head="knn", progress=False).accuracy
    monkeypatch.setattr(trial, "together", lambda clean, store, progress: clean)
    torn = train(root, head="knn", progress=False).accuracy
    assert together < 0.65
    assert torn > 0.8


def test_linked_groups_become_one(tiles: Path) -> None:
    clean = train(tiles / "train", progress=False).trial.data.train
    assert isinstance(clean, Clean)
    linked = joined(clean, [(0, 1), (1, 2), (5, 6)])
    assert linked.independent == clean.independent - 3
    assert len(set(linked.groups[:3].tolist())) == 1
    assert joined(clean, []).groups.tolist() == clean.groups.tolist()


def test_the_thumbnails_are_in_the_store_and_clear_removes_them(tiles: Path) -> None:
    train(tiles, progress=False)
    folder = Store().copies
    assert (folder / "thumbnails.values").stat().st_size == 48 * thumbnails.WIDTH
    assert json.loads(next(folder.glob("*.json")).read_text()) == []
    Store().clear()
    assert not folder.exists()
