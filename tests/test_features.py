"""Extraction: each photo through the network once, ever, and an answer for every file, whatever happens."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fakes import FakeBackbone, start_python, write_photo, write_photos
from headstart.errors import BackboneError, DataError, StoreError
from headstart.features import extraction as features_module
from headstart.features import store as store_module
from headstart.features.extraction import FLUSH, Features, Progress, Skipped, extract, processors, require_all
from headstart.features.store import Store
from headstart.photos import images, reading


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("headstart")]


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Files are trusted as soon as they are written; call it to let the clock tick before a file is changed."""
    monkeypatch.setattr(reading, "_RACY_SECONDS", 0.0)
    return lambda: time.sleep(0.03)


@pytest.fixture
def small_flush(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(features_module, "FLUSH", 8)
    return 8


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """200 photos that all differ; nobody changes them."""
    return write_photos(tmp_path_factory.mktemp("album"), {"navy": 100, "red": 100})


@pytest.fixture(scope="module")
def undisturbed(album: list[str], tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """Vectors of the album by a run that nothing disturbed."""
    return extract(FakeBackbone(), album, Store(tmp_path_factory.mktemp("undisturbed"))).vectors


class Recorder(Progress):
    def __init__(self) -> None:
        self.plans: list[tuple[int, int, float]] = []
        self.steps: list[int] = []

    def planned(self, photos: int, new: int, seconds: float) -> None:
        assert not self.steps
        self.plans.append((photos, new, seconds))

    def advanced(self, done: int) -> None:
        self.steps.append(done)


class Failing(FakeBackbone):
    """Fails in the place of the batch that comes after so many pictures."""

    def __init__(self, after: int, error: BaseException) -> None:
        super().__init__()
        self.after = after
        self.error = error

    def _vectors(self, images: np.ndarray) -> np.ndarray:
        if self.embedded >= self.after:
            raise self.error
        return super()._vectors(images)


def expected(paths: list[str], backbone: FakeBackbone | None = None) -> np.ndarray:
    """Each photo decoded and embedded by itself."""
    network = FakeBackbone() if backbone is None else FakeBackbone(backbone.card.dim).with_card(backbone.card)
    return np.concatenate([network.embed(images.load(path, network.card.view)[None]) for path in paths])


def counts(found: Features) -> tuple[int, int, int, int]:
    return found.computed, found.from_store, len(found.skipped), found.damaged


# --- once, ever ---


def test_vectors_are_those_of_the_photos_in_the_order_given(tmp_path: Path) -> None:
    paths = write_photos(tmp_path, {"red": 4, "lime": 5, "navy": 4}, suffix=".png")
    random.Random(0).shuffle(paths)
    found = extract(FakeBackbone(), paths, Store(tmp_path / "store"))
    assert found.paths == tuple(paths)
    assert found.rows.tolist() == list(range(13))
    assert found.vectors.dtype == np.float32
    assert np.array_equal(found.vectors, expected(paths))
    assert found.hashes.tolist() == [images.content_hash(Path(path).read_bytes()) for path in paths]
    assert counts(found) == (13, 0, 0, 0)
    red = found.vectors[["red" in Path(path).parent.name for path in paths]]
    assert (red[:, 0] > 230).all()
    assert (red[:, 1:3] < 20).all()


def test_the_second_run_reads_no_file_and_embeds_nothing(
    tmp_path: Path, settled: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_photos(tmp_path, {"a": 7, "b": 6})
    first = extract(FakeBackbone(), paths, Store(tmp_path / "store"))

    def refuse(path: str) -> bytes:
        raise AssertionError(f"{path} was read again")

    monkeypatch.setattr(images, "read", refuse)
    backbone, progress = FakeBackbone(), Recorder()
    second = extract(backbone, paths, Store(tmp_path / "store"), progress)
    assert counts(second) == (0, 13, 0, 0)
    assert (backbone.embedded, backbone.probed) == (0, 0)
    assert np.array_equal(first.vectors, second.vectors)
    assert first.hashes.tolist() == second.hashes.tolist()
    assert (progress.plans, progress.steps) == ([(13, 0, 0.0)], [])


def test_a_store_that_is_used_again_knows_what_it_kept(tmp_path: Path, settled: Callable[[], None]) -> None:
    paths = write_photos(tmp_path, {"a": 9})
    store, backbone = Store(tmp_path / "store"), FakeBackbone()
    extract(backbone, paths, store)
    assert counts(extract(backbone, paths, store)) == (0, 9, 0, 0)
    assert backbone.embedded == 9


def test_a_renamed_photo_is_a_cache_hit(tmp_path: Path, settled: Callable[[], None]) -> None:
    paths = write_photos(tmp_path, {"a": 6})
    extract(FakeBackbone(), paths, Store(tmp_path / "store"))
    moved = [str(Path(path).rename(tmp_path / f"{i}.JPEG")) for i, path in enumerate(paths)]
    backbone = FakeBackbone()
    found = extract(backbone, moved, Store(tmp_path / "store"))
    assert counts(found) == (0, 6, 0, 0)
    assert backbone.embedded == 0
    assert np.array_equal(found.vectors, expected(moved))


def test_a_copied_photo_is_a_cache_hit(tmp_path: Path, settled: Callable[[], None]) -> None:
    paths = write_photos(tmp_path, {"a": 3})
    extract(FakeBackbone(), paths, Store(tmp_path / "store"))
    copies = [shutil.copy(path, tmp_path / f"copy {i}.jpg") for i, path in enumerate(paths)]
    found = extract(FakeBackbone(), [*map(str, copies), *paths], Store(tmp_path / "store"))
    assert counts(found) == (0, 6, 0, 0)
    assert np.array_equal(found.vectors, expected(paths + paths))


def test_a_copy_found_by_its_content_is_not_read_again_either(
    tmp_path: Path, settled: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_photos(tmp_path, {"a": 3})
    paths.append(str(shutil.copy(paths[0], tmp_path / "copy.jpg")))
    extract(FakeBackbone(), paths, Store(tmp_path / "store"))
    monkeypatch.setattr(images, "read", None)
    assert counts(extract(FakeBackbone(), paths, Store(tmp_path / "store"))) == (0, 4, 0, 0)


def test_a_photo_given_twice_is_embedded_once(tmp_path: Path) -> None:
    paths = write_photos(tmp_path, {"a": 3})
    paths = [*paths, str(shutil.copy(paths[1], tmp_path / "copy.jpg")), paths[0], paths[1]]
    backbone = FakeBackbone()
    found = extract(backbone, paths, Store(tmp_path / "store"))
    assert backbone.embedded == 3
    assert counts(found) == (3, 3, 0, 0)
    assert np.array_equal(found.vectors, expected(paths))


def test_an_edited_photo_is_a_miss(tmp_path: Path, settled: Callable[[], None]) -> None:
    paths = write_photos(tmp_path, {"red": 6})
    extract(FakeBackbone(), paths, Store(tmp_path / "store"))
    settled()
    write_photo(Path(paths[2]), "blue")
    backbone = FakeBackbone()
    found = extract(backbone, paths, Store(tmp_path / "store"))
    assert counts(found) == (1, 5, 0, 0)
    assert backbone.embedded == 1
    assert np.array_equal(found.vectors, expected(paths))


def test_an_edit_behind_a_restored_time_is_noticed(tmp_path: Path, settled: Callable[[], None]) -> None:
    path = Path(write_photo(tmp_path / "a.bmp", "red"))  # BMP: the size stays the same, too
    before = path.stat()
    extract(FakeBackbone(), [str(path)], Store(tmp_path / "store"))
    settled()
    write_photo(path, "blue")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    found = extract(FakeBackbone(), [str(path)], Store(tmp_path / "store"))
    assert counts(found) == (1, 0, 0, 0)
    assert found.vectors[0, 2] > 230


def test_a_photo_edited_during_the_run_does_not_get_the_old_vector(tmp_path: Path, settled: Callable[[], None]) -> None:
    paths = write_photos(tmp_path, {"red": 4})  # one batch, and too few for a probe

    class Meanwhile(FakeBackbone):
        def _vectors(self, images: np.ndarray) -> np.ndarray:
            settled()
            write_photo(Path(paths[0]), "blue")  # after it was read, before its vector is written
            return super()._vectors(images)

    extract(Meanwhile(), paths, Store(tmp_path / "store"))
    found = extract(FakeBackbone(), paths, Store(tmp_path / "store"))
    assert np.array_equal(found.vectors, expected(paths))


def test_a_photo_written_just_before_the_run_is_read_again_but_not_embedded(tmp_path: Path) -> None:
    paths = write_photos(tmp_path, {"a": 5})  # they might change once more within the clock's tick
    extract(FakeBackbone(), paths, Store(tmp_path / "store"))
    backbone = FakeBackbone()
    assert counts(extract(backbone, paths, Store(tmp_path / "store"))) == (0, 5, 0, 0)
    assert backbone.embedded == 0


@pytest.mark.parametrize(
    "other",
    [
        FakeBackbone(weights="other"),
        FakeBackbone().with_fit("crop"),
        FakeBackbone().with_fit("pad"),
        FakeBackbone(size=24),
        FakeBackbone(dim=5),
    ],
    ids=["weights", "crop", "pad", "size", "dim"],
)
def test_another_model_or_view_computes_its_own_vectors(
    tmp_path: Path, settled: Callable[[], None], other: FakeBackbone
) -> None:
    paths = write_photos(tmp_path, {"a": 5})
    extract(FakeBackbone(), paths, Store(tmp_path / "store"))
    found = extract(other, paths, Store(tmp_path / "store"))
    assert counts(found) == (5, 0, 0, 0)
    assert np.array_equal(found.vectors, expected(paths, other))
    assert np.array_equal(extract(FakeBackbone(), paths, Store(tmp_path / "store")).vectors, expected(paths))


def test_another_name_for_the_same_model_changes_nothing(tmp_path: Path, settled: Callable[[], None]) -> None:
    paths = write_photos(tmp_path, {"a": 5})
    extract(FakeBackbone(), paths, Store(tmp_path / "store"))
    renamed = FakeBackbone()
    renamed.card = replace(renamed.card, handle="a nickname")
    assert counts(extract(renamed, paths, Store(tmp_path / "store"))) == (0, 5, 0, 0)


@pytest.mark.parametrize("dim", [1, 3, 7])
def test_vectors_of_odd_length_are_kept(tmp_path: Path, settled: Callable[[], None], dim: int) -> None:
    paths = write_photos(tmp_path, {"a": 9})
    first = extract(FakeBackbone(dim), paths, Store(tmp_path / "store"))
    second = extract(FakeBackbone(dim), paths, Store(tmp_path / "store"))
    assert counts(second) == (0, 9, 0, 0)
    assert np.array_equal(first.vectors, expected(paths, FakeBackbone(dim)))
    assert np.array_equal(first.vectors, second.vectors)


def test_a_run_that_finds_all_vectors_marks_the_shelf_as_used(tmp_path: Path, settled: Callable[[], None]) -> None:
    paths = write_photos(tmp_path, {"a": 5})
    store = Store(tmp_path / "store")
    extract(FakeBackbone(), paths, store)
    card = tmp_path / "store" / "vectors" / FakeBackbone().card.key / "card.json"
    os.utime(card, (0, 0))
    extract(FakeBackbone(), paths, store)
    store.prune(days=30)
    assert counts(extract(FakeBackbone(), paths, store)) == (0, 5, 0, 0)
    card.write_text("damaged")
    extract(FakeBackbone(), paths, store)
    assert [shelf.vectors for shelf in store.shelves()] == [5]


# --- an outcome for every file ---


def broken_photos(folder: Path) -> dict[str, str]:
    """Path -> reason."""
    whole = Path(write_photo(folder / "whole.jpg", "teal")).read_bytes()
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.png").write_bytes(b"no picture at all, but some words")
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "folder.jpg").mkdir()
    reasons = {"empty.jpg": "empty", "text.png": "not an image", "cut.jpg": "truncated"}
    reasons |= {"folder.jpg": "unreadable", "missing.jpg": "unreadable"}
    return {str(folder / name): reason for name, reason in reasons.items()}


@pytest.mark.parametrize("chunk", [1, 3, 1024])
def test_every_file_has_an_outcome_and_the_others_keep_their_order(
    tmp_path: Path, settled: Callable[[], None], monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(features_module, "_READ_CHUNK", chunk)
    broken = broken_photos(tmp_path)
    whole = write_photos(tmp_path, {"red": 9, "navy": 9})
    paths = [*whole, *broken]
    random.Random(chunk).shuffle(paths)
    paths = [next(iter(broken)), *paths, next(iter(broken))]  # also the first and the last
    usable = [path for path in paths if path not in broken]
    for run in range(2):
        backbone = FakeBackbone()
        found = extract(backbone, paths, Store(tmp_path / "store"))
        assert found.paths == tuple(usable)
        assert found.rows.tolist() == [i for i, path in enumerate(paths) if path not in broken]
        assert np.array_equal(found.vectors, expected(usable))
        assert [(one.path, one.reason) for one in found.skipped] == [(p, broken[p]) for p in paths if p in broken]
        assert all(one.reason in images.REASONS and one.detail for one in found.skipped)
        assert len(found.hashes) == len(found.paths)
        assert counts(found) == ((18, 0, 7, 0) if run == 0 else (0, 18, 7, 0))
        assert backbone.embedded == found.computed


def test_copies_of_a_broken_photo_are_reported_too(tmp_path: Path) -> None:
    paths = write_photos(tmp_path, {"a": 5})
    cut = Path(paths[1])
    cut.write_bytes(cut.read_bytes()[:-200])
    paths += [str(shutil.copy(cut, tmp_path / f"{i}.jpg")) for i in range(3)]
    found = extract(FakeBackbone(), paths, Store(tmp_path / "store"))
    assert counts(found) == (4, 0, 4, 0)
    assert [one.path for one in found.skipped] == [paths[1], *paths[5:]]
    assert {one.reason for one in found.skipped} == {"truncated"}


def test_photos_that_are_all_broken_give_no_vectors(tmp_path: Path) -> None:
    broken = broken_photos(tmp_path)
    backbone, progress = FakeBackbone(), Recorder()
    found = extract(backbone, list(broken), Store(tmp_path / "store"), progress)
    assert found.vectors.shape == (0, 8)
    assert (found.paths, found.rows.tolist(), found.hashes.tolist()) == ((), [], [])
    assert [one.reason for one in found.skipped] == list(broken.values())
    assert backbone.embedded == 0
    assert [plan[:2] for plan in progress.plans] == [(5, 5)]
    assert progress.steps[-1] == 5


def test_no_photos_give_no_vectors_and_leave_no_trace(tmp_path: Path) -> None:
    progress = Recorder()
    found = extract(FakeBackbone(), [], Store(tmp_path / "store"), progress)
    assert found.vectors.shape == (0, 8)
    assert counts(found) == (0, 0, 0, 0)
    assert progress.plans == []
    assert not (tmp_path / "store").exists()


def test_a_broken_photo_is_used_after_it_is_repaired(tmp_path: Path, settled: Callable[[], None]) -> None:
    paths = write_photos(tmp_path, {"a": 3})
    whole = Path(paths[0]).read_bytes()
    Path(paths[0]).write_bytes(whole[:100])
    assert counts(extract(FakeBackbone(), paths, Store(tmp_path / "store"))) == (2, 0, 1, 0)
    settled()
    Path(paths[0]).write_bytes(whole)
    assert counts(extract(FakeBackbone(), paths, Store(tmp_path / "store"))) == (1, 2, 0, 0)


def test_where_all_photos_are_needed_the_broken_ones_are_named() -> None:
    require_all([])
    with pytest.raises(DataError, match=r"^7 photo\(s\) cannot be used: 0\.jpg: empty; .* and 2 more\."):
        require_all([Skipped(f"{i}.jpg", "empty") for i in range(7)])


# --- what the progress is told ---


def test_the_plan_comes_once_and_the_count_reaches_the_new_photos(tmp_path: Path, settled: Callable[[], None]) -> None:
    paths = write_photos(tmp_path, {"a": 21})
    extract(FakeBackbone(), paths[:8], Store(tmp_path / "store"))
    (tmp_path / "broken.jpg").write_bytes(b"?")
    paths += [str(tmp_path / "broken.jpg"), paths[10], str(shutil.copy(paths[0], tmp_path / "copy.jpg"))]
    progress = Recorder()
    found = extract(FakeBackbone(), paths, Store(tmp_path / "store"), progress)
    assert [plan[:2] for plan in progress.plans] == [(24, 16)]
    assert progress.steps == list(range(1, 17))
    assert counts(found) == (13, 10, 1, 0)


def test_the_time_is_estimated_from_a_probe_of_a_few_photos(tmp_path: Path) -> None:
    paths = write_photos(tmp_path, {"a": 20})
    progress, backbone = Recorder(), FakeBackbone(delay=0.01)
    extract(backbone, paths, Store(tmp_path / "store"), progress)
    # Two batches of four, and 20 photos at 1/400 s each, on all processors.
    assert backbone.probed == 8
    assert 20 / 400 / processors() < progress.plans[0][2] < 60
    assert backbone.embedded == 20


def test_photos_are_not_probed_for_an_estimate_that_nobody_hears(tmp_path: Path) -> None:
    backbone = FakeBackbone()
    extract(backbone, write_photos(tmp_path, {"a": 20}), Store(tmp_path / "store"))
    assert (backbone.probed, backbone.embedded) == (0, 20)


def test_a_few_photos_are_not_probed(tmp_path: Path) -> None:
    progress, backbone = Recorder(), FakeBackbone()
    extract(backbone, write_photos(tmp_path, {"a": 4}), Store(tmp_path / "store"), progress)
    assert (backbone.probed, progress.plans) == (0, [(4, 4, 0.0)])


def test_the_time_is_estimated_from_the_last_long_run(tmp_path: Path, small_flush: int) -> None:
    paths = write_photos(tmp_path, {"a": 30})
    store, card = Store(tmp_path / "store"), FakeBackbone().card
    extract(FakeBackbone(), paths[:7], store)
    assert store.rate(card) is None  # too short to tell
    extract(FakeBackbone(), paths[7:20], store)
    assert (store.rate(card) or 0) > 1
    store.note_rate(card, 4.0)
    progress, backbone = Recorder(), FakeBackbone()
    extract(backbone, paths[20:], store, progress)
    assert progress.plans == [(10, 10, 2.5)]
    assert backbone.probed == 0


# --- damage ---


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 2 // 3 + 1)


def fill_with_noise(path: Path) -> None:
    path.write_bytes(np.random.default_rng(1).bytes(path.stat().st_size))


def fill_with_zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def noise_in_the_middle(path: Path) -> None:
    data = path.read_bytes()
    third = len(data) // 3
    path.write_bytes(data[:third] + np.random.default_rng(2).bytes(third) + data[2 * third :])


@pytest.mark.parametrize("harm", [cut, fill_with_noise, fill_with_zeros, noise_in_the_middle, Path.unlink])
@pytest.mark.parametrize("name", ["vectors.values", "vectors.keys", "paths.values", "paths.keys"])
def test_a_damaged_store_never_gives_a_wrong_vector(
    tmp_path: Path, settled: Callable[[], None], name: str, harm: Callable[[Path], None]
) -> None:
    paths = write_photos(tmp_path, {"red": 8, "navy": 7})
    folder = tmp_path / "store"
    extract(FakeBackbone(), paths, Store(folder))
    (file,) = folder.rglob(name)
    harm(file)
    backbone = FakeBackbone()
    found = extract(backbone, paths, Store(folder))
    assert np.array_equal(found.vectors, expected(paths))
    assert backbone.embedded == found.computed
    assert found.computed + found.from_store == 15
    if name == "vectors.values":  # the keys say what is lost
        assert found.damaged == found.computed > 0
    elif name == "vectors.keys":
        assert found.computed > 0
    else:
        assert (found.computed, found.damaged) == (0, 0)
    again = extract(FakeBackbone(), paths, Store(folder))
    assert counts(again) == (0, 15, 0, 0)
    assert np.array_equal(again.vectors, expected(paths))


def test_a_damaged_vector_is_reported_once_for_all_its_copies(tmp_path: Path, settled: Callable[[], None]) -> None:
    paths = write_photos(tmp_path, {"a": 6})
    extract(FakeBackbone(), paths, Store(tmp_path / "store"))
    (file,) = (tmp_path / "store").rglob("vectors.values")
    fill_with_noise(file)
    known = paths[:2]
    copies = [str(shutil.copy(path, tmp_path / f"{i}.jpg")) for i, path in enumerate(paths[:4])]
    found = extract(FakeBackbone(), [*copies, *known, *known], Store(tmp_path / "store"))
    assert counts(found) == (4, 4, 0, 4)
    assert np.array_equal(found.vectors, expected([*copies, *known, *known]))


# --- disks that refuse ---


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_a_store_that_cannot_be_written_is_reported_before_the_work(tmp_path: Path) -> None:
    backbone = FakeBackbone()
    with pytest.raises(StoreError, match=r"/proc/headstart cannot be written(.|\n)*HEADSTART_HOME"):
        extract(backbone, write_photos(tmp_path, {"a": 9}), Store("/proc/headstart"))
    assert (backbone.embedded, backbone.probed) == (0, 0)


def test_a_store_that_has_everything_need_not_be_writable(
    tmp_path: Path, settled: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_photos(tmp_path, {"a": 9})
    extract(FakeBackbone(), paths[:8], Store(tmp_path / "store"))

    def refuse(*_: object) -> None:
        raise StoreError("The disk is read-only.")

    for name in ("prepare", "put", "remember", "note_rate"):
        monkeypatch.setattr(Store, name, refuse)
    found = extract(FakeBackbone(), paths[:8], Store(tmp_path / "store"))
    assert counts(found) == (0, 8, 0, 0)
    assert np.array_equal(found.vectors, expected(paths[:8]))
    with pytest.raises(StoreError, match="read-only"):
        extract(FakeBackbone(), paths, Store(tmp_path / "store"))


# --- failures in the middle ---


@pytest.mark.parametrize("error", [BackboneError("The engine failed."), KeyboardInterrupt(), MemoryError()])
def test_a_failing_model_loses_no_computed_vector(
    tmp_path: Path, album: list[str], undisturbed: np.ndarray, error: BaseException
) -> None:
    backbone = Failing(100, error)
    with pytest.raises(type(error)) as caught:
        extract(backbone, album, Store(tmp_path))
    assert caught.value is error
    assert backbone.embedded == 100
    found = extract(FakeBackbone(), album, Store(tmp_path))
    assert counts(found) == (100, 100, 0, 0)
    assert np.array_equal(found.vectors, undisturbed)


def test_a_failing_store_costs_nothing_that_was_written(
    tmp_path: Path, album: list[str], undisturbed: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, written = Store.put, []

    def refuse_the_second(self: Store, card: object, hashes: list[bytes], vectors: np.ndarray) -> None:
        if written:
            raise StoreError("The disk is full.")
        put(self, card, hashes, vectors)  # type: ignore[arg-type]
        written.extend(hashes)

    monkeypatch.setattr(Store, "put", refuse_the_second)
    with pytest.raises(StoreError, match="The disk is full"):
        extract(FakeBackbone(), album, Store(tmp_path))
    monkeypatch.setattr(Store, "put", put)
    found = extract(FakeBackbone(), album, Store(tmp_path))
    assert len(written) >= FLUSH
    assert counts(found) == (200 - len(written), len(written), 0, 0)
    assert np.array_equal(found.vectors, undisturbed)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("the bar broke")])
def test_a_failing_watcher_costs_nothing_that_was_computed(
    tmp_path: Path, album: list[str], error: BaseException
) -> None:
    class Breaking(Progress):
        def advanced(self, done: int) -> None:
            if done == 90:
                raise error

    backbone = FakeBackbone()
    with pytest.raises(type(error)):
        extract(backbone, album, Store(tmp_path), Breaking())
    assert backbone.embedded == 88
    assert counts(extract(FakeBackbone(), album, Store(tmp_path))) == (112, 88, 0, 0)


def test_a_decoder_that_fails_in_an_unknown_way_comes_out(
    tmp_path: Path, album: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    decode, decoded = images.decode, []

    def fail_later(data: bytes, view: images.View) -> np.ndarray:
        decoded.append(1)
        if len(decoded) > 150:
            raise ZeroDivisionError
        return decode(data, view)

    monkeypatch.setattr(images, "decode", fail_later)
    with pytest.raises(ZeroDivisionError):
        extract(FakeBackbone(), album, Store(tmp_path))
    monkeypatch.setattr(images, "decode", decode)
    found = extract(FakeBackbone(), album, Store(tmp_path))
    assert found.from_store > 100
    assert found.computed + found.from_store == 200


def test_no_more_than_a_few_dozen_vectors_wait_to_be_written(tmp_path: Path, album: list[str]) -> None:
    waiting = []

    class Looking(FakeBackbone):
        def _vectors(self, images: np.ndarray) -> np.ndarray:
            waiting.append(self.embedded - sum(shelf.vectors for shelf in Store(tmp_path).shelves()))
            return super()._vectors(images)

    extract(Looking(), album, Store(tmp_path))
    assert FLUSH / 2 < max(waiting) <= FLUSH


def test_engines_that_answer_late_from_their_own_threads_lose_nothing(
    tmp_path: Path, album: list[str], undisturbed: np.ndarray
) -> None:
    class Late(FakeBackbone):
        def embed_stream(self, batches, done):  # type: ignore[no-untyped-def]
            threads = []
            for tag, pictures in batches:
                threads.append(threading.Timer(random.random() / 20, done, (tag, self._vectors(pictures))))
                threads[-1].start()
            for thread in threads:
                thread.join()

    found = extract(Late(), album, Store(tmp_path))
    assert counts(found) == (200, 0, 0, 0)
    assert np.array_equal(found.vectors, undisturbed)
    assert counts(extract(FakeBackbone(), album, Store(tmp_path))) == (0, 200, 0, 0)


# --- processes that are killed, that meet, that find the disk full ---

EXTRACTS = """
import os, sys
from pathlib import Path
from fakes import FakeBackbone
from headstart.errors import StoreError
from headstart.features import extraction
from headstart.features.extraction import extract
from headstart.features.store import Store
from headstart.progress import Silent

photos, store, first, last, delay, limit, extraction.FLUSH = *sys.argv[1:7], int(sys.argv[7])

class Telling(FakeBackbone):
    def _vectors(self, images):
        vectors = super()._vectors(images)
        os.write(1, b"." * len(images))  # computed, not yet written
        return vectors

class Starting(Silent):
    def planned(self, photos, new, seconds):
        os.write(1, b"started\\n")

if int(limit):
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
paths = sorted(str(path) for path in Path(photos).glob("*/*"))[int(first) : int(last)]
print("ready", flush=True)
sys.stdin.readline()
try:
    found = extract(Telling(delay=float(delay)), paths, Store(store), Starting())
    os.write(1, f"\\ndone {found.computed} {found.from_store}\\n".encode())
except StoreError as error:
    os.write(1, f"\\n{error}\\n".encode())
sys.stdin.readline()
"""


def start(
    album: list[str],
    store: Path,
    part: tuple[int, int] = (0, 200),
    delay: float = 0.0,
    limit: int = 0,
    flush: int = FLUSH,
) -> subprocess.Popen[str]:
    """Start a process that will extract that part of the album once it is told to `go`."""
    return start_python(EXTRACTS, Path(album[0]).parents[1], store, *part, delay, limit, flush)


def go(child: subprocess.Popen[str]) -> None:
    assert child.stdout is not None
    assert child.stdin is not None
    assert child.stdout.readline() == "ready\n"
    child.stdin.write("\n")
    child.stdin.flush()


def wait_for_start(child: subprocess.Popen[str]) -> None:
    assert child.stdout is not None
    assert child.stdout.readline().endswith("started\n")  # what the probe computed comes before


def vectors_in(store: Path) -> int:
    """Number of vectors on disk, all of which must be whole."""
    assert sum(Store(store).verify().values()) == 0
    return sum(shelf.vectors for shelf in Store(store).shelves())


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_ten_kills_at_random_moments_cost_next_to_nothing(
    tmp_path: Path, album: list[str], undisturbed: np.ndarray
) -> None:
    moments = random.Random(7)
    # Half of them write after each batch, so that many kills hit a write.
    flushes = [FLUSH, 4] * 5
    children = [start(album, tmp_path / str(i), delay=0.004, flush=flush) for i, flush in enumerate(flushes)]
    left = []
    for i, (child, flush) in enumerate(zip(children, flushes, strict=True)):
        go(child)
        wait_for_start(child)
        time.sleep(moments.uniform(0, 0.4))
        child.kill()
        assert child.stdout is not None
        rest = child.stdout.read()  # `communicate` would lose what was read ahead
        _, error = child.communicate(timeout=60)
        assert child.returncode == -signal.SIGKILL, error
        stored, computed = vectors_in(tmp_path / str(i)), rest.count(".")
        assert computed - flush - 4 <= stored <= computed
        backbone = FakeBackbone()
        found = extract(backbone, album, Store(tmp_path / str(i)))
        assert counts(found) == (200 - stored, stored, 0, 0)
        assert backbone.embedded == found.computed
        assert np.array_equal(found.vectors, undisturbed)
        assert vectors_in(tmp_path / str(i)) == 200
        left.append(stored)
    assert len(set(left)) >= 3, f"the kills came at different moments: {left}"


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGINT")
def test_ctrl_c_keeps_what_was_computed(tmp_path: Path, album: list[str]) -> None:
    child = start(album, tmp_path, delay=0.02)
    go(child)
    wait_for_start(child)
    assert child.stdout is not None
    seen = len(child.stdout.read(70))
    child.send_signal(signal.SIGINT)
    rest = child.stdout.read()  # `communicate` would lose what was read ahead
    _, error = child.communicate(timeout=60)
    assert child.returncode == -signal.SIGINT
    assert "KeyboardInterrupt" in error
    computed = seen + rest.count(".")
    assert 70 <= computed < 200
    stored = vectors_in(tmp_path)
    assert computed - 4 <= stored <= computed  # but for the batch in work
    assert counts(extract(FakeBackbone(), album, Store(tmp_path))) == (200 - stored, stored, 0, 0)


def test_two_processes_that_extract_the_same_photos_at_once_both_finish(
    tmp_path: Path, album: list[str], undisturbed: np.ndarray
) -> None:
    children = [start(album, tmp_path, delay=0.002) for _ in range(2)]
    for child in children:
        go(child)
    for child in children:
        out, error = child.communicate("\n", timeout=60)
        assert error == ""
        assert "\ndone " in out
    backbone = FakeBackbone()
    found = extract(backbone, album, Store(tmp_path))
    assert counts(found) == (0, 200, 0, 0)
    assert np.array_equal(found.vectors, undisturbed)
    assert Store(tmp_path).prune(days=30) >= 0
    assert counts(extract(backbone, album, Store(tmp_path))) == (0, 200, 0, 0)


def test_two_processes_with_overlapping_photos_lose_nothing(
    tmp_path: Path, album: list[str], undisturbed: np.ndarray
) -> None:
    children = [start(album, tmp_path, part, delay=0.002) for part in ((0, 150), (50, 200))]
    for child in children:
        go(child)
    for child in children:
        assert child.communicate("\n", timeout=60)[1] == ""
    found = extract(FakeBackbone(), album, Store(tmp_path))
    assert counts(found) == (0, 200, 0, 0)
    assert np.array_equal(found.vectors, undisturbed)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs resource limits")
@pytest.mark.parametrize("limit", [5_000, 7_777])
def test_a_disk_that_fills_up_is_reported_and_the_next_run_continues(
    tmp_path: Path, album: list[str], undisturbed: np.ndarray, limit: int
) -> None:
    child = start(album, tmp_path, limit=limit)
    go(child)
    out, error = child.communicate("\n", timeout=60)
    assert error == ""
    assert f"The feature store at {tmp_path}" in out
    assert "cannot be written: File too large." in out
    assert "HEADSTART_HOME" in out
    stored = vectors_in(tmp_path)
    assert FLUSH <= stored < 200
    found = extract(FakeBackbone(), album, Store(tmp_path))
    assert counts(found) == (200 - stored, stored, 0, 0)
    assert np.array_equal(found.vectors, undisturbed)


def test_many_rows_of_few_photos_cost_a_look_at_each_photo(
    tmp_path: Path, settled: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_photos(tmp_path / "photos", {"red": 3, "lime": 3}, suffix=".png")
    shutil.copyfile(paths[0], tmp_path / "copy.png")
    rows = [*paths, str(tmp_path / "copy.png")] * 300
    settled()
    first = extract(FakeBackbone(), rows, Store())
    looks, read = [], []
    fingerprint, get = store_module.fingerprint, Store.get
    monkeypatch.setattr(store_module, "fingerprint", lambda path: looks.append(path) or fingerprint(path))
    monkeypatch.setattr(
        Store, "get", lambda self, card, hashes, out: read.append(len(hashes)) or get(self, card, hashes, out)
    )
    again = extract(FakeBackbone(), rows, Store())
    assert (again.computed, again.from_store) == (0, 2100)
    assert len(looks) == 7
    assert max(read) == 6
    assert np.array_equal(again.vectors, first.vectors)
    assert np.array_equal(again.vectors, np.tile(again.vectors[:7], (300, 1)))
