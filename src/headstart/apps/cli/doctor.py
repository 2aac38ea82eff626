"""`headstart doctor`: what this computer and installation are, to paste into a bug report."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import click

from headstart.apps.cli import terminal
from headstart.apps.cli.console import print_json, put
from headstart.apps.cli.grouping import Command
from headstart.apps.cli.options import as_json as json_option
from headstart.report.text.layout import hanging

#: The settings that are shown; others may hold passwords.
_VARIABLES = ("HEADSTART_HOME", "HEADSTART_OFFLINE", "HEADSTART_DEBUG", "COLUMNS", "TERM")
_LABEL = 12
_SHOWN = {"headstart", "python", "openvino"}


@click.command(cls=Command, examples=("doctor",))
@json_option
def doctor(as_json: bool) -> None:
    """Show what this computer and installation are, for a bug report.

    Nothing is sent anywhere, and no name of yours is shown: your home folder is '~'.
    """
    found = _examined()
    if as_json:
        print_json(found)
        return
    cache = f"{found['bytes'] / 1e6:,.1f} MB used, {found['free'] / 1e9:,.1f} GB free"
    extras = [f"{name} {'installed' if there else 'not installed'}" for name, there in found["extras"].items()]
    packages = sorted((name, one) for name, one in found["versions"].items() if name not in _SHOWN)
    missing = [name for name, there in found["extras"].items() if not there]
    for label, text in (
        ("headstart", found["versions"]["headstart"]),
        ("Python", f"{found['versions']['python']}, {found['prefix']}"),
        ("system", found["system"]),
        ("processor", found["processor"]),
        ("engine", f"OpenVINO {found['versions']['openvino']}, in {found['compute_precision']}"),
        ("cache", f"{found['path']}: {cache}, {'writable' if found['writable'] else 'NOT writable'}"),
        ("internet", "not used: HEADSTART_OFFLINE is set" if found["offline"] else "used for downloads only"),
        ("extras", ", ".join(extras)),
        ("", f"install one: pip install 'headstart[{missing[0]}]'" if missing else ""),
        ("packages", ", ".join(f"{name} {version}" for name, version in packages)),
        ("settings", ", ".join(f"{name}={value}" for name, value in found["settings"].items()) or "none"),
        ("terminal", found["terminal"]),
    ):
        if text:
            put(*hanging(f"{label:{_LABEL}}", text, terminal.width(sys.stdout)))


def _examined() -> dict[str, Any]:
    """The document of `--json`, see docs/json.md."""
    from headstart.backbones.runtimes.openvino.compiled import resolve_precision
    from headstart.disk.home import contents, home, offline
    from headstart.report.html.machine import here

    folder = home()
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    packages, extras = _packages()
    columns, rows = shutil.get_terminal_size()
    return {
        "versions": {"python": platform.python_version(), **packages},
        "prefix": _short(sys.prefix),
        "system": f"{platform.platform()}, {platform.machine()}",
        "processor": here().processor,
        "compute_precision": resolve_precision("auto"),
        "path": _short(folder),
        "bytes": sum(contents().values()),
        "free": shutil.disk_usage(existing).free,
        "writable": os.access(existing, os.W_OK | os.X_OK),
        "offline": offline(),
        "extras": extras,
        "settings": {name: _short(value) for name in _VARIABLES if (value := os.environ.get(name))},
        "terminal": f"{columns} x {rows}, {sys.stdout.encoding}" if sys.stdout.isatty() else "none",
    }


def _packages() -> tuple[dict[str, str], dict[str, bool]]:
    """Versions of headstart and of what it needs and has, and whether each extra is complete."""
    from importlib.metadata import requires

    from headstart.classifier.saved import version_of

    versions = {"headstart": version_of("headstart")}
    extras: dict[str, bool] = {}
    for line in requires("headstart") or ():
        name = re.match(r"[\w.-]+", line)[0]  # type: ignore[index]  # a requirement begins with a name
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", line)
        if name == "headstart" or (extra and extra[1] in ("dev", "test", "test-tensorflow")):
            continue
        version = version_of(name)
        if version != "unknown":
            versions[name] = version
        if extra:
            extras[extra[1]] = extras.get(extra[1], True) and version != "unknown"
    return versions, extras


def _short(path: str | Path) -> str:
    """The path with `~` for the home folder."""
    text, user = os.fspath(path), os.path.expanduser("~")
    return f"~{text[len(user) :]}" if text == user or text.startswith(user + os.sep) else text
