"""Engines hand out units to workers until all are done: `local`, in processes of this machine; `ray`, on a cluster."""

from __future__ import annotations

import heapq
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Generator, Iterable
from typing import Any

from headstart.errors import DataError
from headstart.progress import Progress
from headstart.scale.worker import Done

#: How often a unit's worker may die, or the unit be put off, before the job stops.
MOST_DEATHS, MOST_PUT_OFF = 6, 4
#: Seconds before a unit that was put off is tried again, times the number of tries.
_PAUSE = 5.0


class Engine(ABC):
    """Runs workers.

    Attributes:
        threads: of each worker.
    """

    threads: int

    @property
    @abstractmethod
    def workers(self) -> int:
        """How many workers there are to be."""

    @abstractmethod
    def run(self, address: str, queue: Queue, progress: Progress) -> Generator[Done, None, None]:
        """Do units until the queue is empty.

        Args:
            address: of the job's folder.
            queue: of the units.
            progress: receives what went wrong and was repeated.

        Raises:
            HeadstartError: a worker cannot start, or a unit cannot be done.
        """


class Queue:
    """The units that are not done yet; those of dead workers come back.

    Args:
        units: their numbers.
        progress: receives what comes back, and why.

    Attributes:
        in_work: units that workers have now.
    """

    def __init__(self, units: Iterable[int], progress: Progress) -> None:
        self._coming = iter(units)
        self._again: list[tuple[float, int]] = []  # when, which
        self._deaths: Counter[int] = Counter()
        self._put_off: Counter[int] = Counter()
        self._progress = progress
        self.in_work: set[int] = set()

    def next(self) -> int | None:
        """A unit to do now; None: there is none at this moment."""
        due = self._again and self._again[0][0] <= time.monotonic()
        unit = heapq.heappop(self._again)[1] if due else next(self._coming, None)
        if unit is not None:
            self.in_work.add(unit)
        return unit

    @property
    def empty(self) -> bool:
        """Whether no unit is left to hand out, now or later; those that workers have may come back."""
        if self._again:
            return False
        unit = next(self._coming, None)
        if unit is None:
            return True
        heapq.heappush(self._again, (0.0, unit))
        return False

    def answered(self, unit: int | None, answer: dict[str, Any]) -> Done | None:
        """Take what a living worker answered: that it is ready (no unit), or what became of its unit.

        Returns:
            what was done; None: nothing yet.

        Raises:
            DataError: it cannot work, or its unit was put off too often.
        """
        if unit is not None:
            self.in_work.discard(unit)
        if "error" in answer:
            raise DataError(answer["error"])
        if unit is not None and "put_off" in answer:
            self.put_off(unit, answer["put_off"])
            return None
        return None if unit is None else Done(**answer["done"])

    def died(self, unit: int, how: str) -> None:
        """Take back the unit of a worker that died.

        Raises:
            DataError: this happened too often.
        """
        self.in_work.discard(unit)
        self._deaths[unit] += 1
        self._progress.message(f"A worker died with unit {unit} ({how}); the unit is done again.")
        if self._deaths[unit] >= MOST_DEATHS:
            raise DataError(
                f"Unit {unit} ended {MOST_DEATHS} workers: {how}.\nExpected workers with enough memory (about 0.5 GB "
                "each). The same command continues after the units that are done."
            )
        heapq.heappush(self._again, (time.monotonic(), unit))

    def put_off(self, unit: int, why: str) -> None:
        """Take back a unit that cannot be read or written at present.

        Raises:
            DataError: this happened too often.
        """
        self._put_off[unit] += 1
        if self._put_off[unit] >= MOST_PUT_OFF:
            raise DataError(
                f"Unit {unit} failed {MOST_PUT_OFF} times: {why}.\nWhen this is mended, the same command continues "
                "after the units that are done."
            )
        self._progress.message(f"Unit {unit} is put off: {why}")
        heapq.heappush(self._again, (time.monotonic() + _PAUSE * self._put_off[unit], unit))
