"""Feature vectors for any other use, as arrays and as files, and the photos most like a photo."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import headstart
from headstart.apps.cli.commands import app
from headstart.errors import BackboneError, DataError, MissingExtraError


def run(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(map(str, arguments)))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout


def test_one_photo_gives_one_vector_and_many_give_rows(samples: dict[str, Path]) -> None:
    china, flower = samples.values()
    both = headstart.embed([china, flower])
    assert (both.shape, both.dtype) == ((2, 1280), np.float32)
    assert np.array_equal(headstart.embed(china), both[0])
    assert np.array_equal(headstart.embed(flower.read_bytes()), both[1])
    backbone = headstart.load_backbone(view="crop")
    assert backbone.dim == 1280
    assert not np.array_equal(backbone.embed(china), both[0])
    assert repr(backbone) == "Embedder(builtin:efficientnet-lite0, 1280 dimensions)"


def test_a_photo_that_cannot_be_used_is_an_error_or_is_listed(tmp_path: Path, samples: dict[str, Path]) -> None:
    (tmp_path / "text.jpg").write_text("no photo")
    photos = [*samples.values(), tmp_path / "text.jpg"]
    with pytest.raises(DataError, match=r"text\.jpg: not an image"):
        headstart.embed(photos)
    found = headstart.load_backbone().features(photos)
    assert found.vectors.shape == (2, 1280)
    assert [one.reason for one in found.skipped] == ["not an image"]


@pytest.mark.parametrize("extension", ["npz", "csv", "parquet"])
def test_the_file_holds_the_vectors_with_paths_and_labels(extension: str, tiles: Path, tmp_path: Path) -> None:
    (tiles / "train" / "flower" / "broken.jpg").write_text("no photo")
    output = tmp_path / f"vectors.{extension}"
    try:
        code, printed = run("embed", tiles / "train", "-o", output, "--json")
    finally:
        (tiles / "train" / "flower" / "broken.jpg").unlink()
    document = json.loads(printed)
    assert (code, document["dim"], document["photos"]["reasons"]) == (0, 1280, {"not an image": 1})
    paths, labels, vectors = read(output)
    assert labels == [Path(path).parent.name for path in paths]
    assert len(set(labels)) == 2
    assert np.array_equal(vectors, headstart.embed(paths))


def read(path: Path) -> tuple[list[str], list[str] | None, np.ndarray]:
    if path.suffix == ".npz":
        arrays = np.load(path)
        assert str(arrays["backbone"]) == "builtin:efficientnet-lite0"
        labels = arrays["labels"].tolist() if "labels" in arrays else None
        return arrays["paths"].tolist(), labels, arrays["vectors"]
    if path.suffix == ".parquet":
        from pyarrow import parquet

        table = parquet.read_table(path)
        assert table.schema.metadata[b"backbone"] == b"builtin:efficientnet-lite0"
        vectors = np.stack(table["vector"].to_numpy())
        return table["path"].to_pylist(), table["label"].to_pylist(), vectors
    header, *rows = csv.reader(io.StringIO(path.read_text("utf-8")))
    assert header[:3] == ["path", "label", "f0"]
    assert header[-1] == "f1279"
    numbers = np.array([row[2:] for row in rows], np.float32)
    return [row[0] for row in rows], [row[1] for row in rows], numbers


def test_photos_without_classes_have_no_labels(samples: dict[str, Path], tmp_path: Path) -> None:
    code, printed = run("embed", *samples.values(), "-o", tmp_path / "v.npz")
    assert code == 0
    assert "2 vectors of 1,280 dimensions written" in printed
    assert "without labels" in printed
    assert read(tmp_path / "v.npz")[1] is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("v.txt", "a name in .parquet"),
        ("v", "a name in .parquet"),
        ("none/v.npz", "no folder"),
        ("is.npz", "is a folder"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused_before_the_work(
    name: str, message: str, samples: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "is.npz").mkdir()
    monkeypatch.setattr("headstart.features.embedder.features_of", lambda *_: pytest.fail("it began to work"))
    with pytest.raises(DataError, match=message):
        run("embed", *samples.values(), "-o", tmp_path / name)


def test_parquet_needs_its_extra(samples: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"headstart\[parquet\]"):
        run("embed", *samples.values(), "-o", tmp_path / "v.parquet")


def test_the_most_similar_photo_is_the_one_of_the_same_thing(tmp_path: Path, samples: dict[str, Path]) -> None:
    china, flower = samples.values()
    folder = tmp_path / "photos"
    folder.mkdir()
    shutil.copy(flower, folder / "a copy.jpg")
    for name, path in (("mirrored flower", flower), ("mirrored china", china)):
        Image.open(path).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / f"{name}.jpg")
    wanted = folder / "wanted.jpg"
    shutil.copy(flower, wanted)
    found = headstart.similar(wanted, folder)
    names = [Path(one.path).stem for one in found.neighbours]
    assert names == ["a copy", "mirrored flower", "mirrored china"]
    assert found.neighbours[0].similarity == pytest.approx(1.0, abs=1e-6)
    assert found.neighbours[1].similarity > found.neighbours[2].similarity + 0.2
    (copy,) = headstart.similar(wanted.read_bytes(), [folder / "a copy.jpg"]).neighbours
    assert copy.similarity == pytest.approx(1.0, abs=1e-6)
    code, printed = run("similar", wanted, folder, "--top", "2", "--json")
    document = json.loads(printed)
    assert (code, document["photos"]["found"]) == (0, 3)
    assert [Path(one["path"]).stem for one in document["similar"]] == names[:2]


def test_the_photo_to_look_for_is_one_photo(tmp_path: Path, samples: dict[str, Path]) -> None:
    china, flower = samples.values()
    for wrong in (tmp_path, [china, flower]):
        with pytest.raises(DataError, match="folder or a list"):
            headstart.similar(wrong, [flower])  # type: ignore[arg-type]
    (tmp_path / "text.jpg").write_text("no photo")
    with pytest.raises(DataError, match="not an image"):
        headstart.similar(tmp_path / "text.jpg", [flower])
    with pytest.raises(DataError, match="top is 0"):
        headstart.similar(china, [flower], top=0)


def test_the_catalogue_can_be_searched_from_python() -> None:
    found = headstart.search("mobilenet_v2 100", kind="feature_vector")
    assert [one.kind for one in found[:1]] == ["feature_vector"]
    assert found == headstart.search(["mobilenet_v2", "100"], kind="feature_vector")
    assert len(headstart.search("mobilenet_v2 100")) > len(found)
    with pytest.raises(BackboneError, match="kind is 'vector'"):
        headstart.search(kind="vector")


def test_a_folder_that_cannot_be_written_is_reported_before_the_work(
    samples: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(_: Path) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("headstart.features.tables.check_replaceable", read_only)
    monkeypatch.setattr("headstart.features.embedder.features_of", lambda *_: pytest.fail("it began to work"))
    with pytest.raises(DataError, match=r"v\.npz cannot be written: Read-only file system"):
        run("embed", *samples.values(), "-o", tmp_path / "v.npz")
