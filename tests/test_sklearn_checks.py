"""scikit-learn's own checks of estimators.

`HeadstartHead` is checked as it is. The checks draw tables of numbers, which are no photos; so for the estimators of
photos each row is drawn as a picture whose bytes are its numbers, and the backbone of these tests reads them back.
"""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from sklearn.utils.estimator_checks import check_estimator

import headstart.sklearn.photos
from fakes import FakeBackbone
from headstart.backbones.base import Vectors
from headstart.heads.head import Kind
from headstart.photos.images import Images
from headstart.sklearn import FeatureExtractor, HeadstartClassifier, HeadstartHead

SIDE, DIM = 32, 16


class ReadsNumbers(FakeBackbone):
    """The vector of a picture are the first float64 numbers that its bytes make."""

    def __init__(self) -> None:
        super().__init__(dim=DIM, size=SIDE, weights="numbers")

    def _vectors(self, images: Images) -> Vectors:
        return images.reshape(len(images), -1).view(np.float64)[:, :DIM].astype(np.float32)


def drawn(row: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A picture whose bytes are these numbers."""
    numbers = np.zeros(SIDE * SIDE * 3 // 8)
    numbers[: len(row)] = row
    return numbers.view(np.uint8).reshape(SIDE, SIDE, 3)


class Numbers:
    """What the checks need to know to draw tables of numbers."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.one_d_array, tags.input_tags.two_d_array = False, True
        return tags


class ExtractorOfNumbers(Numbers, FeatureExtractor):
    pass


class ClassifierOfNumbers(Numbers, HeadstartClassifier):
    pass


@pytest.fixture
def rows_are_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    photos = headstart.sklearn.photos._photos

    def draw(X: Any) -> list[str]:
        table = np.asarray(X)
        if table.ndim == 2 and table.dtype.kind in "fiub":
            return photos([drawn(row) for row in table])
        return photos(X)

    monkeypatch.setattr(headstart.sklearn.photos, "_photos", draw)
    monkeypatch.setattr("headstart.backbones.load", lambda *_, **__: ReadsNumbers())
    monkeypatch.setattr("headstart.backbones.load_card", lambda card, *_: ReadsNumbers().with_card(card))


_TABLE = "X of photos is one column, not a table of numbers, so its numbers cannot be"
_WIDTH = "photos have no number of features"
#: Checks that no estimator of photos can pass: the reason, and how each of them fails.
NOT_OF_PHOTOS = {
    "check_complex_data": (f"{_TABLE} complex", "Complex data not supported"),
    "check_estimators_nan_inf": (f"{_TABLE} NaN", "doesn't check for NaN and inf"),
    "check_estimator_sparse_tag": (f"{_TABLE} sparse", "didn't raise the appropriate error"),
    "check_estimator_sparse_array": (f"{_TABLE} sparse", "doesn't seem to fail gracefully on sparse data"),
    "check_estimator_sparse_matrix": (f"{_TABLE} sparse", "doesn't seem to fail gracefully on sparse data"),
    "check_dtype_object": ("numbers as objects are no photos", "Expected one column of photos"),
    "check_n_features_in": (_WIDTH, ""),
    "check_n_features_in_after_fitting": (_WIDTH, "does not set the `n_features_in_` attribute"),
    "check_fit2d_predict1d": ("a list of photos is one-dimensional", "Reshape your data"),
}
OF_ONE = {
    "extractor": {"check_estimators_empty_data_messages": (_WIDTH, "Did not raise")},
    "classifier": {
        "check_estimators_empty_data_messages": (_WIDTH, r"0 feature"),
        "check_classifiers_train": (f"at its end, {_WIDTH}", "when the number of features in predict is different"),
    },
}


def outcomes(estimator: Any, expected: dict[str, str]) -> list[dict[str, Any]]:
    """The result of each check."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the checks provoke some
        return check_estimator(estimator, expected_failed_checks=expected, on_fail=None, on_skip=None)


@pytest.mark.slow
@pytest.mark.usefixtures("rows_are_pictures")
@pytest.mark.parametrize(
    ("which", "estimator"), [("extractor", ExtractorOfNumbers()), ("classifier", ClassifierOfNumbers())]
)
def test_the_estimators_of_photos_pass_every_check_that_photos_allow(which: str, estimator: Any) -> None:
    expected = NOT_OF_PHOTOS | OF_ONE[which]
    results = outcomes(estimator, {name: reason for name, (reason, _) in expected.items()})
    assert {(one["check_name"], repr(one["exception"])) for one in results if one["status"] == "failed"} == set()
    assert {one["check_name"] for one in results if one["expected_to_fail"]} == set(expected)
    for one in results:
        if one["expected_to_fail"]:  # the list is no longer than it must be, and hides no other failure
            assert one["status"] == "xfail", one["check_name"]
            assert expected[one["check_name"]][1] in str(one["exception"]), one["check_name"]
        assert one["status"] != "skipped" or one["check_name"] == "check_array_api_input"


@pytest.mark.slow
def test_the_head_passes_every_check() -> None:
    # In a process of its own: SciPy reads the variable when it is imported.
    code = "import test_sklearn_checks as t; t.check_heads()"
    places = os.pathsep.join([str(Path(__file__).parent), str(Path(headstart.__file__).parents[1])])
    environment = {**os.environ, "SCIPY_ARRAY_API": "1", "PYTHONPATH": places}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == list(get_args(Kind))


def check_heads() -> None:
    """Print the name of each head if it passes all checks, and none is skipped."""
    for head in get_args(Kind):
        results = outcomes(HeadstartHead(head), {})
        others = [(one["check_name"], one["exception"]) for one in results if one["status"] != "passed"]
        print(others or head)
