"""`headstart serve` against the same work in process, and against the plainest FastAPI program on the same backbone.

One run, in turns, so that a busy machine disturbs all alike: in process (decoding and inference at once, as `headstart
predict` does it without its store), `headstart serve` and the plain program (one photo at a time), each with 64
clients, then with one client. At the end 200 clients for `--seconds` on `headstart serve`, and its memory. The clients
are one light process on raw sockets. Bars: 64 clients at least 85 % of in process; one client at most 1.3 times the
latency in process; 200 clients no error but 503, at most 150 MB more than idle. LitServe and BentoML are not installed
and not run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

from common import DATA, ROOT, WORK, machine
from headstart.classifier.classifier import Classifier
from headstart.heads import power
from headstart.photos import images
from headstart.photos.reading import processors, readers

sys.path.insert(0, str(ROOT / "tests"))
from http_load import Client, request

#: The plain program: what most tutorials show.
PLAIN = """
import sys, io
import numpy as np, uvicorn
from fastapi import FastAPI, Request
from headstart.classifier.classifier import Classifier
from headstart.heads import power
from headstart.photos import images
classifier, app = Classifier.load(sys.argv[1]), FastAPI()

@app.post("/predict")
async def predict(request: Request):
    picture = images.decode(await request.body(), classifier.card.view)
    vector = classifier.backbone.embed(picture[None])
    power.normalise(vector)
    row = classifier.head.predict_proba(vector)[0]
    return [{"label": label, "score": float(p)} for label, p in zip(classifier.classes, row)]

uvicorn.run(app, port=int(sys.argv[2]), log_level="error")
"""


class Server:
    """A server in a process of its own."""

    def __init__(self, *command: str, port: int) -> None:
        self.process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        text=True)  # fmt: skip
        assert self.process.stdout is not None
        self.port = port or int(re.findall(r":(\d+)/predict", self.process.stdout.readline())[0])

    def processor_seconds(self) -> float:
        """Processor time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self) -> float:
        """Resident memory now."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+)", text)[0]) / 1024

    def peak_mb(self) -> float:
        """Most resident memory so far."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+)", text)[0]) / 1024


def in_process(classifier: Classifier, photos: list[bytes], seconds: float) -> tuple[float, int]:
    """Photos a second, and how many: threads decode, the engine embeds, both at once."""
    done, began = 0, time.perf_counter()

    def batches(pool: object) -> Iterator[tuple[int, images.Images]]:
        coming = cycle(photos)
        ahead = [pool.submit(images.decode, one, classifier.card.view) for one in islice(coming, 8 * processors())]  # type: ignore[attr-defined]
        while time.perf_counter() - began < seconds:
            yield 0, ahead.pop(0).result()[None]
            ahead.append(pool.submit(images.decode, next(coming), classifier.card.view))  # type: ignore[attr-defined]

    def count(_: int, vectors: object) -> None:
        nonlocal done
        answer(classifier, vectors)
        done += 1

    with readers() as pool:
        classifier.backbone.embed_stream(batches(pool), count)
    return done / (time.perf_counter() - began), done


def answer(classifier: Classifier, vectors: object) -> None:
    """What follows the vector."""
    power.normalise(vectors)  # type: ignore[arg-type]
    classifier.head.predict_proba(vectors)  # type: ignore[arg-type]


def one_by_one(classifier: Classifier, photos: list[bytes], count: int) -> float:
    """Median seconds of one photo in process."""
    seconds = []
    for one in islice(cycle(photos), count):
        began = time.perf_counter()
        answer(classifier, classifier.backbone.embed(images.decode(one, classifier.card.view)[None]))
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


async def load(
    port: int, photos: list[bytes], clients: int, seconds: float, count: int = 10**9
) -> tuple[float, float, Counter[int]]:
    """Photos a second, median latency of those that were answered, statuses."""
    statuses: Counter[int] = Counter()
    latencies: list[float] = []
    end = time.perf_counter() + seconds

    async def client(number: int) -> None:
        one = Client(port)
        for photo in islice(cycle(photos), number, None):
            if time.perf_counter() > end or statuses.total() >= count:
                return
            began = time.perf_counter()
            reply = await one.ask(request("/predict", photo))
            statuses[reply.status] += 1
            if reply.status == 200:
                latencies.append(time.perf_counter() - began)
            else:
                await asyncio.sleep(0.2)

    began = time.perf_counter()
    await asyncio.gather(*map(client, range(clients)))
    return len(latencies) / (time.perf_counter() - began), statistics.median(latencies), statuses


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="a saved classifier")
    parser.add_argument("--data", type=Path, default=DATA / "clothing10" / "test")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--round-seconds", type=float, default=5.0)
    parser.add_argument("--seconds", type=float, default=60.0, help="of 200 clients")
    options = parser.parse_args()
    photos = [path.read_bytes() for path in sorted(options.data.rglob("*.jpg"))[::10]]
    print(f"{machine()}; {len(photos)} photos, {statistics.mean(map(len, photos)) / 1e3:.0f} kB on average", flush=True)
    WORK.mkdir(exist_ok=True)
    plain = WORK / "plain_server.py"
    plain.write_text(PLAIN)
    command = "from headstart.apps.cli import main; main()"
    classifier = Classifier.load(options.model)
    ours = Server("-c", command, "serve", str(options.model), "--port", "0", port=0)
    other = Server(str(plain), str(options.model), "8977", port=8977)
    time.sleep(8)
    idle = ours.memory_mb()
    one_by_one(classifier, photos, 5)
    rates: dict[str, list[float]] = {"in process": [], "serve": [], "plain FastAPI": []}
    costs: dict[str, list[float]] = {name: [] for name in (*rates, "clients")}
    waits: dict[str, list[float]] = {name: [] for name in rates}
    try:
        for _ in range(options.rounds):
            used = time.process_time()
            rate, photos_done = in_process(classifier, photos, options.round_seconds)
            rates["in process"].append(rate)
            costs["in process"].append((time.process_time() - used) / photos_done)
            for name, server in (("serve", ours), ("plain FastAPI", other)):
                used, own = server.processor_seconds(), time.process_time()
                rate, _, statuses = asyncio.run(load(server.port, photos, 64, options.round_seconds))
                rates[name].append(rate)
                costs[name].append((server.processor_seconds() - used) / statuses[200])
                costs["clients"].append((time.process_time() - own) / statuses[200])
            waits["in process"].append(one_by_one(classifier, photos, 30))
            for name, server in (("serve", ours), ("plain FastAPI", other)):
                waits[name].append(asyncio.run(load(server.port, photos, 1, 60, 30))[1])
            print({name: [round(rates[name][-1], 1), round(1e3 * waits[name][-1], 1), round(1e3 * costs[name][-1], 1)]
                   for name in rates}, flush=True)  # fmt: skip
        for name in ("serve", "plain FastAPI"):
            share = statistics.median(mine / base for mine, base in zip(rates[name], rates["in process"], strict=True))
            times = statistics.median(mine / base for mine, base in zip(waits[name], waits["in process"], strict=True))
            print(f"{name}: 64 clients {100 * share:.0f} % of in process; one client {times:.2f} times the latency")
        shown = ", ".join(f"{name} {1e3 * statistics.median(some):.1f}" for name, some in costs.items())
        print(f"processor ms a photo: {shown}", flush=True)
        rate, latency, statuses = asyncio.run(load(ours.port, photos, 200, options.seconds))
        print(f"200 clients, {options.seconds:g} s: {rate:.0f} photos/s, median {latency:.2f} s, {dict(statuses)}")
        print(f"memory: idle {idle:.0f} MB, peak {ours.peak_mb():.0f} MB (+{ours.peak_mb() - idle:.0f})")
    finally:
        for server in (ours, other):
            server.process.terminate()
            server.process.wait()
    print(json.dumps({"load": os.getloadavg()}))


if __name__ == "__main__":
    main()
