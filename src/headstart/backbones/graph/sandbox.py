"""Strangers' networks are read for the first time in a process of its own; what was found is kept.

Whatever a file does to the engine (a crash, a loop without end, 100 GB), the user's process lives on. Only what
passed there is opened here.

HEADSTART_HOME/
  tried/<key>.json     what was found, and its SHA-256; the key is made of all that decides it
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from headstart.backbones.graph.files import UnreadableError
from headstart.backbones.graph.inputs import Input
from headstart.disk.home import home
from headstart.errors import BackboneError, reason
from headstart.safety import child

#: A child may take so much memory, and so many times its network's size: weights of 0.8 GB took 6 times as much in
#: float32 and 9 times in bfloat16, quantised networks of 4 MB 0.3 GB.
MEGABYTES, TIMES = 2000, 12
#: And so long: those 0.8 GB took 75 s and 155 s on two busy cores, networks of 4 MB up to 6 s.
SECONDS, BYTES_A_SECOND = 60.0, 2_000_000


@dataclass(frozen=True)
class Found:
    """What a card needs to know of a graph.

    Attributes:
        input: where photos enter.
        how: what the feature is, for people; part of the card's key.
        dim: numbers of the feature.
        classes: a picture has one of; 0 if the graph has no scores.
        parameters: numbers that the graph holds.
        converted: only after TensorFlow had converted it could it be read.
    """

    input: Input
    how: str
    dim: int
    classes: int
    parameters: int
    converted: bool

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Found:
        """Read what `dataclasses.asdict` gave."""
        return cls(**{**fields, "input": Input(**fields["input"])})


def ask(work: str, question: dict[str, Any], handle: str, size: int) -> Any:
    """Let a function of ours answer in a child.

    Args:
        work: as for `child.call`; the function is `answer` with its own work.
        question: what it is asked; JSON can hold it, and its answer.
        handle: of the network, for messages.
        size: of the network's files in bytes; decides the limits.

    Raises:
        UnreadableError: the child did. BackboneError: the child did, or it came to an end without an answer.
    """
    seconds = SECONDS + size / BYTES_A_SECOND
    megabytes = MEGABYTES + TIMES * size // 10**6 + 20 * (os.cpu_count() or 1)  # each of its threads has a stack
    try:
        told = json.loads(child.call(work, json.dumps(question).encode(), seconds=seconds, megabytes=megabytes))
    except child.ChildError as error:
        raise BackboneError(
            f"{handle} cannot be used. It was tried in a process of its own, and {reason(error, 2200)}.\n"
            "Expected a network for pictures, saved whole. Download it again, or choose another."
        ) from error
    except OSError as error:
        raise BackboneError(
            f"{handle} cannot be tried: no process could be started for it ({reason(error)}).\n"
            "Expected Python where it was when this process began, and room for one more process."
        ) from error
    if "error" in told:
        raise (UnreadableError if told["unreadable"] else BackboneError)(told["error"])
    return told["answer"]


def answer(data: bytes, work: Callable[[dict[str, Any]], Any]) -> bytes:
    """The child's side of `ask`: our own errors are answers, too."""
    try:
        return json.dumps({"answer": work(json.loads(data))}).encode()
    except BackboneError as error:
        return json.dumps({"error": str(error), "unreadable": isinstance(error, UnreadableError)}).encode()


def recall(key: list[Any]) -> Found | None:
    """What was found, if it was; a damaged file counts as none."""
    try:
        kept = json.loads(_path(key).read_text("utf-8"))
        return Found.from_json(kept["found"]) if kept["sha256"] == _sum(key, kept["found"]) else None
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return None


def keep(key: list[Any], found: Found) -> None:
    """Keep what was found for `recall`."""
    path, facts = _path(key), asdict(found)
    text = json.dumps({"found": facts, "sha256": _sum(key, facts)}, indent=2)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            new = Path(folder) / path.name
            new.write_text(text + "\n", "utf-8")
            os.replace(new, path)
    except OSError:
        pass  # it is tried again at the next start, which takes a second; the store reports a bad disk


def _sum(*what: Any) -> str:
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def _path(key: list[Any]) -> Path:
    return home() / "tried" / f"{_sum(key)[:32]}.json"
