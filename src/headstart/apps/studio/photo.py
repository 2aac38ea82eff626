"""A photo of the studio, and how the page sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from headstart.apps.studio.folder import TRASH, Stamp
from headstart.heads.head import Vectors


@dataclass(eq=False)
class Photo:
    """A photo in the folder or in its trash. Its fields change under the project's lock only.

    Attributes:
        id: does not change, wherever it is moved.
        path: relative to the folder. stamp: of its file when it was seen.
        digest: SHA-256 of its bytes; empty until they are read.
        vector: float32 `(dim,)`, its features, power-normalised; None until they are computed.
        reason: why it cannot be used; empty: it can, as far as is known.
        predicted: its class by heads that did not learn from it; empty: not trained yet. probability: of that class.
        doubt: 1 minus the probability of its own class.
    """

    id: str
    path: str
    stamp: Stamp
    digest: bytes = b""
    vector: Vectors | None = None
    reason: str = ""
    predicted: str = ""
    probability: float = 0.0
    doubt: float = 0.0

    @property
    def label(self) -> str:
        """Its class."""
        return self.path.split("/", 1)[0]

    @property
    def name(self) -> str:
        """Of its file."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def version(self) -> str:
        """Changes when its file does: part of the address of its picture, which may be kept for ever."""
        return f"{self.stamp[0] ^ self.stamp[1]:x}"

    @property
    def is_shown(self) -> bool:
        """Whether it is in a class, not in the trash."""
        return not self.path.startswith(f"{TRASH}/")

    @property
    def is_waiting(self) -> bool:
        """Whether its features are still to be computed."""
        return self.vector is None and not self.reason

    def forget(self, stamp: Stamp) -> None:
        """Its file is another one by now."""
        self.stamp, self.digest, self.vector, self.reason = stamp, b"", None, ""
        self.predicted = ""

    def to_json(self) -> dict[str, Any]:
        """How the page gets it."""
        found: dict[str, Any] = {
            "id": self.id,
            "v": self.version,
            "label": self.label,
            "name": self.name,
            "state": "unusable" if self.reason else "waiting" if self.vector is None else "ready",
        }
        if self.reason:
            found["reason"] = self.reason
        if self.predicted:
            found |= {
                "predicted": self.predicted,
                "probability": self.probability,
                "doubt": self.doubt,
                "held_out": True,
            }
        return found
