"""Heads from the files of embedded photos: those of all photos in memory, measured honestly, whatever the parts."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from fakes import FakeBackbone
from headstart.apps.cli.commands import app
from headstart.classifier import saved
from headstart.errors import DataError, HeadError
from headstart.evaluation.metrics import evaluate
from headstart.features.extraction import Features
from headstart.heads import fitting, power
from headstart.scale import learning, survey
from headstart.scale.batch import Batch
from headstart.scale.job import Folder, Job, Network
from headstart.scale.learning import learn
from headstart.scale.mapping import Here
from headstart.scale.places import Place
from headstart.scale.tasks import Embedding
from headstart.scale.training import train

DIM, CLASSES = 8, ("cat", "dog", "owl")


def clouds(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of three classes that overlap."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count)
    means = rng.normal(size=(3, DIM)) * 2
    return np.abs(means[labels] + rng.normal(size=(count, DIM)) * 2).astype(np.float32), labels


def job_of(
    folder: Path,
    vectors: np.ndarray,
    labels: list[str | None],
    hashes: list[bytes],
    splits: list[str | None] | None = None,
    size: int = 100,
) -> Folder:
    """The folder that embedding photos with these vectors would make."""
    there = Folder(Place(str(folder)))
    (folder / "shards").mkdir(parents=True)
    starts = range(0, len(vectors), size)
    for number, start in enumerate(starts):
        rows = slice(start, start + size)
        paths = tuple(f"photo {i}" for i in range(start, min(start + size, len(vectors))))
        parts = splits[rows] if splits else (None,) * len(paths)
        batch = Batch(paths, tuple(labels[rows]), tuple(parts))
        content = np.frombuffer(b"".join(hashes[rows]), "V32")
        found = Features(paths, np.arange(len(paths)), vectors[rows], content, (), len(paths), 0, 0, 0.0)
        pq.write_table(Embedding("float32").table(batch, found, frozenset()), there.shard(number).address)
    network = Network("mean:colours", precision="float32")
    card = network.load().card
    there.write(Job("embed", ("made",), network, card, "float32", "", len(starts), len(vectors)))
    return there


def hashes_of(count: int) -> list[bytes]:
    return [hashlib.sha256(str(i).encode()).digest() for i in range(count)]


@pytest.mark.parametrize("kind", ["ridge", "lda", "centroid"])
@pytest.mark.parametrize("size", [100, 7])
def test_heads_from_parts_are_those_of_all_photos_in_memory(kind: str, size: int, tmp_path: Path) -> None:
    vectors, labels = clouds(400)
    hashes = hashes_of(400)
    there = job_of(tmp_path / "job", vectors, [CLASSES[i] for i in labels], hashes, size=size)
    training = train(there.place.address, head=kind, unknown_rate=0)  # type: ignore[arg-type]
    power.normalise(vectors)
    folds = np.array([int.from_bytes(one[8:16], "little") % survey.FOLDS for one in hashes], np.intp)
    expected = fitting.fit(kind, vectors, labels.astype(np.intp), folds)  # type: ignore[arg-type]
    head = training.classifier.head
    assert training.classifier.choice.strength == expected.strength
    np.testing.assert_allclose(head.predict_proba(vectors), expected.head.predict_proba(vectors), rtol=1e-4, atol=1e-6)
    figures = evaluate(labels, [expected.held_out], CLASSES, [str(i) for i in range(400)], "cross-validation")
    assert training.evaluation.accuracy == pytest.approx(figures.accuracy, abs=0.003)
    assert training.evaluation.log_loss == pytest.approx(figures.log_loss, rel=1e-3)
    assert training.evaluation.calibration_error == pytest.approx(figures.calibration_error, abs=0.01)
    assert training.evaluation.interval == pytest.approx(figures.interval, abs=0.003)


def test_what_would_flatter_is_left_out_as_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, numbers = clouds(200)
    labels: list[str | None] = [CLASSES[i] for i in numbers]
    splits: list[str | None] = ["test" if i < 40 else "train" for i in range(200)]
    hashes = hashes_of(200)
    hashes[50], labels[50] = hashes[60], next(name for name in CLASSES if name != labels[60])  # two labels
    hashes[70], labels[70] = hashes[3], labels[3]  # in the test part too
    labels[80] = None
    there = job_of(tmp_path / "job", vectors, labels, hashes, splits)
    for at_once in (survey.AT_ONCE, 20):  # all at a time, and in ten shares
        monkeypatch.setattr(survey, "AT_ONCE", at_once)
        training = train(there.place.address, head="lda", unknown_rate=0)
        assert training.survey.reasons == {"conflicting labels": 2, "duplicate": 1, "without a class": 1}
        assert (training.train, training.survey.tested) == (156, 40)
        assert (training.evaluation.protocol, training.evaluation.n) == ("test set", 40)
    assert training.to_json()["photos"]["skipped"] == 4


def test_a_sample_is_chosen_by_content_and_is_the_same_for_all_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "SAMPLE", 100)
    vectors, numbers = clouds(1000)
    labels: list[str | None] = [CLASSES[i] for i in numbers]
    found = []
    for size in (100, 333):
        there = job_of(tmp_path / str(size), vectors, labels, hashes_of(1000), size=size)
        job = there.read()
        assert job is not None
        learned = learn(there, survey.survey(there, job, Here()), "lda", Here())
        found.append(sorted(learned.sample.paths))
    assert found[0] == found[1]
    assert 70 < len(found[0]) < 130


def test_the_classifier_is_an_ordinary_one(photos: Path, tmp_path: Path) -> None:
    from headstart.scale.embedding import embed

    embed(photos, tmp_path / "vectors", network=Network("mean:colours"))
    training = train(tmp_path / "vectors", output=tmp_path / "model", head="centroid")
    model = saved.read(tmp_path / "model")
    assert model.classes == ("cat", "dog")
    assert model.known is not None
    assert (model.about.train, model.about.test) == (30, 10)
    assert training.classifier.predictions(str(photos / "test")).labels
    with pytest.raises(DataError, match="holds no embedded photos"):
        train(photos)
    with pytest.raises(HeadError, match="Expected lda, ridge, centroid or logistic"):
        train(tmp_path / "vectors", head="knn")  # type: ignore[arg-type]
    ended = CliRunner().invoke(app, ["train", str(tmp_path / "vectors")])
    assert "holds feature vectors, no photos: it needs --on local or --on ray" in ended.stderr
    shard = next((tmp_path / "vectors" / "shards").iterdir())
    shard.write_bytes(shard.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"000000\.parquet cannot be read: (.|\n)*remove it, and run"):
        train(tmp_path / "vectors")
    with pytest.raises(DataError, match=r"000000\.parquet cannot be read"):
        embed(photos, tmp_path / "vectors", network=Network("mean:colours"))
    shard.unlink()
    with pytest.raises(DataError, match="has 0 of 1 units"):
        train(tmp_path / "vectors")


def test_too_few_photos_of_a_class_are_refused(tmp_path: Path) -> None:
    vectors, _ = clouds(20)
    there = job_of(tmp_path / "job", vectors, ["cat"] * 19 + ["dog"], hashes_of(20))
    with pytest.raises(DataError, match="Too few different photos of 'dog'"):
        train(there.place.address)
    assert FakeBackbone().card.dim == DIM


def test_a_logistic_head_from_passes_is_that_of_all_photos_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors, labels = clouds(3000)
    hashes = hashes_of(3000)
    there = job_of(tmp_path / "job", vectors, [CLASSES[i] for i in labels], hashes, size=500)
    power.normalise(vectors)
    folds = np.array([int.from_bytes(one[8:16], "little") % survey.FOLDS for one in hashes], np.intp)
    expected = fitting.fit("logistic", vectors, labels.astype(np.intp), folds)
    figures = evaluate(labels, [expected.held_out], CLASSES, [str(i) for i in range(3000)], "cross-validation")
    for sample in (learning.SAMPLE, 300):  # all photos, and a tenth of them as a start
        monkeypatch.setattr(learning, "SAMPLE", sample)
        training = train(there.place.address, head="logistic", unknown_rate=0)
        assert training.evaluation.accuracy == pytest.approx(figures.accuracy, abs=0.003)
        assert training.evaluation.log_loss == pytest.approx(figures.log_loss, rel=0.01)
        ours, theirs = training.classifier.head.predict_proba(vectors), expected.head.predict_proba(vectors)
        assert np.abs(ours - theirs).max() < 0.05
