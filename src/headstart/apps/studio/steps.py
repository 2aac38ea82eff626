"""What was done in the studio's folder, step by step: each step can be undone and done again, also after a restart."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from headstart.disk import atomic
from headstart.safety import untrusted

#: Moves kept in the journal, of all steps together; and bytes that are read.
_MOST_MOVES, _MOST_BYTES = 20_000, 2**24
_FORMAT = 1
Kind = Literal["move", "make", "unmake"]


@dataclass(frozen=True)
class Change:
    """One change of the folder; paths are relative to it and have `/` between their parts.

    Attributes:
        kind: `move` a file or folder, `make` or `unmake` an empty folder.
        path: of the file or folder. to: where it is moved to.
    """

    kind: Kind
    path: str
    to: str = ""

    @property
    def back(self) -> Change:
        """The change that takes it back."""
        if self.kind == "move":
            return Change("move", self.to, self.path)
        return Change("unmake" if self.kind == "make" else "make", self.path)


@dataclass(frozen=True)
class Step:
    """What a user did at once, in words such as `Move 3 photos to oak`, and its changes."""

    text: str
    changes: tuple[Change, ...]

    @property
    def back(self) -> Step:
        """The step that takes it back."""
        return Step(self.text, tuple(change.back for change in reversed(self.changes)))


class Journal:
    """The steps of a folder, the latest last; those after `position` were undone.

    Args:
        file: in which they are kept.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._steps: list[Step] = []
        self._position = 0
        try:
            found = untrusted.fields(json.loads(untrusted.read_bytes(file, _MOST_BYTES)), _FIELDS)
            if found.get("format") == _FORMAT:
                self._steps, self._position = list(found["steps"]), min(found["position"], len(found["steps"]))
        except (OSError, ValueError, KeyError, RecursionError):
            return  # none, or a damaged one: there is nothing to undo

    @property
    def undo(self) -> Step | None:
        """The step that would take the latest one back."""
        return self._steps[self._position - 1].back if self._position else None

    @property
    def redo(self) -> Step | None:
        """The step that was undone last."""
        return self._steps[self._position] if self._position < len(self._steps) else None

    def add(self, step: Step) -> None:
        """Note a step that is about to be taken; what was undone before can no longer be done again."""
        self._steps = [*self._steps[: self._position], step]
        while len(self._steps) > 1 and sum(len(one.changes) for one in self._steps) > _MOST_MOVES:
            del self._steps[0]
        self._position = len(self._steps)
        self._write()

    def forget(self) -> None:
        """Drop the latest step: it failed."""
        self._position -= 1
        del self._steps[self._position :]
        self._write()

    def moved(self, by: Literal[-1, 1]) -> None:
        """Note that the latest step was undone (-1), or the next one done again (1)."""
        self._position += by
        self._write()

    def _write(self) -> None:
        steps = [
            {"text": step.text, "changes": [[one.kind, one.path, one.to] for one in step.changes]}
            for step in self._steps
        ]
        self._file.parent.mkdir(exist_ok=True)
        atomic.write(self._file, json.dumps({"format": _FORMAT, "position": self._position, "steps": steps}))


def _path(value: Any) -> str:
    """A relative path that stays in its folder."""
    path = untrusted.text(4096)(value)
    if path.startswith("/") or "\\" in path or any(part in ("", ".", "..") for part in path.split("/")):
        raise ValueError("is not a path in the folder")
    return path


_kind: untrusted.Check[Kind] = untrusted.one_of("move", "make", "unmake")


def _change(value: Any) -> Change:
    if not isinstance(value, list) or len(value) != 3:
        raise ValueError("is not a change")
    kind = _kind(value[0])
    return Change(kind, _path(value[1]), _path(value[2]) if kind == "move" else "")


def _step(value: Any) -> Step:
    found = untrusted.fields(value, {"text": untrusted.text(500), "changes": untrusted.many(_change, 0, _MOST_MOVES)})
    return Step(found["text"], found["changes"])


_FIELDS: dict[str, untrusted.Check[Any]] = {
    "format": untrusted.whole(0, 10**6),
    "position": untrusted.whole(0, 10**6),
    "steps": untrusted.many(_step, 0, 10**6),
}
