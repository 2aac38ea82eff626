"""Photos that come in: checked, kept with their original bytes, named safely; what is refused gets a reason."""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from PIL import Image

from headstart.apps.studio.arrivals import Arrivals, Upload
from headstart.apps.studio.events import Stream
from headstart.apps.studio.folder import TRASH, Folder
from headstart.apps.studio.project import Project
from headstart.disk import atomic
from headstart.errors import DataError


def photo(colour: int = 0, kind: str = "JPEG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), (colour, 0, 0)).save(out, kind)
    return out.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return out.getvalue()


def png_of(width: int, height: int) -> bytes:
    """A PNG that claims a size, and has no pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", b"x"))
    made = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(made)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(Folder(tmp_path / "trees"), Stream())


def taken(project: Project, files: dict[str, bytes], label: str = "") -> tuple[list[str], list[dict[str, str]]]:
    """Paths of the photos that are taken, and what is refused."""
    arrivals = Arrivals(project, label)
    ids = arrivals.take([Upload(name, len(content), io.BytesIO(content)) for name, content in files.items()])
    return [project.photo(id).path for id in ids], arrivals.refused


def everything(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_photos_become_files_with_their_original_bytes_and_one_step_to_undo(project: Project) -> None:
    paths, refused = taken(project, {"IMG_1.jpg": photo(1), "IMG_1.JPG": photo(2), "a.png": photo(3, "PNG")}, "oak")
    assert (paths, refused) == (["oak/IMG_1.jpg", "oak/IMG_1.JPG", "oak/a.png"], [])
    assert project.folder.at("oak/IMG_1.jpg").read_bytes() == photo(1)
    assert project.state()["undo"] == "Add 3 photos to oak"
    project.undo()
    assert (project.classes, project.shown()) == ([], [])
    project.redo()
    assert [one.path for one in project.shown()] == paths


def test_a_name_that_is_taken_gets_a_number(project: Project) -> None:
    assert taken(project, {"a/1.jpg": photo(1), "b/1.jpg": photo(2)}, "oak")[0] == ["oak/1.jpg", "oak/1-2.jpg"]
    assert taken(project, {"1.jpg": photo(3)}, "oak")[0] == ["oak/1-3.jpg"]


def test_without_a_class_the_folder_in_the_name_is_the_class(project: Project) -> None:
    files = {"trees/oak/1.jpg": photo(1), "pine/2.jpg": photo(2), "Oak/3.jpg": photo(3), "4.jpg": photo(4)}
    paths, refused = taken(project, files)
    assert paths == ["oak/1.jpg", "pine/2.jpg", "Oak/3.jpg"]
    assert refused == [{"name": "4.jpg", "reason": "it belongs to no class: drop it on one"}]


def test_a_class_is_found_whatever_the_case(project: Project) -> None:
    project.add_class("Oak")
    assert taken(project, {"oak/1.jpg": photo(1)})[0] == ["Oak/1.jpg"]
    assert taken(project, {"2.jpg": photo(2)}, "OAK")[0] == ["Oak/2.jpg"]


def test_the_same_photo_is_never_taken_twice(project: Project) -> None:
    taken(project, {"1.jpg": photo(1)}, "oak")
    (there,) = [one.id for one in project.shown()]
    assert taken(project, {"2.jpg": photo(1)}, "oak")[1] == [
        {"name": "2.jpg", "reason": "already in this class", "id": there}
    ]
    assert taken(project, {"2.jpg": photo(1)}, "pine")[1] == [
        {"name": "2.jpg", "reason": "already in class oak", "id": there}
    ]
    paths, refused = taken(project, {"3.jpg": photo(3), "4.jpg": photo(3)}, "oak")
    assert (len(paths), refused) == (1, [{"name": "4.jpg", "reason": "already in this class"}])
    project.remove([there])
    assert taken(project, {"2.jpg": photo(1)}, "oak")[0] == ["oak/2.jpg"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.jpg", b"", "empty"),
        ("a.jpg", b"<svg onload=alert(1)>", "unsupported format"),
        ("a.jpg", b"<script>alert(1)</script>", "not an image"),
        ("a.jpg", b"\xff\xd8\xff" + b"x" * 100, "corrupt"),
        ("a.png", png_of(100_000, 100_000), "too large: 100,000 x 100,000 pixels"),
        ("oak/.DS_Store.jpg", photo(), "not an image: a file of the operating system"),
    ],
)
def test_what_is_no_photo_is_refused_with_a_reason_and_not_kept(
    project: Project, name: str, content: bytes, reason: str
) -> None:
    paths, (refused,) = taken(project, {name: content}, "oak")
    assert not paths
    assert refused["reason"].startswith(reason)
    assert everything(project.folder.root) == set()


def test_limits_of_bytes_and_of_photos_are_told(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headstart.apps.studio.arrivals.MOST_BYTES", 100)
    assert taken(project, {"a.jpg": photo()}, "oak")[1][0]["reason"].startswith("too large")
    monkeypatch.setattr("headstart.apps.studio.arrivals.MOST_PHOTOS", 1)
    with pytest.raises(DataError, match="more than 1 photos"):
        taken(project, {"a.jpg": photo(), "b.jpg": photo(1)}, "oak")


@pytest.mark.parametrize(
    "name",
    ["../../x.jpg", "/etc/x.jpg", "..\\..\\x.jpg", "C:\\x.jpg", "a\0.jpg", "x" * 3000, "\u202egpj.exe", "nul.jpg"],
)
def test_names_from_outside_never_become_paths(project: Project, tmp_path: Path, name: str) -> None:
    ((path,), _) = taken(project, {name: photo()}, "oak")
    assert os.path.dirname(path) == "oak"
    assert everything(tmp_path) == {f"trees/{path}", f"trees/{TRASH}/steps.json"}


@pytest.mark.parametrize("label", ["..", "../x", "/etc", "a/b", "con", ".git", TRASH])
def test_a_class_from_outside_never_becomes_a_path(project: Project, tmp_path: Path, label: str) -> None:
    with pytest.raises(DataError, match="A class cannot be called"):
        taken(project, {"1.jpg": photo()}, label)
    assert everything(tmp_path) == set()


@pytest.mark.parametrize("folder", ["..", ".git", "con", TRASH])
def test_a_folder_in_a_name_that_cannot_be_a_class_is_refused(project: Project, folder: str) -> None:
    assert "A class cannot be called" in taken(project, {f"{folder}/1.jpg": photo()})[1][0]["reason"]


def test_a_zip_is_unpacked_into_its_classes_or_into_the_one_it_was_dropped_on(project: Project) -> None:
    files = {"trees/oak/1.jpg": photo(1), "trees/pine/2.jpg": photo(2), "__MACOSX/trees/oak/._1.jpg": b"x"}
    paths, refused = taken(project, {"trees.zip": zipped(files | {"trees/oak/read.txt": b"hello"})})
    assert paths == ["oak/1.jpg", "pine/2.jpg"]
    assert [one["name"] for one in refused] == ["trees/oak/read.txt"]
    assert taken(project, {"trees.zip": zipped({"x/1.jpg": photo(5)})}, "elm")[0] == ["elm/1.jpg"]
    assert not any(project.folder.at(f"{TRASH}/unpacking").iterdir())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (zipped({"../../evil.jpg": photo()}), "outside its folder"),
        (zipped({"/etc/evil.jpg": photo()}), "outside its folder"),
        (zipped({"oak/1.jpg": photo()})[:60], "damaged or truncated"),
        (zipped({f"{i}/": b"" for i in range(10_001)}), "more than 10,000 files"),
    ],
    ids=["up", "root", "cut", "many"],
)
def test_a_zip_that_attacks_is_refused_whole(project: Project, tmp_path: Path, content: bytes, reason: str) -> None:
    paths, (refused,) = taken(project, {"a.zip": content}, "oak")
    assert not paths
    assert reason in refused["reason"]
    assert everything(tmp_path) == set()


def test_a_zip_with_a_link_is_refused(project: Project, tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        link = zipfile.ZipInfo("oak/link")
        link.external_attr = 0o120777 << 16
        packed.writestr(link, "/etc/passwd")
    assert "a link" in taken(project, {"a.zip": out.getvalue()}, "oak")[1][0]["reason"]
    assert everything(tmp_path) == set()


def test_a_zip_bomb_is_refused_before_it_is_unpacked(project: Project, tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("oak/1.jpg", bytes(100_000_000))
    assert "not reasonable for its size" in taken(project, {"a.zip": out.getvalue()}, "oak")[1][0]["reason"]
    assert everything(tmp_path) == set()


def test_when_the_disk_is_full_the_photos_before_are_kept_and_the_page_is_told(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, write = [], atomic.write

    def full(path: Path, content: bytes | str, lasting: bool = True) -> None:
        written.append(path)
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        write(path, content, lasting)

    monkeypatch.setattr(atomic, "write", full)
    with pytest.raises(DataError, match=r"cannot be kept: No space left.*\nExpected room"):
        taken(project, {"1.jpg": photo(1), "2.jpg": photo(2), "3.jpg": photo(3)}, "oak")
    assert [one.path for one in project.shown()] == ["oak/1.jpg"]
    assert everything(project.folder.root) == {"oak/1.jpg", f"{TRASH}/steps.json"}


def test_half_files_of_a_killed_studio_are_removed_at_the_next_start(tmp_path: Path) -> None:
    project = Project(Folder(tmp_path), Stream())
    taken(project, {"1.jpg": photo(1)}, "oak")
    project.remove([one.id for one in project.shown()])
    for left in (f"{TRASH}/a1b2/.2.jpg.0123456789ab.new", f"{TRASH}/unpacking/abc/in/oak/1.jpg"):
        (tmp_path / left).parent.mkdir(parents=True)
        (tmp_path / left).write_bytes(b"half")
    again = Folder(tmp_path)
    again.sweep()
    assert everything(tmp_path) == {f"{TRASH}/steps.json", f"{TRASH}/oak/1.jpg"}
