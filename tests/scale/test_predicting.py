"""Classes in units: those of the classifier itself, beside the columns of the input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from headstart.classifier.classifier import Classifier
from headstart.classifier.training import train
from headstart.errors import BackboneError, DataError
from headstart.scale.predicting import predict


@pytest.fixture
def model(photos: Path, tmp_path: Path) -> Path:
    train(photos, output=tmp_path / "model", backbone="mean:colours", head="centroid", keep_copies=True)
    return tmp_path / "model"


def test_classes_are_those_of_the_classifier_and_columns_are_joined(model: Path, photos: Path, tmp_path: Path) -> None:
    paths = sorted(str(path) for path in photos.rglob("*.png"))
    numbers = list(range(len(paths)))
    table = {"path": paths, "shop": numbers, "predicted": ["earlier"] * len(paths), "label": ["mine"] * len(paths)}
    pq.write_table(pa.table(table), tmp_path / "photos.parquet")
    found = predict(model, tmp_path / "photos.parquet", tmp_path / "out")
    rows = pa.dataset.dataset(tmp_path / "out" / "shards").to_table().to_pylist()
    assert [row["path"] for row in rows] == paths
    assert [row["shop"] for row in rows] == numbers
    assert {row["input_predicted"] for row in rows} == {"earlier"}
    assert {row["label"] for row in rows} == {"mine"}
    assert "input_label" not in rows[0]
    expected = Classifier.load(model).predictions(paths)
    ours = {row["path"]: row for row in rows if row["outcome"] == "used"}
    assert tuple(ours) == expected.paths
    assert [row["predicted"] for row in ours.values()] == expected.labels
    np.testing.assert_allclose([row["probability"] for row in ours.values()], expected.probabilities.max(axis=1), 1e-6)
    assert expected.unknown is not None
    assert [row["unknown"] for row in ours.values()] == expected.unknown.tolist()
    (skipped,) = [row for row in rows if row["outcome"] == "skipped"]
    assert (skipped["predicted"], skipped["unknown"], skipped["reason"]) == (None, None, "empty")
    assert (found.photos, found.used) == (41, 40)


def test_another_classifier_needs_another_folder(model: Path, photos: Path, tmp_path: Path) -> None:
    predict(model, photos, tmp_path / "out")
    assert predict(model, photos, tmp_path / "out").computed == 0
    train(photos, output=model, backbone="mean:colours", head="ridge", keep_copies=True, overwrite=True)
    with pytest.raises(DataError, match="holds classes by another classifier than"):
        predict(model, photos, tmp_path / "out")


def test_a_classifier_of_two_views_is_refused(photos: Path, tmp_path: Path) -> None:
    train(photos, output=tmp_path / "both", backbone="mean:colours", view="both", head="centroid", keep_copies=True)
    with pytest.raises(BackboneError, match=r"several views(.|\n)*without --on"):
        predict(tmp_path / "both", photos, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_writes_tables_and_refuses_what_it_cannot_do(model: Path, photos: Path, tmp_path: Path) -> None:
    words = ["predict", str(model), str(photos), "--on", "local"]

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        code = f"import sys; sys.path[:] = {sys.path!r}; sys.argv = ['headstart', *{[*words, *more]!r}]\n"
        code += "from headstart.apps.cli import main; main()"
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    ended = run("-o", str(tmp_path / "out"), "--json")
    assert ended.returncode == 0, ended.stderr
    document = json.loads(ended.stdout)
    assert (document["photos"]["used"], document["job"]["units"], document["predictions"]) == (40, 1, None)
    assert "--on needs -o FOLDER" in run().stderr
    assert "--csv cannot be used with --on" in run("-o", str(tmp_path / "two"), "--csv", "x.csv").stderr
