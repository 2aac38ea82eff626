"""The head as arrays of NumPy, in one file `.npz`: from features to probabilities, without headstart."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from headstart.disk import atomic
from headstart.export.subject import Subject
from headstart.heads.head import LinearHead

_BEFORE = """The head of a headstart classifier: from features to probabilities of the classes in `classes`.
Features: float32 (n, {dim}), as the backbone gives them: {handle}, output "{output}".

1. x = sign(x) * sqrt(|x|), number by number.
"""
_LINEAR = """2. scores = x @ weights + bias
"""
_NEIGHBOURS = """2. x = x - centre; x = x / |x|, row by row; cosines = x @ vectors.T
   The n_neighbors photos with the largest cosines vote for their class, a row of `labels` each:
   vote = exp((cosine - largest cosine) / 0.07); each class starts with 0.01.
   scores = log(votes / sum of votes)
"""
_AFTER = "3. probabilities = softmax(scores / temperature)\n"


def write(subject: Subject, target: Path) -> None:
    """Write `target`, a file `.npz` that `numpy.load(target, allow_pickle=False)` reads; numbers are never rounded."""
    head, card = subject.classifier.head, subject.card
    step = _LINEAR if isinstance(head, LinearHead) else _NEIGHBOURS
    about = _BEFORE.format(dim=head.dim, handle=card.handle, output=card.output) + step + _AFTER
    found: dict[str, Any] = {**head.arrays(), "classes": np.array(subject.classes), "about": np.array(about)}
    content = io.BytesIO()
    np.savez(content, **found)
    atomic.write(target, content.getvalue())
