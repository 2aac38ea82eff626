"""Nothing that strangers named or wrote drives the user's terminal: whole processes, and every character they print."""

from __future__ import annotations

import io
import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from command_line import read_terminal
from fakes import write_photos
from headstart.safety.printable import show
from hub_server import HubServer, Request, serving

HEADSTART = str(Path(sys.executable).with_name("headstart"))
EVIL = "\x1b[2K\x1b]0;owned\x07\x9b31m\u202e\u2066\u200b[red]{task}\r\nError: forged\nforged"
CLASSES = (f"a{EVIL}", f"b{EVIL}", "c\udce9")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setenv("NO_PROXY", "*")
    with serving() as server:
        yield server


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [HEADSTART, *map(os.fspath, arguments)]
    return subprocess.run(
        command, capture_output=True, env={**os.environ, **environment}, encoding="utf-8", errors="surrogateescape"
    )


def harmless(*texts: str) -> None:
    """Every character can be seen, every line is one of ours."""
    for text in texts:
        assert [c for c in text if c != "\n" and show(c) != c] == []
        assert "Error: forged" not in [line[:13] for line in text.splitlines()]
        assert not any(line.startswith("forged") for line in text.splitlines())


def broken_tiff() -> bytes:
    """A fax that libtiff complains about, a line for each of its own."""
    packed = io.BytesIO()
    Image.effect_noise((64, 64), 100).convert("1").save(packed, "TIFF", compression="group4")
    data = bytearray(packed.getvalue())
    for place in range(8, 200, 7):
        data[place] ^= 0x5A
    return bytes(data)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile") / "photos"
    write_photos(folder, dict.fromkeys(["red", "lime", "blue"], 8), suffix=".png")
    for before, name in zip(("red", "lime", "blue"), CLASSES, strict=True):
        os.rename(folder / before, folder / name)
        for number in range(3):
            os.rename(folder / name / f"{number:03}.png", folder / name / f"{number}{EVIL}.png")
        (folder / name / f"broken{EVIL}.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    (folder / CLASSES[0] / f"fax{EVIL}.tif").write_bytes(broken_tiff())
    copied = folder / CLASSES[1] / f"7{EVIL}.png"  # of two classes
    shutil.copyfile(folder / CLASSES[0] / "007.png", copied)
    return folder


@pytest.fixture(scope="module")
def model(photos: Path, graphs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home, model = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("models") / f"m{EVIL}"
    (home / "compiled").symlink_to(graphs / "compiled")
    result = run("train", photos, "-o", model, HEADSTART_HOME=str(home))
    assert result.returncode == 0, result.stderr
    harmless(result.stdout, result.stderr)
    for part in (r"a\x1b[2K\x1b]0;owned\x07\x9b31m\u202e\u2066\u200b[red]{task}\r\nError: forged\nforged", r"c\xe9"):
        assert part in result.stdout
    forged = r"\r\nError: forged\nforged"
    assert f"{forged}.png: the same photo is labelled" in result.stderr
    assert f"{forged}.jpg: " in result.stderr
    return model


def test_names_of_classes_photos_and_models_print_harmlessly(model: Path, photos: Path, tmp_path: Path) -> None:
    shutil.copytree(photos, tmp_path / "more")
    os.rename(tmp_path / "more" / CLASSES[0], tmp_path / "more" / f"unknown{EVIL}")
    for code, *command in (
        (0, "predict", model, photos),
        (0, "predict", model, photos, "--json"),
        (0, "evaluate", model, photos),
        (0, "classify", photos / CLASSES[0]),
        (1, "evaluate", model, tmp_path / "more"),
        (1, "train", photos, "-o", model),
        (1, "predict", model, tmp_path / f"none{EVIL}"),
        (1, "classify", model / "head.safetensors", "-b", f"none{EVIL}"),
        (1, "predict", tmp_path / f"none{EVIL}", photos),
        (1, "cache", "info", "HEADSTART_HOME"),
        (2, "train", photos, f"--none{EVIL}"),
        (2, "train", photos, "--view", EVIL),
        (2, f"none{EVIL}"),
    ):
        environment = {"HEADSTART_HOME": str(tmp_path / f"file{EVIL}")} if command[-1] == "HEADSTART_HOME" else {}
        if environment:
            (tmp_path / f"file{EVIL}").touch()
            command.pop()
        result = run(*command, **environment)
        assert result.returncode == code, result.stderr
        harmless(result.stdout, result.stderr)
        assert "Traceback" not in result.stderr


def test_a_traceback_asked_for_prints_harmlessly(tmp_path: Path) -> None:
    result = run("train", tmp_path / f"none{EVIL}", HEADSTART_DEBUG="1")
    assert "Traceback" in result.stderr
    harmless(result.stdout, result.stderr)


def test_json_is_in_plain_ascii(model: Path, photos: Path, tmp_path: Path) -> None:
    odd = tmp_path / "x\x7f\u0085.jpg"
    shutil.copyfile(photos / CLASSES[0] / "007.png", odd)
    result = run("predict", model, odd, "--json")
    assert result.stdout.isascii()
    assert result.stdout.replace("\n", "").isprintable()
    assert json.loads(result.stdout)["predictions"][0]["path"] == str(odd)


def test_libraries_in_c_do_not_reach_the_terminal_and_with_debugging_they_do(photos: Path) -> None:
    fax = photos / CLASSES[0] / f"fax{EVIL}.tif"
    assert "Fax4Decode" in run("classify", fax, HEADSTART_DEBUG="1").stderr
    assert "Fax4Decode" not in run("classify", fax).stderr


def test_a_server_cannot_write_to_the_terminal(hub: HubServer) -> None:
    def refuse(request: Request) -> None:
        request.send_response(403, "\x1b]0;owned\x07 no \x9b31m")
        request.end_headers()

    hub.on("/net.onnx", refuse)
    result = run("backbones", "get", f"{hub.url}/net.onnx")
    assert result.returncode == 1
    assert r"403 (\x1b]0;owned\x07 no \x9b31m)" in result.stderr
    harmless(result.stderr)
    hub.on("/page.onnx", b"<!doctype html><html><title>\x1b]0;owned\x07\xe2\x80\xae</title>" + b"." * 5_000)
    result = run("backbones", "get", f"{hub.url}/page.onnx")
    assert r"an HTML page ('\x1b]0;owned\x07\u202e')" in result.stderr
    harmless(result.stderr)


def test_a_crash_is_still_seen(tmp_path: Path) -> None:
    code = "import os; from headstart.apps.cli.console import run; run(lambda **_: os.abort())"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == -6
    assert "Fatal Python error: Aborted" in result.stderr


@pytest.mark.parametrize(("closed", "code", "answer"), [("1>&-", 0, ""), ("2>&-", 0, "top-1")])
def test_a_closed_stream_is_a_silent_one(closed: str, code: int, answer: str) -> None:
    result = subprocess.run(["sh", "-c", f"{HEADSTART} models mobilenet {closed}"], capture_output=True, text=True)
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout.split()[:1] == ([answer] if answer else [])
    assert "Source:" not in result.stdout


def test_what_python_writes_at_any_moment_is_printable() -> None:
    code = (
        "import sys, warnings; from headstart.apps.cli.console import run\n"
        "def app(**_):\n"
        "    warnings.warn('\\x1b[31m\\u202e')\n"
        "    print('\\x1b]0;owned\\x07'); print('\\x9b', file=sys.stderr)\n"
        "    raise ValueError('\\x1b[2Ka\\rb')\n"
        "run(app)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stdout == "\\x1b]0;owned\\x07\n"
    assert "Warning: \\x1b[31m\\u202e\n\\x9b\n" in result.stderr
    assert "ValueError: \\x1b[2Ka\\rb" in result.stderr
    harmless(result.stdout, result.stderr)


def test_a_name_beside_a_bar_is_no_markup_and_no_control_code() -> None:
    code = (
        "import sys; from headstart.apps.cli.console import Bar, run\n"
        "def app(**_):\n"
        "    with Bar() as bar:\n"
        f"        bar.downloading({EVIL!r}, 1, 10); bar.message({EVIL!r}); bar.downloading({EVIL!r}, 5, 10)\n"
        "run(app)"
    )
    leader, follower = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", code], stderr=follower, env={**os.environ, "TERM": "xterm", "COLUMNS": "250"}
    )
    os.close(follower)
    drawn = read_terminal(leader)
    assert child.wait() == 0
    text = drawn.decode()
    assert r"Downloading \x1b[2K\x1b]0;owned\x07\x9b31m\u202e\u2066\u200b[red]{task}\r\nError: forged\nforged" in text
    assert "5.00/10.0" in text, "the bar moves the cursor, so its own codes are not spelled"
    for control in ("\x1b]0;", "\x07", "\x9b", "\u202e"):
        assert control not in text
