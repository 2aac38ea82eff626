"""Public data sets: loaded over lines that break, unpacked safely, counted, put in place whole or not at all."""

from __future__ import annotations

import errno
import io
import random
import shutil
import socket
import stat
import struct
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections import Counter, namedtuple
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from headstart.disk import download, retry, unpack
from headstart.disk.archive import ArchiveError, Limits
from headstart.errors import DataError
from headstart.photos.samples import SAMPLES, Got, Sample, find, get
from hub_server import Answer, Heard, HubServer, Request, serving, stand_alone, tar, write_certificate, zeros

PLACE = "https://example.invalid/data"
TINY = Sample("tiny", PLACE, "tiny.zip", 1, "free", {"pizza": 3, "steak": 2}, {"pizza": 1, "steak": 1})
BLOOMS = Sample("blooms", PLACE, "blooms.tgz", 1, "free", {"rose": 2, "tulip": 1})
FILE = "/tiny.zip"


def photos(sample: Sample, top: str = "") -> dict[str, bytes]:
    """What an archive of the sample holds: small files that differ and hardly shrink."""
    found = {}
    for side, counts in (("train/", sample.train), ("test/", sample.test)):
        for label, count in counts.items():
            for number in range(count):
                name = f"{side if sample.test else ''}{label}/{number}.jpg"
                found[top + name] = random.Random(name).randbytes(60_000)
    return found


def packed(files: Mapping[str, bytes], **entries: zipfile.ZipInfo) -> bytes:
    """A zip of files, and of links or other odd entries."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(name, content)
        for entry in entries.values():
            opened.writestr(entry, b"/etc/passwd")
    return buffer.getvalue()


ZIP = packed(photos(TINY, "tiny_food/"))


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    stand_alone(tmp_path, monkeypatch)
    with serving() as server:
        monkeypatch.setenv("HEADSTART_SAMPLES_URL", server.url + "/")
        server.on(FILE, serves(ZIP))
        yield server


@pytest.fixture
def progress() -> Heard:
    return Heard()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "data"


def serves(data: bytes, upto: int | None = None, **headers: str) -> Answer:
    """A file, as a good server gives it: the rest of it if that is asked for; `upto`: dies after so many bytes."""
    marks = headers or {"ETag": '"one"'}

    def answer(request: Request) -> None:
        start = 0
        if "Range" in request.headers and request.headers.get("If-Range") in marks.values():
            start = int(request.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        rest = data[start:upto]
        where = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if start else {}
        request.send(rest, 206 if start else 200, {**marks, **where}, claimed=len(data) - start)
        if upto is not None:
            close(request)

    return answer


def close(request: Request) -> None:
    request.wfile.flush()
    request.connection.shutdown(socket.SHUT_RDWR)
    request.close_connection = True


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def room_of(place: Path, sample: Sample = TINY) -> Path:
    return place / f".{sample.name}.part"


def arrived(place: Path) -> bytes:
    """What is kept of the download."""
    return (room_of(place) / "archive").read_bytes()


def ranges(server: HubServer) -> list[str | None]:
    return [headers.get("Range") for _, _, headers in server.requests]


def fails(
    place: Path, *words: str, sample: Sample = TINY, progress: Heard | None = None, file: Path | None = None
) -> str:
    """Getting it fails as it should: one error of ours that names the address; nothing is in its place."""
    with pytest.raises(DataError) as caught:
        get(sample, place, progress, file)
    text = str(caught.value)
    for word in (sample.url, *words):
        assert word in text
    assert not (place / sample.name).exists()
    assert not (room_of(place, sample) / "new").exists()
    return text


def nothing_is_left(place: Path) -> None:
    assert list(place.iterdir()) == []


# --- it works ---


def test_a_zip_is_loaded_unpacked_and_put_in_place(server: HubServer, place: Path, progress: Heard) -> None:
    got = get(TINY, place, progress)
    assert got == Got(TINY, place / "tiny", new=True)
    assert files_of(got.path) == photos(TINY)
    assert [path.name for path in place.iterdir()] == ["tiny"]
    assert progress.lines == ["Unpacking 7 photos."]
    assert server.requests[0][2]["User-Agent"].startswith("headstart/")


def test_a_tgz_is_taken_too_with_what_lies_beside_the_classes(server: HubServer, place: Path) -> None:
    files = {**photos(BLOOMS, "flower_photos/"), "flower_photos/LICENSE.txt": b"CC-BY"}
    server.on("/blooms.tgz", serves(tar(files)))
    assert files_of(get(BLOOMS, place).path) == {**photos(BLOOMS), "LICENSE.txt": b"CC-BY"}


def test_an_archive_need_not_have_a_folder_around_everything(server: HubServer, place: Path) -> None:
    server.on(FILE, serves(packed(photos(TINY))))
    assert files_of(get(TINY, place).path) == photos(TINY)


def test_a_data_set_of_one_class_keeps_its_folder(server: HubServer, place: Path) -> None:
    single = Sample("single", PLACE, "single.zip", 1, "free", {"rose": 2})
    server.on("/single.zip", serves(packed(photos(single))))
    assert files_of(get(single, place).path) == photos(single)


@pytest.mark.parametrize("kind", ["zip", "tgz"])
def test_files_that_operating_systems_add_are_left_out(kind: str, server: HubServer, place: Path) -> None:
    noise = {
        "tiny_food/.DS_Store": b"x",
        "__MACOSX/tiny_food/train/pizza/._0.jpg": b"x",
        "tiny_food/train/pizza/._0.jpg": b"x",
        "tiny_food/train/pizza/Thumbs.db": b"x",
        "tiny_food/train/.ipynb_checkpoints/0.jpg": b"x",
    }
    files = {**noise, **photos(TINY, "tiny_food/")}
    server.on(FILE, serves(packed(files) if kind == "zip" else tar(files)))
    assert files_of(get(TINY, place).path) == photos(TINY)


def test_the_progress_bar_receives_bytes_up_to_the_end(server: HubServer, place: Path, progress: Heard) -> None:
    get(TINY, place, progress)
    names, done, totals = zip(*progress.blocks, strict=True)
    assert set(names) == {"tiny"}
    assert list(done) == sorted(done)
    assert done[-1] == totals[-1] == len(ZIP)


def test_a_complete_data_set_is_not_downloaded_again(server: HubServer, place: Path, progress: Heard) -> None:
    get(TINY, place)
    assert get(TINY, place, progress) == Got(TINY, place / "tiny", new=False)
    assert len(server.requests) == 1
    assert progress.lines == []


def test_two_processes_do_not_disturb_each_other(server: HubServer, place: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from headstart.photos.samples import Sample, get\n"
        f"sample = Sample('tiny', {PLACE!r}, 'tiny.zip', 1, 'free', {TINY.train!r}, {TINY.test!r})\n"
        "print(get(sample, sys.argv[1]).new)"
    )
    command = [sys.executable, "-c", script, str(place)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert sorted(one.communicate()[0].strip() for one in running) == ["False", "False", "True"]
    assert len(server.requests) == 1
    assert files_of(place / "tiny") == photos(TINY)


# --- the line breaks ---


def test_after_a_broken_connection_only_the_rest_is_requested(server: HubServer, place: Path, progress: Heard) -> None:
    middle = len(ZIP) // 2
    server.on(FILE, serves(ZIP, upto=middle), serves(ZIP))
    assert files_of(get(TINY, place, progress).path) == photos(TINY)
    assert ranges(server) == [None, f"bytes={middle}-"]
    assert server.requests[1][2]["If-Range"] == '"one"'
    assert [done for _, done, _ in progress.blocks] == sorted(done for _, done, _ in progress.blocks)
    assert "broke off" in progress.lines[0]
    assert "continuing after 0.2 of 0.4 MB" in progress.lines[1]


@pytest.mark.parametrize("how", ["resets", "falls silent"])
def test_nothing_that_arrived_is_lost_with_the_line(
    how: str, server: HubServer, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "TIMEOUT", 0.3)
    heard, done = threading.Event(), threading.Event()

    class Hearing(Heard):
        def downloading(self, name: str, done: int, total: int | None) -> None:
            if done >= 20_000:
                heard.set()

    def answer(request: Request) -> None:
        request.send(ZIP[:20_000], headers={"ETag": '"one"'}, claimed=len(ZIP))
        request.wfile.flush()
        if how == "resets":
            heard.wait(20)  # with a reset the system throws away what was not read
            request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            request.connection.close()
        done.wait(20)

    server.on(FILE, answer, serves(ZIP))
    assert files_of(get(TINY, place, Hearing()).path) == photos(TINY)
    done.set()
    assert ranges(server) == [None, "bytes=20000-"]


def test_the_next_run_continues_where_this_one_stopped(server: HubServer, place: Path) -> None:
    middle = len(ZIP) // 2
    server.on(FILE, serves(ZIP, upto=middle), lambda r: r.send(b"", 404))
    fails(place, "answered 404", "the same command continues where it stopped")
    assert arrived(place) == ZIP[:middle]
    server.on(FILE, serves(ZIP))
    assert files_of(get(TINY, place).path) == photos(TINY)
    assert ranges(server)[-1] == f"bytes={middle}-"
    assert not room_of(place).exists()


def test_the_rest_is_requested_from_a_server_with_dates_only(server: HubServer, place: Path) -> None:
    date = {"Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT", "ETag": 'W/"weak"'}
    server.on(FILE, serves(ZIP, upto=1000, **date), serves(ZIP, **date))
    assert files_of(get(TINY, place).path) == photos(TINY)
    assert ranges(server) == [None, "bytes=1000-"]
    assert server.requests[1][2]["If-Range"] == date["Last-Modified"]


def test_ctrl_c_keeps_what_was_downloaded(server: HubServer, place: Path) -> None:
    class Impatient(Heard):
        def downloading(self, name: str, done: int, total: int | None) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(TINY, place, Impatient())
    here = arrived(place)
    assert 0 < len(here) < len(ZIP)
    assert ZIP.startswith(here)
    assert files_of(get(TINY, place).path) == photos(TINY)
    assert ranges(server)[1] == f"bytes={len(here)}-"


def test_ctrl_c_while_unpacking_keeps_the_download(
    server: HubServer, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    copy = shutil.copyfileobj
    monkeypatch.setattr(shutil, "copyfileobj", stop)
    with pytest.raises(KeyboardInterrupt):
        get(TINY, place)
    monkeypatch.setattr(shutil, "copyfileobj", copy)
    assert arrived(place) == ZIP
    assert not (room_of(place) / "new").exists()
    get(TINY, place)
    assert len(server.requests) == 1  # whole: nobody is asked again


def test_a_file_that_changed_meanwhile_is_not_continued(server: HubServer, place: Path) -> None:
    server.on(FILE, serves(b"PK\x03\x04" + bytes(9000), upto=5000, ETag='"old"'), serves(ZIP, ETag='"new"'))
    assert files_of(get(TINY, place).path) == photos(TINY)
    assert ranges(server) == [None, "bytes=5000-"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Range": f"bytes 5000-8999/{len(ZIP)}", "ETag": '"new"'},
        {"Content-Range": "bytes 5000-8999/9000", "ETag": '"one"'},
        {"Content-Range": f"bytes 4000-8999/{len(ZIP)}", "ETag": '"one"'},
        {"Content-Range": "nonsense", "ETag": '"one"'},
        {},
    ],
    ids=["another file", "another length", "another place", "nonsense", "nothing"],
)
def test_a_rest_that_does_not_fit_is_dropped(headers: dict[str, str], server: HubServer, place: Path) -> None:
    server.on(FILE, serves(ZIP, upto=5000), lambda r: r.send(b"x" * 4000, 206, headers), serves(ZIP))
    assert files_of(get(TINY, place).path) == photos(TINY)
    assert ranges(server) == [None, "bytes=5000-", None]


def test_another_server_does_not_continue_what_the_first_began(
    server: HubServer, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.on(FILE, serves(ZIP, upto=5000), lambda r: r.send(b"", 404))
    fails(place, "404")
    server.on("/mirror/tiny.zip", serves(ZIP))
    monkeypatch.setenv("HEADSTART_SAMPLES_URL", server.url + "/mirror")
    assert files_of(get(TINY, place).path) == photos(TINY)
    assert ranges(server)[-1] is None


def test_a_server_without_ranges_starts_again(server: HubServer, place: Path) -> None:
    server.on(FILE, serves(ZIP, upto=5000), lambda r: r.send(ZIP))
    assert files_of(get(TINY, place).path) == photos(TINY)


def test_without_an_etag_or_date_the_rest_is_not_requested(server: HubServer, place: Path) -> None:
    def half(request: Request) -> None:
        request.send(ZIP[:5000], claimed=len(ZIP))
        close(request)

    server.on(FILE, half, lambda r: r.send(ZIP))
    assert files_of(get(TINY, place).path) == photos(TINY)
    assert ranges(server) == [None, None]


def test_a_range_that_is_not_there_starts_again(server: HubServer, place: Path) -> None:
    server.on(FILE, serves(ZIP, upto=5000), lambda r: r.send(b"", 416), serves(ZIP))
    assert files_of(get(TINY, place).path) == photos(TINY)
    assert ranges(server) == [None, "bytes=5000-", None]


@pytest.mark.parametrize(
    "note", ["", "{", "[]", '{"url": 1}', '{"url": "%s", "source": "", "mark": "a\\nb", "total": 9}']
)
def test_a_note_that_cannot_be_read_starts_again(note: str, server: HubServer, place: Path) -> None:
    room_of(place).mkdir(parents=True)
    (room_of(place) / "archive").write_bytes(b"old")
    (room_of(place) / "source.json").write_text(note.replace("%s", TINY.url))
    assert files_of(get(TINY, place).path) == photos(TINY)
    assert ranges(server) == [None]


def test_a_file_of_unknown_length_is_downloaded_to_the_end(server: HubServer, place: Path) -> None:
    def answer(request: Request) -> None:
        request.send_response(200)
        request.end_headers()
        request.wfile.write(ZIP)

    server.on(FILE, answer)
    assert files_of(get(TINY, place).path) == photos(TINY)


def test_a_poor_connection_is_accepted_while_it_advances(server: HubServer, place: Path) -> None:
    step = len(ZIP) // 20 + 1
    server.on(FILE, *[serves(ZIP, upto=step * n) for n in range(1, 21)])
    assert files_of(get(TINY, place).path) == photos(TINY)
    assert len(server.requests) == 20


def test_a_connection_that_breaks_at_the_same_place_is_given_up(server: HubServer, place: Path) -> None:
    server.on(FILE, serves(ZIP, upto=5000))
    fails(place, f"broke off after 5,000 of {len(ZIP):,} bytes")
    assert len(server.requests) == 4
    assert arrived(place) == ZIP[:5000]


# --- the server answers something else ---


@pytest.mark.parametrize(("status", "tries"), [(401, 1), (403, 1), (404, 1), (410, 1), (500, 4), (503, 4)])
def test_a_response_that_is_not_the_file(
    status: int, tries: int, server: HubServer, place: Path, progress: Heard
) -> None:
    server.on(FILE, lambda r: r.send(b"<html>no</html>", status))
    fails(place, f"answered {status}", f"headstart samples get tiny {place} --from FILE", progress=progress)
    assert len(server.requests) == tries
    assert len(progress.lines) == tries - 1
    nothing_is_left(place)


def test_a_server_that_is_busy_for_a_moment_gets_another_request(
    server: HubServer, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(retry.time, "sleep", pauses.append)
    server.on(FILE, lambda r: r.send(b"", 503, {"Retry-After": "7"}), serves(ZIP))
    get(TINY, place)
    assert pauses == [7]


def test_a_requested_pause_of_an_hour_is_an_error(server: HubServer, place: Path) -> None:
    server.on(FILE, lambda r: r.send(b"", 503, {"Retry-After": "3600"}))
    fails(place, "requests a pause of 3600 s")
    assert len(server.requests) == 1


def test_an_html_page_in_place_of_the_file(server: HubServer, place: Path) -> None:
    server.on(FILE, b"<!doctype html><html><title>Sign in to the hotel</title>" + b"." * 5_000)
    fails(place, "an HTML page ('Sign in to the hotel'), not a zip")
    nothing_is_left(place)


def test_an_html_page_in_place_of_the_rest_does_not_replace_what_is_here(server: HubServer, place: Path) -> None:
    server.on(FILE, serves(ZIP, upto=5000), b"<html><title>Sign in</title>")
    fails(place, "an HTML page")
    assert arrived(place) == ZIP[:5000]


def test_an_empty_answer(server: HubServer, place: Path) -> None:
    server.on(FILE, b"")
    fails(place, "is empty, not a zip or tar.gz")
    nothing_is_left(place)


def test_redirects_are_followed_but_not_in_a_circle(server: HubServer, place: Path) -> None:
    server.on(FILE, lambda r: r.redirect("/elsewhere.zip"))
    server.on("/elsewhere.zip", lambda r: r.redirect(FILE))
    fails(place, "redirects in a circle")
    server.on("/elsewhere.zip", serves(ZIP))
    assert get(TINY, place).new


def test_a_redirect_away_from_encryption_is_refused(
    server: HubServer, tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = write_certificate(tmp_path / "certificate.pem")
    with serving(certificate) as safe:
        monkeypatch.setenv("HEADSTART_SAMPLES_URL", safe.url)
        safe.on(FILE, lambda r: r.redirect(server.url + FILE))
        fails(place, "certificate", "not trusted")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        fails(place, "redirects from https to http")
    assert server.requests == []


# --- no network ---


def test_offline_nothing_is_requested(server: HubServer, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART_OFFLINE", "1")
    fails(place, "HEADSTART_OFFLINE is set", "--from FILE")
    assert server.requests == []
    assert not place.exists()


def test_offline_an_existing_data_set_is_found(server: HubServer, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    get(TINY, place)
    monkeypatch.setenv("HEADSTART_OFFLINE", "1")
    assert not get(TINY, place).new


def test_an_offline_machine_gets_advice(tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_alone(tmp_path, monkeypatch)

    def nothing(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", nothing)
    fails(
        place,
        "the name example.invalid is not found; this machine seems to be offline",
        f"download {PLACE}/tiny.zip in another way, then: headstart samples get tiny {place} --from FILE",
    )
    nothing_is_left(place)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "cannot be reached: Network is unreachable"),
        (ConnectionRefusedError(), "refuses the connection"),
        (TimeoutError(), "did not answer in time"),
        (ConnectionResetError("reset by peer"), "broke off (reset by peer)"),
    ],
)
def test_a_server_that_cannot_be_reached(
    error: OSError, words: str, tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_alone(tmp_path, monkeypatch)

    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(socket, "create_connection", refuse)
    fails(place, "example.invalid", words)


def test_http_to_another_machine_is_reported(
    tmp_path: Path, place: Path, progress: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_alone(tmp_path, monkeypatch)
    monkeypatch.setenv("HEADSTART_SAMPLES_URL", "http://intranet/data")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: (_ for _ in ()).throw(socket.gaierror(-2, "no")))
    fails(place, "the name intranet", progress=progress)
    assert "not encrypted" in progress.lines[0]


@pytest.mark.parametrize("address", ["mirror/data", "file:///data", "ftp://h/data", "https://me:secret@h/data", "h"])
def test_a_mirror_must_be_an_address(address: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART_SAMPLES_URL", address)
    with pytest.raises(DataError, match="HEADSTART_SAMPLES_URL") as caught:
        get(TINY, place)
    assert "secret" not in str(caught.value)


# --- a file that was fetched otherwise ---


def test_a_file_downloaded_in_another_way_is_unpacked_offline(tmp_path: Path, place: Path) -> None:
    file = tmp_path / "fetched.zip"
    file.write_bytes(ZIP)
    assert files_of(get(TINY, place, file=file).path) == photos(TINY)
    assert file.read_bytes() == ZIP
    assert [path.name for path in place.iterdir()] == ["tiny"]


def test_an_unusable_file_stays_unchanged(tmp_path: Path, place: Path) -> None:
    file = tmp_path / "fetched.zip"
    file.write_bytes(ZIP[:-100])
    fails(place, f"{file} cannot be used: it is a damaged or truncated zip", "the file is unchanged", file=file)
    assert file.read_bytes() == ZIP[:-100]
    nothing_is_left(place)


def test_an_unusable_file_does_not_remove_the_partial_download(server: HubServer, tmp_path: Path, place: Path) -> None:
    server.on(FILE, serves(ZIP, upto=5000), lambda r: r.send(b"", 404))
    fails(place)
    file = tmp_path / "fetched.zip"
    file.write_bytes(b"<html>")
    fails(place, "an HTML page", file=file)
    assert arrived(place) == ZIP[:5000]


def test_a_missing_file_is_reported(tmp_path: Path, place: Path) -> None:
    with pytest.raises(DataError, match=r"No such file.*nowhere\.zip"):
        get(TINY, place, file=tmp_path / "nowhere.zip")
    nothing_is_left(place)


# --- the file is damaged or evil ---


def test_a_damaged_zip_is_refused_and_downloaded_again(server: HubServer, place: Path) -> None:
    broken = bytearray(ZIP)
    broken[len(ZIP) // 2] ^= 1
    server.on(FILE, serves(bytes(broken)))
    fails(place, "damaged or truncated zip (Bad CRC-32", "Nothing was kept")
    nothing_is_left(place)
    server.on(FILE, serves(ZIP))
    assert files_of(get(TINY, place).path) == photos(TINY)


def test_a_zip_that_is_truncated_on_the_server_is_refused(server: HubServer, place: Path) -> None:
    server.on(FILE, serves(ZIP[:-100]))
    fails(place, "damaged or truncated zip")
    nothing_is_left(place)


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/evil", "C:/evil", "c:evil", ".git/../../evil"])
@pytest.mark.parametrize("kind", ["zip", "tgz"])
def test_a_path_that_leads_outside_is_refused(kind: str, name: str, server: HubServer, place: Path) -> None:
    files = {**photos(TINY), name: b"evil"}
    server.on(FILE, serves(packed(files) if kind == "zip" else tar(files)))
    fails(place, "outside its folder", "Nothing was kept")
    nothing_is_left(place)
    assert not list(place.parent.rglob("*evil*"))


@pytest.mark.parametrize("name", ["..\\evil", "\\evil", "train/nul", "train/pizza/a\nb.jpg", "x" * 300])
def test_a_name_that_not_every_system_can_write_is_refused(name: str, server: HubServer, place: Path) -> None:
    server.on(FILE, serves(packed({**photos(TINY), name: b"evil"})))
    fails(place, "not every system can write")


@pytest.mark.parametrize(
    ("kind", "word"), [(stat.S_IFLNK, "a link"), (stat.S_IFIFO, "a device"), (stat.S_IFCHR, "a device")]
)
def test_links_and_devices_in_a_zip_are_refused(kind: int, word: str, server: HubServer, place: Path) -> None:
    entry = zipfile.ZipInfo("train/pizza/link.jpg")
    entry.create_system = 3
    entry.external_attr = (kind | 0o777) << 16
    server.on(FILE, serves(packed(photos(TINY), link=entry)))
    fails(place, f"has {word}")
    nothing_is_left(place)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(kind: bytes, server: HubServer, place: Path) -> None:
    entry = tarfile.TarInfo("train/pizza/link.jpg")
    entry.type, entry.linkname = kind, "/etc/passwd"
    server.on(FILE, serves(tar({**photos(TINY), entry.name: entry})))
    fails(place, "which is not admitted")
    nothing_is_left(place)


def test_a_zip_bomb_is_refused_before_it_is_written(server: HubServer, place: Path) -> None:
    server.on(FILE, serves(packed({"train/pizza/0.jpg": bytes(100_000_000)})))
    fails(place, "would unpack to 0.1 GB, which is not reasonable for its size")
    nothing_is_left(place)


def test_a_bomb_in_a_tgz_is_refused(server: HubServer, place: Path) -> None:
    server.on(FILE, serves(zeros(10_000_000_000, 100_000_000)))
    fails(place, "which is not reasonable for its size")


def test_a_zip_that_claims_less_than_it_holds_is_refused(tmp_path: Path) -> None:
    data = packed({"0.jpg": bytes(50_000_000)})
    size = (50_000_000).to_bytes(4, "little")
    assert data.count(size) == 2  # beside the file and in the directory
    (tmp_path / "lie.zip").write_bytes(data.replace(size, (1000).to_bytes(4, "little")))
    with pytest.raises(ArchiveError, match="damaged"):
        unpack.unpack(tmp_path / "lie.zip", tmp_path / "new")
    assert sum(path.stat().st_size for path in (tmp_path / "new").iterdir()) <= 1000


def test_there_is_a_limit_of_files(tmp_path: Path) -> None:
    (tmp_path / "many.zip").write_bytes(ZIP)
    with pytest.raises(ArchiveError, match="more than 6 files"):
        unpack.unpack(tmp_path / "many.zip", tmp_path / "new", Limits(files=6))


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("names", [("a.jpg", "a.jpg"), ("a", "a/b.jpg"), ("a/b.jpg", "a")])
def test_nothing_is_written_over(names: tuple[str, str], tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "twice.zip", "w") as opened:
        for name in names:
            opened.writestr(name, b"x")
    with pytest.raises(ArchiveError, match="same name twice"):
        unpack.unpack(tmp_path / "twice.zip", tmp_path / "new")


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    data = packed({"0.jpg": b"x"})
    at = data.index(b"PK\x01\x02") + 8
    (tmp_path / "secret.zip").write_bytes(data[:at] + b"\x01" + data[at + 1 :])
    with pytest.raises(ArchiveError, match="encrypted"):
        unpack.unpack(tmp_path / "secret.zip", tmp_path / "new")


def test_a_zip_with_an_unusual_compression_method_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "rare.zip", "w", zipfile.ZIP_LZMA) as opened:
        opened.writestr("0.jpg", b"x")
    with pytest.raises(ArchiveError, match="unusual compression method"):
        unpack.unpack(tmp_path / "rare.zip", tmp_path / "new")


def test_any_damage_to_a_zip_is_a_headstart_error(tmp_path: Path) -> None:
    data = packed({"a/0.jpg": b"photo" * 9, "a/1.jpg": b"x", "b/": b""})
    harmless = refused = 0
    for at in range(4, len(data)):
        for value in (0xFF, data[at] ^ 1):
            (tmp_path / "zip").write_bytes(data[:at] + bytes([value]) + data[at + 1 :])
            try:
                unpack.unpack(tmp_path / "zip", tmp_path / "new")
                harmless += 1  # a changed date, for example
            except ArchiveError:
                refused += 1
            shutil.rmtree(tmp_path / "new")
    assert min(harmless, refused) > 100


# --- the file holds something else ---


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"train/pizza/2.jpg": None}, "train/pizza has 2 photos, expected 3"),
        ({"test/steak/9.jpg": b"x"}, "test/steak has 2 photos, expected 1"),
        ({"train/sushi/0.jpg": b"x"}, "train/sushi has 1 photo, expected 0"),
        ({"train/pizza/2.jpg": b""}, "2.jpg is empty"),
        ({"test/pizza/0.jpg": None, "test/steak/0.jpg": None}, "test/pizza has 0 photos, expected 1; test/steak"),
        ({name: None for name in photos(TINY) if "steak" in name}, "train/steak has 0 photos, expected 2"),
    ],
    ids=["too few", "too many", "a class more", "empty", "no test", "a class less"],
)
def test_another_number_of_photos_is_refused(
    change: dict[str, bytes | None], words: str, server: HubServer, place: Path
) -> None:
    files = {name: data for name, data in {**photos(TINY), **change}.items() if data is not None}
    server.on(FILE, serves(packed(files)))
    fails(place, "does not contain the expected photos", words, "Nothing was kept")
    nothing_is_left(place)


def test_photos_without_classes_are_refused(server: HubServer, place: Path) -> None:
    server.on(FILE, serves(packed({"0.jpg": b"x"})))
    fails(place, "does not contain the expected photos: There are no classes of photos")


def test_only_the_first_differences_are_listed(server: HubServer, place: Path) -> None:
    server.on(FILE, serves(packed({f"train/class{n}/0.jpg": b"x" for n in range(9)})))
    text = fails(place, "; and 10 more")
    assert text.count("expected 0") == 3


# --- its place is taken ---


def test_something_else_in_its_place_is_not_touched(server: HubServer, place: Path) -> None:
    (place / "tiny" / "train" / "pizza").mkdir(parents=True)
    (place / "tiny" / "train" / "pizza" / "mine.jpg").write_bytes(b"mine")
    with pytest.raises(DataError, match="exists already, but is not tiny") as caught:
        get(TINY, place)
    assert "Nothing was overwritten" in str(caught.value)
    assert files_of(place) == {"tiny/train/pizza/mine.jpg": b"mine"}
    assert server.requests == []


@pytest.mark.parametrize("what", ["file", "empty folder", "dangling link"])
def test_a_file_or_link_in_its_place_is_not_touched(what: str, server: HubServer, place: Path) -> None:
    place.mkdir()
    if what == "file":
        (place / "tiny").write_bytes(b"mine")
    elif what == "empty folder":
        (place / "tiny").mkdir()
    else:
        (place / "tiny").symlink_to("nowhere")
    with pytest.raises(DataError, match="exists already"):
        get(TINY, place)
    assert [path.name for path in place.iterdir()] == ["tiny"]
    assert server.requests == []


def test_a_data_set_that_lost_a_photo_is_reported(server: HubServer, place: Path) -> None:
    get(TINY, place)
    (place / "tiny" / "test" / "steak" / "0.jpg").unlink()
    (place / "tiny" / "train" / "pizza" / "0.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"0\.jpg is empty; test/steak has 0 photos, expected 1"):
        get(TINY, place)


# --- the disk ---


def test_a_disk_that_is_too_small_is_reported_before_the_download(
    server: HubServer, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(download.shutil, "disk_usage", lambda path: usage(10, 9, len(ZIP) * 3 // 2))
    fails(place, "it needs 0.8 MB", "0.6 MB free")


def test_a_disk_that_becomes_full_keeps_the_download(
    server: HubServer, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    copy = shutil.copyfileobj
    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(DataError, match=r"tiny cannot be put into .*: No space left"):
        get(TINY, place)
    monkeypatch.setattr(shutil, "copyfileobj", copy)
    assert arrived(place) == ZIP
    assert not (room_of(place) / "new").exists()
    get(TINY, place)
    assert len(server.requests) == 1


def test_a_folder_that_is_a_file_is_reported(server: HubServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(DataError, match="cannot be put into"):
        get(TINY, tmp_path / "file")


def test_a_download_without_end_is_cut(server: HubServer, place: Path) -> None:
    server.on(FILE, serves(ZIP + bytes(2_000_000)))
    fails(place, "is larger than 0.002 GB")
    nothing_is_left(place)


# --- the table ---


def test_the_table_holds_the_course_s_data_and_flowers() -> None:
    totals = {s.name: (len(s.train), sum(s.train.values()), sum(s.test.values())) for s in SAMPLES}
    assert totals == {
        "10_food_classes_10_percent": (10, 750, 2500),
        "10_food_classes_all_data": (10, 7500, 2500),
        "101_food_classes_10_percent": (101, 7575, 25250),
        "pizza_steak": (2, 1500, 500),
        "flowers": (5, 3670, 0),
    }
    for sample in SAMPLES:
        assert not sample.test or list(sample.test) == list(sample.train) == sorted(sample.train)
        assert sample.url.startswith("https://storage.googleapis.com/")
        assert sample.licence
    assert Counter(sample.url for sample in SAMPLES).most_common(1)[0][1] == 1
    assert find("flowers").url.endswith("download.tensorflow.org/example_images/flower_photos.tgz")
    assert find("pizza_steak").url.endswith("ztm_tf_course/food_vision/pizza_steak.zip")


def test_an_unknown_name_is_reported_with_similar_ones() -> None:
    with pytest.raises(DataError, match=r"No data set is called 'flower'\. Did you mean flowers\?"):
        find("flower")
