"""From a handle elsewhere to vectors: fetched once, read, its range known from where it came."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart import backbones
from headstart.backbones import catalogue
from headstart.backbones.hints import Options
from headstart.errors import BackboneError
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
    network = backbones.load(handle, watcher=heard)
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
    with pytest.raises(BackboneError, match=r"not here and not in the catalogue(?s:.*)headstart backbones get"):
        backbones.load_card(card)
    assert len(hub.requests) == asked
    assert backbones.load_card(card, elsewhere=handle).card == card, "named by the user, it is fetched"


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
    by_address = backbones.load(hub.url + "/nets/mine.onnx", watcher=Heard()).card
    by_path = backbones.load(str(file), watcher=Heard()).card
    assert by_address == replace(by_path, handle=by_address.handle)
    assert by_address.feed.name == "imagenet"
