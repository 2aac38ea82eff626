"""Strangers' networks: whatever a file does to the engine, the process that asked lives on and gets our error."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_local import described

from headstart import backbones
from headstart.backbones import local
from headstart.backbones.graph import reading, sandbox
from headstart.backbones.graph.anatomy import dissect
from headstart.backbones.graph.metadata import hints_of
from headstart.backbones.hints import Hints, Options
from headstart.backbones.local import LocalModel
from headstart.backbones.ranges.feeds import Feed
from headstart.errors import BackboneError, reason
from headstart.safety import child
from toys import channels_first, conv, dense, model, numbers, op, ov, pictures, pooled, save

#: Damaged files of each kind; HEADSTART_STRESS=1 for the bar of 500.
ROUNDS = 500 if os.environ.get("HEADSTART_STRESS") else 2
PICTURES = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def nothing_was_found(home: Path) -> None:
    (home / "tried").unlink()


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The work that children were given."""
    seen: list[str] = []
    call = child.call

    def counted(work: str, *args: Any, **kw: Any) -> bytes:
        seen.append(work)
        return call(work, *args, **kw)

    monkeypatch.setattr(child, "call", counted)
    return seen


def toy(path: Path, more: Callable[[Any], Any] = lambda x: x) -> Path:
    image = pictures(1, 4, 4, 3)
    return save(model({"out": more(pooled(conv(channels_first(image), numbers(5, 3))))}, image), path)


def load(path: Path, folder: Path | None = None) -> Any:
    return local.open_model(LocalModel(str(path), path), Options(), "float32", folder)


# --- once ---


def test_a_model_is_tested_once(tmp_path: Path, home: Path, children: list[str]) -> None:
    path = toy(tmp_path / "toy.xml")
    folder = tmp_path / "compiled"
    first = load(path, folder)
    assert len(children) == 1
    assert len(list(folder.glob("*-features.compiled"))) == 1  # what the child compiled is what will be run
    again = load(path, folder)
    assert again.card == first.card
    assert (again.parameters, again.file_bytes) == (first.parameters, first.file_bytes)
    assert np.array_equal(first.embed(PICTURES), load(path).embed(PICTURES))
    assert len(children) == 1


def test_a_known_model_is_not_opened_before_its_graph_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, folder = toy(tmp_path / "toy.xml"), tmp_path / "compiled"
    load(path, folder)

    def read(*_: Any) -> Any:
        raise AssertionError("it was read")

    monkeypatch.setattr(reading, "read", read)
    assert load(path, folder).embed(PICTURES).shape == (2, 5)


@pytest.mark.parametrize(
    "damage", [lambda t: t[: len(t) // 2], lambda t: t.replace('"dim": 5', '"dim": 6'), lambda _: "[]"]
)
def test_a_damaged_record_counts_as_none(
    tmp_path: Path, home: Path, children: list[str], damage: Callable[[str], str]
) -> None:
    path = toy(tmp_path / "toy.xml")
    card = load(path).card
    (record,) = (home / "tried").glob("*.json")
    good = record.read_text("utf-8")
    record.write_text(damage(good), "utf-8")
    assert load(path).card == card
    assert len(children) == 2
    assert record.read_text("utf-8") == good


def test_the_model_of_a_saved_card_is_tested_before_it_is_opened(
    tmp_path: Path, home: Path, children: list[str]
) -> None:
    path = toy(tmp_path / "toy.xml")
    card = load(path).card
    shutil.rmtree(home / "tried")
    found = local.reopen(LocalModel(str(path), path), card, None)
    assert len(children) == 1
    found.embed(PICTURES)
    assert len(children) == 2


def test_a_file_that_was_changed_after_it_was_hashed_is_not_used(tmp_path: Path) -> None:
    path = toy(tmp_path / "toy.xml")
    network = load(path)
    path.with_suffix(".bin").write_bytes(path.with_suffix(".bin").read_bytes()[::-1])
    with pytest.raises(BackboneError, match=r"toy.xml was changed while it was in use.\nExpected the same file"):
        network.embed(PICTURES)


# --- what the engine may do ---


def looping(x: Any) -> Any:
    """2^62 rounds of adding nothing."""
    inside = op.parameter([1, 5], np.float32)
    body = ov.Model([op.constant(True), op.add(inside, op.constant(np.float32(0)))], [inside], "body")
    loop = op.loop(op.constant(np.int64(2**62)), op.constant(True))
    loop.set_function(body)
    loop.set_special_body_ports([-1, 0])
    loop.set_merged_input(inside, x.output(0), body.results[1].output(0))
    return loop.get_iter_value(body.results[1].output(0), -1)


def huge(x: Any) -> Any:
    """100 GB of ones, which the engine makes when it compiles."""
    ones = op.broadcast(op.constant(np.float32(1)), np.array([25_000_000_000]))
    return op.multiply(x, op.reduce_mean(ones, np.array([0]), True))


def test_a_loop_without_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "SECONDS", 5.0)
    with pytest.raises(BackboneError, match=r"toy.xml cannot be used. It was tested .* took more than 5.* seconds"):
        load(toy(tmp_path / "toy.xml", looping))


def test_a_child_process_that_cannot_start_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(BackboneError, match="no process could be started"):
        sandbox.ask("headstart.backbones.local:trial_run", {}, "a.onnx", 1)


def test_a_constant_of_100_gb_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=r"(?i)toy.xml cannot .*(memory|alloc)"):
        load(toy(tmp_path / "toy.xml", huge))


def test_a_crash_of_the_engine_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: Any, **__: Any) -> bytes:
        raise child.ChildError("died", "its process ended with signal SIGSEGV")

    monkeypatch.setattr(child, "call", crash)
    with pytest.raises(BackboneError, match=r"It was tested in a separate process, and its process ended with signal"):
        load(toy(tmp_path / "toy.xml"))


def test_an_engines_message_that_is_no_utf_8_is_shown_as_far_as_it_can_be(shared: Path, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    data = (shared / "backbones" / "mobilenet_v2_0.35_224.onnx").read_bytes()
    path.write_bytes(data.replace(b"\x04Conv", b"\x04C\xff\x1bv"))
    with pytest.raises(BackboneError, match=r"net.onnx cannot be read by OpenVINO: .*C\ufffd\ufffdv") as caught:
        load(path)
    assert str(caught.value).replace("\n", "").isprintable()
    error = UnicodeDecodeError("utf-8", b"no op \xff\x1b[2J here", 6, 7, "invalid start byte")
    assert reason(error) == "no op \ufffd\ufffd[2J here"
    assert reason(MemoryError()) == "MemoryError"


def test_a_model_without_outputs_is_reported() -> None:
    graph = ov.Model([], [pictures(1, 4, 4, 3)], "mute")
    with pytest.raises(BackboneError, match=r"mute has no outputs.\nExpected a model that returns numbers"):
        dissect(graph, Hints(), "mute")


def test_ctrl_c_ends_a_trial(tmp_path: Path) -> None:
    path = toy(tmp_path / "toy.xml", looping)
    code = (
        f"import sys; sys.path.insert(0, {str(Path(sandbox.__file__).parents[3])!r})\nfrom headstart import backbones\n"
    )
    code += f"print('go', flush=True)\nbackbones.load({str(path)!r})"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "go\n"
        deadline = time.monotonic() + 60
        while not (found := children_of(process.pid)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(2)
        started = time.monotonic()
        _, err = process.communicate(timeout=30)
    assert time.monotonic() - started < 10  # 2 s on a quiet machine
    assert "KeyboardInterrupt" in err
    while [pid for pid in found if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() - started < 10
        time.sleep(0.05)


def children_of(pid: int) -> list[int]:
    if not sys.platform.startswith("linux"):
        pytest.skip("children are looked up in /proc")
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(word) for file in tasks for word in file.read_text().split()]


@pytest.mark.parametrize("kind", ["net.onnx", "net.tflite", "net.h5", "net.xml"])
def test_a_pipe_is_not_opened(tmp_path: Path, kind: str) -> None:
    os.mkfifo(tmp_path / kind)
    with pytest.raises(BackboneError, match="is a pipe or a device, not a file"):
        backbones.load(str(tmp_path / kind))


def test_a_model_that_claims_60_gb_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.touch()
    os.truncate(path, 60_000_000_000)
    with pytest.raises(BackboneError, match=r"net.tflite has 60.0 GB.\nExpected a model of at most 20 GB"):
        backbones.load(str(path))


def test_an_onnx_file_that_names_thousands_of_others_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"".join(b"\n\x08location\x12\x06%06d" % i for i in range(10_001)))
    with pytest.raises(BackboneError, match=r"refers to more than 10,000 files of weights"):
        backbones.load(str(path))


def test_hints_come_back_from_json_as_they_were() -> None:
    for hints in (
        Hints(),
        Hints(Feed((1.0,) * 3, (2.0,) * 3, "BGR", "probe"), (4, 5), 0.5, ("a", "b"), "classification", "MIT"),
    ):
        assert Hints.from_json(json.loads(json.dumps(asdict(hints)))) == hints


# --- what comes with a network ---


@pytest.fixture
def tflite(tmp_path: Path) -> Path:
    path = tmp_path / "net.tflite"
    path.write_bytes(described([127.5], [127.5]))
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("claimed", [None, 1000])
def test_labels_that_unpack_to_more_than_they_may_are_refused(tflite: Path, method: int, claimed: int | None) -> None:
    with zipfile.ZipFile(tflite, "a", method) as archive:
        archive.writestr("labels.txt", b"\n" * 60_000_000)
    if claimed is not None:
        data = tflite.read_bytes()
        tflite.write_bytes(data.replace((60_000_000).to_bytes(4, "little"), claimed.to_bytes(4, "little")))
    tracemalloc.start()
    try:
        with pytest.raises(BackboneError, match=r"labels in .*net.tflite cannot be read: (they|Bad CRC)"):
            hints_of(tflite, "tflite")
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
    finally:
        tracemalloc.stop()


def test_whatever_is_wrong_with_an_archive_of_labels_is_our_error(tflite: Path) -> None:
    rng = np.random.default_rng(0)
    start = tflite.stat().st_size
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(tflite, "a", method) as archive:
            archive.writestr("labels.txt", "\n".join(f"class {i}" for i in range(99)))
        good = tflite.read_bytes()
        told = 0
        for _ in range(400):
            damaged = bytearray(good)
            for place in rng.integers(start, len(good), 2):
                damaged[place] = rng.integers(256)
            tflite.write_bytes(damaged)
            try:
                hints_of(tflite, "tflite")
            except BackboneError:
                told += 1
        assert told
        tflite.write_bytes(good[:start])


def test_a_vector_that_is_as_long_as_the_file_is_not_read(tflite: Path) -> None:
    data = bytearray(tflite.read_bytes())
    place = data.index(b"TFLITE_METADATA") - 4
    data[place : place + 4] = (1_000_000).to_bytes(4, "little")
    tflite.write_bytes(data + bytes(2_000_000))
    with pytest.raises(BackboneError, match="a text is too long, or ends outside the file"):
        hints_of(tflite, "tflite")


@pytest.mark.parametrize(
    "text",
    [
        '{"size": -1}',
        '{"size": {"height": 1e999, "width": 4}}',
        '{"size": 1000000000}',
        '{"size": {"height": {}, "width": 4}}',
        '{"crop_pct": NaN}',
        '{"crop_pct": 1e-30}',
        '{"crop_pct": ["x"]}',
        '{"image_mean": [1, 2], "image_std": 3}',
        '{"image_mean": [NaN], "image_std": [1]}',
        '{"rescale_factor": 0, "image_mean": [1], "image_std": [1]}',
        "[" * 100_000,
        '{"size": ' + "9" * 5000 + "}",
        "\udcff",
    ],
)
def test_any_preprocessor_config_gives_an_answer_or_our_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "preprocessor_config.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(BackboneError, match=r"preprocessor_config.json"):
        hints_of(tmp_path / "net.onnx", "onnx")


def test_names_that_cannot_be_written_are_made_writable(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(r'{"id2label": {"0": "cat \ud800", "1": "dog"}, "license": "\udfff"}')
    hints = hints_of(tmp_path / "net.onnx", "onnx")
    assert (hints.labels, hints.licence) == (("cat ?", "dog"), "?")


def test_a_config_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").touch()
    os.truncate(tmp_path / "config.json", 60_000_000_000)
    with pytest.raises(BackboneError, match=r"config.json cannot be read: it has more than 10,000,000 bytes"):
        hints_of(tmp_path / "net.onnx", "onnx")


# --- damaged files of every kind ---


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """A few bytes changed, a piece cut out or doubled, or the end cut off."""
    kind, at = rng.integers(4), int(rng.integers(len(data)))
    end = min(len(data), at + int(rng.integers(1, 200)))
    if kind == 1:
        return data[:at] + data[end:]
    if kind == 2:
        return data[:end] + data[at:]
    if kind == 3:
        return data[:at]
    changed = bytearray(data)
    # Half of the changes near the beginning, where structure is.
    for place in rng.integers(0, min(len(data), 4000) if rng.integers(2) else len(data), 1 + int(rng.integers(8))):
        changed[place] = rng.integers(256)
    return bytes(changed)


SEEDS = {
    "savedmodel graph": "mobilenet_v2_0.35_224_savedmodel/saved_model.pb",
    "savedmodel index": "mobilenet_v2_0.35_224_savedmodel/variables/variables.index",
    "savedmodel data": "mobilenet_v2_0.35_224_savedmodel/variables/variables.data-00001-of-00002",
    "tflite": "mobilenet_v1_0.25_224_float.tflite",
    "tflite quantised": "mobilenet_v1_1.0_224_quant_embedding_extractor.tflite",
    "onnx": "mobilenet_v2_0.35_224.onnx",
    "onnx quantised": "mobilenet_v2_1.0_224_uint8_nchw.onnx",
    "openvino graph": "toy.xml",
    "openvino data": "toy.bin",
    "keras": "mobilenet_v2_0.35_224_keras.h5",
}


WITH_TENSORFLOW = (
    pytest.mark.tensorflow,
    pytest.mark.skipif(
        find_spec("tensorflow") is None, reason="TensorFlow is not installed: pip install 'headstart[tensorflow]'"
    ),
)


def files_to_damage(name: str, shared: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A copy of the network, and the file of it to damage."""
    if name.startswith("openvino"):
        network = toy(tmp_path / "net" / "toy.xml", lambda x: dense(x, numbers(5, 1000)))
        return network, network.with_name(SEEDS[name])
    first, *rest = Path(SEEDS[name]).parts
    copy = tmp_path / "net" / first
    if rest:
        for source in (shared / "backbones" / first).rglob("*"):
            if source.is_file():
                target = copy / source.relative_to(shared / "backbones" / first)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(source.read_bytes())
    else:
        copy.parent.mkdir()
        copy.write_bytes((shared / "backbones" / first).read_bytes())
    return copy, copy.joinpath(*rest)


def test_a_savedmodel_whose_index_makes_the_engine_crash_is_our_error(shared: Path, tmp_path: Path) -> None:
    # OpenVINO 2026.4 dies of this one by a segmentation fault.
    network, part = files_to_damage("savedmodel index", shared, tmp_path)
    part.write_bytes(damaged(part.read_bytes(), np.random.default_rng([30, len("savedmodel index")])))
    with pytest.raises(BackboneError, match=f"^{re.escape(str(network))} "):
        load(network)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*sorted(SEEDS.keys() - {"keras"}), pytest.param("keras", marks=WITH_TENSORFLOW)])
def test_a_damaged_model_gives_a_result_or_a_headstart_error(
    name: str, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "SECONDS", 30.0)
    network, part = files_to_damage(name, shared, tmp_path)
    good = part.read_bytes()
    refused = 0
    for i in range(ROUNDS):
        part.write_bytes(damaged(good, np.random.default_rng([i, len(name)])))
        try:
            found = load(network, tmp_path / "compiled")
            view = found.card.view
            noise = np.random.default_rng(i).integers(0, 256, (2, view.height, view.width, 3), dtype=np.uint8)
            assert np.isfinite(found.embed(noise)).all()
            found.release()
        except BackboneError:
            refused += 1
        shutil.rmtree(tmp_path / "compiled", ignore_errors=True)
    assert refused > 0, "no damage was noticed"
