"""The studio's addresses: the page, its state and events, uploads, steps, pictures and predictions."""

from __future__ import annotations

import json
import mimetypes
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from headstart.apps.studio.arrivals import Arrivals, Upload
from headstart.apps.studio.studio import NoClassifierError, Studio
from headstart.errors import DataError, HeadstartError
from headstart.safety import untrusted

PAGE = Path(__file__).parent / "page"
#: Files of one upload.
MOST_FILES = 5000
_NAME = untrusted.text(1000, 0)
_IDS = untrusted.many(untrusted.text(40), 1, 100_000)
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


class Routes:
    """What each address does.

    Args:
        studio: that is shown.
    """

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/", page_file("index.html")),
            *(Route(f"/page/{name}", page_file(name)) for name in page_names()),
            Route("/api/state", self.state),
            Route("/api/events", self.events),
            Route("/api/photos", self.upload, methods=["POST"]),
            Route("/api/do", self.do, methods=["POST"]),
            Route("/api/predict", self.predict, methods=["POST"]),
            Route("/thumb/{id}", self.thumbnail),
            Route("/photo/{id}", self.photo),
        ]

    def state(self, request: Request) -> Response:
        """All that the page shows."""
        return answer(self.studio.state())

    async def events(self, request: Request) -> Response:
        """What changes, as server-sent events."""
        if self.studio.stream.is_full():
            return refusal("Too many pages listen.\nClose some of them.", 503)
        return StreamingResponse(self.studio.stream.listen(), media_type="text/event-stream")

    async def upload(self, request: Request) -> Response:
        """Take photos."""
        label = request.query_params.get("label", "")
        async with request.form(max_files=MOST_FILES, max_fields=10) as form:
            files = [one for one in form.getlist("file") if isinstance(one, UploadFile)]
            uploads = [Upload(one.filename or "", one.size or 0, one.file) for one in files]
            arrivals = Arrivals(self.studio.project, label)
            added = await run_in_threadpool(arrivals.take, uploads)
        return answer({"added": added, "refused": arrivals.refused})

    async def do(self, request: Request) -> Response:
        """Take a step, or take one back."""
        step, wanted = checked_step(await request.body())
        await run_in_threadpool(getattr(self.studio.project, step), *wanted)
        return answer({"revision": self.studio.stream.revision})

    async def predict(self, request: Request) -> Response:
        """Say what the classifier sees in a photo."""
        return answer(await run_in_threadpool(self.studio.predict, await request.body()))

    def thumbnail(self, request: Request) -> Response:
        """A small picture of a photo."""
        photo = self.studio.project.photo(request.path_params["id"])
        return picture(self.studio.pictures.thumbnail(photo))

    def photo(self, request: Request) -> Response:
        """A large picture of a photo."""
        photo = self.studio.project.photo(request.path_params["id"])
        return picture(self.studio.pictures.large(photo))


def make_app(studio: Studio) -> Starlette:
    """The studio as an ASGI application."""

    @asynccontextmanager
    async def life(_: Starlette) -> AsyncIterator[None]:
        studio.start()
        yield
        studio.stop()

    return Starlette(
        routes=Routes(studio).routes(),
        lifespan=life,
        exception_handlers={HeadstartError: _failed},
    )


def page_names() -> list[str]:
    """The files of the page, by their paths in its folder."""
    return sorted(path.relative_to(PAGE).as_posix() for path in PAGE.rglob("*") if path.is_file())


def page_file(name: str) -> Callable[[Request], Response]:
    """The address of a file of the page."""
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if name.endswith((".js", ".mjs")):
        kind = "text/javascript"

    def send(request: Request) -> Response:
        return Response((PAGE / name).read_bytes(), media_type=kind, headers={"Cache-Control": "no-cache"})

    return send


def checked_step(body: bytes) -> tuple[str, list[Any]]:
    """The step that a page asks for, and what it takes.

    Raises:
        DataError: there is no such step.
    """
    try:
        given = json.loads(body)
        if not isinstance(given, dict):
            raise ValueError("it is not a dictionary")
        action = untrusted.one_of(*_STEPS)(given.pop("action", None))
        wanted = untrusted.fields(given, _STEPS[action])
        return action, [wanted[name] for name in _STEPS[action]]
    except (ValueError, KeyError, RecursionError) as error:
        raise DataError(f"This step is not understood: {error}.\nExpected one as the page sends it.") from error


def answer(content: Any, status: int = 200) -> Response:
    """A JSON answer."""
    return JSONResponse(content, status, headers={"Cache-Control": "no-store"})


def refusal(message: str, status: int) -> Response:
    """An answer for the page to show."""
    return answer({"error": message}, status)


def picture(content: bytes) -> Response:
    """A JPEG, which never changes: its address does."""
    return Response(content, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=31536000, immutable"})


def _failed(request: Request, error: Exception) -> Response:
    return refusal(str(error), 409 if isinstance(error, NoClassifierError) else 400)
