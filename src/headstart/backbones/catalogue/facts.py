"""What the catalogue knows: one `Model` for each row of the tables in `headstart/backbones/catalogue/tables`.

The tables are written by `benchmarks/make_tables.py`, which also says how a TensorFlow Hub model is joined to its
twin. Nothing here is computed but the types.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

TABLES = Path(__file__).parent / "tables"
#: Where each source's rows stand, in `sources.json` too.
TABLE_OF = {"builtin": "builtin", "tfhub": "tfhub", "timm": "imagenet", "claim": "claims"}
SOURCES = tuple(TABLE_OF)
KINDS = ("feature_vector", "classification", "feature_map")


@dataclass(frozen=True, slots=True)
class Model:
    """A network, or what a paper claims of one. None or an empty text: not stated, not known.

    Attributes:
        name: unique but for the input size (timm measures one network at several).
        source: `builtin`, `tfhub`, `timm` or `claim`.
        kind: `feature_vector`, `classification` or `feature_map`.
        handle: how headstart loads it; empty if it cannot as it is (timm: the weights are PyTorch's).
        kaggle: the same network's `kaggle:owner/model/framework/variation[/version]`.
        input_size: pixels, height = width.
        dim: length of the feature vector.
        classes: number of classes it tells apart.
        params_m: parameters in millions.
        gmacs: multiply-accumulates of one picture in 1e9, at `input_size`.
        top1: top-1 accuracy on the ImageNet-1k validation set in per cent; `top5` and `real_top1` (ReaL labels) alike.
        figures_from: name of the twin (same architecture) whose figures are shown; empty: its own.
        derived: names of the fields that are not the entry's own statement but follow from the architecture or twin.
        format: `hub` (TensorFlow 1 module), `saved_model_2` or `saved_model`.
        dataset: what it was trained on; `network`: its architecture; both in the words of its page.
        licence: of the weights.
        year: of a claim.
        public_weights: whether anybody can have the weights.
        reproduced: whether anybody but the authors got this accuracy.
        note: what else must be known.
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


BUILTIN = "builtin:efficientnet-lite0"
_BUILTIN_TWIN = "tf_efficientnet_lite0.in1k"


@lru_cache(maxsize=1)
def everything() -> tuple[Model, ...]:
    """All that is known: what headstart carries, TensorFlow Hub, timm's ImageNet table, the papers' claims."""
    timm = tuple(
        Model(
            name=name,
            source="timm",
            kind="classification",
            input_size=_whole(size),
            dim=_whole(dim),
            classes=1000,
            params_m=_number(params),
            gmacs=_number(gmacs),
            top1=_number(top1),
            top5=_number(top5),
            real_top1=_number(real),
            derived=tuple(derived.split()),
            publisher="timm",
            format="pytorch",
            dataset="imagenet-1k",
        )
        for name, size, dim, params, gmacs, top1, top5, real, derived in _rows("imagenet")
    )
    return (_builtin({model.name: model for model in timm}[_BUILTIN_TWIN]), *_hub(), *timm, *_claims())


def sources() -> dict[str, dict[str, str]]:
    """Name of a table -> `source`, `date` and `note` of its figures."""
    found: dict[str, dict[str, str]] = json.loads((TABLES / "sources.json").read_text("utf-8"))
    return found


def _builtin(twin: Model) -> Model:
    return Model(
        name=BUILTIN,
        source="builtin",
        kind="classification",
        handle=BUILTIN,
        input_size=224,
        dim=1280,
        classes=1000,
        params_m=4.652008,
        gmacs=twin.gmacs,
        top1=twin.top1,
        top5=twin.top5,
        real_top1=twin.real_top1,
        figures_from=twin.name,
        derived=("gmacs", "top1", "top5", "real_top1"),
        publisher="headstart",
        dataset="imagenet-1k",
        network="efficientnet-lite0",
        licence="Apache-2.0",
    )


def _hub() -> tuple[Model, ...]:
    return tuple(
        Model(
            name=name,
            source="tfhub",
            kind=kind,
            handle=handle,
            kaggle=kaggle,
            input_size=_whole(size),
            dim=_whole(dim),
            classes=_whole(classes),
            params_m=_number(params),
            gmacs=_number(gmacs),
            top1=_number(top1),
            top5=_number(top5),
            real_top1=_number(real),
            figures_from=twin,
            derived=tuple(derived.split()),
            publisher=publisher,
            format=form,
            dataset=dataset,
            network=network,
            note=note,
        )
        for (
            name, handle, kaggle, kind, size, dim, classes, params, gmacs, top1, top5, real, twin, derived, publisher,
            form, dataset, network, note,
        ) in _rows("tfhub")
    )  # fmt: skip


def _claims() -> tuple[Model, ...]:
    return tuple(
        Model(
            name=name,
            source="claim",
            kind="classification",
            classes=1000,
            top1=_number(top1),
            dataset="imagenet-1k",
            year=_whole(year),
            public_weights=public == "yes",
            reproduced=reproduced == "yes",
            note=note,
        )
        for name, top1, year, public, reproduced, note in _rows("claims")
    )


def _rows(table: str) -> list[list[str]]:
    with (TABLES / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]


def _whole(text: str) -> int | None:
    return int(text) if text else None


def _number(text: str) -> float | None:
    return float(text) if text else None
