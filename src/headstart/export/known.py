"""The formats: what each is for, its file, what proves it, and what that needs. Light: nothing heavy is imported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from headstart.classifier.exporting import Precision
from headstart.errors import ExportError
from headstart.export.judges import chromium


@dataclass(frozen=True)
class Format:
    """A format that a classifier can be written in.

    Attributes:
        name: as `--to` takes it.
        title: what it is.
        runs_on: where it is used.
        path: of the file or folder that its runtime opens, in the folder of an export.
        module: Python package that proves it; empty: none is needed, or a browser is.
        extra: of headstart with that package.
        writing: package without which it cannot be written; empty: none.
        precisions: that it can be written in; the first is the default.
        resizes: whether it can carry the resizing of photos.
        takes: `pixels`; or `features`: it holds the head alone.
        judged: whether it can be proven here at all.
        checks: whether it holds pictures with headstart's answers, to check itself.
    """

    name: str
    title: str
    runs_on: str
    path: str
    module: str = ""
    extra: str = ""
    writing: str = ""
    precisions: tuple[Precision, ...] = ("float32", "float16")
    resizes: bool = False
    takes: Literal["pixels", "features"] = "pixels"
    judged: bool = True
    checks: bool = False

    @property
    def unproven(self) -> str:
        """Why it cannot be proven here, with what to do; empty if it can."""
        if not self.judged:
            return "not run here: run check.py beside it on a Mac"
        if self.name in _IN_BROWSER and chromium.found() is None:
            return "not proven: no Chromium or Chrome is on the PATH; install one, such as: apt-get install chromium"
        if self.module and find_spec(self.module) is None:
            return f"not proven: pip install 'headstart[{self.extra}]'"
        return ""

    @property
    def unwritable(self) -> str:
        """What has to be installed before it can be written; empty if nothing."""
        if self.writing and find_spec(self.writing) is None:
            return f"pip install 'headstart[{self.extra}]'"
        return ""

    @property
    def folder(self) -> str:
        """First part of its path: the file or folder that is all of it."""
        return Path(self.path).parts[0]

    @property
    def write(self) -> Callable[..., None]:
        """Its writer: `write(subject, target)`."""
        found: Callable[..., None] = import_module(f"headstart.export.formats.{self.name}").write
        return found

    @property
    def judge(self) -> type[Any]:
        """Its class `Judge`, see `judges.base`."""
        found: type[Any] = import_module(f"headstart.export.judges.{self.name}").Judge
        return found


_IN_BROWSER = ("page", "tfjs")
_ALL: tuple[Precision, ...] = ("float32", "float16", "int8")
_SMALL: tuple[Precision, ...] = ("float16", "float32")
_FORMATS = (
    Format("openvino", "OpenVINO IR", "Intel and ARM processors, C++, Python", "openvino/model.xml",
           precisions=_ALL, resizes=True),
    Format("onnx", "ONNX", "ONNX Runtime anywhere, OpenCV", "model.onnx", "onnxruntime", "onnx",
           precisions=_ALL, resizes=True),
    Format("tflite", "LiteRT (TensorFlow Lite)", "Android, MediaPipe, Raspberry Pi", "model.tflite", "ai_edge_litert",
           "tflite", writing="flatbuffers"),
    Format("savedmodel", "TensorFlow SavedModel", "TensorFlow, TensorFlow Serving", "savedmodel", "tensorflow",
           "tensorflow"),
    Format("keras", "Keras", "Keras with any backend", "model.keras", "keras", "keras", writing="keras",
           precisions=("float32",)),
    Format("tfjs", "TensorFlow.js graph model", "web pages and Node.js", "tfjs", precisions=_SMALL),
    Format("page", "one HTML file", "any browser, offline, with webcam", "page.html", precisions=_SMALL,
           checks=True),
    Format("coreml", "Core ML", "iPhone, iPad, Mac", "coreml/model.mlpackage", judged=False, checks=True),
    Format("sklearn", "the head for scikit-learn", "Python, from features", "sklearn/pipeline.py", "sklearn", "sklearn",
           precisions=("float32",), takes="features"),
    Format("arrays", "the head as arrays", "anything that reads .npz, from features", "arrays.npz",
           precisions=("float32",), takes="features"),
)  # fmt: skip
#: All formats by name.
FORMATS = {one.name: one for one in _FORMATS}


def chosen(names: list[str]) -> list[Format]:
    """The formats with these names, each once.

    Raises:
        ExportError: there are none, or one is not known.
    """
    import difflib

    for name in names:
        if name not in FORMATS:
            near = difflib.get_close_matches(name, FORMATS, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            raise ExportError(f"There is no format '{name}'.{hint}\nExpected one or more of: {', '.join(FORMATS)}.")
    if not names:
        raise ExportError(f"No format is given.\nExpected one or more of: {', '.join(FORMATS)}.")
    return [FORMATS[name] for name in dict.fromkeys(names)]
