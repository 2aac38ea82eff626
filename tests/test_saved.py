"""A saved classifier may come from anyone: it gives an answer or one of our errors, whatever is written in it."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as some_array
from safetensors.numpy import save

import headstart
from fakes import FakeBackbone, write_photos
from headstart.apps.cli.commands import app
from headstart.apps.cli.console import run
from headstart.backbones import plugins as sources
from headstart.backbones.base import Backbone
from headstart.backbones.card import Card
from headstart.classifier import bundle
from headstart.classifier.saved import TrainingFacts
from headstart.errors import BackboneError, BundleError, HeadError, HeadstartError
from headstart.heads import head as heads
from headstart.heads import power
from mutations import HOSTILE, canonical, mutated, write
from toys import channels_first, conv, model, numbers, pictures, pooled
from toys import save as save_graph

ROUNDS = 2400 if os.environ.get("HEADSTART_STRESS") == "1" else 240
OLD = Path(__file__).parent / "saved-by-0.1.0"


class Fakes(sources.BackboneSource):
    def load(self, name: str) -> Backbone:
        return FakeBackbone(dim=6, weights=name)


@pytest.fixture(autouse=True)
def plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [EntryPoint("fake", f"{__name__}:Fakes", sources.GROUP)]
    monkeypatch.setattr(sources, "entry_points", lambda group: points if group == sources.GROUP else [])


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    write_photos(tmp_path / "photos", {"blue": 3, "red": 3}, seed=1)
    return tmp_path / "photos"


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return Path(shutil.copytree(OLD / "logistic", tmp_path / "model"))


def opened(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    manifest, arrays = bundle.read(folder)
    return {**manifest, "files": {}}, arrays


def command(*arguments: object) -> tuple[int, str, str]:
    """A command in this process: exit code, stdout, stderr."""
    out, err = io.StringIO(), io.StringIO()
    before = sys.argv
    try:
        sys.argv = ["headstart", *map(str, arguments)]
        with warnings.catch_warnings(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(app)
    finally:
        sys.argv = before
    return code, out.getvalue(), err.getvalue()


def strict(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} in what is printed")

    return json.loads(text, parse_constant=refuse)


def answers(folder: Path, photos: Path) -> bool:
    """Use a classifier in every way; False if one of our errors refuses it. Anything else fails the test."""
    measured = None
    try:
        classifier = headstart.load(folder)
        answer = classifier.predict_proba(photos)
        assert np.isfinite(answer).all()
        assert np.allclose(answer.sum(axis=1), 1)
        good = True
        measured = classifier.evaluate(photos)  # a class of another name is an error of its own
        json.dumps(measured.evaluation.to_json(), allow_nan=False)
    except HeadstartError:
        good = "answer" in locals()
    table = folder.parent / "table.csv"
    for fine, name, option in (
        (good, "predict", ["--json"]),
        (good, "predict", ["--csv", table]),
        (measured is not None, "evaluate", ["--json"]),
        (measured is not None, "evaluate", []),
    ):
        code, out, err = command(name, folder, photos, *option)
        assert code == (0 if fine else 1)
        assert ("Error: " in err) != fine
        assert bool(out) == (fine and table not in option)
        if "--json" in option and fine:
            strict(out)
        if not fine:
            break
    return good


def test_whatever_a_stranger_writes_there_is_an_answer_or_an_error_of_ours(tmp_path: Path, photos: Path) -> None:
    graph = pictures(-1, -1, -1, 3)
    net = save_graph(
        model({"out": pooled(conv(channels_first(graph), numbers(6, 3, 1, 1)))}, graph), tmp_path / "net.xml"
    )
    victims = []
    for name, kind in (("fake:fake", "logistic"), ("fake:fake", "knn"), (str(net), "centroid")):
        with warnings.catch_warnings(action="ignore", category=UserWarning):
            headstart.train(photos, backbone=name, head=kind, output=tmp_path / kind)  # type: ignore[arg-type]
        victims.append(opened(tmp_path / kind))
        assert answers(tmp_path / kind, photos)
    answered = 0
    for seed in range(ROUNDS):
        manifest, data = mutated(*victims[seed % 3], seed)
        try:
            answered += answers(write(tmp_path / "mutant", manifest, data), photos)
        except BaseException as error:
            raise AssertionError(f"seed {seed}: {error!r}") from error
    assert ROUNDS / 50 < answered < ROUNDS / 2, "some changes do no harm, and most do"


@pytest.mark.parametrize("kind", ["logistic", "knn"])
def test_what_the_first_version_saved_is_read(kind: str, photos: Path) -> None:
    classifier = headstart.load(OLD / kind)
    assert classifier.choice.kind == kind
    assert list(classifier.predict(photos)) == ["blue"] * 3 + ["red"] * 3
    assert classifier.head.predict_proba(np.full((1, 6), 3.4e38, np.float32) ** 0.5).sum() == pytest.approx(1)


# --- files ---


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(60 * 10**9)


STRANGE: list[Callable[[Path], None]] = [_pipe, _device, _huge, Path.mkdir]


@pytest.mark.parametrize("make", STRANGE)
@pytest.mark.parametrize("name", ["headstart.json", "head.safetensors"])
def test_a_file_that_is_none_or_of_no_sane_size_is_not_read(
    make: Callable[[Path], None], name: str, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (saved / name).unlink()
    make(saved / name)
    with pytest.raises(
        BundleError, match=r"not a regular file|60,000,000,000 bytes; at most|not a saved classifier|Is a directory"
    ):
        headstart.load(saved)


@pytest.mark.parametrize("make", STRANGE)
def test_a_path_that_a_stranger_wrote_is_hashed_only_if_it_may_be_a_network(
    make: Callable[[Path], None], saved: Path, tmp_path: Path
) -> None:
    make(tmp_path / "net.onnx")
    manifest, arrays = opened(saved)
    manifest["card"]["handle"] = str(tmp_path / "net.onnx")
    with pytest.raises(BackboneError, match=r"not a file or folder of at most 20 GB|contains no SavedModel"):
        headstart.load(write(saved, manifest, save(arrays)))


@pytest.mark.parametrize("handle", ["\\\\server\\share\\net.onnx", "//server/share/net.onnx", "\\/server/x.onnx"])
def test_another_computer_is_not_looked_at(handle: str, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest, arrays = opened(saved)
    manifest["card"]["handle"] = handle
    write(saved, manifest, save(arrays))
    looked: list[str] = []
    for name in ("stat", "lstat", "open"):
        function = getattr(os, name)

        def watched(path: Any, *rest: Any, function: Any = function, **options: Any) -> Any:
            looked.append(str(path))
            return function(path, *rest, **options)

        monkeypatch.setattr(os, name, watched)
    with pytest.raises(BackboneError, match="on another computer"):
        headstart.load(saved)
    assert not [path for path in looked if "server" in path]


# --- the manifest ---


@pytest.mark.parametrize(
    "value", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"[" * 30 + b"]" * 30, b"[" * 100_000 + b"]" * 100_000]
)
def test_what_is_for_people_may_be_any_json_but_no_more(value: bytes, saved: Path) -> None:
    manifest, arrays = opened(saved)
    write(saved, {**manifest, "about": {"x": "HERE"}}, save(arrays))
    text = (saved / "headstart.json").read_bytes().replace(b'"HERE"', value)
    with contextlib.suppress(RecursionError):
        write(saved, {**manifest, "about": {"x": json.loads(value)}}, save(arrays))
        text = (saved / "headstart.json").read_bytes()
    (saved / "headstart.json").write_bytes(text)
    with pytest.raises(BundleError, match="not as it was saved"):
        headstart.load(saved)
    evaluation = {"x": [None, {"deep": [1, "\ud83d"]}]}
    manifest["about"] = {"evaluation": evaluation, "of a later version": evaluation}
    assert headstart.load(write(saved, manifest, save(arrays))).about == TrainingFacts(evaluation=evaluation)


def test_what_is_known_of_the_training_is_saved_and_read(saved: Path, tmp_path: Path) -> None:
    old = headstart.load(saved)
    assert (old.about.train, old.about.test, old.about.fraction, old.about.demo) == (12, None, None, False)
    assert old.about.evaluation["protocol"] == "cross-validation"
    facts = TrainingFacts(12, 6, 0.5, {"accuracy": 1.0}, demo=True)
    replace(old, about=facts).save(tmp_path / "again")
    about = json.loads((tmp_path / "again" / "headstart.json").read_text())["about"]
    assert about == {"train": 12, "test": 6, "fraction": 0.5, "evaluation": {"accuracy": 1.0}, "demo": True}
    assert headstart.load(tmp_path / "again").about == facts


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"classes": ["blue", ""]}, "classes: '' is not a text"),
        ({"classes": ["blue", "blue"]}, "a class name occurs twice"),
        ({"classes": ["blue", 7]}, "classes: 7 is not a text"),
        ({"classes": ["blue", "\ud800"]}, "surrogates not allowed"),
        ({"classes": ["blue", "x" * 1001]}, "1 to 1,000 characters"),
        ({"classes": ["blue"] * 100_001}, "a value of type list is not a list of 2 to 100,000 values"),
        ({"head": {"kind": "knn", "strength": 1}}, "not of the kind knn"),
        ({"head": {"kind": "svm", "strength": 1}}, "head: kind: 'svm' is none of logistic, lda, ridge, centroid, knn"),
        ({"head": {"kind": "ridge", "strength": "1"}}, "head: strength: '1' is not a number"),
        ({"seed": True}, "seed: True is not a whole number"),
        ({"seed": 10**4000}, "seed: a value of type int is not a whole number"),
        ({"versions": {"numpy": 2}}, "versions: 2 is not a text"),
        ({"about": []}, "about: a dictionary is needed"),
        ({"about": {"train": "12"}}, "about: train: '12' is not a whole number"),
        ({"about": {"fraction": 7}}, "about: fraction: 7 is not a number from 0 to 1"),
        ({"about": {"evaluation": None}}, "about: evaluation: a dictionary is needed"),
        ({"about": {"demo": 1}}, "about: demo: 1 is none of True, False"),
        ({"normalisation": "none"}, "normalisation: 'none' is none of signed square root"),
    ],
)
def test_each_field_has_a_type_and_a_range(change: dict[str, Any], words: str, saved: Path) -> None:
    manifest, arrays = opened(saved)
    with pytest.raises(BundleError) as caught:
        headstart.load(write(saved, {**manifest, **change}, save(arrays)))
    assert words in str(caught.value)


def test_no_field_of_a_card_takes_what_it_should_not() -> None:
    card = FakeBackbone().card.to_json()
    taken = []
    for name in (*card, "view.height", "view.width", "view.fit", "view.fraction"):
        for value in HOSTILE:
            fields = json.loads(json.dumps(card))
            place, _, inside = name.partition(".")
            if inside:
                fields[place][inside] = value
            else:
                fields[place] = value
            try:
                read = Card.from_json(fields)
            except BackboneError:
                continue
            assert len(read.key) == 32
            assert Card.from_json(read.to_json()) == read
            taken.append((name, type(value)))
    kinds = {name: {kind for place, kind in taken if place == name} for name, _ in taken}
    assert kinds["handle"] == kinds["weights"] == kinds["licence"] == kinds["view.fit"] == kinds["precision"] == {str}
    assert kinds["dim"] == kinds["view.height"] == kinds["revision"] == {int}
    assert kinds["crop"] == kinds["view.fraction"] == {float, int}
    assert kinds["mean"] == {list}
    assert "view" not in kinds


def test_what_could_not_be_read_back_is_not_written(saved: Path, tmp_path: Path) -> None:
    classifier = replace(headstart.load(saved), classes=("blue", "r" * 1001))
    with pytest.raises(BundleError, match="cannot be saved: classes: "):
        classifier.save(tmp_path / "other")
    assert not (tmp_path / "other").exists()


# --- heads ---

FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)


@settings(max_examples=ROUNDS // 2, deadline=None)
@given(
    weights=some_array(np.float32, (2, 3), elements=FINITE),
    bias=some_array(np.float32, 3, elements=FINITE),
    temperature=st.floats(),
    vectors=some_array(np.float32, (4, 2), elements=FINITE),
)
def test_a_linear_head_is_refused_or_gives_probabilities_of_any_vector(
    weights: np.ndarray, bias: np.ndarray, temperature: float, vectors: np.ndarray
) -> None:
    check_head({"weights": weights, "bias": bias, "temperature": np.array([temperature])}, vectors)


@settings(max_examples=ROUNDS // 2, deadline=None)
@given(
    rows=some_array(np.float32, (3, 2), elements=FINITE),
    scaled=st.booleans(),
    centre=some_array(np.float32, 2, elements=FINITE),
    counts=st.tuples(st.integers(-1, 2**62), st.integers(-1, 2**62)) | st.just((2, 2)),
    vectors=some_array(np.float32, (4, 2), elements=FINITE),
)
def test_a_neighbour_head_is_refused_or_gives_probabilities_of_any_vector(
    rows: np.ndarray, scaled: bool, centre: np.ndarray, counts: tuple[int, int], vectors: np.ndarray
) -> None:
    made = {
        "vectors": heads.unit_length(np.clip(rows, -1e18, 1e18)) if scaled else rows,
        "labels": np.array([0, 1, 1]),
        "centre": centre if not scaled else np.clip(centre, -1e19, 1e19),
        "n_neighbors": np.array([counts[0]]),
        "n_classes": np.array([min(counts[1], 10**4)]),
        "temperature": np.array([0.5]),
    }
    check_head(made, vectors)


def check_head(made: dict[str, np.ndarray], vectors: np.ndarray) -> None:
    power.normalise(vectors)  # as every head's features are
    try:
        head = heads.from_arrays(made)
    except HeadError:
        return
    answer = head.predict_proba(vectors)
    assert np.isfinite(answer).all()
    assert np.allclose(answer.sum(axis=1), 1)


def test_bounds_let_real_heads_in_and_what_overflows_not() -> None:
    linear = {"weights": np.ones((2, 2), np.float32), "bias": np.zeros(2, np.float32), "temperature": np.ones(1)}
    for factor, temperature, fits in ((1e6, 1e-3, True), (1e15, 1, True), (1e19, 1, False), (1e17, 1e-3, False)):
        changed = {**linear, "weights": linear["weights"] * np.float32(factor), "temperature": np.array([temperature])}
        if fits:
            check_head(changed, np.full((1, 2), 3.4e38, np.float32))
            heads.from_arrays(changed)
        else:
            with pytest.raises(HeadError, match="no score overflows"):
                heads.from_arrays(changed)


def test_vectors_beyond_all_bounds_are_an_error_and_no_answer() -> None:
    head = heads.LinearHead(np.full((2, 2), 10, np.float32), np.zeros(2, np.float32))
    for number in (3e38, np.nan, np.inf):
        with pytest.raises(HeadError, match="too large for float32"):
            head.predict_proba(np.full((1, 2), number, np.float32))


def test_lengths_whose_squares_overflow_are_taken_without_changing_others() -> None:
    small = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    mixed = np.concatenate([small, small * np.float32(1e30)])
    before = mixed.copy()
    scaled = heads.unit_length(mixed)
    assert np.array_equal(scaled[:5], small / np.linalg.norm(small, axis=1, keepdims=True))
    assert np.allclose(scaled[5:], scaled[:5], rtol=1e-5)
    assert np.array_equal(mixed, before)


def test_the_signature_of_these_tests_is_the_products_own(saved: Path) -> None:
    manifest, _ = bundle.read(saved)
    without = {name: value for name, value in manifest.items() if name != "sha256"}
    assert manifest["sha256"] == hashlib.sha256(canonical(without)).hexdigest()
