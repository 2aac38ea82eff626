"""The head alone, as arrays and as a scikit-learn pipeline, gives the answers of the head itself."""

from __future__ import annotations

import importlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from headstart.errors import ExportError
from headstart.export.formats import arrays, sklearn
from headstart.export.judges.base import Judge
from headstart.export.subject import Subject
from headstart.heads import power
from headstart.heads.fitting import fit
from headstart.heads.head import Head
from test_heads import KINDS, clouds

CLASSES = ("apple", "crème brûlée", "pear <ripe>", 'a "quoted" one')
TARGETS = {"arrays": "arrays.npz", "sklearn": "pipeline.py"}


def subject(kind: str, k: int = 3) -> tuple[Subject, np.ndarray, Head]:
    """What is exported, features as a backbone gives them, and the head."""
    features, labels, folds = clouds(15, 24, k)
    vectors = features.copy()
    power.normalise(vectors)
    head = replace(fit(kind, vectors, labels, folds).head, temperature=0.7)  # type: ignore[arg-type]
    card = SimpleNamespace(handle="a backbone", output="pooled")
    classifier: Any = SimpleNamespace(head=head, classes=CLASSES[:k], card=card)
    return Subject(classifier), features, head


def judged(form: str, what: Subject, tmp_path: Path) -> Judge:
    importlib.import_module(f"headstart.export.formats.{form}").write(what, tmp_path / TARGETS[form])
    judge: Judge = importlib.import_module(f"headstart.export.judges.{form}").Judge(tmp_path / TARGETS[form])
    return judge


@pytest.mark.parametrize("form", TARGETS)
@pytest.mark.parametrize("k", [2, 3, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_every_head_gives_the_same_answers(form: str, kind: str, k: int, tmp_path: Path) -> None:
    what, features, head = subject(kind, k)
    judge = judged(form, what, tmp_path)
    vectors = features.copy()
    power.normalise(vectors)
    assert np.abs(judge.run(features) - head.predict_proba(vectors)).max() < 1e-6
    assert np.abs(judge.run(features[:1]) - head.predict_proba(vectors[:1])).max() < 1e-6
    assert judge.classes() == CLASSES[:k]


def test_the_arrays_explain_themselves(tmp_path: Path) -> None:
    for kind, names in (("ridge", {"weights", "bias"}), ("knn", {"vectors", "labels", "centre", "n_neighbors"})):
        arrays.write(subject(kind)[0], tmp_path / "arrays.npz")
        with np.load(tmp_path / "arrays.npz", allow_pickle=False) as file:
            assert names | {"temperature", "classes", "about"} <= set(file)
            about = str(file["about"])
            assert all(name in about for name in [*names, "temperature", "sign(x) * sqrt(|x|)", "a backbone"])


@pytest.mark.parametrize("kind", ["logistic", "knn"])
def test_the_pipeline_works_without_headstart(kind: str, tmp_path: Path) -> None:
    what, features, head = subject(kind)
    sklearn.write(what, tmp_path / "pipeline.py")
    np.save(tmp_path / "features.npy", features)
    program = """
import sys, numpy as np
sys.modules["headstart"] = None
from pipeline import load
pipeline = load()
features = np.load("features.npy")
labels = pipeline.predict(features)
assert (labels == pipeline.classes_[pipeline.predict_proba(features).argmax(axis=1)]).all()
assert pipeline.score(features, labels) == 1
print(*labels, sep="\\n")
"""
    printed = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert printed.returncode == 0, printed.stderr
    vectors = features.copy()
    power.normalise(vectors)
    assert printed.stdout.splitlines() == [CLASSES[i] for i in head.predict_proba(vectors).argmax(axis=1)]


def test_a_changed_pipeline_is_not_run(tmp_path: Path) -> None:
    what, *_ = subject("logistic")
    judged("sklearn", what, tmp_path)
    with (tmp_path / "pipeline.py").open("a") as file:
        file.write("print('anything')\n")
    with pytest.raises(ExportError, match="it could do anything"):
        importlib.import_module("headstart.export.judges.sklearn").Judge(tmp_path / "pipeline.py")
