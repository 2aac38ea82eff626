"""The computer that it was measured on: the processor and the versions that figures and speeds depend on."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path

from headstart.classifier.saved import version_of
from headstart.photos.reading import processors

_PACKAGES = ("headstart", "openvino", "numpy", "pillow")
_PROCESSORS = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Machine:
    """A computer and what was installed on it.

    Attributes:
        processor: its name, and how many cores headstart may use.
        versions: of Python and of the packages that the figures depend on.
    """

    processor: str
    versions: dict[str, str]


def here() -> Machine:
    """The computer that this runs on."""
    packages = {package: version_of(package) for package in _PACKAGES}
    cores = processors()
    name = f"{_name()}, {cores} core{'' if cores == 1 else 's'} used, {platform.system()}"
    return Machine(name, packages | {"Python": platform.python_version()})


def _name() -> str:
    try:
        lines = _PROCESSORS.read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine() or "an unknown processor"
