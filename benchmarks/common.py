"""What the benchmarks share: the machine in words, whole processes with their peak memory, the shared photos."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from headstart.features.extraction import processors

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data"
_RSS_UNIT = 2**20 if sys.platform == "darwin" else 2**10
WORK = Path(__file__).resolve().parent / ".work"


@dataclass(frozen=True)
class Finished:
    """A process that ran to its end: wall seconds, peak resident MB, what it printed."""

    seconds: float
    peak_mb: float
    stdout: str


def process(command: list[str], **environment: str) -> Finished:
    """Run a whole process; its failure is ours."""
    started = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment})
    assert child.stdout is not None
    text = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - started
    if status:
        raise SystemExit(f"{' '.join(command)} failed with status {status}")
    return Finished(seconds, usage.ru_maxrss / _RSS_UNIT, text)


def headstart(*arguments: str, home: Path | str) -> Finished:
    """Run the command line of this environment with its own store."""
    return process([str(Path(sys.executable).with_name("headstart")), *arguments], HEADSTART_HOME=str(home))


def machine() -> str:
    """Processor, cores, Python and the engines' versions."""
    import numpy
    import openvino

    name = platform.processor() or platform.machine()
    facts = Path("/proc/cpuinfo")
    for line in facts.read_text().splitlines() if facts.exists() else ():
        if line.startswith("model name"):
            name = line.split(":", 1)[1].strip()
            break
    cores = processors()
    engines = f"OpenVINO {openvino.__version__.split('-')[0]}, NumPy {numpy.__version__}"
    return f"{name}, {cores} cores, Python {platform.python_version()}, {engines}"


def own_peak_mb() -> float:
    """Peak resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _RSS_UNIT
