"""`embed` in units: vectors of any number of photos as Parquet files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from headstart.errors import DataError
from headstart.progress import Choice, standard
from headstart.scale.engines import Engine
from headstart.scale.job import Job, Network, Numbers
from headstart.scale.local import Local
from headstart.scale.running import Finished, run


def embed(
    source: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    network: Network | None = None,
    numbers: Numbers = "float32",
    column: str = "",
    engine: Engine | None = None,
    unit: int | None = None,
    progress: Choice = None,
) -> Finished:
    """Write the feature vectors of photos to a folder of Parquet files; the same call again continues.

    Args:
        source: folders, patterns, photos, CSV files, tables (Parquet, Lance), tar archives; here or in an object store.
        output: the folder, on this disk or in an object store.
        network: the backbone.
        numbers: type of the numbers: `float32` or, half the bytes, `float16`.
        column: of tables, where the photos' bytes or addresses are.
        engine: that runs the workers: `scale.local.Local` or `scale.on_ray.OnRay`.
        unit: photos of a unit; None: 1,024, or fewer where there are few for each worker.
        progress: see `headstart.train`.

    Raises:
        DataError: the source has no photos, or the folder holds something else.
        BackboneError: the model cannot be loaded.
    """
    given = addresses(source)
    network = network or Network()
    card = network.load().card
    job = Job("embed", given, replace(network, precision=card.precision), card, numbers, column)
    return run(job, os.fspath(output), engine or Local(), standard(progress), unit)


def addresses(source: str | Path | Sequence[str | Path]) -> tuple[str, ...]:
    """A source as addresses.

    Raises:
        DataError: there is none.
    """
    given = [source] if isinstance(source, (str, os.PathLike)) else list(source)
    if not given:
        raise DataError("No source was given.\nExpected folders, tables or archives of photos.")
    return tuple(str(one) for one in given)
