"""The backbone in int8, made by NNCF and calibrated on photos; and its price, measured before it is kept.

Only AVX-512 VNNI, AMX and ARM multiply whole numbers of 8 bits exactly; older processors saturate sums of two products.
`OverflowFix.ENABLE` keeps weights within 7 bits, so that all give the same answers
(https://docs.openvino.ai/2026/openvino-workflow/model-optimization-guide/quantizing-models-post-training.html).
"""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.backbones.runtimes.openvino.compiled import without_telemetry
from headstart.classifier.remembered import spread
from headstart.errors import ExportError, MissingExtraError
from headstart.evaluation.intervals import wilson
from headstart.export.graph.joined import features
from headstart.export.subject import Subject

#: Photos to calibrate on, at most: NNCF's default.
CALIBRATION = 300
#: Points that may be lost unless the user sets another limit. Photos near the border between two classes change class
#: in either direction, so that agreement loses several times what accuracy loses: 3 points and 0.6 on 500 photos of
#: clothes.
MAX_LOSS_ACCURACY, MAX_LOSS_AGREEMENT = 2.0, 5.0
#: Photos whose speed is measured, and how often; the fastest counts.
_TIMED, _ROUNDS = 32, 3

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Share:
    """A share of photos.

    Attributes:
        value: 0..1.
        interval: 95 %, Wilson's.
    """

    value: float
    interval: tuple[float, float]

    @classmethod
    def of(cls, right: npt.NDArray[np.bool_]) -> Share:
        """The share of the photos that are right."""
        value = float(right.mean())
        return cls(value, wilson(value, len(right)))

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:.1%} ({low:.1%} to {high:.1%})"

    def to_json(self) -> dict[str, Any]:
        """A dictionary that JSON can hold."""
        return {"value": self.value, "interval": list(self.interval)}


@dataclass(frozen=True)
class Price:
    """What int8 costs and what it brings; all figures of the graph in OpenVINO, on one machine.

    Attributes:
        photos: number measured on.
        agreement: photos with the same class in float32 and in int8.
        accuracy: in float32 and in int8; None if the classes of the photos are not known.
        bytes: of the weights, in float32 and in int8.
        rate: photos a second, one after another, in float32 and in int8.
    """

    photos: int
    agreement: Share
    accuracy: tuple[Share, Share] | None
    bytes: tuple[int, int]
    rate: tuple[float, float]

    @property
    def loss(self) -> float:
        """Points lost: of accuracy if it is known, else of agreement. Below 0: int8 is better."""
        if self.accuracy is None:
            return 100 * (1 - self.agreement.value)
        return 100 * (self.accuracy[0].value - self.accuracy[1].value)

    @property
    def lines(self) -> tuple[str, ...]:
        """The figures for people."""
        found = [f"the same class for {self.agreement} of {self.photos} photos"]
        if self.accuracy is not None:
            found.append("accuracy {} in float32, {} in int8".format(*self.accuracy))
        found.append("weights {:.1f} MB in float32, {:.1f} MB in int8".format(*(size / 1e6 for size in self.bytes)))
        found.append("{:.0f} photos a second in float32, {:.0f} in int8".format(*self.rate))
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """A dictionary that JSON can hold."""
        accuracy = self.accuracy and [one.to_json() for one in self.accuracy]
        return {
            "photos": self.photos,
            "loss": self.loss,
            "agreement": self.agreement.to_json(),
            "accuracy": accuracy and {"float32": accuracy[0], "int8": accuracy[1]},
            "bytes": dict(zip(("float32", "int8"), self.bytes, strict=True)),
            "photos_per_second": dict(zip(("float32", "int8"), self.rate, strict=True)),
        }


def quantised(subject: Subject, pixels: Pixels) -> Subject:
    """The same subject with its backbone in int8; the head stays as it is.

    Args:
        subject: in float32.
        pixels: uint8 `(n, height, width, 3)`, photos like those it will see, n >= 1: `CALIBRATION` of them are used,
            evenly spaced.

    Raises:
        ExportError: its backbone is quantised already, or comes from a plugin.
        MissingExtraError: NNCF is not installed.
    """
    graph = features(subject.classifier)
    if any(node.get_type_name() == "FakeQuantize" for node in graph.get_ops()):
        raise ExportError(
            f"{subject.card.handle} is quantised already, and stays so in float32 files.\nExpected no --precision int8."
        )
    chosen = spread(len(pixels), CALIBRATION)
    nncf = _nncf()
    with redirect_stdout(io.StringIO()):  # its bars and messages
        found = nncf.quantize(
            graph,
            nncf.Dataset([pixels[i : i + 1] for i in chosen]),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(chosen),
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                overflow_fix=nncf.OverflowFix.ENABLE,
                activations_quantization_params=nncf.quantization.advanced_parameters.QuantizationParameters(
                    per_channel=False  # ONNX Runtime has no whole numbers with a scale for each channel
                ),
            ),
        )
    return replace(subject, precision="int8", quantised=found)


def _nncf() -> Any:
    """The package, imported without its telemetry; it changes Python's logging, which is put back."""
    logger = logging.getLoggerClass()
    try:
        with without_telemetry(), redirect_stdout(io.StringIO()):
            import nncf
    except ImportError as error:
        raise MissingExtraError("int8 needs NNCF.\nInstall it with: pip install 'headstart[int8]'") from error
    finally:
        logging.setLoggerClass(logger)
    return nncf


def price(before: Subject, after: Subject, pixels: Pixels, labels: Sequence[str] | None = None) -> Price:
    """Measure what was lost.

    Args:
        before, after: in float32 and in int8.
        pixels: uint8 `(n, height, width, 3)`, n >= 1, not those of the calibration.
        labels: class name of each photo.
    """
    models = [before.compiled(), after.compiled()]
    answers = [np.concatenate([np.array(model(one[None])[0]) for one in pixels]).argmax(1) for model in models]
    accuracy = None
    if labels is not None:
        first, second = (Share.of(np.array(before.classes)[one] == np.array(labels)) for one in answers)
        accuracy = first, second
    return Price(
        len(pixels),
        Share.of(answers[0] == answers[1]),
        accuracy,
        (_weights(before), _weights(after)),
        _rates(models[0], models[1], pixels[:_TIMED]),
    )


def check(price: Price, max_loss: float | None = None) -> None:
    """Refuse int8 that costs too much.

    Args:
        price: of it.
        max_loss: points of accuracy, or of agreement if the classes of the photos are not known; None: 2 points of
            accuracy, 5 of agreement.

    Raises:
        ExportError: more is lost.
    """
    known = price.accuracy is not None
    most = (MAX_LOSS_ACCURACY if known else MAX_LOSS_AGREEMENT) if max_loss is None else max_loss
    if price.loss > most:
        figures = "; ".join(price.lines)
        raise ExportError(
            f"int8 loses {price.loss:.1f} points of {'accuracy' if known else 'agreement'}: {figures}.\n"
            f"Expected at most {most:g}. Use float16, which changes far less, or a larger --max-loss."
        )


def _weights(subject: Subject) -> int:
    return sum(node.get_byte_size() for node in subject.graph().get_ops() if node.get_type_name() == "Constant")


def _rates(first: Any, second: Any, pixels: Pixels) -> tuple[float, float]:
    """Photos a second, in turns, so that what else the machine does slows down both."""
    best = [np.inf, np.inf]
    for _ in range(_ROUNDS):
        for i, model in enumerate((first, second)):
            began = time.perf_counter()
            for one in pixels:
                model(one[None])
            best[i] = min(best[i], time.perf_counter() - began)
    return len(pixels) / best[0], len(pixels) / best[1]
