"""What a page asks for: JSON from outside, checked field by field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from headstart.errors import DataError
from headstart.safety import untrusted

_NAME = untrusted.text(1000, 0)
_ID = untrusted.text(40)
_IDS = untrusted.many(_ID, 1, 100_000)
_HANDLE = untrusted.text(1000)
#: The steps that a page may ask for, with what each takes.
_STEPS: dict[str, dict[str, untrusted.Check[Any]]] = {
    "add_class": {"name": _NAME},
    "rename_class": {"name": _NAME, "to": _NAME},
    "merge_class": {"name": _NAME, "to": _NAME},
    "remove_class": {"name": _NAME},
    "move": {"photos": _IDS, "to": _NAME},
    "remove": {"photos": _IDS},
    "undo": {},
    "redo": {},
}


def step(body: bytes) -> tuple[str, list[Any]]:
    """The method of a project that a page asks for, and its arguments.

    Raises:
        DataError: there is no such step, or something is missing.
    """
    given = _read(body)
    action = given.pop("action", "")
    if not isinstance(action, str) or action not in _STEPS:
        raise DataError(f"There is no such step.\nExpected one of {', '.join(_STEPS)}.")
    found = _checked(given, _STEPS[action], all_of=True)
    return action, [found[name] for name in _STEPS[action]]


def photos(body: bytes) -> list[str]:
    """Ids of photos: `id` of one, or `copies`."""
    found = _checked(_read(body), {"id": _ID, "copies": _IDS})
    ids = [*found.get("copies", ()), *([found["id"]] if "id" in found else [])]
    if not ids:
        raise DataError("No photo is named.\nExpected id or copies.")
    return ids


def handle(body: bytes) -> str:
    """The `handle` of a backbone."""
    return str(_checked(_read(body), {"handle": _HANDLE}, all_of=True)["handle"])


def handles(body: bytes) -> tuple[str, ...]:
    """The handles of `backbones` to compare."""
    found: tuple[str, ...] = _checked(_read(body), {"backbones": untrusted.many(_HANDLE, 1, 50)}, all_of=True)[
        "backbones"
    ]
    return found


def form(body: bytes) -> str:
    """The `format` of an export."""
    return str(_checked(_read(body), {"format": untrusted.text(40)}, all_of=True)["format"])


def label(body: bytes) -> str:
    """The `label` that a phone sends photos of; empty: it chooses."""
    return str(_checked(_read(body or b"{}"), {"label": untrusted.text(1000, 0)}).get("label", ""))


def _read(body: bytes) -> dict[str, Any]:
    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise DataError("The request is not JSON.\nExpected a dictionary.") from error
    if not isinstance(given, dict):
        raise DataError("The request is not a dictionary.\nExpected one, such as {}.")
    return given


def _checked(given: Any, checks: Mapping[str, untrusted.Check[Any]], all_of: bool = False) -> dict[str, Any]:
    try:
        found = untrusted.fields(given, checks)
    except ValueError as error:
        raise DataError(f"The request is not as expected: {error}.\nExpected {', '.join(checks)}.") from error
    missing = [name for name in checks if name not in found] if all_of else []
    if missing:
        raise DataError(f"The request has no {missing[0]}.\nExpected {', '.join(checks)}.")
    return found
