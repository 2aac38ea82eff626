"""`headstart backbones` as a person and a script use it, and the bar of a download."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import command_line
from command_line import read_terminal
from headstart.apps.cli.console import Bar
from hub_server import HubServer, Request, serving, stand_alone, tar

HEADSTART = str(Path(sys.executable).with_name("headstart"))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    stand_alone(tmp_path, monkeypatch)
    with serving() as server:
        yield server


@pytest.fixture
def net(hub: HubServer) -> str:
    return hub.url + "/google/net/1"


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return command_line.run("backbones", *arguments, **environment)


def document(*arguments: str | Path, code: int = 0) -> dict:  # type: ignore[type-arg]
    result = run(*arguments, "--json")
    assert result.returncode == code, result.stderr
    return json.loads(result.stdout)  # type: ignore[no-any-return]


def fails(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert result.returncode == 1, result.stderr
    assert result.stdout == ""
    line = result.stderr.strip().splitlines()[-1]
    assert line.startswith("Error: ")
    for word in words:
        assert word in line


def test_get_shows_where_the_network_is(net: str, home: Path) -> None:
    result = run("get", net)
    handle, path = result.stdout.split()
    assert handle == net
    assert (Path(path) / "saved_model.pb").is_file()
    assert result.stderr == f"Downloading {net} (0.0 MB)\n"
    again = run("get", net + "/")
    assert (again.stdout, again.stderr) == (result.stdout, "")


def test_list_shows_what_is_kept(net: str) -> None:
    assert run("list").stderr.startswith("No models are kept.")
    run("get", net)
    (line,) = run("list").stdout.splitlines()
    handle, size, unit, day, source = line.split()
    assert (handle, size, unit, source) == (net, "0.1", "MB", net)
    assert len(day) == 10
    (entry,) = document("list")["backbones"]
    assert set(entry) == {"backbone", "origin", "time", "bytes", "file_count", "path"}
    assert (entry["backbone"], entry["origin"], entry["file_count"]) == (net, net, 3)


def test_get_refresh_asks_again(net: str, hub: HubServer) -> None:
    run("get", net)
    hub.on("/google/net/1", tar({"net.tflite": b"new"}))
    (entry,) = document("get", "--refresh", net)["backbones"]
    assert entry["path"].endswith("net.tflite")


def test_verify_exits_with_1_if_a_network_is_damaged(net: str, home: Path) -> None:
    run("get", net)
    assert run("verify").stdout == "1 sound, 0 damaged.\n"
    next((home / "networks").rglob("saved_model.pb")).write_bytes(b"broken")
    result = run("verify", net)
    assert result.returncode == 1
    assert f"{net} is damaged: saved_model.pb has 6 bytes, expected 500." in result.stdout
    assert "headstart backbones get" in result.stderr
    assert document("verify", code=1) == {
        "backbones": [{"backbone": net, "problem": "saved_model.pb has 6 bytes, expected 500"}],
        "damaged": 1,
    }
    assert run("get", net).returncode == 0
    assert document("verify") == {"backbones": [{"backbone": net, "problem": None}], "damaged": 0}


def test_remove_drops_what_it_is_asked_to(net: str) -> None:
    run("get", net)
    fails(run("remove", net + "1"), "is not in the cache", f"Near names: {net}.")
    assert run("remove", net).stdout == f"{net} is removed.\n"
    assert document("list") == {"backbones": [], "bytes": 0}
    run("get", net)
    assert document("remove", net) == {"backbones": [{"backbone": net}]}


def test_networks_are_packed_and_unpacked_elsewhere(net: str, tmp_path: Path) -> None:
    result = run("pack", net, "-o", tmp_path / "networks.tar")
    assert "1 model, 0.1 MB, packed in" in result.stdout
    assert "headstart backbones unpack networks.tar" in result.stdout
    elsewhere = {"HEADSTART_HOME": str(tmp_path / "elsewhere"), "HEADSTART_OFFLINE": "1"}
    fails(run("get", net, **elsewhere), net, "HEADSTART_OFFLINE", "headstart backbones pack")
    result = run("unpack", tmp_path / "networks.tar", **elsewhere)
    assert result.stdout.split()[0] == net
    assert run("get", net, **elsewhere).returncode == 0
    assert "is already here, unchanged." in run("unpack", tmp_path / "networks.tar", **elsewhere).stderr
    assert document("pack", net, "-o", tmp_path / "again.tar")["backbones"][0]["backbone"] == net
    assert document("unpack", tmp_path / "again.tar")["backbones"][0]["new"] is False


def test_an_error_is_one_line_with_the_handle(hub: HubServer) -> None:
    hub.on("/google/page/1", b"<html><title>Find models</title>")
    result = run("get", hub.url + "/google/page/1")
    fails(result, hub.url + "/google/page/1", "an HTML page ('Find models')")
    assert len(result.stderr.strip().splitlines()) == 1
    fails(run("get", "mobilenet"), "No backbone is called 'mobilenet'")


def test_without_arguments_the_help_is_shown() -> None:
    result = run()
    for command in ("list", "get", "verify", "remove", "pack", "unpack"):
        assert command in result.stdout + result.stderr


def test_ctrl_c_at_nine_tenths_and_the_same_command_downloads_the_last_tenth(net: str, hub: HubServer) -> None:
    data = tar({"saved_model.pb": os.urandom(1_000_000)})
    most, free = len(data) * 9 // 10, threading.Event()

    def stop_there(request: Request) -> None:
        request.send(data[:most], headers={"ETag": '"one"'}, claimed=len(data))
        request.wfile.flush()
        free.wait(60)

    def send_rest(request: Request) -> None:
        assert request.headers["If-Range"] == '"one"'
        start = int(request.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        where = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}", "ETag": '"one"'}
        request.send(data[start:], 206, where)

    hub.on("/google/net/1", stop_there, send_rest)
    arrived = Path(os.environ["HEADSTART_HOME"]) / "networks" / "arriving"
    with subprocess.Popen([HEADSTART, "backbones", "get", net], stderr=subprocess.PIPE, text=True) as process:
        while sum(path.stat().st_size for path in arrived.glob("*/archive")) < most:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        text = process.stderr.read()
    free.set()
    assert process.returncode == 130
    assert text.endswith("Stopped. Finished work is kept; run the same command to continue.\n")
    result = run("get", net)
    assert result.returncode == 0, result.stderr
    assert "continuing after" in result.stderr
    assert [headers.get("Range") for _, _, headers in hub.requests] == [None, f"bytes={most}-"]
    assert (Path(result.stdout.split()[1]) / "saved_model.pb").stat().st_size == 1_000_000
    assert not arrived.exists()


# --- the bar ---


def test_without_a_terminal_a_download_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with Bar() as bar:
        for done in (0, 5_000_000, 12_300_000):
            bar.downloading("hf:owner/net", done, 12_300_000)
        bar.downloading("other", 1, None)
        bar.downloading("other", 2, 2)
    assert capsys.readouterr().err == "Downloading hf:owner/net (12.3 MB)\nDownloading other\n"


def test_on_a_terminal_a_download_is_a_bar_in_bytes_that_ends_cleanly(net: str, hub: HubServer) -> None:
    data = tar({"saved_model.pb": os.urandom(2_000_000)})

    def slowly(request: Request) -> None:
        request.send(data[:1_000], claimed=len(data))
        for start in range(1_000, len(data), 500_000):
            time.sleep(0.1)  # so that there is a rate to show
            request.wfile.write(data[start : start + 500_000])

    hub.on("/google/net/1", slowly)
    leader, follower = pty.openpty()
    child = subprocess.Popen(
        [HEADSTART, "backbones", "get", net],
        stdout=subprocess.PIPE,
        stderr=follower,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "160"},
    )
    os.close(follower)
    shown = read_terminal(leader)
    assert child.wait() == 0
    assert child.stdout is not None
    child.stdout.close()
    text = shown.decode()
    assert f"Downloading {net}" in text
    assert "100%" in text
    assert "2.00M/2.00M" in text
    assert "MB/s" in text
    assert text.endswith("\r\n")  # what comes next does not overwrite the bar
    assert "\x1b[?25l" not in text, "the cursor is never hidden"
