"""`headstart samples` as a person and a script use it."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import command_line
from headstart.photos.samples import SAMPLES, find
from hub_server import HubServer, Request, serving, stand_alone

HEADSTART = str(Path(sys.executable).with_name("headstart"))
NAME = "pizza_steak"


@pytest.fixture(scope="module")
def data() -> bytes:
    """As many photos as there should be, tiny ones."""
    sample = find(NAME)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for side, counts in (("train", sample.train), ("test", sample.test)):
            for label, count in counts.items():
                for number in range(count):
                    opened.writestr(f"{NAME}/{side}/{label}/{number}.jpg", f"{side} {label} {number}" * 9)
    return buffer.getvalue()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes) -> Iterator[HubServer]:
    stand_alone(tmp_path, monkeypatch)
    monkeypatch.chdir(tmp_path)
    with serving() as server:
        monkeypatch.setenv("HEADSTART_SAMPLES_URL", server.url)
        server.on(f"/{NAME}.zip", lambda r: r.send(data, headers={"ETag": '"one"'}))
        yield server


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return command_line.run("samples", *arguments, **environment)


def fails(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert result.returncode == 1, result.stderr
    assert result.stdout == ""
    line = result.stderr.strip().splitlines()[-1]
    assert line.startswith("Error: ")
    for word in words:
        assert word in line


def test_list_shows_what_there_is_and_on_which_terms() -> None:
    result = run("list")
    assert result.returncode == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == [sample.name for sample in SAMPLES]
    assert "10_food_classes_10_percent   10 classes, 750 photos to train on, 2,500 to test; 169 MB" in result.stdout
    assert "flowers: CC-BY" in result.stderr
    assert "research use only" in result.stderr


def test_list_as_json_holds_every_count() -> None:
    listed = json.loads(run("list", "--json").stdout)["samples"]
    assert [one["name"] for one in listed] == [sample.name for sample in SAMPLES]
    assert set(listed[0]) == {
        "name", "url", "megabytes", "licence", "classes", "train", "test", "train_by_class", "test_by_class",
    }  # fmt: skip
    assert listed[-1]["train_by_class"]["roses"] == 641
    assert listed[-1]["test"] is None


def test_get_puts_it_into_this_folder_and_shows_what_next(server: HubServer, tmp_path: Path, data: bytes) -> None:
    result = run("get", NAME)
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"{NAME}: 2 classes, 1,500 photos to train on, 500 to test.\n"
    assert result.stderr.splitlines() == [
        f"Downloading {NAME} ({len(data) / 1e6:.1f} MB)",
        "Unpacking 2,000 photos.",
        f"Licence: {find(NAME).licence}.",
        f"Next: headstart train {NAME} -o NAME",
    ]
    assert len(list((tmp_path / NAME).rglob("*.jpg"))) == 2000
    again = run("get", NAME)
    assert again.stdout == f"{NAME}: 2 classes, 1,500 photos to train on, 500 to test; it was here already, complete.\n"
    assert len(server.requests) == 1


def test_get_as_json_is_one_document(server: HubServer, tmp_path: Path) -> None:
    for new in (True, False):
        document = json.loads(run("get", NAME, tmp_path / "data", "--json").stdout)
        assert document["path"] == str(tmp_path / "data" / NAME)
        assert document["new"] is new
        assert document["test"] == 500
        assert document["test_by_class"] == {"pizza": 250, "steak": 250}


def test_get_from_a_file_needs_no_network(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "fetched.zip").write_bytes(data)
    result = run("get", NAME, tmp_path, "--from", tmp_path / "fetched.zip", HEADSTART_OFFLINE="1")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / NAME / "test" / "steak" / "249.jpg").is_file()


def test_errors_are_one_line(server: HubServer, tmp_path: Path) -> None:
    fails(run("get", "pizza"), "No data set is called 'pizza'", "pizza_steak")
    fails(
        run("get", NAME, HEADSTART_OFFLINE="1"), "HEADSTART_OFFLINE is set", f"{server.url}/{NAME}.zip", "--from FILE"
    )
    (tmp_path / NAME).mkdir()
    fails(run("get", NAME), "exists already", "Nothing was overwritten")


def test_ctrl_c_stops_and_the_same_command_goes_on(server: HubServer, data: bytes, tmp_path: Path) -> None:
    waiting, half = threading.Event(), len(data) // 2

    def slow(request: Request) -> None:
        request.send(data[:half], headers={"ETag": '"one"'}, claimed=len(data))
        request.wfile.flush()
        waiting.wait(20)

    def rest(request: Request) -> None:
        start = int(request.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        request.send(data[start:], 206, {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"})

    server.on(f"/{NAME}.zip", slow, rest)
    with subprocess.Popen([HEADSTART, "samples", "get", NAME], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("Downloading")
        process.send_signal(signal.SIGINT)
        text = process.stderr.read()
    waiting.set()
    assert process.returncode == 130
    assert text == "Stopped. Finished work is kept; run the same command to continue.\n"
    result = run("get", NAME)
    assert result.returncode == 0, result.stderr
    assert "continuing after" in result.stderr
    assert len(list((tmp_path / NAME).rglob("*.jpg"))) == 2000
