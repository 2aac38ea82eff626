"""Which formats a classifier can be written in here, how large they become, and what each needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from headstart.classifier.classifier import Classifier
from headstart.errors import ExportError
from headstart.export.exported import entry
from headstart.export.known import FORMATS, Format
from headstart.export.subject import Subject

READY = "ready"
#: Bytes of the runtime and of everything else that a page holds.
_RUNTIME = 2_100_000


@dataclass(frozen=True)
class Possible:
    """A format for one classifier.

    Attributes:
        format: which.
        bytes: its files will have about this size; None: it cannot be written.
        note: what it needs, or why it cannot be written; or that it is ready.
    """

    format: Format
    bytes: int | None
    note: str

    def to_json(self) -> dict[str, Any]:
        """One of the `exports` of all documents, see docs/json.md."""
        unproven = "" if self.note == READY else self.note
        notes = [f"{self.format.title}: {self.format.runs_on}"]
        return entry(self.format, self.format.precisions[0], self.bytes, unproven=unproven, notes=notes)


def possible(classifier: Classifier) -> list[Possible]:
    """All formats, each with its size for this classifier; the model is translated, and nothing is written."""
    head = sum(array.nbytes for array in classifier.head.arrays().values())
    found = []
    for one in FORMATS.values():
        try:
            size = head if one.takes == "features" else _size(classifier, one)
        except ExportError as error:
            found.append(Possible(one, None, str(error).splitlines()[0]))
            continue
        found.append(Possible(one, size, _note(one)))
    return found


def _note(one: Format) -> str:
    """What has to be installed for it, or that it is ready."""
    if one.unwritable:
        return f"to write it: {one.unwritable}"
    return one.unproven.replace("not proven:", "ready; to prove it:") or READY


def _size(classifier: Classifier, one: Format) -> int:
    subject = Subject(classifier, one.precisions[0])
    if one.name == "page":  # text holds three bytes in four letters; the runtime comes on top
        return subject.first.bytes * 4 // 3 + _RUNTIME
    if one.name == "openvino" and not classifier.card.parts:  # needs no translation; weights used twice are kept once
        constants = (node for node in subject.graph().get_ops() if node.get_type_name() == "Constant")
        return sum(node.get_byte_size() for node in constants)
    return subject.first.bytes
