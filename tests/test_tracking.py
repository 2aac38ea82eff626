"""What is written for TensorBoard, part by part: the curves, the pictures, the projector's files."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageColor

from fakes import FakeBackbone, training_of, write_photos
from headstart.backbones.card import short_name
from headstart.evaluation.metrics import evaluate, mean_of
from headstart.evaluation.results import Measured, PhotoCounts, answers_of
from headstart.heads import logistic
from headstart.heads.fitting import fit
from headstart.heads.head import softmax
from headstart.heads.history import Examples, logistic_history, point
from headstart.photos import thumbnails
from headstart.photos.splits import stratified_folds
from headstart.report import drawing
from headstart.report.tensorboard import pictures, projector
from headstart.report.tensorboard.run import claim

ROOT = Path(__file__).resolve().parents[1]
COLOURS = {"red": 7, "lime": 5, "blue": 4, "yellow": 3}


def measured_of(probabilities: np.ndarray, labels: np.ndarray, paths: tuple[str, ...] = ()) -> Measured:
    classes = tuple(f"class {i}" for i in range(probabilities.shape[1]))
    paths = paths or tuple(f"photos/{i}.jpg" for i in range(len(labels)))
    evaluation = evaluate(labels, [probabilities], classes, paths)
    answers = answers_of(paths, labels, [probabilities], [b"%d" % i for i in range(len(paths))])
    photos = PhotoCounts(len(paths), ())
    return Measured(evaluation, labels, probabilities.astype(np.float32), answers, photos)


def guesses(n: int, k: int, sure: float = 2.0) -> Measured:
    rng = np.random.default_rng(0)
    labels = np.arange(n) % k
    scores = rng.normal(size=(n, k)) + sure * np.eye(k)[labels]
    return measured_of(softmax(scores), labels)


@pytest.fixture
def coloured(tmp_path: Path) -> tuple[Measured, np.ndarray, Path]:
    """Photos of four colours, measured by a classifier on the fake backbone."""
    write_photos(tmp_path / "photos", COLOURS)
    trained = training_of(FakeBackbone(), tmp_path / "photos", head="centroid", store=tmp_path / "home")
    (tmp_path / "run").mkdir()
    return trained.measured, trained.trial.data.train.features.vectors, tmp_path / "run"


# --- curves ---


def test_the_history_ends_at_the_head_that_fit_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logistic, "TOLERANCE", 1e-4)
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 30)
    for dim in (200, 20):
        vectors = (rng.normal(size=(3, dim))[labels] + 2 * rng.normal(size=(90, dim))).astype(np.float32)
        folds = stratified_folds(labels, [bytes([i]) for i in range(90)], 5, 0)
        fitted = fit("logistic", vectors, labels, folds)
        assert fitted.strength is not None
        train, held = logistic_history(Examples(vectors, labels), Examples(vectors[::2], labels[::2]), fitted.strength)
        assert len(train.loss) == len(train.accuracy) == len(held.loss) == len(held.accuracy)
        last = point(softmax(fitted.head.scores(vectors)), labels)
        assert train.loss[-1] == pytest.approx(last.loss[0], rel=1e-3)
        assert train.accuracy[-1] == last.accuracy[0]
        other = point(softmax(fitted.head.scores(vectors[::2])), labels[::2])
        assert held.loss[-1] == pytest.approx(other.loss[0], rel=1e-3)


def test_the_loss_of_one_point_is_the_log_loss() -> None:
    one = point(np.array([[0.5, 0.5], [0.25, 0.75]]), np.array([0, 1]))
    assert one.loss == (pytest.approx(-(np.log(0.5) + np.log(0.75)) / 2),)
    assert one.accuracy == (1.0,)


def test_an_evaluation_keeps_the_mean_of_its_probabilities() -> None:
    repeats = [np.array([[0.2, 0.8]]), np.array([[0.6, 0.4]])]
    mean = mean_of(repeats)
    assert mean.dtype == np.float32
    np.testing.assert_allclose(mean, [[0.4, 0.6]], rtol=1e-6)
    np.testing.assert_array_equal(repeats[0], [[0.2, 0.8]])


# --- the projector ---


def test_each_thumbnail_lies_where_its_row_says(coloured: tuple[Measured, np.ndarray, Path]) -> None:
    measured, vectors, folder = coloured
    projector.write(folder, measured, vectors)
    head, *rows = (folder / "photos.tsv").read_text("utf-8").splitlines()
    assert head.split("\t") == ["class", "predicted", "outcome", "probability", "file"]
    points = (folder / "vectors.tsv").read_text().splitlines()
    assert len(rows) == len(points) == 19
    config = (folder / "projector_config.pbtxt").read_text()
    assert 'image_path: "sprite.jpg"' in config
    assert config.count("single_image_dim: 64") == 2
    with Image.open(folder / "sprite.jpg") as sprite:
        assert sprite.size == (5 * 64, 5 * 64), "a square of the least number of columns"
        pixels = np.asarray(sprite.convert("RGB"), np.float64)
    for place, row in enumerate(rows):
        name, predicted, outcome, probability, _ = row.split("\t")
        x, y = place % 5 * 64, place // 5 * 64
        np.testing.assert_allclose(pixels[y : y + 64, x : x + 64].mean(axis=(0, 1)), ImageColor.getrgb(name), atol=20)
        assert outcome == ("right" if predicted == name else "wrong")
        assert 0 < float(probability) <= 1
        # The point too: the vector is the root of the mean colour.
        np.testing.assert_allclose(
            np.array(points[place].split("\t"), float)[:3], np.sqrt(ImageColor.getrgb(name)), atol=4.6
        )


def test_no_more_points_than_allowed_and_every_class_alike() -> None:
    labels = np.repeat([0, 1, 2], [5000, 40, 900])
    rows = projector.sample(labels, 1000)
    assert np.bincount(labels[rows]).tolist() == [480, 40, 480]
    assert (np.diff(rows) > 0).all()
    assert np.array_equal(rows, projector.sample(labels, 1000)), "the same photos each time: runs can be compared"
    assert projector.sample(labels[:10], 1000).tolist() == list(range(10))
    assert len(projector.sample(np.arange(3000), 1000)) == 1000, "more classes than points"


def test_what_was_left_out_is_reported(
    coloured: tuple[Measured, np.ndarray, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured, vectors, folder = coloured
    assert "all 19 photos" in projector.write(folder, measured, vectors)
    monkeypatch.setattr(projector, "POINTS", 8)
    monkeypatch.setattr(projector, "DIMENSIONS", 2)
    text = projector.write(folder, measured, vectors)
    assert "8 of the 19 photos measured on, at most 2 of each class" in text
    assert "11 are left out" in text
    assert "Of 8 dimensions it has the 2 principal ones" in text
    assert len((folder / "photos.tsv").read_text().splitlines()) == 9
    Path(measured.paths[0]).unlink()
    monkeypatch.setattr(projector, "POINTS", 19)
    assert "Grey thumbnails stand for 1 photo" in projector.write(folder, measured, vectors)


def test_the_sprite_stays_within_what_browsers_take() -> None:
    side = int(np.ceil(np.sqrt(projector.POINTS))) * 64
    assert side <= projector.SPRITE_SIDE == 8192
    tile = Image.new("RGB", (64, 64))
    assert max(projector.sprite([tile] * projector.POINTS, 64).size) == side
    with pytest.raises(ValueError, match="8256 pixels"):
        projector.sprite([tile] * (128 * 128 + 1), 64)


@pytest.mark.parametrize(("n", "dim"), [(40, 300), (300, 250)], ids=["few photos", "many photos"])
def test_principal_coordinates_keep_distances_and_angles(n: int, dim: int) -> None:
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(n, 30)) @ rng.normal(size=(30, dim))).astype(np.float32)
    turned, kept = projector.principal(vectors, 200)
    assert turned.shape == (n, min(200, n))
    assert kept == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(turned @ turned.T, vectors @ vectors.T, rtol=1e-2, atol=1)
    _, share = projector.principal(vectors, 10)
    assert 0.3 < share < 0.9


def test_a_tab_or_line_break_in_a_name_shifts_no_row(tmp_path: Path) -> None:
    measured = measured_of(np.eye(2), np.array([0, 1]), ("a\tb\nc.jpg", "caf\udce9.jpg"))
    projector.write(tmp_path, measured, np.eye(2, dtype=np.float32))
    rows = (tmp_path / "photos.tsv").read_text("utf-8").splitlines()
    assert [len(row.split("\t")) for row in rows] == [5, 5, 5]
    assert rows[1].endswith(r"a\tb\nc.jpg")


# --- pictures ---


@pytest.mark.parametrize("k", [2, 10, 50, 51, 101, 1000])
def test_a_confusion_matrix_of_any_number_of_classes_is_a_picture_of_bearable_size(k: int) -> None:
    measured = guesses(3 * k, k)
    evaluation = replace(measured.evaluation, classes=tuple(f"a rather long name of class {i}" for i in range(k)))
    picture = pictures.confusion(evaluation, "Title")
    assert max(picture.size) <= 2300
    assert picture.mode == "RGB"


def test_the_confusion_matrix_has_the_right_cells_dark() -> None:
    labels = np.array([0] * 10 + [1] * 10 + [2] * 10)
    predicted = np.array([0] * 10 + [2] * 10 + [2] * 10)
    measured = measured_of(np.eye(3)[predicted], labels)
    picture = pictures.confusion(measured.evaluation, "Title")
    pixels = np.asarray(picture).reshape(-1, 3)
    colours = [ImageColor.getrgb(name) for name in (drawing.RIGHT, drawing.WRONG)]
    right, wrong = ((pixels == colour).all(axis=1).sum() for colour in colours)
    cell = 84 * 84
    assert 1.7 * cell < right < 2 * cell, "a and c are always found"
    assert 0.8 * cell < wrong < cell, "b never"


def test_the_most_confident_mistakes_show_their_photos(coloured: tuple[Measured, np.ndarray, Path]) -> None:
    measured, _, _ = coloured
    wrong = np.zeros((19, 4))
    wrong[np.arange(19), (measured.labels + 1) % 4] = 1.0
    evaluation = measured_of(wrong, measured.labels, measured.paths).evaluation
    photos, missing = thumbnails.wholes([one.path for one in evaluation.mistakes], pictures.THUMBNAIL)
    assert (len(photos), missing) == (19, 0)
    assert {picture.size for picture in photos} == {(168, 126)}, "whole, in their own shape"
    sheet = pictures.mistakes(evaluation, photos, "Mistakes")
    # The sheet ends an edge of 24 pixels beside the photos, and an edge below the names under the last row.
    everything = np.asarray(sheet, np.float64)
    colour = np.asarray(photos[0], np.float64).mean(axis=(0, 1))
    rows_of_it = (np.abs(everything[:, 24 : 24 + 168].mean(axis=1) - colour) < 10).all(axis=1)
    assert rows_of_it[:250].sum() == pytest.approx(126, abs=4)
    assert sheet.width == pytest.approx(24 + 6 * 186 - 18 + 24, abs=3)


def test_pictures_without_mistakes_or_photos_can_be_drawn() -> None:
    perfect = measured_of(np.eye(2)[[0, 1, 0]], np.array([0, 1, 0])).evaluation
    assert perfect.mistakes == ()
    assert min(pictures.mistakes(perfect, [], "Mistakes").size) > 80
    assert min(pictures.reliability(perfect, "Reliability").size) > 80
    (tile,), missing = thumbnails.wholes(["gone.jpg"], 100)
    assert (tile.size, missing) == ((100, 100), 1)


def test_a_photo_on_its_side_is_upright_in_its_thumbnail(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (80, 40), "red").save(tmp_path / "turned.jpg", exif=exif)
    (whole,), _ = thumbnails.wholes([str(tmp_path / "turned.jpg")], 60)
    assert whole.size == (30, 60)


def test_a_long_name_keeps_both_ends() -> None:
    short = drawing.shortened("efficientnet of a very long name number 17", 10, 140)
    assert short.startswith("eff")
    assert short.endswith("17")
    assert ".." in short
    assert len(short) > 12
    assert drawing.shortened("plain", 10, 140) == "plain"
    assert drawing.shortened("", 10, 140) == ""
    assert drawing.shortened("W" * 300, 10, 5) == "W.."


ODD = [
    "漢字",
    "مرحبا بالعالم",
    "नमस्ते",
    "שלום",
    "😀",
    "$x^2$ a_b",
    r"\frac{1}",
    "\x1b[31mred\n\u202eder",
    "caf\udce9",
    "x" * 255,
]


def test_names_in_any_script_are_drawn_without_a_warning_and_without_formulas() -> None:
    k = len(ODD)
    labels = np.arange(5 * k) % k
    evaluation = evaluate(labels, [np.eye(k)[(labels + 1) % k]], ODD, [f"{i}.jpg" for i in range(5 * k)])
    assert {one.predicted for one in evaluation.mistakes[: pictures.MISTAKES]} == set(ODD), "each is drawn"
    assert min(pictures.confusion(evaluation, "Title").size) > 600
    tile = Image.new("RGB", (100, 168))
    assert min(pictures.mistakes(evaluation, [tile] * pictures.MISTAKES, "Mistakes").size) > 600


def test_letters_that_no_font_has_are_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "_known", lambda: frozenset(range(0x500)))
    assert drawing.shortened("漢字 crème Ёж", 10, 400) == "□□ crème Ёж"
    assert drawing.shortened("\x1b[31mred\u202e", 10, 400) == r"\x1b[31mred\u202e"


def test_drawing_leaves_matplotlibs_global_state_alone() -> None:
    code = """
import sys
sys.path.insert(0, "tests")
import headstart.report.tensorboard.pictures as pictures
assert "matplotlib" not in sys.modules
from test_tracking import guesses
import matplotlib
before = matplotlib.rcParams.copy()
pictures.reliability(guesses(30, 3).evaluation, "Title")
assert matplotlib.rcParams.copy() == before
assert "matplotlib.pyplot" not in sys.modules
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert result.returncode == 0, result.stderr


# --- names ---


@pytest.mark.parametrize(
    ("handle", "name"),
    [
        ("builtin:efficientnet-lite0", "efficientnet-lite0"),
        ("https://tfhub.dev/google/imagenet/mobilenet_v2_100_224/feature_vector/5", "mobilenet_v2_100_224"),
        ("kaggle:google/mobilenet-v2/tensorFlow2/035-128-feature-vector/2", "035-128-feature-vector"),
        ("/home/me/my nets/resnet 50.onnx", "resnet-50"),
        ("https://tfhub.dev/tensorflow/efficientnet/b0/feature-vector/1", "efficientnet-b0"),
        ("hf:timm/some net", "some-net"),
        ("///", "network"),
    ],
)
def test_a_folder_is_named_after_the_backbone(handle: str, name: str) -> None:
    assert short_name(handle) == name


def test_a_name_that_is_taken_gets_a_number(tmp_path: Path) -> None:
    assert [claim(tmp_path, "run").name for _ in range(3)] == ["run", "run-2", "run-3"]
