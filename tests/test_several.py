"""Several backbones at once: each photo decoded once, one that fails fails alone, an interrupted run continues."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fakes import FakeBackbone, write_photos
from headstart.errors import BackboneError, StoreError
from headstart.features import several as many
from headstart.features import speed
from headstart.features.extraction import Progress, extract
from headstart.features.several import Outcome, extract_all
from headstart.features.store import Store
from headstart.photos import images, reading
from headstart.photos.images import View


class Broken(FakeBackbone):
    """Fails after so many pictures, in its own words."""

    def __init__(self, error: Exception, after: int = 0) -> None:
        super().__init__(weights="broken")
        self.error, self.after = error, after

    def _vectors(self, images: np.ndarray) -> np.ndarray:
        if self.embedded >= self.after:
            raise self.error
        return super()._vectors(images)


class Releasing(FakeBackbone):
    released = 0

    def release(self) -> None:
        self.released += 1


class Recorder(Progress):
    def __init__(self) -> None:
        self.plans: list[tuple[int, int, float]] = []
        self.steps: list[int] = []

    def planned(self, photos: int, new: int, seconds: float) -> None:
        self.plans.append((photos, new, seconds))

    def advanced(self, done: int) -> None:
        self.steps.append(done)


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are trusted as soon as they are written."""
    monkeypatch.setattr(reading, "_RACY_SECONDS", 0.0)


@pytest.fixture(autouse=True)
def share(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The share of the processors that is measured; 1 unless a test changes it."""
    share = [1.0]
    monkeypatch.setattr(many, "share_of_processors", lambda: share[0])
    return share


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[View]:
    """How many photos were decoded in each view."""
    counts: Counter[View] = Counter()
    decode = images.decode

    def counting(data: bytes, view: View) -> images.Images:
        counts[view] += 1
        return decode(data, view)

    monkeypatch.setattr(images, "decode", counting)
    return counts


def backbones(count: int, **settings: int) -> list[FakeBackbone]:
    return [FakeBackbone(weights=f"backbone {i}", **settings) for i in range(count)]


def test_each_photo_is_decoded_once_for_all_networks_of_a_view(tmp_path: Path, decoded: Counter[View]) -> None:
    paths = write_photos(tmp_path, {"red": 10, "lime": 9})
    extract_all([*backbones(3), *backbones(2, size=20)], paths, Store(tmp_path / "store"))
    assert decoded == {View(16, 16): 19, View(20, 20): 19}


def test_vectors_are_those_that_one_network_alone_gets(tmp_path: Path) -> None:
    paths = write_photos(tmp_path, {"red": 10, "lime": 9}, suffix=".png")
    both = [FakeBackbone(dim=5, weights="five"), FakeBackbone(dim=9, weights="nine").with_fit("crop")]
    extract_all(both, paths, Store(tmp_path / "store"))
    for backbone in both:
        found = extract(backbone, paths, Store(tmp_path / "store"))
        alone = extract(backbone, paths, Store(tmp_path / "other"))
        assert (found.computed, alone.computed) == (0, 19)
        assert np.array_equal(found.vectors, alone.vectors)
        assert found.hashes.tolist() == alone.hashes.tolist()


def test_only_what_a_network_lacks_goes_through_it(tmp_path: Path, decoded: Counter[View]) -> None:
    paths = write_photos(tmp_path, {"red": 10, "lime": 9})
    store, (old, new) = Store(tmp_path / "store"), backbones(2)
    extract(old, paths[:12], store)
    decoded.clear()
    outcomes = extract_all([old, new], paths, store)
    assert [one.computed for one in outcomes] == [7, 19]
    assert decoded == {View(16, 16): 19}


def test_nothing_is_decoded_when_all_is_known(tmp_path: Path, decoded: Counter[View]) -> None:
    paths = write_photos(tmp_path, {"red": 35, "lime": 35})
    store = Store(tmp_path / "store")
    first = extract_all(backbones(2), paths, store)
    decoded.clear()
    second = extract_all(backbones(2), paths, store)
    assert not decoded
    assert [one.computed for one in second] == [0, 0]
    assert [one.speed for one in second] == [one.speed for one in first]


def test_speed_is_measured_where_it_is_not_known(tmp_path: Path) -> None:
    paths = write_photos(tmp_path, {"red": 5, "lime": 5})
    store, (backbone,) = Store(tmp_path / "store"), backbones(1)
    backbone.delay = 0.05  # a batch of four
    extract(backbone, paths, store)
    assert store.rate(backbone.card, "quiet") is None
    (outcome,) = extract_all([backbone], paths, store)
    assert outcome.computed == 0
    assert outcome.speed is not None
    assert 20 < outcome.speed.photos_per_second <= 80
    assert store.rate(backbone.card, "quiet") == outcome.speed.photos_per_second
    assert store.rate(backbone.card) is None  # reading photos was not in it


def test_a_speed_under_load_is_marked_and_measured_again(tmp_path: Path, share: list[float]) -> None:
    paths = write_photos(tmp_path, {"red": 5})
    store, both = Store(tmp_path / "store"), backbones(2)
    for backbone in both:
        backbone.delay = 0.05

    def measured() -> list[bool | None]:
        before = [backbone.embedded for backbone in both]
        outcomes = extract_all(both, paths, store)
        again = [backbone.embedded > count for backbone, count in zip(both, before, strict=True)]
        assert again[0] == again[1]  # side by side, or not at all
        return [outcome.speed.under_load if again[0] else None for outcome in outcomes if outcome.speed]

    share[0] = 0.6
    assert measured() == [True, True]
    assert store.rate(both[0].card, "quiet") is None
    assert measured() == [True, True]
    share[0] = 1.0
    assert measured() == [False, False]
    share[0] = 0.6
    assert measured() == [None, None]  # kept
    both.append(FakeBackbone(weights="another"))
    assert measured() == [True, True, True]  # one is missing: all side by side
    assert store.rate(both[0].card, "quiet") is not None


def test_models_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[int] = []
    turn = speed.Stopwatch.turn

    def noted(self: speed.Stopwatch) -> None:
        order.append(id(self._backbone))
        turn(self)

    monkeypatch.setattr(speed.Stopwatch, "turn", noted)
    monkeypatch.setattr(speed, "_TURN", 0.05)
    monkeypatch.setattr(speed, "_TURNS", 0.2)
    paths = write_photos(tmp_path, {"red": 5})
    many_views = [*backbones(2), *backbones(1, size=20)]
    extract_all(many_views, paths, Store(tmp_path / "store"))
    first = [id(backbone) for backbone in many_views]
    assert order[:9] == first * 3


def test_no_model_is_timed_where_no_speed_is_wanted(tmp_path: Path) -> None:
    paths = write_photos(tmp_path, {"red": 5})
    store, both = Store(tmp_path / "store"), backbones(2)
    outcomes = extract_all(both, paths, store, timed=False)
    assert [backbone.embedded for backbone in both] == [5, 5]
    assert [outcome.speed for outcome in outcomes] == [None, None]


def test_a_slow_model_has_few_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "_TURNS", 0.2)
    (backbone,) = backbones(1)
    backbone.delay = 0.22
    paths = write_photos(tmp_path, {"red": 4})
    extract_all([backbone], paths, Store(tmp_path / "store"))
    assert backbone.embedded == 4 * 3  # the photos themselves, to warm up, one turn


@pytest.mark.parametrize("broken_turn", [1, 2])
def test_a_model_that_fails_while_it_is_timed_fails_alone(tmp_path: Path, broken_turn: int) -> None:
    paths = write_photos(tmp_path, {"red": 4})
    bad = Broken(BackboneError("no more"), after=4 * broken_turn)
    outcomes = extract_all([bad, *backbones(1)], paths, Store(tmp_path / "store"))
    assert [one.error is None for one in outcomes] == [False, True]
    assert outcomes[0].speed is None
    assert outcomes[1].speed is not None


def test_without_a_photo_that_can_be_read_there_is_no_speed(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    (outcome,) = extract_all(backbones(1), [str(tmp_path / "broken.jpg")], Store(tmp_path / "store"))
    assert outcome == Outcome()


def test_reading_photos_is_not_in_the_speed_of_a_backbone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    paths = write_photos(tmp_path, {"red": 40, "lime": 40})
    read = images.read

    def slowly(path: str) -> bytes:
        time.sleep(0.01)
        return read(path)

    monkeypatch.setattr(images, "read", slowly)
    (backbone,) = backbones(1)
    (outcome,) = extract_all([backbone], paths, Store(tmp_path / "store"))
    # 80 photos took at least 0.2 s to read with up to four readers; the backbone alone takes next to nothing.
    assert outcome.speed is not None
    assert outcome.speed.photos_per_second > 80 / 0.2


@pytest.mark.parametrize("error", [BackboneError("no more"), ValueError("a plugin's own")])
def test_a_network_that_fails_fails_alone(tmp_path: Path, error: Exception) -> None:
    paths = write_photos(tmp_path, {"red": 10, "lime": 9})
    store = Store(tmp_path / "store")
    good, bad, other = FakeBackbone(weights="a"), Broken(error, after=8), FakeBackbone(weights="b")
    outcomes = extract_all([good, bad, other], paths, store)
    assert [one.error is None for one in outcomes] == [True, False, True]
    assert str(error) in str(outcomes[1].error)
    assert (outcomes[0].computed, outcomes[2].computed) == (19, 19)
    assert len(extract(Broken(error, after=10**9), paths, store).paths) == 19


def test_a_disk_that_fails_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = write_photos(tmp_path, {"red": 3})

    def full(*_: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(Store, "put", full)
    with pytest.raises(StoreError, match="full"):
        extract_all(backbones(2), paths, Store(tmp_path / "store"))


def test_photos_that_cannot_be_used_are_left_to_who_reads_the_vectors(tmp_path: Path) -> None:
    paths = [*write_photos(tmp_path, {"red": 5}), str(tmp_path / "broken.jpg"), str(tmp_path / "missing.jpg")]
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    store, both = Store(tmp_path / "store"), backbones(2)
    outcomes = extract_all(both, paths, store)
    assert [(one.computed, one.error) for one in outcomes] == [(5, None), (5, None)]
    assert len(extract(both[1], paths, store).skipped) == 2


def test_few_pictures_are_held_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decoded: Counter[View]
) -> None:
    monkeypatch.setattr(many, "_ALBUM_BYTES", 1)
    monkeypatch.setattr(many, "FLUSH", 7)
    held: list[int] = []
    hold = many.Album.hold

    def counting(self: many.Album, paths: list[str], pool: object) -> None:
        hold(self, paths, pool)  # type: ignore[arg-type]
        held.append(len(self._photos))

    monkeypatch.setattr(many.Album, "hold", counting)
    paths = write_photos(tmp_path, {"red": 10, "lime": 9})
    outcomes = extract_all(backbones(2), paths, Store(tmp_path / "store"))
    assert held == [7, 7, 5]
    assert [one.computed for one in outcomes] == [19, 19]
    assert decoded == {View(16, 16): 19}


def test_many_networks_do_not_stay_in_memory_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "_ALBUM_BYTES", 1)
    monkeypatch.setattr(many, "FLUSH", 7)
    paths = write_photos(tmp_path, {"red": 10, "lime": 9})
    few = [Releasing(weights=f"few {i}") for i in range(many._LOADED)]
    several = [Releasing(weights=f"several {i}") for i in range(many._LOADED + 1)]
    extract_all(few, paths, Store(tmp_path / "store"))
    extract_all(several, paths, Store(tmp_path / "store"))
    assert [one.released for one in few] == [1] * len(few)  # at the end
    assert [one.released for one in several] == [4] * len(several)  # after each of the three albums, and after timing


def test_progress_counts_photos_times_backbones(tmp_path: Path) -> None:
    paths = write_photos(tmp_path, {"red": 10, "lime": 9})
    store, progress = Store(tmp_path / "store"), Recorder()
    extract(backbones(1)[0], paths[:9], store)
    extract_all(backbones(2), paths, store, progress)
    assert progress.plans == [(38, 29, 0.0)]
    assert progress.steps == sorted(progress.steps)
    assert progress.steps[-1] == 29


def test_the_time_is_told_when_all_speeds_are_known(tmp_path: Path) -> None:
    paths = write_photos(tmp_path, {"red": 10})
    store, progress = Store(tmp_path / "store"), Recorder()
    for backbone, rate in zip(backbones(2), (10.0, 2.0), strict=True):
        store.prepare(backbone.card)
        store.note_rate(backbone.card, rate, "backbone")
    extract_all(backbones(2), paths, store, progress)
    assert progress.plans == [(20, 20, 6.0)]


def test_a_photo_that_changes_between_two_networks_is_not_taken_for_the_old_one(tmp_path: Path) -> None:
    """The second backbone gets the picture and the hash of what was read, never the one with the other."""
    paths = write_photos(tmp_path, {"red": 4, "lime": 4}, suffix=".png")
    first, second = backbones(2)
    stream = first.embed_stream

    def changing(batches: object, done: object) -> None:
        stream(batches, done)  # type: ignore[arg-type]
        Path(paths[0]).write_bytes(Path(paths[4]).read_bytes())

    first.embed_stream = changing  # type: ignore[method-assign, assignment]
    store = Store(tmp_path / "store")
    extract_all([first, second], paths, store)
    found = extract(replace_card(second), paths, store)
    assert np.array_equal(found.vectors[0], found.vectors[4])


def replace_card(backbone: FakeBackbone) -> FakeBackbone:
    return backbone.with_card(replace(backbone.card))
