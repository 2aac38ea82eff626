"""`Exported`: what was written and proven; `export.json` holds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.classifier.exporting import Precision
from headstart.errors import ExportError
from headstart.export.known import FORMATS, Format
from headstart.export.proof.verdict import Proof

FORMAT = 1


def entry(
    format_: Format,
    precision: Precision,
    size: int | None,
    *,
    files: dict[str, str] | None = None,
    proof: Proof | None = None,
    unproven: str = "",
    faults: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """One of the `exports` of all documents, see docs/json.md; arguments as the attributes of `Written`."""
    return {
        "format": format_.name,
        "file": format_.path,
        "weights": precision,
        "export_bytes": size,
        "sha256": files,
        "proof": None if proof is None else proof.to_json(),
        "not_proven": unproven or None,
        "faults": list(faults),
        "notes": list(notes),
    }


@dataclass(frozen=True)
class Written:
    """One format of an export.

    Attributes:
        format: which.
        precision: of its weights.
        files: SHA-256 (hex) of each of its files, by path in the folder of the export.
        bytes: of all of them.
        proof: what its own runtime answered; None: it could not be run here.
        unproven: why not, with what to do; empty if it was.
        notes: what else to know, such as the price of int8.
    """

    format: Format
    precision: Precision
    files: dict[str, str]
    bytes: int
    proof: Proof | None
    unproven: str
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """One of the `exports` of all documents, see docs/json.md."""
        faults = () if self.proof is None else self.proof.faults
        return entry(
            self.format, self.precision, self.bytes, files=self.files, proof=self.proof, unproven=self.unproven,
            faults=faults, notes=self.notes,
        )  # fmt: skip


@dataclass(frozen=True, repr=False)
class Exported:
    """A folder with a classifier in one or more formats.

    Attributes:
        folder: where.
        written: the formats.
        photos: real photos that they were proven on.
        notes: what a user should know.
    """

    folder: Path
    written: tuple[Written, ...]
    photos: int
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        names = ", ".join(one.format.name + ("" if one.proof else " (not proven)") for one in self.written)
        return f"Exported({self.folder}: {names})"

    def path(self, name: str) -> Path:
        """The file or folder of a format, such as `onnx`.

        Raises:
            ExportError: the format is not in this export.
        """
        names = [one.format.name for one in self.written]
        if name not in names:
            raise ExportError(f"{self.folder} has no format {name!r}.\nExpected one of: {', '.join(names)}.")
        return self.folder / FORMATS[name].path

    def to_json(self) -> dict[str, Any]:
        """The document that `headstart export --json` prints, see docs/json.md."""
        return {
            "path": str(self.folder),
            "proven_on": self.photos,
            "exports": [one.to_json() for one in self.written],
            "notes": list(self.notes),
        }
