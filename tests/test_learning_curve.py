"""Would more photos help, and of which class? On vectors made from a seed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fakes import FakeBackbone
from headstart.classifier import trial as trials
from headstart.classifier.trial import Data, Trial, learn
from headstart.evaluation.cross_validation import FOLDS
from headstart.evaluation.intervals import wilson, wilson_corrected
from headstart.evaluation.leakage import Clean
from headstart.evaluation.learning_curve import class_advice, extrapolation
from headstart.evaluation.learning_curve import curve as learning_curve
from headstart.evaluation.learning_curve.class_advice import advise
from headstart.evaluation.learning_curve.extrapolation import PowerLaw
from headstart.evaluation.learning_curve.measuring import Folds, HeldOut
from headstart.evaluation.results import PhotoCounts
from headstart.features.extraction import Features
from headstart.features.store import Store
from headstart.heads.fitting import fit
from headstart.photos.splits import stratified_folds

NAMES = ("left", "right", "up")


def clouds(counts: tuple[int, ...], seed: int = 0, spread: float = 1.5, dim: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Clouds of normal vectors around centres that are the same for every seed."""
    centres = np.random.default_rng(99).normal(size=(len(counts), dim))
    labels = np.repeat(np.arange(len(counts)), counts)
    noise = np.random.default_rng(seed).normal(size=(len(labels), dim))
    return (centres[labels] + spread * noise).astype(np.float32), labels


def keys(n: int) -> list[bytes]:
    return [b"%d" % i for i in range(n)]


def clean(x: np.ndarray, y: np.ndarray, groups: list[bytes] | None = None) -> Clean:
    """Photos of these vectors; those of the same group are copies."""
    names, own = tuple(NAMES[i] for i in y), groups or keys(len(y))
    hashes, paths = np.array(own, "V32"), tuple(map(str, range(len(y))))
    return Clean(Features(paths, np.arange(len(y)), x, hashes, (), 0, len(y), 0, 0.0), names, np.array(own, "V16"))


def trial(
    x: np.ndarray,
    y: np.ndarray,
    held: tuple[np.ndarray, ...] | None = None,
    groups: list[bytes] | None = None,
    kind: str = "logistic",
) -> Trial:
    """A head trained on these vectors, and measured on others or by cross-validation."""
    data = Data(clean(x, y, groups), None if held is None else clean(*held), PhotoCounts(len(y), ()))
    return learn(FakeBackbone(), Store("never written"), kind, 0, data)  # type: ignore[arg-type]


def curve_of(trained: Trial) -> learning_curve.LearningCurve:
    found = trained.measured
    return trials.curve_of(trained.data, trained.classifier.choice, found.evaluation, found.answers, 0)


def curve(
    x: np.ndarray,
    y: np.ndarray,
    held: tuple[np.ndarray, ...] | None = None,
    groups: list[bytes] | None = None,
) -> learning_curve.LearningCurve:
    return curve_of(trial(x, y, held, groups))


# --- the points ---


@pytest.mark.parametrize("kind", ["logistic", "lda", "ridge", "centroid", "knn"])
def test_the_last_point_is_the_head_itself(kind: str) -> None:
    x, y = clouds((40, 40, 40))
    held = clouds((200, 200, 200), seed=1)
    trained = trial(x, y, held, kind=kind)
    found = curve_of(trained)
    head = trained.classifier.head
    assert found.points[-1].accuracy == (head.predict_proba(held[0]).argmax(axis=1) == held[1]).mean()
    assert [point.per_class for point in found.points] == [3, 5, 10, 20, 40]
    assert [point.photos for point in found.points] == [9, 15, 30, 60, 120]
    assert found.points[-1].draws == 1
    assert found.points[0].draws == 8


def test_more_photos_are_better_and_bands_hold_the_means() -> None:
    found = curve(*clouds((80, 80, 80)), clouds((300, 300, 300), seed=1))
    accuracies = [point.accuracy for point in found.points]
    assert accuracies[-1] > accuracies[0] + 0.1
    for point in found.points:
        assert point.interval[0] < point.accuracy < point.interval[1]


def test_without_held_photos_nine_tenths_are_learned_from_in_the_end() -> None:
    found = curve(*clouds((50, 50, 50)))
    assert [point.per_class for point in found.points] == [3, 5, 10, 20, 45]
    assert found.points[-1].photos == 135
    assert found.points[-1].draws == 10  # as often as cross-validation was repeated


@pytest.mark.parametrize("copies", [1, 2])
@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("spread", [0.1, 3.0])
def test_the_last_point_has_the_figures_of_the_headline(spread: float, apart: bool, copies: int) -> None:
    """All right or not, with copies or without: the same photos and predictions, so the same accuracy and interval."""

    def photos(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, list[bytes]]:
        x, y = clouds((count,) * 3, seed, spread)
        return np.concatenate([x] * copies), np.concatenate([y] * copies), keys(3 * count) * copies

    x, y, groups = photos(9, 0)
    trained = trial(x, y, photos(20, 1) if apart else None, groups)
    headline, last = trained.measured.evaluation, curve_of(trained).points[-1]
    assert (last.accuracy, last.interval) == (headline.accuracy, headline.interval)
    assert (headline.accuracy == 1) == (spread < 1)


def test_all_points_have_the_interval_of_their_protocol() -> None:
    """Where all is right, `effective` photos are those measured on: the intervals are those of the functions."""
    x, y = clouds((30, 30, 30), spread=0.01)
    assert {point.interval for point in curve(x, y).points} == {wilson_corrected(1.0, 90)}
    assert {point.interval for point in curve(x, y, clouds((20, 20, 20), 1, 0.01)).points} == {wilson(1.0, 60)}


def test_no_photo_is_measured_on_by_a_head_that_saw_it() -> None:
    """Vectors of pure noise, each photo three times: who sees a copy knows its label, who does not can but guess."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 200)).astype(np.float32)
    y = np.arange(100) % 2
    tripled, labels = np.concatenate([x, x, x]), np.concatenate([y, y, y])
    found = curve(tripled, labels, groups=keys(100) * 3)
    assert found.points[-1].photos == 90
    assert all(0.3 < point.accuracy < 0.7 for point in found.points)


def test_a_larger_draw_holds_the_smaller_ones() -> None:
    y = np.arange(60) % 3
    order = np.random.default_rng(0).permutation(60)
    small, large = (learning_curve._first(order, y, wanted) for wanted in (5, 10))
    assert set(small) < set(large)
    assert np.bincount(y[small]).tolist() == [5, 5, 5]


def test_a_class_with_fewer_photos_gives_all_it_has() -> None:
    x, y = clouds((80, 80, 6))
    found = curve(x, y, clouds((50, 50, 50), seed=1))
    assert [point.photos for point in found.points] == [9, 15, 26, 46, 86, 166]
    assert found.points[3].per_class == round(46 / 3)


@pytest.mark.parametrize("counts", [(3, 3), (2, 9)])
def test_too_few_photos_give_no_curve(counts: tuple[int, ...]) -> None:
    found = curve(*clouds(counts))
    assert found.points == ()
    assert found.text == "There are too few photos for a learning curve."
    assert found.advice.text == "Take at least ten photos of each class."
    assert json.loads(json.dumps(found.to_json()))["points"] == []


def test_the_same_seed_gives_the_same_curve() -> None:
    x, y = clouds((30, 30, 30))
    assert curve(x, y).to_json() == curve(x, y).to_json()


def test_a_point_is_as_sure_as_its_photos_and_draws_allow() -> None:
    many = np.zeros((1, 1000), bool)
    many[:, :800] = True
    alone = learning_curve._point(many, 30, 3, "test set")
    assert alone.interval == pytest.approx((0.774, 0.8236), abs=1e-3)  # Wilson's for 800 of 1,000
    apart = np.concatenate([many, ~many])  # two heads of 80 % and 20 %
    assert learning_curve._point(apart, 30, 3, "test set").interval[1] - 0.5 > 0.25


# --- where it is heading ---


def test_an_exact_power_law_is_found() -> None:
    law = PowerLaw(0.1, 0.6, 0.5)
    sizes = [5, 10, 20, 40, 80]
    found = extrapolation.fit(sizes, law.accuracy(sizes), np.ones(5))
    assert found.accuracy([160, 320]) == pytest.approx(law.accuracy([160, 320]), abs=1e-3)


@pytest.mark.parametrize("accuracies", [[0.9, 0.8, 0.7, 0.6], [0.5] * 4, [0.2, 0.5, 0.9, 1.0], [1.0] * 4])
def test_a_law_never_falls_and_never_exceeds_one(accuracies: list[float]) -> None:
    law = extrapolation.fit([5, 10, 20, 40], accuracies, np.ones(4))
    assert min(law.floor, law.scale) >= 0
    ahead = law.accuracy([40, 80, 10_000])
    assert (np.diff(ahead) >= 0).all()
    assert ahead.max() <= 1


def test_points_that_are_sure_count_more() -> None:
    sure = extrapolation.fit([5, 10, 20, 40], [0.5, 0.6, 0.7, 0.9], [1, 1, 1, 1e-6])
    assert sure.accuracy([40])[0] == pytest.approx(0.9, abs=1e-3)


def test_the_predicted_band_contains_the_later_accuracy() -> None:
    """Curves of 40 photos a class look ahead to 80 and 160; heads are then trained on as many."""
    held, right = 0, 0
    test = clouds((500, 500, 500), seed=1)
    for seed in range(2, 12):
        x, y = clouds((160, 160, 160), seed=seed)
        rows = np.concatenate([np.flatnonzero(y == c)[:40] for c in range(3)])
        found = curve(x[rows], y[rows], test)
        for point, count in zip(found.ahead, (80, 160), strict=True):
            more = np.concatenate([np.flatnonzero(y == c)[:count] for c in range(3)])
            head = fit("logistic", x[more], y[more], stratified_folds(y[more], keys(len(more)), FOLDS, 0)).head
            accuracy = (head.predict_proba(test[0]).argmax(axis=1) == test[1]).mean()
            held += point.interval[0] <= accuracy <= point.interval[1]
            right += abs(point.accuracy - accuracy) < 0.04
    assert held >= 16
    assert right >= 16


def test_a_curve_that_does_not_rise_is_not_extrapolated() -> None:
    points = [learning_curve.Point(m, 2 * m, 8, 0.6, (0.5, 0.7)) for m in (5, 10, 20, 40)]
    rights = [np.arange(100)[None] < 60] * 4
    assert learning_curve._extrapolated(points, rights, 2, 0) == (None, ())


def test_two_points_are_not_extrapolated() -> None:
    found = curve(*clouds((6, 6, 6)))
    assert found.law is None
    assert found.to_json()["extrapolation"] is None
    assert "too few points to predict what more photos would give" in found.text


def test_the_text_agrees_with_the_curve() -> None:
    found = curve(*clouds((80, 80, 80)), clouds((300, 300, 300), seed=1))
    assert found.text.startswith(f"With 80 photos per class the accuracy is {100 * found.points[-1].accuracy:.1f} % (")
    assert f"with 3 it was {100 * found.points[0].accuracy:.1f} %" in found.text
    assert "If the trend continues, 160 per class would give" in found.text
    document = found.to_json()
    assert (document["text"], document["advice"]["text"]) == (found.text, found.advice.text)


# --- of which class ---


def unlike(counts: tuple[int, int, int], seed: int, noise: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """`left` is made of 30 small clouds, each of which must be seen; `right` and `up` are one narrow cloud each."""
    rng = np.random.default_rng(seed)
    centres = 4 * np.random.default_rng(5).normal(size=(30, 40))
    left = centres[rng.integers(0, 30, counts[0])]
    right, up = (np.tile(4 * np.random.default_rng(6 + i).normal(size=40), (counts[i], 1)) for i in (1, 2))
    x = np.concatenate([left, right, up]) + noise * rng.normal(size=(sum(counts), 40))
    return x.astype(np.float32), np.repeat([0, 1, 2], counts)


def test_the_class_that_needs_photos_is_named() -> None:
    found = advise(*unlike((40, 40, 40), 0, 3), NAMES, 0.01, HeldOut(*unlike((600, 600, 600), 1, 3)), 0)
    assert found.classes[0].name == "left"
    assert found.is_significant
    assert found.removed == 20
    assert found.text.startswith("20 more photos of 'left' are worth more than 20 of '")
    assert found.classes[0].interval[0] > 0


def test_nothing_is_certain_of_few_photos() -> None:
    """Two classes far apart: nothing is lost whatever is taken away, and still an interval has a width."""
    x = np.repeat([[0.0, 9.0], [9.0, 0.0]], 10, axis=0).astype(np.float32)
    found = advise(x, np.repeat([0, 1], 10), NAMES[:2], 0.1, HeldOut(x, np.repeat([0, 1], 10)), 0)
    assert [one.gain for one in found.classes] == [0.0, 0.0]
    assert all(one.interval[0] < -0.1 < 0.1 < one.interval[1] for one in found.classes)
    assert not found.is_significant


def test_no_advice_if_classes_are_equally_good() -> None:
    significant = 0
    for seed in range(20):
        x, y = clouds((20, 20, 20), seed=seed + 10)
        found = advise(x, y, NAMES, 0.1, HeldOut(*clouds((200, 200, 200), seed=seed + 100)), seed)
        significant += found.is_significant
        assert ("too few photos to say which class" in found.text) != found.is_significant
    assert significant <= 3  # 12 of 60 seeds, with an exact solver too


def test_advice_by_cross_validation_measures_every_photo_once() -> None:
    x, y = unlike((30, 30, 30), 0)
    folds = stratified_folds(y, keys(90), FOLDS, 0)
    problems = class_advice._Problems(x, y, 0.01, Folds(folds))
    everyone = np.ones(90, bool)
    right = problems.right([everyone, everyone])
    assert right.shape == (2, 90)
    assert np.array_equal(right[0], right[1])
    outside = np.flatnonzero(folds != 0)
    alone = class_advice._Problems(x, y, 0.01, HeldOut(x[folds == 0], y[folds == 0]))
    mask = np.zeros(90, bool)
    mask[outside] = True
    assert np.array_equal(right[0][folds == 0], alone.right([mask])[0])


def test_many_masks_give_the_same_result_as_each_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = unlike((20, 20, 20), 0)
    held = unlike((50, 50, 50), 1)
    rng = np.random.default_rng(0)
    masks = [rng.random(60) < 0.7 for _ in range(7)]
    together = class_advice._Problems(x, y, 0.1, HeldOut(*held)).right(masks)
    monkeypatch.setattr(class_advice, "_NUMBERS", 1)
    alone = class_advice._Problems(x, y, 0.1, HeldOut(*held)).right(masks)
    assert (together == alone).mean() > 0.99  # rounding may turn a photo at the border
    assert 0.2 < together.mean() < 1


def test_too_few_photos_or_too_much_work_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = clouds((1, 5, 5))
    assert "too few photos" in advise(x, y, NAMES, 0.1, HeldOut(*clouds((5, 5, 5), seed=1)), 0).text
    monkeypatch.setattr(class_advice, "_MOST_WORK", 1.0)
    x, y = clouds((9, 9, 9))
    assert "it would take minutes" in advise(x, y, NAMES, 0.1, HeldOut(*clouds((5, 5, 5), seed=1)), 0).text


def test_it_is_reported_if_not_all_classes_were_examined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(class_advice, "_CLASSES", 2)
    found = advise(*clouds((9, 9, 9)), NAMES, 0.1, HeldOut(*clouds((5, 5, 5), seed=1)), 0)
    assert len(found.classes) == 2
    assert found.text.endswith(" Only the 2 classes with the worst recall were examined.")


def test_the_document_lists_classes_by_their_worth() -> None:
    document = json.loads(json.dumps(curve(*clouds((40, 40, 40)), clouds((200, 200, 200), seed=1)).to_json()))
    gains = [one["gain"] for one in document["advice"]["worth"]]
    assert gains == sorted(gains, reverse=True)
    assert {one["class"] for one in document["advice"]["worth"]} == set(NAMES)
    assert set(document["extrapolation"]["law"]) == {"floor", "scale", "rate"}
    assert [point["photos_per_class"] for point in document["extrapolation"]["points"]] == [80, 160]
