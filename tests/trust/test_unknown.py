"""Photos unlike the training photos are refused; photos like them are refused as seldom as was asked for."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import headstart
from headstart.apps.cli.commands import app
from headstart.classifier import bundle
from headstart.classifier.classifier import Classifier
from headstart.errors import BundleError, HeadError
from headstart.evaluation.leakage import Clean, group_keys
from headstart.features.extraction import Features
from headstart.photos.sources import open_source
from headstart.trust import blanks
from headstart.trust.unknown import RATE, Known, learn_known, word_for

OLD = Path(__file__).parents[1] / "saved-by-0.1.0"
DIM = 40


def clean(vectors: np.ndarray, labels: list[str]) -> Clean:
    n = len(vectors)
    hashes = np.array([i.to_bytes(32, "big") for i in range(n)], "V32")
    paths = tuple(f"/home/me/photos/{label}/{i}.jpg" for i, label in enumerate(labels))
    features = Features(paths, np.arange(n), vectors.astype(np.float32), hashes, (), n, 0, 0, 0.0)
    return Clean(features, tuple(labels), group_keys(features))


def around(random: np.random.Generator, each: int, classes: int = 10, copies: int = 1) -> tuple[Clean, np.ndarray]:
    """Training photos of classes that vary unequally around their centres, and 40 new ones of each class."""
    centres = np.abs(random.normal(size=(classes, DIM)))
    spreads = random.uniform(0.3, 0.9, classes)
    drawn = centres[:, None] + spreads[:, None, None] * random.normal(size=(classes, each + 40, DIM))
    train = np.repeat(drawn[:, :each].reshape(-1, DIM), copies, axis=0)
    labels = np.repeat([f"class {c}" for c in range(classes)], each * copies).tolist()
    return clean(train, labels), drawn[:, each:].reshape(-1, DIM).astype(np.float32)


def refused(each: int, rate: float, draws: int, copies: int = 1) -> float:
    """Mean share refused of new photos like the training ones, in per cent."""
    shares = []
    for seed in range(draws):
        train, new = around(np.random.default_rng(seed), each, copies=copies)
        shares.append(learn_known(train, -np.ones((1, DIM), np.float32), rate).look(new).unknown.mean())
    return 100 * float(np.mean(shares))


@pytest.mark.parametrize("copies", [1, 2])
@pytest.mark.parametrize(("each", "draws"), [(10, 60), (40, 30), (75, 20)])
def test_of_photos_like_the_training_photos_five_in_a_hundred_are_refused(each: int, draws: int, copies: int) -> None:
    assert refused(each, RATE, draws, copies) == pytest.approx(5, abs=1)


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.2])
def test_another_share_can_be_asked_for(rate: float) -> None:
    assert refused(20, rate, 40) == pytest.approx(100 * rate, rel=0.25)


def test_the_limit_is_beyond_the_largest_distance_where_photos_are_few() -> None:
    few = Known(np.zeros((9, 2), np.float16), (), np.zeros((1, 2), np.float16), np.linspace(0.1, 0.5, 9), 0, 0.05)
    assert few.limit(0.2) == pytest.approx(0.45)
    # The mean of the upper half is 0.1 above the median: 0.3 + 0.1 * ln(10).
    assert few.limit() == pytest.approx(0.3 + 0.1 * np.log(10))
    assert few.limit(0.01) > few.limit() > few.limit(0.2)


def test_a_photo_nearer_to_a_made_picture_is_refused_unless_training_photos_are_so_too() -> None:
    random = np.random.default_rng(0)
    blank = np.eye(1, DIM, dtype=np.float32)
    walls = (blank + 0.15 * random.normal(size=(60, DIM))).astype(np.float32)  # nearer to it than to each other
    varied = random.normal(size=(40, DIM))
    known = learn_known(clean(varied, ["a", "b"] * 20), blank)
    assert known.look(walls, rate=1e-6).unknown.all()
    assert not learn_known(clean(varied, ["a", "b"] * 20), -blank).look(walls, rate=1e-6).unknown.any()
    both = clean(np.concatenate([varied, walls[:20]]), [*["a", "b"] * 20, *["wall"] * 20])
    assert learn_known(both, blank).look(walls[20:]).unknown.mean() < 0.2


def test_the_nearest_training_photos_are_named_without_folders() -> None:
    train, _ = around(np.random.default_rng(0), 5, classes=3)
    known = learn_known(train, np.ones((1, DIM), np.float32))
    (nearest,) = known.look(train.features.vectors[7:8], nearest=3).nearest
    assert nearest[0].name == "class 1/7.jpg"
    assert nearest[0].cosine == pytest.approx(1, abs=1e-3)
    assert nearest[0].cosine >= nearest[1].cosine >= nearest[2].cosine
    assert not any("/home" in name for name in known.names)


def test_many_photos_are_thinned_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headstart.trust.unknown.KEPT", 30)
    monkeypatch.setattr("headstart.trust.unknown.CALIBRATED", 20)
    known = learn_known(around(np.random.default_rng(0), 10)[0], np.ones((1, DIM), np.float32))
    assert known.photos.shape == (30, DIM)
    assert known.distances.shape == (20,)
    assert {name.split("/")[0] for name in known.names} == {f"class {i}" for i in range(10)}


def test_a_class_may_be_called_unknown() -> None:
    assert word_for(["cat", "dog", "background"]) == "unknown"
    assert word_for(["cat", "Unknown"]) == "unknown photo"
    assert word_for(["unknown", "unknown photo"]) == "unknown photo photo"


# --- with photos ---


def nothing(folder: Path) -> Path:
    """Plain colours, noise and gradients, none of them among those that a classifier keeps."""
    random = np.random.default_rng(99)
    folder.mkdir()
    flat = [np.full((90, 120, 3), colour, np.uint8) for colour in random.integers(0, 256, (20, 3))]
    flat += [np.full((90, 120, 3), grey, np.uint8) for grey in (0, 127, 255)]
    noise = [random.integers(0, 256, (90, 120, colours), np.uint8) for colours in (1, 3)]
    noise += [np.clip(random.normal(120, s, (90, 120, 3)), 0, 255).astype(np.uint8) for s in (4, 15, 30, 60)]
    noise += [np.linspace((10, 40, 90), (200, 220, 250), 90).astype(np.uint8)[:, None]]
    for i, pixels in enumerate([*flat, *noise]):
        Image.fromarray(np.ascontiguousarray(np.broadcast_to(pixels, (90, 120, 3)))).save(folder / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def trained(tiles: Path, graphs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of the demo's tiles, saved."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    headstart.train(tiles, output=folder, store=graphs, progress=False)
    return folder


def predict(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["predict", *map(str, arguments)], catch_exceptions=False)


def test_a_picture_that_shows_nothing_is_always_refused(trained: Path, tmp_path: Path) -> None:
    found = headstart.load(trained).predictions(nothing(tmp_path / "nothing"), progress=False)
    assert found.unknown is not None
    assert found.unknown.all()


def test_the_made_pictures_differ_and_are_always_the_same() -> None:
    first, second = blanks.pictures(), blanks.pictures()
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert len({one.tobytes() for one in first}) == len(first)
    assert {(one.shape, one.dtype.name) for one in first} == {((128, 128, 3), "uint8")}


def test_training_photos_are_known_and_predictions_are_as_before(trained: Path, tiles: Path) -> None:
    classifier = headstart.load(trained)
    found = classifier.predictions(tiles / "train", progress=False, nearest=2)
    assert found.unknown is not None
    assert found.nearest is not None
    assert found.unknown.mean() <= 0.05
    for path, nearest in zip(found.paths, found.nearest, strict=True):
        assert nearest[0].name == "/".join(Path(path).parts[-2:])
    assert set(classifier.predict(tiles / "train", progress=False)) == {"flower", "temple"}
    without = classifier.predictions(tiles / "train", progress=False, unknown_rate=0)
    assert without.unknown is None
    assert without.nearest is None
    many = classifier.predictions(tiles / "test", progress=False, unknown_rate=0.5).unknown
    few = classifier.predictions(tiles / "test", progress=False, unknown_rate=0.01).unknown
    assert many is not None
    assert few is not None
    assert many.sum() > few.sum()


def test_what_is_saved_is_what_is_read(trained: Path, tmp_path: Path) -> None:
    classifier = headstart.load(trained)
    classifier.save(tmp_path / "again")
    assert (tmp_path / "again" / "head.safetensors").read_bytes() == (trained / "head.safetensors").read_bytes()
    assert b"tiles" not in (trained / "headstart.json").read_bytes()


def test_a_classifier_that_keeps_no_photos_refuses_none(tiles: Path, tmp_path: Path, graphs: Path) -> None:
    training = headstart.train(tiles, output=tmp_path / "model", store=graphs, unknown_rate=0, progress=False)
    assert training.classifier.known is None
    manifest, arrays = bundle.read(tmp_path / "model")
    assert manifest["format"] == 1, "earlier versions can read it"
    assert "known_photos" not in arrays
    for wrong in (-0.1, 0.6, float("nan")):
        with pytest.raises(HeadError, match=r"Expected 0 to 0\.5"):
            headstart.train(tiles, unknown_rate=wrong, progress=False)


@pytest.mark.parametrize("kind", ["logistic", "knn"])
def test_bundles_of_earlier_versions_report_that_they_cannot_know(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from test_saved import plugin

    plugin.__wrapped__(monkeypatch)  # type: ignore[attr-defined]
    photo = tmp_path / "red.png"
    Image.new("RGB", (30, 30), "red").save(photo)
    classifier = headstart.load(OLD / kind)
    assert classifier.predictions([photo], progress=False).unknown is None
    for asked in ({"nearest": 1}, {"unknown_rate": 0.1}):
        with pytest.raises(BundleError, match=r"keeps no training photos.*\nTrain it again"):
            classifier.predictions([photo], progress=False, **asked)  # type: ignore[arg-type]
    shown = predict(OLD / kind, photo)
    assert "keeps no training photos" in shown.stderr
    assert "unknown" not in shown.stdout
    (one,) = json.loads(predict(OLD / kind, photo, "--json").stdout)["predictions"]
    assert one["unknown"] is None
    assert "nearest" not in one


# --- the command line ---


@pytest.fixture
def mixed(tiles: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A training photo and a picture that shows nothing."""
    (tmp_path / "in").mkdir()
    known = Path(shutil.copy(sorted((tiles / "train" / "temple").iterdir())[3], tmp_path / "in" / "a.png"))
    Image.new("RGB", (60, 60), (97, 50, 140)).save(tmp_path / "in" / "b.png")
    return known, tmp_path / "in" / "b.png"


def test_the_reason_is_printed_beside_the_probability(trained: Path, mixed: tuple[Path, Path]) -> None:
    shown = predict(trained, *mixed)
    first, second = shown.stdout.replace("\n    ", " ").splitlines()
    assert first.split()[0] == "temple"
    assert "nearest" not in first
    assert second.startswith("unknown (")
    assert "unlike your photos; nearest: " in second
    assert "1 of 2 photos unlike the training photos: unknown." in shown.stderr
    assert predict(trained, *mixed, "--nearest", 2).stdout.count(".png, ") == 2
    assert "unknown" not in predict(trained, *mixed, "--unknown-rate", "0").output


def test_documents_and_tables_have_it(trained: Path, mixed: tuple[Path, Path], tmp_path: Path) -> None:
    document = json.loads(predict(trained, *mixed, "--json", "--nearest", 3).stdout)
    assert [one["unknown"] for one in document["predictions"]] == [False, True]
    assert [len(one["nearest"]) for one in document["predictions"]] == [3, 3]
    predict(trained, *mixed, "--csv", tmp_path / "table.csv")
    lines = (tmp_path / "table.csv").read_text().splitlines()
    column = lines[0].split(",").index("unknown")
    assert [line.split(",")[column] for line in lines[1:]] == ["no", "yes"]


def test_unknown_photos_are_copied_into_a_folder_of_their_own(
    trained: Path, mixed: tuple[Path, Path], tmp_path: Path
) -> None:
    predict(trained, *mixed, "--copy-to", tmp_path / "sorted", "--min-confidence", "0.999999")
    assert (tmp_path / "sorted" / "unknown" / "b.png").exists()
    assert not (tmp_path / "sorted" / "unknown" / "a.png").exists()


def test_a_class_called_unknown_keeps_its_name(tiles: Path, mixed: tuple[Path, Path], tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    shutil.copytree(tiles / "train" / "temple", photos / "unknown")
    shutil.copytree(tiles / "train" / "flower", photos / "background")
    headstart.train(photos, output=tmp_path / "model", progress=False)
    shown = predict(tmp_path / "model", *mixed, "--copy-to", tmp_path / "sorted").stderr
    assert "unlike the training photos: unknown photo." in shown
    assert (tmp_path / "sorted" / "unknown" / "a.png").exists()
    assert (tmp_path / "sorted" / "unknown photo" / "b.png").exists()


def test_evaluate_prints_the_share_refused_and_the_accuracy_on_the_others(trained: Path, tiles: Path) -> None:
    measured = headstart.load(trained).evaluate(tiles, progress=False)
    assert measured.unknown is not None
    right = measured.probabilities.argmax(axis=1) == measured.labels
    assert measured.refused == measured.unknown.mean()
    assert measured.accuracy_of_kept == right[~measured.unknown].mean()
    assert replace(measured, unknown=np.ones(len(right), bool)).accuracy_of_kept is None
    shown = CliRunner().invoke(app, ["evaluate", str(trained), str(tiles)], catch_exceptions=False)
    assert f"Refused as unlike the training photos: {100 * measured.refused:.1f} %" in shown.stdout


# --- bundles from strangers ---


@pytest.mark.parametrize(
    "damage",
    [
        {"known_photos": np.ones((3, 1280), np.float16)},
        {"known_photos": np.zeros((0, 1280), np.float16)},
        {"known_photos": np.zeros((24, 6), np.float16)},
        {"known_photos": np.zeros((24, 1280), np.float32)},
        {"known_photos": np.full((24, 1280), np.nan, np.float16)},
        {"known_blanks": np.full((3, 1280), np.inf, np.float16)},
        {"known_blanks": np.zeros((0, 1280), np.float16)},
        {"known_distances": np.zeros(0, np.float32)},
        {"known_distances": np.array([0.5, 0.4], np.float32)},
        {"known_distances": np.array([0.5, np.nan], np.float32)},
        {"known_distances": np.array([0.5, 3e38], np.float32)},
        {"known_distances": None},
        {"known_photos": np.full((24, 1280), 1.1, np.float16)},
        {"known_names": np.frombuffer(b"a\0b", np.uint8)},
        {"known_names": np.frombuffer(b"a\0" * 24, np.uint8)},
        {"known_names": np.frombuffer((b"a" * 3000 + b"\0") * 23, np.uint8)},
        {"known_names": np.zeros(0, np.uint8)},
        {"known_names": np.zeros(24, np.int64)},
        {"margin": -1},
        {"rate": 0},
        {"rate": 0.9},
        {"rate": None},
    ],
)
def test_damaged_memories_are_refused(damage: dict[str, Any], trained: Path, tmp_path: Path) -> None:
    manifest, arrays = bundle.read(trained)
    for name, value in damage.items():
        if not name.startswith("known"):
            manifest["unknown"][name] = value
        elif value is None:
            del arrays[name]
        else:
            arrays[name] = value
    del manifest["sha256"]
    bundle.write(tmp_path / "damaged", manifest, arrays)
    with pytest.raises(BundleError, match="not a consistent classifier"):
        headstart.load(tmp_path / "damaged")


# --- other kinds of photos ---


@pytest.fixture(scope="module")
def clothes(shared: Path, graphs: Path) -> Classifier:
    """Twelve photos of each class."""
    train = open_source(shared / "clothing10", fraction=0.16).train
    return headstart.train(list(train.paths), list(train.labels), store=graphs, progress=False).classifier


def share_refused(classifier: Classifier, photos: Any) -> float:
    found = classifier.predictions(photos, progress=False).unknown
    assert found is not None
    return float(found.mean())


def test_a_classifier_of_clothes_refuses_trees_food_and_odd_pictures(clothes: Classifier, shared: Path) -> None:
    food = sorted((shared / "food10-64" / "test").glob("*/*"))[::100]
    others = [*map(str, sorted((shared / "two-trees").glob("*/*"))), *map(str, food)]
    assert share_refused(clothes, others) >= 0.95
    readable = [str(path) for path in sorted((shared / "odd").iterdir()) if path.name.startswith(("hopper", "Land"))]
    assert share_refused(clothes, readable) >= 0.95


def test_a_classifier_of_trees_refuses_clothes_and_food(shared: Path, graphs: Path) -> None:
    trees = headstart.train(shared / "two-trees", store=graphs, progress=False).classifier
    clothes = [str(path) for path in sorted((shared / "clothing10" / "test").glob("*/*"))[::200]]
    food = [str(path) for path in sorted((shared / "food10-64" / "test").glob("*/*"))[::200]]
    assert share_refused(trees, [*clothes, *food]) >= 0.95
    assert share_refused(trees, sorted((shared / "two-trees").glob("*/*"))) <= 0.1
