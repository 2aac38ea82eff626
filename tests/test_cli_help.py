"""Help, examples, suggestions, completion; `doctor` and the cache commands."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from command_line import commands
from headstart.apps.cli.commands import app
from headstart.disk import home
from headstart.photos.samples import find
from test_embedding import run

HEADSTART = str(Path(sys.executable).with_name("headstart"))


ALL = dict(commands(app))


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_help_has_examples_that_can_be_typed(words: tuple[str, ...]) -> None:
    examples = ALL[words].examples  # type: ignore[attr-defined]
    assert examples
    for example in examples:
        typed = shlex.split(example.partition(">")[0])
        named = next(typed[:n] for n in (2, 1) if tuple(typed[:n]) in ALL)
        assert tuple(named)[: len(words)] == words, example
        known = {option for one in ALL[tuple(named)].params for option in one.opts}
        assert {word for word in typed if word.startswith("-")} <= known, example
        if named == ["samples", "get"]:
            assert find(typed[2])


def test_help_of_a_command_is_its_help() -> None:
    for words in (("train",), ("backbones", "get")):
        assert run("help", *words) == run(*words, "-h") == run(*words, "--help")
    code, _ = run("help", "trian")
    assert code == 2


@pytest.mark.parametrize(
    ("typed", "meant"),
    [(["trian"], "train"), (["train", "x", "--fracton", "1"], "--fraction"), (["help", "modles"], "models")],
)
def test_a_mistyped_word_gets_a_suggestion(typed: list[str], meant: str) -> None:
    done = subprocess.run([HEADSTART, *typed], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert meant in done.stderr.replace(" ".join(typed), "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_each_shell_has_its_script(shell: str) -> None:
    code, script = run("completion", shell)
    assert code == 0
    assert "headstart" in script
    assert "_HEADSTART_COMPLETE" in script
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def completed(words: str, current: str, shell: str) -> list[str]:
    place = current if shell == "powershell" else str(len(words.split(" ")) - 1)
    asked = {"_HEADSTART_COMPLETE": f"{shell}_complete", "COMP_WORDS": words, "COMP_CWORD": place}
    return subprocess.run(
        [HEADSTART], env={**os.environ, **asked}, capture_output=True, text=True, check=True
    ).stdout.split("\n")


def test_the_script_completes_commands_and_options() -> None:
    assert "plain,train" in completed("headstart tr", "tr", "bash")
    assert "plain,--fraction" in completed("headstart train --fr", "--fr", "bash")
    assert any(line.startswith("train\t") for line in completed("headstart", "tr", "powershell"))


def test_doctor_shows_one_page_without_the_users_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HEADSTART_HOME", str(tmp_path / "kept"))
    code, text = run("doctor")
    assert code == 0
    assert str(tmp_path) not in text
    assert "~/kept" in text.replace(os.sep, "/")
    for word in ("headstart", "Python", "processor", "OpenVINO", "cache", "extras", "numpy"):
        assert word in text
    _, printed = run("doctor", "--json")
    document = json.loads(printed)
    assert document["extras"]["sklearn"] is True
    assert document["offline"] is False
    monkeypatch.setenv("HEADSTART_OFFLINE", "1")
    assert json.loads(run("doctor", "--json")[1])["offline"] is True


def test_the_cache_adds_up_and_can_be_removed_whole(
    tiles: Path, graphs: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    shutil.copytree(graphs / "compiled", kept / "compiled")
    monkeypatch.setenv("HEADSTART_HOME", str(kept))
    run("train", tiles, "--head", "centroid")
    for name in home.PARTS:
        (kept / name).mkdir(exist_ok=True)
        (kept / name / "something").write_text("kept here")
    document = json.loads(run("cache", "info", "--json")[1])
    on_disk = sum(path.stat().st_size for path in kept.rglob("*") if path.is_file())
    assert sum(document["parts"].values()) == document["bytes"] == on_disk
    assert document["parts"]["compiled"] > 0
    assert set(document["parts"]) <= {*home.PARTS, "other"}
    assert run("cache", "clear", "--all")[0] == 0
    assert not kept.exists()


def test_without_a_backbone_those_on_this_machine_are_compared(tiles: Path) -> None:
    code, printed = run("compare", tiles, "--head", "centroid", "--json")
    assert code == 0
    assert [one["backbone"] for one in json.loads(printed)["entries"]] == ["builtin:efficientnet-lite0"]
