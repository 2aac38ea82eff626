"""ONNX: opset 13, a free batch, class names in the metadata; opset 18 with the resizing inside.

The backbone in int8 is computed with whole numbers, see `onnx_whole`. Models that were quantised before are not: that
would be 1.4 to 2.7 times as fast, but the largest difference of a probability, 0.005 to 0.06, would be 0.008 to 0.08
(three MobileNets). Field numbers: onnx/onnx.proto of https://github.com/onnx/onnx.
"""

from __future__ import annotations

import json
from pathlib import Path

from headstart.disk import atomic
from headstart.export.formats.onnx_graph import IR_VERSIONS, Graph
from headstart.export.formats.onnx_whole import WholeGraph
from headstart.export.graph.steps import Program
from headstart.export.subject import Subject
from headstart.export.wire import data, whole
from headstart.photos.pixels import View


def write(subject: Subject, target: Path) -> None:
    """Write `target`, a file `.onnx`."""
    view = subject.card.view if subject.with_resize else None
    program = subject.raw if subject.precision == "int8" else subject.first
    atomic.write(target, encoded(program, subject.classes, view))


def encoded(program: Program, classes: tuple[str, ...], view: View | None = None) -> bytes:
    """The file's bytes (a ModelProto).

    Args:
        program: channels first; plain steps and `Quantize`.
        classes: names in the order of the probabilities.
        view: take one photo of any size, and fit it to this view; None: pictures of the network's size.
    """
    graph = (WholeGraph if program.quantised else Graph)(program, view)
    metadata = data(14, data(1, "classes") + data(2, json.dumps(classes, ensure_ascii=False)))
    opset = data(8, data(1, "") + whole(2, graph.opset))
    return whole(1, IR_VERSIONS[graph.opset]) + data(2, "headstart") + data(7, graph.content()) + opset + metadata
