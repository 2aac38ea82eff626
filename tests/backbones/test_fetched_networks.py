"""From a handle elsewhere to vectors: fetched once, read, its range known from where it came."""

from __future__ import annotations

import io
import json
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import headstart
from fakes import write_photos
from headstart import backbones
from headstart.apps.cli.commands import app
from headstart.apps.cli.console import run
from headstart.backbones import builtin, catalogue
from headstart.backbones.hints import Options
from headstart.errors import NotFetchedError
from headstart.progress import Silent
from hub_server import Heard, HubServer, serving, stand_alone, tar
from toys import channels_first, conv, model, numbers, pictures, pooled, save

PICTURES = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 3), dtype=np.uint8)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    stand_alone(tmp_path, monkeypatch)
    with serving() as server:
        yield server


def toy_files(folder: Path) -> dict[str, bytes]:
    """A network of 4x4 pictures in OpenVINO's format."""
    image = pictures(-1, 4, 4, 3)
    path = save(model({"out": pooled(conv(channels_first(image), numbers(5, 3, 1, 1)))}, image), folder / "net.xml")
    return {file.name: file.read_bytes() for file in (path, path.with_suffix(".bin"))}


def test_a_network_behind_a_redirect_is_fetched_once_and_gives_its_vectors(hub: HubServer, tmp_path: Path) -> None:
    archive = tar(toy_files(tmp_path / "made"))
    hub.on("/somebody/net/1", lambda r: r.redirect("/storage/net.tar.gz"))
    hub.on("/storage/net.tar.gz", archive)
    handle = hub.url + "/somebody/net/1"
    heard = Heard()
    network = backbones.load(handle, progress=heard)
    assert len(hub.requests) == 2
    assert network.card.handle == handle
    expected = backbones.load(str(tmp_path / "made" / "net.xml"), options=Options("-1..1"))
    assert np.array_equal(network.embed(PICTURES), expected.embed(PICTURES))
    again = backbones.load(handle)
    assert np.array_equal(again.embed(PICTURES), network.embed(PICTURES))
    assert len(hub.requests) == 2, "the second use asks nobody"


def test_a_saved_classifier_does_not_fetch_from_an_address_that_its_user_never_named(
    hub: HubServer, tmp_path: Path, home: Path
) -> None:
    hub.on("/somebody/net/1", tar(toy_files(tmp_path / "made")))
    handle = hub.url + "/somebody/net/1"
    card = backbones.load(handle).card
    assert backbones.load_card(card).card == card, "what is here is used"
    shutil.rmtree(home / "networks")
    asked = len(hub.requests)
    with pytest.raises(
        NotFetchedError, match=r"is not on this machine(?s:.*)127\.0\.0\.1(?s:.*)headstart backbones get"
    ):
        backbones.load_card(card)
    assert len(hub.requests) == asked
    assert backbones.load_card(card, elsewhere=handle).card == card, "named by the user, it is fetched"


def test_a_name_of_the_catalogue_in_a_saved_classifier_is_not_fetched_unasked(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = replace(builtin.card("float32"), handle="my-network")
    monkeypatch.setattr(catalogue, "resolve", lambda _: hub.url + "/google/net/1")
    with pytest.raises(NotFetchedError, match=r"/google/net/1 .* is not on this machine"):
        backbones.load_card(card)
    assert not hub.requests


# --- asked on the command line ---


class Terminal(io.StringIO):
    """A stream that is a person."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def absent(hub: HubServer, tmp_path: Path, home: Path) -> tuple[str, Path, Path]:
    """A handle, a classifier trained on that network, which is not here any more, and a folder of photos."""
    hub.on("/somebody/net/1", tar(toy_files(tmp_path / "made")))
    handle = hub.url + "/somebody/net/1"
    write_photos(tmp_path / "photos", {"red": 3, "blue": 3})
    headstart.train(tmp_path / "photos", backbone=handle, output=tmp_path / "model", progress=Silent())
    shutil.rmtree(home / "networks")
    hub.requests.clear()
    return handle, tmp_path / "model", tmp_path / "photos"


def command(monkeypatch: pytest.MonkeyPatch, *arguments: object, answer: str | None = None) -> tuple[int, str, str]:
    """A command in this process; with an answer, before a person at a terminal."""
    kind = io.StringIO if answer is None else Terminal
    out, err = io.StringIO(), kind()
    monkeypatch.setattr(sys, "argv", ["headstart", *map(str, arguments)])
    monkeypatch.setattr(sys, "stdin", kind(answer or ""))
    with warnings.catch_warnings(), redirect_stdout(out), redirect_stderr(err):
        return run(app), out.getvalue(), err.getvalue()


@pytest.mark.parametrize("name", ["predict", "evaluate"])
def test_a_command_says_what_to_type_and_fetches_with_fetch(
    name: str, absent: tuple[str, Path, Path], hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle, model, photos = absent
    code, out, err = command(monkeypatch, name, model, photos)
    assert (code, out) == (1, "")
    assert f"headstart backbones get {handle}; then try again" in err
    assert "--fetch" in err
    assert not hub.requests
    code, out, err = command(monkeypatch, name, model, photos, "--fetch", "--json")
    assert (code, json.loads(out)["model"]) == (0, str(model))
    assert f"Downloading the classifier's model {handle} from 127.0.0.1" in err
    assert len(hub.requests) == 1


@pytest.mark.parametrize(
    ("answer", "fetched"), [("y\n", True), ("Yes\n", True), ("n\n", False), ("\n", False), ("", False), ("yo\n", False)]
)
def test_a_person_is_asked(
    answer: str, fetched: bool, absent: tuple[str, Path, Path], hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle, model, photos = absent
    host = hub.url.removeprefix("http://")
    code, out, err = command(monkeypatch, "predict", model, photos, answer=answer)
    assert f"This classifier wants to download {handle} ({host}). Download it? [y/N]" in " ".join(err.split())
    assert (code, bool(out), bool(hub.requests)) == ((0, True, True) if fetched else (1, False, False))


def test_python_is_not_asked_and_fetches_if_told(
    absent: tuple[str, Path, Path], hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle, model, photos = absent
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    monkeypatch.setattr(sys, "stderr", Terminal())
    with pytest.raises(NotFetchedError):
        headstart.load(model)
    assert not hub.requests
    assert len(headstart.load(model, fetch=True).predict(photos)) == 6
    assert [path.partition("?")[0] for _, path, _ in hub.requests] == ["/somebody/net/1"]
    assert headstart.load(model).card.handle == handle, "it is here now"


def test_the_range_is_known_of_families_that_keep_the_common_signature_and_assumed_of_others(
    hub: HubServer, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shared / "backbones" / "mobilenet_v2_0.35_224_savedmodel"
    files = {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}
    hub.on("/google/net/1", tar(files))
    handle = hub.url + "/google/net/1"
    mobilenet = catalogue.named("imagenet/mobilenet_v2_035_224/feature_vector")[0]
    known = {"name": mobilenet.name}
    monkeypatch.setattr(catalogue, "by_handle", lambda _: replace(mobilenet, **known))
    card = backbones.load(handle).card
    assert (card.feed.name, card.range_from, card.dim) == ("0..1", "hub", 2)  # its publisher calls it a feature vector
    known["name"] = "tfgan/eval/inception"
    with pytest.warns(UserWarning, match=r"0..1 is assumed"):
        assert backbones.load(handle).card.range_from == "assumed"
    monkeypatch.setattr(catalogue, "by_handle", lambda _: None)
    with pytest.warns(UserWarning, match=r"0..1 is assumed"):
        card = backbones.load(handle).card
    assert (card.range_from, card.dim) == ("assumed", 1280)
    by_path = backbones.load(str(folder), options=Options("0..1"))
    view = np.random.default_rng(1).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    with pytest.warns(UserWarning, match=r"0..1 is assumed"):
        assert np.array_equal(backbones.load(handle).embed(view), by_path.embed(view))
    assert len(hub.requests) == 1


def test_an_onnx_file_by_its_address_is_taken_as_the_same_file_on_disk_is(hub: HubServer, shared: Path) -> None:
    file = shared / "backbones" / "mobilenet_v2_1.0_224_uint8_nchw.onnx"
    hub.on("/nets/mine.onnx", file.read_bytes())
    by_address = backbones.load(hub.url + "/nets/mine.onnx", progress=Heard()).card
    by_path = backbones.load(str(file), progress=Heard()).card
    assert by_address == replace(by_path, handle=by_address.handle)
    assert by_address.feed.name == "imagenet"
