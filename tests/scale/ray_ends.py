"""A cluster of two machines whose machines, workers and drivers end at random moments; run by `test_on_ray`.

A process of its own: Ray's cluster for tests leaves files and processes open that a test would be blamed for.
Arguments: an empty folder, and how many ends there are to be.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.dataset
from ray.cluster_utils import Cluster

from scale.conftest import paint

PHOTOS, UNIT = 50, 4  # photos for each end
#: Time for an end, and for a driver to end the job; the machine may be busy with other tests.
SECONDS, LAST = 75.0, 300.0
NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}


def workers() -> list[int]:
    """Process ids of the workers of this cluster: another test may run one of its own."""
    listed = [line.split(None, 2) for line in os.popen("ps -eo pid=,ppid=,args=").read().splitlines()]
    ours = {pid for pid, parent, *_ in listed if int(parent) == os.getpid()}
    return [int(pid) for pid, parent, *args in listed if parent in ours and "ray::_Remote" in args[0]]


def started() -> Cluster:
    """A cluster of one machine. On a busy machine, Ray gives up on its own agents after 15 seconds: try again."""
    for _ in range(4):
        try:
            return Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
        except Exception as error:
            print(error, file=sys.stderr)
    raise SystemExit("Ray does not start")


def joined(cluster: Cluster) -> Any:
    """One more machine; None: it did not start, see `started`."""
    try:
        return cluster.add_node(**NODE)
    except Exception as error:
        print(error, file=sys.stderr)
        return None


def main(folder: Path, ends: int) -> None:
    source, out, chance = folder / "photos", folder / "out", random.Random(11)
    for number in range(PHOTOS * ends):
        paint(source / ("cat" if number % 2 else "dog") / f"{number:03d}.png", number)
    cluster = started()
    second = joined(cluster)
    code = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "from headstart.scale.embedding import embed; from headstart.scale.job import Network\n"
        "from headstart.scale.on_ray import OnRay\n"
        f"embed({str(source)!r}, {str(out)!r}, network=Network('mean:slow'), unit={UNIT},\n"
        f"      engine=OnRay({cluster.address!r}, 2))"
    )
    driver = subprocess.Popen([sys.executable, "-c", code])
    done, broken, limit = 0, 0, time.monotonic() + SECONDS * ends
    while done < ends and time.monotonic() < limit:
        time.sleep(chance.uniform(0.5, 2.5))
        if driver.poll() is not None:
            # 1: Ray's own server did not answer in time
            assert driver.returncode in (0, 1, -signal.SIGKILL), driver.returncode
            if driver.returncode == 0:
                break
            broken += driver.returncode == 1
            driver = subprocess.Popen([sys.executable, "-c", code])
            continue
        which, alive = chance.random(), workers()
        if which < 0.1:
            driver.kill()
        elif which < 0.2:
            if second is not None:
                cluster.remove_node(second, allow_graceful=False)
            second = joined(cluster)
        elif alive:
            os.kill(chance.choice(alive), signal.SIGKILL)
        else:
            continue
        done += 1
    try:
        ended = driver.wait(LAST)
    except subprocess.TimeoutExpired:  # its cluster is as good as gone: another driver goes on
        driver.kill()
        ended = driver.wait()
    if ended != 0:
        broken += 1
        subprocess.run([sys.executable, "-c", code], check=True, timeout=LAST)
    rows = pyarrow.dataset.dataset(out / "shards").to_table().to_pylist()
    assert sorted(row["address"] for row in rows) == sorted(str(path) for path in source.rglob("*.png"))
    assert {row["outcome"] for row in rows} == {"used"}
    again = Path(os.environ["EMBEDDED"]).stat().st_size - PHOTOS * ends
    assert again <= 2 * 2 * UNIT * (done + broken), again  # two units of each of two actors
    print(f"{done} ends, {again} photos computed again")
    cluster.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
