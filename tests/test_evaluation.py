"""Figures against values worked out by hand or by scikit-learn."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, precision_recall_fscore_support
from sklearn.metrics import log_loss as sklearn_log_loss

from headstart.evaluation.intervals import wilson, wilson_corrected
from headstart.evaluation.metrics import (
    Bin,
    ClassFigures,
    Confusion,
    Evaluation,
    Mistake,
    Probabilities,
    Unsure,
    bins,
    calibration_error,
    evaluate,
    log_loss,
)


def random_case(n: int = 200, k: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, k, n)
    p = rng.dirichlet(np.ones(k), n) + 0.5 * np.eye(k)[labels]
    return labels, p / p.sum(axis=1, keepdims=True)


def evaluated(labels: np.ndarray, repeats: list[Probabilities], **more: Any) -> Evaluation:
    """`evaluate` with class names a, b, ... and photos 0, 1, ..."""
    n, k = repeats[0].shape
    return evaluate(labels, repeats, "abcdefgh"[:k], [str(i) for i in range(n)], **more)


def test_wilson_is_the_published_interval() -> None:
    # Brown, Cai and DasGupta's formula by hand: 10 of 10 -> 1 / (1 + z^2 / 10); 0 of 10 is its mirror.
    assert wilson(1.0, 10) == pytest.approx((0.7224672, 1.0), abs=1e-6)
    assert wilson(0.0, 10) == pytest.approx((0.0, 0.2775328), abs=1e-6)
    # Newcombe 1998, table I: 81 of 263.
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)


@pytest.mark.parametrize(
    ("right", "n", "published"),
    [(81, 263, (0.2535, 0.3682)), (15, 148, (0.0598, 0.1644)), (0, 20, (0, 0.2005)), (1, 29, (0.0018, 0.1963))],
)
def test_the_corrected_interval_is_the_published_one(right: int, n: int, published: tuple[float, float]) -> None:
    # Newcombe 1998, table I, method 4.
    assert wilson_corrected(right / n, n) == pytest.approx(published, abs=6e-5)


@pytest.mark.parametrize("n", [10, 40, 100])
def test_the_corrected_interval_holds_nearly_any_accuracy(n: int) -> None:
    # Exact: the probability of every count of right answers, for accuracies that a classifier of use may have.
    intervals = np.array([wilson_corrected(right / n, n) for right in range(n + 1)])
    for true in np.linspace(0.3, 0.97, 68):
        chance = binom.pmf(np.arange(n + 1), n, true)
        assert chance[(intervals[:, 0] <= true) & (true <= intervals[:, 1])].sum() >= 0.945


def test_figures_are_those_of_scikit_learn() -> None:
    labels, p = random_case()
    predicted = p.argmax(axis=1)
    result = evaluated(labels, [p])
    assert result.accuracy == pytest.approx((predicted == labels).mean())
    assert result.balanced_accuracy == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert result.log_loss == pytest.approx(sklearn_log_loss(labels, p))
    assert np.array_equal(result.confusion, confusion_matrix(labels, predicted))
    expected = precision_recall_fscore_support(labels, predicted)
    for key, column in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        assert [getattr(row, key) for row in result.per_class] == pytest.approx(column.tolist())


def test_calibration_error_by_hand() -> None:
    # Two photos at 0.9 of which one is right, two at 0.6, both right: (2 * |0.5 - 0.9| + 2 * |1 - 0.6|) / 4 = 0.4
    p = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]])
    assert calibration_error(p, np.array([0, 1, 0, 0])) == pytest.approx(0.4)


def test_certain_and_right_costs_nothing_and_certain_and_wrong_is_finite() -> None:
    p = np.array([[1.0, 0.0]])
    assert log_loss(p, np.array([0])) == 0
    assert log_loss(p, np.array([1])) == pytest.approx(-np.log(1e-12))
    assert calibration_error(p, np.array([0])) == 0


def test_the_least_sure_of_the_right_ones_come_first() -> None:
    rows = [0.9, 0.6, 0.7, 0.2, *[0.95] * 20]
    probabilities = np.array([[p, 1 - p] for p in rows])
    result = evaluate(np.zeros(len(rows), np.intp), [probabilities], ["a", "b"], [str(i) for i in range(len(rows))])
    assert result.least_sure[:3] == (Unsure("1", "a", 0.6), Unsure("2", "a", 0.7), Unsure("0", "a", 0.9))
    assert len(result.least_sure) == 12
    assert "least_sure" not in result.to_json()


def test_mistakes_are_sorted_by_confidence() -> None:
    p = np.array([[0.6, 0.4], [0.1, 0.9], [0.2, 0.8], [0.7, 0.3]])
    result = evaluated(np.array([1, 0, 1, 1]), [p])
    assert result.mistakes == (Mistake("1", "a", "b", 0.9), Mistake("3", "b", "a", 0.7), Mistake("0", "b", "a", 0.6))


def test_repeats_are_averaged_and_do_not_count_as_more_photos() -> None:
    labels = np.array([0, 1, 0, 1])
    right, wrong = np.eye(2)[labels], np.eye(2)[1 - labels]
    result = evaluated(labels, [right, wrong, right, right])
    assert result.accuracy == pytest.approx(0.75)
    assert result.interval == wilson(0.75, 4)
    assert result.confusion.sum() == pytest.approx(4)
    assert np.trace(result.confusion) / 4 == pytest.approx(result.accuracy)


def test_cross_validation_gets_the_cautious_interval() -> None:
    labels, p = random_case(100)
    plain, cautious = evaluated(labels, [p, p]), evaluated(labels, [p, p], protocol="cross-validation")
    assert cautious.interval == wilson_corrected(plain.accuracy, 100)
    assert cautious.interval[0] < plain.interval[0]
    assert cautious.interval[1] > plain.interval[1]
    assert evaluated(labels, [p], interval_photos=50, protocol="cross-validation").interval == wilson_corrected(
        plain.accuracy, 50
    )


@pytest.mark.parametrize("share", [0.0, 0.004, 0.5, 0.996, 1.0])
def test_a_cautious_interval_holds_the_mean_of_repeats_and_stays_within_0_and_1(share: float) -> None:
    low, high = wilson_corrected(share, 20)
    assert 0 <= low <= share <= high <= 1
    assert high - low > 0.15


def test_copies_do_not_narrow_the_interval() -> None:
    labels, p = random_case(100)
    assert evaluated(labels, [p], interval_photos=50).interval == wilson(evaluated(labels, [p]).accuracy, 50)


def test_a_class_without_photos_does_not_divide_by_zero() -> None:
    result = evaluated(np.array([0, 1]), [np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1]])])
    assert result.balanced_accuracy == 1
    assert result.per_class[2] == ClassFigures("c", precision=0.0, recall=0.0, f1=0.0, support=0)


def test_the_document_has_names_not_numbers() -> None:
    labels = np.array([0, 1, 1])
    result = evaluate(labels, [np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])], ("cat", "dog"), ("a", "b", "c"))
    document = json.loads(json.dumps(result.to_json()))
    assert document["protocol"] == "test set"
    assert document["n"] == 3
    assert document["confusion"] == {"classes": ["cat", "dog"], "counts": [[1, 0], [1, 1]]}
    assert document["mistakes"] == [{"path": "b", "label": "dog", "predicted": "cat", "probability": 0.8}]
    assert document["per_class"]["dog"] == {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "support": 2}
    assert document["interval"][0] < document["accuracy"] < document["interval"][1]
    assert [(one["low"], one["confidence"]) for one in document["reliability"]] == [
        (one.low, one.confidence) for one in result.bins
    ]
    assert sum(one["n"] for one in document["reliability"]) == 3


def test_the_bins_are_those_of_the_calibration_error() -> None:
    labels, p = random_case(200)
    found = bins(p, labels)
    assert sum(one.photos for one in found) == 200
    error = sum(one.photos * abs(one.accuracy - one.confidence) for one in found) / 200
    assert error == pytest.approx(calibration_error(p, labels))
    assert all(one.low <= one.confidence <= one.high for one in found)
    assert evaluated(labels, [p]).bins == bins(p.astype(np.float32), labels)


def test_certainty_is_in_the_last_bin() -> None:
    (one,) = bins(np.eye(2)[[0, 1, 1]], np.array([0, 1, 0]))
    assert one == Bin(low=14 / 15, high=1.0, photos=3, confidence=1.0, accuracy=2 / 3)


def test_the_most_frequent_confusions_come_first_without_those_below_half_a_photo() -> None:
    def confused(counts: list[list[float]], most: int) -> list[Confusion]:
        labels, p = random_case(9, len(counts))
        return replace(evaluated(labels, [p]), confusion=np.array(counts)).top_confusions(most)

    counts = [[8, 2, 0.4], [3, 5, 0], [0, 2, 0]]
    assert confused(counts, 2) == [Confusion(3, "b", "a", 3 / 8), Confusion(2, "a", "b", 2 / 10.4)]
    assert [one.label for one in confused(counts, 9)] == ["b", "a", "c"]
    assert confused([[3, 0.4], [0, 0]], 9) == []
