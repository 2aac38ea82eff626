"""New photos are logged once, watched as they come, labelled, and trained on."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import headstart
from headstart.apps.cli.commands import app
from headstart.classifier.classifier import Classifier
from headstart.classifier.inbox import log as log_file
from headstart.classifier.inbox.inbox import Inbox, measured_classes
from headstart.classifier.inbox.log import Log, Logged
from headstart.classifier.inbox.watching import Watcher, watch
from headstart.classifier.saved import TrainingFacts
from headstart.errors import DataError
from headstart.photos import labelled

LONG_AGO = 1_600_000_000
LINE = Logged("2026-01-02T03:04:05+00:00", "/new/a.jpg", "ab" * 32, "cat", 0.75, {"cat": 0.75, "dog": 0.25}, None, "", "c" * 32)  # fmt: skip  # noqa: E501


@pytest.fixture(scope="module")
def trained(tiles: Path, graphs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of the demo's tiles, saved."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    headstart.train(tiles / "train", output=folder, store=graphs, progress=False)
    return folder


@pytest.fixture(scope="module")
def classifier(trained: Path, graphs: Path) -> Classifier:
    return Classifier.load(trained, store=graphs)


@pytest.fixture
def new(tiles: Path, tmp_path: Path) -> Path:
    """Six new photos, written long ago."""
    folder = tmp_path / "new"
    folder.mkdir()
    for name in ("temple", "flower"):
        for photo in sorted((tiles / "test" / name).iterdir())[:3]:
            shutil.copy2(photo, folder / f"{name}-{photo.name}")
    return folder


@pytest.fixture
def command(graphs: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The command line, with the store that holds the features of the tiles."""
    monkeypatch.setenv("HEADSTART_HOME", str(graphs))

    def run(*words: object, typed: str = "") -> Result:
        return CliRunner().invoke(app, [*map(str, words)], input=typed, catch_exceptions=False, standalone_mode=False)

    return run


def lines(log: Path) -> list[Any]:
    return [json.loads(line) for line in log.read_text().splitlines()]


# --- the log ---


def test_the_same_photo_has_one_line_for_each_classifier(tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    other = replace(LINE, model_id="d" * 32)
    assert log.append([LINE, LINE, other]) == [LINE, other]
    assert Log(tmp_path / "log").append([replace(LINE, path="/elsewhere.jpg")]) == []
    assert Log(tmp_path / "log").photos == [LINE, other]


def test_an_unfinished_line_is_ignored_counted_and_not_continued(tmp_path: Path) -> None:
    path = tmp_path / "log"
    Log(path).append([LINE])
    path.write_bytes(path.read_bytes() + b'{"time": "2026-0')
    log = Log(path)
    assert (log.photos, log.damaged) == ([LINE], 0), "it may still be written"
    second = replace(LINE, sha256="cd" * 32)
    log.append([second])
    again = Log(path)
    assert (again.photos, again.damaged, log.damaged) == ([LINE, second], 1, 1)


@pytest.mark.parametrize(
    "spoil",
    [
        {"path": "/a\0b"}, {"path": 3}, {"probability": 1.5}, {"probability": float("nan")}, {"sha256": "xy" * 32},
        {"model_id": "short"}, {"time": "yesterday"}, {"unknown": "no"}, {"predicted": "x" * 2000},
        {"probabilities": {}}, {"probabilities": {"cat": "1"}}, {"probabilities": {str(i): 0.0 for i in range(99)}},
    ],
)  # fmt: skip
def test_lines_that_are_not_ours_are_left_out(tmp_path: Path, spoil: dict[str, Any]) -> None:
    path = tmp_path / "log"
    Log(path).append([LINE, replace(LINE, sha256="cd" * 32)])
    first, second = lines(path)
    path.write_text(json.dumps(first) + "\n" + json.dumps({**second, **spoil}) + "\nnull\n[[[[\n")
    assert (Log(path).photos, Log(path).damaged) == ([LINE], 3)


def test_another_file_is_never_added_to(tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("my notes\n")
    with pytest.raises(DataError, match="not a log of headstart"):
        Log(other)
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        Log(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="not a regular file"):
        Log(tmp_path / "pipe")


def test_two_that_add_the_same_photo_at_once_write_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, both = log_file._write, threading.Barrier(2, timeout=0.2)

    def meeting(path: Path, data: bytes) -> None:
        with suppress(threading.BrokenBarrierError):  # the other one waits for the lock
            both.wait()
        write(path, data)

    monkeypatch.setattr(log_file, "_write", meeting)
    threads = [threading.Thread(target=Log(tmp_path / "log").append, args=([LINE],)) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(lines(tmp_path / "log")) == 1
    assert os.listdir(tmp_path) == ["log"]


# --- the inbox ---


def test_pictures_in_memory_are_refused(classifier: Classifier, tmp_path: Path) -> None:
    answer = classifier.predictions(np.zeros((32, 32, 3), np.uint8), progress=False)
    with pytest.raises(DataError, match="in memory"):
        Inbox(classifier, tmp_path / "log").add(answer)


def test_new_photos_are_compared_with_the_classes_that_were_predicted_at_the_training(classifier: Classifier) -> None:
    counts, reference = measured_classes(classifier)
    assert counts is not None
    confusion = np.array(classifier.about.evaluation["confusion"]["counts"])
    assert (counts.sum(), reference) == (confusion.sum(), "predicted classes")
    assert np.abs(counts - confusion.sum(axis=0)).max() < 1
    without = {key: value for key, value in classifier.about.evaluation.items() if key != "confusion"}
    assert measured_classes(replace(classifier, about=TrainingFacts(evaluation=without)))[1] == "true classes"


def test_means_over_repeats_become_whole_photos_that_add_up(classifier: Classifier) -> None:
    confusion = {"classes": list(classifier.classes), "counts": [[4.0, 8.5], [0.5, 7.0]]}
    counts, _ = measured_classes(replace(classifier, about=TrainingFacts(evaluation={"confusion": confusion})))
    assert counts is not None
    assert counts.tolist() == [5, 15], "each rounded by itself they would be 4 and 16, as 4.5 rounds to even"


@pytest.mark.parametrize("spoilt", [None, 3, {"counts": [[1, 2]], "classes": []}, {"counts": [[1, "x"], [2, 3]]}])
def test_a_spoilt_confusion_matrix_of_a_stranger_is_not_used(classifier: Classifier, spoilt: Any) -> None:
    stranger = replace(classifier, about=TrainingFacts(evaluation={"confusion": spoilt}))
    assert measured_classes(stranger)[0] is None
    assert Inbox(stranger).drift().shares is None


def test_the_photos_of_one_class_alone_are_a_change(classifier: Classifier, tiles: Path, tmp_path: Path) -> None:
    inbox = Inbox(classifier, tmp_path / "log")
    inbox.add(classifier.predictions(tiles / "train" / "temple", progress=False))
    shares = inbox.drift().shares
    assert shares is not None
    assert shares.is_significant
    assert {one.name: one.share for one in shares.classes} == {"temple": 1.0, "flower": 0.0}
    assert inbox.worth_labelling().paths == (), "they were trained on"


# --- predict --log and watch ---


def test_predict_logs_each_photo_once_and_reports(command: Callable[..., Result], trained: Path, new: Path) -> None:
    log = new.parent / "new photos.jsonl"
    first = command("predict", trained, new, "--log", log)
    assert "6 new photos added" in first.stderr
    assert "6 different photos so far." in first.stdout
    assert f"headstart label '{log}' -o labels.csv" in first.stdout
    assert "0 new photos added" in command("predict", trained, new, "--log", log).stderr
    one = lines(log)[0]
    assert (one["path"], one["model"]) == (str(new / "flower-00.png"), str(trained))
    assert sum(one["probabilities"].values()) == pytest.approx(1)
    with pytest.raises(Exception, match="exclude each other"):
        command("predict", trained, new, "--log", log, "--unknown-rate", "0")


def test_watch_predicts_what_is_complete_once_and_continues(classifier: Classifier, new: Path, tmp_path: Path) -> None:
    watcher = Watcher(Inbox(classifier, tmp_path / "log"), new)
    assert len(watcher.look().paths) == 6
    assert watcher.look().paths == ()
    growing = new / "growing.png"
    whole = (new / "temple-00.png").read_bytes() + b"\0"  # another file of the same picture
    growing.write_bytes(whole[:1000])
    assert (watcher.look().skipped, watcher.waiting) == ((), 1), "it has just changed"
    growing.write_bytes(whole)
    assert (watcher.look().paths, watcher.waiting) == ((), 1)
    assert watcher.look().paths == (str(growing),)
    (new / "flower-00.png").rename(new / "renamed.png")
    (new / "flower-01.png").unlink()
    assert watcher.look().paths == ()
    assert len(lines(tmp_path / "log")) == 7
    again = Watcher(Inbox(classifier, tmp_path / "log"), new)
    found = again.look()
    assert (found.paths, found.skipped) == ((), ())


def test_a_bad_file_is_reported_once(classifier: Classifier, new: Path) -> None:
    (new / "bad.jpg").write_bytes(b"no photo")
    os.utime(new / "bad.jpg", (LONG_AGO, LONG_AGO))
    watcher = Watcher(Inbox(classifier), new)
    assert [one.reason for one in watcher.look().skipped] == ["not an image"]
    assert watcher.look().skipped == ()
    shutil.rmtree(new)
    assert watcher.look().paths == ()


def test_a_file_that_is_removed_before_it_is_read_harms_nothing(
    classifier: Classifier, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = Watcher._states
    monkeypatch.setattr(Watcher, "_states", lambda self: [*states(self), (str(new / "gone.jpg"), 9, 1)])
    found = Watcher(Inbox(classifier), new).look()
    assert (len(found.paths), found.skipped) == (6, ())


def test_the_log_may_be_in_the_folder_and_a_log_that_cannot_be_written_is_found_before_the_work(
    classifier: Classifier, new: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = Watcher(Inbox(classifier, new / "log.jsonl"), new)
    os.utime(new / "log.jsonl", (LONG_AGO, LONG_AGO))
    found = watcher.look()
    assert (len(found.paths), found.skipped) == (6, ())

    def full(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(log_file, "_write", full)
    with pytest.raises(DataError, match="cannot be written: Permission denied"):
        Watcher(Inbox(classifier, tmp_path / "log"), new)


def test_watch_in_python_yields_what_comes(classifier: Classifier, new: Path, tmp_path: Path) -> None:
    found = next(watch(classifier, new, tmp_path / "log"))
    assert len(found.paths) == len(lines(tmp_path / "log")) == 6
    with pytest.raises(DataError, match="not a folder"):
        next(watch(classifier, new / "flower-00.png"))


def test_watch_once_ends_and_ctrl_c_prints_the_summary(
    command: Callable[..., Result], trained: Path, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = new.parent / "inbox.jsonl"
    monkeypatch.setattr("headstart.apps.cli.watch._FIRST", 6)
    assert command("watch", trained, new, "--once").stdout.count("6 different photos so far.") == 1
    document = json.loads(command("watch", trained, new, "--log", log, "--once", "--json").stdout)
    assert (document["photos"]["used"], document["drift"]["n"]) == (6, 6)

    def press(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("headstart.apps.cli.watch.time.sleep", press)
    stopped = command("watch", trained, new, "--log", log)
    assert stopped.return_value == 130 or stopped.exit_code == 130
    assert "6 different photos so far." in stopped.stdout


# --- label ---


@pytest.fixture
def logged(command: Callable[..., Result], trained: Path, new: Path) -> Path:
    log = new.parent / "inbox.jsonl"
    command("predict", trained, new, "--log", log)
    return log


def test_answers_are_numbers_names_prefixes_or_new_classes(command: Callable[..., Result], logged: Path) -> None:
    target = logged.with_name("labels.csv")
    asked = command("label", logged, "-o", target, typed="1\nTEM\nflover\nn\ntree\ny\n\ns\nq\n")
    assert "Did you mean 'flower'?" in asked.stderr
    assert "4 photos labelled" in asked.stderr
    given = [*labelled.read(target).items()]
    (skipped,) = labelled.read(target.with_name("labels.csv.skipped"))
    assert [label for _, label in given][:3] == ["flower", "temple", "tree"]
    assert given[3][1] in ("flower", "temple"), "as proposed"
    again = command("label", logged, "-o", target)
    assert skipped not in again.stderr, "what was skipped is not asked for again"


def test_undo_takes_back_the_last_answer_of_an_earlier_run_too(command: Callable[..., Result], logged: Path) -> None:
    target = logged.with_name("labels.csv")
    command("label", logged, "-o", target, typed="1\n1\n")
    (first, _), (second, _) = labelled.read(target).items()
    asked = command("label", logged, "-o", target, typed="u\n2\ns\nu\nu\nu\nu\nq\n")
    assert f"Taken back: {second}" in asked.stderr
    assert f"Taken back: {first}" in asked.stderr
    assert "There is nothing to take back." in asked.stderr
    assert labelled.read(target) == {}


def test_scripts_set_labels_all_or_none(command: Callable[..., Result], logged: Path, new: Path) -> None:
    target = logged.with_name("labels.csv")
    photo, other = new / "flower-00.png", new / "temple-00.png"
    for wrong in (f"{other}=temlpe", "nowhere.jpg=temple", f"{other}="):
        with pytest.raises(Exception, match="--set"):
            command("label", logged, "-o", target, "--set", f"{photo}=flower", "--set", wrong)
    assert not target.exists()
    command("label", logged, "-o", target, "--set", f"{photo}=flower", "--set", f"{other}=church", "--new-classes")
    assert labelled.read(target) == {str(photo): "flower", str(other): "church"}


def test_a_csv_of_somebody_else_is_not_continued(command: Callable[..., Result], logged: Path, new: Path) -> None:
    own = logged.with_name("own.csv")
    own.write_text(text := "path,label,note\na.jpg,temple,mine\n")
    with pytest.raises(DataError, match="which would be lost"):
        command("label", logged, "-o", own, "--set", f"{new / 'flower-00.png'}=flower")
    assert own.read_text() == text


def test_names_come_back_from_the_csv_as_they_were(tmp_path: Path) -> None:
    (strange := tmp_path / os.fsdecode(b"\xe4.jpg")).touch()
    names = {"/new/=cmd.jpg": "=class", "/new/a,b\n.jpg": "'x", str(strange): "y"}
    labelled.write(tmp_path / "labels.csv", names)
    assert labelled.read(tmp_path / "labels.csv") == names


# --- train --add --against ---


def test_labelled_photos_join_the_training_and_the_old_classifier_is_compared_on_them(
    command: Callable[..., Result], classifier: Classifier, trained: Path, tiles: Path, logged: Path, new: Path
) -> None:
    labels = {str(photo): photo.name.split("-")[0] for photo in sorted(new.iterdir())}
    labels[str(new / "flower-00.png")] = "temple"
    labelled.write(logged.with_name("labels.csv"), labels)
    right = np.mean(classifier.predictions(list(labels), progress=False).labels == np.array([*labels.values()]))
    add = ("--add", logged.with_name("labels.csv"), "--against", trained)
    document = json.loads(command("train", tiles / "train", *add, "--json").stdout)
    assert document["train"] == 24 + 6
    against = document["against"]
    assert (against["protocol"], against["difference"]["n"], against["old_accuracy"]) == ("cross-validation", 6, right)
    assert "chosen at random" in against["notes"][0]
    # Photos that are measured on are not trained on, and the old classifier knows neither them nor others.
    measured = command("train", tiles / "train", "--test", tiles / "test", *add)
    assert "6 photos left out, because also measured on" not in measured.stderr, "equal files in another folder"
    assert "Against" in measured.stdout
    assert "that neither was trained on" in measured.stdout


def test_an_old_classifier_that_was_trained_on_everything_is_not_compared(
    command: Callable[..., Result], trained: Path, tiles: Path
) -> None:
    done = command("train", tiles / "train", "--against", trained, "--json")
    assert json.loads(done.stdout)["against"] is None
    assert "was trained on all photos that were measured on" in done.stderr


def test_an_old_classifier_that_knows_no_class_is_not_compared(
    command: Callable[..., Result], trained: Path, tiles: Path, tmp_path: Path
) -> None:
    for name in ("temple", "flower"):
        shutil.copytree(tiles / "test" / name, tmp_path / "photos" / f"{name}-2")
    done = command("train", tmp_path / "photos", "--against", trained, "--json")
    assert json.loads(done.stdout)["against"] is None
    assert "it knows none of the classes" in done.stderr
