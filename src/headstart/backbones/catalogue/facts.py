"""What the catalogue knows: one `Model` for each row of the tables in `headstart/backbones/catalogue/tables`.

`benchmarks/make_tables.py` writes the tables, and explains how a TensorFlow Hub model is matched with its twin.
Nothing is computed here.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from headstart.backbones.hints import DEFAULT

TABLES = Path(__file__).parent / "tables"
#: Source -> its table, which `sources.json` describes.
TABLE_OF = {"builtin": "builtin", "tfhub": "tfhub", "timm": "imagenet", "claim": "claims"}
SOURCES = tuple(TABLE_OF)
KINDS = ("feature_vector", "classification", "feature_map")


@dataclass(frozen=True, slots=True)
class Model:
    """A model, or what a paper claims of one. None or an empty text: not stated, not known.

    Attributes:
        name: unique except for the input size (timm measures one model at several).
        source: `builtin`, `tfhub`, `timm` or `claim`.
        kind: `feature_vector`, `classification` or `feature_map`.
        handle: how headstart loads it; empty if it cannot (timm: the weights are PyTorch's).
        kaggle: the same model's `kaggle:owner/model/framework/variation[/version]`.
        input_size: pixels, height = width.
        dim: length of the feature vector.
        classes: number of classes of its scores.
        params_m: parameters in millions.
        gmacs: multiply-accumulates for one picture in 1e9, at `input_size`.
        top1: top-1 accuracy on the ImageNet-1k validation set in per cent; `top5` and `real_top1` (ReaL labels) alike.
        figures_from: name of the twin (same architecture) whose figures are shown; empty: its own.
        derived: names of the fields that its publisher does not state but that follow from the architecture or twin.
        format: `hub` (TensorFlow 1 module), `saved_model_2` or `saved_model`.
        dataset: what it was trained on; `network`: its architecture; both in the words of its page.
        licence: of the weights.
        year: of a claim.
        public_weights: whether the weights are public.
        reproduced: whether anyone but the authors got this accuracy.
        note: anything else to know.
    """

    name: str
    source: str
    kind: str
    handle: str = ""
    kaggle: str = ""
    input_size: int | None = None
    dim: int | None = None
    classes: int | None = None
    params_m: float | None = None
    gmacs: float | None = None
    top1: float | None = None
    top5: float | None = None
    real_top1: float | None = None
    figures_from: str = ""
    derived: tuple[str, ...] = ()
    publisher: str = ""
    format: str = ""
    dataset: str = ""
    network: str = ""
    licence: str = ""
    year: int | None = None
    public_weights: bool = True
    reproduced: bool = True
    note: str = ""


_BUILTIN_TWIN = "tf_efficientnet_lite0.in1k"
_Parse = Callable[[str], Any]
#: How the text in a column becomes a field, unless it is empty; other columns are texts.
_PARSE: dict[str, _Parse] = {
    **dict.fromkeys(("input_size", "dim", "classes", "year"), int),
    **dict.fromkeys(("params_m", "gmacs", "top1", "top5", "real_top1"), float),
    **dict.fromkeys(("public_weights", "reproduced"), "yes".__eq__),
    "derived": lambda text: tuple(text.split()),
}


@lru_cache(maxsize=1)
def everything() -> tuple[Model, ...]:
    """All models: those that come with headstart, TensorFlow Hub's, timm's ImageNet table, and claims of papers."""
    imagenet = {"kind": "classification", "classes": 1000, "dataset": "imagenet-1k"}
    timm = _read("imagenet", source="timm", publisher="timm", format="pytorch", **imagenet)
    twin = next(model for model in timm if model.name == _BUILTIN_TWIN)
    builtin = replace(
        twin,
        name=DEFAULT,
        source="builtin",
        handle=DEFAULT,
        dim=1280,
        params_m=4.652008,
        figures_from=twin.name,
        derived=("gmacs", "top1", "top5", "real_top1"),
        publisher="headstart",
        format="",
        network="efficientnet-lite0",
        licence="Apache-2.0",
    )
    return (builtin, *_read("tfhub", source="tfhub"), *timm, *_read("claims", source="claim", **imagenet))


def sources() -> dict[str, dict[str, str]]:
    """Name of a table -> `source`, `date` and `note` of its figures."""
    found: dict[str, dict[str, str]] = json.loads((TABLES / "sources.json").read_text("utf-8"))
    return found


def _read(table: str, **same: Any) -> list[Model]:
    """The models of a table, whose columns are named like the fields; `same`: fields that all of them share."""
    with (TABLES / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        columns = [(name, _PARSE.get(name, str)) for name in next(rows)]
        return [
            Model(**same, **{name: parse(text) for (name, parse), text in zip(columns, row, strict=True) if text})
            for row in rows
        ]
