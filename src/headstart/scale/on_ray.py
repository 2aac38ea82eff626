"""The engine of a cluster: Ray starts the workers, and starts them anew elsewhere when they or their machine die."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import Any

from headstart.errors import DataError, HeadstartError, MissingExtraError
from headstart.progress import Choice, Progress, standard
from headstart.scale.engines import Engine, Queue
from headstart.scale.own import ENVIRONMENT, take_processors
from headstart.scale.worker import Done

#: Seconds after which a message reports that no worker can start.
_PATIENCE = 60.0
_POLL = 1.0
#: Workers in a row that may die before they are ready, for each worker.
_MOST_UNBORN = 5
#: Set before Ray starts: nothing is reported to its makers, workers have the priority of other programs, and its own
#: helpers have two minutes to start, not 15 seconds.
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",
    "RAY_agent_register_timeout_ms": "120000",
}
#: How often Ray may fail to start on this machine: it gives itself 30 seconds, too few where other programs are busy.
_MOST_STARTS = 4
#: A cluster of one machine listens on 127.0.0.1 alone, as Ray does on Windows and macOS without this setting.
_ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
#: Memory of a worker as Ray counts it.
_MEMORY = 450 * 10**6


class OnRay(Engine):
    """Actors of Ray.

    Args:
        address: of a cluster: `auto`, `host:port` or `ray://host:port`; empty: a cluster of its own on this machine,
            which ends with the job and listens on 127.0.0.1 alone.
        workers: how many; 0: as many as there are processors.
        threads: processors of each.
        progress: receives that Ray starts, which is when it is first needed.

    Raises:
        MissingExtraError: Ray is not installed.
    """

    def __init__(self, address: str = "", workers: int = 0, threads: int = 1, progress: Choice = None) -> None:
        try:
            os.environ.update(SETTINGS if address else {**ENVIRONMENT, **os.environ, **SETTINGS, **_ALONE})
            import ray
        except ImportError as error:
            raise MissingExtraError(
                f"--on ray needs Ray, which cannot be imported: {error}.\nInstall it: pip install 'headstart[ray]'. "
                "On one machine, --on local does the same."
            ) from error
        self._ray = ray
        self._address, self._workers, self._progress = address, workers, standard(progress)
        self.threads = threads

    @property
    def ray(self) -> Any:
        """The module, connected to the cluster.

        Raises:
            DataError: the cluster cannot be reached.
        """
        if not self._ray.is_initialized():
            where = f"Joining the cluster {self._address}" if self._address else "Starting Ray"
            self._progress.message(f"{where} ...")
            _connect(self._ray, self._address)
        return self._ray

    @property
    def workers(self) -> int:
        """How many; see `Engine`."""
        return self._workers or max(1, int(self.ray.cluster_resources().get("CPU", 0)) // self.threads)

    def run(self, address: str, queue: Queue, progress: Progress) -> Generator[Done, None, None]:
        """See `Engine.run`."""
        actors = _Actors(self.ray, address, queue, self.workers, self.threads, progress)
        try:
            yield from actors.work()
        finally:
            actors.stop()


def _connect(ray: Any, address: str) -> None:
    quiet = {"log_to_driver": False, "logging_level": "error"}
    if address:
        _check_listening(address)
        try:
            ray.init(address=address, runtime_env={"env_vars": ENVIRONMENT}, **quiet)
        except Exception as error:  # Ray raises many kinds, among them plain Exception
            raise _unreachable(address, error) from error
        return
    for attempt in range(1, _MOST_STARTS + 1):
        try:
            # Without "local", Ray would join a cluster that it finds on this machine.
            ray.init(address="local", include_dashboard=False, object_store_memory=10**8, **quiet)
            return
        except Exception as error:
            ray.shutdown()
            if attempt == _MOST_STARTS:
                raise DataError(
                    f"Ray does not start on this machine: {error}.\nExpected a start within 30 seconds; "
                    f"{_MOST_STARTS} attempts failed. Try again when other programs are less busy, or use --on local."
                ) from error


def _check_listening(address: str) -> None:
    """Find out at once that nothing answers at an address: Ray itself takes many minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
        except (OSError, OverflowError) as error:
            raise _unreachable(address, error) from error


def _unreachable(address: str, error: Exception) -> DataError:
    return DataError(
        f"The cluster {address} cannot be reached: {str(error).rstrip('.')}.\nExpected auto on a machine of a running "
        "cluster, its address with the port 6379 there, or ray://HOST:10001 from elsewhere."
    )


class _Remote:
    """A worker inside an actor. What it returns are dictionaries, so that a driver needs nothing else of it."""

    def __init__(self, address: str, threads: int) -> None:
        import ray

        here = ray.get_runtime_context().get_node_id()
        nodes = ray.nodes()  # type: ignore[no-untyped-call]
        (processors,) = [node["Resources"].get("CPU", 0) for node in nodes if node["NodeID"] == here]
        take_processors(threads, int(processors))
        os.environ["HEADSTART_THREADS"] = str(threads)
        self._address = address
        self._worker: Any = None

    def ready(self) -> dict[str, Any]:
        from headstart.scale.worker import Worker

        try:
            self._worker = self._worker or Worker(self._address)
        except (HeadstartError, OSError) as error:
            return {"error": str(error)}
        return {"ready": True}

    def run(self, unit: int) -> dict[str, Any]:
        answer: dict[str, Any] = self._worker.attempt(unit)
        return answer


class _Actors:
    """The actors of a run. One gets units only after it has answered that it is ready, so none waits for processors."""

    def __init__(self, ray: Any, address: str, units: Queue, workers: int, threads: int, progress: Progress) -> None:
        self._ray = ray
        self._units = units
        self._progress = progress
        remote = ray.remote(num_cpus=threads, memory=_MEMORY, max_restarts=-1, max_task_retries=0)(_Remote)
        self._actors = [remote.remote(address, threads) for _ in range(workers)]
        self._starting = {actor.ready.remote(): actor for actor in self._actors}
        self._working: dict[Any, tuple[Any, int]] = {}
        self._idle: list[Any] = []
        self._unborn = 0  # workers in a row that died before they were ready

    def work(self) -> Iterator[Done]:
        heard = time.monotonic()
        while True:
            self._fill()
            if not self._working and self._units.empty:
                return
            waiting = [*self._working, *self._starting]
            found, _ = self._ray.wait(waiting, num_returns=1, timeout=_POLL) if waiting else ([], [])
            if not found and not waiting:
                time.sleep(_POLL)
            if found or self._working:
                heard = time.monotonic()
            elif time.monotonic() - heard > _PATIENCE:
                heard = time.monotonic()
                free = self._ray.available_resources()
                self._progress.message(f"No worker can start yet: {free.get('CPU', 0):g} processors are free.")
            for reference in found:
                yield from self._heard(reference)

    def _heard(self, reference: Any) -> Iterator[Done]:
        starting = self._starting.pop(reference, None)
        actor, unit = (starting, None) if starting is not None else self._working.pop(reference)
        try:
            answer = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            if unit is not None:
                self._units.died(unit, type(error).__name__)
            self._unborn += unit is None
            if self._unborn > _MOST_UNBORN * len(self._actors):
                raise DataError(f"Workers end before they begin to work: {str(error)[-500:]}") from error
            self._starting[actor.ready.remote()] = actor
            return
        done = self._units.answered(unit, answer)
        self._idle.append(actor)
        self._unborn = 0
        if done is not None:
            yield done

    def _fill(self) -> None:
        while self._idle:
            unit = self._units.next()
            if unit is None:
                return
            actor = self._idle.pop()
            self._working[actor.run.remote(unit)] = actor, unit

    def stop(self) -> None:
        """End the actors."""
        for actor in self._actors:
            with suppress(self._ray.exceptions.RayError):
                self._ray.kill(actor)
