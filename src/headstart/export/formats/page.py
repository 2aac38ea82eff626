"""One HTML file that classifies photos in a browser, without internet, and checks itself when it is opened.

It holds a TensorFlow.js model, TensorFlow.js, and a few pictures with the probabilities that headstart gives them. Its
Content-Security-Policy admits no request, and only the scripts whose SHA-256 it names.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from headstart.disk import atomic
from headstart.export.formats import tfjs, web
from headstart.export.subject import Subject

#: Pixels, uint8 `(height, width, 3)`, and the probabilities that headstart gives them, float32 `(k,)`.
Check = tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]
#: Largest difference of a probability that is rounding alone.
_TOLERANCES = {"float32": 1e-3, "float16": 2e-2}
_QUANTISED = 0.2
#: Levels by which a pixel is changed to see how steady an answer is.
_NOISE = 4


def write(subject: Subject, target: Path, checks: Sequence[Check] = ()) -> None:
    """Write `target`, a file `.html`.

    Args:
        subject: what to write.
        target: where.
        checks: what the page tries when it is opened; `steadiest` chooses some of many photos. Empty: three pictures
            that are drawn.
    """
    atomic.write(target, encoded(subject, checks or steadiest(subject, _drawn(subject))))


def encoded(subject: Subject, checks: Sequence[Check]) -> str:
    """The page."""
    description, weights = tfjs.encoded(subject)
    words = json.loads(web.read("words.json"))
    compiled = web.wasm()
    given = htmlsafe_json_dumps(_given(subject, checks, words))
    model = htmlsafe_json_dumps(description)
    sums = {"given": given.encode(), "model": model.encode(), "weights": weights, "wasm": compiled}
    style = Markup(web.read("page.css"))
    scripts = [Markup(one) for one in [*web.scripts(), *map(web.read, ("resize.js", "sha256.js", "page.js"))]]
    return _environment().get_template("page.html.j2").render(
        words=words, style=style, style_hash=_policy(style), scripts=scripts, script_hashes=map(_policy, scripts),
        blocks={
            "given": given,
            "model": model,
            "weights": _base64(weights),
            "wasm": _base64(compiled),
            "sums": htmlsafe_json_dumps({name: sha256(content).hexdigest() for name, content in sums.items()}),
        },
        model_name=Path(subject.card.handle).name if Path(subject.card.handle).is_absolute() else subject.card.handle,
        licence=subject.card.licence, version=web.VERSION,
        notice=web.read("runtime/NOTICE"), apache=web.read("runtime/LICENSE"),
    )  # fmt: skip


def steadiest(subject: Subject, pictures: Sequence[npt.NDArray[np.uint8]], n: int = 3) -> list[Check]:
    """Those of some pictures whose answer depends least on rounding, and what OpenVINO answers for them.

    A quantised model rounds on every machine in its own way, and a picture that lies between two classes then changes
    sides: it would be no check. Such a picture does so, too, when its pixels change a little.

    Args:
        subject: whose answers are asked for.
        pictures: uint8 `(height, width, 3)` each.
        n: how many to return at most.
    """
    model = subject.compiled()
    noise = np.random.default_rng(0).integers(-_NOISE, _NOISE + 1, pictures[0].shape)
    found = []
    for picture in pictures:
        near = np.clip(picture + noise, 0, 255).astype(np.uint8)
        answer, other = (np.array(model(one[None])[0])[0] for one in (picture, near))
        found.append((float(np.abs(answer - other).max()), picture, answer))
    return [(picture, answer) for _, picture, answer in sorted(found, key=itemgetter(0))[:n]]


def _drawn(subject: Subject) -> list[npt.NDArray[np.uint8]]:
    """Pictures for a check: smooth colours, and blocks of colours of several sizes."""
    height, width = (int(side or 0) for side in subject.last.picture.shape[1:3])
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:height, 0:width] * (255 / max(height, width))
    pictures = [np.stack([x, y, 255 - (x + y) / 2], axis=2).astype(np.uint8)]
    for count in (2, 3, 4, 6, 8, 12, 16):
        colours = rng.integers(0, 256, (count, count, 3), dtype=np.uint8)
        pictures.append(colours[np.arange(height)[:, None] * count // height, np.arange(width)[None] * count // width])
    return pictures


def _given(subject: Subject, checks: Sequence[Check], words: dict[str, str]) -> dict[str, Any]:
    """What the script works with."""
    view = subject.card.view
    return {
        "classes": list(subject.classes),
        "view": view.to_json(),
        "checks": [
            {"pixels": _base64(np.ascontiguousarray(pixels).tobytes()), "probabilities": [float(p) for p in found]}
            for pixels, found in checks
        ],
        "tolerance": _QUANTISED if subject.raw.quantised else _TOLERANCES[subject.precision],
        "words": words,
    }


def _base64(content: bytes) -> Markup:
    return Markup(b64encode(content).decode())


def _policy(text: str) -> str:
    """How a Content-Security-Policy names a script or a style."""
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(web.HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
