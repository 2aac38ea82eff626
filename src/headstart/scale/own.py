"""What a worker takes of a machine that it shares with others: processors of its own, and memory without waste."""

from __future__ import annotations

import os
import socket

#: Environment of a worker, which counts from a process's start. Its threads share two arenas of glibc's allocator, and
#: Arrow uses it too; blocks of a megabyte go back to the system when they are freed. Without these, a worker took 40 MB
#: more for files, and 100 for tables of photos.
ENVIRONMENT = {
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": str(2**20),
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
#: Names of the processors that this process has taken. The system frees them when it ends.
_taken: list[socket.socket] = []


def take_processors(count: int, shared: int, prefix: str = "headstart-processor-") -> list[int]:
    """Keep this thread, and those that it starts, to processors that no other worker on this machine has taken.

    A processor is taken by a socket of its name, which belongs to no file: workers of all users see it.

    Args:
        count: how many.
        shared: processors of this machine that are given to workers. If the process sees others too (a container with
            a share of a large machine), which of them are free is not known, and none is taken.
        prefix: of the names.

    Returns:
        their numbers; empty: none was taken, and the system decides.
    """
    if not hasattr(os, "sched_getaffinity"):
        return []
    seen = sorted(os.sched_getaffinity(0))
    if len(seen) != shared:
        return []
    chosen: dict[int, socket.socket] = {}
    for number in seen:
        if len(chosen) < count and (name := _named(f"\0{prefix}{number}")):
            chosen[number] = name
    if len(chosen) < count:  # sharing all is better than crowding on a few
        for name in chosen.values():
            name.close()
        return []
    os.sched_setaffinity(0, chosen)
    _taken.extend(chosen.values())
    return list(chosen)


def _named(name: str) -> socket.socket | None:
    """A socket of this name; None: another process has one."""
    made = socket.socket(socket.AF_UNIX)
    try:
        made.bind(name)
    except OSError:
        made.close()
        return None
    return made
