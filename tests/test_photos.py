"""A folder, CSV or list of photos is a data set, or a clear answer. No photo is opened here: names suffice."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from headstart.errors import DataError
from headstart.photos.sources import PhotoSet, check_classes, find_files, from_lists, open_source, scan
from headstart.safety.printable import show

posix = pytest.mark.skipif(os.name != "posix", reason="file names are text here, and links need rights")


def make(root: Path, *names: str) -> Path:
    """Files with these names below a folder; a name that ends in / is an empty folder."""
    for name in names:
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"photo")
    return root


def listed(root: Path, photos: PhotoSet | None) -> dict[str, str]:
    """Path relative to the root -> label."""
    assert photos is not None
    return {os.path.relpath(p, root).replace(os.sep, "/"): c for p, c in zip(photos.paths, photos.labels, strict=True)}


def refusal(source: str | Path) -> str:
    with pytest.raises(DataError) as caught:
        scan(source)
    return str(caught.value)


# --- folders ---


def test_a_sub_folder_is_a_class_and_its_files_are_photos(tmp_path: Path) -> None:
    make(tmp_path, "pear/1.jpg", "apple/2.JPG", "apple/1.jpeg")
    source = scan(tmp_path)
    assert listed(tmp_path, source.train) == {"apple/1.jpeg": "apple", "apple/2.JPG": "apple", "pear/1.jpg": "pear"}
    assert source.train.classes == ("apple", "pear")
    assert source.train.counts == {"apple": 2, "pear": 1}
    assert source.test is None
    assert source.notes == ()


def test_a_folder_may_be_given_as_text(tmp_path: Path) -> None:
    make(tmp_path, "apple/1.jpg")
    assert scan(str(tmp_path)) == scan(tmp_path)


def test_endings_do_not_matter_in_any_case(tmp_path: Path) -> None:
    names = ["a.jpg", "a.JPG", "b.JpEg", "c.HEIC", "d", "e.txt", "f.PnG"]
    make(tmp_path, *(f"apple/{name}" for name in names))
    assert set(listed(tmp_path, scan(tmp_path).train)) == {f"apple/{name}" for name in names}


def test_photos_in_folders_below_a_class_belong_to_it(tmp_path: Path) -> None:
    make(tmp_path, "apple/2021/may/1.jpg", "apple/2022/1.jpg", "apple/0.jpg", "pear/a/b/c/d/1.jpg")
    assert listed(tmp_path, scan(tmp_path).train) == {
        "apple/0.jpg": "apple",
        "apple/2021/may/1.jpg": "apple",
        "apple/2022/1.jpg": "apple",
        "pear/a/b/c/d/1.jpg": "pear",
    }


def test_photos_come_in_alphabetical_order(tmp_path: Path) -> None:
    make(tmp_path, "pear/b.jpg", "apple/z/1.jpg", "apple/y.jpg", "pear/a.jpg", "apple/zz.jpg")
    paths = scan(tmp_path).train.paths
    assert [os.path.basename(p) for p in paths] == ["y.jpg", "1.jpg", "zz.jpg", "a.jpg", "b.jpg"]


def test_hidden_files_and_what_systems_leave_behind_are_neither_photos_nor_classes(tmp_path: Path) -> None:
    make(
        tmp_path,
        "apple/1.jpg",
        "apple/.DS_Store",
        "apple/._1.jpg",
        "apple/Thumbs.db",
        "apple/THUMBS.DB",
        "apple/desktop.ini",
        "apple/.ipynb_checkpoints/1-checkpoint.jpg",
        "apple/@eaDir/1.jpg",
        ".ipynb_checkpoints/1.jpg",
        ".git/1.jpg",
        "__MACOSX/apple/._1.jpg",
        "$RECYCLE.BIN/1.jpg",
        ".hidden.jpg",
        "Thumbs.db",
    )
    source = scan(tmp_path)
    assert listed(tmp_path, source.train) == {"apple/1.jpg": "apple"}
    assert source.notes == ()


def test_loose_files_are_left_aside_and_counted(tmp_path: Path) -> None:
    make(tmp_path, "apple/1.jpg", "readme.txt", "2.jpg")
    source = scan(tmp_path)
    assert len(source.train) == 1
    assert source.notes == (f"2 file(s) directly in {tmp_path} belong to no class and are ignored.",)


def test_an_empty_class_folder_is_no_class_and_is_said(tmp_path: Path) -> None:
    make(tmp_path, "apple/1.jpg", "pear/", "plum/.DS_Store", "quince/empty/below/")
    source = scan(tmp_path)
    assert source.train.classes == ("apple",)
    assert source.notes == tuple(
        f"The folder {tmp_path / c} is empty: it is not a class." for c in ("pear", "plum", "quince")
    )


def test_one_class_can_be_scanned(tmp_path: Path) -> None:
    make(tmp_path, "apple/1.jpg", "apple/2.jpg")
    assert scan(tmp_path).train.counts == {"apple": 2}


def test_scanning_changes_nothing(tmp_path: Path) -> None:
    make(tmp_path, "train/apple/1.jpg", "test/apple/2.jpg", "loose.jpg")
    before = {path: path.stat().st_mtime_ns for path in [tmp_path, *tmp_path.rglob("*")]}
    scan(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in [tmp_path, *tmp_path.rglob("*")]} == before


# --- train and test ---


@pytest.mark.parametrize("train", ["train", "Train", "TRAIN"])
@pytest.mark.parametrize("test", ["test", "Test", "TEST", "val", "Val", "valid", "validation", "VALIDATION"])
def test_train_and_test_folders_are_found_in_any_case(tmp_path: Path, train: str, test: str) -> None:
    make(tmp_path, f"{train}/apple/1.jpg", f"{train}/pear/1.jpg", f"{test}/apple/2.jpg")
    source = scan(tmp_path)
    assert listed(tmp_path, source.train) == {f"{train}/apple/1.jpg": "apple", f"{train}/pear/1.jpg": "pear"}
    assert listed(tmp_path, source.test) == {f"{test}/apple/2.jpg": "apple"}
    assert source.notes == ()


def test_of_train_val_and_test_the_test_folder_is_measured_on_and_val_is_left_aside(tmp_path: Path) -> None:
    make(tmp_path, "train/apple/1.jpg", "val/apple/2.jpg", "test/apple/3.jpg")
    source = scan(tmp_path)
    assert listed(tmp_path, source.test) == {"test/apple/3.jpg": "apple"}
    assert source.notes == (
        f"{tmp_path / 'train'} is trained on, {tmp_path / 'test'} is measured on.",
        "val is not used: settings are chosen by cross-validation within train.",
    )


def test_a_train_folder_alone_is_learnt_from(tmp_path: Path) -> None:
    make(tmp_path, "train/apple/1.jpg", "train/pear/1.jpg")
    source = scan(tmp_path)
    assert source.train.classes == ("apple", "pear")
    assert source.test is None


def test_other_folders_beside_train_are_left_aside_and_said(tmp_path: Path) -> None:
    make(tmp_path, "train/apple/1.jpg", "test/apple/2.jpg", "sketches/apple/3.jpg")
    source = scan(tmp_path)
    assert len(source.train) == len(source.test or ()) == 1
    assert source.notes == (f"{tmp_path / 'sketches'} is ignored: it is neither train nor the folder measured on.",)


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    make(tmp_path, "train/1.jpg", "train/2.jpg", "plane/1.jpg", "bus/1.jpg")
    source = scan(tmp_path)
    assert source.train.counts == {"bus": 1, "plane": 1, "train": 2}
    assert (source.test, source.notes) == (None, ())


def test_a_class_of_test_that_training_does_not_know_is_an_error_with_a_near_miss(tmp_path: Path) -> None:
    make(tmp_path, "train/apple/1.jpg", "train/pear/1.jpg", "test/aple/1.jpg", "test/pear/2.jpg", "test/xyz/1.jpg")
    message = refusal(tmp_path)
    assert f"{tmp_path / 'test'} has classes that training does not know: 'aple', 'xyz'." in message
    assert "Expected only 'apple', 'pear'." in message
    assert "'aple' looks like 'apple'" in message
    assert "'xyz' looks like" not in message


def test_a_class_that_only_training_has_is_fine(tmp_path: Path) -> None:
    make(tmp_path, "train/apple/1.jpg", "train/pear/1.jpg", "test/pear/2.jpg")
    assert scan(tmp_path).test == from_lists([tmp_path / "test/pear/2.jpg"], ["pear"])


def test_a_long_list_of_classes_is_cut(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'c09' and 5 more"):
        check_classes(["apple"], [f"c{i:02}" for i in range(15)], "The test folder")
    check_classes(["apple", "pear"], ["pear", "pear"], "The test folder")


# --- no data set ---


def test_an_empty_folder_says_what_is_expected(tmp_path: Path) -> None:
    message = refusal(tmp_path)
    assert f"There are no classes of photos in {tmp_path}. It is empty." in message
    assert "Expected one sub-folder for each class" in message


def test_a_folder_with_nothing_but_loose_photos_has_no_classes(tmp_path: Path) -> None:
    make(tmp_path, "1.jpg", "2.jpg")
    assert "It holds 2 file(s) that belong to no class." in refusal(tmp_path)


def test_a_folder_with_nothing_but_empty_classes_has_no_photos(tmp_path: Path) -> None:
    make(tmp_path, "apple/", "pear/")
    assert "There are no classes of photos" in refusal(tmp_path)


def test_a_test_folder_without_photos_is_an_error(tmp_path: Path) -> None:
    make(tmp_path, "train/apple/1.jpg", "test/")
    assert f"There are no classes of photos in {tmp_path / 'test'}" in refusal(tmp_path)


def test_a_missing_path_is_an_error_with_a_near_miss(tmp_path: Path) -> None:
    make(tmp_path, "photos/apple/1.jpg", "unrelated/1.jpg")
    message = refusal(tmp_path / "photo")
    assert f"{tmp_path / 'photo'} does not exist. Did you mean {tmp_path / 'photos'}?" in message
    assert "Did you mean" not in refusal(tmp_path / "qqqqqq")
    assert "does not exist" in refusal(tmp_path / "no" / "such" / "folder")


def test_a_file_where_a_folder_is_expected_is_an_error(tmp_path: Path) -> None:
    make(tmp_path, "photo.jpg")
    assert f"{tmp_path / 'photo.jpg'} is a file.\nExpected a folder" in refusal(tmp_path / "photo.jpg")


@pytest.mark.parametrize("name", ["x" * 5000, "a/" * 3000, "zero\0byte"])
def test_a_path_that_cannot_be_one_does_not_exist(tmp_path: Path, name: str) -> None:
    assert "does not exist" in refusal(tmp_path / name)
    with pytest.raises(DataError, match="does not exist"):
        find_files([tmp_path / name])


@posix
def test_a_folder_that_may_not_be_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "apple/1.jpg", "pear/1.jpg")
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o755)
    Path("pear").chmod(0)
    user = os.geteuid()
    if user == 0:  # root may read everything
        os.seteuid(65_534)
    try:
        assert "The folder pear cannot be read: Permission denied." in refusal(Path())
    finally:
        os.seteuid(user)
        Path("pear").chmod(0o700)


# --- names and links ---


@posix
@pytest.mark.skipif(sys.platform == "darwin", reason="macOS refuses such names")
def test_names_that_are_not_utf_8_are_photos_and_can_be_printed(tmp_path: Path) -> None:
    folder = os.path.join(os.fsencode(tmp_path), b"caf\xe9")
    os.mkdir(folder)
    with open(os.path.join(folder, b"\xff\xfe.jpg"), "wb") as file:
        file.write(b"photo")
    photos = scan(tmp_path).train
    assert [os.fsencode(path) for path in photos.paths] == [os.path.join(folder, b"\xff\xfe.jpg")]
    assert show(photos.paths[0]) == os.path.join(str(tmp_path), r"caf\xe9", r"\xff\xfe.jpg")
    assert show(photos.paths[0]).encode() == show(photos.paths[0]).encode("ascii")
    assert find_files([os.fsdecode(folder)]) == list(photos.paths)
    assert len(photos.share(0.5, 0)) == 1


@pytest.mark.parametrize(
    "name", ["a" * 251 + ".jpg", "ä" * 125 + ".jpg", "with spaces, commas; 'quotes'.jpg", "写真.jpg"]
)
def test_long_and_unusual_names_are_photos(tmp_path: Path, name: str) -> None:
    make(tmp_path, f"apple/{name}")
    assert [os.path.basename(path) for path in scan(tmp_path).train.paths] == [name]


def test_a_class_may_have_the_longest_name_there_is(tmp_path: Path) -> None:
    make(tmp_path, "c" * 255 + "/1.jpg")
    assert scan(tmp_path).train.classes == ("c" * 255,)


@posix
def test_links_to_photos_and_folders_are_followed(tmp_path: Path) -> None:
    elsewhere = make(tmp_path / "elsewhere", "1.jpg", "pears/2.jpg")
    root = make(tmp_path / "photos", "apple/")
    (root / "apple" / "link.jpg").symlink_to(elsewhere / "1.jpg")
    (root / "pear").symlink_to(elsewhere / "pears")
    assert listed(root, scan(root).train) == {"apple/link.jpg": "apple", "pear/2.jpg": "pear"}
    (tmp_path / "shortcut").symlink_to(root)
    assert scan(tmp_path / "shortcut").train.counts == {"apple": 1, "pear": 1}


@posix
def test_a_link_that_leads_nowhere_is_a_file_that_reading_will_refuse(tmp_path: Path) -> None:
    make(tmp_path, "apple/1.jpg")
    (tmp_path / "apple" / "gone.jpg").symlink_to(tmp_path / "no such photo.jpg")
    (tmp_path / "gone").symlink_to(tmp_path / "no such folder")
    source = scan(tmp_path)
    assert listed(tmp_path, source.train) == {"apple/1.jpg": "apple", "apple/gone.jpg": "apple"}
    assert source.notes == (f"1 file(s) directly in {tmp_path} belong to no class and are ignored.",)


@posix
def test_a_link_to_itself_is_a_file_that_reading_will_refuse(tmp_path: Path) -> None:
    make(tmp_path, "apple/1.jpg")
    (tmp_path / "apple" / "loop").symlink_to("loop")
    (tmp_path / "loop").symlink_to("loop")
    source = scan(tmp_path)
    assert listed(tmp_path, source.train) == {"apple/1.jpg": "apple", "apple/loop": "apple"}
    assert len(source.notes) == 1
    assert find_files([tmp_path / "loop"]) == [str(tmp_path / "loop")]
    assert "does not exist" in refusal(tmp_path / "loop")


@posix
@pytest.mark.parametrize("target", [".", "..", "../..", "/"])
def test_a_link_to_a_folder_above_does_not_put_other_classes_into_this_one(tmp_path: Path, target: str) -> None:
    root = make(tmp_path / "photos", "apple/1.jpg", "pear/2.jpg")
    (root / "apple" / "up").symlink_to(target)
    assert listed(root, scan(root).train) == {"apple/1.jpg": "apple", "pear/2.jpg": "pear"}


@posix
def test_a_linked_class_with_a_link_back_to_the_photos_does_not_take_them_in(tmp_path: Path) -> None:
    root = make(tmp_path / "photos", "pear/2.jpg")
    elsewhere = make(tmp_path / "elsewhere", "apples/1.jpg")
    (root / "apple").symlink_to(elsewhere / "apples")
    (elsewhere / "apples" / "back").symlink_to(root)
    (elsewhere / "apples" / "up").symlink_to(elsewhere)
    assert listed(root, scan(root).train) == {"apple/1.jpg": "apple", "pear/2.jpg": "pear"}


@posix
def test_a_class_that_is_a_link_to_all_the_photos_is_no_class(tmp_path: Path) -> None:
    make(tmp_path, "apple/1.jpg")
    (tmp_path / "all").symlink_to(".")
    source = scan(tmp_path)
    assert listed(tmp_path, source.train) == {"apple/1.jpg": "apple"}
    assert len(source.notes) == 1


@posix
def test_a_folder_reached_by_two_links_is_counted_once(tmp_path: Path) -> None:
    root = make(tmp_path / "photos", "apple/real/1.jpg")
    (root / "apple" / "again").symlink_to("real")
    (root / "apple" / "real" / "round").symlink_to("../again")
    assert len(scan(root).train) == 1


@posix
def test_a_path_through_a_link_and_back_is_scanned(tmp_path: Path) -> None:
    make(tmp_path / "far", "deep/", "photos/apple/1.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "far" / "deep")
    assert len(scan(os.path.join(tmp_path, "link", "..", "photos")).train) == 1


# --- CSV ---


def table(root: Path, text: str | bytes, name: str = "photos.csv") -> Path:
    path = root / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_csv_names_paths_relative_to_its_folder(tmp_path: Path) -> None:
    source = scan(table(tmp_path, "path,label\na/1.jpg,apple\n./2.jpg,pear\n"))
    assert source.train == from_lists([tmp_path / "a/1.jpg", tmp_path / "2.jpg"], ["apple", "pear"])
    assert source.test is None


def test_a_csv_may_name_absolute_paths(tmp_path: Path) -> None:
    photo = tmp_path / "elsewhere" / "1.jpg"
    assert scan(table(tmp_path, f"path,label\n{photo},apple\n")).train.paths == (str(photo),)


def test_a_csv_in_the_current_folder_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table(tmp_path, "path,label\na/1.jpg,apple\n")
    monkeypatch.chdir(tmp_path)
    assert scan("photos.csv").train.paths == (os.path.join("a", "1.jpg"),)


@pytest.mark.parametrize(
    "text",
    [
        "path;label\n1.jpg;apple\n2.jpg;pear\n",
        "path\tlabel\n1.jpg\tapple\n2.jpg\tpear\n",
        "\ufeffpath,label\r\n1.jpg,apple\r\n2.jpg,pear\r\n",
        "\ufeffpath;label\r\n1.jpg;apple\r\n2.jpg;pear",
        "path,label\r1.jpg,apple\r2.jpg,pear\r",
        '"path","label"\n"1.jpg","apple"\n"2.jpg","pear"\n',
        " Path , LABEL \n 1.jpg , apple \n 2.jpg , pear \n",
        "label,path\napple,1.jpg\npear,2.jpg\n",
        "id,path,note,label\n1,1.jpg,nice,apple\n2,2.jpg,,pear\n",
        "path,label\n\n1.jpg,apple\n\n2.jpg,pear\n\n",
        "path,label,split\n1.jpg,apple,train\n2.jpg,pear,\n",
    ],
    ids=[
        "semicolon",
        "tab",
        "bom",
        "excel",
        "cr",
        "quoted",
        "spaces",
        "turned",
        "more columns",
        "blank lines",
        "split",
    ],
)
def test_a_csv_as_programs_write_it_is_read(tmp_path: Path, text: str) -> None:
    photos = scan(table(tmp_path, text, "photos.CSV")).train
    assert listed(tmp_path, photos) == {"1.jpg": "apple", "2.jpg": "pear"}


def test_a_quoted_path_may_hold_the_separator(tmp_path: Path) -> None:
    photos = scan(table(tmp_path, 'path,label\n"a, b.jpg","red, sour"\n')).train
    assert listed(tmp_path, photos) == {"a, b.jpg": "red, sour"}


@pytest.mark.parametrize("held_out", ["test", "Test", "val", "VALID", "validation"])
def test_a_csv_may_name_the_side_of_each_photo(tmp_path: Path, held_out: str) -> None:
    source = scan(table(tmp_path, f"path,label,split\n1.jpg,apple,Train\n2.jpg,apple,{held_out}\n3.jpg,pear,\n"))
    assert listed(tmp_path, source.train) == {"1.jpg": "apple", "3.jpg": "pear"}
    assert listed(tmp_path, source.test) == {"2.jpg": "apple"}


def test_of_val_and_test_in_a_csv_test_is_measured_on(tmp_path: Path) -> None:
    source = scan(table(tmp_path, "path,label,split\n1.jpg,a,train\n2.jpg,a,val\n3.jpg,a,val\n4.jpg,a,test\n"))
    assert listed(tmp_path, source.test) == {"4.jpg": "a"}
    assert source.notes == (
        "2 photos of split validation not used: split test is measured on, and settings are chosen by cross-validation "
        "within split train.",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "where,label\n1.jpg,apple\n",
            "has no column 'path'.\nExpected a first line path,label or path,label,split; re",
        ),
        ("path,colour\n1.jpg,red\n", "received 'path', 'colour'."),
        ("1.jpg,apple\n2.jpg,pear\n", "has no column 'path', 'label'."),
        ("", "received an empty file."),
        ("path,label\n", "names no photos to train on."),
        ("path,label,split\n1.jpg,apple,test\n", "names no photos to train on."),
        ("path,label\n1.jpg,apple\n2.jpg,\n", "Line 3 of "),
        ("path,label\n1.jpg,apple\n2.jpg\n", "label ''"),
        ("path,label\n,apple\n", "path ''"),
        ("path,label,split\n1.jpg,apple,aside\n", "split 'aside'.\nExpected a path, a label and as split train"),
        ("path,label,split\n1.jpg,apple,train\n2.jpg,aple,test\n", "'aple' looks like 'apple'"),
        (f'path,label\n1.jpg,"{"x" * 200_000}"\n', "cannot be read as CSV: field larger than field limit"),
        ("path,label\ncaf\xe9.jpg,apple\n".encode("latin-1"), "is not UTF-8 (byte 14).\nSave it as 'CSV UTF-8'."),
        ("path,label\n1.jpg,apple\n".encode("utf-16"), "is not UTF-8 (byte 0)."),
    ],
)
def test_a_malformed_csv_says_what_is_wrong(tmp_path: Path, text: str | bytes, message: str) -> None:
    answer = refusal(table(tmp_path, text))
    assert message in answer
    assert str(tmp_path / "photos.csv") in answer


def test_a_csv_that_is_a_folder_is_scanned_as_one(tmp_path: Path) -> None:
    make(tmp_path, "photos.csv/apple/1.jpg")
    assert scan(tmp_path / "photos.csv").train.counts == {"apple": 1}


# --- lists ---


def test_lists_keep_their_order(tmp_path: Path) -> None:
    photos = from_lists([Path("b.jpg"), "a.jpg"], ["pear", "apple"])
    assert photos.paths == ("b.jpg", "a.jpg")
    assert photos.labels == ("pear", "apple")
    assert photos.classes == ("apple", "pear")
    assert photos.take([1, 0, 1]).paths == ("a.jpg", "b.jpg", "a.jpg")
    assert len(photos) == 2


def test_every_form_of_source_opens(tmp_path: Path) -> None:
    root = make(tmp_path, "train/apple/1.jpg", "train/pear/2.jpg", "test/pear/3.jpg")
    assert open_source(root) == scan(root)
    photos = from_lists(["a.jpg", "b.jpg"], ["apple", "pear"])
    for source in (open_source(photos), open_source(["a.jpg", "b.jpg"], ["apple", "pear"])):
        assert (source.train, source.test, source.notes) == (photos, None, ())
        assert (source.paths, source.labels) == (photos.paths, photos.labels)
    both = open_source(root)
    assert [os.path.basename(path) for path in both.paths] == ["1.jpg", "2.jpg", "3.jpg"]
    assert both.labels == ("apple", "pear", "pear")


def test_labels_belong_to_a_list_of_paths_and_to_nothing_else(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="A folder was given together with labels"):
        open_source(tmp_path, ["apple"])
    with pytest.raises(DataError, match="Photos were given without labels"):
        open_source(["a.jpg"])


def test_another_folder_can_be_measured_on(tmp_path: Path) -> None:
    root = make(tmp_path / "a", "train/apple/1.jpg", "train/pear/2.jpg", "test/pear/3.jpg")
    other = make(tmp_path / "b", "apple/4.jpg", "loose.jpg")
    source = open_source(root, test=other)
    assert source.train == scan(root).train
    assert listed(other, source.test) == {"apple/4.jpg": "apple"}
    assert source.notes == (
        f"1 file(s) directly in {other} belong to no class and are ignored.",
        "The source's own test part is ignored: --test is measured on.",
    )
    assert listed(root, open_source(root / "train", test=root).test) == {"test/pear/3.jpg": "pear"}
    assert open_source(root / "train", test=root).notes == ()
    with pytest.raises(DataError, match="has classes that training does not know: 'plum'"):
        open_source(root, test=make(tmp_path / "c", "plum/1.jpg"))


def test_a_share_of_the_training_photos_is_noted(tmp_path: Path) -> None:
    root = make(tmp_path, *(f"train/{c}/{i}.jpg" for c in ("apple", "pear") for i in range(10)), "test/pear/3.jpg")
    source = open_source(root, fraction=0.2, seed=1)
    assert source.train == scan(root).train.share(0.2, 1)
    assert source.train.counts == {"apple": 2, "pear": 2}
    assert (source.test, source.notes) == (scan(root).test, ("0.2 of the 20 training photos: 4.",))


def test_paths_and_labels_of_different_number_are_an_error() -> None:
    with pytest.raises(DataError, match="There are 2 paths but 1 labels"):
        from_lists(["a.jpg", "b.jpg"], ["apple"])


def test_find_files_takes_files_as_they_are_and_folders_with_all_below(tmp_path: Path) -> None:
    make(tmp_path, "one.jpg", "f/b.jpg", "f/a/z.JPG", "f/.hidden.jpg", "f/Thumbs.db", ".mine.jpg")
    found = find_files([tmp_path / "one.jpg", str(tmp_path / "f"), tmp_path / ".mine.jpg"])
    assert found == [str(tmp_path / name) for name in ("one.jpg", "f/a/z.JPG", "f/b.jpg", ".mine.jpg")]
    assert find_files([]) == []


def test_find_files_names_what_is_missing_or_empty(tmp_path: Path) -> None:
    make(tmp_path, "one.jpg", "empty/")
    with pytest.raises(DataError, match=r"on\.jpg does not exist\. Did you mean .*one\.jpg\?"):
        find_files([tmp_path / "on.jpg"])
    with pytest.raises(DataError, match=r"The folder .*empty holds no files"):
        find_files([tmp_path / "one.jpg", tmp_path / "empty"])


# --- shares ---


def hundred(root: str = "photos") -> PhotoSet:
    paths = [f"{root}/{name}/{i}.jpg" for name in ("apple", "pear") for i in range(50)]
    return from_lists(paths, ["apple"] * 50 + ["pear"] * 50)


def names(photos: PhotoSet) -> set[str]:
    return {"/".join(Path(path).parts[-2:]) for path in photos.paths}


def test_a_share_is_stratified_and_seeded() -> None:
    photos = hundred()
    share = photos.share(0.2, 0)
    assert share.counts == {"apple": 10, "pear": 10}
    assert share == photos.share(0.2, 0)
    assert share != photos.share(0.2, 1)
    assert list(share.paths) == [path for path in photos.paths if path in share.paths]


def test_a_share_does_not_depend_on_the_order() -> None:
    photos = hundred()
    assert names(photos.take(reversed(range(100))).share(0.2, 0)) == names(photos.share(0.2, 0))


def test_a_share_does_not_depend_on_where_the_photos_lie() -> None:
    assert names(hundred("/data/copy of photos").share(0.2, 0)) == names(hundred().share(0.2, 0))


def test_adding_photos_changes_a_share_by_no_more_than_them() -> None:
    photos = hundred()
    before = names(photos.share(0.2, 0))
    added = ["photos/apple/new.jpg", "photos/apple/newer.jpg", "/elsewhere/quince/1.jpg"]
    after = names(from_lists([*photos.paths, *added], [*photos.labels, "apple", "apple", "quince"]).share(0.2, 0))
    assert len(before - after) <= 2
    assert {name for name in before if name.startswith("pear")} == {name for name in after if name.startswith("pear")}


def test_relative_and_absolute_paths_may_be_mixed_in_a_share() -> None:
    assert len(from_lists(["a/1.jpg", "/b/2.jpg"], ["apple", "apple"]).share(0.5, 0)) == 1


def test_equal_names_in_different_places_do_not_depend_on_the_order() -> None:
    paths = [f"{place}/apple/1.jpg" for place in "abcdefgh"]
    share = from_lists(paths, ["apple"] * 8).share(0.5, 0)
    assert set(from_lists(paths[::-1], ["apple"] * 8).share(0.5, 0).paths) == set(share.paths)


def test_a_class_of_one_photo_keeps_it_in_every_share() -> None:
    assert from_lists(["apple/1.jpg"], ["apple"]).share(0.01, 0).paths == ("apple/1.jpg",)


def test_a_share_outside_0_to_1_is_refused() -> None:
    with pytest.raises(DataError, match="The fraction is 2"):
        hundred().share(2, 0)


def test_moving_the_whole_folder_gives_the_same_share(tmp_path: Path) -> None:
    root = make(tmp_path / "here", *(f"apple/{i}.jpg" for i in range(20)), *(f"pear/{i}.jpg" for i in range(20)))
    before = listed(root, scan(root).train.share(0.3, 5))
    moved = Path(shutil.move(root, tmp_path / "there"))
    assert listed(moved, scan(moved).train.share(0.3, 5)) == before
