"""Ray as the engine: what dies costs the units in work and nothing else; without Ray the error names the extra."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from headstart.apps.cli import at_scale
from headstart.apps.cli.console import Bar
from headstart.errors import DataError, MissingExtraError
from headstart.scale.embedding import embed
from headstart.scale.job import Network
from headstart.scale.mapping import Tasks
from headstart.scale.on_ray import SETTINGS, OnRay, _connect
from headstart.scale.training import train

TESTS = Path(__file__).resolve().parents[1]
ENDS = 20 if os.environ.get("HEADSTART_STRESS") == "1" else 4


@pytest.mark.slow
def test_at_random_ends_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    settings = {**SETTINGS, "EMBEDDED": str(tmp_path / "embedded")}
    paths = os.pathsep.join([os.environ["PYTHONPATH"], str(TESTS)])
    ended = subprocess.run(
        [sys.executable, str(TESTS / "scale" / "ray_ends.py"), str(tmp_path), str(ENDS)],
        env={**os.environ, **settings, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=600 + 100 * ENDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert int(re.findall(r"(\d+) ends, \d+ photos computed again", ended.stdout)[0]) >= ENDS


ALONE = """
import os, re, sys
from pathlib import Path
import pyarrow.dataset
from headstart.scale.embedding import embed
from headstart.scale.job import Network
from headstart.scale.local import Local
from headstart.scale.on_ray import OnRay
from headstart.scale.mapping import Tasks
from headstart.scale.training import train

engine = OnRay("", 1)
found = embed(sys.argv[1], sys.argv[2], network=Network("mean:colours"), engine=engine, unit=16)
embed(sys.argv[1], sys.argv[2] + "-local", network=Network("mean:colours"), engine=Local(1), unit=16)
tables = [pyarrow.dataset.dataset(sys.argv[2] + end + "/shards").to_table() for end in ("", "-local")]
print(tables[0].equals(tables[1]))
print(found.photos, found.used, train(sys.argv[2], head="lda", unknown_rate=0, mapper=Tasks(engine)).train)
inodes = set()
for process in Path("/proc").glob("[0-9]*"):
    try:
        if b"ray" in (process / "cmdline").read_bytes():
            links = [os.readlink(one) for one in (process / "fd").iterdir()]
            inodes |= {link[8:-1] for link in links if link.startswith("socket:[")}
    except OSError:
        pass
rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
heard = [row[1].partition(":")[0] for row in rows if row[3] == "0A" and row[9] in inodes]
print(len(heard) > 3, {one[-8:] for one in heard})
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_cluster_of_its_own_does_the_job_and_listens_on_this_machine_alone(photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    words = [sys.executable, "-c", ALONE, str(photos), str(tmp_path / "out")]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.stdout.splitlines() == ["True", "42 40 30", "True {'0100007F'}"], ended.stderr[-3000:]


class Busy:
    """A Ray that does not start in time, so many times."""

    def __init__(self, failures: int) -> None:
        self.failures, self.started, self.addresses = failures, 0, set[str]()

    def init(self, address: str = "", **_: Any) -> None:
        self.started += 1
        self.addresses.add(address)
        if self.started <= self.failures:
            raise Exception("The current node timed out during startup.")

    def shutdown(self) -> None:
        pass

    def is_initialized(self) -> bool:
        return self.started > self.failures

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 3.0}


def test_on_a_busy_machine_ray_is_started_again() -> None:
    ray = Busy(3)
    _connect(ray, "")
    assert (ray.started, ray.addresses) == (4, {"local"}), "another cluster on this machine is none of ours"
    with pytest.raises(DataError, match="4 attempts failed"):
        _connect(Busy(4), "")
    with pytest.raises(DataError, match="The cluster auto cannot be reached"):
        _connect(Busy(1), "auto")


def test_an_address_where_nothing_answers_is_an_error_at_once() -> None:
    ray = Busy(0)
    with socket.socket() as bound:  # which does not listen
        bound.bind(("127.0.0.1", 0))
        for scheme in ("", "ray://"):
            address = f"{scheme}127.0.0.1:{bound.getsockname()[1]}"
            with pytest.raises(DataError, match=f"The cluster {address} cannot be reached: .*refused"):
                _connect(ray, address)
    assert ray.started == 0


def test_ray_starts_only_when_it_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = Busy(0)
    monkeypatch.setitem(sys.modules, "ray", ray)
    engine = OnRay()
    with pytest.raises(DataError, match="holds no embedded photos"):
        train(tmp_path, mapper=Tasks(engine))
    with pytest.raises(DataError, match="does not exist"):
        embed(tmp_path / "nowhere", tmp_path / "out", network=Network("mean:colours"), engine=engine)
    assert ray.started == 0
    assert (engine.workers, ray.started) == (3, 1)


def test_without_ray_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'headstart\[ray\]'"):
        at_scale.engine("ray", None, "", Bar())
