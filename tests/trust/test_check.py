"""`headstart check`: planted faults are found, clean photos are not accused, and fixes are followed."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

import headstart
from fakes import given_away, spoilt_photos, write_photos
from headstart.apps.cli.commands import app
from headstart.backbones import DEFAULT
from headstart.classifier.checked import Check
from headstart.errors import DataError
from headstart.photos import fixes
from headstart.photos.fixes import Fix
from headstart.photos.sources import PhotoSet, Source
from headstart.report import html
from headstart.report.text.check import text
from headstart.report.text.comparison import cautions
from headstart.trust.classes import not_told_apart, same_names, unlike
from headstart.trust.looks import faults
from test_embedding import run


@pytest.fixture(scope="module")
def folder(tiles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return spoilt_photos(tmp_path_factory.mktemp("check") / "photos", tiles)


@pytest.fixture(scope="module")
def found(folder: Path, graphs: Path) -> Check:
    return headstart.check(folder, progress=False)


def below(folder: Path, *paths: str) -> set[str]:
    return set(below_all(folder, paths))


def below_all(folder: Path, paths: Sequence[str]) -> list[str]:
    return [Path(path).relative_to(folder).as_posix() for path in paths]


def test_unreadable_files_have_their_reasons(found: Check, folder: Path) -> None:
    (one,) = found.photos.skipped
    assert below(folder, one.path) == {"train/flower/empty.jpg"}
    assert one.reason == "empty"


def test_copies_are_grouped_by_where_they_are(found: Check, folder: Path) -> None:
    groups = {one.relation: below(folder, *(member.path for member in one.members)) for one in found.copies}
    assert groups["across classes"] == {"train/flower/mirrored.jpg", "train/temple/07.png"}
    assert groups["across train and test"] == {"train/temple/10.png", "test/temple/same.png"}
    within = [below(folder, *(one.path for one in group.members)) for group in found.copies_of("within a class")]
    assert {"train/temple/06.png", "train/temple/copy.jpg"} in within
    kinships = {pair.kinship for group in found.copies for pair in group.pairs}
    assert kinships == {"same file", "copy", "mirrored copy"}


def test_wrong_labels_are_listed_and_no_others(found: Check, folder: Path) -> None:
    assert found.suspicious is not None
    listed = below(folder, *(one.path for one in found.suspicious.listed))
    wrong = {f"train/temple/wrong-{n}.png" for n in (5, 7, 10)} | {f"train/flower/wrong-{n}.png" for n in (5, 8)}
    assert listed == wrong | {"train/flower/mirrored.jpg"}
    assert found.suspicious.expected == pytest.approx(len(listed), abs=1)


def test_clean_photos_are_not_accused(tiles: Path, graphs: Path) -> None:
    clean = headstart.check(tiles, progress=False)
    assert clean.suspicious is not None
    assert clean.suspicious.listed == ()
    assert clean.copies == ()
    assert [one.kind for one in clean.give_aways if one.kind == "file properties"] == []
    assert clean.classes.not_told_apart == clean.classes.small == clean.classes.same_names == ()
    assert "No label is more probably wrong than right" in text(clean)


def test_poor_photos_have_their_fault(found: Check, folder: Path) -> None:
    poor = {Path(one.path).relative_to(folder).as_posix(): one.fault for one in found.poor}
    for fault in ("tiny", "dark", "blank", "blurred"):
        assert poor[f"train/flower/{fault}.png"] == fault


def test_the_first_of_the_unlike_is_the_least_like(found: Check, folder: Path) -> None:
    assert below(folder, found.unlike[0].path) == {"train/flower/blank.png"}


def test_classes_are_doubted(found: Check) -> None:
    assert [(one.name, one.photos) for one in found.classes.small] == [("Temples", 1)]
    assert found.classes.same_names == (("Temples", "temple"),)


def test_one_look_writes_a_page_that_loads_nothing(found: Check, tmp_path: Path) -> None:
    found.report(tmp_path / "photos.html")
    page = (tmp_path / "photos.html").read_text("utf-8")
    assert '">6</span> labels are more probably wrong than right' in page
    assert page.count("<img ") >= 30
    assert not re.search(r"<script|https?://|<link|url\(", page)
    assert str(Path(found.source).parent) not in page
    assert str(Path(found.source).parent) in html.of_check(found, paths=True)


def test_fixes_are_followed_and_photos_stay(found: Check, folder: Path, tmp_path: Path, graphs: Path) -> None:
    before = sorted(path.stat().st_mtime_ns for path in folder.rglob("*"))
    table = tmp_path / "fixes.csv"
    fixes.write(table, found.fixes)
    assert fixes.read(table) == tuple(
        Fix(str(Path(one.path).absolute()), one.action, one.label, one.why) for one in found.fixes
    )
    assert {one.label for one in found.fixes if one.action == "relabel"} == {"temple", "flower"}
    training = headstart.train(folder, fixes=table, skip_small_classes=True, progress=False)
    used = training.trial.data.train
    labels = dict(zip(below_all(folder, used.features.paths), used.labels, strict=True))
    assert labels["train/temple/wrong-7.png"] == "flower"
    assert labels["train/flower/wrong-5.png"] == "temple"
    assert not {"train/flower/blank.png", "train/temple/copy.jpg"} & set(labels)
    measured = below(folder, *training.measured.paths)
    assert "test/temple/same.png" in measured
    compared = headstart.compare(
        folder, backbones=DEFAULT, heads="centroid", fixes=table, skip_small_classes=True, progress=False
    )
    assert [note for note in compared.notes if note.startswith("Fixes: ")]
    assert f"--fixes {table}" in cautions(compared)
    assert before == sorted(path.stat().st_mtime_ns for path in folder.rglob("*"))


def test_of_copies_one_that_shows_something_is_kept(samples: dict[str, Path], tmp_path: Path, graphs: Path) -> None:
    for name in ("temple", "flower"):
        (tmp_path / name).mkdir()
        with Image.open(samples[name]) as photo:
            for quality in (50, 90):
                photo.convert("RGB").save(tmp_path / name / f"{quality}.jpg", quality=quality)
            photo.convert("RGB").resize((48, 48)).save(tmp_path / name / "0-tiny.jpg")
    looked = headstart.check(tmp_path, progress=False)
    assert [(one.name, one.photos) for one in looked.classes.small] == [("flower", 1), ("temple", 1)]
    left_out = {(name, file) for name in ("temple", "flower") for file in ("0-tiny.jpg", "90.jpg")}
    assert {Path(one.path).parts[-2:] for one in looked.fixes} == left_out


def test_the_command_writes_what_train_takes(folder: Path, tmp_path: Path, graphs: Path) -> None:
    code, printed = run("check", folder, "--write", tmp_path / "fixes.csv", "--report", tmp_path / "photos.html")
    assert code == 0
    assert "Labels that are probably wrong: 6, of which about 6 are." in printed
    assert (tmp_path / "photos.html").read_text("utf-8").startswith("<!doctype html>")
    code, printed = run("train", folder, "--fixes", tmp_path / "fixes.csv", "--skip-small-classes")
    assert code == 0
    with pytest.raises(DataError, match="cannot be written"):
        run("check", folder, "--write", tmp_path)


def test_labels_are_not_looked_at_where_nothing_can_be_learned(tmp_path: Path, graphs: Path) -> None:
    write_photos(tmp_path, {"red": 1, "navy": 1})
    few = headstart.check(tmp_path, progress=False)
    assert few.suspicious is None
    assert "Labels were not looked at" in text(few)
    assert "–<small>not looked at</small>" in html.of_check(few)
    assert few.to_json()["suspicious"] is None


def test_the_next_command_is_printed_if_there_is_anything_to_fix(
    folder: Path, samples: dict[str, Path], tmp_path: Path, graphs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "fixes.csv"
    for name in ("temple", "flower"):
        (tmp_path / "few" / name).mkdir(parents=True)
        (tmp_path / "few" / name / "1.jpg").write_bytes(samples[name].read_bytes())
    parts = [str(folder / "train"), "--test", str(folder / "test")]
    app(["check", *parts, "--write", str(table)], standalone_mode=False)
    assert f"headstart train {' '.join(parts)} --fixes {table}" in capsys.readouterr().err
    app(["check", str(tmp_path / "few"), "--write", str(table)], standalone_mode=False)
    assert "Nothing to leave out or to relabel" in capsys.readouterr().err


def source() -> Source:
    return Source(PhotoSet(("a.jpg", "b.jpg", "c.jpg"), ("x", "x", "y")), None)


def test_fixes_are_counted() -> None:
    here = [str(Path(name).absolute()) for name in ("a.jpg", "b.jpg", "gone.jpg")]
    changed = fixes.apply(
        source(),
        [Fix(here[0], "leave out", "", ""), Fix(here[1], "relabel", "y", ""), Fix(here[2], "leave out", "", "")],
    )
    assert changed.train == PhotoSet(("b.jpg", "c.jpg"), ("y", "y"))
    assert changed.notes == (
        "Fixes: 1 photo left out, 1 relabelled; 1 line for photos that are not used here.",
        "Classes of which no photo is left: x.",
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("path,label\n", "does not begin with"),
        ("path,action,class,why\na.jpg,remove,,\n", "Line 2"),
        ("path,action,class,why\na.jpg,relabel,,\n", "Line 2"),
        ("path,action,class,why\na.jpg,leave out,y,\n", "Line 2"),
        ("path,action,class,why\na.jpg,relabel,y,\n./a.jpg,leave out,,\n", "Line 3 .* second one"),
    ],
)
def test_a_csv_of_fixes_that_is_not_clear_is_refused(content: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "fixes.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=words):
        fixes.read(path)


def test_fixes_never_leave_out_a_whole_part_or_a_class_in_silence() -> None:
    here = [str(Path(name).absolute()) for name in ("a.jpg", "b.jpg", "c.jpg")]
    with pytest.raises(DataError, match="all photos to train on"):
        fixes.apply(source(), [Fix(path, "leave out", "", "") for path in here])
    parts = Source(PhotoSet(("a.jpg", "b.jpg"), ("x", "y")), PhotoSet(("c.jpg",), ("x",)))
    with pytest.raises(DataError, match="all photos to measure on"):
        fixes.apply(parts, [Fix(here[2], "leave out", "", "")])
    assert fixes.apply(source(), [Fix(here[2], "relabel", "x", "")]).notes[1:] == (
        "Classes of which no photo is left: y.",
    )
    assert len(fixes.apply(source(), [Fix(here[0], "leave out", "", "")]).notes) == 1


def test_a_class_that_the_photos_do_not_have_is_refused() -> None:
    with pytest.raises(DataError, match="'z'"):
        fixes.apply(source(), [Fix(str(Path("a.jpg").absolute()), "relabel", "z", "")])


# --- the parts ---


@pytest.mark.parametrize(
    "pair",
    [("Cat", "cat"), ("apple", "apples"), ("t-shirt", "T Shirt"), ("berry", "berries"), ("café", "cafe"),
     ("hemlock", "hemlok"), ("hemlock", "hemlcok"), ("hemlock", "hemlick"), ("box", "boxes")],
)  # fmt: skip
def test_names_that_may_be_one(pair: tuple[str, str]) -> None:
    assert same_names(pair) == [pair]


def test_names_that_are_two() -> None:
    names = ["shirt", "t-shirt", "shorts", "skirt", "type 1", "type 2", "hat", "cat", "longsleeve", "pants", "temple"]
    assert same_names([*names, "C", "C++", "C#", "A", "A-", "A+", "As", "1.5", "15", "1-5", "no", "noes"]) == []


def test_classes_between_which_a_head_guesses() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 40)
    probabilities = rng.random((120, 3))
    probabilities[labels == 2] = [0.1, 0.1, 0.8]
    probabilities[labels != 2, 2] = 0.0
    ((a, b, accuracy, (low, high)),) = not_told_apart(probabilities, labels)
    assert (a, b) == (0, 1)
    assert low <= 0.5 <= high
    assert low < accuracy < high


def test_a_thousand_classes_are_compared_at_once_and_the_small_ones_left_out() -> None:
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(1000), 10)
    probabilities = rng.random((10_000, 1000), np.float32)
    probabilities[np.arange(10_000), labels] += 1  # right, but for the first two classes and a small one
    probabilities[:20, :2] = 2 + rng.random((20, 2))
    labels[9_995:] = 998
    probabilities[9_990:, 999] = 3
    started = time.process_time()
    assert [pair[:2] for pair in not_told_apart(probabilities, labels)] == [(0, 1)]
    assert time.process_time() - started < 5


def test_a_photo_from_elsewhere_is_unlike() -> None:
    rng = np.random.default_rng(0)
    vectors = (1 + 0.2 * rng.random((60, 50))).astype(np.float32)
    vectors[17] = rng.random(50)
    labels = np.repeat([0, 1], 30)
    found = unlike(vectors, labels)
    assert found[0][0] == 17
    assert len(found) <= 4
    assert unlike(vectors[:9], labels[:9]) == []


def test_backgrounds_and_files_that_give_the_class_away(tmp_path: Path, graphs: Path) -> None:
    given_away(tmp_path)
    found = headstart.check(tmp_path, progress=False)
    assert [one.kind for one in found.give_aways] == ["borders", "file properties"]
    assert all(one.interval[0] > 0.75 > one.chance == 0.5 for one in found.give_aways)
    assert "can be told from the borders of the photos alone" in text(found)


def drawn(sharp: bool = True) -> np.ndarray:
    picture = Image.new("L", (480, 480), 200)
    pen = ImageDraw.Draw(picture)
    pen.rectangle((100, 150, 330, 400), fill=60)
    pen.ellipse((200, 60, 420, 260), fill=120)
    if not sharp:
        picture = picture.filter(ImageFilter.GaussianBlur(48))
    return np.asarray(picture.resize((48, 48), Image.Resampling.BOX), np.float32)


def test_faults_of_drawn_pictures() -> None:
    noise = np.random.default_rng(0).normal(128, 2, (48, 48)).astype(np.float32)
    pictures = np.stack([drawn(), drawn(sharp=False), drawn() / 6, noise, drawn()])
    sizes = np.array([[480, 480], [480, 480], [480, 480], [0, 0], [300, 63]])
    assert faults(pictures, sizes) == [None, "blurred", "dark", "blank", "tiny"]
