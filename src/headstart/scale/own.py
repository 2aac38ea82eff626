"""What a worker takes of a machine that it shares with others: processors of its own, and memory without waste."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

from headstart.disk.locks import owned_if_free

#: Environment of a worker, which counts from a process's start. Its threads share two arenas of glibc's allocator, and
#: Arrow uses it too; blocks of a megabyte go back to the system when they are freed. Without these, a worker took 40 MB
#: more for files, and 100 for tables of photos.
ENVIRONMENT = {
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": str(2**20),
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
#: Locks of the processors that this process has taken; the system frees them when it ends.
_taken = ExitStack()


def take_processors(count: int, shared: int, folder: Path | None = None) -> list[int]:
    """Keep this thread, and those that it starts, to processors that no other worker on this machine has taken.

    Args:
        count: how many.
        shared: processors of this machine that are given to workers. If the process sees others too (a container with
            a share of a large machine), which of them are free is not known, and none is taken.
        folder: of the locks; None: one of this user in the machine's folder of temporary files.

    Returns:
        their numbers; empty: none was taken, and the system decides.
    """
    if not hasattr(os, "sched_getaffinity"):
        return []
    seen = sorted(os.sched_getaffinity(0))
    if len(seen) != shared:
        return []
    folder = folder or Path(tempfile.gettempdir()) / f"headstart-processors-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        return []
    chosen: list[int] = []
    with ExitStack() as locks:
        for number in seen:
            if len(chosen) < count and locks.enter_context(owned_if_free(folder / str(number))):
                chosen.append(number)
        if len(chosen) < count:  # others have them: sharing all is better than crowding on a few
            return []
        os.sched_setaffinity(0, chosen)
        _taken.push(locks.pop_all())
    return chosen
