"""The embedding projector: a point for each photo, with its thumbnail, class and predicted class.

TensorBoard reads four files beside the events: the points, a table of their labels, one large picture of all thumbnails
(the sprite: at most 8,192 pixels a side, as many columns as rows, filled row by row; tensorboardX#516,
tensorboard#4611), and a configuration that lists them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from headstart.evaluation.results import Measured
from headstart.heads.head import Vectors
from headstart.heads.linear_algebra import one_thread
from headstart.photos.thumbnails import squares
from headstart.safety.printable import counted, percent, show

#: More points are not drawn and rotated smoothly in a browser, and each needs a thumbnail.
POINTS = 1000
#: With more than 200 dimensions the projector uses 200 random ones (its `PCA_SAMPLE_DIM`); these are the best 200.
DIMENSIONS = 200
SPRITE_SIDE = 8192
_THUMBNAIL = 64
_CONFIG = """embeddings {{
  tensor_name: "photos"
  tensor_path: "vectors.tsv"
  metadata_path: "photos.tsv"
  sprite {{
    image_path: "sprite.jpg"
    single_image_dim: {side}
    single_image_dim: {side}
  }}
}}
"""


def write(folder: Path, measured: Measured, vectors: Vectors) -> str:
    """Write the projector's files.

    Args:
        folder: of the run.
        measured: n photos with class, predicted class and probability.
        vectors: float32 `(n, dim)`, of these photos.

    Returns:
        a description of what is shown and what was left out.

    Raises:
        OSError: the folder cannot be written.
    """
    rows = sample(measured.labels, POINTS)
    points, kept = principal(vectors[rows], DIMENSIONS)
    pictures, missing = squares([measured.paths[i] for i in rows], _THUMBNAIL)
    with open(folder / "vectors.tsv", "w", encoding="ascii") as file:
        file.writelines("\t".join(f"{x:.5g}" for x in point) + "\n" for point in points.tolist())
    with open(folder / "photos.tsv", "w", encoding="utf-8", newline="\n") as file:
        file.write("class\tpredicted\toutcome\tprobability\tfile\n")
        file.writelines("\t".join(_words(measured, i)) + "\n" for i in rows.tolist())
    sprite(pictures, _THUMBNAIL).save(folder / "sprite.jpg", quality=88)  # a fifth of a PNG
    (folder / "projector_config.pbtxt").write_text(_CONFIG.format(side=_THUMBNAIL), "utf-8")
    return _summary(measured, rows, (points.shape[1], vectors.shape[1], kept), missing)


def sample(labels: npt.NDArray[np.intp], most: int) -> npt.NDArray[np.intp]:
    """Rows of at most `most` photos, in order: the same number of each class, or all if a class has fewer."""
    order = np.random.default_rng(0).permutation(len(labels))
    by_class = [order[labels[order] == c] for c in np.unique(labels)]
    counts = np.array([len(members) for members in by_class])
    each = max((c for c in range(1, most + 1) if np.minimum(counts, c).sum() <= most), default=1)
    return np.sort(np.concatenate([members[:each] for members in by_class])[:most])


@one_thread()
def principal(vectors: Vectors, most: int) -> tuple[Vectors, float]:
    """Rotate vectors so that the first coordinates are the longest, and keep those.

    Args:
        vectors: float32 `(n, dim)`.
        most: coordinates to keep.

    Returns:
        float32 `(n, min(most, n, dim))`, and the share (0..1) of the squared lengths that is kept. Apart from what is
        dropped, distances and angles stay the same.
    """
    if vectors.shape[1] <= most:
        return vectors, 1.0
    # No centring: angles at the origin stay, and the projector centres by itself if it needs to.
    n, dim = vectors.shape
    values, axes = np.linalg.eigh(vectors @ vectors.T if n < dim else vectors.T @ vectors)
    lengths = np.sqrt(np.maximum(values, 0))[::-1][:most]
    # vectors = U L V': the smaller of the two products has U L**2 U' or V L**2 V', and U L is the result.
    front = np.ascontiguousarray(axes[:, ::-1][:, :most])
    turned = front * lengths if n < dim else vectors @ front
    total = float((vectors.astype(np.float64) ** 2).sum())
    return turned.astype(np.float32), min(float((turned.astype(np.float64) ** 2).sum()) / total, 1.0) if total else 1.0


def sprite(pictures: Sequence[Image.Image], side: int) -> Image.Image:
    """All thumbnails in one square picture, row by row in their order."""
    across = int(np.ceil(np.sqrt(len(pictures))))
    if across * side > SPRITE_SIDE:
        raise ValueError(f"{len(pictures)} thumbnails of {side} pixels make a sprite of {across * side} pixels")
    sheet = Image.new("RGB", (across * side, across * side), (255, 255, 255))
    for place, picture in enumerate(pictures):
        sheet.paste(picture, (place % across * side, place // across * side))
    return sheet


def _words(measured: Measured, row: int) -> list[str]:
    """A row of the table. Names are cleaned: a tab or line break would shift the cells after it."""
    p, label = measured.probabilities[row], int(measured.labels[row])
    predicted = int(p.argmax())
    words = [
        measured.evaluation.classes[label],
        measured.evaluation.classes[predicted],
        "right" if predicted == label else "wrong",
        f"{float(p[predicted]):.3f}",
        Path(measured.paths[row]).name,
    ]
    return [" ".join(show(word).split()) or "?" for word in words]


def _summary(measured: Measured, rows: npt.NDArray[np.intp], cut: tuple[int, int, float], missing: int) -> str:
    n = len(measured.labels)
    if len(rows) == n:
        which = f"all {n:,} photos measured on"
    else:
        counts = np.bincount(measured.labels[rows])
        which = f"{len(rows):,} of the {n:,} photos measured on, at most {int(counts.max()):,} of each class"
    text = f"The projector shows {which}; {n - len(rows):,} are left out."
    few, dim, kept = cut
    if few < dim:
        text += f" Of {dim:,} dimensions it has the {few} principal ones: {percent(kept)} of the squared lengths."
    if missing:
        text += f" Grey thumbnails stand for {counted(missing, 'photo')} that can no longer be read."
    return text
