"""OpenVINO IR: the graph that headstart runs, as `model.xml` and `model.bin`; a free batch where the graph allows it.

Class names are in the file twice: as OpenVINO's Model API reads them (`model_info/labels`, separated by spaces, so that
a space in a name becomes `_`), and as a JSON list (`headstart/classes`). Source of the first:
https://docs.openvino.ai/2023.3/omz_model_api_ovms_adapter.html and the `labels` parameter of
https://github.com/open-edge-platform/model_api.
"""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from headstart.backbones.runtimes.openvino.compiled import engine
from headstart.disk import atomic
from headstart.export.formats.openvino_resize import resizing
from headstart.export.subject import Subject


def write(subject: Subject, target: Path) -> None:
    """Write `target`, a file `model.xml`, and the weights beside it; its folder is replaced as a whole."""
    model = resizing(subject.graph(), subject.card.view) if subject.with_resize else _batched(subject)
    model.set_rt_info(" ".join(name.replace(" ", "_") for name in subject.classes), ["model_info", "labels"])
    model.set_rt_info(json.dumps(subject.classes, ensure_ascii=False), ["headstart", "classes"])
    new = atomic.beside(target.parent)
    new.mkdir(parents=True)
    try:
        engine().save_model(model, new / target.name, compress_to_fp16=subject.precision == "float16")
        atomic.install(new, target.parent)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _batched(subject: Subject) -> Any:
    """The graph for any number of pictures; for one, if it has fixed shapes inside."""
    model = subject.graph()
    _, *sizes = model.inputs[0].get_shape()
    with suppress(RuntimeError):
        model.reshape({model.inputs[0]: [-1, *sizes]})
        if model.outputs[0].get_partial_shape()[0].is_dynamic:
            return model
    return subject.graph()  # a failed change of shape leaves it inconsistent
