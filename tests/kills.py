"""Two processes work side by side and are killed at a random moment, again and again; after each time all is looked at.

Run by `test_kills` as a process of its own: it forks, so it has no threads and no engine. Each job goes on for ever
and says what it has done in a journal, after it was done. What the journal says must be there after the kill.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
import traceback
from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np

from fakes import FakeBackbone, training_of, write_photos
from headstart.backbones import fetch
from headstart.backbones.fetch import packing
from headstart.classifier import bundle
from headstart.features.extraction import extract
from headstart.features.records import Records
from headstart.features.store import Store
from headstart.photos.samples import Sample, get
from headstart.report import html
from hub_server import MODEL, Heard

WIDTH = 1200
TINY = Sample("tiny", "unused", "tiny.zip", 1, "free", {"pizza": 3, "steak": 2}, {"pizza": 1, "steak": 1})


class Attack(ABC):
    """What is killed, and how to see that nothing was lost or wrong.

    Args:
        folder: its own.
        url: of the server.
    """

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        folder.mkdir()

    @abstractmethod
    def work(self, who: int, chance: random.Random) -> None:
        """One step of a process; it is repeated until the process is killed. `who` is 0 or 1."""

    @abstractmethod
    def check(self) -> None:
        """Fail if something was lost or is wrong."""

    def journal(self, text: str) -> None:
        """Note what is done; one write, whole or not at all."""
        with open(self.folder / "journal", "ab", buffering=0) as file:
            file.write(text.encode() + b"\n")

    def done(self) -> list[str]:
        path = self.folder / "journal"
        return path.read_text().split("\n")[:-1] if path.exists() else []


class Appending(Attack):
    """Batches of records are appended."""

    compacting = False

    @property
    def table(self) -> Records:
        return Records(self.folder / "table", "t", WIDTH)

    def work(self, who: int, chance: random.Random) -> None:
        if self.compacting and chance.random() < 0.5:
            self.table.compact()
            return
        numbers = [chance.randrange(2000) for _ in range(chance.randrange(1, 40))]
        self.table.append([key(n) for n in numbers], np.stack([value(n) for n in numbers]))
        self.journal(" ".join(map(str, numbers)))

    def check(self) -> None:
        numbers = list(range(2000))
        out = np.empty((2000, WIDTH), np.uint8)
        good = self.table.read([key(n) for n in numbers], out)
        for n in np.flatnonzero(good):
            assert np.array_equal(out[n], value(int(n))), f"record {n} is wrong"
        lost = {int(n) for line in self.done() for n in line.split()} - set(np.flatnonzero(good).tolist())
        assert not lost, f"records {sorted(lost)} are lost"


class Compacting(Appending):
    """Batches of records, many of them doubled, are appended and the table is written anew all the time."""

    compacting = True


class Training(Attack):
    """Photos become vectors in a store that is pruned meanwhile, a classifier is trained and replaces the last one."""

    def __init__(self, folder: Path, url: str) -> None:
        super().__init__(folder, url)
        self.photos = write_photos(folder / "photos", {"red": 50, "blue": 50}, suffix=".bmp")
        for path in self.photos:
            os.utime(path, (1_600_000_000, 1_600_000_000))
        self.labels = [Path(path).parent.name for path in self.photos]
        self.expected = extract(FakeBackbone(), self.photos, Store(folder / "other")).vectors
        self.lacking = len(self.photos)
        self.train("other", "model")  # imports all that training needs before the children do

    def work(self, who: int, chance: random.Random) -> None:
        store = Store(self.folder / "store")
        if chance.random() < 0.3:
            store.prune(90)
            return
        self.train("store", f"model{who}")
        self.journal(f"model{who}")

    def train(self, store: str, model: str) -> None:
        where = {"store": self.folder / store, "output": self.folder / model}
        training_of(FakeBackbone(delay=0.0002), self.photos, self.labels, head="centroid", overwrite=True, **where)

    def check(self) -> None:
        backbone = FakeBackbone()
        found = extract(backbone, self.photos, Store(self.folder / "store"))
        assert np.array_equal(found.vectors, self.expected), "vectors are wrong"
        assert found.damaged == 0
        assert backbone.embedded <= self.lacking, f"{backbone.embedded - self.lacking} vectors are lost"
        self.lacking = 0  # all of them are there from now on
        for model in set(self.done()):
            manifest, arrays = bundle.read(self.folder / model)
            assert manifest["classes"] == ["blue", "red"]
            assert arrays["training_photos"].shape == (100,)


class Downloading(Attack):
    """Networks and a data set are fetched; both are removed again after each look."""

    def work(self, who: int, chance: random.Random) -> None:
        if chance.random() < 0.5:
            handle = f"{self.url}/google/net/{chance.randrange(1, 5)}"
            fetch.fetch(fetch.parse(handle), Heard())
            self.journal(handle)
        else:
            get(TINY, self.folder / "samples", Heard())
            self.journal("tiny")

    def check(self) -> None:
        for one in fetch.verify():
            assert not one.problem, f"{one.handle} {one.problem}"
        for entry in fetch.kept():
            for name, content in MODEL.items():
                assert (entry.path / name).read_bytes() == content
        target = self.folder / "samples" / "tiny"
        for what in set(self.done()):
            assert target.exists() if what == "tiny" else fetch.found(fetch.parse(what)), f"{what} is lost"
        if target.exists():
            assert not get(TINY, target.parent).new  # it counts the photos
            shutil.rmtree(target)
        for entry in fetch.kept():
            fetch.remove(str(entry.handle))
        (self.folder / "journal").write_text("")


class Exporting(Attack):
    """Networks are packed into one file, and a report replaces the last one."""

    def __init__(self, folder: Path, url: str) -> None:
        super().__init__(folder, url)
        self.entries = [fetch.pack([fetch.parse(f"{url}/google/net/1")], folder / "expected.tar")[0]]
        self.expected = (folder / "expected.tar").read_bytes()

    def work(self, who: int, chance: random.Random) -> None:
        if chance.random() < 0.5:
            packing.write(self.entries, self.folder / "networks.tar")
            self.journal("networks.tar")
        else:
            html.write(self.folder / "report.html", chance.choice("abc") * 300_000)
            self.journal("report.html")

    def check(self) -> None:
        for name in set(self.done()):
            assert (self.folder / name).exists(), f"{name} is lost"
        if (self.folder / "networks.tar").exists():
            assert (self.folder / "networks.tar").read_bytes() == self.expected, "the pack is wrong"
        if (self.folder / "report.html").exists():
            text = (self.folder / "report.html").read_text()
            assert text in [letter * 300_000 for letter in "abc"], "the report is wrong"


def key(number: int) -> bytes:
    return np.random.default_rng([1, number]).bytes(32)


def value(number: int) -> np.ndarray:
    return np.random.default_rng([2, number]).integers(0, 256, WIDTH, dtype=np.uint8)


def started(attack: Attack, who: int, seed: int) -> int:
    """A process that works until it is killed; it ends by itself only of an error."""
    child = os.fork()
    if not child:
        chance = random.Random(seed)
        try:
            while True:
                attack.work(who, chance)
        except BaseException:
            traceback.print_exc()
        os._exit(1)
    return child


def run(attack: Attack, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    longest, done = 0.2, 0
    for number in range(0, kills, 2):
        before = len(attack.done())
        children = [started(attack, who, seed * 100_003 + number + who) for who in (0, 1)]
        for child in chance.sample(children, 2):
            time.sleep(chance.random() * longest)
            os.kill(child, signal.SIGKILL)
        for child in children:
            _, status = os.waitpid(child, 0)
            assert os.WIFSIGNALED(status), f"{type(attack).__name__}, kill {number}: a process failed by itself"
        new = len(attack.done()) - before
        done += new
        longest = longest * 1.5 if not new else max(0.02, longest / 1.5)  # about one step of work before each kill
        try:
            attack.check()
        except BaseException:
            print(f"{type(attack).__name__} failed after kill {number} of seed {seed}", file=sys.stderr)
            raise
    print(f"{kills} kills in {done} steps of work")


if __name__ == "__main__":
    name, where, server, count, first = sys.argv[1:]
    run(globals()[name](Path(where), server), int(count), int(first))
