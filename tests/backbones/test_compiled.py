"""Compiled graphs on disk: only what is as it was written is used; anything else is compiled again and rewritten."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart.backbones.card import Card
from headstart.backbones.runtimes.openvino.compiled import Graphs
from headstart.photos.images import View
from toys import conv, dense, model, numbers, ov, pictures, pooled

MANY = os.environ.get("HEADSTART_STRESS") == "1"
CARD = Card(
    handle="toy:net",
    weights="toy",
    revision=1,
    view=View(16, 16),
    channels="RGB",
    mean=(0.0,) * 3,
    scale=(1.0,) * 3,
    output="toy",
    dim=5,
    precision="float32",
    classes=0,
    crop=0.875,
    licence="Apache-2.0",
)
PICTURE = np.random.default_rng(0).integers(0, 256, (1, 16, 16, 3), dtype=np.uint8)


def build() -> Any:
    """Three layers, so that its compiled file is small and all of it can be damaged."""
    image = pictures(-1, 3, 16, 16)
    feature = dense(pooled(ov.opset13.relu(conv(image, numbers(8, 3, 3, 3), 2))), numbers(8, 5))
    graph = model({"features": feature}, image)
    graph.get_parameters()[0].layout = ov.Layout("NCHW")
    return graph


class Counted:
    """Graphs of the toy in a folder, and how often the toy was built for them."""

    def __init__(self, folder: Path) -> None:
        self.built = 0
        self.folder = folder
        self.path = folder / f"{CARD.key}-features.compiled"

    def answer(self) -> np.ndarray:
        def counted() -> Any:
            self.built += 1
            return build()

        graphs = Graphs(CARD, counted, self.folder)
        try:
            return np.array(graphs.get("features").model(PICTURE)[0])
        finally:
            graphs.close()


@pytest.fixture
def toy(tmp_path: Path) -> Counted:
    toy = Counted(tmp_path / "compiled")
    toy.answer()
    toy.answer()
    assert toy.built == 1
    return toy


def check_repaired(toy: Counted, expected: np.ndarray, what: object) -> None:
    before = toy.built
    assert np.array_equal(toy.answer(), expected), what
    assert toy.built == before + 1, f"{what}: it was used"
    assert np.array_equal(toy.answer(), expected), what
    assert toy.built == before + 1, f"{what}: it was not written anew"


def test_a_change_of_any_byte_of_the_header_and_of_many_behind_it_is_noticed(toy: Counted) -> None:
    expected, good = toy.answer(), toy.path.read_bytes()
    header = good.index(b"\n", 65) + 1
    some = np.random.default_rng(1).integers(header, len(good), 400 if MANY else 20)
    places = range(header) if MANY else [*range(0, header, 5), *range(good.index(b'"batch"'), header)]
    for place in (*places, *some.tolist(), len(good) - 1):
        flipped = bytearray(good)
        flipped[place] ^= 1 << place % 8
        toy.path.write_bytes(flipped)
        check_repaired(toy, expected, f"byte {place}")


def test_a_file_cut_anywhere_or_with_more_behind_it_is_noticed(toy: Counted) -> None:
    expected, good = toy.answer(), toy.path.read_bytes()
    header = good.index(b"\n", 65) + 1
    for length in (0, 1, 64, 65, 66, header - 1, header, header + 1, len(good) // 2, len(good) - 1):
        toy.path.write_bytes(good[:length])
        check_repaired(toy, expected, f"{length} bytes")
    toy.path.write_bytes(good + b"\n")
    check_repaired(toy, expected, "one byte more")


def sealed(line: bytes, data: bytes) -> bytes:
    return hashlib.sha256(line + data).hexdigest().encode() + b"\n" + line + data


@pytest.mark.parametrize(
    "change",
    [
        {"openvino": "2020.1"},
        {"processor": "another"},
        {"graph": "other-features.compiled"},
        {"bytes": None},
        {"bytes": 10**12},
        {"bytes": float("nan")},
        {"more": 1},
    ],
)
def test_what_was_compiled_by_another_engine_or_processor_or_for_another_card_is_not_used(
    toy: Counted, change: dict[str, Any]
) -> None:
    expected, good = toy.answer(), toy.path.read_bytes()
    header = good.index(b"\n", 65) + 1
    facts = json.loads(good[65:header])
    toy.path.write_bytes(sealed(json.dumps({**facts, **change}).encode() + b"\n", good[header:]))
    check_repaired(toy, expected, change)


@pytest.mark.parametrize("line", [b"[]\n", b"3\n", b"{}\n", b"null\n", b"[" * 4000 + b"\n", b"{" * 9000, b"\xff\n"])
def test_a_header_that_is_no_table_of_facts_is_not_used(toy: Counted, line: bytes) -> None:
    expected, good = toy.answer(), toy.path.read_bytes()
    toy.path.write_bytes(sealed(line, good[good.index(b"\n", 65) + 1 :]))
    check_repaired(toy, expected, line[:10])


def folder(path: Path) -> None:
    (path / "inner").mkdir(parents=True)


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(60 * 2**30)


def sparse_behind_a_header(path: Path) -> None:
    os.truncate(path.with_name("kept"), 60 * 2**30)
    path.with_name("kept").rename(path)


@pytest.mark.parametrize(
    "put",
    [
        folder,
        os.mkfifo,
        sparse,
        sparse_behind_a_header,
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to(path),
        lambda path: path.symlink_to(path.parent / "nowhere" / "else"),
    ],
)
def test_a_special_or_huge_file_is_replaced_without_being_read(toy: Counted, put: Callable[[Path], None]) -> None:
    expected = toy.answer()
    shutil.copy(toy.path, toy.path.with_name("kept"))
    toy.path.unlink()
    put(toy.path)
    check_repaired(toy, expected, put)


def test_threads_that_get_and_release_at_the_same_time_all_get_a_graph(tmp_path: Path) -> None:
    graphs = Graphs(CARD, build, tmp_path)
    expected = np.array(graphs.get("features").model(PICTURE)[0])
    failed: list[BaseException] = []

    def ask() -> None:
        try:
            for _ in range(40):
                found = graphs.get("features")
                assert np.array_equal(found.model.create_infer_request().infer(PICTURE)[0], expected)
                graphs.close()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    graphs.close()
    assert not failed
