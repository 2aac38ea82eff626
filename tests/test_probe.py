"""The probe: which input range a network wants, how sure that is, and what becomes of the answer."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import command_line
import headstart.classifier.probe
from fakes import write_photos
from headstart import backbones
from headstart.backbones import builtin
from headstart.backbones.graph import files
from headstart.backbones.ranges import known
from headstart.backbones.ranges.feeds import RANGES, feed_of
from headstart.classifier.probe import probe, procrustes
from headstart.errors import BackboneError, DataError
from headstart.photos import images
from headstart.progress import Silent
from toys import channels_first, conv, dense, model, numbers, op, pictures, pooled, save


def toy(path: Path, kind: str = "u8", classes: int = 0) -> Path:
    """A network of 16x16 pictures: a 1x1 convolution, ReLU, pooling; with `classes` logits on it or none."""
    image = pictures(-1, 16, 16, 3, kind=kind)
    x = pooled(op.relu(conv(channels_first(op.convert(image, "f32")), numbers(8, 3))))
    return save(model({"out": dense(x, numbers(8, classes) / 100) if classes else x}, image), path)


@pytest.fixture
def photos(tiles: Path) -> Path:
    """24 tiles of two photos, in class folders."""
    return tiles / "test"


def said(sure: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every answer be sure, or none."""
    monkeypatch.setattr(headstart.classifier.probe, "SURE", 0.0 if sure else 1.1)


# --- how alike ---


def centred(*shape: int, seed: int = 0) -> np.ndarray:
    x = np.random.default_rng([seed, *shape]).normal(size=shape)
    return x - x.mean(axis=0)


def test_points_are_like_themselves_turned_and_scaled() -> None:
    x = centred(20, 5)
    turn = np.linalg.qr(centred(5, 5, seed=1))[0]
    assert procrustes(x, x) == pytest.approx(1)
    assert procrustes(x, x @ turn) == pytest.approx(1)
    assert procrustes(x, 7 * x) == pytest.approx(1)
    assert procrustes(x, np.hstack([x @ turn, np.zeros((20, 3))])) == pytest.approx(1)


def test_likeness_is_symmetric_and_less_for_others() -> None:
    x, y = centred(20, 5), centred(20, 9, seed=1)
    assert procrustes(x, y) == pytest.approx(procrustes(y, x))
    assert 0 < procrustes(x, y) < 0.9
    near = x + 0.1 * centred(20, 5, seed=2)
    assert procrustes(x, y) < procrustes(x, near) < 1


def test_likeness_is_computed_as_in_the_paper() -> None:
    # Two points on a line: +-1 and +-2; at right angles two pairs: 0 where the second sees nothing of the first.
    x = np.array([[1.0], [-1.0], [0.0], [0.0]])
    y = np.array([[0.0], [0.0], [2.0], [-2.0]])
    assert procrustes(x, y) == 0
    assert procrustes(x, x + y) == pytest.approx(2 / np.sqrt(2 * 10))  # |x'y|_* = 2, |x| = sqrt 2, |y| = sqrt 10
    assert procrustes(x, np.zeros((4, 2))) == 0


# --- what it finds ---


@pytest.mark.slow
@pytest.mark.parametrize("head", [True, False], ids=["classifier", "features"])
def test_a_network_made_to_want_0_to_1_and_blue_first_is_found_out(tmp_path: Path, photos: Path, head: bool) -> None:
    # The built-in network wants (x - 127) / 128 in RGB; this one turns [0, 1] in BGR into that.
    weights = builtin.read_weights()
    graph = builtin.build(weights)
    inner = graph.get_parameters()[0]
    image = pictures(1, 3, 224, 224)
    flipped = op.gather(image, np.array([2, 1, 0]), np.array(1))
    scaled = op.divide(op.subtract(op.multiply(flipped, np.float32(255)), np.float32(127)), np.float32(128))
    inner.output(0).replace(scaled.output(0))
    ends = {port.node.friendly_name: port.node.input_value(0) for port in graph.outputs}
    path = save(model({"out": ends["scores" if head else "features"]}, image), tmp_path / "made.xml")
    found = probe(str(path), photos)
    assert found.criterion == ("belief" if head else "similarity")
    assert found.candidates[0].feed.name == "0..1, BGR"
    assert found.candidates[0].similarity > 0.99
    assert found.sure
    assert len(found.candidates) == 2 * len(RANGES)
    card = backbones.load(str(path)).card
    assert (card.feed.name, card.range_from, card.doubt) == ("0..1, BGR", "probe", "")


RIGHT = {
    "mobilenet_v1_0.25_224_float.tflite": "-1..1",
    "mobilenet_v1_1.0_224_quant_embedding_extractor.tflite": "0..255",
    "mobilenet_v2_0.35_224.onnx": "-1..1",
    "mobilenet_v2_0.35_224_keras.h5": "-1..1",
    "mobilenet_v2_0.35_224_savedmodel": "-1..1",
    "mobilenet_v2_1.0_224_quant.tflite": "0..255",
    "mobilenet_v2_1.0_224_uint8_nchw.onnx": "imagenet",
}
#: Needs all 100 photos for a sure answer; half of them are enough for the others.
DOUBTED = {"mobilenet_v2_1.0_224_uint8_nchw.onnx"}


def test_the_list_of_the_shared_networks_is_whole(shared: Path) -> None:
    held = {path.name for path in (shared / "backbones").iterdir()}
    assert {name for name in held if not name.endswith((".txt", ".LICENSE"))} == set(RIGHT)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.tensorflow if name.endswith(".h5") else ()) for name in RIGHT]
)
def test_the_shared_networks_ranges_and_orders_are_found(shared: Path, name: str, home: Path) -> None:
    if name.endswith(".h5") and importlib.util.find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed: pip install 'headstart[tensorflow]'")
    path = shared / "backbones" / name
    photos = sorted((shared / "imagenet100").iterdir())[:: 1 if name in DOUBTED else 2]
    found = probe(str(path), photos)
    assert found.candidates[0].feed.name == RIGHT[name]
    assert found.sure
    assert found.photos == len(photos)
    assert found.card == str(home / "feeds" / f"{files.weights_hash(path)}.json")
    card = backbones.load(str(path)).card
    assert card.feed.name == RIGHT[name]
    assert card.doubt == ""


# --- what becomes of it ---


def test_what_is_found_is_kept_used_by_the_next_load_and_told(
    tmp_path: Path, photos: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said(True, monkeypatch)
    monkeypatch.setattr(headstart.classifier.probe, "RANGES", {"0..1": RANGES["0..1"], "0..255": RANGES["0..255"]})
    path = toy(tmp_path / "toy.xml", kind="f32")
    assert backbones.load(str(path)).card.range_from == "assumed"
    steps: list[str] = []

    class Listener(Silent):
        def message(self, text: str) -> None:
            steps.append(text)

    found = probe(str(path), photos, Listener())
    assert [one.feed.name for one in sorted(found.candidates, key=lambda c: c.feed.name)] == [
        "0..1", "0..1, BGR", "0..255", "0..255, BGR",
    ]  # fmt: skip
    assert steps == [f"Trying {name} on 24 photos." for name in ("0..1", "0..1, BGR", "0..255", "0..255, BGR")]
    assert found.criterion == "similarity"
    scores = [one.similarity for one in found.candidates]
    assert scores == sorted(scores, reverse=True)
    assert all(one.belief is None and one.agreement is None for one in found.candidates)
    assert all(one.accuracy is not None and 0 <= one.accuracy <= 1 for one in found.candidates)
    kept = json.loads(Path(found.card).read_text())
    assert kept["feed"]["channels"] == found.candidates[0].feed.channels
    assert kept["found"] == {**found.to_json(), "path": None}
    card = backbones.load(str(path)).card
    assert card.feed == found.candidates[0].feed
    assert card.about()["input_range_from"] == "probe"
    again = probe(str(path), photos, keep=False)  # what was kept does not lead it
    assert [one.feed.name for one in again.candidates] == [one.feed.name for one in found.candidates]
    # It follows the weights, not the path.
    for ending in (".xml", ".bin"):
        path.with_suffix(ending).rename(tmp_path / f"moved{ending}")
    assert backbones.load(str(tmp_path / "moved.xml")).card.range_from == "probe"


def test_a_network_of_imagenets_classes_is_judged_by_what_it_believes(
    tmp_path: Path, photos: Path, graphs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said(False, monkeypatch)
    path = toy(tmp_path / "toy.xml", classes=1001)
    found = probe(str(path), photos)
    assert found.criterion == "belief"
    first, second = (one.belief for one in found.candidates)
    assert first is not None
    assert second is not None
    assert first >= second
    # By hand: the mean probability of the classes that the built-in network sees; background is none of them.
    network, theirs = backbones.load(str(path)), backbones.load(folder=graphs / "compiled")
    paths = sorted(photos.rglob("*.png"))
    seen = theirs.classify(np.stack([images.load(p, theirs.card.view) for p in paths])).argmax(axis=1)
    p = network.classify(np.stack([images.load(p, network.card.view) for p in paths]))[:, 1:]
    rgb = next(one for one in found.candidates if one.feed.channels == "RGB")
    assert rgb.belief == pytest.approx(p[np.arange(len(p)), seen].mean(), rel=1e-5)
    assert rgb.agreement == (p.argmax(axis=1) == seen).mean()


def test_of_a_quantised_network_only_the_order_is_asked(tmp_path: Path, photos: Path) -> None:
    found = probe(str(toy(tmp_path / "toy.xml")), photos, keep=False)
    assert {one.feed.name for one in found.candidates} == {"0..255", "0..255, BGR"}
    assert found.card == ""


def test_a_doubtful_answer_is_not_kept_and_says_so(
    tmp_path: Path, photos: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = toy(tmp_path / "toy.xml")
    said(False, monkeypatch)
    found = probe(str(path), photos)
    assert not found.sure
    assert found.card == ""
    assert found.to_json()["sure"] is False
    assert not (home / "feeds").exists()
    said(True, monkeypatch)
    assert probe(str(path), photos, keep=False).card == ""
    assert not (home / "feeds").exists()
    assert probe(str(path), photos).card != ""


def test_how_often_it_held_is_counted_on_halves_of_the_photos() -> None:
    # One candidate is the reference itself and wins in every half; of two equal ones the first is taken.
    x, y = centred(24, 5), centred(24, 5, seed=1)
    mine, other = (
        headstart.classifier.probe._Outcome(feed, g @ g.T, None, None, None) for feed, g in ((None, x), (None, y))
    )
    assert headstart.classifier.probe._wins([other, mine], x @ x.T, 1, "similarity") == 1
    assert headstart.classifier.probe._wins([other, mine], x @ x.T, 0, "similarity") == 0
    belief = np.tile([1.0, 0.0], 12)
    one, two = (headstart.classifier.probe._Outcome(None, x @ x.T, b, None, None) for b in (belief, 1 - belief))
    assert 0.3 < headstart.classifier.probe._wins([one, two], x @ x.T, 0, "belief") < 0.8


def test_too_few_photos_are_refused(tmp_path: Path, photos: Path) -> None:
    path = toy(tmp_path / "toy.xml")
    few = sorted(photos.rglob("*.png"))[:19]
    with pytest.raises(DataError, match=r"^19 of the 19 photos can be used.\nExpected at least 20"):
        probe(str(path), few)
    mixed = tmp_path / "mixed"
    write_photos(mixed, {"red": 19})
    for i in range(5):
        (mixed / "red" / f"broken{i}.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(DataError, match=r"^19 of the 24 photos can be used"):
        probe(str(path), mixed)
    with pytest.raises(DataError, match="does not exist"):
        probe(str(path), tmp_path / "nothing")


def test_photos_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    path = toy(tmp_path / "toy.xml")
    write_photos(tmp_path / "photos", {"red": 12, "blue": 12})
    broken = tmp_path / "photos" / "red" / "000.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0")
    found = probe(str(path), tmp_path / "photos", keep=False)
    assert found.photos == 23
    assert all(one.accuracy is not None and one.accuracy > 0.9 for one in found.candidates)


def test_photos_without_classes_give_no_accuracy(tmp_path: Path, photos: Path) -> None:
    found = probe(str(toy(tmp_path / "toy.xml")), sorted(photos.rglob("*.png")), keep=False)
    assert [one.accuracy for one in found.candidates] == [None, None]


def test_of_many_photos_a_share_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headstart.classifier.probe, "ENOUGH", 24)
    write_photos(tmp_path / "photos", {"red": 30, "blue": 30})
    path = toy(tmp_path / "toy.xml")
    assert 20 <= probe(str(path), tmp_path / "photos", keep=False).photos <= 26
    plain = sorted((tmp_path / "photos").rglob("*.jpg"))
    assert probe(str(path), plain, keep=False).photos == 24


def test_the_built_in_network_is_refused(photos: Path) -> None:
    with pytest.raises(BackboneError, match=r"input range of builtin:efficientnet-lite0 is known(?s:.*)another"):
        probe(backbones.DEFAULT, photos)


def test_a_damaged_kept_file_is_told_and_probed_anew_after_it_is_removed(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said(True, monkeypatch)
    path = toy(tmp_path / "toy.xml")
    kept = Path(probe(str(path), photos).card)
    kept.write_text(kept.read_text()[:40])
    with pytest.raises(BackboneError, match=r"Remove it and run headstart backbones probe again"):
        backbones.load(str(path))
    kept.unlink()
    assert backbones.load(str(path)).card.range_from == "network"


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, home: Path) -> None:
    (home / "feeds").write_text("a file")
    with pytest.raises(BackboneError, match=r"cannot be saved in (?s:.*)Set HEADSTART_HOME"):
        known.keep("0" * 64, feed_of("0..1"), {})


# --- as a person and a script see it ---


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return command_line.run("backbones", "probe", *map(str, arguments))


def test_json_is_one_document_and_the_table_tells_the_same(tmp_path: Path, photos: Path) -> None:
    path = toy(tmp_path / "toy.xml")
    result = run(path, photos, "--json", "--no-write")
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert list(document) == [
        "backbone", "input_range", "sure", "share_of_halves_won", "criterion", "n", "candidates", "path",
    ]  # fmt: skip
    assert document["backbone"] == str(path)
    assert document["n"] == 24
    assert document["path"] is None
    assert document["input_range"] == document["candidates"][0]["input_range"]
    table = run(path, photos, "--no-write").stdout
    for one in document["candidates"]:
        assert f"{one['input_range']:15}  {one['similarity']:>10.3f}" in table
    assert f"Best input range: {document['input_range']}, by the similarity of its features" in table
    assert "Kept in" not in table


def test_photos_without_colour_are_refused(tmp_path: Path) -> None:
    for i in range(20):
        grey = np.random.default_rng(i).integers(0, 256, (16, 16), dtype=np.uint8)
        Image.fromarray(np.repeat(grey[..., None], 3, axis=2)).save(tmp_path / f"{i}.png")
    result = run(toy(tmp_path / "toy.xml"), *sorted(tmp_path.glob("*.png")))
    assert result.returncode == 1
    assert "hardly any colour" in result.stderr


def test_doubt_is_said_on_the_command_line(tmp_path: Path, home: Path) -> None:
    # Hardly any colour: the order of the colours makes hardly a difference to anything.
    for i in range(20):
        rng = np.random.default_rng(i)
        grey = np.repeat(rng.integers(0, 256, (16, 16, 1)), 3, axis=2)
        tinted = np.clip(grey + rng.integers(-6, 7, (16, 16, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(tinted).save(tmp_path / f"{i}.png")
    path = toy(tmp_path / "toy.xml")
    result = run(path, *sorted(tmp_path.glob("*.png")))
    assert result.returncode == 0, result.stderr
    held = f"{result.stdout}".split("the best in ")[1].split(" %")[0]
    assert f"in only {held} % of random halves" in result.stderr
    assert "nothing is kept" in result.stderr
    assert not (home / "feeds").exists()
