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
    for seed in range(10):
        probabilities, labels, wrong = predictions(seed, 5.0, rate)
        found = wrong_probabilities(probabilities, labels)
        listed = found >= 0.5
        assert listed.sum() >= 0.3 * wrong.sum()
        expected += found[listed].sum()
        true += wrong[listed].sum()
    assert expected == pytest.approx(true, rel=0.1)


@pytest.mark.parametrize("certainty", [1.0, 3.0, 6.0])
def test_labels_that_are_right_are_not_suspicious_however_hard_the_photos_are(certainty: float) -> None:
    lists = [int((wrong_probabilities(*predictions(seed, certainty)[:2]) >= 0.5).sum()) for seed in range(20)]
    assert sum(map(bool, lists)) <= 3  # 1 of 20 is expected to be significant by chance
    assert sum(lists) <= 0.001 * 20 * N


def test_a_cautious_or_a_bold_head_changes_little() -> None:
    for power in (0.6, 1.7):
        probabilities, labels, wrong = predictions(0, 5.0, 0.05)
        probabilities = probabilities**power
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        assert wrong_probabilities(probabilities, labels).sum() == pytest.approx(wrong.sum(), rel=0.25)


def test_each_is_shown_with_its_nearest_photos_of_both_classes() -> None:
    probabilities, labels, wrong = predictions(0, 8.0, 0.02)
    rng = np.random.default_rng(0)
    vectors = np.eye(K, dtype=np.float32)[labels] + 0.1 * rng.random((N, K), np.float32)
    paths, classes = [str(i) for i in range(N)], list("abcdef")
    found = suspicious(paths, labels, classes, probabilities, vectors)
    assert found.listed
    for one in found.listed:
        assert one.label != one.suggested
        assert len(one.like_label) == len(one.like_suggested) == 3
        assert one.path not in one.like_label
        assert {classes[labels[int(path)]] for path in one.like_label} == {one.label}
        assert {classes[labels[int(path)]] for path in one.like_suggested} == {one.suggested}
    certain = [one.wrong_probability for one in found.listed]
    assert certain == sorted(certain, reverse=True)
    assert found.expected == pytest.approx(sum(certain))
    assert found.expected == pytest.approx(wrong[[int(one.path) for one in found.listed]].sum(), rel=0.2)
    assert found.to_json()["labels"][0]["suggested"] == found.listed[0].suggested
