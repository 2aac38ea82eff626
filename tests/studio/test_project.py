"""The folder stays what it is: photos are files in class folders, and every step can be taken back."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from headstart.apps.studio.events import Stream
from headstart.apps.studio.folder import TRASH, Folder
from headstart.apps.studio.project import Project
from headstart.errors import DataError, LayoutError

HEAD = b"\xff\xd8\xff"


def opened(root: Path) -> Project:
    return Project(Folder(root), Stream())


def tree(root: Path) -> list[str]:
    """Files and empty folders, the trash left out."""
    found = [
        path.relative_to(root).as_posix()
        for path in sorted(root.rglob("*"))
        if path.is_file() or not any(path.iterdir())
    ]
    return [path for path in found if not path.startswith(TRASH)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path in ("oak/1.jpg", "oak/2.jpg", "oak/deep/3.jpg", "pine/1.jpg", "oak/notes.txt"):
        file = tmp_path / "trees" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes((b"" if path.endswith("txt") else HEAD) + path.encode())
    (tmp_path / "trees" / "empty").mkdir()
    return tmp_path / "trees"


@pytest.fixture
def project(root: Path) -> Project:
    return opened(root)


def ids(project: Project, *paths: str) -> list[str]:
    at = {photo.path: photo.id for photo in project.shown()}
    return [at[path] for path in paths]


def test_class_folders_are_classes_and_their_photos_are_found_also_deeper(project: Project) -> None:
    state = project.state()
    assert {(one["name"], one["photos"]) for one in state["classes"]} == {("oak", 3), ("pine", 1), ("empty", 0)}
    assert [photo["name"] for photo in state["photos"]] == ["1.jpg", "2.jpg", "3.jpg", "1.jpg"]
    assert (state["folder"], state["undo"], state["redo"]) == ("trees", None, None)


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    assert Folder(tmp_path / "new" / "trees").is_new
    assert opened(tmp_path / "new" / "trees").classes == []


def journal(*changes: list[str], version: int = 1) -> bytes:
    return json.dumps({"format": version, "position": 1, "steps": [{"text": "x", "changes": changes}]}).encode()


STEPS: list[tuple[str, tuple[Any, ...], str, list[str]]] = [
    ("add_class", ("elm",), "Add class elm",
     ["elm", "empty", "oak/1.jpg", "oak/2.jpg", "oak/deep/3.jpg", "oak/notes.txt", "pine/1.jpg"]),
    ("rename_class", ("oak", "Eiche"), "Rename oak to Eiche",
     ["Eiche/1.jpg", "Eiche/2.jpg", "Eiche/deep/3.jpg", "Eiche/notes.txt", "empty", "pine/1.jpg"]),
    ("rename_class", ("oak", "Oak"), "Rename oak to Oak",
     ["Oak/1.jpg", "Oak/2.jpg", "Oak/deep/3.jpg", "Oak/notes.txt", "empty", "pine/1.jpg"]),
    ("merge_class", ("oak", "pine"), "Merge oak into pine",
     ["empty", "pine/1-2.jpg", "pine/1.jpg", "pine/2.jpg", "pine/3.jpg"]),
    ("remove_class", ("oak",), "Remove class oak", ["empty", "pine/1.jpg"]),
    ("move", (["oak/1.jpg", "oak/deep/3.jpg"], "pine"), "Move 2 photos to pine",
     ["empty", "oak/2.jpg", "oak/deep", "oak/notes.txt", "pine/1-2.jpg", "pine/1.jpg", "pine/3.jpg"]),
    ("remove", (["oak/1.jpg", "pine/1.jpg"],), "Remove 2 photos",
     ["empty", "oak/2.jpg", "oak/deep/3.jpg", "oak/notes.txt", "pine"]),
]  # fmt: skip


@pytest.mark.parametrize(("step", "given", "words", "after"), STEPS, ids=[f"{one[0]} {one[2]}" for one in STEPS])
def test_every_step_changes_the_files_and_can_be_undone_and_redone_also_after_a_restart(
    root: Path, project: Project, step: str, given: tuple[Any, ...], words: str, after: list[str]
) -> None:
    before, contents = tree(root), {path.read_bytes() for path in root.rglob("*.jpg")}
    getattr(project, step)(*(ids(project, *one) if isinstance(one, list) else one for one in given))
    assert tree(root) == after
    assert project.state()["undo"] == words
    again = opened(root)
    again.undo()
    assert tree(root) == before
    assert (again.state()["undo"], again.state()["redo"]) == (None, words)
    again.redo()
    assert tree(root) == after
    assert {path.read_bytes() for path in root.rglob("*.jpg")} == contents
    assert {photo.path for photo in again.shown()} == {photo.path for photo in opened(root).shown()}


def test_a_photo_keeps_its_id_and_features_wherever_it_is_moved_and_back(project: Project) -> None:
    (one,) = ids(project, "oak/1.jpg")
    project.photo(one).reason = "truncated"
    project.move([one], "pine")
    project.rename_class("pine", "fir")
    assert (project.photo(one).path, project.photo(one).reason) == ("fir/1-2.jpg", "truncated")
    project.remove([one])
    with pytest.raises(DataError, match="no longer there"):
        project.photo(one)
    for _ in range(3):
        project.undo()
    assert project.photo(one).path == "oak/1.jpg"


def test_what_was_undone_cannot_be_redone_after_another_step(project: Project) -> None:
    project.add_class("elm")
    project.undo()
    project.add_class("fir")
    assert (project.state()["undo"], project.state()["redo"]) == ("Add class fir", None)
    with pytest.raises(DataError, match="nothing to undo"):
        project.redo()


def test_a_step_that_fails_in_the_middle_changes_nothing(
    root: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, rename = tree(root), Path.rename

    def full(self: Path, to: Path) -> Path:
        if self.name == "2.jpg":
            raise OSError(28, "No space left on device")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(DataError, match=r"No space left on device.\nNothing was changed"):
        project.move(ids(project, "oak/1.jpg", "oak/2.jpg"), "pine")
    assert tree(root) == before
    assert (project.state()["undo"], project.photo("p1").path) == (None, "oak/1.jpg")


def test_undo_never_overwrites_what_another_program_put_there(root: Path, project: Project) -> None:
    sent: list[str] = []
    project.stream.send = lambda kind, **content: sent.append(content.get("message", kind))  # type: ignore[method-assign]
    project.move(ids(project, "oak/1.jpg", "oak/2.jpg"), "pine")
    (root / "oak" / "1.jpg").write_bytes(HEAD + b"new")
    project.undo()
    assert (root / "oak" / "1.jpg").read_bytes() == HEAD + b"new"
    assert tree(root)[:3] == ["empty", "oak/1.jpg", "oak/2.jpg"]
    assert (root / "pine" / "1-2.jpg").exists()
    assert any(one.startswith("1 of 2 changes could not be made") for one in sent)


def test_what_others_change_in_the_folder_is_noticed(root: Path, project: Project) -> None:
    (kept, replaced) = ids(project, "oak/1.jpg", "oak/2.jpg")
    project.photo(replaced).reason = "truncated"
    (root / "pine" / "1.jpg").unlink()
    (root / "elm").mkdir()
    (root / "elm" / "9.jpg").write_bytes(HEAD)
    (root / "oak" / "2.jpg").write_bytes(HEAD + b"another one")
    project.look()
    assert project.classes == ["elm", "empty", "oak", "pine"]
    assert {photo.path for photo in project.shown()} == {"oak/1.jpg", "oak/2.jpg", "oak/deep/3.jpg", "elm/9.jpg"}
    assert (project.photo(kept).path, project.photo(replaced).reason) == ("oak/1.jpg", "")
    revision = project.stream.revision
    project.look()
    assert project.stream.revision == revision


def test_links_are_not_followed_out_of_the_folder(tmp_path: Path, root: Path) -> None:
    outside = tmp_path / "private"
    outside.mkdir()
    (outside / "secret.jpg").write_bytes(HEAD)
    (root / "linked").symlink_to(outside)
    (root / "oak" / "inner").symlink_to(outside)
    (root / "oak" / "linked.jpg").symlink_to(outside / "secret.jpg")
    project = opened(root)
    assert (project.classes, len(project.shown())) == (["empty", "oak", "pine"], 4)
    assert set(project.folder.left_out()) == {"linked", "oak/inner", "oak/linked.jpg"}
    with pytest.raises(DataError, match="Nothing was changed"):
        project.add_class("linked")
    with pytest.raises(DataError, match="There is no class"):
        project.move(ids(project, "oak/1.jpg"), "linked")


def test_a_trash_that_is_a_link_is_refused(tmp_path: Path, root: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (root / TRASH).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="is a link"):
        Folder(root)


@pytest.mark.parametrize(
    "planted",
    [
        b"",
        b"{",
        b"[" * 100_000,
        journal(["move", "../../x", "oak/x"]),
        journal(["move", "oak/1.jpg", "/tmp/x"]),
        journal(["move", "oak/1.jpg", "oak/../../x"]),
        journal(["move", "oak/1.jpg", "oak\\..\\x"]),
        journal(["rm", "oak/1.jpg", ""]),
        journal(["make", "elm", ""], version=9),
    ],
)
def test_a_journal_that_someone_has_changed_is_not_followed(root: Path, planted: bytes) -> None:
    (root / TRASH).mkdir()
    (root / TRASH / "steps.json").write_bytes(planted)
    project = opened(root)
    assert project.state()["undo"] is None
    project.add_class("elm")
    project.undo()


def test_the_journal_is_limited(root: Path, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headstart.apps.studio.steps._MOST_MOVES", 3)
    for name in "abcdef":
        project.add_class(name)
    for _ in range(3):
        project.undo()
    with pytest.raises(DataError, match="nothing to undo"):
        project.undo()
    assert project.classes == ["a", "b", "c", "empty", "oak", "pine"]


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["train/oak/1.jpg", "train/pine/1.jpg", "test/oak/2.jpg", "test/pine/2.jpg"], "studio .*train"),
        (["all/oak/1.jpg", "all/pine/1.jpg"], "not directly in .*\n.*studio .*all"),
        (["headstart.json"], "saved classifier"),
    ],
)
def test_a_folder_of_another_layout_is_explained_and_left_as_it_is(
    tmp_path: Path, paths: list[str], message: str
) -> None:
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(HEAD)
    with pytest.raises(DataError, match=message):
        Folder(tmp_path)
    assert not (tmp_path / TRASH).exists()


def test_parts_without_a_part_to_train_on_are_explained_by_the_layout(tmp_path: Path) -> None:
    for path in ("test/oak/1.jpg", "val/oak/1.jpg", "test/pine/1.jpg", "val/pine/1.jpg"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(HEAD)
    with pytest.raises(LayoutError):
        Folder(tmp_path)


def test_a_class_name_that_is_taken_in_another_case_is_refused(project: Project) -> None:
    with pytest.raises(DataError, match="There is a class 'OAK' already"):
        project.add_class("OAK")


def test_a_folder_that_cannot_be_written_to_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match="The studio cannot use"):
        Folder(tmp_path / "file")


def test_a_look_at_many_photos_is_quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By names alone: no file is opened."""
    for i in range(2000):
        file = tmp_path / f"class{i % 20}" / f"{i}.jpg"
        file.parent.mkdir(exist_ok=True)
        os.close(os.open(file, os.O_CREAT))
    project = opened(tmp_path)
    monkeypatch.setattr("builtins.open", None)
    project.look()
    assert len(project.shown()) == 2000
