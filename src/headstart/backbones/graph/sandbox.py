"""The first use of an unknown model happens in a process of its own; what is found there is kept.

Whatever a file does to the engine (a crash, an endless loop, 100 GB of memory), the user's process survives. Only
models that passed are opened in it.

HEADSTART_HOME/
  tried/<key>.json     what was found, and its SHA-256; the key covers everything that it depends on
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from headstart.backbones.graph.inputs import Input
from headstart.backbones.graph.reading import UnreadableError
from headstart.disk import atomic
from headstart.disk.home import home
from headstart.errors import BackboneError, reason
from headstart.safety import child

#: Memory that the child may use, and times the model's size in addition: weights of 0.8 GB took 6 times as much in
#: float32 and 9 times in bfloat16, quantised models of 4 MB took 0.3 GB.
MEGABYTES, TIMES = 2000, 12
#: Time that it may use, and per size: those 0.8 GB took 75 s and 155 s on two busy cores, models of 4 MB up to 6 s.
SECONDS, BYTES_A_SECOND = 60.0, 2_000_000


@dataclass(frozen=True)
class GraphFacts:
    """What a card needs to know of a graph.

    Attributes:
        input: where photos enter.
        how: what the feature is, for people; part of the card's key.
        dim: length of the feature.
        classes: number of classes of which a picture has one; 0 if the graph has no scores.
        parameters: numbers that the graph contains.
        converted: whether TensorFlow had to convert it before it could be read.
    """

    input: Input
    how: str
    dim: int
    classes: int
    parameters: int
    converted: bool

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> GraphFacts:
        """Read what JSON made of `dataclasses.asdict`."""
        return cls(**{**fields, "input": Input(**fields["input"])})


def ask(work: str, question: dict[str, Any], handle: str, size: int) -> Any:
    """Let a function of ours, `work` (see `child.call`), answer a question in a child process, both in JSON.

    Args:
        work: the function passes its own work to `answer`.
        handle: of the model, for messages.
        size: of the model's files in bytes; decides the limits.

    Raises:
        UnreadableError: raised in the child. BackboneError: raised in the child, or the child ended without an answer.
    """
    seconds = SECONDS + size / BYTES_A_SECOND
    megabytes = MEGABYTES + TIMES * size // 10**6 + 20 * (os.cpu_count() or 1)  # each thread has a stack
    try:
        reply = json.loads(child.call(work, json.dumps(question).encode(), seconds=seconds, megabytes=megabytes))
    except child.ChildError as error:
        raise BackboneError(
            f"{handle} cannot be used. It was tested in a separate process, and {reason(error, 2200)}.\n"
            "Expected a complete model for pictures. Download it again, or choose another."
        ) from error
    except OSError as error:
        raise BackboneError(
            f"{handle} cannot be tested: no process could be started ({reason(error)}).\n"
            "Expected Python to be where it was when this process began, and room for one more process."
        ) from error
    if "error" in reply:
        raise (UnreadableError if reply["unreadable"] else BackboneError)(reply["error"])
    return reply["answer"]


def answer(data: bytes, work: Callable[[dict[str, Any]], Any]) -> bytes:
    """The child's side of `ask`; our own errors are passed on as answers."""
    try:
        return json.dumps({"answer": work(json.loads(data))}).encode()
    except BackboneError as error:
        return json.dumps({"error": str(error), "unreadable": isinstance(error, UnreadableError)}).encode()


def recall(key: list[Any]) -> GraphFacts | None:
    """What was found earlier; None if nothing was, or the file is damaged."""
    try:
        kept = json.loads(_path(key).read_text("utf-8"))
        return GraphFacts.from_json(kept["found"]) if kept["sha256"] == _sum(key, kept["found"]) else None
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return None


def keep(key: list[Any], facts: GraphFacts) -> None:
    """Keep what was found for `recall`."""
    path, found = _path(key), asdict(facts)
    with suppress(OSError):  # then the next start tests it again, which takes a second; the store reports a bad disk
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"found": found, "sha256": _sum(key, found)}, indent=2)
        atomic.write(path, text + "\n", lasting=False)


def _sum(*what: Any) -> str:
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def _path(key: list[Any]) -> Path:
    return home() / "tried" / f"{_sum(key)[:32]}.json"
