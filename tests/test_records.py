"""The table of records: what is read was written so, whatever happens to the files and the processes."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import start_python
from headstart.errors import StoreError
from headstart.features import records
from headstart.features.records import KEY_BYTES, Records

WIDTH = 24
ENTRY = KEY_BYTES + 8  # bytes of a record in the file of keys
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc, /dev/full or resource limits")


def key(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


def value(number: int, width: int = WIDTH) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, width, dtype=np.uint8)


def append(table: Records, numbers: Sequence[int]) -> None:
    table.append([key(n) for n in numbers], np.stack([value(n, table.width) for n in numbers]))


def written(folder: Path, numbers: Sequence[int]) -> Records:
    append(Records(folder, "t", WIDTH), numbers)
    return Records(folder, "t", WIDTH)


def readable(table: Records, numbers: Sequence[int]) -> list[int]:
    """Which of the records can be read; fails if one of them is read wrongly."""
    out = np.empty((len(numbers), table.width), np.uint8)
    good = table.read([key(n) for n in numbers], out)
    for n, row, ok in zip(numbers, out, good, strict=True):
        assert not ok or np.array_equal(row, value(n, table.width)), f"record {n} was read wrongly"
    return [n for n, ok in zip(numbers, good, strict=True) if ok]


def flip(path: Path, place: int, bits: int = 0xFF) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= bits
    path.write_bytes(data)


# --- reading and writing ---


def test_what_is_written_is_read_back_by_another_table_in_any_order(tmp_path: Path) -> None:
    table = written(tmp_path, range(10))
    order = [7, 0, 9, 3, 3, 1]
    assert len(table) == 10
    assert readable(table, order) == order


def test_a_table_that_was_never_written_is_empty_and_leaves_no_trace(tmp_path: Path) -> None:
    table = Records(tmp_path / "new", "t", WIDTH)
    assert readable(table, [1, 2]) == []
    assert table.find([]).tolist() == []
    assert (len(table), table.size, table.distinct(), table.sound().tolist(), table.compact()) == (0, 0, 0, [], 0)
    assert not (tmp_path / "new").exists()


def test_a_key_that_was_not_written_is_not_found(tmp_path: Path) -> None:
    table = written(tmp_path, range(0, 100, 2))
    assert readable(table, range(100)) == list(range(0, 100, 2))


def test_of_two_records_with_one_key_the_newer_is_read(tmp_path: Path) -> None:
    table = Records(tmp_path, "t", WIDTH)
    table.append([key(1), key(1)], np.stack([value(5), value(6)]))
    append(table, [2, 1])
    table.refresh()
    assert readable(table, [1, 2]) == [1, 2]
    assert (len(table), table.distinct()) == (4, 2)


def test_keys_with_the_same_first_eight_bytes_are_distinguished(tmp_path: Path) -> None:
    keys = [b"prefix 8" + bytes([i]) * 24 for i in range(6)]
    table = Records(tmp_path, "t", WIDTH)
    table.append(keys[:5] * 2, np.stack([value(i) for i in range(10)]))
    table.refresh()
    out = np.empty((6, WIDTH), np.uint8)
    assert table.find(keys).tolist() == [5, 6, 7, 8, 9, -1]
    assert table.read(keys, out).tolist() == [True] * 5 + [False]
    assert np.array_equal(out[:5], np.stack([value(i) for i in range(5, 10)]))


def test_a_table_sees_what_was_written_after_a_refresh(tmp_path: Path) -> None:
    table = written(tmp_path, [1])
    append(Records(tmp_path, "t", WIDTH), [2])
    assert readable(table, [1, 2]) == [1]
    table.refresh()
    assert readable(table, [1, 2]) == [1, 2]


def test_appending_nothing_writes_nothing(tmp_path: Path) -> None:
    Records(tmp_path / "new", "t", WIDTH).append([], np.empty((0, WIDTH), np.uint8))
    assert not (tmp_path / "new").exists()


def test_a_width_that_is_not_of_whole_words_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="multiple of 8"):
        Records(tmp_path, "t", 12)


def test_more_records_than_are_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_CHUNK", 3)
    table = written(tmp_path, range(11))
    flip(tmp_path / "t.values", 5 * WIDTH)
    order = [*range(10, -1, -1), 99]
    assert readable(table, order) == [10, 9, 8, 7, 6, 4, 3, 2, 1, 0]
    assert np.flatnonzero(~table.sound()).tolist() == [5]
    assert table.compact() == 1
    assert readable(table, order) == [10, 9, 8, 7, 6, 4, 3, 2, 1, 0]


def test_the_size_is_that_of_both_files(tmp_path: Path) -> None:
    assert written(tmp_path, range(3)).size == 3 * (WIDTH + ENTRY)


# --- damage ---


@pytest.mark.parametrize("name", ["t.keys", "t.values"])
def test_a_change_in_any_byte_is_noticed(tmp_path: Path, name: str) -> None:
    written(tmp_path, range(3))
    whole = (tmp_path / name).read_bytes()
    per_record = len(whole) // 3
    for place in range(len(whole)):
        (tmp_path / name).write_bytes(whole)
        flip(tmp_path / name, place, bits=1 << place % 8)
        table = Records(tmp_path, "t", WIDTH)
        assert readable(table, range(3)) == [n for n in range(3) if n != place // per_record]
        assert table.sound().sum() == 2


def test_values_that_changed_places_are_noticed(tmp_path: Path) -> None:
    table = written(tmp_path, range(3))
    data = (tmp_path / "t.values").read_bytes()
    (tmp_path / "t.values").write_bytes(data[WIDTH : 2 * WIDTH] + data[:WIDTH] + data[2 * WIDTH :])
    assert readable(table, range(3)) == [2]


@pytest.mark.parametrize("name", ["t.keys", "t.values"])
def test_a_file_cut_anywhere_gives_the_whole_records_and_takes_new_ones(tmp_path: Path, name: str) -> None:
    written(tmp_path, range(4))
    both = {path: path.read_bytes() for path in (tmp_path / "t.keys", tmp_path / "t.values")}
    for length in range(len(both[tmp_path / name])):
        for path in tmp_path.glob("t.*"):
            path.unlink()
        for path, data in both.items():
            path.write_bytes(data)
        os.truncate(tmp_path / name, length)
        table = Records(tmp_path, "t", WIDTH)
        left = readable(table, range(4))
        assert left == list(range(length * 4 // len(both[tmp_path / name])))
        append(table, [8, 9])
        table.refresh()
        assert readable(table, [*range(4), 8, 9]) == [*left, 8, 9]
        table.compact()
        assert readable(table, [*range(4), 8, 9]) == [*left, 8, 9]


@pytest.mark.parametrize("name", ["t.keys", "t.values"])
@pytest.mark.parametrize("length", [1, 160, 161, 5000])
@pytest.mark.parametrize("filling", ["noise", "zeros", "nothing"])
def test_a_file_of_rubbish_gives_nothing_and_takes_new_records(
    tmp_path: Path, name: str, length: int, filling: str
) -> None:
    written(tmp_path, range(4))
    rubbish = {"noise": np.random.default_rng(12345).bytes(length), "zeros": bytes(length), "nothing": b""}[filling]
    (tmp_path / name).write_bytes(rubbish)
    table = Records(tmp_path, "t", WIDTH)
    assert readable(table, range(4)) == []
    assert not table.sound().any()
    append(table, range(6))
    table.refresh()
    assert readable(table, range(6)) == list(range(6))
    table.compact()
    assert len(table) == 6
    assert readable(table, range(6)) == list(range(6))


def test_records_of_zeros_in_both_files_are_not_sound(tmp_path: Path) -> None:
    (tmp_path / "t.keys").write_bytes(bytes(3 * ENTRY))  # what a power cut can leave of files that had grown
    (tmp_path / "t.values").write_bytes(bytes(3 * WIDTH))
    assert not Records(tmp_path, "t", WIDTH).sound().any()


@pytest.mark.parametrize("name", ["t.keys", "t.values"])
def test_a_missing_file_is_made_again(tmp_path: Path, name: str) -> None:
    written(tmp_path, range(4))
    (tmp_path / name).unlink()
    table = Records(tmp_path, "t", WIDTH)
    assert readable(table, range(4)) == []
    append(table, [2, 3])
    table.refresh()
    assert readable(table, range(4)) == [2, 3]


def test_a_value_whose_key_was_never_written_is_written_over(tmp_path: Path) -> None:
    written(tmp_path, range(2))
    with (tmp_path / "t.values").open("ab") as file:
        file.write(b"torn" * 20)  # killed before the keys, and the keys in the middle of one
    with (tmp_path / "t.keys").open("ab") as file:
        file.write(b"torn")
    table = written(tmp_path, [2, 3, 4])
    assert readable(table, range(5)) == list(range(5))
    assert len(table) == 5


# --- compaction ---


def test_compaction_drops_damaged_and_doubled_records_and_nothing_else(tmp_path: Path) -> None:
    written(tmp_path, [1, 2, 3, 2, 4])
    written(tmp_path, [5, 1])
    flip(tmp_path / "t.values", 2 * WIDTH + 7)
    table = Records(tmp_path, "t", WIDTH)
    assert table.compact() == 3
    assert readable(table, range(6)) == [1, 2, 4, 5]
    assert table.size == 4 * (WIDTH + ENTRY)
    assert table.compact() == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "t.1.keys", "t.1.values"]


def test_compaction_of_nothing_but_damage_leaves_an_empty_table(tmp_path: Path) -> None:
    written(tmp_path, range(3))
    (tmp_path / "t.values").write_bytes(bytes(3 * WIDTH))
    table = Records(tmp_path, "t", WIDTH)
    assert (table.compact(), len(table), table.size) == (3, 0, 0)
    append(table, [1])
    table.refresh()
    assert readable(table, range(3)) == [1]


def test_compaction_sees_what_others_wrote_meanwhile(tmp_path: Path) -> None:
    table = written(tmp_path, [1, 1])
    written(tmp_path, [2, 3])
    assert table.compact() == 1
    assert readable(table, [1, 2, 3]) == [1, 2, 3]


def test_compaction_drops_a_record_that_the_disk_damages_between_two_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = written(tmp_path, [1, 2, 1])
    copy = Records._copy

    def copy_from_a_failing_disk(self: Records, rows: np.ndarray) -> Records:
        flip(tmp_path / "t.values", WIDTH)
        return copy(self, rows)

    monkeypatch.setattr(Records, "_copy", copy_from_a_failing_disk)
    table.compact()
    assert readable(table, [1, 2]) == [1]


KILLED_IN_COMPACTION = """
import os, signal, sys
from pathlib import Path
from headstart.features.records import Records

steps = int(sys.argv[2])

def counted(function):
    def step(*arguments, **named):
        global steps
        steps -= 1
        if steps < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **named)
    return step

os.open, os.replace, Path.touch = counted(os.open), counted(os.replace), counted(Path.touch)
Records(Path(sys.argv[1]), "t", 24).compact()
"""


def test_a_process_killed_at_any_step_of_compaction_leaves_nothing_wrong(tmp_path: Path) -> None:
    children = {}
    for steps in range(11):
        folder = tmp_path / str(steps)
        written(folder, [*range(20), 3, 4, 5])
        children[folder] = start_python(KILLED_IN_COMPACTION, folder, steps)
    codes = []
    for folder, child in children.items():
        child.communicate(timeout=60)
        codes.append(child.returncode)
        table = Records(folder, "t", WIDTH)
        assert readable(table, range(20)) == list(range(20))
        append(table, [20])
        table.compact()
        assert readable(table, range(21)) == list(range(21))
        assert len(table) == 21
        assert [path.name[-4:] for path in sorted(folder.iterdir())] == ["lock", "keys", "lues"]
    assert set(codes[:-1]) == {-signal.SIGKILL}  # the last is let through all steps
    assert codes[-1] == 0


# --- disks that refuse ---


def test_a_folder_that_is_a_file_is_reported_with_advice(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    table = Records(tmp_path / "file", "t", WIDTH)
    with pytest.raises(StoreError, match="HEADSTART_HOME") as caught:
        append(table, [1])
    assert str(tmp_path / "file") in str(caught.value)
    assert (tmp_path / "file").read_text() == "mine"


@linux
def test_a_folder_that_cannot_be_made_is_reported_with_advice() -> None:
    with pytest.raises(StoreError, match=r"/proc/headstart/store cannot be written(.|\n)*HEADSTART_HOME"):
        append(Records(Path("/proc/headstart/store"), "t", WIDTH), [1])


def test_a_disk_that_is_read_only_is_still_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = written(tmp_path, [1, 2, 1])
    opened = os.open

    def read_only(path: str, flags: int, *rest: int) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return opened(path, flags, *rest)

    monkeypatch.setattr(os, "open", read_only)
    with pytest.raises(StoreError, match=r"cannot be written: Read-only(.|\n)*HEADSTART_HOME"):
        append(table, [3])
    with pytest.raises(StoreError, match=r"cannot be written: Read-only(.|\n)*HEADSTART_HOME"):
        table.compact()
    assert readable(Records(tmp_path, "t", WIDTH), [1, 2, 3]) == [1, 2]


@pytest.mark.parametrize("name", ["t.keys", "t.values"])
def test_a_file_that_cannot_be_read_is_reported(tmp_path: Path, name: str) -> None:
    written(tmp_path, [1])
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    with pytest.raises(StoreError, match=rf"{name} cannot be read(.|\n)*HEADSTART_HOME"):
        readable(Records(tmp_path, "t", WIDTH), [1])


@linux
def test_a_full_disk_is_reported_and_loses_no_stored_record(tmp_path: Path) -> None:
    table = written(tmp_path, range(3))
    kept = (tmp_path / "t.values").rename(tmp_path / "kept")
    (tmp_path / "t.values").symlink_to("/dev/full")
    with pytest.raises(StoreError, match=r"No space left on device(.|\n)*HEADSTART_HOME"):
        append(table, range(3, 90))
    kept.replace(tmp_path / "t.values")
    assert readable(Records(tmp_path, "t", WIDTH), range(90)) == [0, 1, 2]
    assert readable(written(tmp_path, [7]), range(90)) == [0, 1, 2, 7]


FILLS_THE_DISK = """
import resource, sys
from pathlib import Path
from headstart.errors import StoreError
from headstart.features.records import Records
from test_records import append

resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
table = Records(Path(sys.argv[1]), "t", int(sys.argv[3]))
done = 0
try:
    while done < 100000:
        append(table, range(done, done + 7))
        done += 7
except StoreError as error:
    print(done, error)
"""


@linux
@pytest.mark.parametrize(("limit", "width"), [(1500, 8), (1501, 80), (20_000, 800)])
def test_a_disk_that_fills_up_keeps_every_record_reported_as_stored(tmp_path: Path, limit: int, width: int) -> None:
    out, error = start_python(FILLS_THE_DISK, tmp_path, limit, width).communicate(timeout=60)
    assert error == ""
    done = int(out.split()[0])
    assert "File too large" in out
    assert "HEADSTART_HOME" in out
    assert done >= 7
    table = Records(tmp_path, "t", width)
    left = readable(table, range(done + 7))
    assert left == list(range(len(left)))
    assert len(left) >= done
    append(table, range(len(left), done + 20))  # there is room again
    table.refresh()
    assert readable(table, range(done + 20)) == list(range(done + 20))


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), StoreError("No space left")])
def test_a_disk_too_full_for_a_compaction_leaves_the_table_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    table = written(tmp_path, [1, 2, 3, 1])
    before = [(tmp_path / name).read_bytes() for name in ("t.keys", "t.values")]

    def full(*_: object) -> None:
        (tmp_path / ".new.values").write_bytes(b"half")
        raise error

    monkeypatch.setattr(Records, "_copy", full)
    with pytest.raises(StoreError, match="No space left"):
        table.compact()
    assert [(tmp_path / name).read_bytes() for name in ("t.keys", "t.values")] == before
    assert not list(tmp_path.glob(".new.*"))


# --- several processes ---

WRITES_IN_BATCHES = """
import sys
from pathlib import Path
from headstart.features.records import Records
from test_records import append

table = Records(Path(sys.argv[1]), "t", 24)
print("ready", flush=True)
sys.stdin.readline()
for first in range(int(sys.argv[2]), int(sys.argv[3]), 5):
    append(table, range(first, first + 5))
"""


def test_what_several_processes_write_at_once_is_all_there(tmp_path: Path) -> None:
    children = [start_python(WRITES_IN_BATCHES, tmp_path, i * 1000, i * 1000 + 500) for i in range(3)]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        assert child.communicate(timeout=60)[1] == ""
    table = Records(tmp_path, "t", WIDTH)
    numbers = [n for i in range(3) for n in range(i * 1000, i * 1000 + 500)]
    assert len(table) == 1500
    assert readable(table, numbers) == numbers
    assert table.sound().all()


HOLDS_THE_LOCK = """
import sys
from pathlib import Path
from headstart.features.records import Records

with Records(Path(sys.argv[1]), "t", 24).locked():
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_writer_waits_for_the_lock_and_a_killed_owner_frees_it(tmp_path: Path) -> None:
    table = written(tmp_path, [1])
    child = start_python(HOLDS_THE_LOCK, tmp_path)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    writer = threading.Thread(target=append, args=(table, [2]), daemon=True)
    writer.start()
    writer.join(0.2)
    assert writer.is_alive()
    assert readable(Records(tmp_path, "t", WIDTH), [1, 2]) == [1]  # readers take no lock
    child.kill()
    child.communicate(timeout=60)
    writer.join(30)
    assert not writer.is_alive()
    assert readable(Records(tmp_path, "t", WIDTH), [1, 2]) == [1, 2]


# --- against a model ---

_POOL = [prefix * 8 + rest * 24 for prefix in (b"\x00", b"a", b"\xff") for rest in (b"\x00", b"b", b"\xff")]
_STEPS = st.one_of(
    st.tuples(st.just("append"), st.lists(st.tuples(st.sampled_from(_POOL), st.integers(0, 255)), max_size=6)),
    st.tuples(st.sampled_from(["reopen", "refresh", "compact"]), st.none()),
    st.tuples(st.just("damage"), st.integers(0, 999)),
)


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(_STEPS, max_size=14))
def test_a_table_answers_as_a_dictionary_would(
    steps: list[tuple[str, object]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("model")
    table = Records(folder, "t", WIDTH)
    rows: list[tuple[bytes, int | None]] = []  # key and what its value is filled with, None when damaged
    seen = 0  # rows that the table knows of
    for step, argument in steps:
        if step == "append":
            assert isinstance(argument, list)
            filled = np.repeat(np.array([fill for _, fill in argument], np.uint8)[:, None], WIDTH, axis=1)
            table.append([name for name, _ in argument], filled)
            rows += argument
        elif step == "damage" and rows:
            assert isinstance(argument, int)
            hit = argument % len(rows)
            if rows[hit][1] is not None:
                (values,) = folder.glob("t*.values")
                flip(values, hit * WIDTH + argument % WIDTH)
                rows[hit] = (rows[hit][0], None)
        elif step == "compact":
            newest = dict(rows)
            last = {name: i for i, (name, _) in enumerate(rows)}
            before = len(rows)
            rows = [(name, newest[name]) for i, (name, fill) in enumerate(rows) if last[name] == i and fill is not None]
            assert table.compact() == before - len(rows)
            seen = len(rows)
        else:
            table = Records(folder, "t", WIDTH) if step == "reopen" else table
            table.refresh()
            seen = len(rows)
        model = dict(rows[:seen])
        out = np.empty((len(_POOL), WIDTH), np.uint8)
        good = table.read(_POOL, out)
        assert len(table) == seen
        assert table.distinct() == len(model)
        assert good.tolist() == [model.get(name) is not None for name in _POOL]
        for name, row, ok in zip(_POOL, out, good, strict=True):
            assert not ok or row.tolist() == [model[name]] * WIDTH


def test_two_flipped_signs_do_not_cancel_out(tmp_path: Path) -> None:
    # Top bits of 64-bit words are the signs of every second number; a plain sum of odd products misses a pair.
    records = Records(tmp_path, "t", 64)
    keys = [bytes([i]) * 32 for i in range(3)]
    records.append(keys, np.arange(192, dtype=np.uint8).reshape(3, 64))
    data = bytearray((tmp_path / "t.values").read_bytes())
    for first, second in ((7, 15), (64 + 7, 64 + 63), (128 + 3, 128 + 11)):
        data[first] ^= 0x80
        data[second] ^= 0x80
    (tmp_path / "t.values").write_bytes(data)
    assert not Records(tmp_path, "t", 64).read(keys, np.empty((3, 64), np.uint8)).any()
