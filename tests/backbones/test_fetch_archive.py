"""Archives of strangers: what is unpacked, and what never is."""

from __future__ import annotations

import gzip
import io
import tarfile
import time
from pathlib import Path

import pytest

from headstart.backbones.fetch.contents import find_model, is_complete
from headstart.disk import archive
from headstart.disk.archive import ArchiveError, Limits, unpack
from hub_server import MODEL, tar, zeros


def unpacked(data: bytes, tmp_path: Path, limits: Limits | None = None) -> Path:
    (tmp_path / "archive").write_bytes(data)
    unpack(tmp_path / "archive", tmp_path / "into" / "content", limits)
    return tmp_path / "into" / "content"


def refused(data: bytes, tmp_path: Path, limits: Limits | None = None) -> str:
    """The reason; nothing may have been written outside the folder."""
    with pytest.raises(ArchiveError) as caught:
        unpacked(data, tmp_path, limits)
    assert {path.name for path in tmp_path.iterdir()} <= {"archive", "into"}
    assert {path.name for path in (tmp_path / "into").iterdir()} == {"content"}
    return str(caught.value)


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> dict[str, tarfile.TarInfo]:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = link
    return {name: info}


@pytest.mark.parametrize("mode", ["w:gz", "w"])
def test_files_come_out_as_they_went_in(mode: str, tmp_path: Path) -> None:
    content = unpacked(tar(MODEL, mode), tmp_path)
    assert {p.relative_to(content).as_posix(): p.read_bytes() for p in content.rglob("*") if p.is_file()} == MODEL


def test_names_as_hub_writes_them_are_understood(tmp_path: Path) -> None:
    files = {"./": member("./", tarfile.DIRTYPE)["./"], "./saved_model.pb": b"graph", "assets": b""}
    assert (unpacked(tar(files), tmp_path) / "saved_model.pb").read_bytes() == b"graph"


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/evil", "C:/evil", "c:evil"])
def test_a_path_that_leads_outside_is_refused(name: str, tmp_path: Path) -> None:
    assert "outside its folder" in refused(tar({**MODEL, name: b"x"}), tmp_path)


@pytest.mark.parametrize("name", ["a\\b", "a\nb", "ab:c", "a\x7fb", "a*", "trailing.", "nul", "aux.pb", "x" * 300])
def test_a_name_that_not_every_system_can_write_is_refused(name: str, tmp_path: Path) -> None:
    assert "not every system can write" in refused(tar({**MODEL, name: b"x"}), tmp_path)


def test_a_name_with_a_null_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("short")
    info.pax_headers = {"path": "a\0b"}
    assert "not every system can write" in refused(tar({"x": info}), tmp_path)


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (tarfile.SYMTYPE, "a link"),
        (tarfile.LNKTYPE, "a link"),
        (tarfile.CHRTYPE, "a device"),
        (tarfile.BLKTYPE, "a device"),
        (tarfile.FIFOTYPE, "a device"),
    ],
)
def test_links_and_devices_are_refused(kind: bytes, word: str, tmp_path: Path) -> None:
    assert word in refused(tar({**MODEL, "x": member("x", kind, "/etc/passwd")["x"]}), tmp_path)


@pytest.mark.parametrize("names", [["a", "a"], ["a", "A"], ["a", "a/b"], ["a/b", "a"], ["é", "é"]])
def test_the_same_name_twice_is_refused(names: list[str], tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as opened:
        for name in names:
            opened.addfile(tarfile.TarInfo(name), io.BytesIO())
    assert "same name twice" in refused(buffer.getvalue(), tmp_path)


def test_ten_gigabytes_of_zeros_are_refused_before_they_are_written(tmp_path: Path) -> None:
    started = time.monotonic()
    reason = refused(zeros(10_000_000_000, 10_000_000_000), tmp_path)
    assert "10.0 GB" in reason
    assert time.monotonic() - started < 5
    assert not list((tmp_path / "into" / "content").iterdir())


def test_zeros_beyond_the_declared_size_are_refused(tmp_path: Path) -> None:
    # Behind the last file: nothing claims them, and they are read only to reach the checksum at the end.
    data = tar(MODEL) + gzip.compress(bytes(1_000_000)) * 2_000
    assert "far more than it claims" in refused(data, tmp_path)


def test_there_is_a_limit_of_size(tmp_path: Path) -> None:
    assert "GB" in refused(tar(MODEL), tmp_path, Limits(bytes=50_000))
    unpack(tmp_path / "archive", tmp_path / "well", Limits(bytes=52_000))


def test_there_is_a_limit_of_files(tmp_path: Path) -> None:
    assert "more than 2 files" in refused(tar(MODEL), tmp_path, Limits(files=2))


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_archive_is_refused(keep: float, tmp_path: Path) -> None:
    data = tar(MODEL)
    refused(data[: int(len(data) * keep)], tmp_path)


def test_a_changed_byte_is_refused(tmp_path: Path) -> None:
    data = bytearray(tar(MODEL))
    data[-6] ^= 1  # in the checksum at the end: all files have been written by then
    assert "damaged" in refused(bytes(data), tmp_path)


def test_a_header_of_a_gigabyte_is_not_read(tmp_path: Path) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1_000_000_000
    assert "header that is too large" in refused(gzip.compress(info.tobuf() + bytes(1024)), tmp_path)


def test_headers_without_end_are_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 0
    assert "damaged" in refused(gzip.compress(info.tobuf() * 5_000), tmp_path)


def test_a_sparse_file_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("saved_model.pb")
    info.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.size": "9000000000", "GNU.sparse.map": "0,1"}
    info.size = 1
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as opened:
        opened.addfile(info, io.BytesIO(b"x"))
    assert "special kind" in refused(buffer.getvalue(), tmp_path)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<!DOCTYPE html><title>Sign in | Kaggle</title>", "an HTML page ('Sign in | Kaggle')"),
        (b"\n<html>", "an HTML page"),
        (b'{"error": 1}', "a JSON document"),
        (b"<?xml?>", "an XML document"),
        (b"PK\x03\x04", "a zip archive"),
        (b"\x00" * 600, "of an unknown kind"),
        (b"", "empty"),
    ],
)
def test_a_file_that_is_not_an_archive_is_described(data: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(data)
    with pytest.raises(ArchiveError) as caught:
        unpack(tmp_path / "archive", tmp_path / "content")
    assert str(caught.value) == f"is {words}, not an archive (tar.gz)"


def test_a_source_that_ends_too_early_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="ends in the middle of a file"):
        archive.write(io.BytesIO(b"abc"), tmp_path / "file", 4)


def test_a_file_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        archive.write(io.BytesIO(b"other"), tmp_path / "there", 5)
    assert (tmp_path / "there").read_bytes() == b"mine"


# --- which of the files is the network ---


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["saved_model.pb", "variables/variables.index"], "."),
        (["saved_model.pb", "tfhub_module.pb"], "."),
        (["tfhub_module.pb"], "."),
        (["top/saved_model.pb", "top/assets/labels.txt", "README.md"], "top"),
        (["saved_model.pb", "assets/tokens.onnx"], "."),
        (["net.tflite", "labels.txt"], "net.tflite"),
        (["a/b/net.onnx"], "a/b/net.onnx"),
        (["net.xml", "net.bin"], "net.xml"),
        (["net.KERAS", "._net.keras", "__MACOSX/net.keras"], "net.KERAS"),
        (["net.hdf5"], "net.hdf5"),
    ],
)
def test_the_model_is_found(names: list[str], expected: str, tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert find_model(tmp_path) == expected


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a.txt", "b/c.csv"], "no model of a known format, but a.txt, b/c.csv"),
        ([], "no model of a known format, but nothing"),
        (["a.onnx", "b.onnx"], "2 models (a.onnx, b.onnx)"),
        (["a/saved_model.pb", "b/saved_model.pb"], "2 models (a, b)"),
        (["net.xml"], "no model"),
        ([f"{n}.txt" for n in range(8)], "4.txt and 3 more"),
    ],
)
def test_no_model_or_several_are_refused_with_a_list(names: list[str], words: str, tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(ArchiveError) as caught:
        find_model(tmp_path)
    assert words in str(caught.value)
    assert "Expected" in str(caught.value)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["saved_model.pb"], True),
        (["saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"], True),
        (["saved_model.pb", "variables/variables.index"], False),
        (["saved_model.pb", "variables/variables.data-00000-of-00001"], False),
        (["saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00002"], False),
        (["variables/variables.index", "variables/variables.data-00000-of-00001"], False),
    ],
)
def test_a_model_that_lost_files_is_not_complete(names: list[str], expected: bool, tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert is_complete(tmp_path) is expected
