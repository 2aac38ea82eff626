"""Several views of a photo, and several models, whose features are joined: stored, trained, saved and exported."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from click.testing import CliRunner

import headstart
from fakes import FakeBackbone, training_of, write_photos
from headstart import backbones
from headstart.apps.cli.commands import app
from headstart.backbones.card import Card, read_view
from headstart.backbones.joined import SUM, Joined, viewed
from headstart.classifier import bundle, viewing
from headstart.classifier.classifier import Classifier
from headstart.classifier.comparing import compare
from headstart.errors import BackboneError, BundleError, ExportError
from headstart.evaluation.cross_validation import CrossValidated
from headstart.features.extraction import extract
from headstart.features.several import features_of
from headstart.features.store import Store
from headstart.heads.head import LinearHead
from headstart.photos.images import Images, View, decode, read
from toys import model, numbers, op, pictures, pooled
from trust.test_explain import Corner, photo

BOTH = View.stack([View(16, 16), View(16, 16, "crop", 0.875)])


def saved_toy(path: Path, size: int, channels: int) -> str:
    """A small network of one convolution, as an OpenVINO file."""
    image = pictures(-1, 3, size, size)
    weights = numbers(channels, 3, 3, 3) / np.float32(100)
    body = op.relu(op.convolution(image, weights, [2, 2], [0, 0], [0, 0], [1, 1]))
    ov.save_model(model({"features": pooled(body)}, image), path, compress_to_fp16=False)
    return str(path)


def run(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, list(map(str, arguments)))
    return done.exit_code, done.stdout, done.stderr


def coloured(folder: Path, count: int = 6) -> Path:
    write_photos(folder, {"red": count, "navy": count}, suffix=".png")
    return folder


# --- the picture ---


@pytest.mark.parametrize("name", ["temple", "flower"])
def test_a_stack_shows_each_view_as_it_would_be_alone(name: str, samples: dict[str, Path]) -> None:
    views = [View(224, 224), View(160, 150, "crop", 0.875), View(64, 200, "pad")]
    stack = View.stack(views)
    assert (stack.height, stack.width) == (448, 224)
    picture = decode(read(samples[name]), stack)
    for view in views:
        assert np.array_equal(stack.part(picture[None], view)[0], decode(read(samples[name]), view))
    assert not picture[224:384, 150:].any()
    assert read_view(json.loads(json.dumps(stack.to_json()))) == stack


def test_equal_views_are_one() -> None:
    assert View.stack([View(8, 8), View(8, 8)]) == View(8, 8)
    with pytest.raises(ValueError, match="do not make the view"):
        read_view({**BOTH.to_json(), "height": 5})


# --- the backbone ---


def test_each_part_has_the_same_weight_whatever_its_numbers() -> None:
    large = FakeBackbone(dim=6, weights="large")
    joined = viewed([large, FakeBackbone(dim=3, weights="small")], "both")
    pictures = np.random.default_rng(0).integers(0, 256, (4, 32, 16, 3), np.uint8)
    vectors = joined.embed(pictures)
    assert [part.card.dim for part in joined.parts] == [6, 6, 3, 3]
    for columns in (slice(0, 6), slice(6, 12), slice(12, 15), slice(15, 18)):
        assert vectors[:, columns].sum(axis=1) == pytest.approx(SUM)
    assert vectors[0, 6:9] / vectors[0, 6] == pytest.approx(
        pictures[0, 16:].mean(axis=(0, 1)) / pictures[0, 16:, :, 0].mean()
    )


def test_a_key_is_made_of_the_keys_of_the_parts() -> None:
    one, other = FakeBackbone(weights="one"), FakeBackbone(weights="other")
    joined = [viewed([one, other], "squash"), viewed([other, one], "squash"), viewed([one, other], "both")]
    assert len({found.card.key for found in (*joined, one, other)}) == 5
    assert [found.card.handle for found in joined] == [
        "fake:one + fake:other",
        "fake:other + fake:one",
        "fake:one (squash + crop) + fake:other (squash + crop)",
    ]
    assert Card.from_json(json.loads(json.dumps(joined[2].card.to_json()))) == joined[2].card
    with pytest.raises(BackboneError, match="joined with itself"):
        viewed([one, one], "crop")


# --- the store ---


def test_only_the_part_that_is_missing_is_computed(tmp_path: Path) -> None:
    paths = [*write_photos(tmp_path / "photos", {"red": 5}, suffix=".png"), str(tmp_path / "photos" / "broken.png")]
    Path(paths[-1]).write_bytes(b"no photo")
    network, store = FakeBackbone(), Store(tmp_path / "store")
    extract(network, paths[:3], store)
    joined = viewed([network], "both")
    first = features_of(joined, paths, store)
    assert network.embedded == 3 + 2 + 5
    assert (first.computed, first.from_store, [one.reason for one in first.skipped]) == (5, 0, ["not an image"])
    assert np.array_equal(first.vectors, joined.embed(np.stack([decode(read(path), BOTH) for path in paths[:5]])))
    again = features_of(joined, paths, store)
    assert (again.computed, again.from_store, network.embedded) == (0, 5, 10)
    assert np.array_equal(again.vectors, first.vectors)


def test_a_photo_that_one_part_has_lost_is_counted_once(tmp_path: Path) -> None:
    paths = write_photos(tmp_path / "photos", {"red": 4}, suffix=".png")
    network, store = FakeBackbone(), Store(tmp_path / "store")
    extract(network, paths[:1], store)
    extract(network.with_fit("crop"), paths[1:2], store)
    found = features_of(viewed([network], "both"), paths, store)
    assert (found.computed, found.from_store) == (4, 0)
    extract(network, [*paths, *(more := write_photos(tmp_path / "more", {"blue": 2}, suffix=".png"))], store)
    found = features_of(viewed([network], "both"), [*paths, *more], store)
    assert (found.computed, found.from_store) == (2, 4)


def test_thumbnails_are_made_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    monkeypatch.setattr("headstart.trust.copies.thumbnails._made", lambda *_: made.append(1))
    photos = coloured(tmp_path / "photos")
    training_of(FakeBackbone(size=128), photos, view="both", progress=False)
    assert not made


def test_thumbnails_are_not_made_of_the_pictures_of_a_small_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    monkeypatch.setattr("headstart.trust.copies.thumbnails._made", lambda *_: made.append(1))
    training_of(FakeBackbone(size=64), coloured(tmp_path / "photos"), progress=False)
    assert len(made) == 12


# --- the choice ---


def ring(colour: tuple[int, int, int], seed: int) -> Images:
    """Noise around a middle of one colour, which the crop alone sees."""
    draw = np.random.default_rng(seed)
    picture = np.repeat(draw.integers(0, 256, (1, 1, 3)), 64, axis=0).repeat(64, axis=1)
    picture[12:52, 12:52] = np.clip(np.array(colour) + draw.integers(-25, 26, 3), 0, 255)
    return picture.astype(np.uint8)


def test_auto_takes_the_view_that_shows_the_difference(tmp_path: Path) -> None:
    network = FakeBackbone()
    network.card = replace(network.card, crop=0.6)
    photos = [ring((140, 110, 110), i) for i in range(15)] + [ring((110, 110, 140), i) for i in range(15, 30)]
    labels = ["warm"] * 15 + ["cold"] * 15
    training = training_of(network, photos, labels, view="auto", keep_copies=True, progress=False)
    assert [one.view for one in training.views] == ["squash", "crop", "both"]
    (chosen,) = (one for one in training.views if one.chosen)
    assert chosen.log_loss == min(one.log_loss for one in training.views)
    squash, crop, _ = training.views
    assert crop.log_loss < squash.log_loss / 2
    assert training.classifier.card.viewing == chosen.view
    alone = training_of(network, photos, labels, view=chosen.view, keep_copies=True, progress=False)
    one, other = alone.classifier.head, training.classifier.head
    assert isinstance(one, LinearHead)
    assert isinstance(other, LinearHead)
    assert np.array_equal(one.weights, other.weights)
    assert training.to_json()["views"][1]["view"] == "crop"


def test_the_view_that_predicts_a_fold_was_best_on_the_other_folds() -> None:
    # The first view is right in fold 0 alone, the second in fold 1 alone, and a little better over all. Whoever chooses
    # by all photos would be right in fold 1; chosen by the other fold, both are wrong.
    labels, folds = np.array([0, 1, 0, 1]), np.array([[0, 0, 1, 1]], np.int8)

    def crossed(right_in: int, share: float) -> CrossValidated:
        p = np.where(folds[0] == right_in, share, 1 - share)
        return CrossValidated(None, None, [np.where(np.eye(2)[labels] > 0, p[:, None], 1 - p[:, None])], folds)  # type: ignore[arg-type]

    views = [crossed(0, 0.9), crossed(1, 0.8)]
    losses = np.stack([viewing._losses(one, labels) for one in views])
    assert losses.mean(axis=(1, 2)).argmin() == 1
    (found,) = viewing._held_out(views, losses)
    assert found[np.arange(4), labels] == pytest.approx([0.2, 0.2, 0.1, 0.1])


# --- the classifier ---


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path, Path]:
    """Two networks of different input sizes; photos; and a classifier of both networks in both views, saved."""
    folder = tmp_path_factory.mktemp("joined")
    names = [saved_toy(folder / "small.xml", 16, 5), saved_toy(folder / "large.xml", 24, 7)]
    photos = coloured(folder / "photos")
    train = partial(headstart.train, photos, backbone=names, view="both", store=folder / "store", progress=False)
    train(options=backbones.Options("0..1"), output=folder / "model", keep_copies=True)
    return names, photos, folder / "model"


def test_a_classifier_of_several_models_and_views_is_saved_and_loaded(
    toys: tuple[list[str], Path, Path], tmp_path: Path
) -> None:
    names, photos, folder = toys
    manifest, _ = bundle.read(folder)
    assert manifest["format"] == 3
    classifier = Classifier.load(folder, store=tmp_path / "store")
    assert [part.card.view for part in classifier.backbone.parts] == [
        *(View(16, 16), View(16, 16, "crop", 0.875)),
        *(View(24, 24), View(24, 24, "crop", 0.875)),
    ]
    assert classifier.card.view.parts == tuple(part.card.view for part in classifier.backbone.parts)
    found = classifier.predictions(photos, progress=False, nearest=1)
    assert found.labels == [Path(path).parent.name for path in found.paths]
    assert found.nearest is not None
    assert [one[0].name.split("/")[0] for one in found.nearest] == found.labels
    assert classifier.evaluate(photos, progress=False).accuracy == 1
    assert [model.handle for model in classifier.card.models] == names


def test_a_moved_model_is_found_where_the_user_says(toys: tuple[list[str], Path, Path], tmp_path: Path) -> None:
    names, photos, folder = toys
    home = Path(names[0]).parent
    for kind in ("xml", "bin"):
        (home / f"large.{kind}").rename(tmp_path / f"moved.{kind}")
    try:
        with pytest.raises(BackboneError, match=r"large\.xml.*no longer there"):
            headstart.load(folder)
        classifier = headstart.load(folder, backbone=str(tmp_path / "moved.xml"))
        assert set(classifier.predictions(photos / "red", progress=False).labels) == {"red"}
    finally:
        for kind in ("xml", "bin"):
            (tmp_path / f"moved.{kind}").rename(home / f"large.{kind}")


def test_a_bundle_whose_parts_have_parts_is_refused(toys: tuple[list[str], Path, Path], tmp_path: Path) -> None:
    manifest, arrays = bundle.read(toys[2])
    card = manifest["card"]
    del manifest["sha256"]
    for changed in ({"parts": [card, card]}, {"parts": card["parts"][:1]}, {"parts": card["parts"] * 5}):
        bundle.write(tmp_path / "model", {**manifest, "card": changed}, arrays, overwrite=True)
        with pytest.raises(BundleError, match="not a consistent classifier"):
            headstart.load(tmp_path / "model")


def test_each_part_is_checked_and_not_only_the_first_of_a_model(
    toys: tuple[list[str], Path, Path], tmp_path: Path
) -> None:
    manifest, arrays = bundle.read(toys[2])
    del manifest["sha256"]
    assert manifest["card"]["parts"][1]["view"]["fit"] == "crop"
    manifest["card"]["parts"][1]["view"]["fraction"] = 0.5
    bundle.write(tmp_path / "model", manifest, arrays)
    with pytest.raises(BackboneError, match="other vectors in the view 'crop'"):
        headstart.load(tmp_path / "model")


def test_joined_classifiers_are_exported(toys: tuple[list[str], Path, Path], tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    _, photos, folder = toys
    classifier = headstart.load(folder)
    found: Any = classifier.export(
        tmp_path / "out", ["openvino", "onnx", "tflite", "arrays"], photos=photos, progress=False
    )
    for one in found.written:
        assert one.proof.faults == ()
        assert one.proof.largest <= 1e-5
    assert run("export", "--check", tmp_path / "out", "--photos", photos)[0] == 0
    assert "(1, 80, 24, 3)" in (tmp_path / "out" / "README.md").read_text("utf-8")
    with pytest.raises(ExportError, match="several views"):
        classifier.export(tmp_path / "other", "onnx", photos=photos, with_resize=True, progress=False)


def test_weights_of_a_model_in_two_views_are_written_once(tmp_path: Path) -> None:
    name, photos = saved_toy(tmp_path / "toy.xml", 16, 40), coloured(tmp_path / "photos")
    sizes = []
    for view in ("squash", "both"):
        options = backbones.Options("0..1")
        training = headstart.train(photos, backbone=name, view=view, options=options, progress=False, unknown_rate=0)  # type: ignore[arg-type]
        from headstart.export.subject import Subject

        subject = Subject(training.classifier)
        sizes.append(sum(one.array.nbytes for one in subject.first.constants if one.shape == (40, 3, 3, 3)))
    assert sizes == [40 * 27 * 4] * 2


# --- the heat map ---


@pytest.mark.parametrize("method", ["map", "occlusion"])
def test_the_heat_of_both_views_lies_where_the_photo_decides(method: Any) -> None:
    photos = [photo((220, 40, 40), seed) for seed in range(12)] + [photo((40, 40, 220), seed) for seed in range(12)]
    classifier = training_of(Corner(), photos, ["red"] * 12 + ["blue"] * 12, view="both").classifier
    assert isinstance(classifier.backbone, Joined)
    wide = np.concatenate([photo((220, 40, 40), 99), photo((220, 40, 40), 98)], axis=1)
    wide[:6, 16:] = (220, 40, 40)
    found = classifier.explain(wide, "red", method)
    assert found.method == method
    assert found.picture.shape == (*found.heat.shape, 3) == (224, 448, 3)
    # Squashed, the corner is the upper right quarter of the photo; cropped, of its middle, which ends at 322.
    assert found.heat[:56, 336:].max() > 0
    assert found.heat[14:50, 250:318].max() > 0
    assert found.heat.max() in (found.heat[:56, 336:].max(), found.heat[14:56, 240:322].max())
    assert abs(found.heat[112:]).max() < 0.2 * found.heat.max()


# --- comparing, the command line, scikit-learn ---


def test_joined_features_are_compared_beside_the_others(tmp_path: Path) -> None:
    one, other = FakeBackbone(weights="one"), FakeBackbone(weights="other", size=20)
    found = compare(coloured(tmp_path / "photos"), backbones=[one, other], join=True, progress=False)
    assert {entry.name for entry in found.entries} == {"one", "other", "one + other"}
    joined = next(entry for entry in found.entries if entry.name == "one + other")
    assert joined.card.dim == 16
    assert (joined.work.computed, joined.work.from_store) == (12, 0)


def test_compare_auto_has_an_entry_for_each_view(tmp_path: Path) -> None:
    name, photos = saved_toy(tmp_path / "toy.xml", 16, 5), coloured(tmp_path / "photos")
    options = backbones.Options("0..1")
    found = compare(photos, backbones=name, view="auto", options=options, progress=False)
    assert {entry.name for entry in found.entries} == {"toy (squash)", "toy (crop)", "toy (squash + crop)"}


def test_the_command_line_joins(toys: tuple[list[str], Path, Path], tmp_path: Path) -> None:
    names, photos, _ = toys
    given = [word for name in names for word in ("-b", name)]
    code, _, said = run("train", photos, *given)
    assert code == 2
    assert "--join" in said
    code, _, said = run("embed", photos, "-b", names[0], "--join", "-o", tmp_path / "vectors.npz")
    assert code == 2
    assert "more than once" in said
    joined = ["--join", "--view", "both", "--input-range", "0..1"]
    code, printed, said = run("embed", photos, *given, *joined, "-o", tmp_path / "vectors.npz", "--json")
    assert (code, json.loads(printed)["dim"]) == (0, 24), said
    code, printed, said = run("similar", photos / "red" / "000.png", photos, *given, *joined, "--top", "3")
    assert code == 0, said
    assert printed.count("red") == 3


def test_scikit_learn_takes_views_and_lists(toys: tuple[list[str], Path, Path]) -> None:
    pytest.importorskip("sklearn")
    from sklearn.base import clone

    from headstart.sklearn import HeadstartClassifier

    names, photos, _ = toys
    paths = sorted(photos.rglob("*.png"))
    labels = [path.parent.name for path in paths]
    classifier = HeadstartClassifier(names, view="both", input_range="0..1")
    assert clone(classifier).fit(paths, labels).score(paths, labels) == 1
