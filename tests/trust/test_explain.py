"""Heat maps: the places that decide are hot, whatever the head and the method; `explain` from end to end."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image

import headstart
from fakes import FakeBackbone, training_of
from headstart.apps.cli.commands import app
from headstart.backbones.base import Vectors
from headstart.classifier.classifier import Classifier
from headstart.errors import DataError
from headstart.heads import power
from headstart.heads.head import Kind, LinearHead
from headstart.photos.images import Fit, Images, load
from headstart.report.html import of_training
from headstart.trust.explain import overlay
from headstart.trust.explain.explanation import Explanation
from headstart.trust.explain.heat import by_map, log_odds
from test_embedding import run

METHODS = ("map", "occlusion")


class Corner(FakeBackbone):
    """Its map has 4 x 4 places, which are 0 except for the upper right one: the mean colour there."""

    def maps(self, images: Images) -> Vectors:
        n, height, width, _ = images.shape
        tiles = images.reshape(n, 4, height // 4, 4, width // 4, 3).mean(axis=(2, 4))
        tiles[:, 1:] = 0
        tiles[:, :, :3] = 0
        return np.tile(tiles, (1, 1, 1, 3))[..., : self.card.dim].astype(np.float32)

    def _vectors(self, images: Images) -> Vectors:
        return self.maps(images).mean(axis=(1, 2))


def photo(colour: tuple[int, int, int], seed: int) -> Images:
    """Tiles of random colours, apart from the upper right one."""
    tiles = np.random.default_rng(seed).integers(0, 256, (4, 4, 3))
    tiles[0, 3] = np.clip(np.array(colour) + np.random.default_rng(seed).integers(-30, 31, 3), 0, 255)
    return tiles.astype(np.uint8).repeat(4, axis=0).repeat(4, axis=1)


def corner_classifier(head: Kind, view: Fit = "squash") -> Classifier:
    photos = [photo((220, 40, 40), seed) for seed in range(12)] + [photo((40, 40, 220), seed) for seed in range(12)]
    return training_of(Corner(), photos, ["red"] * 12 + ["blue"] * 12, head=head, view=view).classifier


@pytest.fixture(scope="module")
def trees(tiles: Path, graphs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of temple and flower, saved."""
    folder = tmp_path_factory.mktemp("explain")
    headstart.train(tiles / "train", output=folder / "model", store=graphs, progress=False)
    return folder / "model"


@pytest.fixture
def pasted(samples: dict[str, Path], tmp_path: Path) -> tuple[Path, Images]:
    """The temple in the lower right part of a grey picture, and where it is: bool (400, 400)."""
    canvas, where = Image.new("RGB", (400, 400), (127, 127, 127)), np.zeros((400, 400), bool)
    canvas.paste(Image.open(samples["temple"]).convert("RGB").resize((180, 180)), (200, 200))
    where[200:380, 200:380] = True
    canvas.save(tmp_path / "grey.png")
    return tmp_path / "grey.png", where


# --- where the heat is ---


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("head", get_args(Kind))
@pytest.mark.parametrize(("colour", "label"), [((220, 40, 40), "red"), ((40, 40, 220), "blue")])
def test_the_one_corner_that_decides_is_hottest(head: Kind, method: Any, colour: Any, label: str) -> None:
    found = corner_classifier(head).explain(photo(colour, 99), method=method)
    assert (found.label, found.method) == (label, method)
    assert found.heat.shape == found.picture.shape[:2]
    row, column = np.unravel_index(found.heat.argmax(), found.heat.shape)
    assert row < 448 // 4 < 3 * 448 // 4 <= column
    assert found.heat.max() > 0
    assert found.heat[224:, :224].max() < 0.2 * found.heat.max()


@pytest.mark.parametrize("method", METHODS)
def test_the_place_that_speaks_for_one_class_speaks_against_the_other(method: Any) -> None:
    found = corner_classifier("logistic").explain(photo((220, 40, 40), 99), "blue", method)
    assert found.predicted == "red"
    assert found.probability < 0.5
    row, column = np.unravel_index(found.heat.argmin(), found.heat.shape)
    assert row < 448 // 4 < 3 * 448 // 4 <= column
    assert found.heat.min() < -10 * found.heat.max()


@pytest.mark.parametrize("method", METHODS)
def test_the_object_is_hot_and_the_border_is_not(trees: Path, pasted: tuple[Path, Images], method: Any) -> None:
    found = headstart.load(trees).explain(pasted[0], "temple", method)
    where = np.array(Image.fromarray(pasted[1]).resize(found.heat.shape))
    assert where[np.unravel_index(found.heat.argmax(), found.heat.shape)]
    assert found.heat[where].mean() > 3 * abs(found.heat[~where].mean())


def test_random_heads_see_other_places(trees: Path, samples: dict[str, Path]) -> None:
    # Adebayo et al. 2018: a map that stays when the weights are random explains the picture, not the model.
    classifier = headstart.load(trees)
    head, maps = classifier.head, classifier.backbone.maps(load(samples["temple"], classifier.card.view)[None])
    assert isinstance(head, LinearHead)
    assert maps is not None
    draw = np.random.default_rng(0)
    spread = head.weights.std()
    others = [replace(head, weights=draw.normal(0, spread, head.weights.shape).astype(np.float32)) for _ in range(30)]
    number = classifier.classes.index("temple")
    own, *mixed = (by_map(partial(log_odds, one, number=number), maps[0]).ravel() for one in [head, *others])
    alike = [np.corrcoef(own, one)[0, 1] for one in mixed]
    assert abs(np.mean(alike)) < 0.25
    assert np.median(np.abs(alike)) < 0.6


def test_both_methods_agree(trees: Path, pasted: tuple[Path, Images]) -> None:
    classifier = headstart.load(trees)
    one, other = (classifier.explain(pasted[0], "temple", method).heat for method in METHODS)  # type: ignore[arg-type]
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.7


# --- the rule ---


def test_a_map_of_one_place_has_no_heat() -> None:
    head = corner_classifier("logistic").head
    assert by_map(partial(log_odds, head, number=0), np.ones((1, 1, head.dim), np.float32)).tolist() == [[0.0]]


def test_a_place_counts_what_the_class_loses_without_it() -> None:
    draw = np.random.default_rng(0)
    places = draw.exponential(size=(3, 4, 6)).astype(np.float32)
    head = LinearHead(draw.normal(size=(6, 3)).astype(np.float32), draw.normal(size=3).astype(np.float32), 0.7)

    def odds(rows: Any) -> float:
        vector = rows.mean(axis=0, keepdims=True)
        power.normalise(vector)
        p = head.predict_proba(vector)[0, 1]
        return float(np.log(p / (1 - p)))

    flat = places.reshape(12, 6)
    wanted = [odds(flat) - odds(np.delete(flat, i, axis=0)) for i in range(12)]
    assert by_map(partial(log_odds, head, number=1), places) == pytest.approx(np.reshape(wanted, (3, 4)), abs=1e-5)
    assert log_odds(head, flat.mean(axis=0, keepdims=True), 1) == pytest.approx(odds(flat), abs=1e-5)


@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
def test_heat_lies_where_it_is_in_the_photo(fit: Fit, tmp_path: Path) -> None:
    # A wide photo: cropped, its middle is seen; padded, a quarter of the backbone's picture above it is grey.
    wide = np.concatenate([photo((220, 40, 40), 1), photo((220, 40, 40), 2)], axis=1)
    found = corner_classifier("logistic", fit).explain(wide, "red", "map")
    assert found.picture.shape == ((448, 448, 3) if fit == "crop" else (224, 448, 3))
    assert found.heat.shape == found.picture.shape[:2]
    if fit == "pad":  # the corner is above the photo
        assert found.heat[0, -1] == found.heat.max()
        assert np.abs(found.heat[168:]).max() < 0.1 * found.heat.max()


# --- the backbones ---


def test_the_mean_of_the_built_in_networks_map_is_its_vector(samples: dict[str, Path]) -> None:
    backbone = headstart.load_backbone().backbone
    pictures = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3), np.uint8)
    maps = backbone.maps(pictures)
    assert maps is not None
    assert maps.shape == (3, 7, 7, 1280)
    largest = np.abs(maps).max()
    bound = 1e-5 if backbone.card.precision == "float32" else 0.02
    assert np.abs(maps.mean(axis=(1, 2)) - backbone.embed(pictures)).max() < bound * largest


def test_a_backbone_without_a_map_is_explained_by_occlusion() -> None:
    photos = [photo((220, 40, 40), seed) for seed in range(4)] + [photo((40, 40, 220), seed) for seed in range(4)]
    classifier = training_of(FakeBackbone(), photos, ["red"] * 4 + ["blue"] * 4).classifier
    assert classifier.explain(photos[0]).method == "occlusion"
    with pytest.raises(DataError, match="not the mean of a map"):
        classifier.explain(photos[0], method="map")


# --- pictures ---


def test_orange_speaks_for_and_blue_against() -> None:
    picture, heat = np.full((2, 3, 3), 200, np.uint8), np.zeros((2, 3), np.float32)
    heat[0, 0], heat[1, 2] = 2.0, -1.0
    drawn = overlay.over(picture, heat).astype(int)
    assert drawn[0, 0, 0] > drawn[0, 0, 1] > drawn[0, 0, 2]
    assert drawn[1, 2, 0] < drawn[1, 2, 1] < drawn[1, 2, 2]
    assert np.ptp(drawn[0, 1]) == 0
    assert np.ptp(drawn[0, 0]) > np.ptp(drawn[1, 2])
    still = overlay.over(picture, np.zeros((2, 3), np.float32))
    assert (still == still[0, 0, 0]).all()


def test_a_saved_file_has_the_photo_and_the_map_beside_it(tmp_path: Path) -> None:
    found = corner_classifier("ridge").explain(photo((220, 40, 40), 99))
    found.save(tmp_path / "heat.png")
    saved = np.array(Image.open(tmp_path / "heat.png"))
    assert saved.shape == (448, 2 * 448 + 8, 3)
    assert np.array_equal(saved[:, :448], found.picture)
    assert np.array_equal(saved[:, 456:], found.overlay)
    with pytest.raises(DataError, match="Expected a file in an existing folder"):
        found.save(tmp_path / "missing" / "heat.png")
    assert repr(found).startswith("Explanation(<picture 1>: red, ")


# --- reports ---


def test_a_report_has_a_heat_map_beside_each_mistake(tiles: Path, tmp_path: Path) -> None:
    shutil.copytree(tiles / "train", tmp_path / "photos")
    for number in ("01", "02", "03"):  # wrong labels, so that there are mistakes
        shutil.copy(tiles / "test" / "flower" / f"{number}.png", tmp_path / "photos" / "temple" / f"wrong{number}.png")
    training = headstart.train(tmp_path / "photos", head="knn", progress=False)
    mistakes = training.measured.evaluation.mistakes
    assert 2 <= len(mistakes) <= 24
    Path(mistakes[0].path).unlink()
    assert [(one.path, one.label) for one in training.explanations] == [
        (one.path, one.predicted) for one in mistakes[1:]
    ]
    html = of_training(training)
    assert html.count("in orange, and against it, in blue") == len(mistakes) - 1
    assert "for the classifier that was trained on all photos" in html
    assert "<script" not in html
    assert training.explanations is training.explanations  # computed once, for the report and TensorBoard


def test_a_report_of_a_backbone_without_a_map_has_none() -> None:
    photos = [photo((220, 40, 40), seed) for seed in range(4)] + [photo((40, 40, 220), seed) for seed in range(4)]
    training = training_of(FakeBackbone(), photos, ["red"] * 4 + ["blue"] * 4)
    assert training.measured.evaluation.mistakes
    assert training.explanations == ()
    assert "in orange" not in of_training(training)


def test_the_report_of_an_evaluation_has_heat_maps(trees: Path, tiles: Path, tmp_path: Path) -> None:
    # All labels are wrong, so that there are mistakes.
    shutil.copytree(tiles / "test" / "temple", tmp_path / "photos" / "flower")
    shutil.copytree(tiles / "test" / "flower", tmp_path / "photos" / "temple")
    run("evaluate", trees, tmp_path / "photos", "--report", tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text("utf-8").count("in orange, and against it, in blue") == 8


def test_a_notebook_shows_the_photo_and_its_heat_map(trees: Path, samples: dict[str, Path]) -> None:
    html = headstart.load(trees).explain(samples["temple"], "flower")._repr_html_()
    assert html.count("<img") == 2
    text = re.sub("<[^>]*>", "", html)
    assert "Predicted: temple. Orange places speak for flower, blue ones against it; by map." in text


# --- the command ---


def test_the_command_writes_a_picture_and_says_the_class(trees: Path, samples: dict[str, Path], tmp_path: Path) -> None:
    code, printed = run("explain", trees, samples["flower"], "-o", tmp_path / "heat.png")
    assert code == 0
    assert printed.startswith("flower  ")
    with Image.open(tmp_path / "heat.png") as picture:
        assert picture.format == "PNG"
    code, printed = run("explain", trees, samples["flower"], "-o", tmp_path / "heat.png", "--class", "temple")
    assert printed.startswith("temple (predicted: flower)  ")


def test_several_photos_go_into_a_folder(trees: Path, tiles: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    photos = [tiles / "test" / name / "00.png" for name in ("temple", "flower")]
    code, printed = run("explain", trees, *photos, broken, "-o", tmp_path / "maps", "--json")
    document = json.loads(printed)
    assert code == 0
    predicted = headstart.load(trees).predict(photos).tolist()  # type: ignore[arg-type,union-attr]
    assert [one["predicted"] for one in document["explanations"]] == predicted
    assert [one["method"] for one in document["explanations"]] == ["map", "map"]
    files = [tmp_path / "maps" / "00-heat.png", tmp_path / "maps" / "00-heat (2).png"]
    assert [one["heat_map"] for one in document["explanations"]] == [str(path) for path in files]
    assert sorted(tmp_path.glob("maps/*")) == sorted(files)
    assert document["photos"]["reasons"] == {"not an image": 1}
    arguments = ["explain", str(trees), str(broken), "-o", str(tmp_path / "heat.png")]
    assert app(arguments, standalone_mode=False) == 1


def test_no_heat_map_replaces_a_photo(trees: Path, samples: dict[str, Path], tmp_path: Path) -> None:
    for name in ("a.png", "a-heat.png"):
        shutil.copy(samples["flower"], tmp_path / name)
    assert run("explain", trees, tmp_path, "-o", tmp_path)[0] == 0
    assert all((tmp_path / name).read_bytes() == samples["flower"].read_bytes() for name in ("a.png", "a-heat.png"))
    assert {path.name for path in tmp_path.iterdir()} == {
        "a.png",
        "a-heat.png",
        "a-heat (2).png",
        "a-heat-heat.png",
    }


def test_what_cannot_be_is_refused(
    trees: Path, samples: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("explain", trees, *samples.values(), "-o", tmp_path / "heat.png")[0] == 2
    assert run("explain", trees, samples["flower"], "-o", tmp_path / "heat.jpg")[0] == 2
    assert list(tmp_path.iterdir()) == []
    shutil.copy(samples["flower"], own := tmp_path / "photo.png")
    assert run("explain", trees, own, "-o", own)[0] == 2
    assert own.read_bytes() == samples["flower"].read_bytes()
    with pytest.raises(DataError, match="Expected a file in an existing folder"):
        run("explain", "no-such-model", own, "-o", tmp_path / "missing" / "heat.png")
    classifier = headstart.load(trees)
    with pytest.raises(DataError, match="Did you mean 'flower'"):
        classifier.explain(samples["flower"], "flowr")
    with pytest.raises(DataError, match="Expected one photo"):
        classifier.explain(list(samples.values()))  # type: ignore[arg-type]
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match="not an image"):
        classifier.explain(tmp_path / "broken.jpg")


def test_the_answer_is_the_predictions(trees: Path, samples: dict[str, Path]) -> None:
    classifier = headstart.load(trees)
    found: Explanation = classifier.explain(samples["temple"])
    assert found.label == found.predicted == classifier.predict(samples["temple"])
    assert np.array_equal(found.probabilities, classifier.predict_proba(samples["temple"]))
