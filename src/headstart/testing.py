"""The contract of a backbone, as a check that anyone can run on a backbone of their own.

    from headstart.testing import check_backbone
    check_backbone(my_backbone)

It raises `AssertionError` with what was expected and what was received, and does nothing if the contract is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from headstart.backbones.base import Backbone
from headstart.errors import BackboneError
from headstart.photos.images import Images

__all__ = ["CLAUSES", "check_backbone", "noise"]

_COUNT = 6
#: Difference between vectors and the means of maps that is rounding, as a share of the largest number: quantised models
#: and bfloat16 round.
_ROUNDING = 0.05


def noise(backbone: Backbone) -> Images:
    """Six pictures of the card's size, from a fixed seed: black, white, one with red at its maximum, and noise."""
    view = backbone.card.view
    pictures = np.random.default_rng(0).integers(0, 256, (_COUNT, view.height, view.width, 3), dtype=np.uint8)
    pictures[0], pictures[1] = 0, 255
    pictures[2, :, :, 0] = 255
    return pictures


def check_backbone(backbone: Backbone) -> None:
    """Check on pictures of noise that a backbone keeps the contract.

    Args:
        backbone: any.

    Raises:
        AssertionError: it does not; the message names the clause.
    """
    for name, clause in CLAUSES.items():
        try:
            clause(backbone, noise(backbone))
        except AssertionError as error:
            raise AssertionError(f"{backbone.card.handle}: {name}: {error}") from error


def _shape(backbone: Backbone, pictures: Images) -> None:
    vectors = backbone.embed(pictures)
    expected = (_COUNT, backbone.card.dim)
    _expect(vectors.shape == expected, f"vectors of shape {expected}, received {vectors.shape}")
    _expect(vectors.dtype == np.float32, f"float32, received {vectors.dtype}")
    _expect(bool(np.isfinite(vectors).all()), "finite numbers")
    different = len(np.unique(vectors, axis=0))
    _expect(different == _COUNT, f"{_COUNT} different vectors for as many pictures, received {different}")


def _alone(backbone: Backbone, pictures: Images) -> None:
    together = backbone.embed(pictures)
    for i in range(_COUNT):
        _same(backbone.embed(pictures[i : i + 1])[0], together[i], f"picture {i} alone and among others")
    order = np.array([4, 0, 5, 2, 1, 3])
    _same(backbone.embed(pictures[order]), together[order], "pictures in another order")
    copies = np.repeat(pictures[3:4], 5, axis=0)
    _same(backbone.embed(copies), np.repeat(together[3:4], 5, axis=0), "five copies of a picture")


def _again(backbone: Backbone, pictures: Images) -> None:
    _same(backbone.embed(pictures), backbone.embed(pictures), "the same pictures twice")


def _untouched(backbone: Backbone, pictures: Images) -> None:
    before = pictures.copy()
    backbone.embed(pictures)
    _expect(np.array_equal(pictures, before), "the pictures as they were; they were modified")


def _stream(backbone: Backbone, pictures: Images) -> None:
    got: dict[int, np.ndarray] = {}
    step = backbone.batch
    batches = ((i, pictures[i : i + step]) for i in range(0, _COUNT, step))
    backbone.embed_stream(batches, lambda start, rows: got.update({start: rows}))
    streamed = np.concatenate([got[i] for i in sorted(got)])
    _same(streamed, backbone.embed(pictures), "pictures in a stream")


def _failing(backbone: Backbone, pictures: Images) -> None:
    class ReceiverError(Exception):
        pass

    def fail(start: int, rows: np.ndarray) -> None:
        raise ReceiverError

    def stream() -> None:
        backbone.embed_stream(iter([(0, pictures[: backbone.batch])]), fail)

    _raises(ReceiverError, stream, "the error of the function that receives the vectors; it was swallowed")
    backbone.embed(pictures)  # and it still works


def _refusing(backbone: Backbone, pictures: Images) -> None:
    wrong = {
        "float32 pictures": pictures.astype(np.float32),
        "pictures of another size": pictures[:, : pictures.shape[1] // 2],
        "a picture without a batch": pictures[0],
        "no pictures": pictures[:0],
    }
    for what, given in wrong.items():
        _raises(BackboneError, partial(backbone.embed, given), f"BackboneError for {what}; received vectors")


def _classes(backbone: Backbone, pictures: Images) -> None:
    count = len(backbone.labels)
    _expect(count == backbone.card.classes, f"{backbone.card.classes} labels as the card says, received {count}")
    if not count:
        expected = "BackboneError from classify without classes; received probabilities"
        _raises(BackboneError, lambda: backbone.classify(pictures), expected)
        return
    p = backbone.classify(pictures)
    _expect(p.shape == (_COUNT, count), f"probabilities of shape {(_COUNT, count)}, received {p.shape}")
    sums = p.sum(axis=1)
    _expect(np.allclose(sums, 1, rtol=1e-4), f"probabilities that sum to 1, received sums {sums}")


def _mapped(backbone: Backbone, pictures: Images) -> None:
    maps, vectors = backbone.maps(pictures), backbone.embed(pictures)
    if maps is None:
        return
    fits = maps.ndim == 4 and (maps.shape[0], maps.shape[3]) == vectors.shape
    _expect(fits, f"maps (n, height, width, dim) for vectors of shape {vectors.shape}, received {maps.shape}")
    off = float(np.abs(maps.mean(axis=(1, 2)) - vectors).max() / np.abs(vectors).max())
    _expect(
        off < _ROUNDING, f"maps whose means are the vectors, received a difference of {off:.3f} of the largest number"
    )


def _same(received: np.ndarray, expected: np.ndarray, what: str) -> None:
    same = received.shape == expected.shape and np.array_equal(received, expected)
    _expect(same, f"the same bits for {what}; received others")


def _raises(error: type[Exception], call: Callable[[], object], otherwise: str) -> None:
    try:
        call()
    except error:
        return
    _expect(False, otherwise)


def _expect(holds: bool, what: str) -> None:
    """An assertion that `python -O` keeps."""
    if not holds:
        raise AssertionError(f"expected {what}")


#: Name -> check of one clause, given a backbone and `noise` for it.
CLAUSES: dict[str, Callable[[Backbone, Images], None]] = {
    "vectors have the promised shape and are finite": _shape,
    "a row depends on its picture alone": _alone,
    "the same picture twice gives the same bits": _again,
    "pictures are not changed": _untouched,
    "a stream gives what embed gives": _stream,
    "an error in the stream comes out": _failing,
    "other than the card's pictures are refused": _refusing,
    "its own classes are probabilities with names": _classes,
    "the means of its maps are its vectors": _mapped,
}
