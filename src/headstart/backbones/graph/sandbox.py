"""A new model is first used in a child process, and the findings are kept.

If a file crashes the engine, never ends or needs 100 GB of memory, the user's process survives. It opens only models
that have passed this test.

HEADSTART_HOME/
  tried/<key>.json     the findings and their SHA-256; the key covers everything that they depend on
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

#: Memory limit of the child, plus this many times the model's size: weights of 0.8 GB took 6 times as much in float32
#: and 9 times in bfloat16, quantised models of 4 MB took 0.3 GB.
MEGABYTES, TIMES = 2000, 12
#: Time limit, plus time for the size: those 0.8 GB took 75 s and 155 s on two busy cores, models of 4 MB up to 6 s.
SECONDS, BYTES_A_SECOND = 60.0, 2_000_000


@dataclass(frozen=True)
class GraphFacts:
    """Facts about a graph that a card needs.

    Attributes:
        input: where photos enter.
        how: a description of the feature; part of the card's key.
        dim: length of the feature.
        classes: number of classes that exclude each other; 0 if the graph has no scores.
        parameters: number of parameters.
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
        """From a document of `dataclasses.asdict`."""
        return cls(**{**fields, "input": Input(**fields["input"])})


def ask(work: str, question: dict[str, Any], handle: str, size: int) -> Any:
    """Let the function `work` (see `child.call`) answer a question in a child process; both are JSON.

    Args:
        work: a function that passes its own work to `answer`.
        handle: of the model, for messages.
        size: of the model's files in bytes; determines the limits.

    Raises:
        UnreadableError: raised in the child. BackboneError: raised in the child, or the child ended without an answer.
    """
    seconds = SECONDS + size / BYTES_A_SECOND
    megabytes = MEGABYTES + TIMES * size // 10**6 + 20 * (os.cpu_count() or 1)  # for the stack of each thread
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
            "Expected Python in the same place as when this process started, and memory for one more process."
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
    """Facts found earlier; None if there are none, or the file is damaged."""
    try:
        kept = json.loads(_path(key).read_text("utf-8"))
        return GraphFacts.from_json(kept["found"]) if kept["sha256"] == _sum(key, kept["found"]) else None
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return None


def keep(key: list[Any], facts: GraphFacts) -> None:
    """Keep facts for `recall`."""
    path, found = _path(key), asdict(facts)
    with suppress(OSError):  # the next start tests it again, which takes a second; the store reports a faulty disk
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"found": found, "sha256": _sum(key, found)}, indent=2)
        atomic.write(path, text + "\n", lasting=False)


def _sum(*what: Any) -> str:
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def _path(key: list[Any]) -> Path:
    return home() / "tried" / f"{_sum(key)[:32]}.json"
