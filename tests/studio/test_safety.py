"""Attacks on the page: other sites, other names, other devices, too many listeners, and a process that is killed."""

from __future__ import annotations

import asyncio
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from running import HEADERS, HERE, PATIENCE, Running, running
from starlette.testclient import TestClient

from headstart.apps.studio import phones as phone_module
from headstart.apps.studio.events import MOST_LISTENERS, MOST_WAITING, Stream
from headstart.apps.studio.folder import TRASH
from headstart.apps.studio.phones import Phones
from headstart.apps.studio.server import PORT, serve
from headstart.backbones import DEFAULT
from headstart.errors import DataError

TINY = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def studio(graphs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("safety") / "trees"
    (folder / "oak").mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSTART_HOME", str(graphs))
        with running(folder) as found:
            yield found


# --- other sites and names ---


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8770", "127.0.0.1.evil.example", "192.168.1.8:8770", ""]
)
def test_a_page_whose_name_was_pointed_here_gets_nothing(studio: Running, host: str) -> None:
    answer = studio.page.get("/api/state", headers={"Host": host})
    assert (answer.status_code, "photos" in answer.text) == (421, False)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:9999", "http://localhost:8770"])
def test_a_page_of_another_site_changes_nothing(studio: Running, origin: str) -> None:
    step = {"action": "add_class", "name": "evil"}
    assert studio.page.post("/api/do", json=step, headers={"Origin": origin}).status_code == 403
    assert studio.studio.project.classes == ["oak"]


def test_a_form_of_another_site_changes_nothing(studio: Running) -> None:
    """Browsers send forms of other sites without our header, and some without an Origin."""
    form = TestClient(studio.page.app, base_url="http://127.0.0.1:8770", client=HERE)
    for address in ("/api/do", "/api/photos?label=oak", "/api/compare", "/api/phone", "/api/backbone"):
        answer = form.post(address, data={"action": "undo"})
        assert (answer.status_code, "X-Headstart" in answer.json()["error"]) == (403, True)


def test_no_other_site_may_ask_beforehand_or_read(studio: Running) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    found = [studio.page.options("/api/do", headers=asked), studio.page.get("/api/state", headers=asked)]
    assert not [answer for answer in found if "access-control-allow-origin" in answer.headers]


@pytest.mark.parametrize("address", ["/", "/api/state", "/page/main.js", "/thumb/p99", "/nothing"])
def test_every_answer_has_the_page_s_policies(studio: Running, address: str) -> None:
    headers = studio.page.get(address).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'self'"
    assert policy.get("script-src", "'self'") == "'self'"
    assert {policy["object-src"], policy["base-uri"], policy["frame-ancestors"]} == {"'none'"}
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    "address",
    ["/page/../app.py", "/page/%2e%2e/app.py", "/page/..%2fapp.py", "/page//etc/passwd", "/page/%2fetc%2fpasswd",
     "/page/", "/thumb/../../etc/passwd", "/download/export/..%2f..%2fx.zip", "/thumb/%00", "/photo/p1/../p2"],
)  # fmt: skip
def test_no_address_leads_to_another_file(studio: Running, address: str) -> None:
    answer = studio.page.get(address)
    assert answer.status_code in (400, 404)
    assert "root:" not in answer.text
    assert "import" not in answer.text


def test_markup_in_class_names_stays_text(studio: Running) -> None:
    name = "<img src=x onerror=alert(1)>"
    studio.page.post("/api/do", json={"action": "add_class", "name": name})
    answer = studio.page.get("/api/state")
    assert answer.headers["content-type"] == "application/json"
    assert name in [one["name"] for one in answer.json()["classes"]]
    studio.page.post("/api/do", json={"action": "undo"})


def test_too_much_in_one_request_is_refused(studio: Running) -> None:
    assert studio.page.post("/api/do", content=b" " * (2**22 + 1)).status_code == 413
    lied = {"Content-Length": str(2**40)}
    assert studio.page.post("/api/photos?label=oak", content=b"", headers=lied).status_code == 413
    many = [("file", (f"{i}.png", TINY)) for i in range(5001)]
    answer = studio.page.post("/api/photos?label=oak", files=many)
    assert (answer.status_code, "5000" in answer.json()["error"]) == (400, True)


# --- the network ---


def test_another_device_sees_nothing_without_an_invitation(studio: Running) -> None:
    device = studio.phone()
    for address in ("/", "/api/state", "/api/events", "/thumb/p1", "/download/classifier.zip"):
        assert device.get(address).status_code == 403
    assert device.post("/api/do", json={"action": "undo"}).status_code == 403
    assert device.get("/phone/unknown/state").status_code == 403


def test_an_invited_phone_sends_photos_and_no_second_device_does(studio: Running, tiles: Path) -> None:
    invited = studio.page.post("/api/phone", json={"label": "oak"}).json()
    assert re.fullmatch(r"http://192\.168\.1\.7:8770/phone/[\w-]{20,}", invited["url"])
    assert invited["qr"].startswith("<svg")
    address, content = urlsplit(invited["url"]).path, sorted((tiles / "test" / "flower").iterdir())[0].read_bytes()
    first, second = studio.phone(), studio.phone()
    assert first.get(f"{address}/state").status_code == 403
    assert [first.get(address).status_code for _ in range(2)] == [200, 200]
    assert "cross-origin-opener-policy" not in first.get(address).headers  # a browser would complain of it
    assert second.get(address).status_code == 403
    assert first.get(f"{address}/state").json() == {"folder": "trees", "classes": ["oak"], "label": "oak"}
    added = first.post(f"{address}/photos?label=oak", files=[("file", ("image.jpg", content))])
    assert len(added.json()["added"]) == 1
    for device in (second, studio.page):
        assert device.post(f"{address}/photos?label=oak", files=[("file", ("b.jpg", content))]).status_code == 403
    assert first.post(f"{address}/photos?label=oak", headers={"Origin": "http://192.168.1.7:1"}).status_code == 403
    assert first.get("/api/state").status_code == 403
    studio.page.post("/api/do", json={"action": "undo"})


def test_an_invitation_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    phones = Phones("http://192.168.1.7:8770")
    token = str(phones.invite("")["url"]).rpartition("/")[2]
    later = phone_module.time.monotonic() + phone_module.INVITED + 1
    monkeypatch.setattr(phone_module.time, "monotonic", lambda: later)
    with pytest.raises(DataError, match="has run out"):
        phones.enter(token)


def test_phones_are_admitted_only_with_lan(tmp_path: Path) -> None:
    with running(tmp_path, lan=False) as found:
        answer = found.page.post("/api/phone", json={})
        assert (answer.status_code, "--lan" in answer.json()["error"]) == (400, True)
        assert found.state()["lan"] is None


# --- events ---


def test_ten_thousand_events_reach_a_page_in_order_and_a_page_that_does_not_read_is_cut_off() -> None:
    async def both() -> tuple[list[int], int]:
        stream = Stream()
        quick, slow = stream.listen(), stream.listen()
        await anext(quick), await anext(slow)
        seen = []
        for number in range(10_000):
            stream.send("work", work=None)
            await asyncio.sleep(0)
            if number % 100 == 99:
                seen += [int(re.search(rb'"revision":(\d+)', await anext(quick))[1]) for _ in range(100)]  # type: ignore[index]
        async with asyncio.timeout(PATIENCE):
            return seen, sum([1 async for _ in slow])

    seen, left = asyncio.run(both())
    assert seen == list(range(1, 10_001))
    assert left == MOST_WAITING


def test_only_so_many_pages_listen_and_those_that_left_make_room() -> None:
    async def many() -> tuple[bool, bool]:
        stream = Stream()
        listening = [stream.listen() for _ in range(MOST_LISTENERS)]
        for one in listening:
            await anext(one)
        full = stream.is_full()
        await listening[0].aclose()  # type: ignore[attr-defined]
        return full, stream.is_full()

    assert asyncio.run(many()) == (True, False)


def test_events_from_many_threads_have_no_gap() -> None:
    async def gathered() -> list[int]:
        stream = Stream()
        listening = stream.listen()
        await anext(listening)
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(None, stream.send, "work") for _ in range(200)))
        lines = [await anext(listening) for _ in range(200)]
        return [int(re.search(rb'"revision":(\d+)', line)[1]) for line in lines]  # type: ignore[index]

    assert asyncio.run(gathered()) == list(range(1, 201))


# --- the process ---


def started(folder: Path, home: Path) -> tuple[subprocess.Popen[str], int, str]:
    """A studio in a process of its own, its port, and what it printed before that."""
    command = [
        sys.executable,
        "-c",
        "from headstart.apps.cli import main; main()",
        "studio",
        str(folder),
        "--no-browser",
    ]
    environment = {**os.environ, "HEADSTART_HOME": str(home)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    assert process.stdout is not None
    printed = ""
    for line in process.stdout:
        if "http://127.0.0.1:" in line:
            return process, int(line.rpartition(":")[2].strip("/\n")), printed
        printed += line
    raise AssertionError(f"the studio ended: {printed}")


def form(name: str, content: bytes) -> bytes:
    head = f'--cut\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    return head.encode() + content + b"\r\n"


@pytest.mark.slow
def test_a_studio_killed_in_the_middle_of_an_upload_leaves_no_half_file_and_loses_nothing(
    tmp_path: Path, tiles: Path, graphs: Path
) -> None:
    one, two = (path.read_bytes() for path in sorted((tiles / "test" / "flower").iterdir())[:2])
    process, port, printed = started(tmp_path / "trees", graphs)
    try:
        assert "did not exist and was made" in printed
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as to:
            to.request("POST", "/api/photos?label=oak", form("1.png", one) + b"--cut--", _MULTIPART)
            assert to.getresponse().read().startswith(b'{"added":["p1"]')
        with socket.create_connection(("127.0.0.1", port)) as half:
            body = form("2.png", two) + form("3.png", bytes(3_000_000))
            head = "\r\n".join(f"{name}: {value}" for name, value in {**_MULTIPART, "Host": "127.0.0.1"}.items())
            half.sendall(
                f"POST /api/photos?label=oak HTTP/1.1\r\n{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            )
            half.sendall(body[:-100_000])
            process.send_signal(signal.SIGKILL)
            process.wait()
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
    there = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert there == {"trees/oak/1.png", f"trees/{TRASH}/steps.json", f"trees/{TRASH}/lock"}
    assert (tmp_path / "trees" / "oak" / "1.png").read_bytes() == one


_MULTIPART = {"Content-Type": "multipart/form-data; boundary=cut", **HEADERS}


@pytest.mark.slow
def test_it_listens_on_this_machine_only_one_studio_a_folder_and_stops_at_ctrl_c(tmp_path: Path, graphs: Path) -> None:
    process, port, printed = started(tmp_path, graphs)
    try:
        assert printed == ""
        assert port >= PORT
        rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        listening = [local for _, local, _, state, *_ in rows if state == "0A"]
        assert [one for one in listening if one.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]
        with pytest.raises(DataError, match="open in another studio"):
            serve(tmp_path, [DEFAULT], None, False, False, print)
        with socket.create_connection(("127.0.0.1", port)) as listener:
            listener.sendall(b"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert listener.recv(100).startswith(b"HTTP/1.1 200")
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=20) == 130
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(DataError, match=r"Port \d+ cannot be used"):
        serve(tmp_path, [DEFAULT], taken.getsockname()[1], False, False, print)
