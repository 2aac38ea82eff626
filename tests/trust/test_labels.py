"""Labels that are probably wrong: found, counted honestly, and not invented."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.trust.labels import suspicious, wrong_probabilities

N, K = 1500, 6


def predictions(seed: int, certainty: float, wrong: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a calibrated head predicts of n photos, their labels, and which of these are wrong."""
    rng = np.random.default_rng(seed)
    scores = certainty * rng.standard_normal((N, K))
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    truth = np.array([rng.choice(K, p=row) for row in probabilities])
    labels = truth.copy()
    spoilt = rng.choice(N, round(wrong * N), replace=False)
    labels[spoilt] = (labels[spoilt] + rng.integers(1, K, len(spoilt))) % K
    return probabilities, labels, labels != truth


@pytest.mark.parametrize("rate", [0.02, 0.05, 0.1])
def test_the_number_of_wrong_labels_listed_is_what_is_expected(rate: float) -> None:
    expected = true = 0.0
    for seed in range(20):
        probabilities, labels, wrong = predictions(seed, 5.0, rate)
        found = wrong_probabilities(probabilities, labels)
        listed = found >= 0.5
        assert listed.sum() >= 0.3 * wrong.sum()
        expected += found[listed].sum()
        true += wrong[listed].sum()
    assert expected == pytest.approx(true, rel=0.1)


@pytest.mark.parametrize("certainty", [1.0, 3.0, 6.0])
def test_labels_that_are_right_are_not_suspicious_however_hard_the_photos_are(certainty: float) -> None:
    lists = [int((wrong_probabilities(*predictions(seed, certainty)[:2]) >= 0.5).sum()) for seed in range(40)]
    assert sum(map(bool, lists)) <= 6  # 5 % are expected to be falsely significant
    assert sum(lists) <= 12


def test_a_cautious_or_a_bold_head_changes_little() -> None:
    for power in (0.6, 1.7):
        probabilities, labels, wrong = predictions(0, 5.0, 0.05)
        probabilities = probabilities**power
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        assert wrong_probabilities(probabilities, labels).sum() == pytest.approx(wrong.sum(), rel=0.25)


def test_each_is_shown_with_its_nearest_photos_of_both_classes() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 50)
    vectors = np.eye(2, dtype=np.float32)[labels] + 0.01 * rng.random((100, 2), np.float32)
    probabilities = np.where(np.eye(2)[labels] > 0, 0.999, 0.001)
    labels = labels.copy()
    labels[7] = 1
    paths = [f"{i:02}.jpg" for i in range(100)]
    found = suspicious(paths, labels, ["a", "b"], probabilities, vectors)
    (one,) = found.listed
    assert (one.path, one.label, one.suggested) == ("07.jpg", "b", "a")
    assert len(one.like_label) == len(one.like_suggested) == 3
    assert all(int(path[:2]) >= 50 for path in one.like_label)
    assert all(int(path[:2]) < 50 and path != "07.jpg" for path in one.like_suggested)
    assert 0.5 < found.expected <= 1
    assert found.to_json()["labels"][0]["suggested"] == "a"
