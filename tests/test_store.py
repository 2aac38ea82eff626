"""The store: vectors by content and card, known files, and a folder that is kept in order."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fakes import FakeBackbone
from headstart.backbones.card import Card
from headstart.errors import StoreError
from headstart.features.store import Store, fingerprint, home
from headstart.photos import reading
from headstart.photos.images import View

CARD = FakeBackbone(dim=4).card


def digests(count: int, first: int = 0) -> list[bytes]:
    return [hashlib.sha256(str(n).encode()).digest() for n in range(first, first + count)]


def vectors(count: int, dim: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)


def filled(folder: Path, count: int = 5, card: Card = CARD) -> Store:
    store = Store(folder)
    store.prepare(card)
    store.put(card, digests(count), vectors(count, card.dim))
    return store


def stored(folder: Path, count: int = 5, card: Card = CARD) -> list[int]:
    """Which of the vectors a new store has; fails if one of them is not what was put there."""
    out = np.empty((count, card.dim), np.float32)
    good = Store(folder).get(card, digests(count), out)
    assert np.array_equal(out[good], vectors(count, card.dim)[good])
    return np.flatnonzero(good).tolist()


def shelf(folder: Path, card: Card = CARD) -> Path:
    return folder / "vectors" / card.key


def age(path: Path, days: float) -> None:
    then = time.time() - days * 86400
    os.utime(path, (then, then))


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Files are trusted as soon as they are written; call it to let the clock tick before a file is changed."""
    monkeypatch.setattr(reading, "_RACY_SECONDS", 0.0)
    return lambda: time.sleep(0.03)


# --- where it is ---


def test_headstart_home_is_the_folder_of_the_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HEADSTART_HOME", str(tmp_path / "mine"))
    assert Store().folder == tmp_path / "mine"
    assert Store().compiled == tmp_path / "mine" / "compiled"
    assert not (tmp_path / "mine").exists()


def test_without_headstart_home_it_is_in_the_users_cache_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HEADSTART_HOME", "")
    if sys.platform.startswith("linux"):
        assert home() == tmp_path / ".cache" / "headstart"
    monkeypatch.setenv("HEADSTART_HOME", "~/features")
    assert home() == tmp_path / "features"


def test_a_store_that_is_a_file_is_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreError, match=r"file is a file(.|\n)*HEADSTART_HOME"):
        Store(tmp_path / "file")


# --- vectors ---


@pytest.mark.parametrize("dim", [1, 2, 3, 5, 7, 8, 1280])
def test_vectors_come_back_bit_for_bit_whatever_their_length(tmp_path: Path, dim: int) -> None:
    card = replace(CARD, dim=dim)
    filled(tmp_path, 6, card)
    assert stored(tmp_path, 6, card) == list(range(6))
    out = np.full((3, dim), 7, np.float32)
    wanted = [digests(6)[4], digests(1, 99)[0], digests(6)[0]]
    assert Store(tmp_path).get(card, wanted, out).tolist() == [True, False, True]
    assert np.array_equal(out[[0, 2]], vectors(6, dim)[[4, 0]])


def test_every_bit_of_a_number_is_kept(tmp_path: Path) -> None:
    odd = np.array([[0.0, -0.0, 1e-45, 3.4e38], [np.inf, -np.inf, np.nan, 1 / 3]], np.float32)
    Store(tmp_path).put(CARD, digests(2), odd)
    out = np.empty((2, 4), np.float32)
    assert Store(tmp_path).get(CARD, digests(2), out).all()
    assert out.tobytes() == odd.tobytes()


@pytest.mark.parametrize("array", [vectors(10)[::2], np.asfortranarray(vectors(5)), vectors(5).astype(np.float64)])
def test_vectors_in_any_memory_layout_can_be_put(tmp_path: Path, array: np.ndarray) -> None:
    Store(tmp_path).put(CARD, digests(5), array)
    out = np.empty((5, 4), np.float32)
    assert Store(tmp_path).get(CARD, digests(5), out).all()
    assert np.array_equal(out, array)


def test_an_empty_list_can_be_put_and_got(tmp_path: Path) -> None:
    store = Store(tmp_path / "new")
    store.put(CARD, [], np.empty((0, 4), np.float32))
    store.remember([], [])
    assert store.get(CARD, [], np.empty((0, 4), np.float32)).tolist() == []
    assert store.has(CARD, []).tolist() == []
    assert store.known([]) == []
    assert not (tmp_path / "new").exists()


def test_a_store_sees_what_it_and_others_put_after_a_refresh(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert not store.has(CARD, digests(5)).any()
    filled(tmp_path)
    store.refresh()
    assert store.has(CARD, digests(5)).all()
    store.put(CARD, digests(1, 5), vectors(1))
    store.refresh()
    assert store.has(CARD, digests(6)).all()


@pytest.mark.parametrize(
    "other",
    [
        replace(CARD, weights="other"),
        replace(CARD, revision=2),
        replace(CARD, view=View(16, 17)),
        replace(CARD, view=View(17, 16)),
        CARD.with_fit("crop"),
        CARD.with_fit("pad"),
        replace(CARD, channels="BGR"),
        replace(CARD, mean=(0.0, 1.0, 0.0)),
        replace(CARD, scale=(1.0, 1.0, 2.0)),
        replace(CARD, output="other"),
        replace(CARD, dim=3),
        replace(CARD, precision="bfloat16"),
    ],
)
def test_a_card_that_makes_other_vectors_has_a_shelf_of_its_own(tmp_path: Path, other: Card) -> None:
    filled(tmp_path)
    assert not Store(tmp_path).has(other, digests(5)).any()
    filled(tmp_path, 2, other)
    assert stored(tmp_path) == list(range(5))
    assert len(Store(tmp_path).shelves()) == 2


def test_names_and_facts_for_people_do_not_move_a_card_to_another_shelf(tmp_path: Path) -> None:
    filled(tmp_path)
    same = replace(CARD, handle="a nickname", classes=9, crop=0.5, licence="MIT")
    assert stored(tmp_path, 5, same) == list(range(5))


def test_the_crops_share_counts_only_where_photos_are_cropped(tmp_path: Path) -> None:
    cropped = CARD.with_fit("crop")
    filled(tmp_path, 5, cropped)
    assert stored(tmp_path, 5, replace(CARD, crop=0.5).with_fit("crop")) == []
    assert CARD.with_fit("squash").key == replace(CARD, view=replace(CARD.view, fraction=0.5)).key


# --- files that are known ---


def test_a_file_is_known_by_its_content_until_it_changes(tmp_path: Path, settled: Callable[[], None]) -> None:
    file = tmp_path / "a.jpg"
    file.write_bytes(b"one")
    Store(tmp_path / "s").remember([fingerprint(str(file))], digests(1))
    assert Store(tmp_path / "s").known([str(file), str(tmp_path / "b.jpg")]) == [digests(1)[0], None]
    settled()
    file.write_bytes(b"two")
    assert Store(tmp_path / "s").known([str(file)]) == [None]


def test_a_file_changed_behind_a_restored_time_is_not_known(tmp_path: Path, settled: Callable[[], None]) -> None:
    file = tmp_path / "a.jpg"
    file.write_bytes(b"one")
    age(file, days=100)
    before = file.stat()
    Store(tmp_path / "s").remember([fingerprint(str(file))], digests(1))
    settled()
    file.write_bytes(b"two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert Store(tmp_path / "s").known([str(file)]) == [None]


def test_a_file_put_in_anothers_place_is_not_known(tmp_path: Path, settled: Callable[[], None]) -> None:
    old, new = tmp_path / "a.jpg", tmp_path / "b.jpg"
    for file in (old, new):
        file.write_bytes(file.name.encode())
        age(file, days=100)
    Store(tmp_path / "s").remember([fingerprint(str(file)) for file in (old, new)], digests(2))
    new.replace(old)
    assert Store(tmp_path / "s").known([str(old), str(new)]) == [None, None]


def test_a_file_that_changed_just_now_is_not_trusted(tmp_path: Path) -> None:
    file = tmp_path / "a.jpg"
    file.write_bytes(b"one")
    assert fingerprint(str(file)) is None
    age(file, days=100)
    assert fingerprint(str(file)) is None  # its times were changed just now


@pytest.mark.parametrize("path", ["missing.jpg", "a\0b.jpg", "\ud800.jpg", "x" * 5000, ""])
def test_a_path_without_a_file_is_not_known(tmp_path: Path, path: str) -> None:
    assert Store(tmp_path).known([path]) == [None]


def test_names_that_are_not_text_are_known_too(tmp_path: Path, settled: Callable[[], None]) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/ph\xf6to \xe2\x98\x83.jpg")
    try:
        Path(path).write_bytes(b"one")
    except OSError:
        pytest.skip("this disk takes only text as names")
    Store(tmp_path / "s").remember([fingerprint(path)], digests(1))
    assert Store(tmp_path / "s").known([path]) == digests(1)


def test_the_same_file_by_a_relative_path_is_known(
    tmp_path: Path, settled: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"one")
    Store(tmp_path / "s").remember([fingerprint(str(tmp_path / "a.jpg"))], digests(1))
    monkeypatch.chdir(tmp_path)
    assert Store(tmp_path / "s").known(["a.jpg"]) == digests(1)


# --- speed ---


def test_a_kept_speed_is_returned(tmp_path: Path) -> None:
    store = filled(tmp_path)
    assert store.rate(CARD) is None
    store.note_rate(CARD, 123.5)
    assert Store(tmp_path).rate(CARD) == 123.5
    assert Store(tmp_path).rate(replace(CARD, weights="other")) is None


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"{}", b"7", b"\xff\xfe", *(b'{"photos_per_second": %s}' % x for x in
     (b"0", b"-3", b"NaN", b"Infinity", b"null", b'"fast"', b"[1]", b"1" + b"0" * 400))],
)  # fmt: skip
def test_a_damaged_speed_counts_as_none(tmp_path: Path, text: bytes) -> None:
    store = filled(tmp_path)
    (shelf(tmp_path) / "rate.json").write_bytes(text)
    assert store.rate(CARD) is None


# --- housekeeping ---


def test_shelves_list_what_is_kept(tmp_path: Path) -> None:
    cropped = CARD.with_fit("crop")
    filled(tmp_path, 5)
    filled(tmp_path, 5)  # as two processes at once do
    filled(tmp_path, 2, cropped)
    age(shelf(tmp_path) / "card.json", days=10)
    found = {one.key: one for one in Store(tmp_path).shelves()}
    assert list(found) == sorted([CARD.key, cropped.key])
    one = found[CARD.key]
    assert (one.backbone, one.view, one.vectors, one.bytes) == ("fake:fake", "squash", 5, 10 * (16 + 40))
    assert (found[cropped.key].view, found[cropped.key].vectors) == ("crop", 2)
    assert one.last_used == pytest.approx(time.time() - 10 * 86400, abs=60)
    assert found[cropped.key].last_used == pytest.approx(time.time(), abs=60)


def test_the_size_is_that_of_all_files(tmp_path: Path) -> None:
    store = filled(tmp_path)
    (store.compiled).mkdir()
    (store.compiled / "x.compiled").write_bytes(bytes(1000))
    assert store.size == 5 * (16 + 40) + (shelf(tmp_path) / "card.json").stat().st_size + 1000


def test_an_empty_store_has_nothing_to_keep_in_order_and_is_not_made(tmp_path: Path) -> None:
    store = Store(tmp_path / "new")
    assert (store.shelves(), store.size, store.verify(), store.prune(0)) == ([], 0, {}, 0)
    store.clear()
    assert not (tmp_path / "new").exists()


def test_verify_counts_damaged_vectors(tmp_path: Path) -> None:
    other = replace(CARD, weights="other")
    filled(tmp_path)
    filled(tmp_path, 3, other)
    assert Store(tmp_path).verify() == {CARD.key: 0, other.key: 0}
    values = shelf(tmp_path) / "vectors.values"
    data = bytearray(values.read_bytes())
    data[17] ^= 1
    data[40] ^= 1
    values.write_bytes(data)
    assert Store(tmp_path).verify() == {CARD.key: 2, other.key: 0}
    assert stored(tmp_path) == [0, 3, 4]


def test_prune_drops_damaged_and_duplicate_records_and_returns_the_bytes_freed(tmp_path: Path) -> None:
    filled(tmp_path)
    filled(tmp_path)
    values = shelf(tmp_path) / "vectors.values"
    values.write_bytes(values.read_bytes()[:-1])  # the newest of the last is damaged
    store = Store(tmp_path)
    assert store.has(CARD, digests(5)).all()
    before = store.size
    freed = store.prune(days=30)
    assert store.size == before - freed == 4 * (16 + 40) + (shelf(tmp_path) / "card.json").stat().st_size
    assert stored(tmp_path) == [0, 1, 2, 3]
    assert store.has(CARD, digests(5)).tolist() == [True] * 4 + [False]
    assert store.verify() == {CARD.key: 0}


def test_prune_drops_what_was_unused_for_long(tmp_path: Path) -> None:
    old = replace(CARD, weights="old")
    store = filled(tmp_path)
    filled(tmp_path, 5, old)
    store.compiled.mkdir()
    for name in ("new", "old"):
        (store.compiled / f"{name}.compiled").write_bytes(b"graph")
    age(shelf(tmp_path, old) / "card.json", days=31)
    age(store.compiled / "old.compiled", days=31)
    assert store.prune(days=30) > 0
    assert [one.key for one in store.shelves()] == [CARD.key]
    assert not shelf(tmp_path, old).exists()
    assert [path.name for path in store.compiled.iterdir()] == ["new.compiled"]
    assert not store.has(old, digests(5)).any()


def test_files_stay_known_through_a_prune(tmp_path: Path, settled: Callable[[], None]) -> None:
    file = tmp_path / "a.jpg"
    file.write_bytes(b"one")
    store = Store(tmp_path / "s")
    for _ in range(3):
        store.remember([fingerprint(str(file))], digests(1))
    assert store.prune(days=30) == 2 * (32 + 40)
    assert store.known([str(file)]) == digests(1)


def test_clear_drops_everything_of_ours_and_nothing_else(tmp_path: Path, settled: Callable[[], None]) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "photos").mkdir()
    file = tmp_path / "photos" / "a.jpg"
    file.write_bytes(b"one")
    store = filled(tmp_path)
    store.remember([fingerprint(str(file))], digests(1))
    store.compiled.mkdir()
    store.clear()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", "photos"]
    assert file.read_bytes() == b"one"
    assert not store.has(CARD, digests(5)).any()
    assert store.known([str(file)]) == [None]
    filled(tmp_path)
    assert stored(tmp_path) == list(range(5))


def test_strangers_files_in_the_store_are_left_alone(tmp_path: Path) -> None:
    filled(tmp_path)
    strange = tmp_path / "vectors" / "holiday"
    strange.mkdir()
    for path in (strange / "me.jpg", tmp_path / "vectors" / "list.txt", tmp_path / "x.bin", shelf(tmp_path) / "y.bin"):
        path.write_bytes(b"mine")
        age(path, days=1000)
    store = Store(tmp_path)
    assert [one.key for one in store.shelves()] == [CARD.key]
    assert list(store.verify()) == [CARD.key]
    store.prune(days=30)
    for path in (strange / "me.jpg", tmp_path / "vectors" / "list.txt", tmp_path / "x.bin", shelf(tmp_path) / "y.bin"):
        assert path.read_bytes() == b"mine"
    assert stored(tmp_path) == list(range(5))


FIELDS = CARD.to_json()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        json.dumps(FIELDS).encode()[:-20],
        bytes(100),
        np.random.default_rng(0).bytes(300),
        b"[]",
        b"null",
        b'"card"',
        b"{}",
        *(
            json.dumps({**FIELDS, **change}).encode()
            for change in ({"dim": 0}, {"dim": "4"}, {"dim": 6}, {"dim": None}, {"view": 3}, {"mean": 1}, {"new": 1})
        ),
    ],
)
def test_a_damaged_card_loses_no_vectors_and_is_rewritten(tmp_path: Path, text: bytes) -> None:
    filled(tmp_path)
    (shelf(tmp_path) / "card.json").write_bytes(text)
    store = Store(tmp_path)
    assert store.shelves() == []
    assert store.verify() == {}
    store.prune(days=0)
    assert stored(tmp_path) == list(range(5))
    store.prepare(CARD)
    assert [one.vectors for one in store.shelves()] == [5]


# --- disks that refuse ---

WRITES: dict[str, Callable[[Store], object]] = {
    "prepare": lambda store: store.prepare(CARD),
    "put": lambda store: store.put(CARD, digests(3), vectors(3)),
    "remember": lambda store: store.remember(digests(3, 100), digests(3)),
    "note_rate": lambda store: store.note_rate(CARD, 10.0),
}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
@pytest.mark.parametrize("name", WRITES)
def test_a_store_that_cannot_be_made_is_reported_with_advice(name: str) -> None:
    with pytest.raises(StoreError, match=r"/proc/headstart(.|\n)*cannot be written(.|\n)*HEADSTART_HOME"):
        WRITES[name](Store("/proc/headstart"))


@pytest.mark.parametrize("name", WRITES)
def test_a_store_below_a_file_is_reported_with_advice(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreError, match=r"cannot be written.*\n.*HEADSTART_HOME") as caught:
        WRITES[name](Store(tmp_path / "file" / "store"))
    assert str(tmp_path / "file" / "store") in str(caught.value)


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it, and every disk refuses to be written. (The tests' user may be root, whom no mode of a file stops.)"""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    def start() -> None:
        opened, opened_text = os.open, Path.open

        def low(path: str, flags: int, *rest: int, **named: int) -> int | None:
            return opened(path, flags, *rest, **named) if not flags & (os.O_WRONLY | os.O_RDWR) else refuse()

        def high(self: Path, mode: str = "r", *rest: object, **named: object) -> object:
            return opened_text(self, mode, *rest, **named) if mode in ("r", "rb") else refuse()  # type: ignore

        monkeypatch.setattr(os, "open", low)
        monkeypatch.setattr(Path, "open", high)
        for name in ("replace", "unlink", "rmdir"):
            monkeypatch.setattr(os, name, refuse)

    return start


def test_a_read_only_store_can_be_read_and_reports_writes_as_errors(
    tmp_path: Path, read_only: Callable[[], None]
) -> None:
    filled(tmp_path)
    filled(tmp_path)
    store = Store(tmp_path)
    store.remember(digests(1, 50), digests(1))
    read_only()
    housekeeping: dict[str, Callable[[Store], object]] = {"prune": lambda s: s.prune(30), "clear": lambda s: s.clear()}
    for write in (WRITES | housekeeping).values():
        with pytest.raises(StoreError, match=r"cannot be written: Read-only file system\.\n.*HEADSTART_HOME"):
            write(store)
    assert stored(tmp_path) == list(range(5))
    assert store.verify() == {CARD.key: 0}
    assert [one.vectors for one in store.shelves()] == [5]


def test_a_shelf_that_was_removed_meanwhile_is_made_again(tmp_path: Path) -> None:
    store = filled(tmp_path)
    shutil.rmtree(tmp_path / "vectors")  # `headstart cache clear` in another window
    store.put(CARD, digests(5), vectors(5))
    assert stored(tmp_path) == list(range(5))
