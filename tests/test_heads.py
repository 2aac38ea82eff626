"""Heads: right on data whose answer is known, the same as a slow textbook solver, and honest about their strength."""

from __future__ import annotations

import itertools
import tracemalloc
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Ridge

from headstart.errors import HeadError
from headstart.heads import fitting, lbfgs, logistic
from headstart.heads.basis import Basis
from headstart.heads.calibration import fit_temperature
from headstart.heads.fitting import fit
from headstart.heads.head import LinearHead, NeighbourHead, from_arrays, softmax, vote
from headstart.heads.sums import FromSums, Sums
from headstart.photos.splits import stratified_folds

KINDS = ["logistic", "lda", "ridge", "centroid", "knn"]
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.intp]


def clouds(n: int, dim: int, k: int = 3, apart: float = 1.5, seed: int = 0) -> tuple[Floats, Ints, Ints]:
    """k clouds of n points each, their folds too."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(k, dim)) * apart / np.sqrt(dim) * 3
    labels = np.repeat(np.arange(k), n)
    features = (centres[labels] + rng.normal(size=(k * n, dim))).astype(np.float32)
    folds = stratified_folds(labels, [bytes([i // 256, i % 256]) for i in range(k * n)], 5, seed)
    return features, labels, folds


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n", "dim"), [(12, 100), (120, 20)], ids=["few photos", "many photos"])
def test_a_head_separates_clouds_of_points(kind: str, n: int, dim: int) -> None:
    features, labels, folds = clouds(n, dim, apart=3)
    result = fit(kind, features, labels, folds)
    fresh, truth, _ = clouds(n, dim, apart=3)
    assert (result.head.predict_proba(fresh).argmax(axis=1) == truth).mean() > 0.95
    assert (result.held_out.argmax(axis=1) == labels).mean() > 0.9
    assert result.head.dim == dim
    assert result.head.classes == 3


@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_are_probabilities(kind: str) -> None:
    features, labels, folds = clouds(15, 30)
    result = fit(kind, features, labels, folds)
    for p in (result.head.predict_proba(features), result.held_out):
        assert p.shape == (45, 3)
        assert p.dtype == np.float64
        assert (p >= 0).all()
        np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_data_give_the_same_bits(kind: str) -> None:
    features, labels, folds = clouds(20, 64)
    one, two = (fit(kind, features.copy(), labels, folds) for _ in range(2))
    assert one.strength == two.strength
    for name, array in one.head.arrays().items():
        assert np.array_equal(array, two.head.arrays()[name]), name
    assert np.array_equal(one.held_out, two.held_out)


@pytest.mark.parametrize("kind", KINDS)
def test_features_are_not_changed(kind: str) -> None:
    features, labels, folds = clouds(40, 16)
    before = features.copy()
    fit(kind, features, labels, folds)
    assert np.array_equal(features, before)


@pytest.mark.parametrize("kind", KINDS)
def test_shuffled_labels_give_chance(kind: str) -> None:
    features, labels, _ = clouds(60, 40, k=4)
    labels = np.random.default_rng(1).permutation(labels)
    folds = stratified_folds(labels, [bytes([i]) for i in range(240)], 5, 0)
    held_out = fit(kind, features, labels, folds).held_out
    assert 0.15 < (held_out.argmax(axis=1) == labels).mean() < 0.35
    # and the probabilities know that they know nothing: log loss near that of guessing, ln 4
    assert -np.log(held_out[np.arange(240), labels]).mean() < np.log(4) + 0.1


@pytest.mark.parametrize(("n", "dim"), [(20, 100), (100, 30)], ids=["rotated to n", "by principal axes"])
def test_logistic_is_the_minimum_that_a_textbook_solver_finds(
    n: int, dim: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logistic, "TOLERANCE", 1e-9)
    features, labels, _ = clouds(n, dim)
    total = len(labels)
    weights = np.full(total, 1 / total)
    basis = Basis(features, weights)
    everything = np.full((total, 1), 1 / total, np.float32)
    l2 = 0.1
    inside, (intercept,) = logistic.solve(basis, labels, everything, l2)
    scaled = (features - features.mean(axis=0)) / basis.scale
    # scikit-learn minimises the sum of losses + |W|**2 / (2 C)
    theirs = LogisticRegression(C=1 / (l2 * total), tol=1e-8, max_iter=10_000).fit(scaled, labels)
    ours = basis.back(inside) * basis.scale
    np.testing.assert_allclose(ours.T, theirs.coef_, atol=2e-3)
    np.testing.assert_allclose(intercept - intercept.mean(), theirs.intercept_, atol=2e-3)


def test_the_step_of_each_problem_is_that_of_the_bfgs_matrix() -> None:
    """The matrix is written out as in equation 6.17 of Nocedal and Wright."""
    rng = np.random.default_rng(0)
    hessians = [part @ part.T + np.eye(6) for part in rng.normal(size=(2, 6, 6))]
    pairs = [
        (step, np.stack([a @ s for a, s in zip(hessians, step, strict=True)])) for step in rng.normal(size=(3, 2, 6))
    ]
    slope, curvature = rng.normal(size=(2, 6)), rng.uniform(1, 2, (2, 6))

    def columns(parts: npt.NDArray[np.floating]) -> Floats:
        return np.ascontiguousarray(parts.reshape(2, 3, 2).transpose(1, 0, 2), np.float32)

    memory = lbfgs.Memory(3)
    for step, change in [(2 * pairs[0][0], pairs[1][1]), *pairs]:  # the first of four is forgotten
        memory.add(columns(step), columns(change))
    found = memory.direction(lbfgs.Value(np.zeros(2), columns(slope), columns(curvature)))
    for p in range(2):
        step, change = (part[p] for part in pairs[-1])
        inverse = np.diag(1 / curvature[p]) * (step @ change) / (change @ (change / curvature[p]))
        for step, change in ((step[p], change[p]) for step, change in pairs):
            away = np.eye(6) - np.outer(step, change) / (step @ change)
            inverse = away @ inverse @ away.T + np.outer(step, step) / (step @ change)
        np.testing.assert_allclose(found[:, p].ravel(), -inverse @ slope[p], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("columns", [512, 6], ids=["all folds at once", "two folds at once"])
def test_folds_that_are_solved_together_are_each_fold_alone(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logistic, "TOLERANCE", 1e-9)
    monkeypatch.setattr(logistic, "_COLUMNS", columns)
    features, labels, folds = clouds(20, 10)
    weights = np.full(60, 1 / 60)
    together = np.stack([*(folds != f for f in range(5)), np.ones(60, bool)], axis=1).astype(np.float32)
    together /= together.sum(axis=0)
    basis = Basis(features, weights)
    *_, solved = logistic.path(basis, labels, together, folds, [10.0, 0.1])
    scaled = (features - features.mean(axis=0)) / basis.scale
    for f in range(5):
        train = folds != f
        alone = LogisticRegression(C=1 / (0.1 * train.sum()), tol=1e-8, max_iter=10_000).fit(
            scaled[train], labels[train]
        )
        expected = alone.predict_proba(scaled[~train])
        np.testing.assert_allclose(softmax(solved.held_out[~train]), expected, atol=1e-3)
    everyone = LogisticRegression(C=1 / (0.1 * 60), tol=1e-8, max_iter=10_000).fit(scaled, labels)
    inside, intercept = solved.final()
    np.testing.assert_allclose((basis.back(inside) * basis.scale).T, everyone.coef_, atol=2e-3)
    np.testing.assert_allclose(intercept - intercept.mean(), everyone.intercept_, atol=2e-3)


def sums_of(features: Floats, labels: Ints, folds: Ints, **how: Any) -> Sums:
    k = int(labels.max()) + 1
    sums = Sums(features.shape[1], 1 / (k * np.bincount(labels)), 5, **how)
    sums.add(features, labels, folds)
    return sums


def lopsided(dim: int = 12) -> tuple[Floats, Ints, Ints]:
    """Three clouds far from 0, of 40, 30 and 15 points."""
    features, labels, folds = clouds(40, dim)
    kept = np.r_[0:40, 40:70, 80:95]
    return features[kept] + 5, labels[kept], folds[kept]


@pytest.mark.parametrize("without", [None, 2])
def test_ridge_and_lda_are_those_of_scikit_learn(without: int | None) -> None:
    features, labels, folds = lopsided()
    weights = fitting.class_weights(labels)
    sums = sums_of(features, labels, folds)
    kept = folds != (-1 if without is None else without)
    x, y, w = features[kept].astype(float), labels[kept], weights[kept] / weights[kept].sum()
    variance = weights @ (features - weights @ features) ** 2
    inside, intercept = sums.solve("ridge", 0.5, without)
    ridge = Ridge(alpha=0.5 * variance.mean()).fit(x, np.eye(3)[y], sample_weight=w)
    np.testing.assert_allclose(inside.T, ridge.coef_, atol=1e-5)
    np.testing.assert_allclose(intercept, ridge.intercept_, atol=1e-5)
    priors = [w[y == c].sum() for c in range(3)]
    theirs = LinearDiscriminantAnalysis("lsqr", shrinkage=0.3, priors=priors).fit(x, y)
    inside, intercept = sums.solve("lda", 0.3, without)
    ours, expected = _apart(x @ inside + intercept), _apart(theirs.decision_function(x) - np.log(priors))
    np.testing.assert_allclose(ours / np.linalg.norm(ours), expected / np.linalg.norm(expected), atol=1e-5)


def _apart(scores: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    return scores - scores.mean(axis=1, keepdims=True)


@pytest.mark.parametrize("kind", ["ridge", "lda", "centroid"])
def test_sums_of_parts_are_merged_to_those_of_the_whole(kind: FromSums) -> None:
    features, labels, folds = lopsided()
    k_weights = 1 / (3 * np.bincount(labels))
    parts = [Sums(12, k_weights, 5, features[0]) for _ in range(3)]
    for i, part in enumerate(parts):
        rows = slice(i, None, 3)
        part.add(features[rows], labels[rows], folds[rows])
    parts[0].merge(parts[1])
    parts[0].merge(parts[2])
    whole = sums_of(features, labels, folds, shift=features[0])
    for without in (None, 0, 4):
        for merged, at_once in zip(parts[0].solve(kind, 0.1, without), whole.solve(kind, 0.1, without), strict=True):
            np.testing.assert_allclose(merged, at_once, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["ridge", "lda"])
def test_fewer_photos_than_dimensions_are_solved_in_fewer_coordinates_alike(kind: FromSums) -> None:
    features, labels, folds = lopsided(dim=200)
    head = fit(kind, features, labels, folds)  # type: ignore[arg-type]
    sums = sums_of(features, labels, folds, shift=features[0])
    weights, bias = sums.solve(kind, head.strength)
    expected = softmax((features @ weights + bias) / np.float32(head.head.temperature))
    np.testing.assert_allclose(head.head.predict_proba(features), expected, atol=1e-4)


def test_lda_knows_directions_in_which_classes_vary() -> None:
    """Two long clouds side by side: the nearest mean is often the wrong one."""
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 2
    features = (rng.normal(size=(200, 2)) * [10, 0.5] + labels[:, None] * [4, 2]).astype(np.float32)
    folds = np.arange(200) // 2 % 5
    right = {kind: (fit(kind, features, labels, folds).held_out.argmax(axis=1) == labels).mean() for kind in KINDS}  # type: ignore[arg-type]
    assert right["lda"] > 0.95 > 0.7 > right["centroid"]


def test_a_centroid_head_chooses_the_nearest_mean() -> None:
    features = np.array([[0, 0], [2, 0], [10, 0], [12, 0]], np.float32)
    labels = np.array([0, 0, 1, 1])
    head = fit("centroid", features, labels, np.array([0, 1, 0, 1])).head
    answers = head.predict_proba(np.array([[5.9, 3], [6.1, -3]], np.float32)).argmax(axis=1)
    assert answers.tolist() == [0, 1]


def test_neighbours_vote() -> None:
    # Two of class 1 at 0.85 and 0.8 against one of class 0 at 0.9: weights exp(-0.05 / 0.07), exp(-0.1 / 0.07) and 1,
    # and a hundredth of a vote for everyone.
    cosines, labels = np.array([[0.9, 0.8, 0.85, -1.0]], np.float32), np.array([0, 1, 1, 2])
    votes = np.array([1.01, np.exp(-0.05 / 0.07) + np.exp(-0.1 / 0.07) + 0.01, 0.01])
    np.testing.assert_allclose(np.exp(vote(cosines, labels, 3, 3))[0], votes / votes.sum(), rtol=1e-5)
    np.testing.assert_allclose(np.exp(vote(cosines, labels, 1, 3))[0], np.array([1.01, 0.01, 0.01]) / 1.03, rtol=1e-5)
    np.testing.assert_allclose(np.exp(vote(cosines, labels, 99, 3)).sum(), 1, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_saved_head_has_the_temperature_of_its_held_out_scores(kind: str) -> None:
    features, labels, folds = clouds(20, 10, apart=0.6)
    found = fit(kind, features, labels, folds)  # type: ignore[arg-type]
    temperatures = [fit_temperature(scores, labels) for scores in found.scores]
    assert found.head.temperature != 1
    assert np.isclose(temperatures, found.head.temperature).any()


def test_a_rare_class_is_recognised() -> None:
    rng = np.random.default_rng(2)
    labels = np.array([0] * 760 + [1] * 40)
    features = (rng.normal(size=(800, 8)) + labels[:, None] * 1.2).astype(np.float32)
    folds = stratified_folds(labels, [i.to_bytes(2, "big") for i in range(800)], 5, 0)
    held_out = fit("logistic", features, labels, folds).held_out.argmax(axis=1)
    assert (held_out[labels == 1] == 1).mean() >= 0.9  # 0.7 where every photo weighs alike


def test_temperature_makes_overconfident_scores_honest() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 2000)
    right = rng.random(2000) < 0.75
    predicted = np.where(right, labels, 1 - labels)
    scores = np.eye(2, dtype=np.float32)[predicted] * 10
    p = softmax(scores / fit_temperature(scores, labels))
    assert p.max(axis=1).mean() == pytest.approx(right.mean(), abs=0.01)


def test_ten_right_out_of_ten_is_not_taken_for_certainty() -> None:
    labels = np.repeat([0, 1], 10)
    scores = np.eye(2, dtype=np.float32)[labels] * 5
    p = softmax(scores / fit_temperature(scores, labels))
    assert 0.9 < p.max() < 0.97


def test_a_strength_is_chosen_for_each_fold_without_looking_at_it() -> None:
    # Candidate 1 is right on fold 0 alone, candidate 2 on folds 1, 2 and 3: 2 wins on all photos, for fold 0 on the
    # other three, and for each of those on the remaining ones.
    labels = np.tile([0, 1], 20)
    folds = np.repeat([0, 1, 2, 3], 10)
    right = np.eye(2, dtype=np.float32)[labels] * 4
    first = np.where((folds == 0)[:, None], right, -right)
    second = np.where((folds == 0)[:, None], -right, right)
    made = [
        fitting._Candidate(
            s, scores, lambda t, s=s: LinearHead(np.full((1, 2), s, np.float32), np.zeros(2, np.float32), t)
        )
        for s, scores in ((1.0, first), (2.0, second))
    ]
    result = fitting._choose(made, labels, folds)
    assert result.strength == 2.0
    predicted = result.held_out.argmax(axis=1) == labels
    assert not predicted[folds == 0].any(), "fold 0 was given the strength that only fold 0 prefers"
    assert predicted[folds != 0].all()


@pytest.mark.parametrize("kind", ["ridge", "knn"])
def test_no_strength_is_overlooked(kind: str) -> None:
    # The loss of neighbours has more than one valley: all of them are tried.
    for seed in range(6):
        features, labels, folds = clouds(10, 12, apart=0.6, seed=seed)
        weights = fitting.class_weights(labels)
        problems = np.stack([*(folds != f for f in range(5)), np.ones(30, bool)], axis=1)
        shares = (weights[:, None] * problems).astype(np.float32)
        every = list(fitting._candidates(kind, features, labels, weights, shares / shares.sum(axis=0), folds))  # type: ignore[arg-type]
        losses = []
        for one in every:
            p = softmax(one.held_out / np.float32(fit_temperature(one.held_out, labels)))
            losses.append(-np.log(p[np.arange(30), labels]).mean())
        assert len(every) == len(fitting.NEIGHBOURS if kind == "knn" else fitting.STRENGTHS)
        chosen = [one.strength for one in every].index(fit(kind, features, labels, folds).strength)  # type: ignore[arg-type]
        # None is better by more than one in a thousand, and every stronger one is worse by more than that.
        assert min(losses) >= 0.999 * losses[chosen]
        assert losses[chosen] < 0.999 * min([*losses[:chosen], np.inf])


def test_a_fold_is_measured_with_the_strength_that_is_saved_unless_the_others_prefer_another_one() -> None:
    """Two strengths, equal on all photos; outside fold 0 the weaker one is better, by little or by much."""
    labels, folds = np.arange(40) % 2, np.arange(40) // 2 % 2

    def scores(apart: npt.NDArray[np.floating]) -> Floats:
        return (np.where(labels[:, None] == [0, 1], 1, -1) * apart[:, None]).astype(np.float32)

    for gain, preferred in ((0.0002, 0), (0.02, 1)):
        alike = np.random.default_rng(0).normal(0.5, 1, 40)
        candidates = [
            fitting._Candidate(strength, scores(alike + change), lambda _: None)  # type: ignore[arg-type,return-value]
            for strength, change in ((1.0, 0 * folds), (0.1, np.where(folds == 1, gain, -gain * 1.02)))
        ]
        found = fitting._choose(candidates, labels, folds)
        assert found.strength == 1.0
        assert found.scores[0] is candidates[preferred].held_out
        assert found.scores[1] is candidates[0].held_out


@pytest.mark.parametrize("kind", ["logistic", "knn"])
def test_a_head_survives_being_arrays(kind: str) -> None:
    features, labels, folds = clouds(10, 12)
    head = fit(kind, features, labels, folds).head
    again = from_arrays(head.arrays())
    assert np.array_equal(head.predict_proba(features), again.predict_proba(features))


def test_arrays_that_do_not_fit_are_refused() -> None:
    weights, bias = np.zeros((4, 2), np.float32), np.zeros(3, np.float32)
    with pytest.raises(HeadError, match="bias"):
        LinearHead.from_arrays({"weights": weights, "bias": bias, "temperature": np.ones(1)})
    with pytest.raises(HeadError, match="No head has the arrays"):
        from_arrays({"weights": weights})
    with pytest.raises(HeadError, match="labels"):
        NeighbourHead.from_arrays(
            {
                "vectors": np.zeros((2, 3), np.float32),
                "labels": np.array([0, 7]),
                "centre": np.zeros(3, np.float32),
                "n_neighbors": np.array([1]),
                "n_classes": np.array([2]),
                "temperature": np.ones(1),
            }
        )


def test_vectors_of_another_length_are_refused() -> None:
    head = LinearHead(np.zeros((4, 2), np.float32), np.zeros(2, np.float32))
    with pytest.raises(HeadError, match=r"Expected \(n, 4\)"):
        head.predict_proba(np.zeros((1, 5), np.float32))


@pytest.mark.parametrize("kind", KINDS)
def test_equal_features_are_not_a_crash(kind: str) -> None:
    features = np.ones((8, 5), np.float32)
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    result = fit(kind, features, labels, np.array([0, 1, 2, 3] * 2))
    p = result.head.predict_proba(features)
    assert np.isfinite(p).all()
    np.testing.assert_allclose(p, 0.5, atol=1e-6)


def test_an_unknown_head_and_a_single_class_are_refused() -> None:
    features, labels, folds = clouds(5, 4)
    with pytest.raises(HeadError, match="no head 'forest'"):
        fit("forest", features, labels, folds)  # type: ignore[arg-type]
    with pytest.raises(HeadError, match="at least two classes"):
        fit("logistic", features, np.zeros(15, np.intp), folds)
    with pytest.raises(HeadError, match="two different photos"):
        fit("logistic", features, labels, labels)


@pytest.mark.parametrize("kind", ["logistic", "lda", "ridge"])
@pytest.mark.parametrize(("n", "dim"), [(12, 100), (60, 20)], ids=["few photos", "many photos"])
def test_copies_are_solved_for_once_with_the_weight_of_all(
    kind: str, n: int, dim: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, labels, folds = clouds(n, dim)
    copies = np.random.default_rng(1).permutation(np.repeat(np.arange(3 * n), 1 + np.arange(3 * n) % 5))
    features, labels, folds = features[copies], labels[copies], folds[copies]
    groups = np.array([bytes([i // 256, i % 256]) for i in copies], "V2")
    solved: list[int] = []

    where, name = (logistic, "_groups") if kind == "logistic" else (Sums, "add")
    real = getattr(where, name)

    def counting(solver: Any, vectors: Any, *rest: Any) -> Any:
        solved.append(len(vectors))
        return real(solver, vectors, *rest)

    monkeypatch.setattr(where, name, counting)
    slow, fast = fit(kind, features, labels, folds), fit(kind, features, labels, folds, groups)
    assert solved == [len(copies), 3 * n]
    assert fast.strength == slow.strength
    np.testing.assert_allclose(fast.held_out, slow.held_out, atol=1e-3)
    np.testing.assert_allclose(fast.head.predict_proba(features), slow.head.predict_proba(features), atol=1e-3)


@pytest.mark.parametrize("kind", ["logistic", "ridge"])
def test_few_copies_change_no_bit(kind: str) -> None:
    features, labels, folds = clouds(20, 64)
    rows = np.array([*range(60), *range(50)])  # 110 photos, 60 different ones
    data = features[rows], labels[rows], folds[rows]
    plain, told = fit(kind, *data), fit(kind, *data, [bytes([i]) for i in rows])
    assert np.array_equal(plain.held_out, told.held_out)


def test_scores_of_all_problems_are_freed_between_strengths() -> None:
    """They are as many numbers as photos x folds x classes; only the held-out ones, a fifth or tenth, are kept."""
    n, k = 2000, 50
    features, labels = np.random.default_rng(0).normal(size=(n, 20)).astype(np.float32), np.arange(n) % k
    folds = np.arange(n) // k % 5
    weights = np.stack([folds != f for f in range(5)] + [np.ones(n, bool)], axis=1).astype(np.float32)
    basis = Basis(features, fitting.class_weights(labels))
    tracemalloc.start()
    try:
        solved = logistic.path(basis, labels, weights / weights.sum(axis=0), folds, [100.0])
        found = next(solved)
        left, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert left < found.held_out.nbytes + 500_000


def test_a_point_that_only_rounding_moves_is_the_end() -> None:
    random = np.random.default_rng(0)

    def rounded(point: Floats) -> lbfgs.Value:
        slope = random.normal(size=point.shape).astype(np.float32) * np.float32(1e-3)
        return lbfgs.Value(np.ones(1), slope, np.ones_like(slope))

    steps = lbfgs.minimise(rounded, np.zeros((3, 1, 2), np.float32), 1e-12, lbfgs.Memory(5))
    assert len(list(itertools.islice(steps, 200))) == lbfgs._PATIENCE
