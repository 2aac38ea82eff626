"""Photos of a unit that are processed together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from headstart.scale.places import Place

#: Photos and bytes that are held at a time: more photos make the gaps between batches rarer, not smaller.
MOST_PHOTOS, MOST_BYTES = 1024, 2**25


@dataclass(frozen=True)
class Batch:
    """Photos to process together.

    Attributes:
        paths: n addresses; those of pictures in memory are `InMemory`.
        labels, splits: of each, None where not known.
        carried: a pyarrow table of the n rows' other columns; None: there are none.
        broken: why the one photo is none but a table or archive that cannot be read to its end; empty: it is a photo.
    """

    paths: tuple[str, ...]
    labels: tuple[str | None, ...]
    splits: tuple[str | None, ...]
    carried: Any = None
    broken: str = ""


def broken(place: Place, why: str) -> Batch:
    """What is left of a table or archive that cannot be read to its end."""
    return Batch((place.address,), (None,), (None,), broken=f"{place.name} cannot be read to its end: {why}")
