"""The files of the page, which are sent as they are."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

PAGE = Path(__file__).parent / "page"
#: By file name extension: what the system says may be wrong, and browsers run no module of another type.
_KINDS = {".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def page_names() -> list[str]:
    """Paths of all files, relative to the folder: no other path is ever opened."""
    return sorted(path.relative_to(PAGE).as_posix() for path in PAGE.rglob("*") if path.is_file())


def page_file(name: str) -> Callable[[Request], Response]:
    """What answers with a file."""
    path = PAGE / name
    kind = _KINDS.get(path.suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"

    def send(request: Request) -> Response:
        return Response(path.read_bytes(), media_type=kind, headers={"Cache-Control": "no-cache"})

    return send
