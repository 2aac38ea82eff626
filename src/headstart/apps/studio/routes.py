"""What each address of the studio does."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Route

from headstart.apps.serve.guard import RefusedError
from headstart.apps.studio import asked
from headstart.apps.studio.arrivals import Arrivals, Upload
from headstart.apps.studio.page import PAGE, page_file, page_names
from headstart.apps.studio.phones import NotInvitedError
from headstart.apps.studio.predicting import MOST_BYTES
from headstart.apps.studio.replies import answer, attachment, picture
from headstart.apps.studio.studio import Studio
from headstart.errors import DataError

#: Files of one upload, and bytes of a request that is not one.
MOST_FILES, MOST_ASKED = 5000, 2**22
_COOKIE = "headstart-phone"


class Routes:
    """What each address does.

    Args:
        studio: that is shown.
    """

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def all(self) -> list[Route]:
        """All of them."""
        post = ["POST"]
        return [
            Route("/", page_file("index.html")),
            *(Route(f"/page/{name}", page_file(name)) for name in page_names()),
            Route("/api/state", self.state),
            Route("/api/events", self.events),
            Route("/api/photos", self.upload, methods=post),
            Route("/api/do", self.do, methods=post),
            Route("/api/predict", self.predict, methods=post),
            Route("/api/map", self.map),
            Route("/api/findings", self.findings),
            Route("/api/findings/keep", self.keep, methods=post),
            Route("/api/backbone", self.backbone, methods=post),
            Route("/api/compare", self.compare, methods=post),
            Route("/api/export", self.export, methods=post),
            Route("/api/share", self.share),
            Route("/api/jobs/{id}/cancel", self.cancel, methods=post),
            Route("/api/phone", self.invite, methods=post),
            Route("/thumb/{id}", self.thumbnail),
            Route("/photo/{id}", self.photo),
            Route("/download/report.html", self.report),
            Route("/download/classifier.zip", self.bundle),
            Route("/download/export/{id}.zip", self.exported),
            Route("/phone/{token}", self.phone),
            Route("/phone/{token}/state", self.phone_state),
            Route("/phone/{token}/photos", self.phone_upload, methods=post),
        ]

    # --- what there is, and what changes it ---

    def state(self, request: Request) -> Response:
        """All that the page shows."""
        return answer(self.studio.state())

    async def events(self, request: Request) -> Response:
        """What changes, as server-sent events."""
        if self.studio.stream.is_full():
            raise RefusedError(503, "Too many pages are open. Close some of them.")
        return StreamingResponse(self.studio.stream.listen(), media_type="text/event-stream")

    async def upload(self, request: Request) -> Response:
        """Take photos."""
        return answer(await self._taken(request))

    async def do(self, request: Request) -> Response:
        """Take a step, or take one back."""
        step, wanted = asked.step(await _body(request, MOST_ASKED))
        await run_in_threadpool(getattr(self.studio.project, step), *wanted)
        return answer({"revision": self.studio.stream.revision})

    # --- what the classifier sees, and what is seen in the photos ---

    async def predict(self, request: Request) -> Response:
        """Say what the classifier sees in a photo."""
        data = await _body(request, MOST_BYTES)
        return answer(await self.studio.predictor.predict(self.studio.learnt(), data))

    def map(self, request: Request) -> Response:
        """All photos as points."""
        return answer(self.studio.map())

    def findings(self, request: Request) -> Response:
        """What is doubtful about the photos."""
        return answer(self.studio.findings.to_json())

    async def keep(self, request: Request) -> Response:
        """Put aside what was found of a photo, or of copies."""
        ids = asked.photos(await _body(request, MOST_ASKED))
        await run_in_threadpool(self.studio.keep, ids)
        return answer({"revision": self.studio.stream.revision})

    def thumbnail(self, request: Request) -> Response:
        """A small picture of a photo."""
        return picture(self.studio.pictures.thumbnail(self.studio.project.photo(request.path_params["id"])))

    def photo(self, request: Request) -> Response:
        """A large picture of a photo."""
        return picture(self.studio.pictures.large(self.studio.project.photo(request.path_params["id"])))

    # --- backbones, and what can be taken along ---

    async def backbone(self, request: Request) -> Response:
        """Use another backbone."""
        await run_in_threadpool(self.studio.change_backbone, asked.handle(await _body(request, MOST_ASKED)))
        return answer({"revision": self.studio.stream.revision})

    async def compare(self, request: Request) -> Response:
        """Begin to compare backbones."""
        return answer({"job": self.studio.compare(asked.handles(await _body(request, MOST_ASKED)))})

    async def export(self, request: Request) -> Response:
        """Begin to export the classifier."""
        return answer({"job": self.studio.export(asked.form(await _body(request, MOST_ASKED)))})

    def share(self, request: Request) -> Response:
        """How the classifier can be taken along."""
        return answer(self.studio.sharing.offer())

    def cancel(self, request: Request) -> Response:
        """Cancel a job."""
        self.studio.jobs.job(request.path_params["id"]).stopped.set()
        return answer({"revision": self.studio.stream.revision})

    def report(self, request: Request) -> Response:
        """The report as a file."""
        return attachment(self.studio.report().encode(), f"{self.studio.sharing.name}-report.html", "text/html")

    def bundle(self, request: Request) -> Response:
        """The saved classifier as a zip."""
        path = self.studio.sharing.bundle(self.studio.learnt())
        content = path.read_bytes()
        path.unlink()
        return attachment(content, f"{self.studio.sharing.name}.zip", "application/zip")

    def exported(self, request: Request) -> Response:
        """An export as a zip."""
        path = self.studio.sharing.exported(request.path_params["id"])
        return FileResponse(path, filename=path.name)

    # --- phones ---

    async def invite(self, request: Request) -> Response:
        """Invite a phone to send photos."""
        label = asked.label(await _body(request, MOST_ASKED))
        return answer(await run_in_threadpool(self.studio.phones.invite, label))

    def phone(self, request: Request) -> Response:
        """The page for a phone; the first device that opens it is admitted."""
        token, device = request.path_params["token"], request.cookies.get(_COOKIE, "")
        content = (PAGE / "phone.html").read_bytes()
        try:
            self.studio.phones.admitted(token, device)
            return Response(content, media_type="text/html")
        except NotInvitedError:
            try:
                device = self.studio.phones.enter(token)
            except NotInvitedError:
                return Response(content, 403, media_type="text/html")
        found = Response(content, media_type="text/html")
        found.set_cookie(_COOKIE, device, path=f"/phone/{token}", httponly=True, samesite="strict")
        return found

    def phone_state(self, request: Request) -> Response:
        """What the page for a phone shows."""
        invited = self._admitted(request)
        project = self.studio.project
        label = invited if invited in project.classes else None
        return answer({"folder": project.folder.name, "classes": project.classes, "label": label})

    async def phone_upload(self, request: Request) -> Response:
        """Take photos from a phone."""
        self._admitted(request)
        return answer(await self._taken(request))

    def _admitted(self, request: Request) -> str:
        return self.studio.phones.admitted(request.path_params["token"], request.cookies.get(_COOKIE, "")).label

    async def _taken(self, request: Request) -> dict[str, Any]:
        """The photos of a form, taken into the folder.

        Raises:
            DataError: there is no room for them.
        """
        try:
            async with request.form(max_files=MOST_FILES, max_fields=10) as form:
                files = [one for one in form.getlist("file") if isinstance(one, UploadFile)]
                uploads = [Upload(one.filename or "", one.size or 0, one.file) for one in files]
                arrivals = Arrivals(self.studio.project, request.query_params.get("label", ""))
                added = await run_in_threadpool(arrivals.take, uploads)
        except OSError as error:
            raise DataError(
                f"The photos cannot be kept while they come in: {error.strerror or error}.\nMake room on the disk, and "
                "send them again."
            ) from error
        return {"added": added, "refused": arrivals.refused}


async def _body(request: Request, most: int) -> bytes:
    """The body of a request, of at most `most` bytes.

    Raises:
        RefusedError: it is larger.
    """
    found = bytearray()
    async for part in request.stream():
        found += part
        if len(found) > most:
            raise RefusedError(413, f"The request has more than {most:,} bytes. Expected at most so many. Send less.")
    return bytes(found)
