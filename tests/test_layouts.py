"""Folders that are not what they seem: understood and reported in a line, or an error before any photo is read.

On the real photos of the shared folder: links to them in other arrangements. `train` is run with an extraction that
must not be reached where an error is expected.
"""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from beside import SHARED
from headstart.apps.cli import terminal
from headstart.apps.cli.console import run
from headstart.classifier import comparing, training
from headstart.classifier.comparing import compare
from headstart.classifier.training import train
from headstart.disk import unpack
from headstart.errors import BundleError, DataError, HeadError, LayoutError
from headstart.photos import archives
from headstart.photos.archives import unpacked
from headstart.photos.layout import part_of, understand
from headstart.photos.sources import Source, open_source, scan
from headstart.progress import Silent
from headstart.report.text.evaluation import details

FRUIT = ("apple", "banana", "orange")


class Notes(Silent):
    """Keeps all messages."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def message(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(scope="session")
def fruit(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """Six photos of each of three kinds: the shared ones or, without them, pictures of one colour."""
    real = SHARED / "phone-fruit"
    if real.is_dir():
        return {kind: sorted((real / kind).iterdir())[:6] for kind in FRUIT}
    root = tmp_path_factory.mktemp("fruit")
    for number, kind in enumerate(FRUIT):
        for i in range(6):
            Image.new("RGB", (32, 32), (80 * number + 10 * i, 40, 200 - 30 * i)).save(root / f"{kind}-{i}.png")
    return {kind: sorted(root.glob(f"{kind}-*")) for kind in FRUIT}


class Arranged:
    """A folder into which photos are copied."""

    def __init__(self, root: Path, fruit: dict[str, list[Path]]) -> None:
        self.root, self.fruit = root, fruit

    def put(self, folder: str, kind: str, *numbers: int) -> Arranged:
        """Photos of a kind into a folder."""
        (self.root / folder).mkdir(parents=True, exist_ok=True)
        for i in numbers or range(6):
            shutil.copy(self.fruit[kind][i], self.root / folder)
        return self

    def classes(self, folder: str, *numbers: int) -> Arranged:
        """A folder for each kind in a folder."""
        for kind in FRUIT:
            self.put(f"{folder}/{kind}", kind, *numbers)
        return self

    def text(self, name: str, content: str = "notes") -> Arranged:
        """A file that is no photo."""
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(content)
        return self


@pytest.fixture
def photos(tmp_path: Path, fruit: dict[str, list[Path]]) -> Arranged:
    return Arranged(tmp_path / "photos", fruit)


@pytest.fixture
def no_extraction(monkeypatch: pytest.MonkeyPatch) -> None:
    """No model is opened and no photo read."""

    def refuse(*_: Any, **__: Any) -> None:
        pytest.fail("the work began")

    monkeypatch.setattr(training.backbones, "load", refuse)
    monkeypatch.setattr(training, "vectors_of", refuse)
    monkeypatch.setattr(comparing, "extract_all", refuse)


def refusal(root: Path, **settings: Any) -> LayoutError:
    """The error of `train` and of `compare`, which is the same."""
    with pytest.raises(LayoutError) as caught:
        train(root, **settings)
    with pytest.raises(LayoutError) as again:
        compare(root, backbones=["builtin:efficientnet-lite0"], **settings)
    assert str(caught.value) == str(again.value)
    return caught.value


def ways(error: LayoutError) -> list[tuple[str, ...]]:
    return [tuple(filter(None, (way.photos, *way.added, way.without))) for way in error.ways]


def counts(source: Source) -> tuple[dict[str, int], dict[str, int] | None]:
    return source.train.counts, source.test.counts if source.test else None


def each(number: int) -> dict[str, int]:
    return dict.fromkeys(FRUIT, number)


# --- parts by many names ---


@pytest.mark.parametrize(
    ("learn", "measure"),
    [
        ("training", "testing"),
        ("trainset", "testset"),
        ("TRAIN", "TEST"),
        ("Training Set", "Test Set"),
        ("train", "eval"),
        ("train_data", "validation_data"),
        ("train2017", "val2017"),
        ("images_train", "images_val"),
        ("fruit-train", "fruit-test"),
        ("train", "holdout"),
    ],
)
def test_parts_by_other_names_are_found_and_reported(photos: Arranged, learn: str, measure: str) -> None:
    source = scan(photos.classes(learn, 0, 1, 2, 3).classes(measure, 4, 5).root)
    assert counts(source) == (each(4), each(2))
    line = f"{photos.root / learn} is trained on, {photos.root / measure} is measured on."
    assert source.notes == (() if (learn, measure) == ("TRAIN", "TEST") else (line,))


def test_names_of_parts() -> None:
    assert part_of("Validation_Images") == "validation"
    for name in ("trains", "trainer", "bus", "valid-ish", "invalid", "attest", "testimony", "latest", "", "数据"):
        assert part_of(name) is None


def test_train_val_test_is_trained_on_train_and_measured_on_test(photos: Arranged) -> None:
    source = scan(photos.classes("train", 0, 1, 2).classes("val", 3).classes("test", 4, 5).root)
    assert counts(source) == (each(3), each(2))
    assert "val is not used: settings are chosen by cross-validation within train." in source.notes


@pytest.mark.usefixtures("no_extraction")
def test_training_and_testing_without_class_folders_are_no_classes(photos: Arranged) -> None:
    photos.put("training", "apple").put("testing", "banana", 0, 1)
    error = refusal(photos.root)
    assert "holds training, testing, but training has no class folders" in error.happened
    assert error.tree == ("photos/", "  testing/   2 photos", "  training/  6 photos")
    assert not error.ways
    photos.put("extra", "orange")
    assert ways(refusal(photos.root)) == [(str(photos.root / "*"),)]


@pytest.mark.usefixtures("no_extraction")
@pytest.mark.parametrize("inner", ["test", "test/test", "test/all/photos"])
def test_a_test_folder_of_unlabelled_photos_is_an_error(photos: Arranged, inner: str) -> None:
    photos.classes("train").classes("val", 1).put(inner, "apple")
    error = refusal(photos.root)
    assert f"There are no classes of photos in {photos.root / 'test'}" in error.happened
    assert ways(error) == [(str(photos.root / "train"), "--test", str(photos.root / "val"))]


@pytest.mark.usefixtures("no_extraction")
def test_parts_without_one_to_train_on_are_an_error(photos: Arranged) -> None:
    error = refusal(photos.classes("val").classes("test").root)
    assert "has no folder to train on, only test, val" in error.happened
    assert ways(error) == [(str(photos.root / "test"),), (str(photos.root / "val"),)]


@pytest.mark.usefixtures("no_extraction")
def test_two_folders_to_train_on_are_an_error(photos: Arranged) -> None:
    error = refusal(photos.classes("train").classes("training").classes("test").root)
    assert ways(error) == [
        (str(photos.root / name), "--test", str(photos.root / "test")) for name in ("train", "training")
    ]


@pytest.mark.usefixtures("no_extraction")
def test_two_pairs_of_parts_are_an_error_that_keeps_the_pairs(photos: Arranged) -> None:
    for name in ("a_train", "a_test", "b_train", "b_test"):
        photos.classes(name, 0, 1)
    assert ways(refusal(photos.root)) == [
        (str(photos.root / f"{name}_train"), "--test", str(photos.root / f"{name}_test")) for name in ("a", "b")
    ]


@pytest.mark.usefixtures("no_extraction")
def test_test_beside_classes_is_an_error(photos: Arranged) -> None:
    error = refusal(photos.classes(".").put("test", "apple", 1, 2).root)
    assert "holds test beside apple, banana, orange, but no folder to train on" in error.happened
    assert ways(error) == [(str(photos.root / "*"),)]
    assert scan(photos.root / "*").train.counts == {**each(6), "test": 2}


def test_each_class_may_have_its_own_parts(photos: Arranged) -> None:
    for kind in FRUIT:
        photos.put(f"{kind}/train", kind, 0, 1, 2, 3).put(f"{kind}/test", kind, 4, 5)
    source = scan(photos.root)
    assert counts(source) == (each(4), each(2))
    assert source.notes == ("Each class has its own parts: train to train on, test to measure on.",)


@pytest.mark.usefixtures("no_extraction")
def test_several_data_sets_beside_each_other_are_an_error(photos: Arranged) -> None:
    error = refusal(photos.classes("a/train").classes("a/test").classes("b/train").classes("b/test").root)
    assert "holds several data sets: a, b" in error.happened
    assert ways(error) == [(str(photos.root / "a"),), (str(photos.root / "b"),)]


# --- no false alarms ---


def test_a_train_is_a_vehicle(photos: Arranged) -> None:
    photos.put("train", "apple").put("bus", "banana").put("car", "orange")
    source = scan(photos.root)
    assert counts(source) == ({"bus": 6, "car": 6, "train": 6}, None)
    assert source.notes == ()
    shutil.rmtree(photos.root / "train")
    photos.put("train/steam", "apple", 0, 1).put("train/diesel", "apple", 2)
    source = scan(photos.root)
    assert source.train.counts == {"bus": 6, "car": 6, "train": 3}
    assert source.notes == ("Folders inside a class folder belong to its class: train (diesel, steam).",)


def test_valid_and_invalid_are_classes(photos: Arranged) -> None:
    assert scan(photos.put("valid", "apple").put("invalid", "banana").root).train.classes == ("invalid", "valid")


def test_a_train_station_and_a_blood_test_are_classes(photos: Arranged) -> None:
    photos.put("train station", "apple").put("bus station", "banana").put("blood test", "orange")
    assert scan(photos.root).train.classes == ("blood test", "bus station", "train station")
    assert scan(photos.root).notes == ()


def test_years_inside_classes_are_no_classes(photos: Arranged) -> None:
    for kind in FRUIT:
        photos.put(f"{kind}/2021", kind, 0, 1).put(f"{kind}/2022-05", kind, 2)
    assert counts(scan(photos.root)) == (each(3), None)


@pytest.mark.usefixtures("no_extraction")
def test_years_inside_the_only_class_are_no_classes(photos: Arranged) -> None:
    photos.put("apple/2021", "apple", 0, 1).put("apple/2022", "apple", 2)
    assert scan(photos.root).train.counts == {"apple": 3}
    assert f"{photos.root} holds only 'apple'" in refusal(photos.root).happened


def test_train_and_test_are_classes_where_these_are_expected(photos: Arranged) -> None:
    photos.put("train/steam", "apple", 0, 1).put("train/diesel", "apple", 2).put("test/steam", "banana", 1)
    photos.put("test/diesel", "banana", 2)
    assert counts(scan(photos.root, ("test", "train"))) == ({"test": 2, "train": 3}, None)


@pytest.mark.usefixtures("no_extraction")
def test_a_train_with_folders_beside_one_other_is_asked_about(photos: Arranged) -> None:
    error = refusal(photos.classes("train").put("unlabelled", "apple").root)
    assert "holds train, which may be a class or a part to train on, beside unlabelled" in error.happened
    assert ways(error) == [(str(photos.root / "train"),), (str(photos.root / "*"),)]


# --- folders around everything, and folders below ---


@pytest.mark.parametrize("wrapper", ["dataset", "dataset/fruit", "train"])
def test_a_folder_around_everything_is_passed(photos: Arranged, wrapper: str) -> None:
    source = scan(photos.text("README.md").classes(wrapper).root)
    assert counts(source) == (each(6), None)
    assert source.notes == (f"{photos.root / wrapper} is used: it is the only folder with photos in {photos.root}.",)


def test_images_beside_labels_are_passed(photos: Arranged) -> None:
    photos.classes("images/train", 0, 1, 2).classes("images/val", 3, 4).text("labels/train/1.txt").text(
        "labels/val/2.txt"
    )
    source = scan(photos.root)
    assert counts(source) == (each(3), each(2))
    assert source.notes == (f"{photos.root / 'images'} is used: it is the only folder with photos in {photos.root}.",)


@pytest.mark.usefixtures("no_extraction")
def test_images_in_parts_without_classes_are_an_error(photos: Arranged) -> None:
    photos.put("images/train", "apple").put("images/val", "banana").text("labels/train/1.txt")
    assert "images holds train, val, but train has no class folders" in refusal(photos.root).happened


@pytest.mark.usefixtures("no_extraction")
def test_classes_one_level_too_deep_are_asked_about(photos: Arranged) -> None:
    error = refusal(photos.classes("camera1", 0, 1).classes("camera2", 2, 3).root)
    assert "may have its classes in the first or the second level of folders" in error.happened
    assert "    apple/   2 photos" in error.tree
    assert ways(error) == [(str(photos.root / "*" / "*"),), (str(photos.root / "*"),)]
    assert counts(scan(photos.root / "*" / "*")) == (each(4), None)
    assert scan(photos.root / "*").train.counts == {"camera1": 6, "camera2": 6}


def test_folders_of_a_class_belong_to_it_and_are_reported(photos: Arranged) -> None:
    source = scan(photos.put("fruit/apple", "apple").put("fruit/banana", "banana").put("other", "orange").root)
    assert source.train.counts == {"fruit": 12, "other": 6}
    assert source.notes == ("Folders inside a class folder belong to its class: fruit (apple, banana).",)


# --- no classes, one class, loose and other files ---


@pytest.mark.usefixtures("no_extraction")
def test_one_folder_of_photos_without_classes_is_an_error(photos: Arranged) -> None:
    error = refusal(photos.put(".", "apple").text("notes.txt").root)
    assert "It holds 7 file(s) that belong to no class." in error.happened
    assert error.tree == ("photos/  6 photos, 1 other file",)


@pytest.mark.usefixtures("no_extraction")
def test_a_class_folder_in_place_of_the_folder_above_is_an_error(photos: Arranged) -> None:
    error = refusal(photos.classes(".").root / "apple")
    assert ways(error) == [(str(photos.root),)]


@pytest.mark.usefixtures("no_extraction")
def test_one_class_is_an_error(photos: Arranged) -> None:
    error = refusal(photos.put("apple", "apple").root)
    assert f"needs at least two classes; {photos.root} holds only 'apple'" in error.happened
    assert error.tree == ("photos/", "  apple/  6 photos")


@pytest.mark.usefixtures("no_extraction")
def test_empty_folders_only_are_named(photos: Arranged) -> None:
    for kind in FRUIT:
        (photos.root / kind).mkdir(parents=True)
    assert "Its folders hold no photos: apple, banana, orange." in refusal(photos.root).happened


def test_loose_photos_beside_classes_are_counted(photos: Arranged) -> None:
    source = scan(photos.classes(".").put(".", "apple", 0, 1).root)
    assert counts(source) == (each(6), None)
    assert source.notes == (f"2 file(s) directly in {photos.root} belong to no class and are ignored.",)


def test_a_folder_without_photos_is_no_class(photos: Arranged) -> None:
    source = scan(photos.classes(".").text("docs/a.txt").text("docs/b.xml").root)
    assert counts(source) == (each(6), None)
    assert source.notes == (f"The folder {photos.root / 'docs'} holds no photos (2 other files): it is not a class.",)


def test_of_many_empty_folders_only_some_are_named(photos: Arranged) -> None:
    photos.classes(".")
    for number in range(10):
        (photos.root / f"empty{number}").mkdir()
    notes = scan(photos.root).notes
    assert notes[0] == f"The folder {photos.root / 'empty0'} is empty: it is not a class."
    assert notes[3:] == (f"Not classes either, because they hold no photos: 7 more folders in {photos.root}.",)


def test_photos_without_an_extension_count_and_texts_do_not(photos: Arranged) -> None:
    photos.put("apple", "apple").put("banana", "banana").text("banana/notes.txt").text("banana/list")
    os.rename(next((photos.root / "apple").iterdir()), photos.root / "apple" / "no extension")
    notes = Notes()
    result = train(photos.root, head="centroid", progress=notes)
    assert "2 classes (each photo to train and, by cross-validation, to test): apple 6, banana 6." in notes.lines
    assert "Not counted, because they are not photos: 2 files." in notes.lines
    assert (result.trial.train, result.measured.photos.found) == (12, 14)


def test_a_class_that_is_not_measured_on_has_dashes(photos: Arranged) -> None:
    photos.classes("train", 0, 1, 2).put("test/apple", "apple", 4, 5).put("test/banana", "banana", 4, 5)
    result = train(photos.root, head="centroid", keep_copies=True, progress=False)  # some were taken in one second
    lines = details(result.measured.evaluation).splitlines()
    assert next(line.split() for line in lines if line.startswith("orange")) == ["orange", "0", "–", "–", "–"]


# --- archives ---


def zipped(photos: Arranged) -> Path:
    return Path(shutil.make_archive(str(photos.root), "zip", photos.root.parent, photos.root.name))


@pytest.mark.usefixtures("no_extraction")
@pytest.mark.parametrize("kind", ["zip", "tar", "gztar"])
def test_an_archive_is_an_error_that_offers_to_unpack_it(photos: Arranged, kind: str) -> None:
    photos.classes(".", 0, 1)
    made = shutil.make_archive(str(photos.root.parent / "fruit"), kind, photos.root)
    error = refusal(Path(made))
    assert f"{made} is an archive" in error.happened
    assert ways(error) == [("--unpack",)]
    (photos.root.parent / "fruit").mkdir()
    assert ways(refusal(Path(made))) == [(str(photos.root.parent / "fruit"),), ("--unpack",)]


@pytest.mark.usefixtures("no_extraction")
def test_a_folder_with_an_archive_or_a_csv_offers_it(photos: Arranged) -> None:
    made = zipped(photos.classes(".", 0))
    shutil.rmtree(photos.root)
    photos.root.mkdir()
    shutil.move(made, photos.root / "fruit.zip")
    assert ways(refusal(photos.root)) == [(str(photos.root / "fruit.zip"), "--unpack")]
    photos.put("images", "apple").text("labels.CSV", "path,label")
    assert ways(refusal(photos.root)) == [(str(photos.root / "labels.CSV"),)]
    photos.put("images", "banana").text("images/list.csv")
    assert ways(refusal(photos.root / "images")) == [(str(photos.root / "images" / "list.csv"),)]


@pytest.mark.usefixtures("no_extraction")
def test_an_archive_of_a_foreign_kind_is_not_offered_to_be_unpacked(tmp_path: Path) -> None:
    (tmp_path / "a.7z").write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(100))
    assert ways(refusal(tmp_path / "a.7z")) == []


def test_an_archive_is_unpacked_once(photos: Arranged) -> None:
    made = zipped(photos.classes("."))
    shutil.rmtree(photos.root)
    notes = Notes()
    result = train(made, head="centroid", unpack=True, progress=notes)
    assert result.source == str(photos.root)
    assert f"Unpacking {made} to {photos.root}." in notes.lines
    assert f"{photos.root / 'photos'} is used: it is the only folder with photos in {photos.root}." in notes.lines
    before = {path: path.stat().st_mtime_ns for path in photos.root.rglob("*")}
    again = Notes()
    assert unpacked(made, again) == photos.root
    assert again.lines == [f"{photos.root} is used: the content of {made}."]
    assert {path: path.stat().st_mtime_ns for path in photos.root.rglob("*")} == before
    assert sorted(path.name for path in made.parent.iterdir()) == ["photos", "photos.zip"]


def test_a_folder_in_the_place_of_the_unpacked_one_is_never_touched(photos: Arranged) -> None:
    made = zipped(photos.classes(".", 0))
    with pytest.raises(LayoutError, match="is there already, and was not unpacked from") as caught:
        unpacked(made, Silent())
    assert ways(caught.value) == [(str(photos.root),)]
    shutil.rmtree(photos.root)
    unpacked(made, Silent())
    os.utime(made, (1, 1))  # another archive of that name
    with pytest.raises(LayoutError, match="is there already"):
        unpacked(made, Silent())


def test_an_interrupted_unpacking_leaves_nothing_and_is_done_again(
    photos: Arranged, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = zipped(photos.classes("."))
    shutil.rmtree(photos.root)
    write, written = unpack._write, []

    def interrupted(*given: Any) -> None:
        if len(written) == 5:
            raise KeyboardInterrupt
        written.append(write(*given))

    monkeypatch.setattr(unpack, "_write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        unpacked(made, Silent())
    monkeypatch.setattr(unpack, "_write", write)
    assert [path.name for path in made.parent.iterdir()] == ["photos.zip"]
    left = made.parent / ".photos.part" / "of a process that was killed"
    left.parent.mkdir()
    left.write_text("")
    assert len([path for path in unpacked(made, Silent()).rglob("*") if path.is_file() and path.name[0] != "."]) == 18
    assert not (made.parent / ".photos.part").exists()


def test_where_nothing_may_be_written_an_archive_is_unpacked_to_the_data_folder(
    photos: Arranged, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = zipped(photos.classes(".", 0, 1))
    shutil.rmtree(photos.root)
    monkeypatch.setattr(archives.os, "access", lambda *_: False)
    folder = unpacked(made, Silent())
    assert folder.parent == home / "unpacked"
    assert counts(scan(folder)) == (each(2), None)


def test_a_hostile_or_damaged_archive_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("apple/1.jpg", b"x")
        file.writestr("../outside.jpg", b"x")
    (tmp_path / "b.zip").write_bytes((tmp_path / "a.zip").read_bytes()[:60])
    with tarfile.open(tmp_path / "c.tar", "w") as tar:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link, io.BytesIO())
    for name in ("a.zip", "b.zip", "c.tar"):
        with pytest.raises(DataError, match=r"cannot be unpacked: it .*\nNothing was kept"):
            unpacked(tmp_path / name, Silent())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "b.zip", "c.tar"]


# --- CSVs ---


@pytest.mark.parametrize(
    "header", ["filename,class", "image,label", "Image Path;Category", "file_name\tspecies", "img,label,class"]
)
def test_a_csv_with_other_names_of_columns_is_read(photos: Arranged, header: str) -> None:
    photos.classes(".", 0, 1)
    separator = next(one for one in ",;\t" if one in header)
    rows = [header] + [
        separator.join([f"{kind}/{path.name}", kind, "7"][: len(header.split(separator))])
        for kind in FRUIT
        for path in (photos.root / kind).iterdir()
    ]
    source = scan(photos.text("list.csv", "\n".join(rows)).root / "list.csv")
    assert counts(source) == (each(2), None)
    names = header.lower().split(separator)
    assert source.notes == (
        f"{photos.root / 'list.csv'}: the column '{names[0]}' is read as paths, '{names[1]}' as classes.",
    )


def test_a_csv_with_a_path_and_a_label_needs_no_note(photos: Arranged) -> None:
    photos.text("list.csv", "image,path,class,label,subset\n0,1.jpg,9,apple,Training\n0,2.jpg,9,apple,testing\n")
    source = scan(photos.root / "list.csv")
    assert (counts(source), source.notes) == (({"apple": 1}, {"apple": 1}), ())


@pytest.mark.usefixtures("no_extraction")
def test_a_csv_whose_photos_do_not_exist_is_an_error(photos: Arranged) -> None:
    photos.text("list.csv", "filename,class\na/1.jpg,apple\na/2.jpg,apple\nb/1.jpg,pear\nb/2.jpg,pear\n")
    with pytest.raises(DataError, match=r"names 4 photos to train on, but none of them exists; the first would be"):
        train(photos.root / "list.csv")


# --- seen before the work ---


@pytest.mark.usefixtures("no_extraction")
def test_a_class_of_one_photo_is_an_error_that_offers_to_leave_it_out(photos: Arranged) -> None:
    photos.put("apple", "apple").put("banana", "banana").put("orange", "orange", 0).text("orange/notes.txt")
    error = refusal(photos.root)
    assert error.happened == "Too few photos of 'orange' (1)."
    assert ways(error) == [("--skip-small-classes",)]
    shutil.rmtree(photos.root / "banana")
    assert refusal(photos.root, skip_small_classes=True).ways == ()


def test_small_classes_are_left_out_where_that_is_wanted(photos: Arranged) -> None:
    for part, numbers in (("train", (0, 1, 2)), ("test", (3, 4))):
        photos.put(f"{part}/apple", "apple", *numbers).put(f"{part}/banana", "banana", *numbers)
    photos.put("train/orange", "orange", 0).put("test/orange", "orange", 1, 2)
    # Two files of one photo: seen only when they are read.
    photos.put("train/twice", "orange", 5).put("test/twice", "orange", 4)
    shutil.copy(next((photos.root / "train/twice").iterdir()), photos.root / "train/twice/copy.jpg")
    notes = Notes()
    found = compare(
        photos.root,
        backbones=["builtin:efficientnet-lite0"],
        heads=["centroid"],
        skip_small_classes=True,
        keep_copies=True,  # some were taken within one second
        progress=notes,
    )
    assert "Classes left out, because they have fewer than two photos: 'orange' (1)." in notes.lines
    assert "Classes left out, because too few of their photos can be used: 'twice' (1)." in notes.lines
    assert found.classes == ("apple", "banana")
    assert (found.best.train, found.best.test) == (6, 4)
    assert found.best.photos.reasons == {"small class": 3}
    assert found.best.photos.used == 10
    shutil.rmtree(photos.root / "train/orange")
    shutil.rmtree(photos.root / "test/orange")
    with pytest.raises(DataError, match=r"Too few photos of 'twice' \(1\): copies and files that cannot be used"):
        train(photos.root, keep_copies=True)
    with pytest.raises(DataError, match=r"--keep-copies \(in Python: keep_copies=True\) counts altered copies"):
        train(photos.root)


@pytest.mark.usefixtures("no_extraction")
def test_the_same_folder_to_train_and_to_measure_on_is_an_error(photos: Arranged) -> None:
    photos.classes(".")
    error = refusal(photos.root, test=photos.root)
    assert f"{photos.root} is to be measured on, but it holds the photos that are trained on" in error.happened
    assert ways(error) == [("--test",)]
    (photos.root.parent / "some").mkdir()
    shutil.move(photos.root / "apple", photos.root.parent / "some" / "apple")
    shutil.copytree(photos.root.parent / "some" / "apple", photos.root / "apple")
    assert len(open_source(photos.root, test=photos.root.parent / "some").test or ()) == 6


@pytest.mark.usefixtures("no_extraction")
def test_an_output_that_cannot_be_written_is_an_error(photos: Arranged) -> None:
    photos.classes(".")
    with pytest.raises(BundleError, match="does not exist"):
        train(photos.root, output=photos.root / "missing" / "model")
    with pytest.raises(HeadError, match=r"There is no head 'logistik'\. Did you mean 'logistic'\?"):
        train(photos.root, head="logistik")  # type: ignore[arg-type]


def command(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    from headstart.apps.cli.commands import app

    monkeypatch.setattr("sys.argv", ["headstart", *words])
    monkeypatch.setattr(terminal, "guard", lambda: None)  # the streams here are pytest's
    with warnings.catch_warnings():  # `run` changes how they are shown
        return run(app)


@pytest.mark.usefixtures("no_extraction")
@pytest.mark.parametrize("job", ["train", "compare"])
@pytest.mark.parametrize(("option", "place"), [("--report", "missing"), ("--report", "folder"), ("--logdir", "file")])
def test_a_report_that_cannot_be_written_is_an_error(
    photos: Arranged,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    job: str,
    option: str,
    place: str,
) -> None:
    photos.classes(".")
    target = photos.root.parent
    (target / "a file").write_text("kept")
    target = {"missing": target / "no" / "such", "folder": target, "file": target / "a file"}[place]
    words = ["-b", "builtin:efficientnet-lite0"] if job == "compare" else []
    assert command(monkeypatch, job, str(photos.root), option, str(target), *words) == 1
    assert str(target) in capsys.readouterr().err
    assert (photos.root.parent / "a file").read_text() == "kept"


def test_a_csv_of_predictions_that_cannot_be_written_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the classifier, which does not exist here, is even opened."""
    for place in (tmp_path, tmp_path / "no" / "file.csv"):
        assert command(monkeypatch, "predict", "no-classifier", "photo.jpg", "--csv", str(place)) == 1
        assert f"{place} cannot be written: " in capsys.readouterr().err
    assert command(monkeypatch, "predict", "no-classifier", "photo.jpg", "--csv", str(tmp_path / "a.csv")) == 1
    assert "no-classifier does not exist" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


# --- what the command line prints ---


@pytest.mark.usefixtures("no_extraction")
def test_the_command_line_shows_the_tree_and_the_line_to_type(
    photos: Arranged, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    photos.classes("camera1", 0, 1).classes("camera2", 2, 3)
    monkeypatch.chdir(photos.root.parent)
    assert command(monkeypatch, "train", "photos/", "--head", "ridge") == 1
    assert capsys.readouterr().err.splitlines() == [
        "Error: photos may have its classes in the first or the second level of folders: camera1, camera2 hold the "
        "same folders:",
        "  photos/",
        "    camera1/",
        "      apple/   2 photos",
        "      banana/  2 photos",
        "      orange/  2 photos",
        "    camera2/",
        "      apple/   2 photos",
        "      banana/  2 photos",
        "      orange/  2 photos",
        "Expected one folder for each class.",
        "To train on the classes apple, banana, orange:",
        "  headstart train 'photos/*/*' --head ridge",
        "To train on the classes camera1, camera2:",
        "  headstart train 'photos/*' --head ridge",
    ]
    assert command(monkeypatch, "train", "photos/camera1", "--test", "photos/camera1", "--seed=3") == 1
    assert capsys.readouterr().err.endswith(
        "To measure by cross-validation:\n  headstart train photos/camera1 --seed=3\n"
    )


@pytest.mark.usefixtures("no_extraction")
def test_the_page_about_folders_shows_what_is_printed(
    photos: Arranged, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (Path(__file__).resolve().parents[1] / "docs" / "folders.md").read_text("utf-8")
    for folder, numbers in (("camera1", (0, 1)), ("camera2", (2, 3))):
        photos.put(f"{folder}/apple", "apple", *numbers).put(f"{folder}/pear", "banana", *numbers)
    monkeypatch.chdir(photos.root.parent)
    monkeypatch.setenv("COLUMNS", "200")
    assert command(monkeypatch, "train", "photos") == 1
    assert f"```\n{capsys.readouterr().err}```" in page


@pytest.mark.parametrize(("typed", "share"), [("10%", 0.1), ("10 %", 0.1), ("0.1", 0.1), ("100%", 1.0)])
def test_a_fraction_may_be_typed_in_percent(monkeypatch: pytest.MonkeyPatch, typed: str, share: float) -> None:
    seen: dict[str, Any] = {}

    def stop(*_: Any, **settings: Any) -> None:
        seen.update(settings)
        raise DataError("stop")

    monkeypatch.setattr(training, "train", stop)
    assert command(monkeypatch, "train", "photos", "--fraction", typed) == 1
    assert seen["fraction"] == pytest.approx(share)


@pytest.mark.usefixtures("no_extraction")
def test_from_python_an_error_shows_the_arguments_to_change(photos: Arranged) -> None:
    photos.put("apple", "apple").put("banana", "banana").put("orange", "orange", 0)
    assert str(refusal(photos.root)).endswith("\nTo leave such classes out: skip_small_classes=True")
    photos.classes("parts/train").classes("parts/training").classes("parts/test")
    root = photos.root / "parts"
    assert f"\nTo train on train: '{root / 'train'}', test='{root / 'test'}'\n" in str(refusal(root))


def test_a_fraction_that_is_no_number_is_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, "train", "photos", "--fraction", "many") == 2
    assert "'many' is not a share. Expected one such as 0.1 or 10%." in capsys.readouterr().err


def test_a_large_folder_is_drawn_short(tmp_path: Path) -> None:
    for i in range(30):
        for name in ("a", "b", "c"):
            (tmp_path / f"camera{i:02}" / name / "deeper" / "still").mkdir(parents=True)
            (tmp_path / f"camera{i:02}" / name / "deeper" / "still" / "1.jpg").write_bytes(b"")
    with pytest.raises(LayoutError) as caught:
        understand(str(tmp_path))
    assert len(caught.value.tree) < 40
    assert any("and 26 more folders" in line for line in caught.value.tree)


def test_known_classes_are_not_taken_for_something_else(photos: Arranged) -> None:
    photos.put("apple/red", "apple", 0, 1).put("apple/green", "apple", 2)
    assert scan(photos.root, FRUIT).train.counts == {"apple": 3}
    assert scan(photos.root).train.counts == {"green": 1, "red": 2}
