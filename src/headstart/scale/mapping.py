"""One function applied to all shards of a job, some at a time: in this process, or as tasks of Ray."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from headstart.errors import DataError
from headstart.safety.printable import show
from headstart.scale.job import Folder
from headstart.scale.on_ray import OnRay

#: Shards of a task.
_GROUP = 16


class Mapper(ABC):
    """Applies functions to groups of shards."""

    @abstractmethod
    def map(self, function: Callable[..., Any], folder: Folder, *arguments: Any) -> Iterator[Any]:
        """The results of `function(addresses, *arguments)` for all groups of shards, in any order."""

    @staticmethod
    def groups(folder: Folder, most: int = _GROUP) -> Iterator[Sequence[str]]:
        """Addresses of shards, in groups.

        Raises:
            DataError: the job is not done.
        """
        job, done = folder.read(), sorted(folder.done())
        if job is not None and len(done) < job.units:
            raise DataError(
                f"{show(folder.place.address)} has {len(done):,} of {job.units:,} units.\nExpected all: run "
                "`headstart embed` again, which continues."
            )
        for start in range(0, len(done), most):
            yield [folder.shard(unit).address for unit in done[start : start + most]]


class Here(Mapper):
    """In this process, one group after the other."""

    def map(self, function: Callable[..., Any], folder: Folder, *arguments: Any) -> Iterator[Any]:
        """See `Mapper.map`."""
        for group in self.groups(folder):
            yield function(group, *arguments)


class Tasks(Mapper):
    """As tasks on Ray, a few more at a time than there are processors.

    Args:
        engine: that knows the cluster.
    """

    def __init__(self, engine: OnRay) -> None:
        self._engine = engine

    def map(self, function: Callable[..., Any], folder: Folder, *arguments: Any) -> Iterator[Any]:
        """See `Mapper.map`."""
        ray = self._engine.ray
        remote = ray.remote(num_cpus=1, max_retries=5)(function)
        given = [ray.put(argument) for argument in arguments]
        ahead = int(ray.cluster_resources().get("CPU", 1)) + 2
        running: list[Any] = []
        for group in self.groups(folder):
            running.append(remote.remote(group, *given))
            if len(running) >= ahead:
                done, running = ray.wait(running, num_returns=1)
                yield _result(ray, done[0])
        while running:
            done, running = ray.wait(running, num_returns=1)
            yield _result(ray, done[0])


def _result(ray: Any, reference: Any) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.RayError as error:
        raise DataError(f"A task on Ray failed: {error}.\nExpected processes with enough memory.") from error
