"""The estimators in scikit-learn's hands: settings, labels, photos in every container, copies, the head of `train`."""

from __future__ import annotations

import copy
import doctest
import os
import pickle
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any, get_args

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils.validation import has_fit_parameter

import headstart
from fakes import FakeBackbone, write_photos
from headstart.errors import BackboneError, DataError, HeadError
from headstart.heads.head import Kind
from headstart.photos.sources import scan
from headstart.sklearn import FeatureExtractor, HeadstartClassifier, HeadstartHead, photos, vectors

ROOT = Path(__file__).resolve().parents[1]
RED_AND_BLUE = ["red"] * 6 + ["blue"] * 6


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeBackbone:
    """The backbone of every handle."""
    backbone = FakeBackbone()
    monkeypatch.setattr("headstart.backbones.load", lambda *_, **__: backbone)
    monkeypatch.setattr("headstart.backbones.load_card", lambda card, *_: backbone.with_card(card))
    return backbone


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    """Six red photos and six blue ones."""
    return write_photos(tmp_path / "photos", {"red": 6, "blue": 6}, suffix=".png")


# --- settings ---


@pytest.mark.parametrize("estimator", [FeatureExtractor, HeadstartClassifier, HeadstartHead])
def test_settings_are_stored_as_given_and_checked_in_fit(estimator: Any, paths: list[str]) -> None:
    odd = {name: object() for name in estimator().get_params()}
    made = estimator(**odd)
    assert made.get_params() == odd
    assert estimator().set_params(**odd).get_params() == odd
    assert all(value is odd[name] for name, value in vars(made).items())


@pytest.mark.parametrize(
    ("setting", "error", "message"),
    [
        ({"view": "stretch"}, BackboneError, "no view 'stretch'"),
        ({"layers": "all"}, BackboneError, "no choice of layers 'all'"),
        ({"input_range": "0..7"}, BackboneError, r"0\.\.7"),
        ({"backbone": ""}, BackboneError, "handle of the backbone is empty"),
        ({"head": "forest"}, HeadError, "no head 'forest'"),
        ({"random_state": -1}, HeadError, "seed is -1"),
        ({"random_state": "now"}, ValueError, "'now' cannot be used to seed"),
    ],
)
def test_a_wrong_setting_is_an_error_of_fit(
    setting: dict[str, Any], error: type[Exception], message: str, paths: list[str]
) -> None:
    with pytest.raises(error, match=message):
        HeadstartClassifier(**setting).fit(paths, RED_AND_BLUE)
    if not {"head", "random_state"} & set(setting):
        with pytest.raises(error, match=message):
            FeatureExtractor(**setting).fit(paths)
    elif "random_state" not in setting or error is not HeadError:
        with pytest.raises(error, match=message):
            HeadstartHead(**setting).fit(np.eye(12), RED_AND_BLUE)


def test_nothing_is_computed_for_wrong_labels_or_an_unknown_head(fake: FakeBackbone, paths: list[str]) -> None:
    with pytest.raises(HeadError):
        HeadstartClassifier(head="forest").fit(paths, RED_AND_BLUE)  # type: ignore[arg-type]
    with pytest.raises(DataError):
        HeadstartClassifier().fit(paths, ["red"] * 12)
    assert fake.embedded == 0


def test_the_default_seed_repeats_and_others_are_taken(fake: FakeBackbone, paths: list[str]) -> None:
    def head(random_state: Any) -> Any:
        return HeadstartClassifier(random_state=random_state).fit(paths, RED_AND_BLUE).head_.temperature

    assert head(0) == head(0) == head(np.int64(0))
    assert head(np.random.RandomState(3)) == head(np.random.RandomState(3))
    assert head(None) > 0


# --- labels ---


@pytest.mark.parametrize(
    ("first", "second", "convert", "kind"),
    [
        (0, 1, list, "int64"),
        (1, 0, tuple, "int64"),
        (3, 7, lambda y: np.array(y, np.int8), "int8"),
        (True, False, list, "bool"),
        (0.0, 2.0, list, "float64"),
        ("red", "blue", list, "<U4"),
        ("red", "blue", np.array, "<U4"),
        ("red", "blue", pd.Series, "<U4"),
        ("red", "blue", pd.Categorical, "<U4"),
        ("red", "blue", lambda y: pd.Series(y, dtype="string"), "<U4"),
        (0, 1, lambda y: pd.Series(y, dtype="Int64"), "int64"),
        (0, 1, lambda y: pd.Series(y, index=range(12, 0, -1)), "int64"),
    ],
)
def test_labels_keep_their_type(
    first: Any, second: Any, convert: Any, kind: str, fake: FakeBackbone, paths: list[str]
) -> None:
    labels = [first] * 6 + [second] * 6
    classifier = HeadstartClassifier().fit(paths, convert(labels))
    assert classifier.classes_.dtype == classifier.predict(paths).dtype == kind
    assert classifier.classes_.tolist() == sorted({first, second})
    assert classifier.predict(paths).tolist() == labels
    assert classifier.score(paths, convert(labels)) == 1.0
    columns = classifier.classes_[classifier.predict_proba(paths).argmax(axis=1)]
    assert columns.tolist() == labels


@pytest.mark.parametrize(
    "column",
    [lambda y: [[one] for one in y], lambda y: np.array(y).reshape(-1, 1), lambda y: pd.DataFrame({"label": y})],
    ids=["lists", "array", "frame"],
)
def test_a_column_of_labels_is_taken_with_scikit_learns_warning(
    column: Any, fake: FakeBackbone, paths: list[str]
) -> None:
    with pytest.warns(DataConversionWarning, match="column-vector"):
        classifier = HeadstartClassifier().fit(paths, column(RED_AND_BLUE))
    assert classifier.predict(paths).tolist() == RED_AND_BLUE


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "requires y to be passed, but the target y is None"),
        ([None] * 12, r"label y\[0\] is None"),
        (["red"] * 6 + [None] * 6, r"label y\[6\] is None"),
        (["red"] * 11 + [float("nan")], r"label y\[11\] is nan"),
        ([0] * 6 + [float("nan")] * 6, r"label y\[6\] is nan"),
        (np.array([0.0] * 6 + [np.nan] * 6), r"label y\[6\] is (np.float64\()?nan"),
        (pd.Series(["red"] * 11 + [None]), r"label y\[11\] is nan"),
        (pd.Series([0] * 11 + [pd.NA]), r"label y\[11\] is <NA>"),
        ([b"red"] * 6 + [b"blue"] * 6, r"label y\[0\] is b'red'"),
        ([0] * 6 + ["1"] * 6, "y mixes numbers and text"),
        ([0, True] * 6, "y mixes booleans and numbers"),
        ([["red"], ["blue", "red"]] * 6, r"y\[0\] is \['red'\]"),
        ([["red", "blue"]] * 12, r"1d array, got an array of shape \(12, 2\)"),
        ("red", "1d array"),
        (np.array([0, 1] * 6, object), r"Unknown label type: y holds numbers as objects.\nConvert"),
        ([], "X has 12 rows but y has 0 labels"),
        (np.array([], object), "X has 12 rows but y has 0 labels"),
        (RED_AND_BLUE[:-1], "X has 12 rows but y has 11 labels"),
        ([*RED_AND_BLUE, "red"], "X has 12 rows but y has 13 labels"),
        (["red"] * 12, "y has one class, 'red'"),
        ([1] * 12, "y has one class, 1"),
        (np.linspace(0, 1, 12), "Unknown label type: continuous"),
        (["red"] * 11 + ["blue"], "Too few photos of 'blue'"),
        ([0] * 11 + [7], "Too few photos of '7'"),
    ],
)
def test_labels_that_are_none_are_refused(labels: Any, message: str, fake: FakeBackbone, paths: list[str]) -> None:
    with pytest.raises(ValueError, match=message):
        HeadstartClassifier().fit(paths, labels)


def test_weights_of_samples_are_refused_by_python_and_seen_by_scikit_learn(
    fake: FakeBackbone, paths: list[str]
) -> None:
    with pytest.raises(TypeError, match="sample_weight"):
        HeadstartClassifier().fit(paths, RED_AND_BLUE, sample_weight=np.ones(12))  # type: ignore[call-arg]
    assert not has_fit_parameter(HeadstartClassifier(), "sample_weight")
    assert not has_fit_parameter(HeadstartHead(), "sample_weight")


# --- photos ---


@pytest.mark.parametrize(
    "hold",
    [
        list,
        tuple,
        np.array,
        lambda x: np.array(x, object).reshape(-1, 1),
        lambda x: [[one] for one in x],
        pd.Series,
        lambda x: pd.Series(x, index=range(12, 0, -1)),
        lambda x: pd.DataFrame({"photo": x}),
        lambda x: [Path(one) for one in x],
        lambda x: [Path(one).read_bytes() for one in x],
    ],
    ids=["list", "tuple", "array", "column", "lists", "series", "index", "frame", "paths", "bytes"],
)
def test_photos_come_in_any_container(hold: Any, fake: FakeBackbone, paths: list[str]) -> None:
    classifier = HeadstartClassifier().fit(hold(paths), RED_AND_BLUE)
    assert classifier.predict(hold(paths)).tolist() == RED_AND_BLUE
    assert np.array_equal(FeatureExtractor().fit_transform(hold(paths)), FeatureExtractor().transform(paths))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("a.jpg", r"single photo.\nExpected a list"),
        (Path("a.jpg"), "single photo"),
        (np.zeros((4, 4, 3), np.uint8), "single photo"),
        ([], "holds no photos"),
        (np.array([["a.jpg", "b.jpg"]]), r"shape \(1, 2\)"),
        (["a.jpg", None], "Picture 2 is None"),
    ],
)
def test_what_is_no_column_of_photos_is_refused(given: Any, message: str, fake: FakeBackbone, paths: list[str]) -> None:
    fitted = HeadstartClassifier().fit(paths, RED_AND_BLUE)
    for use in (FeatureExtractor().fit, FeatureExtractor().transform, fitted.predict, fitted.predict_proba):
        with pytest.raises(DataError, match=message):
            use(given)
    with pytest.raises(DataError, match=message):
        HeadstartClassifier().fit(given, ["red"])


def test_a_photo_that_cannot_be_read_is_an_error_that_names_it(
    fake: FakeBackbone, paths: list[str], tmp_path: Path
) -> None:
    fitted = HeadstartClassifier().fit(paths, RED_AND_BLUE)
    (tmp_path / "bad.jpg").write_bytes(b"no photo")
    bad = [*paths[:-1], str(tmp_path / "bad.jpg")]
    for use in (FeatureExtractor().transform, fitted.predict, fitted.predict_proba):
        with pytest.raises(DataError, match=r"bad\.jpg: not an image"):
            use(bad)
    with pytest.raises(DataError, match=r"bad\.jpg: not an image"):
        HeadstartClassifier().fit(bad, RED_AND_BLUE)
    with pytest.raises(DataError, match=r"<picture 2>: empty"):
        fitted.predict([paths[0], b""])


def test_there_is_an_answer_for_every_photo_copies_included(fake: FakeBackbone, paths: list[str]) -> None:
    classifier = HeadstartClassifier().fit(paths * 2, RED_AND_BLUE * 2)
    assert classifier.predict(paths[:1] * 5).tolist() == ["red"] * 5
    assert classifier.predict_proba(paths[:1] * 5).shape == (5, 2)


def test_a_photo_under_two_labels_is_left_out_with_a_warning(fake: FakeBackbone, paths: list[str]) -> None:
    with pytest.warns(UserWarning, match=r"2 photos left out .*/000\.png: the same photo is labelled blue and red"):
        classifier = HeadstartClassifier().fit([*paths, paths[0]], [*RED_AND_BLUE, "blue"])
    same = HeadstartClassifier().fit(paths[1:], RED_AND_BLUE[1:])
    assert np.array_equal(classifier.predict_proba(paths), same.predict_proba(paths))
    rows = np.repeat(np.eye(3), 4, axis=0) + np.arange(12)[:, None] / 100
    rows[-1] = rows[0]
    with pytest.warns(UserWarning, match=r"2 photos left out .* X\[0\]: the same photo is labelled 0 and 1"):
        HeadstartHead().fit(rows, [0] * 6 + [1] * 6)


def test_folds_and_searches_compute_each_photo_once(fake: FakeBackbone, paths: list[str]) -> None:
    assert cross_val_score(HeadstartClassifier(), paths, RED_AND_BLUE, cv=3).tolist() == [1.0] * 3
    grid = {"head": ["logistic", "ridge", "centroid", "knn"], "random_state": [0, 1]}
    assert GridSearchCV(HeadstartClassifier(), grid, cv=3).fit(paths, RED_AND_BLUE).best_score_ == 1.0
    assert fake.embedded == 12


def test_an_assumed_range_is_warned_of_once_however_many_folds(
    fake: FakeBackbone, paths: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(fake.card), "doubt", f"The range of {paths[0]} is assumed.")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        cross_val_score(HeadstartClassifier(), paths, RED_AND_BLUE, cv=3)
    assert [str(one.message) for one in seen] == [f"The range of {paths[0]} is assumed."]


# --- fitted or not, copied, kept ---


def test_what_is_not_fitted_says_so(paths: list[str]) -> None:
    for unfitted, X in ((HeadstartClassifier(), paths), (HeadstartHead(), np.eye(3))):
        for use in (unfitted.predict, unfitted.predict_proba):
            with pytest.raises(NotFittedError, match="not fitted yet"):
                use(X)
    with pytest.raises(NotFittedError):
        HeadstartClassifier().score(paths, RED_AND_BLUE)


def test_copies_predict_the_same_and_clones_are_unfitted(fake: FakeBackbone, paths: list[str], tmp_path: Path) -> None:
    classifier = HeadstartClassifier(head="ridge", view="pad").fit(paths, RED_AND_BLUE)
    joblib.dump(classifier, tmp_path / "kept")
    for kept in (copy.deepcopy(classifier), pickle.loads(pickle.dumps(classifier)), joblib.load(tmp_path / "kept")):
        assert np.array_equal(kept.predict_proba(paths), classifier.predict_proba(paths))
        assert kept.get_params() == classifier.get_params()
    fresh = clone(classifier)
    assert fresh.get_params() == classifier.get_params()
    with pytest.raises(NotFittedError):
        fresh.predict(paths)


def test_predictions_use_the_backbone_that_was_trained_on(fake: FakeBackbone, paths: list[str]) -> None:
    classifier = HeadstartClassifier(view="pad").fit(paths, RED_AND_BLUE)
    before = classifier.predict_proba(paths)
    assert np.array_equal(classifier.set_params(view="squash").predict_proba(paths), before)
    assert classifier.card_.view.fit == "pad"


def test_a_row_does_not_depend_on_its_neighbours(fake: FakeBackbone, paths: list[str]) -> None:
    classifier = HeadstartClassifier().fit(paths, RED_AND_BLUE)
    whole = classifier.predict_proba(paths)
    parts = np.concatenate([classifier.predict_proba([path]) for path in paths])
    np.testing.assert_allclose(whole, parts, rtol=1e-12)


# --- with other estimators ---


def test_columns_have_names_and_rows_keep_their_index(fake: FakeBackbone, paths: list[str]) -> None:
    table = pd.DataFrame({"photo": paths, "price": range(12)}, index=[f"row {i}" for i in range(12)])
    names = [f"featureextractor{i}" for i in range(8)]
    assert FeatureExtractor().get_feature_names_out().tolist() == names
    frame = FeatureExtractor().set_output(transform="pandas").fit_transform(table[["photo"]])
    assert (frame.columns.tolist(), frame.index.tolist()) == (names, table.index.tolist())
    both = make_column_transformer((FeatureExtractor(), "photo"), ("passthrough", ["price"]))
    assert both.fit_transform(table).shape == (12, 9)
    assert both.get_feature_names_out()[-1] == "passthrough__price"


def test_estimators_that_resample_a_column_can_use_it(fake: FakeBackbone, paths: list[str]) -> None:
    column = np.array(paths, object).reshape(-1, 1)
    bag = BaggingClassifier(HeadstartClassifier(), n_estimators=3, random_state=0).fit(column, RED_AND_BLUE)
    assert bag.predict(column).tolist() == RED_AND_BLUE


# --- the head of `train` ---


@pytest.mark.parametrize("head", get_args(Kind))
def test_the_head_is_the_one_that_train_trains(head: Kind, tiles: Path) -> None:
    trained = headstart.train(tiles, head=head, seed=5).classifier
    source = scan(tiles)
    assert source.test is not None
    classifier = HeadstartClassifier(head=head, random_state=5).fit(source.train.paths, source.train.labels)
    assert classifier.classes_.tolist() == list(trained.classes)
    assert classifier.strength_ == trained.choice.strength
    for name, array in trained.head.arrays().items():
        assert np.array_equal(classifier.head_.arrays()[name], array), name
    paths = list(source.test.paths)
    np.testing.assert_allclose(classifier.predict_proba(paths), trained.predict_proba(paths), rtol=1e-5, atol=1e-7)


@pytest.mark.slow
def test_the_readmes_pipeline_is_as_good_as_train_on_real_photos(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = shared / "clothing10"
    for part, count in (("train", 30), ("test", 15)):
        for folder in sorted((data / part).iterdir()):
            (tmp_path / part / folder.name).mkdir(parents=True)
            for photo in sorted(folder.iterdir())[:count]:
                (tmp_path / part / folder.name / photo.name).symlink_to(photo)
    (tmp_path / "photos").symlink_to(tmp_path / "train")
    monkeypatch.chdir(tmp_path)
    trained = headstart.train(".").measured.evaluation
    assert trained.n == 150
    (block,) = re.findall(r"```python\n(from pathlib.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    names: dict[str, Any] = {"headstart": headstart}
    exec(compile(block, "README.md", "exec"), names)
    photos = sorted(Path("test").glob("*/*"))
    accuracy = names["pipeline"].score(photos, [photo.parent.name for photo in photos])
    assert abs(accuracy - trained.accuracy) <= 0.001
    assert 0.7 < accuracy < 0.95


# --- the documents ---


@pytest.mark.slow
def test_the_tour_of_the_page_runs_on_real_photos(shared: Path, tmp_path: Path) -> None:
    shutil.copytree(shared / "two-trees", tmp_path / "photos")
    shutil.copy(shared / "backbones" / "mobilenet_v1_0.25_224_float.tflite", tmp_path / "mobilenet.tflite")
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "sklearn.md").read_text("utf-8"), re.DOTALL)
    assert len(block.splitlines()) <= 60
    environment = {**os.environ, "MPLBACKEND": "Agg", "PYTHONPATH": str(Path(headstart.__file__).parents[1])}
    result = subprocess.run(
        [sys.executable, "-c", block], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "['Hemlock' 'Japanese_Cherry'] accuracy 1.0\n" in result.stdout
    assert "\nin two steps 1.0\n" in result.stdout
    assert "'backbone': 'builtin:efficientnet-lite0'" in result.stdout
    assert result.stdout.endswith("whole numbers [0 0]\n")
    assert (tmp_path / "confusion.png").stat().st_size > 5000
    assert result.stderr.count("HeadstartWarning") == 1, "the range of mobilenet.tflite is assumed"


@pytest.mark.parametrize("module", [photos, vectors])
def test_the_examples_of_docstrings_run(
    module: Any, tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, folder in (("temple", "hemlock"), ("flower", "cherry")):
        (tmp_path / folder).mkdir()
        for number, photo in enumerate(sorted((tiles / "train" / name).iterdir())[:2], start=1):
            shutil.copy(photo, tmp_path / folder / f"{number}.jpg")
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(module)
    assert result.attempted >= 5
    assert not result.failed
