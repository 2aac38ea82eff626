"""A job on many photos: what is done with which source, as its folder keeps it, and where its files are.

DEST/job.json              what is done: source, network, kind of numbers; written when the source has been listed
DEST/addresses.parquet     the units of work, one row group each
DEST/shards/000042.parquet the results of unit 42, written whole or not at all
DEST/attempts/000042.1     a worker is at work on unit 42, or has died with it
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from headstart import backbones
from headstart.backbones.base import Backbone
from headstart.backbones.card import Card, Precision
from headstart.errors import BackboneError, DataError
from headstart.features.store import Store
from headstart.photos.images import Fit
from headstart.safety import untrusted
from headstart.safety.printable import show
from headstart.scale.places import Place, arrow

FORMAT = 1
#: Photos of a unit, at most and at least. A killed worker loses at most this much work: 15 seconds at 70 photos/s.
UNIT, LEAST = 1024, 64
Task = Literal["embed", "predict"]
Numbers = Literal["float32", "float16"]


@dataclass(frozen=True)
class Network:
    """The backbone of a job, as every worker loads it.

    Attributes:
        handle: of the model. view: how photos are fitted to its input.
        input_range, layers: see `backbones.Options`.
        precision: of its computations, the same on all machines; None: the best one of this machine.
        fetch: whether workers may download the backbone that a classifier names.
    """

    handle: str = backbones.DEFAULT
    view: Fit = "squash"
    input_range: str = ""
    layers: backbones.Layers = "last"
    precision: Precision | None = None
    fetch: bool = False

    def load(self) -> Backbone:
        """The backbone.

        Raises:
            BackboneError: it cannot be loaded.
        """
        if self.view not in get_args(Fit):
            raise BackboneError(
                f"Work in units sees each photo in one view, not '{self.view}'.\nExpected squash, crop or pad."
            )
        options = backbones.Options(self.input_range, self.layers)
        precision = self.precision or "auto"
        return backbones.load(self.handle, precision, Store().compiled, options, doubts=False).with_fit(self.view)


@dataclass(frozen=True)
class Job:
    """What is done.

    Attributes:
        task: `embed`, or `predict` with the classifier in the folder `model` of the job.
        source: addresses as the user gave them.
        network: the backbone. card: of it.
        numbers: type of the vectors that are written.
        column: of tables: where the photo's bytes or address are; empty: found by its name or type.
        units: number of units.
        photos: number of photos; None: not known before archives are read.
    """

    task: Task
    source: tuple[str, ...]
    network: Network
    card: Card
    numbers: Numbers = "float32"
    column: str = ""
    units: int = 0
    photos: int | None = None

    def to_json(self) -> dict[str, Any]:
        """As it is kept."""
        return {"format": FORMAT, **asdict(self), "source": list(self.source), "card": self.card.to_json()}

    def changes(self, wanted: Job) -> list[str]:
        """In what another job differs, such as `numbers float32, not float16`; nothing: it continues this one."""
        ours, theirs = self._facts(), wanted._facts()
        return [f"{name} {value}, not {theirs[name]}" for name, value in ours.items() if value != theirs[name]]

    def _facts(self) -> dict[str, str]:
        network = self.network
        return {
            "task": self.task,
            "source": ", ".join(map(show, self.source)),
            "backbone": network.handle or self.card.handle,
            "view": network.view,
            "input range": network.input_range or "as declared",
            "layers": network.layers,
            "precision": self.card.precision,
            "numbers": self.numbers,
            "column": show(self.column) if self.column else "any",
            "fetch": str(network.fetch),
            "model files": self.card.key,
        }

    def open(self) -> Backbone:
        """The backbone, proven to give the vectors that the job's card promises.

        Raises:
            BackboneError: it cannot be loaded or gives other vectors.
        """
        backbone = self.network.load()
        if backbone.card.key != self.card.key:
            raise BackboneError(
                f"{self.network.handle} on this machine gives other vectors than where the job was begun.\n"
                "Expected the same files of the model and the same version of headstart on every machine."
            )
        return backbone


_NETWORK: dict[str, untrusted.Check[Any]] = {
    "handle": untrusted.text(4096, shortest=0),
    "view": untrusted.one_of("squash", "crop", "pad"),
    "input_range": untrusted.text(100, shortest=0),
    "layers": untrusted.one_of("last", "several"),
    "precision": untrusted.one_of("float32", "bfloat16", None),
    "fetch": untrusted.one_of(True, False),
}
_FIELDS: dict[str, untrusted.Check[Any]] = {
    "task": untrusted.one_of("embed", "predict"),
    "source": lambda value: tuple(untrusted.many(untrusted.text(10_000), 1, 10**6)(value)),
    "network": lambda value: Network(**untrusted.fields(value, _NETWORK)),
    "card": Card.from_json,
    "numbers": untrusted.one_of("float32", "float16"),
    "column": untrusted.text(1000, shortest=0),
    "units": untrusted.whole(0, 10**9),
    "photos": lambda value: None if value is None else untrusted.whole(0, 10**12)(value),
}
_MOST = 2**24


@contextmanager
def results(shard: Place) -> Iterator[Any]:
    """A unit's results as a `pyarrow.parquet.ParquetFile`.

    Raises:
        DataError: they cannot be read.
    """
    pa = arrow()
    try:
        with shard.open() as file:
            yield pa.parquet.ParquetFile(file)
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"{show(shard.address)} cannot be read: {str(error).rstrip('.')}.\nIf it is damaged, remove it, and run "
            "the command again that wrote it: it continues."
        ) from error


@dataclass(frozen=True)
class Folder:
    """The folder of a job, on this disk or in an object store."""

    place: Place

    @property
    def addresses(self) -> Place:
        """The list of units."""
        return self.place / "addresses.parquet"

    @property
    def model(self) -> Place:
        """The classifier of a job that predicts."""
        return self.place / "model"

    def shard(self, unit: int) -> Place:
        """The results of a unit."""
        return self.place / "shards" / f"{unit:06d}.parquet"

    def attempt(self, unit: int, number: int) -> Place:
        """Whose existence means that a unit was begun for the first, second, ... time."""
        return self.place / "attempts" / f"{unit:06d}.{number}"

    def attempts(self, unit: int) -> int:
        """How often a unit was begun and its worker died, or is at work."""
        number = 1
        while self.attempt(unit, number).exists():
            number += 1
        return number - 1

    def forget(self, units: Iterable[int]) -> None:
        """Remove the last attempt of units whose workers were stopped: that is no death."""

        def one(unit: int) -> None:
            with suppress(OSError):
                self.attempt(unit, self.attempts(unit)).remove()

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(one, units))

    def done(self) -> set[int]:
        """Units whose results are there."""
        _, files = (self.place / "shards").entries()
        return {int(name[:-8]) for name in files if name.endswith(".parquet") and name[:-8].isdecimal()}

    def shards(self) -> Iterator[Place]:
        """All results, in the order of the units."""
        return map(self.shard, sorted(self.done()))

    def read(self) -> Job | None:
        """The job that this folder is of; None: it is of none.

        Raises:
            DataError: it is of a newer version, or damaged.
        """
        try:
            text = (self.place / "job.json").read(_MOST)
        except FileNotFoundError:
            return None
        except NotADirectoryError as error:
            raise DataError(
                f"{show(self.place.address)} is a file, or below one.\nWith --on, expected a folder for the results: a "
                "new one, or one in which this job was begun."
            ) from error
        except OSError as error:
            raise DataError(f"{show(self.place.address)} cannot be read: {error.strerror or error}.") from error
        try:
            fields = json.loads(text)
            if fields.pop("format") > FORMAT:
                raise DataError(f"{show(self.place.address)} was written by a newer version.\nUpdate headstart.")
            return Job(**untrusted.fields(fields, _FIELDS))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, BackboneError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(
                f"{show(self.place.address)}/job.json is damaged: {error}.\nRemove the folder and run the job again."
            ) from error

    def write(self, job: Job) -> None:
        """Keep the job."""
        (self.place / "job.json").write(json.dumps(job.to_json(), indent=2).encode())
