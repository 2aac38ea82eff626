"""A saved classifier is data that is checked to the last byte."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from headstart.classifier import bundle
from headstart.disk import atomic
from headstart.errors import BundleError

ARRAYS = {"weights": np.arange(6, dtype=np.float32).reshape(3, 2), "bias": np.zeros(2, np.float32)}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    bundle.write(tmp_path / "model", {"classes": ["a", "é"], "seed": 0}, ARRAYS)
    return tmp_path / "model"


def test_what_was_saved_is_read(saved: Path) -> None:
    manifest, arrays = bundle.read(saved)
    assert manifest["classes"] == ["a", "é"]
    assert manifest["format"] == bundle.FORMAT
    assert arrays.keys() == ARRAYS.keys()
    assert np.array_equal(arrays["weights"], ARRAYS["weights"])


def test_it_is_two_files_and_the_same_bytes_each_time(saved: Path, tmp_path: Path) -> None:
    bundle.write(tmp_path / "again", {"seed": 0, "classes": ["a", "é"]}, ARRAYS)
    assert sorted(os.listdir(saved)) == ["head.safetensors", "headstart.json"]
    for name in os.listdir(saved):
        assert (saved / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


@pytest.mark.parametrize("name", ["headstart.json", "head.safetensors"])
def test_a_change_of_any_single_byte_is_refused(saved: Path, name: str) -> None:
    path = saved / name
    good = path.read_bytes()
    for position in range(len(good)):
        for flip in (0x01, 0x20):
            path.write_bytes(good[:position] + bytes([good[position] ^ flip]) + good[position + 1 :])
            with pytest.raises(BundleError):
                bundle.read(saved)
    path.write_bytes(good + b"\n")
    with pytest.raises(BundleError, match="not as it was saved"):
        bundle.read(saved)
    path.write_bytes(good)
    bundle.read(saved)


def test_a_pickle_in_place_of_the_arrays_is_not_run(saved: Path, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "trapped"),)

    (saved / "head.safetensors").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(BundleError):
        bundle.read(saved)
    assert not (tmp_path / "trapped").exists()


def test_a_newer_format_says_so(saved: Path) -> None:
    manifest = json.loads((saved / "headstart.json").read_text())
    manifest["format"] = bundle.FORMAT + 1
    (saved / "headstart.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="Update headstart"):
        bundle.read(saved)


def test_missing_things_are_named(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="does not exist"):
        bundle.read(tmp_path / "nowhere")
    with pytest.raises(BundleError, match="not a saved classifier"):
        bundle.read(tmp_path)
    (saved / "head.safetensors").unlink()
    with pytest.raises(BundleError, match="cannot be read"):
        bundle.read(saved)


def test_nothing_is_overwritten_unasked(saved: Path, tmp_path: Path) -> None:
    before = (saved / "headstart.json").read_bytes()
    with pytest.raises(BundleError, match="--overwrite"):
        bundle.write(saved, {"seed": 1}, ARRAYS)
    assert (saved / "headstart.json").read_bytes() == before
    bundle.write(saved, {"seed": 1}, ARRAYS, overwrite=True)
    assert bundle.read(saved)[0]["seed"] == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model"]


def test_other_folders_are_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "final.tex").write_text("years of work")
    with pytest.raises(BundleError, match="exists already"):
        bundle.write(tmp_path / "thesis", {}, ARRAYS, overwrite=True)
    assert (tmp_path / "thesis" / "final.tex").read_text() == "years of work"


def test_a_place_that_cannot_be_written_is_reported_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="does not exist"):
        bundle.check_target(tmp_path / "missing" / "model")
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleError, match="does not exist"):
        bundle.check_target(tmp_path / "file" / "model")
    with pytest.raises(BundleError, match="exists already"):
        bundle.check_target(tmp_path / "file")


def test_a_bundle_with_something_beside_it_is_not_replaced(saved: Path) -> None:
    (saved / "notes.txt").write_text("mine")
    with pytest.raises(BundleError, match=r"holds more than a saved classifier: notes\.txt"):
        bundle.write(saved, {}, ARRAYS, overwrite=True)
    assert (saved / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("exchanging", [True, False])
def test_a_failed_replacement_leaves_the_old_one(
    saved: Path, monkeypatch: pytest.MonkeyPatch, exchanging: bool
) -> None:
    rename = Path.rename

    def fail_second(self: Path, target: Path) -> Path:
        if target == saved and (self / "head.safetensors").stat().st_size != size:
            raise OSError(5, "Input/output error")
        return rename(self, target)

    def fail(*_: object) -> bool:
        raise OSError(5, "Input/output error")

    size = (saved / "head.safetensors").stat().st_size
    monkeypatch.setattr(Path, "rename", fail_second)
    monkeypatch.setattr(atomic, "_exchanged", fail if exchanging else lambda *_: False)
    with pytest.raises(BundleError, match="Input/output error"):
        bundle.write(saved, {"seed": 9}, {**ARRAYS, "more": np.zeros(9, np.float32)}, overwrite=True)
    assert bundle.read(saved)[0]["seed"] == 0
    assert sorted(p.name for p in saved.parent.iterdir()) == ["model"]


def test_a_folder_that_may_not_be_written_to_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Root may write anywhere, so the system's answer is put in its mouth.
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(BundleError, match="cannot be written to"):
        bundle.check_target(tmp_path / "model")


def test_a_name_that_is_too_long_is_reported_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="too long"):
        bundle.check_target(tmp_path / ("m" * 240))


def test_a_link_to_a_bundle_stays_a_link_when_it_is_replaced(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(saved)
    bundle.write(tmp_path / "link", {"seed": 5}, ARRAYS, overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert bundle.read(saved)[0]["seed"] == 5
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link", "model"]


def test_a_failing_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BundleError, match="No space left"):
        bundle.write(tmp_path / "model", {}, ARRAYS)
    assert not list(tmp_path.iterdir())
