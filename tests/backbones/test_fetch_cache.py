"""The cache of networks: whole or absent, checked on use, shared by processes, carried to machines without network."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakes import start_python
from headstart.backbones import fetch as fetching
from headstart.backbones.fetch import cache as keeping
from headstart.backbones.fetch import kept, manifests, remove, unpack, verify
from headstart.backbones.fetch.handles import parse
from headstart.disk import atomic, locks
from headstart.errors import BackboneError
from hub_server import MODEL, OTHER, Heard, HubServer, Request, fetch, pack, serving, stand_alone, tar

#: Fetches the handle given to it and prints what it heard.
CHILD = """
import sys
from hub_server import Heard
from headstart.backbones.fetch import fetch, parse
progress = Heard()
print(fetch(parse(sys.argv[1]), progress).path)
print(progress.lines)
"""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    stand_alone(tmp_path, monkeypatch)
    with serving() as server:
        yield server


@pytest.fixture
def net(hub: HubServer) -> str:
    """The handle of a network that has been fetched."""
    fetch(hub.url + "/google/net/1")
    hub.requests.clear()
    return hub.url + "/google/net/1"


@pytest.fixture
def progress() -> Heard:
    return Heard()


def entry() -> keeping.Kept:
    (found,) = kept()
    return found


def weights() -> Path:
    return entry().folder / "variables/variables.data-00000-of-00001"


def change(path: Path) -> None:
    """Another byte, the same size."""
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)


def age(folder: Path) -> None:
    """Make the files old enough to be vouched for by their times."""
    for path in folder.rglob("*"):
        os.utime(path, (1_600_000_000, 1_600_000_000))


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifests, "_RACY_SECONDS", 0.0)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are hashed."""
    names: list[str] = []
    real = manifests.sha256
    monkeypatch.setattr(manifests, "sha256", lambda path: names.append(path.name) or real(path))
    return names


# --- what is kept ---


def test_the_manifest_says_what_came_from_where(net: str, hub: HubServer) -> None:
    document = json.loads((entry().folder.parent / "manifest.json").read_text())
    assert document["format"] == 1
    assert document["handle"] == net
    assert document["source"] == net
    assert document["network"] == "."
    assert document["time"].endswith("+00:00")
    assert document["headstart"]
    assert {f["name"]: (f["size"], f["sha256"]) for f in document["files"]} == {
        name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in MODEL.items()
    }


def test_the_folder_has_a_name_that_a_person_can_read(net: str, home: Path) -> None:
    (folder,) = [path for path in (home / "networks").iterdir() if path.name != "locks"]
    assert folder.name.startswith("127.0.0.1-")
    assert "google-net-1-" in folder.name
    assert sorted(path.name for path in folder.iterdir()) == ["content", "manifest.json"]


def test_the_second_use_makes_no_request(net: str, hub: HubServer, progress: Heard) -> None:
    for handle in (net, net + "/", net + "?tf-hub-format=compressed"):
        assert fetch(handle, progress).path == entry().folder
    assert hub.requests == []
    assert progress.lines == progress.blocks == []


def test_the_second_use_makes_no_socket_and_imports_nothing_that_would(net: str) -> None:
    script = """
import socket, sys
def refuse(*_, **__): raise AssertionError("a socket was made")
socket.socket.__init__ = refuse
socket.getaddrinfo = refuse
from headstart.backbones.fetch import fetch, parse
print(fetch(parse(sys.argv[1])).path)
print(*[name for name in ("ssl", "http.client", "urllib.request", "tarfile", "tqdm", "asyncio") if name in sys.modules])
"""
    for offline in ("", "1"):
        environment = {**os.environ, "HEADSTART_OFFLINE": offline}
        result = subprocess.run(
            [sys.executable, "-c", script, net], capture_output=True, text=True, check=True, env=environment
        )
        assert result.stdout.splitlines() == [str(entry().folder), ""]


def test_the_second_use_takes_milliseconds(net: str, settled: None) -> None:
    age(entry().folder)
    fetch(net)
    started = time.perf_counter()
    fetch(net)
    assert time.perf_counter() - started < 0.05


def test_refresh_asks_the_server_again(net: str, hub: HubServer) -> None:
    hub.on("/google/net/1", tar({"saved_model.pb": b"new"}))
    assert (fetch(net).path / "saved_model.pb").read_bytes() == MODEL["saved_model.pb"]
    assert (fetch(net, refresh=True).path / "saved_model.pb").read_bytes() == b"new"
    assert len(hub.requests) == 1
    assert len(kept()) == 1


def test_a_refresh_that_fails_leaves_what_was_there(net: str, hub: HubServer) -> None:
    hub.on("/google/net/1", b"<html>")
    with pytest.raises(BackboneError):
        fetch(net, refresh=True)
    assert fetch(net).path == entry().folder
    assert verify()[0].problem == ""


# --- offline ---


def test_offline_a_missing_network_is_an_error_that_says_how_to_carry_it_over(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADSTART_OFFLINE", "1")
    for handle in (hub.url + "/google/net/1", "kaggle:a/b/tfLite/d", "hf:owner/name"):
        with pytest.raises(BackboneError) as caught:
            fetch(handle)
        assert str(caught.value).splitlines()[0] == f"{handle} is not here, and HEADSTART_OFFLINE is set."
        assert f"headstart backbones pack {handle} -o FILE" in str(caught.value)
        assert OTHER in str(caught.value)
    assert hub.requests == []


def test_offline_a_damaged_network_is_an_error(net: str, monkeypatch: pytest.MonkeyPatch) -> None:
    change(weights())
    monkeypatch.setenv("HEADSTART_OFFLINE", "true")
    with pytest.raises(BackboneError, match=r"is damaged: variables/variables\.data-00000-of-00001 has SHA-256"):
        fetch(net)


def test_offline_nothing_is_refreshed(net: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART_OFFLINE", "yes")
    fetch(net)
    with pytest.raises(BackboneError, match="cannot be refreshed"):
        fetch(net, refresh=True)


# --- damage ---


def spoil_size(folder: Path) -> None:
    weights().write_bytes(b"short")


def spoil_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text("{")


def newer_format(folder: Path) -> None:
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text.replace('"format": 1', '"format": 2'))


def path_outside(folder: Path) -> None:
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text.replace("saved_model.pb", "../manifest.json"))


def other_handle(folder: Path) -> None:
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text.replace("/google/net/1", "/google/net/2"))


def no_handle(folder: Path) -> None:
    document = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**document, "handle": "net"}))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: change(weights()), "has SHA-256"),
        (spoil_size, "has 5 bytes, expected 51,200"),
        (lambda folder: weights().unlink(), "cannot be read: No such file"),
        (lambda folder: shutil.rmtree(folder / "content"), "cannot be read: No such file"),
        (spoil_manifest, "its manifest cannot be read"),
        (newer_format, "its manifest has format 2"),
        (path_outside, "its manifest cannot be read: has a file that would lie outside"),
        (other_handle, "its manifest is of"),
        (no_handle, "its manifest cannot be read: 'net' is not a handle that can be fetched."),
        (lambda folder: (folder / "manifest.json").unlink(), "its manifest cannot be read"),
    ],
    ids=[
        "byte",
        "size",
        "file gone",
        "all gone",
        "manifest",
        "format",
        "outside",
        "handle",
        "no handle",
        "no manifest",
    ],
)
def test_what_is_damaged_is_told_and_fetched_again(
    spoil: Callable[[Path], None], words: str, net: str, hub: HubServer, progress: Heard
) -> None:
    spoil(entry().folder.parent)
    got = fetch(net, progress)
    assert len(hub.requests) == 1
    assert progress.lines[0].startswith(f"{net} is damaged: ")
    assert words in progress.lines[0]
    assert progress.lines[0].endswith("It is fetched again.")
    assert (got.path / "variables/variables.data-00000-of-00001").read_bytes() == bytes(range(256)) * 200
    assert [one.problem for one in verify()] == [""]
    assert not (keeping.models() / "making").exists()


def test_files_are_not_hashed_again_while_their_times_are_the_same(
    net: str, settled: None, hashed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch(net)
    assert len(hashed) == 3
    hashed.clear()
    fetch(net)
    assert hashed == []
    age(entry().folder)
    fetch(net)
    assert len(hashed) == 3


def test_files_written_just_now_are_hashed_at_each_use(net: str, hashed: list[str]) -> None:
    fetch(net)
    fetch(net)
    assert len(hashed) == 6


def test_a_byte_changed_behind_the_times_is_found(net: str, settled: None, hub: HubServer) -> None:
    fetch(net)
    before = weights().stat()
    change(weights())
    os.utime(weights(), ns=(before.st_atime_ns, before.st_mtime_ns))  # the time of change cannot be set back
    fetch(net)
    assert len(hub.requests) == 1


def test_verify_reads_every_byte(net: str, settled: None, hashed: list[str]) -> None:
    fetch(net)
    hashed.clear()
    assert [(one.handle, one.problem) for one in verify()] == [(net, "")]
    assert len(hashed) == 3
    change(weights())
    assert "has SHA-256" in verify([net])[0].problem
    spoil_manifest(entry().folder.parent)
    (found,) = verify()
    assert found.handle.startswith("127.0.0.1-")
    assert "manifest cannot be read" in found.problem


def test_a_cache_that_may_only_be_read_serves(net: str, settled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(atomic, "write", refuse)
    monkeypatch.setattr(locks, "_open", refuse)
    assert fetch(net).path == entry().folder


# --- processes ---


def test_two_processes_fetch_a_network_once(hub: HubServer) -> None:
    def slow(request: object) -> None:
        time.sleep(1.0)
        request.send(tar(MODEL))  # type: ignore[attr-defined]

    handle = hub.on("/google/net/1", slow)
    children = [start_python(CHILD, handle) for _ in range(2)]
    answers = [child.communicate(timeout=60) for child in children]
    assert [child.returncode for child in children] == [0, 0], answers
    assert {out.splitlines()[0] for out, _ in answers} == {str(entry().folder)}
    assert len(hub.requests) == 1
    waited = [out for out, _ in answers if "Waiting for process" in out]
    assert len(waited) == 1
    assert any(f"Waiting for process {child.pid} on " in waited[0] for child in children)
    assert f", fetching {handle} since " in waited[0]


def test_a_dead_owners_lock_is_taken_over_and_its_download_goes_on(hub: HubServer, progress: Heard) -> None:
    stuck = threading.Event()
    data = tar({**MODEL, "assets/noise": os.urandom(100_000)})

    def hang(request: Request) -> None:
        request.send(data[:50_000], headers={"ETag": '"one"'}, claimed=len(data))
        stuck.set()
        time.sleep(5)

    def rest(request: Request) -> None:
        assert request.headers["Range"] == "bytes=50000-"
        where = {"Content-Range": f"bytes 50000-{len(data) - 1}/{len(data)}", "ETag": '"one"'}
        request.send(data[50_000:], 206, where)

    handle = hub.on("/google/net/1", hang, rest)
    child = start_python(CHILD, handle)
    assert stuck.wait(30)
    root = keeping.models()
    while sum(path.stat().st_size for path in root.glob("arriving/*/archive")) < 50_000:
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    assert list(root.glob("making/*"))  # what it left
    fetch(handle, progress)
    assert f"Process {child.pid} on " in progress.lines[0]
    assert ", has ended without finishing; taking over." in progress.lines[0]
    assert not (root / "making").exists()
    assert not (root / "arriving").exists()
    assert [one.problem for one in verify()] == [""]


def test_what_a_dead_process_left_of_another_network_is_swept_too(hub: HubServer) -> None:
    left = keeping.models() / "making" / "other-1"
    left.mkdir(parents=True)
    (left / "half").write_bytes(b"half")
    fetch(hub.url + "/google/net/1")
    assert not left.exists()


def test_what_a_living_process_has_in_work_is_left_alone(hub: HubServer) -> None:
    room = keeping.models() / "making" / "other-1"
    room.mkdir(parents=True)
    with locks.owned(keeping.models() / "locks" / "other-1", "fetching", lambda _: None):
        fetch(hub.url + "/google/net/1")
        assert room.exists()


def test_waiting_is_reported_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_REMIND_SECONDS", 0.2)
    said: list[str] = []
    taken, free = threading.Event(), threading.Event()

    def owner() -> None:
        with locks.owned(tmp_path / "lock", "fetching a model", said.append):
            taken.set()
            free.wait(10)

    thread = threading.Thread(target=owner)
    thread.start()
    taken.wait(10)
    threading.Timer(0.9, free.set).start()
    with locks.owned(tmp_path / "lock", "waiting", said.append):
        pass
    thread.join()
    assert len(said) >= 3
    assert all(", fetching a model since " in line for line in said)
    assert (tmp_path / "lock").read_text() == ""


# --- the cache of tensorflow_hub ---


def put(cache: Path, handle: str, files: dict[str, bytes] = MODEL, described: bool = True) -> Path:
    folder = cache / hashlib.sha1(handle.encode()).hexdigest()
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    if described:
        folder.with_name(folder.name + ".descriptor.txt").write_text("about")
    return folder


@pytest.fixture
def tfhub(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "tfhub"))
    return tmp_path / "tfhub"


@pytest.mark.parametrize("ending", ["", "/", "?v=1", "?v=%20"])
def test_what_tensorflow_hub_keeps_is_used_as_found(ending: str, tfhub: Path, hub: HubServer) -> None:
    handle = hub.url + "/google/net/1" + ending
    folder = put(tfhub, handle)
    before = {path: path.stat().st_mtime_ns for path in tfhub.rglob("*")}
    got = fetch(handle)
    assert (got.path, got.folder) == (folder, folder)
    assert hub.requests == []
    assert kept() == []
    assert {path: path.stat().st_mtime_ns for path in tfhub.rglob("*")} == before


def test_the_short_form_finds_what_tensorflow_hub_keeps(tfhub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART_OFFLINE", "1")
    folder = put(tfhub, "https://tfhub.dev/google/net/5")
    assert fetch("tfhub:google/net/5").path == folder


def test_without_its_variable_the_temporary_folder_is_looked_at(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TFHUB_CACHE_DIR")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    folder = put(tmp_path / "tmp" / "tfhub_modules", hub.url + "/google/net/1")
    assert fetch(hub.url + "/google/net/1").path == folder
    # Another user's, in a folder where all may write.
    monkeypatch.setattr("headstart.backbones.fetch.tfhub_cache._is_ours", lambda folder: False)
    assert fetch(hub.url + "/google/net/1").path != folder


@pytest.mark.parametrize("lost", list(MODEL))
def test_what_tensorflow_hub_lost_files_of_is_not_used(lost: str, tfhub: Path, hub: HubServer) -> None:
    put(tfhub, hub.url + "/google/net/1", {name: data for name, data in MODEL.items() if name != lost})
    fetch(hub.url + "/google/net/1")
    assert len(hub.requests) == 1


def test_what_tensorflow_hub_is_downloading_is_not_used(tfhub: Path, hub: HubServer) -> None:
    folder = put(tfhub, hub.url + "/google/net/1", described=False)
    folder.with_name(folder.name + ".lock").write_text("host.1234")
    fetch(hub.url + "/google/net/1")
    assert len(hub.requests) == 1


# --- remove ---


def test_what_is_removed_is_gone(net: str, hub: HubServer) -> None:
    assert remove(net + "/") == net
    assert kept() == []
    fetch(net)
    assert len(hub.requests) == 1


def test_what_cannot_be_read_is_removed_by_its_name(net: str) -> None:
    folder = entry().folder.parent
    spoil_manifest(folder)
    assert remove(folder.name) == folder.name
    assert not folder.exists()


def test_removing_the_unknown_lists_near_names(net: str) -> None:
    for wrong in (net.replace("/1", "/2"), net[:-1] + "x"):
        with pytest.raises(BackboneError, match="is not in the cache") as caught:
            remove(wrong)
        assert f"Near names: {net}." in str(caught.value)
    with pytest.raises(BackboneError, match="headstart backbones list"):
        remove("kaggle:a/b/c/d")


# --- pack and unpack ---


@pytest.fixture
def carried(net: str, hub: HubServer, tmp_path: Path) -> Path:
    """A file with two networks, and an empty cache."""
    hub.on("/other/1", tar({"net.tflite": b"other"}))
    pack([net, hub.url + "/other/1"], tmp_path / "networks.tar")
    shutil.rmtree(keeping.models())
    hub.requests.clear()
    return tmp_path / "networks.tar"


def test_networks_are_carried_to_a_machine_without_network(
    carried: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADSTART_OFFLINE", "1")
    done = unpack(carried)
    assert [one.new for one in done] == [True, True]
    assert fetch(hub.url + "/other/1").path.read_bytes() == b"other"
    assert (fetch(hub.url + "/google/net/1").path / "saved_model.pb").read_bytes() == MODEL["saved_model.pb"]
    assert [one.problem for one in verify()] == ["", ""]
    assert hub.requests == []
    assert not (keeping.models() / "making").exists()


def test_the_same_networks_give_the_same_file(carried: Path, hub: HubServer, tmp_path: Path) -> None:
    unpack(carried)
    pack([hub.url + "/other/1", hub.url + "/google/net/1", hub.url + "/other/1/"], tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == carried.read_bytes()


def test_what_is_here_already_the_same_is_said(carried: Path, progress: Heard) -> None:
    unpack(carried)
    assert [one.new for one in unpack(carried, progress)] == [False, False]
    assert [line.endswith("is already here, unchanged.") for line in progress.lines] == [True, True]


def test_what_is_here_already_is_not_replaced_by_something_else(carried: Path, hub: HubServer) -> None:
    hub.on("/google/net/1", tar({"saved_model.pb": b"mine"}))
    fetch(hub.url + "/google/net/1")
    with pytest.raises(BackboneError, match="with other content than in") as caught:
        unpack(carried)
    assert "headstart backbones remove" in str(caught.value)
    assert len(kept()) == 1
    assert (fetch(hub.url + "/google/net/1").path / "saved_model.pb").read_bytes() == b"mine"


def test_what_is_damaged_here_is_replaced(carried: Path) -> None:
    unpack(carried)
    folder = kept()[0].folder
    next(path for path in folder.rglob("*") if path.is_file()).write_bytes(b"broken")
    assert sorted(one.new for one in unpack(carried)) == [False, True]
    assert [one.problem for one in verify()] == ["", ""]


Change = dict[str, bytes | Callable[[bytes], bytes] | None]


def rewritten(carried: Path, change: Change, more: dict[str, bytes]) -> Path:
    """The file with other content for members whose name ends so (None: without them), and with more members."""
    files: dict[str, bytes] = {}
    with tarfile.open(carried) as opened:
        for member in opened:
            content = opened.extractfile(member)
            assert content is not None
            data: bytes | None = content.read()
            for ending, other in change.items():
                if member.name.endswith(ending):
                    data = other(data or b"") if callable(other) else other
            if data is not None:
                files[member.name] = data
    carried.write_bytes(tar({**files, **more}, "w"))
    return carried


@pytest.mark.parametrize(
    ("change", "more", "words"),
    [
        ({"net.tflite": b"OTHER"}, {}, "has SHA-256"),
        ({"net.tflite": None}, {}, "other files than its manifest"),
        ({"manifest.json": b"{}"}, {}, "manifest cannot be read"),
        ({"pack.json": b"[]"}, {}, "pack.json cannot be read"),
        ({"pack.json": None}, {}, "pack.json cannot be read"),
        ({"pack.json": b'{"format": 9, "networks": []}'}, {}, "its format is 9"),
        ({"pack.json": b'{"format": 1, "networks": [{"handle": "x", "asked": []}]}'}, {}, "holds no handle"),
        ({"manifest.json": lambda text: text.replace(b"/net/1", b"/net/9")}, {}, "is of http"),
        ({"pack.json": lambda text: text.replace(b"[]", b'["hf:o/n"]')}, {}, "other handles that cannot be its own"),
        ({}, {"../evil": b"x"}, "outside its folder"),
    ],
)
def test_a_changed_file_is_refused_whole(change: Change, more: dict[str, bytes], words: str, carried: Path) -> None:
    with pytest.raises(BackboneError) as caught:
        unpack(rewritten(carried, change, more))
    assert str(caught.value).startswith(f"{carried} cannot be unpacked: it ")
    assert words in str(caught.value)
    assert kept() == []
    assert not (keeping.models() / "making").exists()


def test_a_file_that_is_none_of_ours_is_refused(hub: HubServer, tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match="is not a file"):
        unpack(tmp_path / "missing")
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff" * 500)
    with pytest.raises(BackboneError, match="is of an unknown kind"):
        unpack(tmp_path / "photo.jpg")
    (tmp_path / "cut.tar").write_bytes(tar(MODEL, "w")[:2_000])
    with pytest.raises(BackboneError, match="cannot be unpacked"):
        unpack(tmp_path / "cut.tar")


def test_what_only_tensorflow_hub_keeps_can_be_packed(tfhub: Path, hub: HubServer, tmp_path: Path) -> None:
    folder = put(tfhub, hub.url + "/google/net/1")
    (entry,) = pack([hub.url + "/google/net/1"], tmp_path / "networks.tar")
    assert entry.source == folder.as_uri()
    assert hub.requests == []
    assert folder.exists()


def test_a_damaged_network_is_not_packed_but_fetched_again(net: str, hub: HubServer, tmp_path: Path) -> None:
    change(weights())
    pack([net], tmp_path / "networks.tar")
    assert len(hub.requests) == 1


def test_a_file_that_cannot_be_written_is_an_error(net: str, tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match="cannot be written"):
        pack([net], tmp_path / "no" / "such" / "folder.tar")
    (tmp_path / "folder").mkdir()
    with pytest.raises(BackboneError, match="cannot be written"):
        pack([net], tmp_path / "folder")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder"]


def test_every_handle_has_a_name_of_its_own() -> None:
    handles = ["https://h/a/1", "https://h/a-1", "http://h/a/1", "kaggle:a/b/c/d", "hf:a/b", "https://h/" + "x" * 300]
    names = [keeping.key_of(parse(handle)) for handle in handles]
    assert len(set(names)) == len(names)
    assert all(len(name) < 80 and fetching.archive.safe_name(name) == name for name in names)
