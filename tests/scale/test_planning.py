"""The plan: what is counted, what a sample gives, and the line that does it."""

from __future__ import annotations

import io
import sys
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from headstart.apps.cli.commands import app
from headstart.errors import DataError, MissingExtraError
from headstart.scale import sampling
from headstart.scale.job import Network
from headstart.scale.planning import START_RAY, Nodes, plan
from scale.conftest import paint

MEAN = Network("mean:colours")


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 photos of two classes."""
    root = tmp_path_factory.mktemp("many") / "photos"
    for number in range(200):
        paint(root / ("cat" if number % 2 else "dog") / f"{number:03d}.png", number)
    return root


def test_a_plan_counts_all_and_reckons_from_a_sample(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "SAMPLE", 64)
    found = plan(many, network=MEAN, numbers="float16", nodes=Nodes(4, 8, 0.5))
    assert (found.photos, found.sample, found.failed) == (200, 96, 0)  # 128 were chosen, 32 of them to warm up
    mean = sum(path.stat().st_size for path in many.rglob("*.png")) / 200
    assert found.bytes_in.value == pytest.approx(200 * mean, rel=0.02)
    assert found.bytes_in.low <= found.bytes_in.value <= found.bytes_in.high
    assert found.rate.low <= found.rate.value <= found.rate.high
    assert found.here.line == f"headstart embed {many} -o DEST -b mean:colours --numbers float16 --on local"
    assert found.there is not None
    assert found.there.workers == 32
    assert found.there.line.endswith("--on ray --address auto --workers 32")
    assert found.there.cost is not None
    assert found.there.cost.value == pytest.approx(4 * 0.5 * found.there.seconds.value / 3600)


def test_a_plan_reckons_with_the_units_that_are_cut(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "SAMPLE", 64)
    found = plan(many, network=MEAN, nodes=Nodes(2, 1))
    alone = found.rate.value / found.processors
    assert found.there is not None
    assert found.there.seconds.value == pytest.approx(START_RAY + 100 / alone)  # four units: two for each worker


def test_gpus_are_refused_in_words() -> None:
    ended = CliRunner().invoke(app, ["plan", "photos", "--gpus", "2"], standalone_mode=True)
    assert ended.exit_code == 2
    assert "--gpus 2: headstart computes on processors and uses no GPUs" in ended.stderr


def test_photos_in_archives_are_counted_by_their_size(many: Path, tmp_path: Path) -> None:
    contents = [path.read_bytes() for path in sorted(many.rglob("*.png"))]
    with tarfile.open(tmp_path / "photos.tar", "w") as archive:
        for i, content in enumerate(contents):
            member = tarfile.TarInfo(f"{i:04d}.png")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    found = plan(tmp_path / "photos.tar", network=MEAN)
    assert found.photos == pytest.approx(200, rel=0.3)


def test_so_few_photos_need_no_plan(tmp_path: Path) -> None:
    paint(tmp_path / "photos" / "one.png", 1)
    with pytest.raises(DataError, match="so few need no plan"):
        plan(tmp_path / "photos", network=MEAN)


def test_a_missing_pyarrow_is_named_before_the_work(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"headstart\[parquet\]"):
        plan(many, network=MEAN)
