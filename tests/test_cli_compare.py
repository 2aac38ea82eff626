"""`headstart compare` as a user types it, and its table."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import command_line
from headstart.backbones.card import Card
from headstart.classifier.comparison import Comparison, ComparisonSeconds, Entry
from headstart.classifier.trained import Work
from headstart.evaluation.metrics import Evaluation
from headstart.evaluation.paired import Difference
from headstart.evaluation.results import Answers, PhotoCounts
from headstart.heads.head import HeadChoice, Kind
from headstart.photos.images import View
from headstart.report.text.comparison import cautions, comparison_table

LITE = "builtin:efficientnet-lite0"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return command_line.run("compare", *map(str, arguments))


@pytest.fixture(scope="module")
def toy_network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The mean colour of a photo, as an OpenVINO file."""
    import openvino as ov

    from toys import model, op, pictures, pooled

    image = pictures(-1, 3, 8, 8)
    path = tmp_path_factory.mktemp("networks") / "colour.xml"
    ov.save_model(model({"features": op.concat([pooled(image)] * 50, 1)}, image), path, compress_to_fp16=False)
    return path


def test_two_networks_and_two_heads_in_one_table(tiles: Path, toy_network: Path, tmp_path: Path) -> None:
    done = run(tiles, "-b", LITE, "-b", toy_network, "--head", "logistic", "--head", "knn", "--input-range", "0..1")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [word in lines[0] for word in ("backbone", "head", "accuracy", "behind", "p", "dim", "photos/s")] == [
        True
    ] * 7
    assert sum("efficientnet-lite0" in line and "1,280" in line for line in lines) == 2
    assert sum(line.startswith("*") or line.startswith(" ") for line in lines[1:5]) == 4
    assert sum("best " in line for line in lines[1:5]) == 1
    assert "on 24 photos" in done.stdout
    assert f"headstart train {tiles} -b " in done.stdout
    assert "96 files, 48 to read" in done.stderr  # 48 photos, two backbones; the store has the vectors of one


def test_the_line_that_keeps_the_best_runs(tiles: Path, toy_network: Path, tmp_path: Path) -> None:
    import shlex

    done = run(tiles, "-b", toy_network, "--input-range", "0..1", "--head", "centroid", "--view", "crop")
    line = next(line for line in done.stdout.splitlines() if line.startswith("Keep the best: "))
    words = shlex.split(line.removeprefix("Keep the best: ").replace("NAME", str(tmp_path / "kept")))
    trained = command_line.run(*words[1:], "--json")
    kept = json.loads(trained.stdout)
    told = run(tiles, "-b", toy_network, "--input-range", "0..1", "--head", "centroid", "--view", "crop", "--json")
    (entry,) = json.loads(told.stdout)["entries"]
    assert entry["evaluation"] == kept["evaluation"]
    assert (tmp_path / "kept").is_dir()


def test_json_alone_is_on_stdout(tiles: Path, toy_network: Path) -> None:
    done = run(tiles, "-b", toy_network, "--json")
    document = json.loads(done.stdout)
    assert document["command"][:2] == ["headstart", "compare"]
    assert (document["source"], document["photos"]["used"]) == (str(tiles), 48)
    assert document["entries"][0]["card"]["input_range_from"] == "assumed"
    assert "is not known" in done.stderr


def test_a_network_that_does_not_exist_is_reported_and_the_others_are_measured(tiles: Path, toy_network: Path) -> None:
    done = run(tiles, "-b", toy_network, "-b", "mobilenet_v9")
    assert done.returncode == 1
    assert "mobilenet_v9 is left out: " in done.stderr
    assert "Not measured, for the reasons given above: mobilenet_v9." in done.stderr
    assert "colour" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["missing-folder", "-b", LITE], 1, "missing-folder"),
        (["{tiles}", "-b", LITE, "--head", "svm"], 2, "expected logistic, lda, ridge, centroid or knn, received 'svm'"),
        (["{tiles}", "-b", "no-such-network"], 1, "no-such-network"),
        (["{tiles}", "-b", LITE, "--report", "no-such-folder/report.html"], 1, "no-such-folder"),
    ],
)
def test_errors_say_what_is_wrong(tiles: Path, arguments: list[str], code: int, said: str) -> None:
    done = run(*(word.replace("{tiles}", str(tiles)) for word in arguments))
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout


# --- the table ---


def evaluation(accuracy: float) -> Evaluation:
    none = np.zeros((2, 2))
    interval = (accuracy - 0.1, accuracy + 0.05)
    return Evaluation("cross-validation", ("a", "b"), 61, accuracy, interval, accuracy, 0.1, 0.1, none, (), ())


def entry(name: str, accuracy: float, head: Kind = "logistic", **facts: Any) -> Entry:
    card = Card(
        handle=name, weights="sha", revision=1, view=View(224, 224), channels="RGB", mean=(127.5,) * 3,
        scale=(127.5,) * 3, output="x", dim=1280, precision="float32", range_from="given", layers="several",
    )  # fmt: skip
    return Entry(
        **{
            "card": card,
            "name": name,
            "head": HeadChoice(head, 1.0),
            "evaluation": evaluation(accuracy),
            "answers": Answers((), np.zeros((1, 0), bool), None, np.zeros(0, bool)),
            "train": 61,
            "test": None,
            "photos": PhotoCounts(61, ()),
            "parameters": 4_652_008,
            "file_bytes": 18_830_000,
            "work": Work(61, 0, 101.6),
            "backbone_seconds": 2.0,
            "head_seconds": 0.25,
            "is_on_front": True,
            **facts,
        }
    )


def comparison(*entries: Entry, **facts: Any) -> Comparison:
    return Comparison(
        **{
            "source": "my photos",
            "classes": ("a", "b"),
            "entries": entries,
            "verdict": "",
            "failures": (),
            "left_out": (),
            "quick": None,
            "seed": 0,
            "fraction": 0.1,
            "view": "pad",
            "notes": (),
            "learning_curve": None,
            "seconds": ComparisonSeconds(0.0, 0.0, 0.0, None, 0.0),
            **facts,
        }
    )


def test_the_table_shows_what_was_measured() -> None:
    difference = Difference(61, 0.042, (-0.01, 0.094), 0.0421, 5, 2)
    unknown = {"parameters": None, "file_bytes": None, "work": Work(0, 61, None), "is_on_front": False}
    rows = comparison_table(
        comparison(
            entry("A", 0.8),
            entry("B", 0.758, difference=difference, **unknown),
            entry("C", 0.5, unpaired="folds"),
            entry("D", 0.4, difference=replace(difference, p=0.0000001)),
        )
    ).splitlines()
    assert rows[1].split() == ["*", "A", "80.0", "%", "70.0-85.0", "best", "1,280", "4.7", "M", "18.8", "102", "2.2"]
    second = ["B", "75.8", "%", "65.8-80.8", "4.2", "-1.0", "to", "+9.4", "0.042", "1,280", "-", "-", "-", "2.2"]
    assert rows[2].split() == second
    assert rows[3].split()[5:8] == ["-", "-", "-"]
    assert "<0.001" in rows[4]


def test_a_speed_that_was_measured_under_load_is_marked() -> None:
    busy = entry("B", 0.7, work=Work(61, 0, 97.2, under_load=True))
    quiet = entry("A", 0.8, work=Work(61, 0, 101.6, under_load=False))
    assert [row.split()[-2] for row in comparison_table(comparison(quiet, busy)).splitlines()[1:]] == ["102", "~97"]
    assert "~: estimated from processor time" in cautions(comparison(quiet, busy))
    assert "~" not in cautions(comparison(quiet))
    assert busy.to_json()["features"]["under_load"] is True


def test_the_number_of_comparisons_is_named_where_it_changes_p() -> None:
    two, three = (comparison(*(entry(name, 0.8) for name in names)) for names in ("AB", "ABC"))
    assert "leaves out 0 exactly if p is below 0.05. *" in cautions(two)
    assert "exactly if p is below 0.05, for 2 comparisons at once. *" in cautions(three)


def test_the_head_has_a_column_where_there_are_several() -> None:
    assert "head" not in comparison_table(comparison(entry("A", 0.8))).splitlines()[0]
    rows = comparison_table(comparison(entry("A", 0.8), entry("A", 0.7, "knn"))).splitlines()
    assert "head" in rows[0]
    assert "knn" in rows[2]


def test_long_names_keep_both_ends() -> None:
    (row,) = comparison_table(comparison(entry("a" * 40 + "_savedmodel", 0.8))).splitlines()[1:]
    assert f"{'a' * 24}...avedmodel" in row


def test_what_the_quick_ranking_left_out_is_listed() -> None:
    text = comparison_table(comparison(entry("A", 0.8), left_out=(entry("B", 0.5),)))
    assert "Left out after the quick ranking:" in text
    assert "50.0 %" in text


def test_the_line_to_keep_the_best_has_all_that_is_not_usual() -> None:
    last = cautions(comparison(entry("hub/a b", 0.8, "knn"), seed=3)).splitlines()[-1]
    assert last == (
        "Keep the best: headstart train 'my photos' -b 'hub/a b' --head knn --fraction 0.1 --seed 3 --view pad "
        "--layers several --input-range -1..1 -o NAME"
    )


def test_the_best_of_several_is_not_promised() -> None:
    several = [entry(name, 0.8) for name in "ABC"]
    assert "partly lucky" in cautions(comparison(*several))
    assert "partly lucky" not in cautions(comparison(*several[:2]))
