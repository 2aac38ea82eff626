"""`compare`: the same figures as training alone, honest about failures, quick when asked, continued when killed."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import numpy as np
import pytest

from fakes import FakeBackbone, start_python, write_photo, write_photos
from headstart.backbones.hints import Options
from headstart.classifier import training
from headstart.classifier.comparing import QUICK_PER_CLASS, compare
from headstart.errors import BackboneError, DataError, HeadError
from headstart.features.store import Store
from headstart.photos.images import Images
from headstart.progress import Silent
from headstart.report import tensorboard

CLASSES = {"red": 12, "tomato": 12, "lime": 12}


class Notes(Silent):
    """Keeps all messages."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def message(self, text: str) -> None:
        self.lines.append(text)


class Blurred(FakeBackbone):
    """Its vectors are drowned in noise that depends on the photo alone: the classes can only just be recognised."""

    def _vectors(self, images: Images) -> np.ndarray:
        vectors = super()._vectors(images)
        seeds = (1000 * vectors[:, :3]).astype(int)
        noise = [np.random.default_rng(seed).normal(scale=150, size=self.card.dim) for seed in seeds]
        return (vectors + np.array(noise)).astype(np.float32)


class Blind(FakeBackbone):
    """All photos look alike."""

    def _vectors(self, images: Images) -> np.ndarray:
        return np.zeros_like(super()._vectors(images))


class Broken(FakeBackbone):
    def _vectors(self, images: Images) -> np.ndarray:
        raise BackboneError("broken:net gave numbers that are not finite.")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    write_photos(tmp_path / "photos", CLASSES)
    return tmp_path / "photos"


@pytest.fixture
def split(tmp_path: Path) -> Path:
    """With a test part of other photos."""
    write_photos(tmp_path / "split" / "train", CLASSES)
    write_photos(tmp_path / "split" / "test", {name: 2 * n for name, n in CLASSES.items()}, seed=1)
    return tmp_path / "split"


def pair() -> list[FakeBackbone]:
    return [Blurred(weights="blurred"), FakeBackbone(weights="sharp")]


# --- figures ---


def test_the_best_comes_first_and_the_others_are_compared_with_it(split: Path) -> None:
    found = compare(split, backbones=pair())
    best, other = found.entries
    assert (best.card.handle, best.is_best, best.difference) == ("fake:sharp", True, None)
    assert best.accuracy > other.accuracy
    assert other.difference is not None
    assert other.difference.n == 72
    assert other.difference.value == pytest.approx(best.accuracy - other.accuracy)
    assert other.difference.is_significant
    assert found.protocol == "test set"
    assert found.verdict.startswith("sharp is the best on 72 photos: blurred is ")


def test_cross_validation_is_compared_over_the_same_folds(photos: Path) -> None:
    found = compare(photos, backbones=pair(), heads=["logistic", "centroid"])
    assert found.protocol == "cross-validation"
    assert len(found.entries) == 4
    folds = [entry.answers.folds for entry in found.entries]
    assert folds[0] is not None
    assert folds[0].shape == (20, 36)
    assert all(np.array_equal(folds[0], one) for one in folds[1:])
    assert [entry.difference is None for entry in found.entries] == [True, False, False, False]
    assert not any(entry.unpaired for entry in found.entries)


def test_figures_are_those_of_training_alone(tiles: Path) -> None:
    handle = "builtin:efficientnet-lite0"
    found = compare(tiles, backbones=[handle], heads=["logistic", "knn"])
    assert {entry.head.kind for entry in found.entries} == {"logistic", "knn"}
    for entry in found.entries:
        alone = training.train(tiles, head=entry.head.kind)
        assert entry.evaluation.to_json() == alone.measured.evaluation.to_json()
        assert entry.head == alone.classifier.choice


def test_the_same_twice_are_equals(split: Path) -> None:
    found = compare(split, backbones=[FakeBackbone(weights="a"), FakeBackbone(weights="b")])
    assert found.entries[1].difference is not None
    assert found.entries[1].difference.value == 0
    assert found.entries[1].difference.p == 1
    assert " and " in found.verdict
    assert "do not differ by more than chance on 72 photos" in found.verdict


def test_the_document_has_what_the_entries_have(split: Path) -> None:
    found = compare(split, backbones=pair(), heads=["logistic", "knn"], command=["headstart", "compare", "it"])
    document = json.loads(json.dumps(found.to_json()))
    assert document["command"] == ["headstart", "compare", "it"]
    assert (document["train"], document["test"]) == (36, 72)
    assert document["source"] == str(split)
    assert document["photos"] == {"found": 108, "used": 108, "skipped": 0, "reasons": {}, "files": []}
    assert [entry["evaluation"]["accuracy"] for entry in document["entries"]] == [e.accuracy for e in found.entries]
    first = document["entries"][0]
    assert first["best"]
    assert first["pareto"]
    assert (first["backbone"], first["name"], first["card"]["dim"]) == ("fake:sharp", "sharp", 8)
    assert first["features"]["photos_per_second"] > 0
    assert first["features"]["computed"] == 108
    assert sum(one["n"] for one in first["evaluation"]["reliability"]) == 72
    assert [entry["head"] for entry in document["entries"]] == [e.head.to_json() for e in found.entries]
    for head in (entry["head"] for entry in document["entries"]):
        assert (head["l2"] is None, head["neighbours"] is None) == (
            (True, False) if head["kind"] == "knn" else (False, True)
        )
    significant = [e["difference"] and e["difference"]["significant"] for e in document["entries"]]
    assert significant == [e.difference and e.difference.is_significant for e in found.entries]
    assert document["learning_curve"] is None


def test_a_share_is_the_same_for_all(split: Path) -> None:
    found = compare(split, backbones=pair(), fraction=0.5, seed=3)
    alone = compare(split, backbones=pair()[1:], fraction=0.5, seed=3)
    assert found.best.train == 18
    assert found.best.evaluation.to_json() == alone.best.evaluation.to_json()


def test_another_folder_to_measure_on(split: Path) -> None:
    found = compare(split / "train", backbones=pair(), test=split / "test")
    assert (found.protocol, found.best.test) == ("test set", 72)


# --- what goes wrong ---


def test_a_backbone_that_fails_is_listed_and_the_others_go_on(split: Path) -> None:
    notes = Notes()
    broken = Broken(weights="broken")
    found = compare(split, backbones=["no-such-network", broken, *pair()], progress=notes)
    assert [entry.name for entry in found.entries] == ["sharp", "blurred"]
    assert [one.backbone for one in found.failures] == ["no-such-network", "fake:broken"]
    assert "not finite" in found.failures[1].error
    assert any("no-such-network is left out" in line for line in notes.lines)


def test_when_none_is_left_all_reasons_are_given(split: Path) -> None:
    with pytest.raises(BackboneError, match=r"(?s)None of the backbones.*no-such-network.*neither-this"):
        compare(split, backbones=["no-such-network", "neither-this"])
    with pytest.raises(BackboneError, match=r"(?s)None of the backbones.*fake:broken.*not finite"):
        compare(split, backbones=[Broken(weights="broken")])


def test_the_same_backbone_twice_counts_once(split: Path) -> None:
    notes = Notes()
    found = compare(split, backbones=[*pair(), FakeBackbone(weights="sharp")], progress=notes)
    assert len(found.entries) == 2
    assert "fake:sharp is the same backbone as fake:sharp." in found.notes
    assert found.notes[-1] in notes.lines


@pytest.mark.parametrize("settings", [{"backbones": []}, {"backbones": ["builtin:efficientnet-lite0"], "heads": []}])
def test_nothing_to_compare_is_an_error(split: Path, settings: dict[str, list[str]]) -> None:
    with pytest.raises(BackboneError, match="nothing to compare"):
        compare(split, **settings)  # type: ignore[arg-type]


def test_an_unknown_head_is_an_error_before_any_photo_is_read(tmp_path: Path) -> None:
    with pytest.raises(HeadError, match="no head 'svm'"):
        compare(tmp_path / "missing", backbones=pair(), heads=["svm"])  # type: ignore[list-item]


def test_a_missing_folder_is_the_photos_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="missing"):
        compare(tmp_path / "missing", backbones=pair())


def test_skipped_photos_are_reported_once(split: Path) -> None:
    (split / "train" / "red" / "broken.jpg").write_bytes(b"no photo")
    document = compare(split, backbones=pair()).to_json()
    assert document["photos"]["reasons"] == {"not an image": 1}
    assert (document["photos"]["found"], document["photos"]["used"], document["photos"]["skipped"]) == (109, 108, 1)
    assert [one["path"] for one in document["photos"]["files"]] == [str(split / "train" / "red" / "broken.jpg")]


def test_a_backbone_that_sees_nothing_is_left_out_for_that(photos: Path) -> None:
    found = compare(photos, backbones=[Blind(weights="blind"), *pair()], heads="centroid")
    assert [entry.name for entry in found.entries] == ["sharp", "blurred"]
    assert "conflicting labels" in found.failures[0].error
    with pytest.raises(DataError, match="conflicting labels"):
        compare(photos, backbones=[Blind(weights="blind")])


def test_backbones_that_cannot_use_the_same_photos_are_not_paired_in_silence(photos: Path) -> None:
    class Dazed(FakeBackbone):
        """Takes two photos of different classes for the same."""

        def _vectors(self, images: Images) -> np.ndarray:
            vectors = super()._vectors(images)
            vectors[vectors[:, 2] > 200] = 7
            return vectors

    for folder in ("red", "lime"):
        write_photo(photos / folder / "blue.png", (0, 30 if folder == "red" else 0, 255))
    found = compare(photos, backbones=[FakeBackbone(weights="sharp"), Dazed(weights="dazed")], heads="centroid")
    entries = {entry.name: entry for entry in found.entries}
    assert (entries["sharp"].evaluation.n, entries["dazed"].evaluation.n) == (38, 36)
    assert found.entries[1].difference is None
    assert "folds differ" in found.entries[1].unpaired
    assert found.entries[1].to_json()["difference"] == {"error": found.entries[1].unpaired}
    assert "could not be paired with" in found.verdict


# --- names, ranges ---


def test_backbones_of_one_name_are_distinguished_by_their_folders(split: Path) -> None:
    found = compare(split, backbones=[named("hub/a/net"), named("hub/b/net"), named("other")])
    assert sorted(entry.name for entry in found.entries) == ["a/net", "b/net", "other"]


def test_views_of_one_backbone_are_distinguished_by_name(split: Path) -> None:
    network = FakeBackbone(weights="net")
    found = compare(split, backbones=[network, network.with_fit("crop"), network.with_fit("pad")])
    assert sorted(entry.name for entry in found.entries) == ["net (crop)", "net (pad)", "net (squash)"]
    assert {entry.card.view.fit for entry in found.entries} == {"squash", "crop", "pad"}


def named(handle: str) -> FakeBackbone:
    from dataclasses import replace

    network = FakeBackbone(weights=handle)
    network.card = replace(network.card, handle=handle)
    return network


def test_an_input_range_is_for_backbones_that_do_not_declare_theirs(tiles: Path, tmp_path: Path) -> None:
    import openvino as ov

    from toys import model, op, pictures, pooled

    image = pictures(-1, 3, 8, 8)
    path = tmp_path / "undeclared.xml"
    ov.save_model(model({"features": op.concat([pooled(image)] * 50, 1)}, image), path, compress_to_fp16=False)
    notes = Notes()
    networks = ["builtin:efficientnet-lite0", str(path)]
    found = compare(tiles, backbones=networks, options=Options("0..1"), progress=notes)
    assert not found.failures
    ranges = {entry.name: entry.card.feed.name for entry in found.entries}
    assert ranges["undeclared"] == "0..1"
    assert not any("is not known" in line for line in notes.lines)


# --- quick ---


def test_differences_from_the_best_are_compared_at_once(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", {"red": 12, "tomato": 12})
    networks = [FakeBackbone(weights="sharp"), *(Blurred(weights=f"blurred {i}") for i in range(2))]
    entries = compare(tmp_path / "photos", backbones=networks, heads="centroid").entries
    assert [entry.difference and entry.difference.comparisons for entry in entries] == [None, 2, 2]


def test_a_quick_ranking_lets_the_best_third_go_on(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", {"red": 60, "tomato": 60})
    networks = [FakeBackbone(weights=f"sharp {i}") for i in range(3)] + [
        Blurred(weights=f"blurred {i}") for i in range(4)
    ]
    notes = Notes()
    found = compare(tmp_path / "photos", backbones=networks, heads="centroid", quick=True, progress=notes)
    assert {entry.card.handle for entry in found.entries} == {"fake:sharp 0", "fake:sharp 1", "fake:sharp 2"}
    assert len(found.left_out) == 4
    assert found.best.evaluation.n == 120
    assert {entry.evaluation.n for entry in found.left_out} == {2 * QUICK_PER_CLASS}
    assert found.quick is not None
    assert found.quick.per_class == QUICK_PER_CLASS
    assert "7 backbones were ranked on 20 photos per class; 3 went on." in found.quick.text
    assert found.quick.text in notes.lines
    assert all(network.embedded < 120 for network in networks[3:])


def test_what_the_quick_ranking_left_out_undecided_is_named(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", {"red": 60, "blue": 60})
    networks = [FakeBackbone(weights=f"net {i}") for i in range(5)]
    found = compare(tmp_path / "photos", backbones=networks, heads="centroid", quick=True)
    assert found.quick is not None
    assert "2 of those left out do not differ from the best by more than chance on so few photos" in found.quick.text
    assert len(found.left_out) == 2
    assert all(entry.name in found.quick.text for entry in found.left_out)


def test_quick_is_no_quicker_with_few_photos_or_backbones(split: Path, tmp_path: Path) -> None:
    notes = Notes()
    found = compare(split, backbones=pair(), quick=True, progress=notes)
    assert found.quick is None
    assert any("No quick ranking first: there are few photos." in line for line in notes.lines)
    write_photos(tmp_path / "photos", {"red": 60, "tomato": 60})
    compare(tmp_path / "photos", backbones=pair(), heads="centroid", quick=True, progress=notes)
    assert any("there are few backbones" in line for line in notes.lines)


# --- each photo once, continued ---


def test_a_second_comparison_computes_nothing(split: Path) -> None:
    compare(split, backbones=pair())
    again = pair()
    found = compare(split, backbones=again)
    assert [entry.work.computed for entry in found.entries] == [0, 0]
    assert [entry.work.from_store for entry in found.entries] == [108, 108]


_COMPARE = """
import sys, time
from pathlib import Path
from fakes import FakeBackbone
from headstart.classifier.comparing import compare
from headstart.progress import Silent

class Waiting(Silent):
    def advanced(self, done):
        if done >= 400:
            print("far", flush=True)
            time.sleep(60)

backbones = [FakeBackbone(weights=str(i)) for i in range(5)]
compare(sys.argv[1], backbones=backbones, heads="centroid", progress=Waiting())
"""


def test_what_was_killed_continues(tmp_path: Path, home: Path) -> None:
    write_photos(tmp_path / "photos", {"red": 70, "lime": 70})
    process = start_python(_COMPARE, tmp_path / "photos")
    assert process.stdout is not None
    assert process.stdout.readline() == "far\n", process.stderr and process.stderr.read()
    process.send_signal(signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    networks = [FakeBackbone(weights=str(i)) for i in range(5)]
    found = compare(tmp_path / "photos", backbones=networks, heads="centroid", store=home)
    assert sum(entry.work.computed for entry in found.entries) < 5 * 140 - 256
    alone = compare(tmp_path / "photos", backbones=networks, heads="centroid", store=tmp_path / "another")
    documents = [{e.card.handle: e.evaluation.to_json() for e in one.entries} for one in (found, alone)]
    assert len(documents[0]) == 5
    assert documents[0] == documents[1]
    assert Store(home).folder == home


# --- tracked ---


def test_every_backbone_and_head_is_a_run(split: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def write(trained: training.Training) -> None:
        tensorboard.record(tmp_path / "runs", trained)

    found = compare(split, backbones=pair(), heads=["logistic", "centroid"], each=write)
    folders = sorted(path for path in (tmp_path / "runs").iterdir() if path.is_dir())
    assert len(folders) == 4
    seen = set()
    for folder in folders:
        events = EventAccumulator(str(folder))
        events.Reload()
        (accuracy,) = events.Scalars("measured/accuracy")
        seen.add(round(accuracy.value, 6))
    assert seen == {round(float(np.float32(entry.accuracy)), 6) for entry in found.entries}


def test_it_is_called_from_the_package_again_and_again(split: Path) -> None:
    import headstart

    for _ in range(2):
        assert headstart.compare(split, backbones=pair()).best.name == "sharp"
