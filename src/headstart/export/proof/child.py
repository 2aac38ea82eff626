"""A file run by its own runtime in a process of its own. `ask` is called here, `answer` runs there."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.backbones.card import read_view
from headstart.errors import ExportError
from headstart.export.judges.base import Judge, pillow, upright
from headstart.export.known import FORMATS, Format
from headstart.photos.images import View
from headstart.photos.pixels import stacked
from headstart.safety import child

#: Seconds and megabytes that a runtime may take. TensorFlow reserves gigabytes.
_SECONDS, _MEGABYTES = 1800.0, 16_000
#: Seconds until a browser has ended whose parent was killed.
_ENDING = 5.0
#: Pictures in a batch, and how many are answered again in such batches.
BATCH, AGAIN = 3, 9


@dataclass(frozen=True)
class Answers:
    """What a file answered.

    Attributes:
        runtime: name and version.
        classes: class names in the file, in its order; None: the format has no place for them.
        alone: float32 `(n, k)`, of pictures given one at a time.
        together: float32 `(m, k)`, of the last m of them, last first, in batches of three.
        photos: float32 `(p, k)`, of photos that the runtime read itself, NaN where it cannot; None: it takes none.
        seconds: to answer one picture.
    """

    runtime: str
    classes: tuple[str, ...] | None
    alone: npt.NDArray[np.float32]
    together: npt.NDArray[np.float32]
    photos: npt.NDArray[np.float32] | None
    seconds: float


def ask(
    format_: Format,
    path: Path,
    given: npt.NDArray[Any],
    photos: tuple[str, ...],
    view: View,
    with_resize: bool = False,
) -> Answers:
    """Run a file in a process of its own.

    Args:
        format_: of the file.
        path: of the file.
        given: what its runtime takes: uint8 `(n, height, width, 3)`, or float32 features `(n, dim)`.
        photos: paths, to be read in the runtime's own way.
        view: how they are fitted to the input.
        with_resize: whether the file does that itself, for one photo at a time.

    Raises:
        ExportError: the runtime cannot read or run it.
    """
    with _temporary() as folder:
        pixels = folder / "given.npy"
        np.save(pixels, given)
        request = {
            "format": format_.name,
            "path": str(path.absolute()),
            "given": str(pixels),
            "photos": list(photos),
            "view": view.to_json(),
            "with_resize": with_resize,
        }
        try:
            reply = child.call(
                "headstart.export.proof.child:answer",
                json.dumps(request).encode(),
                seconds=_SECONDS,
                megabytes=_MEGABYTES,
            )
        except child.ChildError as error:
            raise ExportError(f"{format_.path} cannot be run by its own runtime: {error}.") from error
    with np.load(io.BytesIO(reply), allow_pickle=False) as found:
        facts = json.loads(found["facts"].tobytes())
        classes = None if facts["classes"] is None else tuple(facts["classes"])
        own = found["photos"] if len(found["photos"]) else None
        return Answers(facts["runtime"], classes, found["alone"], found["together"], own, facts["seconds"])


@contextmanager
def _temporary() -> Iterator[Path]:
    """A folder for everything that a runtime writes; it does not stay, even if the runtime's process is killed.

    Raises:
        ExportError: it cannot be written.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix="headstart-"))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            until = time.monotonic() + _ENDING
            while folder.exists() and time.monotonic() < until:  # a browser is still writing
                time.sleep(0.05)
                shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise ExportError(
            f"The folder for temporary files cannot be written: {error.strerror or 'no room is left'}.\n"
            f"Make room in {tempfile.gettempdir()}, or name another folder in the environment variable TMPDIR."
        ) from error


def answer(data: bytes) -> bytes:
    """In the child process: read the file, run it, return what it answered as an `.npz`."""
    asked = json.loads(data)
    tempfile.tempdir = str(Path(asked["given"]).parent)
    given = np.load(asked["given"])
    judge: Judge = FORMATS[asked["format"]].judge(Path(asked["path"]))
    try:
        started = time.perf_counter()
        alone = np.concatenate([judge.run(given[i : i + 1]) for i in range(len(given))])
        seconds = (time.perf_counter() - started) / len(given)
        last = np.ascontiguousarray(given[::-1][:AGAIN])
        batch = 1 if asked["with_resize"] else BATCH
        together = np.concatenate([judge.run(last[i : i + batch]) for i in range(0, len(last), batch)])
        view = None if asked["with_resize"] else read_view(asked["view"])
        photos = [_own(judge, Path(photo), view, alone[:1]) for photo in asked["photos"]]
        facts = {"runtime": judge.runtime(), "classes": judge.classes(), "seconds": seconds}
    finally:
        judge.close()
    packed = io.BytesIO()
    np.savez(
        packed,
        facts=np.frombuffer(json.dumps(facts).encode(), np.uint8),
        alone=alone,
        together=together,
        photos=np.concatenate(photos) if photos else alone[:0],
    )
    return packed.getvalue()


def _own(judge: Judge, photo: Path, view: View | None, like: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Probabilities of a photo that the runtime read itself, float32 `(1, k)`; NaN if it cannot open it."""
    try:
        pixels = _read(judge, photo, view)
        assert pixels is not None
    except Exception:  # each runtime has errors of its own for a HEIC, and headstart reads more formats than any
        return np.full_like(like, np.nan)
    return judge.run(np.ascontiguousarray(pixels[None]))


def _read(judge: Judge, photo: Path, view: View | None) -> npt.NDArray[np.uint8] | None:
    """A photo as the runtime's users read it; whole, if the file fits it to the input itself."""
    if view is None:
        return upright(photo)
    if view.parts:
        return stacked([_pillow(photo, part) for part in view.parts], view)
    if view.fit == "squash":
        return judge.read(photo, view.height, view.width)
    return _pillow(photo, view)


def _pillow(photo: Path, view: View) -> npt.NDArray[np.uint8]:
    return pillow(photo, view.height, view.width, view.fit, view.fraction)
