"""Kaggle and Hugging Face through their own packages, against a server on this machine that answers as they do."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from headstart import backbones
from headstart.backbones import local
from headstart.backbones.card import Card
from headstart.backbones.fetch import clients, kept, parse, remove, unpack, verify
from headstart.backbones.graph import anatomy, files, reading
from headstart.errors import BackboneError, NotFetchedError
from headstart.photos.images import View
from hub_server import MODEL, OTHER, Heard, HubServer, Request, fetch, pack, serving, stand_alone, tar

OLD, NEW = "0" * 39 + "1", "0" * 39 + "2"
NETWORK = b"\x08\x07onnx" * 1_000
REPO: dict[str, bytes] = {
    "README.md": b"# net",
    "config.json": b"{}",
    "preprocessor_config.json": b'{"image_mean": [0.5, 0.5, 0.5]}',
    "model.safetensors": b"other",
    "onnx/model.onnx": NETWORK,
    "onnx/model.onnx_data": b"weights" * 1_000,
    "onnx/model_quantized.onnx": b"small",
}
KAGGLE = "kaggle:google/mobilenet-v2/tensorFlow2/100-224-feature-vector"

hugging_face = pytest.mark.skipif(not importlib.util.find_spec("huggingface_hub"), reason="no huggingface_hub")
kaggle = pytest.mark.skipif(not importlib.util.find_spec("kagglehub"), reason="no kagglehub")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    stand_alone(tmp_path, monkeypatch)
    with serving() as server:
        yield server


@pytest.fixture
def progress() -> Heard:
    return Heard()


@pytest.fixture
def hf(hub: HubServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> HubServer:
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf-home"))
    publish(hub, REPO, NEW)
    return hub


@pytest.fixture
def kg(hub: HubServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> HubServer:
    """The package has no variable for any address; its table of them is changed for the test."""
    environments = pytest.importorskip("kagglesdk.kaggle_env")
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setitem(environments._env_to_endpoint, environments.KaggleEnv.LOCAL, hub.url)
    offer(hub, MODEL, 2)
    return hub


def publish(server: HubServer, files: dict[str, bytes], commit: str, place: str = "owner/net") -> None:
    """A repository as Hugging Face answers about it; `main` and `v1` are this commit."""
    info = {
        "id": place,
        "sha": commit,
        "siblings": [{"rfilename": name, "size": len(data)} for name, data in files.items()],
    }
    for path in (f"/api/models/{place}", *(f"/api/models/{place}/revision/{r}" for r in ("main", "v1", commit))):
        server.on(path, lambda r: r.send(json.dumps(info).encode(), headers={"Content-Type": "application/json"}))
    for name, data in files.items():
        headers = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Repo-Commit": commit}
        server.on(
            f"/{place}/resolve/{commit}/{name}", lambda r, data=data, headers=headers: r.send(data, headers=headers)
        )


def offer(server: HubServer, files: Mapping[str, bytes | tarfile.TarInfo], version: int, more: bool = False) -> None:
    """A model as Kaggle answers about it; `more`: there are so many files that the package asks for an archive."""

    def answer(request: Request, document: dict[str, object]) -> None:
        request.send(json.dumps(document).encode(), headers={"Content-Type": "application/json"})

    def download(request: Request) -> None:
        asked = json.loads(request.body)
        assert asked["versionNumber"] == version
        data = files[asked["path"]] if asked.get("path") else tar(files)
        assert isinstance(data, bytes)
        request.send(data, headers={"Content-Type": "application/octet-stream", "X-Kaggle-HubVersion": "99"})

    service = "/api/v1/models.ModelApiService"
    listed = {"files": [{"name": name} for name in files], "nextPageToken": "more" if more else ""}
    server.on(f"{service}/GetModelInstance", lambda r: answer(r, {"versionNumber": version}))
    server.on(f"{service}/ListModelInstanceVersionFiles", lambda r: answer(r, listed))
    server.on(f"{service}/DownloadModelInstanceVersion", download)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def fails(handle: str, *words: str) -> str:
    with pytest.raises(BackboneError) as caught:
        fetch(handle)
    assert str(caught.value).startswith(handle)
    for word in words:
        assert word in str(caught.value)
    assert kept() == []
    return str(caught.value)


# --- Hugging Face ---


@hugging_face
def test_the_onnx_file_comes_with_what_belongs_to_it(hf: HubServer, progress: Heard) -> None:
    got = fetch("hf:owner/net", progress)
    assert str(got.handle) == f"hf:owner/net@{NEW}:onnx/model.onnx"
    assert got.path == got.folder / "onnx/model.onnx"
    wanted = {"config.json", "preprocessor_config.json", "onnx/model.onnx", "onnx/model.onnx_data"}
    assert files_of(got.folder) == {name: REPO[name] for name in wanted}
    (entry,) = kept()
    assert entry.source == f"{hf.url}/owner/net/resolve/{NEW}/onnx/model.onnx"
    total = sum(len(REPO[name]) for name in wanted)
    assert progress.blocks[-1] == ("hf:owner/net@" + NEW + ":onnx/model.onnx", total, total)
    assert [done for _, done, _ in progress.blocks] == sorted(done for _, done, _ in progress.blocks)


@hugging_face
@pytest.mark.parametrize(
    ("handle", "file"),
    [
        ("hf:owner/net:onnx/model_quantized.onnx", "onnx/model_quantized.onnx"),
        ("hf:owner/net@v1", "onnx/model.onnx"),
        (f"hf:owner/net@{NEW}:onnx/model.onnx", "onnx/model.onnx"),
    ],
)
def test_revision_and_file_can_be_named(handle: str, file: str, hf: HubServer) -> None:
    got = fetch(handle)
    assert str(got.handle) == f"hf:owner/net@{NEW}:{file}"
    assert got.path.read_bytes() == REPO[file]


@hugging_face
@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["a.onnx", "model.onnx"], "model.onnx"),
        (["model.onnx", "onnx/model.onnx"], "onnx/model.onnx"),
        (["b/a.onnx", "README.md"], "b/a.onnx"),
    ],
)
def test_the_usual_file_is_preferred(files: list[str], expected: str, hf: HubServer) -> None:
    publish(hf, dict.fromkeys(files, NETWORK), NEW)
    assert str(fetch("hf:owner/net").handle) == f"hf:owner/net@{NEW}:{expected}"


@hugging_face
def test_several_files_are_listed(hf: HubServer) -> None:
    publish(hf, {"a.onnx": b"", "b/c.onnx": b""}, NEW)
    fails("hf:owner/net", "holds 2 ONNX files: a.onnx, b/c.onnx", "hf:owner/net:a.onnx")


@hugging_face
def test_a_repository_without_onnx_says_what_it_has(hf: HubServer) -> None:
    publish(hf, {"model.safetensors": b""}, NEW)
    fails("hf:owner/net", "holds no ONNX file, but model.safetensors")
    fails("hf:owner/net:a.onnx", "holds no a.onnx, but model.safetensors")


@hugging_face
def test_what_a_handle_means_is_asked_once_and_again_on_wish(hf: HubServer) -> None:
    publish(hf, REPO, OLD)
    old = fetch("hf:owner/net")
    publish(hf, {**REPO, "onnx/model.onnx": b"\x08new"}, NEW)
    hf.requests.clear()
    assert fetch("hf:owner/net") == old
    assert fetch(str(old.handle)) == old
    assert hf.requests == []
    new = fetch("hf:owner/net", refresh=True)
    assert str(new.handle) == f"hf:owner/net@{NEW}:onnx/model.onnx"
    assert fetch("hf:owner/net") == new
    assert fetch(str(old.handle)) == old
    hf.requests.clear()
    fetch("hf:owner/net", refresh=True)
    assert [path for _, path, _ in hf.requests if "/api/" not in path] == []  # nothing new: nothing downloaded


@hugging_face
def test_what_is_removed_is_asked_for_anew(hf: HubServer) -> None:
    publish(hf, REPO, OLD)
    fetch("hf:owner/net")
    publish(hf, REPO, NEW)
    remove("hf:owner/net")
    assert str(fetch("hf:owner/net").handle) == f"hf:owner/net@{NEW}:onnx/model.onnx"


@hugging_face
def test_a_file_that_is_no_network_is_refused(hf: HubServer) -> None:
    fails("hf:owner/net:README.md", "no model of a known format", "README.md")


@hugging_face
def test_a_damaged_one_is_repaired_and_not_replaced_by_a_newer_one(hf: HubServer) -> None:
    publish(hf, REPO, OLD)
    old = fetch("hf:owner/net")
    publish(hf, {**REPO, "onnx/model.onnx": b"\x08new"}, NEW)
    old.path.write_bytes(b"broken")
    assert fetch("hf:owner/net") == old
    assert old.path.read_bytes() == NETWORK


@hugging_face
def test_a_second_use_makes_no_socket(hf: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch("hf:owner/net")
    script = """
import socket, sys
def refuse(*_, **__): raise AssertionError("a socket was made")
socket.socket.__init__ = refuse
from headstart.backbones.fetch import fetch, parse
print(fetch(parse("hf:owner/net")).handle, "huggingface_hub" in sys.modules)
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.split() == [f"hf:owner/net@{NEW}:onnx/model.onnx", "False"]


@hugging_face
def test_what_a_handle_means_is_carried_along(hf: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pack(["hf:owner/net"], tmp_path / "file")
    assert remove("hf:owner/net") == f"hf:owner/net@{NEW}:onnx/model.onnx"
    monkeypatch.setenv("HEADSTART_OFFLINE", "1")
    with pytest.raises(BackboneError, match="is not here"):
        fetch("hf:owner/net")
    unpack(tmp_path / "file")
    assert fetch("hf:owner/net").path.read_bytes() == NETWORK
    assert verify(["hf:owner/net"])[0].problem == ""


@hugging_face
@pytest.mark.parametrize("before", ["", "import huggingface_hub.constants"])
def test_hugging_faces_package_leaves_no_trace(before: str, hf: HubServer, tmp_path: Path) -> None:
    # In a process of its own: the package reads its variables when it is imported, by us or by the user's program.
    script = f"""
{before}
import os
before = dict(os.environ)
from headstart.backbones.fetch import fetch, parse
got = fetch(parse("hf:owner/net"))
assert dict(os.environ) == before
from huggingface_hub import constants
print(constants.HF_HUB_DISABLE_XET, *sorted(p.name for p in got.folder.iterdir()))
"""
    environment = {**os.environ, "HOME": str(tmp_path)}
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert result.stdout.split() == ["False", "config.json", "onnx", "preprocessor_config.json"]
    assert result.stderr == ""
    assert list((tmp_path / "hf-home").rglob("*.onnx")) == []
    assert all(path.startswith(("/api/models/owner/net", "/owner/net/")) for _, path, _ in hf.requests)
    assert not any("torch" in headers.get("user-agent", "") for _, _, headers in hf.requests)


@hugging_face
@pytest.mark.parametrize(
    ("status", "headers", "words"),
    [
        (401, {}, "answered 401"),
        (403, {"X-Error-Code": "GatedRepo"}, "accept a licence"),
        (404, {"X-Error-Code": "RepoNotFound"}, "answered 4"),
        (500, {}, "answered 500"),
    ],
)
def test_hugging_faces_answers_are_told(status: int, headers: dict[str, str], words: str, hf: HubServer) -> None:
    hf.on("/api/models/owner/net", lambda r: r.send(b"{}", status, headers))
    assert OTHER in fails("hf:owner/net", words)
    assert len(hf.requests) == (4 if status == 500 else 1)


@hugging_face
def test_a_file_that_hugging_face_does_not_give_is_told(hf: HubServer) -> None:
    hf.on(f"/owner/net/resolve/{NEW}/onnx/model.onnx", lambda r: r.send(b"", 404, {"X-Error-Code": "EntryNotFound"}))
    with pytest.raises(BackboneError, match="answered 404"):
        fetch("hf:owner/net")
    assert kept() == []


@hugging_face
def test_no_way_to_hugging_face_is_told(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    fails("hf:owner/net", "Hugging Face cannot be reached", "headstart backbones pack hf:owner/net")


@hugging_face
def test_a_file_that_would_lie_outside_is_refused(hf: HubServer) -> None:
    publish(hf, {"model.onnx": NETWORK, "model.onnx_data/../../../evil": b"", "config.json": b""}, NEW)
    fetch("hf:owner/net")
    publish(hf, {"../model.onnx": NETWORK}, OLD)
    with pytest.raises(BackboneError, match="outside its folder"):
        fetch("hf:owner/net", refresh=True)
    assert len(kept()) == 1


# --- what a saved classifier names: no token goes where a stranger says ---


def card_of(handle: str, path: Path) -> Card:
    """Of the network that lies there; nothing has read it."""
    view = View(224, 224)
    triple = (1.0, 1.0, 1.0)
    weights = files.weights_hash(path)
    return Card(handle, weights, anatomy.REVISION, view, "RGB", triple, triple, "output", 8, "float32")


def authorised(server: HubServer) -> list[str]:
    """What requests carried as their user's."""
    sent = [(name.lower(), value) for _, _, headers in server.requests for name, value in headers.items()]
    return [value for name, value in sent if "auth" in name or "cookie" in name]


@pytest.fixture
def signed_in(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who has signed in everywhere, in every way."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    (tmp_path / ".kaggle").mkdir()
    (tmp_path / ".kaggle" / "kaggle.json").write_text('{"username": "me", "key": "secret"}')
    (tmp_path / ".kaggle" / "access_token").write_text("secret")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / ".kaggle"))


def check_that_no_token_is_sent(server: HubServer, handle: str, progress: Heard, host: str) -> None:
    there = fetch(handle)
    assert authorised(server), "the user's own word carries the user's token"
    card = card_of(str(there.handle), there.path)
    assert backbones.load_card(card).card == card, "what is here is used"
    remove(str(there.handle))
    server.requests.clear()
    with pytest.raises(NotFetchedError) as caught:
        backbones.load_card(card)
    assert server.requests == []
    assert caught.value.source == f"{there.handle} ({host})"
    assert f"headstart backbones get {there.handle}; then try again" in str(caught.value)
    assert backbones.load_card(card, fetch=True, progress=progress).card == card
    assert server.requests
    assert authorised(server) == []
    assert progress.lines[0] == (f"Downloading the classifier's model {there.handle} from {host}, without your token.")
    remove(str(there.handle))
    assert backbones.load_card(card, elsewhere=str(there.handle)).card == card
    assert authorised(server)


@hugging_face
@pytest.mark.usefixtures("signed_in")
def test_a_saved_classifier_fetches_from_hugging_face_only_if_told_and_without_token(
    hf: HubServer, progress: Heard
) -> None:
    publish(hf, {name: data for name, data in REPO.items() if not name.endswith(".json")}, NEW)
    check_that_no_token_is_sent(hf, "hf:owner/net", progress, hf.url.removeprefix("http://"))


@kaggle
@pytest.mark.usefixtures("signed_in")
@pytest.mark.parametrize("way", ["kaggle.json", "access_token", "KAGGLE_API_TOKEN"])
def test_a_saved_classifier_fetches_from_kaggle_only_if_told_and_without_token(
    way: str, kg: HubServer, progress: Heard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for other in {"kaggle.json", "access_token"} - {way}:
        (tmp_path / ".kaggle" / other).unlink()
    if way == "KAGGLE_API_TOKEN":
        monkeypatch.setenv("KAGGLE_API_TOKEN", "secret")
    check_that_no_token_is_sent(kg, KAGGLE + "/2", progress, "www.kaggle.com")


@kaggle
def test_a_package_whose_token_cannot_be_left_out_is_not_asked(kg: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    client = pytest.importorskip("kagglesdk.kaggle_http_client")
    monkeypatch.delattr(client, "_get_apikey_creds")
    with pytest.raises(BackboneError, match="version that does not fit"):
        fetch(KAGGLE + "/2", anonymous=True)
    assert kg.requests == []


@hugging_face
def test_a_network_that_asks_to_sign_in_says_why_no_token_was_sent(hf: HubServer) -> None:
    hf.on("/api/models/owner/net", lambda r: r.send(b"{}", 401))
    with pytest.raises(BackboneError, match=r"Your token was not sent(?s:.*)headstart backbones get hf:owner/net"):
        fetch("hf:owner/net", anonymous=True)
    fails("hf:owner/net", "sign in as the service's own package does")


@hugging_face
def test_what_was_fetched_is_compared_before_anything_reads_it(hf: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    there = fetch("hf:owner/net")
    card = replace(card_of(str(there.handle), there.path), weights="0" * 64)
    for place, name in ((reading, "read"), (local, "hints_of"), (anatomy, "dissect")):
        monkeypatch.setattr(place, name, lambda *_: pytest.fail("it was read"))
    with pytest.raises(BackboneError, match="other weights"):
        backbones.load_card(card)
    remove(str(there.handle))
    with pytest.raises(BackboneError, match="other weights"):
        backbones.load_card(card, fetch=True)


# --- Kaggle ---


@kaggle
@pytest.mark.parametrize("more", [False, True])
def test_a_model_comes_from_kaggle(more: bool, kg: HubServer, progress: Heard, tmp_path: Path) -> None:
    offer(kg, MODEL, 2, more)
    got = fetch(KAGGLE + "/2", progress)
    assert str(got.handle) == KAGGLE + "/2"
    assert files_of(got.folder) == MODEL
    assert progress.blocks[-1][1:] == (sum(map(len, MODEL.values())),) * 2
    assert all(done != total for _, done, total in progress.blocks[:-1])
    (entry,) = kept()
    assert entry.source == "https://www.kaggle.com/models/" + KAGGLE.removeprefix("kaggle:") + "/2"
    kg.requests.clear()
    assert fetch(KAGGLE + "/2") == got
    assert kg.requests == []


@kaggle
def test_without_a_version_the_newest_is_taken_and_kept(kg: HubServer) -> None:
    old = fetch(KAGGLE)
    assert str(old.handle) == KAGGLE + "/2"
    offer(kg, {"net.tflite": b"new"}, 3)
    kg.requests.clear()
    assert fetch(KAGGLE) == old
    assert kg.requests == []
    new = fetch(KAGGLE, refresh=True)
    assert (str(new.handle), new.path.read_bytes()) == (KAGGLE + "/3", b"new")
    assert fetch(KAGGLE) == new


@kaggle
def test_kaggles_package_is_silent_and_leaves_no_trace(
    kg: HubServer,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # To those who have signed in it says, on stdout, that there is a newer version.
    monkeypatch.setenv("KAGGLE_API_TOKEN", "secret")
    before, level = dict(os.environ), logging.getLogger("kagglehub").level
    logging.getLogger("kagglehub").addHandler(caplog.handler)
    try:
        fetch(KAGGLE + "/2")
    finally:
        logging.getLogger("kagglehub").removeHandler(caplog.handler)
    assert caplog.records == []
    assert dict(os.environ) == before
    assert logging.getLogger("kagglehub").level == level
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.rglob("saved_model.pb")) == []
    import kagglehub.clients
    import tqdm

    assert kagglehub.clients.tqdm is tqdm.tqdm


@kaggle
@pytest.mark.parametrize(
    ("status", "words", "tries"), [(403, "accept a licence", 1), (404, "Check the handle", 1), (500, "answered 500", 4)]
)
def test_kaggles_answers_are_told(status: int, words: str, tries: int, kg: HubServer) -> None:
    kg.on("/api/v1/models.ModelApiService/ListModelInstanceVersionFiles", lambda r: r.send(b"{}", status))
    assert OTHER in fails(KAGGLE + "/2", words)
    assert len(kg.requests) == tries


@kaggle
def test_a_model_without_a_network_is_told(kg: HubServer) -> None:
    offer(kg, {"model.safetensors": b""}, 2)
    fails(KAGGLE + "/2", "but model.safetensors")


@kaggle
def test_a_link_in_what_kaggles_package_unpacked_is_refused(kg: HubServer) -> None:
    link = tarfile.TarInfo("link.pb")
    link.type, link.linkname = tarfile.SYMTYPE, "saved_model.pb"
    offer(kg, {**MODEL, "link.pb": link}, 2, more=True)
    fails(KAGGLE + "/2", "a link or a device")


@kaggle
def test_no_way_to_kaggle_is_told(kg: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    environments = pytest.importorskip("kagglesdk.kaggle_env")
    monkeypatch.setitem(environments._env_to_endpoint, environments.KaggleEnv.LOCAL, "http://127.0.0.1:9")
    fails(KAGGLE + "/2", "Kaggle cannot be reached")


# --- without the packages ---


@pytest.mark.parametrize(
    ("handle", "line"),
    [("hf:owner/net", "pip install 'headstart[hf]'"), (KAGGLE + "/2", "pip install 'headstart[kaggle]'")],
)
def test_without_the_package_the_error_has_the_line_that_installs_it(
    handle: str, line: str, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients.importlib.util, "find_spec", lambda name: None)
    fails(handle, "which is not installed", line)


# --- the caches of the two packages ---


def cached_by_hugging_face(
    folder: Path, files: dict[str, bytes] = REPO, commit: str = NEW, absent: tuple[str, ...] = ()
) -> Path:
    """A repository in the cache of huggingface_hub: links to files that are named by their SHA-256."""
    repository = folder / "models--owner--net"
    for name in absent:
        mark = repository / ".no_exist" / commit / name
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
    for name, data in files.items():
        blob = repository / "blobs" / hashlib.sha256(data).hexdigest()
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(data)
        link = repository / "snapshots" / commit / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    return repository


#: An ONNX file that names weights beside it.
SPLIT = NETWORK + b"\n\x08location\x12\x0fmodel.onnx_data"


@pytest.fixture
def hf_cache(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hf-cache"))
    return tmp_path / "hf-cache"


@pytest.mark.parametrize("offline", ["", "1"])
@pytest.mark.parametrize("handle", ["hf:owner/net", f"hf:owner/net@{NEW}:onnx/model.onnx", "hf:owner/net@main"])
def test_what_hugging_face_s_cache_holds_is_copied_without_a_request(
    handle: str, offline: str, hub: HubServer, hf_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached_by_hugging_face(hf_cache, {**REPO, "onnx/model.onnx": SPLIT})
    monkeypatch.setenv("HEADSTART_OFFLINE", offline)
    got = fetch(handle)
    assert str(got.handle) == f"hf:owner/net@{NEW}:onnx/model.onnx"
    wanted = {"config.json", "preprocessor_config.json", "onnx/model.onnx", "onnx/model.onnx_data"}
    assert files_of(got.folder) == {**{name: REPO[name] for name in wanted}, "onnx/model.onnx": SPLIT}
    assert not any(path.is_symlink() for path in got.folder.rglob("*"))
    assert [(one.handle, one.problem) for one in verify()] == [(str(got.handle), "")]
    assert fetch(handle) == got
    assert hub.requests == []


def test_a_repository_that_has_no_feeding_card_is_found_if_its_absence_is_known(hub: HubServer, hf_cache: Path) -> None:
    files = {"onnx/model.onnx": NETWORK}
    cached_by_hugging_face(hf_cache, files, absent=("preprocessor_config.json",))
    assert files_of(fetch("hf:owner/net").folder) == files
    assert hub.requests == []


@pytest.mark.parametrize("missing", ["onnx/model.onnx", "onnx/model.onnx_data", "preprocessor_config.json", "blob"])
def test_what_is_incomplete_or_damaged_in_hugging_face_s_cache_is_not_used(
    missing: str, hub: HubServer, hf_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {**REPO, "onnx/model.onnx": SPLIT}
    repository = cached_by_hugging_face(hf_cache, {name: data for name, data in files.items() if name != missing})
    if missing == "blob":
        (repository / "snapshots" / NEW / "onnx" / "model.onnx").resolve().write_bytes(SPLIT[:-1] + b"b")
    monkeypatch.setenv("HEADSTART_OFFLINE", "1")
    fails("hf:owner/net", "HEADSTART_OFFLINE is set")
    assert hub.requests == []


def cached_by_kaggle(folder: Path, version: int, complete: bool = True, files: dict[str, bytes] = MODEL) -> None:
    models = folder / "models" / KAGGLE.partition(":")[2]
    for name, data in files.items():
        path = models / str(version) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    if complete:
        (models / f"{version}.complete").touch()


@pytest.fixture
def kaggle_cache(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "kaggle-cache"))
    return tmp_path / "kaggle-cache"


def test_what_kaggle_s_cache_holds_is_copied_without_a_request(hub: HubServer, kaggle_cache: Path) -> None:
    cached_by_kaggle(kaggle_cache, 2)
    got = fetch(KAGGLE + "/2")
    assert (str(got.handle), files_of(got.folder)) == (KAGGLE + "/2", MODEL)
    assert [one.problem for one in verify()] == [""]
    assert backbones.fetch.found(parse(KAGGLE + "/2")) == got
    assert hub.requests == []


def test_offline_the_newest_complete_version_in_kaggle_s_cache_is_taken(
    kaggle_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADSTART_OFFLINE", "1")
    for version, complete in ((9, True), (10, True), (11, False)):
        cached_by_kaggle(kaggle_cache, version, complete)
    fails(KAGGLE + "/11", "HEADSTART_OFFLINE is set")
    assert str(fetch(KAGGLE).handle) == KAGGLE + "/10"
