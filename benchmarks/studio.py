"""The studio's heart, without a browser: photos dropped, figures anew; a webcam's pictures; 5,000 photos.

    python benchmarks/studio.py [--drops 7] [--classes 4]

The server runs in this process behind its guards, and is asked as its page does. Photos are those of clothing10. Times
are wall and processor time (all threads); the second does not depend on other work on the machine.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from starlette.testclient import TestClient

from common import DATA
from headstart.apps.studio.app import guarded
from headstart.apps.studio.learning import REPEATS
from headstart.apps.studio.studio import Studio
from headstart.backbones import DEFAULT
from headstart.classifier.trial import learn

KNOWN, DROPPED, PATIENCE = 200, 12, 1200
MANY = 5000
FRAMES = 100


class Page:
    """A studio on a folder, and what its page hears."""

    def __init__(self, folder: Path) -> None:
        self.studio = Studio(folder, [DEFAULT])
        self.heard = threading.Condition()
        send = self.studio.stream.send

        def told(kind: str, **content: Any) -> None:
            send(kind, **content)
            with self.heard:
                self.heard.notify_all()

        self.studio.stream.send = told  # type: ignore[method-assign]
        self.client = TestClient(
            guarded(self.studio),
            base_url="http://127.0.0.1",
            client=("127.0.0.1", 5000),
            headers={"X-Headstart": "1"},
        )

    def until(self, happened: Callable[[], bool]) -> None:
        with self.heard:
            if not self.heard.wait_for(happened, PATIENCE):
                sys.exit("It takes too long.")

    def trained(self, photos: int) -> None:
        self.until(lambda: self.training["state"] == "ready" and self.training["photos"] == photos)

    @property
    def training(self) -> dict[str, Any]:
        return self.studio.trainer.training


def timed(work: Callable[[], object]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def median(name: str, times: list[tuple[float, float]]) -> None:
    walls, cpus = zip(*times, strict=True)
    print(
        f"{name:58} {1000 * statistics.median(walls):7,.0f} ms (best {1000 * min(walls):,.0f}), "
        f"processor {1000 * statistics.median(cpus):,.0f} ms"
    )


def photos(classes: int, each: int) -> dict[str, list[Path]]:
    folders = sorted((DATA / "clothing10" / "train").iterdir())[:classes]
    return {folder.name: sorted(folder.iterdir())[:each] for folder in folders}


def drops(room: Path, classes: int, count: int) -> None:
    """12 photos added to 200: from the request to the figures; each drop has photos that no store knows."""
    each = KNOWN // classes
    chosen = photos(classes, each + DROPPED * count // classes + 1)
    for label, paths in chosen.items():
        (room / label).mkdir(parents=True)
        for path in paths[:each]:
            shutil.copy(path, room / label)
    page = Page(room)
    with page.client:
        page.trained(each * classes)
        whole, learning = [], []
        for number in range(count):
            part = DROPPED // classes
            files = []
            for paths in chosen.values():
                files += paths[each + number * part : each + (number + 1) * part]
            label = sorted(chosen)[number % classes]
            form = [("file", (path.name, path.read_bytes())) for path in files]
            wanted = each * classes + len(files)

            def drop(form: Any = form, label: str = label, wanted: int = wanted) -> None:
                page.client.post("/api/photos", params={"label": label}, files=form)
                page.trained(wanted)

            whole.append(timed(drop))
            learning.append(page.training["seconds"])
            page.client.post("/api/do", json={"action": "undo"})
            page.trained(each * classes)
        median(f"{DROPPED} photos dropped on {KNOWN} in {classes} classes, figures anew", whole)
        print(f"{'  of it training and cross-validation':58} {1000 * statistics.median(learning):7,.0f} ms")
        learnt = page.studio.learnt()
        backbone, store, data = learnt.classifier.backbone, page.studio.store, learnt.trial.data
        median(
            "  the same alone",
            [timed(lambda: learn(backbone, store, "logistic", 0, data, repeats=REPEATS)) for _ in range(9)],
        )
        frames(page)


def frames(page: Page) -> None:
    """Pictures of a webcam, one after the other, as the page sends them: 640 x 480, JPEG."""
    out = io.BytesIO()
    with Image.open(next((DATA / "phone-fruit").rglob("*.jpg"))) as photo:
        photo.convert("RGB").resize((640, 480)).save(out, "JPEG", quality=80)
    picture = out.getvalue()
    times = [timed(lambda: page.client.post("/api/predict", content=picture).raise_for_status()) for _ in range(FRAMES)]
    median("an answer for a picture of a webcam", times)
    print(f"{'  answers a second':58} {1 / statistics.median(wall for wall, _ in times):7.1f}")


def many(room: Path, classes: int) -> None:
    """5,000 small photos in the folder: what the page asks for at its start, and the look at the folder."""
    chance = np.random.default_rng(0)
    for number in range(MANY):
        folder = room / f"class {number % classes}"
        folder.mkdir(parents=True, exist_ok=True)
        small = chance.integers(0, 255, (4, 4, 3)) // 2 + 12 * (number % classes)
        Image.fromarray(small.astype(np.uint8)).resize((64, 64)).save(folder / f"{number}.jpg")
    started = time.perf_counter()
    page = Page(room)
    print(f"{f'{MANY:,} photos: the folder is read':58} {1000 * (time.perf_counter() - started):7,.0f} ms")
    with page.client:
        page.trained(MANY)
        print(f"{'  until features and figures are there':58} {time.perf_counter() - started:7.1f} s")
        for name, address in (("state", "/api/state"), ("map", "/api/map")):
            median(f"  {name}", [timed(lambda address=address: page.client.get(address)) for _ in range(10)])
        print(f"{'  bytes of the state':58} {len(page.client.get('/api/state').content):7,}")
        median("  a look at the folder", [timed(page.studio.project.look) for _ in range(10)])
        ids = [photo["id"] for photo in page.client.get("/api/state").json()["photos"][:100]]
        move = json.dumps({"action": "move", "photos": ids, "to": f"class {classes - 1}"})
        median("  100 photos moved", [timed(lambda: page.client.post("/api/do", content=move))])
        page.trained(MANY)
        print(f"{'  training and cross-validation':58} {page.training['seconds']:7.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--drops", type=int, default=7)
    parser.add_argument("--classes", type=int, default=4)
    parser.add_argument("--many", action="store_true", help="5,000 photos, which takes minutes")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as room:
        many(Path(room), 10) if given.many else drops(Path(room), given.classes, given.drops)


if __name__ == "__main__":
    main()
