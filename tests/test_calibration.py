"""Probabilities are as high as answers are right, where the truth is known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from headstart.evaluation.metrics import calibration_error
from headstart.heads.calibration import fit_temperature
from headstart.heads.fitting import fit
from headstart.photos.splits import stratified_folds


def drawn(rng: np.random.Generator, centres: npt.NDArray[np.float64], each: int) -> tuple[np.ndarray, np.ndarray]:
    """Vectors around each class's centre, and their class numbers."""
    labels = np.repeat(np.arange(len(centres)), each)
    return (centres[labels] + rng.normal(size=(len(labels), centres.shape[1]))).astype(np.float32), labels


@pytest.mark.parametrize(("classes", "each", "apart"), [(5, 12, 0.5), (10, 10, 0.6), (40, 8, 0.8)])
def test_a_head_of_few_photos_is_as_sure_as_it_is_right(classes: int, each: int, apart: float) -> None:
    errors, gaps = [], []
    for seed in range(12 if classes < 40 else 3):
        rng = np.random.default_rng(seed)
        centres = rng.normal(size=(classes, 30)) * apart
        features, labels = drawn(rng, centres, each)
        others, truth = drawn(rng, centres, 2000 // classes)
        folds = stratified_folds(labels, [int(i).to_bytes(4, "little") for i in range(len(labels))], 5, seed)
        p = fit("logistic", features, labels, folds).head.predict_proba(others)
        errors.append(calibration_error(p, truth))
        gaps.append(float(p.max(axis=1).mean() - (p.argmax(axis=1) == truth).mean()))
    assert abs(np.mean(gaps)) < 0.04
    assert np.mean(errors) < 0.06


@pytest.mark.parametrize("classes", [10, 100])
def test_ten_photos_a_class_are_enough_for_a_temperature(classes: int) -> None:
    # The scores are three times the logarithms of the true probabilities.
    found = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        logs = rng.normal(size=(10 * classes, classes)) * 2
        true = np.exp(logs) / np.exp(logs).sum(axis=1, keepdims=True)
        labels = (rng.random((len(logs), 1)) < true.cumsum(axis=1)).argmax(axis=1)
        found.append(fit_temperature((logs * 3).astype(np.float32), labels))
    assert np.mean(found) == pytest.approx(3, rel=0.12)
