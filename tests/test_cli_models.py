"""`headstart models` as a person and a script use it: what it prints, and its exit codes."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

import command_line
from headstart.backbones import catalogue

MOBILENET = "imagenet/mobilenet_v2_100_224/feature_vector"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return command_line.run("models", *arguments, COLUMNS="200")


def works(*arguments: str) -> subprocess.CompletedProcess[str]:
    result = run(*arguments)
    assert result.returncode == 0, result.stderr
    return result


def test_words_give_a_table_and_say_how_much_there_is_and_where_from() -> None:
    result = works("mobilenetv2", "--source", "tfhub", "--limit", "3")
    header, first, *more = result.stdout.splitlines()
    assert header.split() == ["top-1", "param", "GMACs", "input", "dim", "use", "name"]
    assert first.split()[:1] == ["76.53~"]
    assert len(more) == 2
    total = len(catalogue.search(["mobilenetv2"], source="tfhub"))
    assert f"3 of {total} shown; --limit 0 shows all." in result.stderr
    assert "~ from a twin" in result.stderr
    assert "Source: public model pages of TensorFlow Hub, 2024." in result.stderr
    assert "timm project, August 2026 (accuracies last changed October 2025)" in result.stderr


def test_no_line_is_wider_than_100_columns_and_no_name_is_cut() -> None:
    lines = works("--limit", "0").stdout.splitlines()
    assert max(map(len, lines)) <= 100
    text = "\n".join(lines) + "\n"
    assert all(f" {m.name}\n" in text for m in catalogue.search())


def test_every_name_in_the_table_of_the_hub_can_be_used() -> None:
    for line in works("--source", "tfhub", "resnet", "--limit", "0").stdout.splitlines()[1:]:
        assert catalogue.resolve(line.split()[-1]).startswith("https://tfhub.dev/")


def test_json_is_one_document_with_every_field_and_the_sources() -> None:
    document = json.loads(works("mobilenet_v2_100_224", "--kind", "feature_vector", "--json").stdout)
    assert list(document) == ["query", "total", "shown", "figure_unknown", "models", "sources"]
    (model,) = document["models"]
    renamed = {"source": "origin", "kind": "returns", "classes": "class_count", "network": "architecture"}
    assert list(model) == [*(renamed.get(name, name) for name in catalogue.Model.__slots__), "use"]
    assert model["name"] == MOBILENET
    assert model["figures_from"] == "mobilenetv2_100.ra_in1k"
    assert "top1" in model["derived"]
    assert document["sources"]["imagenet"]["date"].startswith("August 2026")


@pytest.mark.parametrize(
    ("option", "limit", "name"),
    [
        ("--max-params", "5M", "params_m"), ("--max-params", "10", "params_m"), ("--max-params", "25m", "params_m"),
        ("--max-params", "0.1B", "params_m"), ("--max-gmacs", ".4", "gmacs"), ("--max-gmacs", "1000M", "gmacs"),
        ("--max-gmacs", "5G", "gmacs"),
    ],
)  # fmt: skip
def test_the_best_within_a_limit(option: str, limit: str, name: str) -> None:
    amount = {"5M": 5, "10": 10, "25m": 25, "0.1B": 100, ".4": 0.4, "1000M": 1, "5G": 5}[limit]
    result = works("--best", option, limit, "--json")
    document = json.loads(result.stdout)
    within = [m for m in catalogue.search() if (getattr(m, name) or 1e9) <= amount]
    assert document["public"]["top1"] == max(m.top1 or 0 for m in within)
    assert document["public"][name] <= amount
    assert document["loadable"]["handle"]
    assert document["claimed"] == []


def test_best_shows_dates_claims_and_the_caution() -> None:
    text = works("--best").stdout
    assert re.search(
        r"90\.06 %  eva02_large_patch14_448\S+\n +448 x 448 pixels, 305\.08 M parameters, 362\.33 GMACs", text
    )
    assert "August 2026 (accuracies last changed October 2025)" in text
    assert re.search(r"93\.60 %  OmniVec2, 2024: no public weights, not reproduced", text)
    assert "The rank on ImageNet is not the rank on your photos" in text
    assert "not a true test set" in text
    assert max(map(len, text.splitlines())) <= 100


def test_best_combines_with_the_other_options() -> None:
    document = json.loads(works("--best", "--source", "tfhub", "--kind", "feature_vector", "--json").stdout)
    assert document["public"] == document["loadable"]
    assert document["public"]["returns"] == "feature_vector"
    words = json.loads(works("--best", "convnext", "--max-params", "30M", "--json").stdout)
    assert "convnext" in words["public"]["name"]


def test_three_classifiers_other_than_the_usual_ones() -> None:
    result = works(
        "--source", "tfhub", "--kind", "classification", "--limit", "3",
        "--without", "resnet", "--without", "efficientnet", "--without", "mobilenet_v2",
    )  # fmt: skip
    names = [line.split()[-1] for line in result.stdout.splitlines()[1:]]
    assert len(names) == 3
    assert not re.search("resnet|efficientnet|mobilenet_v2", " ".join(names))


def test_what_is_left_out_for_want_of_a_figure_is_counted() -> None:
    result = works("imagenet/mobilenet_v2_075", "imagenet/mobilenet_v2", "--max-gmacs", "1")
    unknown = len(catalogue.search(["imagenet/mobilenet_v2_075"]))
    assert result.stdout == ""
    assert f"{unknown} left out: their GMACs are not known." in result.stderr
    assert "0 of 0 shown." in result.stderr


def test_show_shows_everything_about_one_model() -> None:
    result = works("show", MOBILENET)
    for line in (
        f"https://tfhub.dev/google/{MOBILENET}/5",
        "kaggle:google/mobilenet-v2/tensorFlow2/100-224-feature-vector/2",
        "224 x 224",
        "1,280",
        "3.50 million *",
        "0.31 at 224 x 224 *",
        "top-1 72.91 %, top-5 91.00 %, ReaL top-1 80.22 % at 224 x 224 *",
        "* mobilenetv2_100.ra_in1k: the same architecture, not necessarily the same weights",
        "licence      not known",
        f"headstart train PHOTOS -b https://tfhub.dev/google/{MOBILENET}/5",
    ):
        assert line in result.stdout
    assert "headstart classify" not in result.stdout
    assert "August 2026" in result.stderr


def test_show_shows_what_a_network_needs() -> None:
    assert "headstart classify PHOTO -b https" in works("show", "imagenet/nasnet_mobile/classification").stdout
    assert "pip install 'headstart[tensorflow]'" in works("show", "google/efficientnet/b0/feature-vector").stdout
    timm = works("show", "resnet50.a1_in1k").stdout
    assert "https://huggingface.co/timm/resnet50.a1_in1k" in timm
    assert "ONNX" in timm
    assert "4.11 at 224 x 224" in timm
    assert "6.80 at 288 x 288" in timm
    builtin = works("show", "builtin:efficientnet-lite0").stdout
    assert "Apache-2.0" in builtin
    assert "4.65 million\n" in builtin
    assert "not possible" in works("show", "OmniVec2").stdout


def test_show_of_a_name_that_is_not_unique_lists_the_candidates() -> None:
    result = run("show", "efficientnet/b0/classification")
    assert result.returncode == 1
    assert result.stdout == ""
    assert "google/efficientnet/b0/classification, tensorflow/efficientnet/b0/classification" in result.stderr


def test_a_typo_gets_a_suggestion() -> None:
    for arguments in (["effcientnet"], ["resnet", "effcientnet"], ["--without", "effcientnet", "--json"]):
        result = run(*arguments)
        assert result.returncode == 1
        assert result.stdout == ""
        assert "Did you mean efficientnet" in result.stderr


def test_claims_are_offered_but_not_mixed_in() -> None:
    result = works("coca")
    assert "1 claim of a paper matches as well: --source claim" in result.stderr
    assert "CoCa (fine-tuned) (2022; no public weights, not reproduced)" in works("--source", "claim").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["--max-params", "ten"], ["--max-params", "-3"], ["--max-params", "0"], ["--max-params", "nan"],
        ["--max-params", "10000000"], ["--max-params", "5T"], ["--max-params", "9" * 400], ["--max-gmacs", "inf"],
        ["--source", "nowhere"], ["--kind", "x"], ["--sort", "size"], ["--limit", "-1"], ["--input", "0"], ["show"],
        ["show", "a", "b"], ["show", MOBILENET, "--limit", "3"], ["show", MOBILENET, "--best"],
        ["--best", "--sort", "name"], ["--best", "--limit", "3"], ["--", "--"], ["--without", "_"],
    ],
)  # fmt: skip
def test_usage_errors_exit_with_2(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.returncode == 2, result.stdout + result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
