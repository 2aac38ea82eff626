"""Vectors in units: the same as on one machine, an outcome for every photo, and nothing lost when a process dies."""

from __future__ import annotations

import errno
import io
import json
import os
import random
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from PIL import Image

import headstart
from headstart.disk.home import home
from headstart.errors import BackboneError, DataError, MissingExtraError
from headstart.progress import Silent
from headstart.scale import listing, running
from headstart.scale.embedding import embed
from headstart.scale.job import Network
from headstart.scale.local import Local
from headstart.scale.places import Place
from headstart.scale.worker import Worker

MEAN = Network("mean:colours")
KILLS = 12 if os.environ.get("HEADSTART_STRESS") == "1" else 3


def table_of(folder: Path) -> dict[str, dict[str, Any]]:
    """All rows of the results by address; no address may be there twice."""
    rows = pa.dataset.dataset(folder / "shards").to_table().to_pylist()
    found = {row["address"]: row for row in rows}
    assert len(found) == len(rows)
    return found


def files_below(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def trees(shared: Path) -> Path:
    return shared / "two-trees"


@pytest.mark.slow
def test_vectors_are_those_of_one_machine_to_the_bit(trees: Path, tmp_path: Path) -> None:
    found = embed(trees, tmp_path / "out", engine=Local(1))
    rows = table_of(tmp_path / "out")
    assert set(rows) == files_below(trees)
    assert found.photos == found.used == len(rows)
    expected = headstart.load_backbone().features(sorted(rows))
    for path, digest, vector in zip(expected.paths, expected.hashes.tolist(), expected.vectors, strict=True):
        assert np.array_equal(np.array(rows[path]["vector"], np.float32), vector)
        assert rows[path]["hash"] == digest
        assert rows[path]["label"] == Path(path).parent.name


def test_every_photo_has_an_outcome_and_the_totals_add_up(photos: Path, tmp_path: Path) -> None:
    found = embed(photos, tmp_path / "out", network=MEAN, unit=16)
    rows = table_of(tmp_path / "out")
    assert set(rows) == files_below(photos)
    assert (found.photos, found.used, found.units) == (42, 40, 3)
    assert found.reasons == {"empty": 1, "not an image": 1}
    for path, row in rows.items():
        assert (row["vector"] is None) == (row["outcome"] == "skipped") == (row["reason"] is not None)
        assert (row["split"], row["label"]) == Path(path).parts[-3:-1]


def test_half_precision_takes_half_the_bytes_and_is_near(photos: Path, tmp_path: Path) -> None:
    embed(photos, tmp_path / "whole", network=MEAN)
    embed(photos, tmp_path / "half", network=MEAN, numbers="float16")
    kind = pq.read_schema(tmp_path / "half" / "shards" / "000000.parquet").field("vector").type
    assert kind == pa.list_(pa.float16(), 8)
    whole = table_of(tmp_path / "whole")
    for path, row in table_of(tmp_path / "half").items():
        if row["vector"] is not None:
            np.testing.assert_allclose(np.array(row["vector"], float), whole[path]["vector"], rtol=1e-3)


def test_the_same_call_continues_and_another_job_is_refused(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    embed(photos, out, network=MEAN, unit=16)
    times = {path.name: path.stat().st_mtime_ns for path in (out / "shards").iterdir()}
    (out / "shards" / "000001.parquet").unlink()
    again = embed(photos, out, network=MEAN, unit=16)
    assert (again.computed, again.photos, again.used) == (1, 42, 40)
    now = {path.name: path.stat().st_mtime_ns for path in (out / "shards").iterdir()}
    assert [name for name in times if now[name] != times[name]] == ["000001.parquet"]
    with pytest.raises(DataError, match=r"holds another job: numbers float32, not float16\.\n"):
        embed(photos, out, network=MEAN, numbers="float16")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match=r"is not empty: mine\.txt"):
        embed(photos, tmp_path / "full", network=MEAN)
    with pytest.raises(DataError, match=r"mine\.txt is a file"):
        embed(photos, tmp_path / "full" / "mine.txt", network=MEAN)


def test_few_photos_are_cut_so_that_every_worker_has_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(700):
        (tmp_path / f"{number}.png").touch()
    engine = Local(1)

    def sizes(workers: int) -> list[int]:
        monkeypatch.setattr(engine, "_workers", workers)
        return [len(unit) for unit in running._cut([str(tmp_path)], engine, Silent())]

    assert sizes(1) == [175] * 4
    assert sizes(2) == [88] * 7 + [84]
    assert sizes(100) == [64] * 10 + [60]
    monkeypatch.setattr(running, "MANY", 1)
    assert sizes(100) == [700]


def test_a_job_that_was_killed_while_it_began_begins_anew(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / ".addresses.parquet.0123456789ab.new").write_bytes(b"PAR1")
    (out / ".writable-7").write_bytes(b"")
    heard = Heard()
    assert embed(photos, out, network=MEAN).used == 40
    assert embed(photos, out, network=MEAN, progress=heard).computed == 0
    assert heard.lines == ["1 of 1 unit done already; nothing is left to do."]


def test_a_photo_that_ends_its_process_costs_three_tries_and_has_an_outcome(
    photos: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bad = photos / "train" / "cat" / "bad.png"
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:] = (1, 2, 3)
    Image.fromarray(pixels).save(bad)
    heard = Heard()
    found = embed(photos, tmp_path / "out", network=MEAN, progress=heard)
    assert found.reasons == {"crashed the reader": 1, "empty": 1, "not an image": 1}
    assert table_of(tmp_path / "out")[str(bad)]["reason"] == "crashed the reader"
    assert sum("A worker died" in line for line in heard.lines) == 2
    assert not list((tmp_path / "out" / "attempts").iterdir())


class Heard(Silent):
    """Keeps messages."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def message(self, text: str) -> None:
        self.lines.append(text)


@pytest.mark.slow
def test_killed_at_random_moments_nothing_is_lost_or_doubled(photos: Path, tmp_path: Path) -> None:
    expected = table_of_once(photos, tmp_path / "once")
    chance = random.Random(3)
    out = tmp_path / "out"
    code = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "from headstart.scale.embedding import embed; from headstart.scale.job import Network\n"
        "from headstart.scale.local import Local\n"
        f"embed({str(photos)!r}, {str(out)!r}, network=Network('mean:slow'), unit=2, engine=Local(2))"
    )
    driver, killed = subprocess.Popen([sys.executable, "-c", code]), 0
    while killed < KILLS:
        time.sleep(chance.uniform(0.4, 2.0))
        if driver.poll() == 0:
            break
        if driver.poll() is not None:
            assert driver.returncode == -signal.SIGKILL
            driver = subprocess.Popen([sys.executable, "-c", code])
            continue
        listed = subprocess.run(["pgrep", "-P", str(driver.pid)], capture_output=True, text=True, check=False)
        workers = [int(pid) for pid in listed.stdout.split()]
        os.kill(driver.pid if not workers or chance.random() < 0.3 else chance.choice(workers), signal.SIGKILL)
        killed += 1
    if driver.wait() != 0:
        subprocess.run([sys.executable, "-c", code], check=True)
    assert killed >= 3
    assert table_of(out) == expected


def test_a_unit_that_another_worker_has_done_is_not_done_again(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run, addresses = Local.run, []

    def noted(self: Local, address: str, queue: Any, progress: Any) -> Any:
        addresses.append(address)
        return run(self, address, queue, progress)

    monkeypatch.setattr(Local, "run", noted)
    embed(photos, "out", network=MEAN)
    assert addresses == [str(tmp_path / "out")]  # workers may have another working folder
    monkeypatch.setenv("EMBEDDED", str(tmp_path / "log"))
    old, new = (home() / "units" / name for name in ("old", "new"))
    for left in old, new:
        (left / "vectors").mkdir(parents=True)
    os.utime(old, (0, 0))
    assert Worker(str(tmp_path / "out")).run(0).used == 40
    assert not (tmp_path / "log").exists()
    assert [path.name for path in (home() / "units").iterdir()] == ["new"]


def test_a_job_that_is_stopped_has_no_attempts_to_count(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "from headstart.scale.embedding import embed; from headstart.scale.job import Network\n"
        "from headstart.scale.local import Local\n"
        f"embed({str(photos)!r}, {str(out)!r}, network=Network('mean:slow'), unit=20, engine=Local(1))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, start_new_session=True) as driver:
        until(lambda: list(out.glob("attempts/0*")))  # hidden files are not written whole
        os.killpg(driver.pid, signal.SIGINT)  # as a terminal does
        driver.communicate()
    assert driver.returncode != 0
    assert not list(out.glob("attempts/0*"))
    assert embed(photos, out, network=Network("mean:slow")).used == 40


def until(ready: Callable[[], Any]) -> None:
    """Wait until something is so."""
    limit = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < limit
        time.sleep(0.01)


def table_of_once(photos: Path, out: Path) -> dict[str, dict[str, Any]]:
    embed(photos, out, network=MEAN, unit=2, engine=Local(1))
    return table_of(out)


# --- other sources ---


def bytes_of(photos: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(photos.rglob("*.png")) if path.stat().st_size]


def test_tables_of_bytes_and_of_addresses_give_the_same_vectors(photos: Path, tmp_path: Path) -> None:
    paths = sorted(path for path in photos.rglob("*.png") if path.stat().st_size)
    labels = [path.parent.name for path in paths]
    images = pa.array([{"bytes": path.read_bytes(), "path": path.name} for path in paths])
    tables = tmp_path / "tables"
    tables.mkdir()
    pq.write_table(pa.table({"image": images, "label": labels}), tables / "bytes.parquet", row_group_size=7)
    relative = [os.path.relpath(path, tmp_path) for path in paths]
    pq.write_table(pa.table({"where": relative, "label": labels}), tmp_path / "addresses.parquet")
    first = embed(tables, tmp_path / "one", network=MEAN, unit=16)
    embed(tmp_path / "addresses.parquet", tmp_path / "two", network=MEAN, column="where")
    assert (first.photos, first.units) == (40, 3)  # 6 row groups, two in each unit
    one, two = list(table_of(tmp_path / "one").values()), list(table_of(tmp_path / "two").values())
    for ours, theirs, path in zip(one, two, paths, strict=True):
        assert (ours["vector"], ours["hash"], ours["label"]) == (theirs["vector"], theirs["hash"], path.parent.name)
    assert one[8]["address"] == f"{tables}/bytes.parquet#8"
    with pytest.raises(DataError, match=r"no column of photos; its columns are where, label"):
        embed(tmp_path / "addresses.parquet", tmp_path / "three", network=MEAN)
    assert embed(tmp_path / "addresses.parquet", tmp_path / "three", network=MEAN, column="where").used == 40


def test_archives_in_the_form_of_webdataset_give_photos_and_classes(photos: Path, tmp_path: Path) -> None:
    archives = tmp_path / "tars"
    archives.mkdir()
    contents = bytes_of(photos)
    for number in range(2):
        with tarfile.open(archives / f"{number}.tar", "w") as archive:
            for i, content in enumerate(contents[number::2]):
                for name, data in ((f"a/{i:03d}.png", content), (f"a/{i:03d}.cls", b"cat\n" if i % 2 else b"dog\n")):
                    member = tarfile.TarInfo(name)
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data))
    whole = (archives / "1.tar").read_bytes()
    (archives / "1.tar").write_bytes(whole[: len(whole) // 2 + 200])
    found = embed(archives, tmp_path / "out", network=MEAN)
    rows = table_of(tmp_path / "out")
    assert found.units == 2
    assert found.reasons == {"truncated": 1}
    assert rows[f"{archives}/1.tar"]["reason"] == "truncated"
    assert [rows[f"{archives}/0.tar#a/{i:03d}.png"]["label"] for i in range(3)] == ["dog", "cat", "dog"]
    assert 20 + 5 < found.used < 40


def test_a_pattern_finds_classes_as_train_does(photos: Path, tmp_path: Path) -> None:
    embed(f"{photos}/train/*", tmp_path / "folders", network=MEAN)
    embed(f"{photos}/train/*/*.png", tmp_path / "files", network=MEAN)
    folders, files = table_of(tmp_path / "folders"), table_of(tmp_path / "files")
    assert set(files) == {path for path in folders if path.endswith(".png")}
    assert {row["label"] for row in folders.values()} == {row["label"] for row in files.values()} == {"cat", "dog"}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere", "does not exist"),
        ("nothing/*", "holds no photos, or does not exist"),
        ("table.lance", r"table\.lance cannot be read as a Lance table: .* not found"),
    ],
)
def test_sources_that_cannot_be_read_say_what_to_do(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        embed(tmp_path / source, tmp_path / "out", network=MEAN)


@pytest.mark.parametrize("file", ["addresses.parquet", "job.json"])
def test_a_full_disk_is_an_error_in_words(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    write = Place.write

    def full(place: Place, content: Any) -> None:
        if place.name == file:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(place, content)

    with monkeypatch.context() as patch:
        patch.setattr(Place, "write", full)
        with pytest.raises(DataError, match=r"No space left(.|\n)*command continues"):
            embed(photos, tmp_path / "out", network=MEAN)
    assert embed(photos, tmp_path / "out", network=MEAN).used == 40


def test_without_pyarrow_nothing_is_listed_or_written(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setattr(listing, "units", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'headstart\[parquet\]'"):
        embed(photos, tmp_path / "out", network=MEAN)
    assert not (tmp_path / "out").exists()


def test_two_views_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=r"one view, not 'both'\.\nExpected squash, crop or pad"):
        embed(tmp_path, tmp_path / "out", network=replace(MEAN, view="both"))  # type: ignore[arg-type]


def test_the_command_prints_one_document(photos: Path, tmp_path: Path) -> None:
    words = ["embed", str(photos), "-o", str(tmp_path / "out"), "--on", "local", "-b", "mean:colours", "--json"]
    code = f"import sys; sys.path[:] = {sys.path!r}; sys.argv = ['headstart', *{words!r}]\n"
    code += "from headstart.apps.cli import main; main()"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    document = json.loads(ended.stdout)
    assert document["photos"] == {
        "found": 42, "used": 40, "skipped": 2, "reasons": {"empty": 1, "not an image": 1}, "files": None
    }  # fmt: skip
    assert "42 photos: 1 unit." in ended.stderr
