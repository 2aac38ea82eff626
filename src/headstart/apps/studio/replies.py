"""The kinds of answers that the studio gives."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from starlette.responses import Response


def answer(content: Any, status: int = 200) -> Response:
    """A JSON answer; in ASCII, because names of files need not be UTF-8."""
    return Response(json.dumps(content, separators=(",", ":")), status, media_type="application/json")


def refusal(message: str, status: int) -> Response:
    """Why something was not done, for the page to show."""
    return answer({"error": message}, status)


def picture(content: bytes) -> Response:
    """A JPEG, which may be kept for ever: its address changes when it does."""
    return Response(content, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=31536000, immutable"})


def attachment(content: bytes, name: str, kind: str) -> Response:
    """A file to be saved, not shown."""
    return Response(
        content,
        media_type=kind,
        headers={"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"},
    )
