"""Compiles graphs with OpenVINO for a card, with preprocessing and the best batch size; keeps them for later runs."""

from __future__ import annotations

import atexit
import gc
import hashlib
import json
import os
import shutil
import stat
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from headstart.backbones.card import Card, Precision
from headstart.backbones.graph.pooled import map_before
from headstart.backbones.runtimes.openvino import forks, shutdown
from headstart.disk import atomic
from headstart.errors import BackboneError, reason
from headstart.photos.images import View
from headstart.photos.reading import thread_limit
from headstart.safety.untrusted import without_waiting

#: What a graph ends in; `map`: the map whose mean is the feature.
Output = Literal["features", "scores", "map"]
#: What a user may ask for; `auto` is resolved before there is a card.
PrecisionChoice = Literal["auto", "float32", "bfloat16"]
#: Pictures in one request; the first number that works is used. In float32 on AVX2, 1 to 8 were equally fast (70 to 85
#: photos/s, two cores of an AMD EPYC), so 1, which is quick for a single photo; in bfloat16 on AMX, 4 to 8 were best.
_BATCHES = {"float32": (1,), "bfloat16": (4, 1)}

_LINE = 4096  # bytes of the longest line before the data of a kept graph

_once = threading.Lock()  # for objects that exist only once


@contextmanager
def without_telemetry() -> Iterator[None]:
    """The telemetry package cannot be imported meanwhile, and what wants it uses its own silent replacement."""
    absent = object()
    telemetry = sys.modules.get("openvino_telemetry", absent)
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # documented: makes its import fail
    try:
        yield
    finally:
        del sys.modules["openvino_telemetry"]
        if telemetry is not absent:
            sys.modules["openvino_telemetry"] = telemetry  # type: ignore[assignment]


def engine() -> Any:
    """The module `openvino`, imported without its telemetry.

    `import openvino` contacts a server (openvino/tools/ovc/__init__.py) and creates a folder in the user's home.
    headstart promises to stay offline, see `without_telemetry`.

    Raises:
        BackboneError: this process was forked from one that has used OpenVINO.
    """
    forks.enter()
    with _once:
        if "openvino" not in sys.modules:
            with without_telemetry():
                import openvino
    import openvino

    return openvino


def _engine() -> Any:
    """OpenVINO's core, imported (0.3 s) when the first backbone is loaded."""
    ov = engine()
    with _once:
        return _core(ov)


@lru_cache(maxsize=1)
def _core(ov: Any) -> Any:
    atexit.register(_release)
    return ov.Core()


_alive: weakref.WeakSet[Graphs] = weakref.WeakSet()


def _release() -> None:
    """Free graphs before the interpreter ends.

    If they were freed later, OpenVINO 2026.4 aborted about one process in eight ("terminate called without an active
    exception"): after all work was done, but with the exit code of a failure.
    """
    shutdown.end()
    for graphs in list(_alive):
        graphs.close()
    _core.cache_clear()
    gc.collect()


def _orphan() -> None:
    """In a forked child, never free the graphs of the parent, see `forks`."""
    if forks.orphaned():
        import ctypes

        for graphs in list(_alive):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(graphs.close()))  # one reference too many: it is never freed
        if _core.cache_info().currsize:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(_core(sys.modules["openvino"])))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_orphan)


def resolve_precision(precision: PrecisionChoice) -> Precision:
    """`auto` is bfloat16 where the processor supports it, else float32.

    Raises:
        BackboneError: bfloat16 was requested and the processor lacks it, or the name is unknown.
    """
    if precision not in get_args(PrecisionChoice):
        raise BackboneError(f"There is no precision '{precision}'.\nExpected auto, float32 or bfloat16.")
    if precision != "float32" and has_bfloat16():
        return "bfloat16"
    if precision == "bfloat16":
        raise BackboneError("This processor does not support bfloat16.\nExpected float32 or auto.")
    return "float32"


def has_bfloat16() -> bool:
    """Whether this processor supports bfloat16."""
    return "BF16" in _engine().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class NoMapError(BackboneError):
    """The features of a graph are not the mean of a map."""


@dataclass(frozen=True)
class Compiled:
    """A graph ready to run, with `batch` pictures in each request; `requests` at a time keep the processor busy."""

    model: Any
    batch: int
    requests: int


class Graphs:
    """The compiled graphs of one model, compiled or loaded at first use; arguments as for `OpenVINOBackbone`."""

    def __init__(self, card: Card, build: Callable[[], Any], folder: Path | None) -> None:
        self._card = card
        self._build = build
        self._folder = folder
        self._ready: dict[Output, Compiled] = {}
        self._lock = threading.Lock()
        with shutdown.inside():
            _alive.add(self)

    def get(self, output: Output) -> Compiled:
        """The graph that ends in `features` or `scores`.

        Raises:
            BackboneError: OpenVINO cannot compile it; or see `engine`.
        """
        engine()  # before the lock: in a forked child, a thread that no longer exists may hold it
        with self._lock:
            found = self._ready.get(output)
            if found is None:
                found = self._ready[output] = self._load(output) or self._compile(output)
            return found

    def close(self) -> dict[Output, Compiled]:
        """Drop the graphs and return them: they are freed when no thread uses them, and loaded at the next use."""
        ready, self._ready = self._ready, {}
        return ready

    # The file: a line with the SHA-256 (hex) of the rest; a line of JSON; the engine's own format.

    def _path(self, output: Output) -> Path | None:
        view = View(self._card.view.height, self._card.view.width)
        return self._folder and self._folder / f"{replace(self._card, view=view).key}-{output}.compiled"

    def _identity(self, path: Path) -> dict[str, Any]:
        return {
            "graph": path.name,
            "openvino": engine().__version__,
            "processor": _engine().get_property("CPU", "FULL_DEVICE_NAME"),
        }

    def _settings(self) -> dict[str, str]:
        precision = "bf16" if self._card.precision == "bfloat16" else "f32"
        settings = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": precision}
        if (threads := thread_limit()) is not None:
            # Pinned, the threads of several processes would all be on the first cores.
            settings |= {"INFERENCE_NUM_THREADS": str(threads), "ENABLE_CPU_PINNING": "NO"}
        return settings

    def _load(self, output: Output) -> Compiled | None:
        path = self._path(output)
        try:
            if path is None:
                return None
            facts, data = _unsealed(path)
            batch = facts.pop("batch")
            if facts != self._identity(path):
                return None
            model = _engine().import_model(engine().Tensor(data), "CPU", self._settings())
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError):
            return None  # the graph is compiled again
        return Compiled(model, batch, _requests(model))

    def _compile(self, output: Output) -> Compiled:
        try:
            graph = self.prepared(output)
            own = graph.inputs[0].get_partial_shape()[0]
            fixed = own.get_length() if own.is_static else 1
            for batch in (*_BATCHES[self._card.precision], fixed):
                if not _takes(graph, batch):
                    graph = self.prepared(output)  # a failed change of shape leaves it inconsistent
                    continue
                model = _engine().compile_model(graph, "CPU", self._settings())
                if batch == 1 or _rows_are_independent(model, list(graph.inputs[0].get_shape())):
                    break
            else:
                raise BackboneError(
                    f"{self._card.handle} takes {fixed} pictures at a time and mixes them.\nExpected a model whose "
                    "result for a picture is independent of the others. Export it for one picture, or any number."
                )
        except BackboneError:
            raise
        except Exception as error:  # the engine's errors have many types
            raise BackboneError(f"{self._card.handle} cannot be compiled by OpenVINO: {reason(error)}") from error
        self._keep(output, model, batch)
        return Compiled(model, batch, _requests(model))

    def prepared(self, output: Output) -> Any:
        """The graph from uint8 pictures to one output.

        Raises:
            NoMapError: the features are not the mean of a map.
        """
        ov = engine()
        graph = self._build()
        name = "features" if output == "map" else output
        chosen = next(port for port in graph.outputs if name in port.names or port.node.friendly_name == name)
        value = chosen.node.input_value(0)
        if output == "map":
            if (found := map_before(value)) is None:
                raise NoMapError(f"The features of {self._card.handle} are not the mean of a map.")
            value = ov.opset13.transpose(found[0], np.array(found[1]))
        graph = ov.Model([ov.opset13.result(value)], graph.get_parameters(), output)
        return _with_preprocessing(graph, self._card)

    def _keep(self, output: Output, model: Any, batch: int) -> None:
        path = self._path(output)
        if path is None:
            return
        try:
            blob = model.export_model()
            data = blob if isinstance(blob, bytes) else blob.getvalue()
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            line = json.dumps({**self._identity(path), "batch": batch, "bytes": len(data)}).encode() + b"\n"
            check = hashlib.sha256(line)
            check.update(data)
            with atomic.replacing(path, lasting=False) as file:
                file.writelines((check.hexdigest().encode() + b"\n", line, data))
        except (OSError, RuntimeError):
            pass  # the next start takes half a second longer; the store reports a faulty disk


def _unsealed(path: Path) -> tuple[dict[str, Any], Any]:
    """Read a kept graph and verify its checksum: facts and data.

    Raises:
        OSError: it cannot be read. ValueError, KeyError, TypeError: it is damaged or another kind of file.
    """
    with open(path, "rb", opener=without_waiting) as file:
        info = os.fstat(file.fileno())
        if not stat.S_ISREG(info.st_mode):
            raise ValueError("not a regular file")
        seal, line = file.readline(_LINE), file.readline(_LINE)
        facts = json.loads(line)
        if info.st_size != len(seal) + len(line) + facts.pop("bytes"):  # before gigabytes are read
            raise ValueError("its size is wrong")
        file.seek(len(seal))
        rest = np.fromfile(file, np.uint8)
    if hashlib.sha256(rest.data).hexdigest().encode() + b"\n" != seal:
        raise ValueError("its checksum is wrong")
    return facts, rest[len(line) :]


def _requests(model: Any) -> int:
    return int(model.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))


def _with_preprocessing(graph: Any, card: Card) -> Any:
    """Make the graph accept uint8 (n, height, width, 3) RGB; conversion, colour order and scaling become part of it."""
    ov = engine()
    from openvino.preprocess import ColorFormat, PrePostProcessor

    steps = PrePostProcessor(graph)
    parameter = graph.get_parameters()[0]
    tensor = steps.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    steps.input().model().set_layout(parameter.layout)
    inside = steps.input().preprocess()
    if card.channels == "BGR":
        tensor.set_color_format(ColorFormat.RGB)
        inside.convert_color(ColorFormat.BGR)
    if (card.mean, card.scale) != ((0.0,) * 3, (1.0,) * 3):
        # At this step OpenVINO expects the channels in their present order.
        mean, scale = list(card.mean), list(card.scale)
        if card.channels == "BGR":
            mean, scale = mean[::-1], scale[::-1]
        inside.convert_element_type(ov.Type.f32).mean(mean).scale(scale)
    inside.convert_element_type(parameter.get_element_type())
    return steps.build()


def _takes(graph: Any, batch: int) -> bool:
    """Set the batch size; returns whether that worked, as some graphs have a fixed one."""
    shape = graph.inputs[0].get_partial_shape()
    try:
        graph.reshape({graph.inputs[0]: [batch, *(side.get_length() for side in list(shape)[1:])]})
    except RuntimeError:
        return False
    return bool(graph.outputs[0].get_partial_shape()[0] == batch)


def _rows_are_independent(model: Any, shape: list[int]) -> bool:
    """Whether a picture gives the same bits in every place of the batch; some kernels treat the last rows otherwise."""
    pictures = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    rows = np.array(model(pictures)[0])
    turned = [np.array(model(np.roll(pictures, i, axis=0))[0]) for i in range(1, shape[0])]
    return all(np.array_equal(np.roll(rows, i, axis=0), other) for i, other in enumerate(turned, start=1))
