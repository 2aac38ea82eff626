"""What a page gets from the studio: its photos read, a classifier trained after every change, answers, files."""

from __future__ import annotations

import io
import json
import shutil
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image, ImageStat
from running import PATIENCE, Running, running

import headstart
from headstart.apps.studio import learning, reading
from headstart.apps.studio.jobs import CancelledError
from headstart.apps.studio.learning import REPEATS


@pytest.fixture(scope="module")
def studio(tiles: Path, graphs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A studio with ten photos of each of two classes; tests put back what they change."""
    folder = tmp_path_factory.mktemp("studio") / "tiles"
    for label in ("flower", "temple"):
        (folder / label).mkdir(parents=True)
        for path in sorted((tiles / "train" / label).iterdir())[:10]:
            shutil.copy(path, folder / label)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSTART_HOME", str(graphs))
        with running(folder) as found:
            found.trained(20)
            yield found


def files(tiles: Path, label: str, count: int) -> list[tuple[str, tuple[str, bytes]]]:
    """Photos of the test part, as a form sends them."""
    found = sorted((tiles / "test" / label).iterdir())[:count]
    return [("file", (path.name, path.read_bytes())) for path in found]


def copies_of(tiles: Path, *qualities: int) -> list[tuple[str, tuple[str, bytes]]]:
    """JPEGs of the training photo of most structure, as a form sends them."""
    pictures = [Image.open(path).convert("RGB") for path in sorted((tiles / "train" / "temple").iterdir())[:10]]
    picture = max(pictures, key=lambda one: ImageStat.Stat(one.convert("L")).stddev[0])
    made = []
    for quality in qualities:
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=quality)
        made.append(("file", (f"copy{quality}.jpg", out.getvalue())))
    return made


def test_the_folder_is_read_and_a_classifier_trained_and_measured_without_being_asked(studio: Running) -> None:
    state = studio.state()
    training = state["training"]
    assert {photo["state"] for photo in state["photos"]} == {"ready"}
    assert training["accuracy"] > 0.8
    assert len(studio.studio.learnt().trial.measured.answers.right) == REPEATS
    assert [one["label"] for one in training["classes"]] == ["flower", "temple"]
    assert sum(map(sum, training["confusion"])) == pytest.approx(20, abs=0.1)
    assert all(photo["held_out"] and 0 <= photo["doubt"] <= 1 for photo in state["photos"])
    assert state["backbone"] == state["backbones"][0]["handle"] == "builtin:efficientnet-lite0"


def test_photos_added_are_read_trained_on_and_taken_back(studio: Running, tiles: Path) -> None:
    added = studio.page.post("/api/photos?label=flower", files=files(tiles, "flower", 2)).json()
    assert (len(added["added"]), added["refused"]) == (2, [])
    studio.trained(22)
    assert studio.page.post("/api/do", json={"action": "undo"}).status_code == 200
    studio.trained(20)


@pytest.mark.parametrize(("module", "name"), [(reading, "vectors_of"), (learning, "learn")])
def test_after_an_error_that_nobody_expected_the_work_goes_on(
    studio: Running, tiles: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str
) -> None:
    failed = threading.Event()

    def fail(*_: Any, **__: Any) -> None:
        failed.set()
        raise RuntimeError("nobody expected this")

    with monkeypatch.context() as patch:
        patch.setattr(module, name, fail)
        studio.page.post("/api/photos?label=flower", files=files(tiles, "flower", 2))
        assert failed.wait(PATIENCE)
    studio.page.post("/api/photos?label=temple", files=files(tiles, "temple", 1))
    studio.trained(23)
    for _ in range(2):
        studio.page.post("/api/do", json={"action": "undo"})
    studio.trained(20)


def test_photos_that_are_moved_change_the_classes_and_the_figures(studio: Running) -> None:
    one = studio.state()["photos"][0]
    studio.page.post("/api/do", json={"action": "move", "photos": [one["id"]], "to": "temple"})
    studio.until(lambda: [c["photos"] for c in studio.studio.trainer.training["classes"]] == [9, 11])
    moved = next(photo for photo in studio.state()["photos"] if photo["id"] == one["id"])
    assert (moved["label"], moved["predicted"]) == ("temple", "flower")
    assert moved["doubt"] > 0.5
    studio.page.post("/api/do", json={"action": "undo"})
    studio.until(lambda: [c["photos"] for c in studio.studio.trainer.training["classes"]] == [10, 10])


def test_one_class_or_none_is_not_trained_on(tmp_path: Path, tiles: Path, graphs: Path) -> None:
    with running(tmp_path) as found:
        assert found.state()["training"]["state"] == "none"
        found.page.post("/api/photos?label=flower", files=files(tiles, "flower", 2))
        found.until(lambda: all(photo.vector is not None for photo in found.studio.project.shown()))
        assert found.page.post("/api/predict", content=b"\xff\xd8\xff").status_code == 409
        assert found.page.get("/download/classifier.zip").status_code == 409


def test_a_photo_is_predicted_as_predict_does_and_the_nearest_photos_are_shown(studio: Running, tiles: Path) -> None:
    path = sorted((tiles / "test" / "temple").iterdir())[0]
    answer = studio.page.post("/api/predict", content=path.read_bytes()).json()
    assert answer["label"] == answer["scores"][0]["label"] == studio.studio.learnt().classifier.predict(path)
    assert sum(one["score"] for one in answer["scores"]) == pytest.approx(1)
    known = {photo["id"]: photo["label"] for photo in studio.state()["photos"]}
    assert [known[one["id"]] for one in answer["nearest"]] == [one["label"] for one in answer["nearest"]]
    distances = [one["distance"] for one in answer["nearest"]]
    assert distances == sorted(distances)
    classifier = studio.studio.learnt().classifier
    assert answer["scores"][0]["score"] == classifier.predict_proba(path).max()


def test_an_answer_that_takes_too_long_is_refused_in_words(studio: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    async def late(learnt: object, data: bytes) -> None:
        raise TimeoutError

    studio.until(lambda: studio.studio.trainer.learnt is not None)
    monkeypatch.setattr(studio.studio.predictor, "predict", late)
    found = studio.page.post("/api/predict", content=b"a")
    assert (found.status_code, found.json()["error"]) == (503, "The answer took too long. Try again later.")


@pytest.mark.parametrize(("content", "why"), [(b"", "empty"), (b"hello", "not an image"), (b"\xff\xd8\xff", "corrupt")])
def test_what_is_no_photo_is_not_predicted_and_the_reason_is_told(studio: Running, content: bytes, why: str) -> None:
    answer = studio.page.post("/api/predict", content=content)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith((why, "truncated"))


def test_pictures_are_small_upright_and_without_the_place_where_they_were_taken(
    studio: Running, tiles: Path, tmp_path: Path
) -> None:
    image = Image.effect_noise((2400, 1200), 50).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)  # GPS latitude
    exif[0x010E] = "<script>alert(1)</script>"
    image.save(tmp_path / "gps.jpg", exif=exif)
    content = (tmp_path / "gps.jpg").read_bytes()
    (id,) = studio.page.post("/api/photos?label=flower", files=[("file", ("gps.jpg", content))]).json()["added"]
    assert (studio.studio.folder.root / "flower" / "gps.jpg").read_bytes() == content
    for address, size in ((f"/thumb/{id}", (96, 192)), (f"/photo/{id}", (800, 1600))):
        found = studio.page.get(address)
        shown = Image.open(io.BytesIO(found.content))
        assert (found.headers["content-type"], shown.size, dict(shown.getexif())) == ("image/jpeg", size, {})
        assert b"script" not in found.content
        assert "immutable" in found.headers["cache-control"]
    studio.page.post("/api/do", json={"action": "undo"})
    assert studio.page.get(f"/thumb/{id}").status_code == 400
    studio.trained(20)


def test_a_photo_that_cannot_be_decoded_is_shown_with_its_reason(studio: Running, tiles: Path) -> None:
    ((_, (_, content)),) = files(tiles, "flower", 1)
    (id,) = studio.page.post("/api/photos?label=flower", files=[("file", ("00.png", content[:-400]))]).json()["added"]
    studio.until(lambda: bool(studio.studio.project.photo(id).reason))
    state = studio.state()
    photo = next(one for one in state["photos"] if one["id"] == id)
    assert (photo["state"], photo["reason"].partition(":")[0], state["unusable"]) == ("unusable", "truncated", 1)
    assert [one["photos"] - one["usable"] for one in state["classes"]] == [1, 0]
    unusable = studio.page.get("/api/findings").json()["unusable"]
    assert [(one["id"], one["name"]) for one in unusable] == [(id, "flower/00-2.png")]
    studio.page.post("/api/do", json={"action": "undo"})


def test_the_map_shows_every_photo_and_is_the_same_each_time(studio: Running) -> None:
    points = studio.page.get("/api/map").json()["points"]
    assert {id for id, _, _ in points} == {photo["id"] for photo in studio.state()["photos"]}
    assert all(0 <= x <= 1 and 0 <= y <= 1 for _, x, y in points)
    assert studio.page.get("/api/map").json()["points"] == points


def test_findings_are_put_aside_for_good(studio: Running, tiles: Path) -> None:
    studio.page.post("/api/photos?label=temple", files=copies_of(tiles, 80))
    studio.trained(21)
    (copies,) = studio.page.get("/api/findings").json()["copies"]
    assert len(copies) == 2
    studio.page.post("/api/findings/keep", json={"copies": copies})
    assert studio.page.get("/api/findings").json()["copies"] == []
    studio.page.post("/api/do", json={"action": "undo"})
    studio.trained(20)


def test_a_learning_curve_follows_when_nothing_changes(studio: Running) -> None:
    studio.until(lambda: studio.studio.learnt().curve is not None)
    last = studio.studio.trainer.training["curve"][-1]
    assert last["accuracy"] == studio.studio.trainer.training["accuracy"]


def test_near_copies_are_kept_together_as_soon_as_they_are_found(studio: Running, tiles: Path) -> None:
    studio.page.post("/api/photos?label=temple", files=copies_of(tiles, 60, 70, 80))
    studio.trained(23)
    studio.until(lambda: studio.studio.trainer.training["different"] == 20)
    studio.page.post("/api/do", json={"action": "undo"})
    studio.trained(20)


def test_the_classifier_can_be_downloaded_and_used(studio: Running, tiles: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(io.BytesIO(studio.page.get("/download/classifier.zip").content)).extractall(tmp_path)
    classifier = headstart.load(tmp_path / "tiles")
    assert classifier.classes == ("flower", "temple")
    assert studio.page.get("/api/share").json()["serve"] == "headstart serve tiles"


def test_the_report_is_one_file_without_folders_of_this_machine(studio: Running) -> None:
    found = studio.page.get("/download/report.html")
    assert found.headers["content-disposition"].startswith("attachment")
    assert "<html" in found.text
    assert str(studio.studio.folder.root.parent) not in found.text


def test_an_export_is_proven_and_kept_to_be_fetched(studio: Running) -> None:
    job = studio.job(studio.page.post("/api/export", json={"format": "arrays"}).json()["job"])
    assert (job["state"], job["error"]) == ("done", "")
    packed = zipfile.ZipFile(io.BytesIO(studio.page.get(job["result"]["url"]).content))
    assert any(name.endswith("manifest.json") or name.endswith("export.json") for name in packed.namelist())
    failed = studio.job(studio.page.post("/api/export", json={"format": "../x"}).json()["job"])
    assert failed["state"] == "failed"
    assert studio.page.get("/download/export/j99.zip").status_code == 400


def test_backbones_are_compared_in_the_background(studio: Running) -> None:
    handle = studio.state()["backbone"]
    job = studio.job(studio.page.post("/api/compare", json={"backbones": [handle]}).json()["job"])
    (row,) = job["result"]["rows"]
    assert (job["state"], row["backbone"], row["better_than_next"]) == ("done", handle, False)
    assert row["interval"][0] < row["accuracy"] <= row["interval"][1]
    assert job in studio.state()["jobs"]


def test_only_backbones_that_are_here_are_used(studio: Running) -> None:
    for address, content in (
        ("/api/compare", {"backbones": ["hf:someone/something"]}),
        ("/api/backbone", {"handle": "https://tfhub.dev/google/imagenet/mobilenet_v2_100_224/feature_vector/5"}),
    ):
        answer = studio.page.post(address, json=content)
        assert (answer.status_code, "not on this machine" in answer.json()["error"]) == (400, True)


def test_a_job_is_cancelled_before_and_while_it_runs(studio: Running) -> None:
    jobs = studio.studio.jobs

    def work(job: Any) -> dict[str, Any]:
        for done in range(PATIENT):
            job.advanced(done)
            job.stopped.wait(0.01)
        raise AssertionError("it was not cancelled")

    first, second = jobs.start("test", work), jobs.start("test", work)
    for id in (second, first):
        assert studio.page.post(f"/api/jobs/{id}/cancel").status_code == 200
    assert [studio.job(id)["state"] for id in (first, second)] == ["cancelled", "cancelled"]
    assert issubclass(CancelledError, Exception)
    assert studio.page.post("/api/jobs/j999/cancel").status_code == 400


PATIENT = 10_000


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"[" * 100_000,
        json.dumps({"action": "state"}).encode(),
        json.dumps({"action": "_take"}).encode(),
        json.dumps({"action": ["undo"]}).encode(),
        json.dumps({"action": "add_class"}).encode(),
        json.dumps({"action": "add_class", "name": 5}).encode(),
        json.dumps({"action": "add_class", "name": "x", "more": 1}).encode(),
        json.dumps({"action": "move", "photos": "p1", "to": "flower"}).encode(),
        json.dumps({"action": "move", "photos": ["p99999"], "to": "flower"}).encode(),
        json.dumps({"action": "move", "photos": ["p1"], "to": "../.."}).encode(),
        json.dumps({"action": "remove_class", "name": ".."}).encode(),
        json.dumps({"action": "remove_class", "name": "."}).encode(),
        json.dumps({"action": "remove_class", "name": ".headstart-trash"}).encode(),
    ],
)
def test_a_step_that_is_none_is_refused_in_words(studio: Running, body: bytes) -> None:
    answer = studio.page.post("/api/do", content=body)
    assert answer.status_code == 400
    assert "Expected" in answer.json()["error"]
