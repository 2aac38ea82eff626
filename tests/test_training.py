"""`train`, `Classifier` and `FeatureExtractor` on real photos: the whole way, from Python."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

import headstart
from headstart.classifier import bundle, trial
from headstart.classifier.comparing import compare
from headstart.classifier.training import train
from headstart.errors import BackboneError, BundleError, DataError, HeadError
from headstart.evaluation import cross_validation, leakage, metrics, results
from headstart.features.store import Store
from headstart.heads import fitting
from headstart.progress import Silent


class Notes(Silent):
    """Keeps all messages."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def message(self, text: str) -> None:
        self.lines.append(text)


def one_sided(tiles: Path, folder: Path) -> Path:
    """The training tiles alone, so that cross-validation measures."""
    shutil.copytree(tiles / "train", folder)
    return folder


@pytest.mark.usefixtures("tiles_are_new")
def test_a_folder_becomes_a_measured_saved_classifier(tiles: Path, tmp_path: Path) -> None:
    result = headstart.train(tiles, output=tmp_path / "model")
    document = json.loads(json.dumps(result.to_json()))
    assert document["classes"] == ["flower", "temple"]
    assert document["photos"] == {"found": 48, "used": 48, "skipped": 0, "reasons": {}, "files": []}
    assert (document["train"], document["test"]) == (24, 24)
    assert document["features"]["computed"] == 48
    assert document["evaluation"]["protocol"] == "test set"
    assert document["evaluation"]["n"] == 24
    assert document["evaluation"]["accuracy"] >= 0.75
    assert document["evaluation"]["interval"][0] < document["evaluation"]["accuracy"]
    assert document["head"]["kind"] == "logistic"
    assert document["head"]["l2"] > 0
    assert set(document["seconds"]) == {"scan", "extract", "head", "evaluate", "total"}
    loaded = headstart.load(tmp_path / "model")
    photos = sorted((tiles / "test" / "flower").iterdir())
    assert np.array_equal(loaded.predict_proba(photos), result.classifier.predict_proba(photos))
    assert (loaded.predict(photos) == "flower").mean() > 0.7


def test_retraining_gives_the_same_bytes(tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(tiles, output=tmp_path / "one", seed=3)
    monkeypatch.setenv("HEADSTART_HOME", str(tmp_path / "another home"))
    train(tiles, output=tmp_path / "two", seed=3)
    for name in ("head.safetensors", "headstart.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.usefixtures("tiles_are_new")
def test_the_second_run_computes_nothing(tiles: Path) -> None:
    first, second = train(tiles), train(tiles)
    assert (first.work.computed, first.work.from_store) == (48, 0)
    assert (second.work.computed, second.work.from_store) == (0, 48)
    assert second.measured.evaluation.to_json() == first.measured.evaluation.to_json()


def test_without_a_test_folder_cross_validation_measures(tiles: Path, tmp_path: Path) -> None:
    result = train(one_sided(tiles, tmp_path / "photos"))
    document = result.to_json()
    assert document["evaluation"]["protocol"] == "cross-validation"
    assert document["evaluation"]["n"] == document["train"] == 24
    assert document["test"] is None
    assert np.sum(document["evaluation"]["confusion"]["counts"]) == pytest.approx(24)
    low, high = document["evaluation"]["interval"]
    assert high - low > 0.1


@pytest.mark.parametrize("head", ["logistic", "lda", "ridge", "centroid", "knn"])
def test_every_head_works_and_is_named(tiles: Path, tmp_path: Path, head: str) -> None:
    trained = train(tiles, head=head, output=tmp_path / "model")  # type: ignore[arg-type]
    document = trained.to_json()
    assert document["head"]["kind"] == head
    assert (document["head"]["l2"] is None) == (head in ("lda", "centroid", "knn"))
    assert (document["head"]["shrinkage"] is None) == (head != "lda")
    assert document["evaluation"]["accuracy"] >= 0.7
    assert headstart.load(tmp_path / "model").choice == trained.classifier.choice


def test_a_share_is_trained_on_and_all_is_tested_on(tiles: Path) -> None:
    notes = Notes()
    result = train(tiles, fraction=0.5, progress=notes)
    assert (result.trial.train, result.trial.test) == (12, 24)
    assert any("0.5 of the 24 training photos: 12" in line for line in notes.lines)


@pytest.mark.usefixtures("tiles_are_new")
def test_classes_and_counts_are_reported_before_any_work(tiles: Path) -> None:
    events: list[str] = []

    class Order(Notes):
        def message(self, text: str) -> None:
            events.append(text)

        def planned(self, photos: int, new: int, seconds: float) -> None:
            events.append(f"planned {photos} {new}")

    train(tiles, progress=Order())
    assert "flower 12 + 12, temple 12 + 12" in events[0]
    assert events[1] == "planned 48 48"
    train(tiles, progress=Order())
    assert events[3] == "planned 48 0"


def test_a_photo_on_both_sides_is_not_trained_on(tiles: Path, tmp_path: Path) -> None:
    shutil.copytree(tiles, tmp_path / "photos")
    leak = tmp_path / "photos" / "train" / "temple" / "leak.png"
    shutil.copy(tmp_path / "photos" / "test" / "temple" / "03.png", leak)
    notes = Notes()
    result = train(tmp_path / "photos", progress=notes)
    assert (result.trial.train, result.trial.test) == (24, 24)
    assert [(one.path, one.reason) for one in result.measured.photos.skipped] == [(str(leak), "duplicate")]
    assert "03.png" in result.measured.photos.skipped[0].detail
    assert any("also in the test set" in line for line in notes.lines)


def test_the_same_photo_under_two_labels_is_left_out_and_reported(tiles: Path, tmp_path: Path) -> None:
    photos = one_sided(tiles, tmp_path / "photos")
    shutil.copy(photos / "temple" / "00.png", photos / "flower" / "copy.png")
    notes = Notes()
    result = train(photos, progress=notes)
    assert result.trial.train == 23
    assert sorted(one.reason for one in result.measured.photos.skipped) == ["conflicting labels"] * 2
    assert result.to_json()["photos"]["reasons"] == {"conflicting labels": 2}
    assert sum("flower and temple" in line for line in notes.lines) == 2


def test_copies_stay_in_one_fold_and_do_not_narrow_the_interval(tiles: Path, tmp_path: Path) -> None:
    plain = train(one_sided(tiles, tmp_path / "plain")).measured.evaluation
    photos = one_sided(tiles, tmp_path / "doubled")
    for path in sorted(photos.rglob("*.png")):
        # Another file of the same pixels: its bytes differ, its vector does not.
        Image.open(path).save(path.with_name("copy-" + path.name), optimize=True)
    doubled = train(photos)
    assert doubled.trial.train == 48
    assert doubled.measured.evaluation.accuracy == pytest.approx(plain.accuracy, abs=0.06)
    low, high = doubled.measured.evaluation.interval
    assert high - low == pytest.approx(plain.interval[1] - plain.interval[0], abs=0.05)


def test_the_same_photo_under_two_labels_on_two_sides_is_neithers(tiles: Path, tmp_path: Path) -> None:
    shutil.copytree(tiles, tmp_path / "photos")
    shutil.copy(tmp_path / "photos/train/temple/05.png", tmp_path / "photos/test/flower/lie.png")
    result = train(tmp_path / "photos")
    assert (result.trial.train, result.trial.test) == (23, 24)
    assert sorted(Path(one.path).name for one in result.measured.photos.skipped) == ["05.png", "lie.png"]
    assert {one.reason for one in result.measured.photos.skipped} == {"conflicting labels"}


def test_copies_are_never_in_two_folds(tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = one_sided(tiles, tmp_path / "photos")
    for path in sorted(photos.rglob("*.png")):
        Image.open(path).save(path.with_name("copy-" + path.name), optimize=True)
    seen: list[tuple[np.ndarray, np.ndarray]] = []
    fit = cross_validation.fit

    def watch(kind: str, vectors: np.ndarray, labels: np.ndarray, folds: np.ndarray, groups: object) -> object:
        seen.append((vectors.copy(), folds.copy()))
        return fit(kind, vectors, labels, folds, groups)  # type: ignore[arg-type]

    monkeypatch.setattr(cross_validation, "fit", watch)
    train(photos)
    assert seen
    for vectors, folds in seen:
        groups = np.unique(vectors, axis=0, return_inverse=True)[1].ravel()
        assert groups.max() == 23
        for group in range(24):
            assert len(set(folds[groups == group])) == 1


def test_broken_photos_are_reported_and_the_others_go_on(tiles: Path, tmp_path: Path) -> None:
    shutil.copytree(tiles, tmp_path / "photos")
    for name, data in {
        "a.jpg": b"",
        "b.png": b"no picture",
        "c.png": (tiles / "train/temple/00.png").read_bytes()[:900],
    }.items():
        (tmp_path / "photos" / "train" / "temple" / name).write_bytes(data)
    document = train(tmp_path / "photos").to_json()
    assert document["photos"]["found"] == 51
    assert document["photos"]["used"] == document["train"] + document["test"] == 48
    assert document["photos"]["reasons"] == {"empty": 1, "not an image": 1, "truncated": 1}
    assert sorted(Path(one["path"]).name for one in document["photos"]["files"]) == ["a.jpg", "b.png", "c.png"]


def test_one_class_or_one_photo_of_a_class_is_a_clear_error(tiles: Path, tmp_path: Path) -> None:
    photos = one_sided(tiles, tmp_path / "photos")
    for path in sorted((photos / "temple").iterdir())[1:]:
        path.unlink()
    with pytest.raises(DataError, match="Too few photos of 'temple'"):
        train(photos)
    shutil.copy(photos / "temple" / "00.png", photos / "temple" / "copy.png")
    with pytest.raises(DataError, match="Too few photos of 'temple'"):
        train(photos)
    shutil.rmtree(photos / "temple")
    with pytest.raises(DataError, match="only 'flower'"):
        train(photos)
    shutil.copytree(tiles / "train" / "temple", photos / "temple")
    for path in (photos / "flower").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"No photo of 'flower' can be used\. Photos were skipped as: empty"):
        train(photos)


def test_a_class_does_not_vanish_in_silence(tiles: Path, tmp_path: Path) -> None:
    photos = one_sided(tiles, tmp_path / "photos")
    (photos / "broken").mkdir()
    for name in ("1.jpg", "2.jpg"):
        (photos / "broken" / name).write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"No photo of 'broken' can be used\. Photos were skipped as: not an image"):
        train(photos)


def test_a_consistent_but_foolish_bundle_is_refused(tiles: Path, tmp_path: Path) -> None:
    train(tiles, output=tmp_path / "model")
    manifest, arrays = bundle.read(tmp_path / "model")
    foolish = {
        "no card": ({k: v for k, v in manifest.items() if k != "card"}, arrays),
        "strange view": (
            {**manifest, "card": {**manifest["card"], "view": {"height": 9, "width": 9, "fit": "x"}}},
            arrays,
        ),
        "three classes": ({**manifest, "classes": ["a", "b", "c"]}, arrays),
        "no seen": (manifest, {k: v for k, v in arrays.items() if k != "training_photos"}),
        "empty temperature": (manifest, {**arrays, "temperature": np.zeros(0)}),
        "not finite": (manifest, {**arrays, "weights": np.full_like(arrays["weights"], np.inf)}),
        "other features": ({**manifest, "normalisation": "none"}, arrays),
    }
    for name, (facts, numbers) in foolish.items():
        facts = {k: v for k, v in facts.items() if k not in ("format", "files", "sha256")}
        bundle.write(tmp_path / name, facts, numbers)
        with pytest.raises(BundleError, match="Train it again"):
            headstart.load(tmp_path / name)
    card = {**manifest["card"], "weights": "0" * 64}
    facts = {k: v for k, v in {**manifest, "card": card}.items() if k not in ("format", "files", "sha256")}
    bundle.write(tmp_path / "other backbone", facts, arrays)
    with pytest.raises(BackboneError, match="Expected the same weights"):
        headstart.load(tmp_path / "other backbone")


def test_an_unusable_output_is_reported_before_the_work(tiles: Path, tmp_path: Path) -> None:
    notes = Notes()
    (tmp_path / "model").mkdir()
    with pytest.raises(BundleError, match="exists already"):
        train(tiles, output=tmp_path / "model", progress=notes)
    assert not notes.lines


def test_a_list_of_paths_and_labels_will_do(tiles: Path) -> None:
    paths = sorted((tiles / "train").rglob("*.png"))
    labels = [path.parent.name for path in paths]
    trained = train(paths, labels)
    classifier = trained.classifier
    assert classifier.classes == ("flower", "temple")
    assert trained.source == "24 photos"
    measured = classifier.evaluate(sorted((tiles / "test").rglob("*.png")), ["flower"] * 12 + ["temple"] * 12)
    assert measured.evaluation.n == 24
    assert measured.evaluation.accuracy > 0.7
    assert trained.trial.train == 24
    with pytest.raises(DataError, match="one label for each"):
        train(paths, labels[:-1])
    with pytest.raises(DataError, match="without labels"):
        train(paths)
    with pytest.raises(DataError, match="together with labels"):
        train(tiles, labels)


@pytest.mark.usefixtures("tiles_are_new")
def test_a_strange_seed_or_head_is_reported_before_photos_are_read(tiles: Path) -> None:
    notes = Notes()
    strange: list[dict[str, Any]] = [{"seed": -1}, {"seed": 2**40}, {"seed": 1.5}, {"head": "forest"}]
    for settings in strange:
        with pytest.raises(HeadError, match="Expected"):
            train(tiles, progress=notes, **settings)
    assert not notes.lines
    assert not Store().shelves()


def test_testing_on_training_photos_is_reported(tiles: Path) -> None:
    classifier = train(tiles).classifier
    assert classifier.evaluate(tiles).seen == 0
    assert classifier.evaluate(tiles / "train").seen == 24
    assert classifier.evaluate(tiles / "test").seen == 0


def test_a_data_set_with_other_classes_is_an_error_that_names_them(tiles: Path, tmp_path: Path) -> None:
    classifier = train(tiles).classifier
    shutil.copytree(tiles / "test" / "temple", tmp_path / "other" / "temples")
    with pytest.raises(DataError, match="'temples' looks like 'temple'"):
        classifier.evaluate(tmp_path / "other")


def test_predict_does_not_leave_photos_out_in_silence(tiles: Path, tmp_path: Path) -> None:
    classifier = train(tiles).classifier
    good = tiles / "test" / "temple" / "00.png"
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut")
    with pytest.raises(DataError, match=r"bad\.jpg"):
        classifier.predict([good, tmp_path / "bad.jpg"])
    answer = classifier.predictions([good, tmp_path / "bad.jpg"])
    assert len(answer.labels) == 1
    assert [one.path for one in answer.skipped] == [str(tmp_path / "bad.jpg")]


def test_the_saved_file_does_not_contain_the_owners_folders(tiles: Path, tmp_path: Path) -> None:
    train(tiles, output=tmp_path / "model")
    text = (tmp_path / "model" / "headstart.json").read_text()
    assert str(tiles) not in text
    assert "accuracy" in text


def test_folds_follow_content_not_names(tiles: Path, tmp_path: Path) -> None:
    photos = one_sided(tiles, tmp_path / "photos")
    first = train(photos).measured.evaluation
    for path in sorted(photos.rglob("*.png")):
        path.rename(path.with_name(f"x{path.stem[::-1]}.PNG"))
    second = train(photos).measured.evaluation
    assert second.accuracy == first.accuracy
    assert second.log_loss == pytest.approx(first.log_loss, rel=1e-6)


def test_the_extractor_works_in_scikit_learn(tiles: Path) -> None:
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    paths = [os.fspath(path) for path in sorted((tiles / "train").rglob("*.png"))]
    labels = [Path(path).parent.name for path in paths]
    extractor = headstart.FeatureExtractor()
    vectors = extractor.fit_transform(paths, labels)
    assert vectors.shape == (24, 1280)
    assert vectors.dtype == np.float32
    assert len(extractor.get_feature_names_out()) == 1280
    assert clone(headstart.FeatureExtractor(view="pad")).get_params() == {
        "backbone": "builtin:efficientnet-lite0",
        "view": "pad",
        "input_range": "",
        "layers": "last",
        "store": None,
    }
    pipeline = make_pipeline(headstart.FeatureExtractor(), StandardScaler(), LogisticRegression(C=0.01))
    scores = cross_val_score(pipeline, np.array(paths), labels, cv=3)
    assert scores.mean() > 0.7
    with pytest.raises(DataError, match="cannot be used"):
        extractor.transform(["missing.jpg"])


def test_used_as_it_is_a_backbone_names_what_it_sees(samples: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"")
    result = headstart.classify([*samples.values(), tmp_path / "bad.jpg"], top=2)
    assert [photo.guesses[0].label for photo in result.photos] == ["palace", "daisy"]
    assert all(len(photo.guesses) == 2 for photo in result.photos)
    assert [(one.path, one.reason) for one in result.skipped] == [(str(tmp_path / "bad.jpg"), "empty")]


def test_ten_photos_of_each_are_measured_with_an_interval(shared: Path) -> None:
    document = train(shared / "two-trees").to_json()
    assert document["evaluation"]["protocol"] == "cross-validation"
    assert document["evaluation"]["n"] == 20
    low, high = document["evaluation"]["interval"]
    assert low < 0.9 <= document["evaluation"]["accuracy"] <= high


def test_repeats_are_more_where_photos_are_few() -> None:
    assert cross_validation.repeats_for(20) == 20
    assert cross_validation.repeats_for(750) == 2
    assert cross_validation.repeats_for(999) == 2
    assert cross_validation.repeats_for(1001) == 1
    assert cross_validation.repeats_for(100_000) == 1


def test_folds_are_more_where_photos_are_few(tiles: Path, tmp_path: Path) -> None:
    assert [cross_validation.folds_for(n) for n in (20, 999, 1000, 100_000)] == [10, 10, 5, 5]
    answers = train(one_sided(tiles, tmp_path / "tiles")).measured.answers
    assert answers.folds is not None
    assert answers.folds.shape == (20, 24)
    assert {len(np.unique(row)) for row in answers.folds} == {10}


def test_a_photo_is_hashed_once_and_nothing_is_measured_that_nobody_reads(
    tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: Counter[str] = Counter()
    folds: list[int] = []

    def counted(module: Any, name: str, key: str) -> None:
        function = getattr(module, name)

        def call(*given: Any, **more: Any) -> Any:
            calls[key] += 1
            return function(*given, **more)

        monkeypatch.setattr(module, name, call)

    fit = cross_validation.fit

    def watch(*given: Any) -> Any:
        folds.append(len(np.unique(given[3])))
        return fit(*given)

    blake2b = SimpleNamespace(blake2b=hashlib.blake2b)
    monkeypatch.setattr(leakage, "hashlib", blake2b)
    monkeypatch.setattr(cross_validation, "fit", watch)
    counted(blake2b, "blake2b", "hashed")
    counted(trial, "without_conflicts", "cleaned")
    counted(results, "evaluate", "evaluated")
    counted(results, "mean_of", "averaged")
    counted(metrics, "mean_of", "averaged")
    counted(metrics, "bins", "binned")
    held_out = fitting.Fitted.held_out.func  # type: ignore[attr-defined]

    def predicted(fitted: fitting.Fitted) -> Any:
        calls["predicted"] += 1
        return held_out(fitted)

    monkeypatch.setattr(fitting.Fitted, "held_out", property(predicted))

    train(tiles)
    assert calls == {"hashed": 48, "cleaned": 1, "evaluated": 1, "averaged": 1, "binned": 1}
    assert folds == [5], "with a test set cross-validation only chooses the strength"
    calls.clear()
    folds.clear()
    train(one_sided(tiles, tmp_path / "tiles"))
    assert calls == {"hashed": 24, "cleaned": 1, "evaluated": 1, "averaged": 1, "binned": 1, "predicted": 20}
    assert folds == [10] * 20
    calls.clear()
    compare(tiles, backbones=["builtin:efficientnet-lite0"], heads=["logistic", "ridge", "centroid", "knn"])
    assert calls == {"hashed": 48, "cleaned": 1, "evaluated": 4, "averaged": 4, "binned": 4}
    calls.clear()
    compare(tiles, backbones=["builtin:efficientnet-lite0"], learning_curve=True)
    assert calls["evaluated"] == 1, "for the curve nothing is measured again"


def test_the_interval_of_cross_validation_is_the_cautious_one(tiles: Path, tmp_path: Path) -> None:
    from headstart.evaluation.intervals import wilson, wilson_corrected

    crossed = train(one_sided(tiles, tmp_path / "tiles")).measured.evaluation
    assert crossed.interval == wilson_corrected(crossed.accuracy, 24)
    held = train(tiles).measured.evaluation
    assert held.interval == wilson(held.accuracy, 24)
