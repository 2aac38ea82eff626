"""The command line as a person and a script use it: streams and exit codes, of whole processes where these matter."""

from __future__ import annotations

import csv
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import headstart
from command_line import read_terminal, run
from headstart.trust import blanks

HEADSTART = str(Path(sys.executable).with_name("headstart"))


def process(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [HEADSTART, *map(os.fspath, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, check=False)


def fails(result: subprocess.CompletedProcess[str], *words: str) -> None:
    """An error of ours: exit code 1, one line on stderr with these words, no traceback, nothing on stdout."""
    assert result.returncode == 1, result.stderr
    assert result.stdout == ""
    lines = result.stderr.strip().splitlines()
    assert lines[-1].startswith("Error: ")
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in lines[-1]


@pytest.fixture(scope="module")
def model(tiles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    result = run("train", tiles, "-o", folder / "model", HEADSTART_HOME=str(folder / "home"))
    assert result.returncode == 0, result.stderr
    return folder / "model"


@pytest.mark.usefixtures("tiles_are_new")
def test_train_prints_one_document(tiles: Path, tmp_path: Path) -> None:
    result = process("train", tiles, "-o", tmp_path / "model", "--json")
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert list(document) == [
        "source", "command", "model", "backbone", "card", "head", "seed", "fraction", "classes", "photos", "train",
        "test", "evaluation", "views", "features", "learning_curve", "against", "seconds", "tracked",
    ]  # fmt: skip
    assert document["card"]["dim"] == 1280
    assert document["card"]["input_range_from"] == "network"
    assert document["model"] == str(tmp_path / "model")
    assert set(document["evaluation"]) == {
        "protocol", "n", "accuracy", "interval", "balanced_accuracy", "log_loss", "calibration_error", "per_class",
        "confusion", "reliability", "mistakes",
    }  # fmt: skip
    assert set(document["evaluation"]["per_class"]["flower"]) == {"precision", "recall", "f1", "support"}
    assert document["features"]["photos_per_second"] > 0
    assert "flower 12 + 12, temple 12 + 12" in result.stderr
    assert "48 files, 48 to read" in result.stderr
    assert "\x1b" not in result.stderr, "no bar where stderr is no terminal"


def test_train_shows_a_person_the_accuracy_with_its_interval(tiles: Path) -> None:
    result = process("train", tiles)
    assert "Accuracy" in result.stdout
    assert "95 % confidence interval: " in result.stdout
    assert "precision" in result.stdout
    assert "Not saved: add -o NAME" in result.stderr


def test_evaluate_and_predict_use_what_was_saved(model: Path, tiles: Path, tmp_path: Path) -> None:
    document = json.loads(run("evaluate", model, tiles, "--json").stdout)
    assert document["evaluation"]["protocol"] == "test set"
    assert document["evaluation"]["n"] == 24
    assert document["seen_in_training"] == 0
    result = run("evaluate", model, tiles / "train")
    assert "24 of the 24 photos were trained on" in result.stderr
    predicted = json.loads(run("predict", model, tiles / "test", "--json").stdout)
    assert predicted["photos"]["used"] == 24
    first = predicted["predictions"][0]
    assert set(first) == {"path", "predicted", "probability", "probabilities", "unknown", "unsure"}
    assert first["probability"] == max(first["probabilities"].values())
    assert sum(first["probabilities"].values()) == pytest.approx(1)
    table = tmp_path / "out.csv"
    assert run("predict", model, tiles / "test", "--csv", table).returncode == 0
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == [one["path"] for one in predicted["predictions"]]
    assert list(rows[0]) == ["path", "label", "probability", "unknown", "flower", "temple"]


def test_classify_names_what_the_network_sees(samples: dict[str, Path]) -> None:
    result = run("classify", *samples.values(), "--json", "--top", "3")
    document = json.loads(result.stdout)
    assert document["backbone"] == "builtin:efficientnet-lite0"
    assert document["photos"]["skipped"] == 0
    daisy = document["predictions"][1]["guesses"]
    assert len(daisy) == 3
    assert daisy[0]["class"] == document["predictions"][1]["predicted"] == "daisy"
    assert daisy[0]["index"] == 985
    assert daisy[0]["probability"] >= daisy[1]["probability"]
    assert "daisy" in run("classify", samples["flower"]).stdout


def test_cache_shows_checks_and_clears(tiles: Path, home: Path) -> None:
    assert process("train", tiles).returncode == 0
    info = json.loads(process("cache", "info", "--json").stdout)
    assert info["path"] == str(home)
    total = 48 + len(blanks.pictures())
    assert info["vectors"] == total
    assert info["bytes"] > 48 * 1280 * 4
    assert [(card["backbone"], card["vectors"]) for card in info["shelves"]] == [("builtin:efficientnet-lite0", total)]
    assert process("cache", "verify").returncode == 0
    (values,) = (home / "vectors").glob("*/vectors.values")
    data = bytearray(values.read_bytes())
    data[5000] ^= 255
    values.write_bytes(data)
    result = process("cache", "verify", "--json")
    assert result.returncode == 1
    assert json.loads(result.stdout)["damaged"] == 1
    assert process("cache", "prune").returncode == 0
    assert json.loads(process("cache", "info", "--json").stdout)["vectors"] == total - 1
    assert json.loads(process("train", tiles, "--json").stdout)["features"]["computed"] == 1
    (home / "compiled").unlink()  # a link to what other tests share
    assert process("cache", "clear").returncode == 0
    assert json.loads(process("cache", "info", "--json").stdout)["vectors"] == 0


def test_the_demo_runs_and_shows_what_it_does(tmp_path: Path) -> None:
    for _ in range(2):
        result = subprocess.run([HEADSTART, "demo"], capture_output=True, text=True, cwd=tmp_path, check=False)
        assert result.returncode == 0, result.stderr
        assert "daisy" in result.stdout
        assert "danielbuechele and vultilion" in result.stderr
        assert "Accuracy" in result.stdout
        assert "headstart train" in result.stderr
        assert sorted(os.listdir(tmp_path)) == ["demo-model", "demo-photos"]


def test_the_demo_does_not_replace_a_classifier_of_yours(model: Path, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "demo-model")
    result = subprocess.run([HEADSTART, "demo"], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert result.returncode == 1
    assert "holds a saved classifier already" in result.stderr


def test_a_long_run_says_about_how_long_it_will_take(capsys: pytest.CaptureFixture[str]) -> None:
    from headstart.apps.cli.console import Bar

    Bar().planned(2_400, 1_200, 12.3)
    assert capsys.readouterr().err == "2,400 files, 1,200 to read, about 12 s.\n"
    Bar().planned(2_400, 1_200, 0.4)  # no one needs to know
    assert capsys.readouterr().err == "2,400 files, 1,200 to read.\n"


def test_kill_9_costs_next_to_nothing_and_changes_no_vector(tmp_path: Path, home: Path) -> None:
    from fakes import write_photos

    photos = tmp_path / "photos"
    write_photos(photos, {"a": 50, "b": 50})
    command = ["train", photos, "--head", "centroid"]
    child = subprocess.Popen([HEADSTART, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(600):
        time.sleep(0.02)
        keys = list((home / "vectors").glob("*/vectors.keys"))
        if keys and keys[0].stat().st_size >= 64 * 40:
            break
    child.kill()
    assert child.wait() == -signal.SIGKILL, "it was done before it was killed"
    again = json.loads(process(*command, "--json").stdout)["features"]
    assert 64 <= again["from_store"] < 100
    assert again["computed"] == 100 - again["from_store"]
    undisturbed = process(*command, "-o", tmp_path / "one", HEADSTART_HOME=str(tmp_path / "fresh"))
    assert undisturbed.returncode == 0
    assert process(*command, "-o", tmp_path / "two").returncode == 0
    for name in ("head.safetensors", "headstart.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_strict_fails_where_a_photo_was_skipped(tiles: Path, tmp_path: Path) -> None:
    shutil.copytree(tiles, tmp_path / "photos")
    assert run("train", tmp_path / "photos", "--strict").returncode == 0
    (tmp_path / "photos" / "train" / "temple" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    loose = run("train", tmp_path / "photos")
    assert loose.returncode == 0
    assert "1 of 49 files is not used" in loose.stderr
    strict = run("train", tmp_path / "photos", "--strict", "--json")
    assert strict.returncode == 1
    assert json.loads(strict.stdout)["photos"]["skipped"] == 1


def test_a_typo_in_the_path_gets_a_hint(tiles: Path) -> None:
    fails(process("train", tiles.with_name("tilse")), "does not exist", "Did you mean", "tiles")


def test_a_missing_model_and_a_missing_photo_are_reported(model: Path, tmp_path: Path) -> None:
    fails(run("predict", tmp_path / "nothing", tmp_path), "nothing does not exist")
    fails(run("predict", model, tmp_path / "nothing.jpg"), "nothing.jpg does not exist")
    fails(run("evaluate", tmp_path, tmp_path), "not a saved classifier")
    fails(run("predict", model, "n" * 5000), "does not exist")
    fails(run("train", "n" * 300), "does not exist")


def test_an_existing_output_is_not_overwritten_unasked(tiles: Path, model: Path, tmp_path: Path) -> None:
    fails(run("train", tiles, "-o", model), "holds a saved classifier already", "--overwrite")
    shutil.copytree(model, tmp_path / "model")
    assert run("train", tiles, "-o", tmp_path / "model", "--overwrite").returncode == 0
    fails(run("train", tiles, "-o", tmp_path / "no" / "model"), "does not exist")


def test_an_unknown_head_or_network_is_reported(tiles: Path) -> None:
    result = run("train", tiles, "--head", "logistc")
    assert result.returncode == 2
    expected = "expected logistic, lda, ridge, centroid or knn, received 'logistc'. Did you mean 'logistic'?"
    assert expected in result.stderr
    fails(run("train", tiles, "-b", "resnet"), "No backbone is called 'resnet'")
    fails(run("train", tiles, "--fraction", "2"), "fraction")


def test_usage_errors_have_their_own_exit_code(tiles: Path) -> None:
    for arguments in (["train"], ["train", tiles, "--hed", "x"], ["frobnicate"], ["train", tiles, "--view", "round"]):
        result = process(*arguments)
        assert result.returncode == 2, result.stderr
        assert "Traceback" not in result.stderr


def test_an_unwritable_csv_is_reported(model: Path, tiles: Path, tmp_path: Path) -> None:
    fails(run("predict", model, tiles / "test", "--csv", tmp_path / "no" / "out.csv"), "cannot be written")


def test_an_unusable_store_is_reported(tiles: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    fails(process("train", tiles, HEADSTART_HOME=str(tmp_path / "file")), "HEADSTART_HOME")
    fails(process("train", tiles, HEADSTART_HOME="/proc/headstart"), "HEADSTART_HOME")


def test_debugging_shows_the_traceback(tmp_path: Path) -> None:
    result = process("train", tmp_path / "nothing", HEADSTART_DEBUG="1")
    assert result.returncode == 1
    assert "Traceback" in result.stderr


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS refuses such names")
def test_file_names_that_are_not_utf8_do_not_stop_anything(tiles: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    shutil.copytree(tiles, photos)
    odd = os.fsencode(photos / "train" / "temple") + b"/caf\xe9\n.png"
    os.rename(photos / "train" / "temple" / "00.png", odd)
    os.rename(photos / "test" / "flower" / "00.png", os.fsencode(photos / "test" / "flower") + b"/\xff.png")
    (photos / "train" / "temple" / "x").write_bytes(b"")
    assert process("train", photos, "-o", tmp_path / "model").returncode == 0
    document = json.loads(process("train", photos, "--json").stdout)
    assert document["photos"]["used"] == 48
    predicted = process("predict", tmp_path / "model", photos / "test", "--csv", tmp_path / "out.csv")
    assert predicted.returncode == 0, predicted.stderr
    predicted = process("predict", tmp_path / "model", photos / "test", "--json")
    assert len(json.loads(predicted.stdout)["predictions"]) == 24
    learnt = json.loads(process("train", tmp_path / "out.csv", "--json").stdout)  # what was written is read back
    assert learnt["photos"]["used"] == learnt["features"]["from_store"] == 24


def test_ctrl_c_keeps_what_was_extracted(tmp_path: Path, home: Path) -> None:
    from fakes import write_photos

    photos = tmp_path / "photos"
    write_photos(photos, {"a": 150, "b": 150})
    child = subprocess.Popen(
        [HEADSTART, "train", str(photos)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for _ in range(600):
        time.sleep(0.05)
        keys = list((home / "vectors").glob("*/vectors.keys"))
        if keys and keys[0].stat().st_size >= 64 * 40:
            break
    child.send_signal(signal.SIGINT)
    _, messages = child.communicate(timeout=60)
    assert child.returncode == 130, messages
    assert "Finished work is kept" in messages
    assert "Traceback" not in messages
    kept = json.loads(process("cache", "info", "--json").stdout)["vectors"]
    assert 64 <= kept < 300
    document = json.loads(process("train", photos, "--head", "centroid", "--json").stdout)
    assert document["features"] == {
        "computed": 300 - kept,
        "from_store": kept,
        "photos_per_second": document["features"]["photos_per_second"],
        "under_load": None,
    }


@pytest.mark.usefixtures("tiles_are_new")
def test_a_terminal_gets_a_bar_with_rate_and_time_left(tiles: Path) -> None:
    # A real terminal: the bar is drawn only where stderr is one.
    main, side = pty.openpty()
    child = subprocess.Popen(
        [HEADSTART, "train", str(tiles)],
        stdout=subprocess.DEVNULL,
        stderr=side,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(side)
    seen = read_terminal(main)
    assert child.wait() == 0
    assert b"48/48" in seen
    assert b"photos/s" in seen


def test_help_names_every_command() -> None:
    text = process("--help").stdout
    for command in ("demo", "classify", "train", "evaluate", "predict", "cache"):
        assert command in text
        assert process(command, "--help").returncode == 0


def test_the_version_is_printed_for_bug_reports() -> None:
    result = process("--version")
    assert result.returncode == 0
    assert result.stdout == f"headstart, version {headstart.__version__}\n"
