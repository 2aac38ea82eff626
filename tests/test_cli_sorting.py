"""`predict` sorts copies of photos, marks what is unsure, reads CSVs; nothing predicted is not success."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

import headstart
from headstart.apps.cli.commands import app
from test_embedding import run


@pytest.fixture(scope="module")
def model(tiles: Path, graphs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sorting")
    headstart.train(tiles, output=folder / "model", store=folder / "store")
    return folder / "model"


@pytest.fixture
def inbox(tiles: Path, tmp_path: Path) -> Path:
    """Two different photos of one name, and a file that is no photo."""
    for name in ("flower", "temple"):
        (tmp_path / "inbox" / f"of {name}").mkdir(parents=True)
        shutil.copy(tiles / "test" / name / "09.png", tmp_path / "inbox" / f"of {name}" / "09.png")
    (tmp_path / "inbox" / "text.jpg").write_text("no photo")
    return tmp_path / "inbox"


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_copies_are_sorted_and_the_originals_stay(model: Path, inbox: Path, tmp_path: Path) -> None:
    before = files(inbox)
    code, _ = run("predict", model, inbox, "--copy-to", tmp_path / "sorted", "--unknown-rate", "0")
    assert (code, files(inbox)) == (0, before)
    copied = files(tmp_path / "sorted")
    assert sorted(copied) == ["flower/09.png", "temple/09.png"]
    assert set(copied.values()) == {before["of flower/09.png"], before["of temple/09.png"]}
    run("predict", model, inbox, "--copy-to", tmp_path / "sorted", "--unknown-rate", "0")
    assert files(tmp_path / "sorted") == copied, "what is there is not copied again"


def test_a_taken_name_gets_a_number_and_nothing_is_overwritten(model: Path, inbox: Path, tmp_path: Path) -> None:
    (tmp_path / "sorted" / "flower").mkdir(parents=True)
    (tmp_path / "sorted" / "flower" / "09.png").write_text("mine")
    run("predict", model, inbox, "--copy-to", tmp_path / "sorted")
    copied = files(tmp_path / "sorted")
    assert copied["flower/09.png"] == b"mine"
    assert copied["flower/09 (2).png"] == (inbox / "of flower" / "09.png").read_bytes()


def test_a_folder_inside_the_photos_is_refused(model: Path, inbox: Path) -> None:
    code, _ = run("predict", model, inbox, "--copy-to", inbox / "sorted")
    assert code == 2
    assert not (inbox / "sorted").exists()


def test_what_is_unsure_is_marked_everywhere(model: Path, inbox: Path, tmp_path: Path) -> None:
    sure = "1.0"  # no probability reaches it
    options = ("--min-confidence", sure, "--unknown-rate", "0")
    _, printed = run("predict", model, inbox, *options, "--copy-to", tmp_path / "sorted", "--json")
    document = json.loads(printed)
    assert [one["unsure"] for one in document["predictions"]] == [True, True]
    assert document["copied_to"] == str(tmp_path / "sorted")
    assert sorted(files(tmp_path / "sorted")) == ["unsure/09 (2).png", "unsure/09.png"]
    run("predict", model, inbox, "--min-confidence", sure, "--csv", tmp_path / "table.csv")
    with open(tmp_path / "table.csv", newline="", encoding="utf-8") as file:
        assert [row["unsure"] for row in csv.DictReader(file)] == ["yes", "yes"]
    _, printed = run("predict", model, inbox, "--min-confidence", "0.1", "--json")
    assert [one["unsure"] for one in json.loads(printed)["predictions"]] == [False, False]


def test_a_csv_of_paths_is_read(model: Path, inbox: Path, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("path\ninbox/of flower/09.png\ninbox/of temple/09.png\n")
    code, printed = run("predict", model, tmp_path / "list.csv", "--json")
    assert code == 0
    assert [one["predicted"] for one in json.loads(printed)["predictions"]] == ["flower", "temple"]


def test_exit_codes(model: Path, inbox: Path) -> None:
    def code(*arguments: object) -> int:
        found: int = app(list(map(str, arguments)), standalone_mode=False)
        return found

    assert code("predict", model, inbox / "text.jpg") == 1, "nothing was predicted"
    assert code("predict", model, inbox) == 0
    assert code("predict", model, inbox, "--strict") == 1
    assert code("classify", inbox / "text.jpg") == 1


def test_an_evaluation_has_a_report(model: Path, tiles: Path, tmp_path: Path) -> None:
    assert run("evaluate", model, tiles, "--report", tmp_path / "more.html")[0] == 0
    page = (tmp_path / "more.html").read_text("utf-8")
    measured = headstart.load(model).evaluate(tiles / "train")
    assert "were trained on" not in page
    assert "headstart evaluate: model, tiles" in page
    assert "on 24 photos" in page
    assert "data:image/jpeg;base64," in page
    measured.report(tmp_path / "seen.html")
    assert "24 of them were trained on" in (tmp_path / "seen.html").read_text("utf-8")


def test_the_answers_of_an_evaluation_are_a_table(model: Path, tiles: Path, tmp_path: Path) -> None:
    code, _ = run("evaluate", model, tiles, "--csv", tmp_path / "answers.csv")
    assert code == 0
    with open(tmp_path / "answers.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(list((tiles / "test").rglob("*.png")))
    assert {"flower", "temple"} <= set(rows[0])
