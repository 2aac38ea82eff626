"""The addresses of `headstart serve`, each a few lines on what the other modules do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from headstart import __version__
from headstart.apps.serve import bodies, inference, openapi
from headstart.apps.serve.answering import Answer, Predictor
from headstart.apps.serve.batching import Photo
from headstart.apps.serve.bodies import Sent
from headstart.apps.serve.guard import App, Guard, Rules
from headstart.apps.serve.measures import LogFormat, Metrics, Watched
from headstart.errors import BusyError, HeadstartError, PhotoError
from headstart.report.html.short_paths import shortener

Result = TypeVar("Result")
#: Answered without a token: whether the server lives.
OPEN_PATHS = frozenset({"/v2/health/live", "/v2/health/ready"})
_TOP = 5
#: Removes folders of this machine, which a message of a decoder could name.
_SHORT = shortener("", False)
_RETRY = {"retry-after": "2"}


@dataclass
class Service:
    """What is served now.

    Attributes:
        name: of the classifier, in addresses.
        predictor: answers; another one may take its place at any time.
        metrics: what is counted.
        background: runs beside the server, such as the watch for a new version.
    """

    name: str
    predictor: Predictor
    metrics: Metrics
    background: Callable[[Service], Coroutine[Any, Any, None]] | None = None

    async def answers(self, request: Request, photos: list[Photo]) -> list[Answer]:
        """Predict the photos of a request, unless its client goes away."""
        return await self._counted(request, photos, self.predictor.predict(photos))

    async def vectors(self, request: Request, photos: list[Photo]) -> list[Any]:
        """The feature vectors of the photos of a request."""
        return await self._counted(request, photos, self.predictor.engine.run(photos, lambda vector: vector.tolist()))

    async def _counted(
        self, request: Request, photos: list[Photo], work: Coroutine[Any, Any, list[Result]]
    ) -> list[Result]:
        request.state.photos = len(photos)
        engine = self.predictor.engine
        self.metrics.waiting.set(engine.waiting + len(photos))
        try:
            found = await _while_connected(request, work)
        except PhotoError as error:
            self.metrics.photos.labels(error.reason).inc()
            raise
        finally:
            self.metrics.waiting.set(engine.waiting)
        self.metrics.photos.labels("predicted").inc(len(photos))
        return found


async def _while_connected(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work`, which is stopped if the client closes the connection."""
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        task.cancel()
        gone.cancel()


def build(service: Service, rules: Rules, log: LogFormat = "json") -> App:
    """The whole server as an ASGI app.

    Args:
        service: what is served.
        rules: who may ask, and how much.
        log: form of the log of requests on stderr.
    """
    model = f"/v2/models/{quote(service.name, safe='')}"

    def document() -> dict[str, Any]:
        return openapi.document(service.name, model, service.predictor, bool(rules.token))

    async def sent_by(request: Request) -> Sent:
        body = await request.body()
        return bodies.read(
            request.headers.get("content-type", ""), body, service.predictor.engine.limits.photos
        )  # fmt: skip

    async def predict(request: Request) -> Response:
        query = request.query_params
        with_unknown = _choice(query.get("unknown", "true"))
        top = bodies.whole("top", query["top"]) if "top" in query else None
        sent = await sent_by(request)
        answers = await service.answers(request, sent.photos)
        classes = service.predictor.classifier.classes
        found = [_labels(classes, one, top or sent.top or _TOP, with_unknown) for one in answers]
        return JSONResponse(found if sent.many else found[0])

    async def embed(request: Request) -> Response:
        sent = await sent_by(request)
        found = await service.vectors(request, sent.photos)
        return JSONResponse(found if sent.many else found[0])

    async def infer(request: Request) -> Response:
        body = await request.body()
        length = request.headers.get("inference-header-content-length")
        asked = inference.read(body, length, service.predictor.engine.limits.photos)
        answers = await service.answers(request, asked.photos)
        classes = service.predictor.classifier.classes
        return JSONResponse(inference.answer(service.name, asked, classes, answers))

    async def server(_: Request) -> Response:
        return JSONResponse({"name": "headstart", "version": __version__, "extensions": ["binary_tensor_data"]})

    async def live(_: Request) -> Response:
        return JSONResponse({"live": True})

    async def ready(_: Request) -> Response:
        return JSONResponse({"ready": True})

    async def model_ready(_: Request) -> Response:
        return JSONResponse({"name": service.name, "ready": True})

    async def metadata(_: Request) -> Response:
        return JSONResponse(inference.metadata(service.name, service.predictor.classifier))

    async def metrics(_: Request) -> Response:
        return Response(service.metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def openapi_json(_: Request) -> Response:
        return JSONResponse(document())

    async def docs(request: Request) -> Response:
        page = openapi.page(document(), request.headers.get("host", ""))
        return Response(page.html, media_type="text/html", headers={"content-security-policy": page.policy})

    async def start(_: Request) -> Response:
        return Response(status_code=307, headers={"location": "docs"})

    routes = [
        Route("/", start),
        Route("/predict", predict, methods=["POST"]),
        Route("/embed", embed, methods=["POST"]),
        Route("/v2", server),
        Route("/v2/health/live", live),
        Route("/v2/health/ready", ready),
        Route("/v2/models/{name}", _named(service, metadata)),
        Route("/v2/models/{name}/ready", _named(service, model_ready)),
        Route("/v2/models/{name}/infer", _named(service, infer), methods=["POST"]),
        Route("/metrics", metrics),
        Route("/openapi.json", openapi_json),
        Route("/docs", docs),
    ]

    @asynccontextmanager
    async def life(_: Starlette) -> AsyncIterator[None]:
        task = None if service.background is None else asyncio.ensure_future(service.background(service))
        yield
        if task is not None:
            task.cancel()
        service.predictor.engine.close()

    starlette = Starlette(routes=routes, exception_handlers=ERRORS, lifespan=life)
    known = frozenset(route.path.replace("{name}", service.name) for route in routes)
    return Watched(Guard(starlette, rules), service.metrics, known, log)


def _named(
    service: Service, endpoint: Callable[[Request], Coroutine[Any, Any, Response]]
) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    """An endpoint that answers 404 for other models."""

    async def checked(request: Request) -> Response:
        if request.path_params["name"] != service.name:
            raise HTTPException(404, f"There is no such model here. Expected /v2/models/{service.name}.")
        return await endpoint(request)

    return checked


def _labels(classes: tuple[str, ...], answer: Answer, top: int, with_unknown: bool) -> list[dict[str, Any]]:
    """The most probable classes, as the image-classification pipeline of Hugging Face answers them."""
    order = (-answer.probabilities).argsort(kind="stable")[:top].tolist()
    unknown = {"unknown": answer.unknown} if with_unknown and answer.unknown is not None else {}
    return [{"label": classes[i], "score": float(answer.probabilities[i]), **unknown} for i in order]


def _choice(text: str) -> bool:
    if text not in ("true", "false"):
        raise bodies.wrong("'unknown' is neither 'true' nor 'false'.")
    return text == "true"


def _error(status: int, why: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": " ".join(why.split())}, status, headers)


def _photo(_: Request, error: Exception) -> Response:
    too_large = isinstance(error, PhotoError) and error.reason == "too large"
    return _error(413 if too_large else 422, f"The photo cannot be used: {_SHORT(str(error))}.")


def _http(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    plain = {404: "There is nothing at this address. See /docs.", 405: "This address takes another method. See /docs."}
    why = str(getattr(error, "detail", ""))
    if why == HTTPStatus(status).phrase:
        why = plain.get(status, why)
    return _error(status, why, dict(getattr(error, "headers", None) or {}))


def _busy(_: Request, error: Exception) -> Response:
    why = str(error) if isinstance(error, BusyError) else "The answer took too long. Try again later, or send less."
    return _error(503, why, _RETRY)


def _gone(_: Request, __: Exception) -> Response:
    return Response(status_code=400)  # nobody reads it


def _failed(_: Request, __: Exception) -> Response:
    return _error(500, "The server failed. Its log shows why.")


#: How every error is answered; the studio's app uses the same.
ERRORS: dict[Any, Callable[[Request, Exception], Response]] = {
    BusyError: _busy,
    TimeoutError: _busy,
    PhotoError: _photo,
    HTTPException: _http,
    ClientDisconnect: _gone,
    HeadstartError: _failed,
    Exception: _failed,
}
