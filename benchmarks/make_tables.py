"""Write the catalogue's tables (`headstart/backbones/catalogue/tables`) from the facts in `../shared/facts`.

    python benchmarks/make_tables.py [--facts DIR] [--output DIR]

The tables are joined here and not at run time, so that every figure is in a table and can be read there.

A *twin* of a TensorFlow Hub model is a row of the ImageNet table with exactly the same architecture and width. It
provides:

- parameters and multiply-accumulates (GMACs), if architecture and input size are equal; parameters alone also at
  another input size, if the model is convolutional to the end (`any_size`). A classifier with other than 1,000
  classes is counted with its own last layer, `(classes - 1000) * (dim + 1)` parameters more; if its classes are not
  stated, nothing is taken from the twin.
- accuracy, only from a twin with the same pre-training data and a comparable recipe (`tags`, best first, chosen by
  what the model's page says: AutoAugment for EfficientNet, ImageNet-22k then 1k for Swin base and large, ...), and
  only at the same input size, or if the model takes any size (BiT). If the only twins were trained ten times as long
  (`ra4_e3600`, `a1h`: 4 to 5 points above the original), the accuracy stays unknown.
- the feature dimension, from the model of the same architecture that states it.

TF-Slim's ResNets (`google/imagenet/resnet_v*`) have the stride in the last unit of a stage, their twins in the first:
the same parameters, but fewer GMACs, so GMACs are not taken from the twin.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
FACTS = ROOT.parent / "shared" / "facts"
TABLES = ROOT / "src" / "headstart" / "backbones" / "catalogue" / "tables"
HUB = "https://tfhub.dev/"

SOURCES = {
    "tfhub": {
        "source": "public model pages of TensorFlow Hub",
        "date": "2024",
        "note": "Empty = not stated there. TensorFlow Hub's addresses now lead to Kaggle.",
    },
    "imagenet": {
        "source": "figures published by the timm project",
        "date": "August 2026 (accuracies last changed October 2025)",
        "note": "ImageNet-1k validation set: top-1, top-5 and ReaL top-1; GMACs at the input size.",
    },
    "claims": {
        "source": "the papers' own claims",
        "date": "2022 to 2024, each with its year",
        "note": "Models whose weights are not public.",
    },
    "builtin": {
        "source": "headstart itself",
        "date": "with this version",
        "note": "Parameters counted in the weights that are shipped.",
    },
}

HUB_COLUMNS = (
    "name", "handle", "kaggle", "kind", "input_size", "dim", "classes", "params_m", "gmacs", "top1", "top5",
    "real_top1", "figures_from", "derived", "publisher", "format", "dataset", "network", "note",
)  # fmt: skip
IMAGENET_COLUMNS = ("name", "input_size", "dim", "params_m", "gmacs", "top1", "top5", "real_top1", "derived")
CLAIM_COLUMNS = ("name", "top1", "year", "public_weights", "reproduced", "note")
ACCURACY = ("top1", "top5", "real_top1")


class Rule(NamedTuple):
    """The architecture of the addresses that match `pattern` (without host and version).

    Attributes:
        pattern: regular expression for the whole address.
        architecture: the twin's name before the dot; `{0}`, `{1}`: the pattern's groups.
        tags: possible parts after the dot, best first.
        no_accuracy: why the twin's accuracy does not apply; empty: it does.
        gmacs: whether the twin's multiply-accumulates apply at the same input size.
        any_size: whether the twin's parameters apply at another input size.
    """

    pattern: str
    architecture: str
    tags: str
    no_accuracy: str = ""
    gmacs: bool = True
    any_size: bool = False


class Join(NamedTuple):
    """What a model takes from its twin."""

    architecture: str
    twin: dict[str, str]
    gmacs: bool
    accuracy: bool
    no_accuracy: str


LONGER = "its twin was trained by a much longer recipe"
OTHER_SIZE = "its twin takes other input sizes"
OTHER_DATA = "its twin was trained on other data"
_SIZES = {"s": "small", "b": "base", "l": "large"}
#: The first rule that matches applies.
RULES = (
    Rule(r"google/imagenet/mobilenet_v1_100_\d+/.*", "mobilenetv1_100", "ra4_e3600_r224_in1k", LONGER, any_size=True),
    Rule(r"google/imagenet/mobilenet_v2_(100|140)_\d+/.*", "mobilenetv2_{0}", "ra_in1k", any_size=True),
    Rule(r"google/imagenet/mobilenet_v2_050_\d+/.*", "mobilenetv2_050", "lamb_in1k", any_size=True),
    Rule(r"google/tf2-preview/mobilenet_v2/.*", "mobilenetv2_100", "ra_in1k"),  # its page says width 1.0
    Rule(r"google/imagenet/mobilenet_v3_(large|small)_(075|100)_224/.*", "tf_mobilenetv3_{0}_{1}", "in1k"),
    Rule(r"google/edgetpu/vision/mobilenet-edgetpu-v2.*/m", "mobilenet_edgetpu_v2_m", "ra4_e3600_r224_in1k", LONGER),
    Rule(r"google/(?:imagenet|tf2-preview)/inception_v3/.*", "inception_v3", "tf_in1k"),
    Rule(r"google/inaturalist/inception_v3/.*", "inception_v3", "tf_in1k", OTHER_DATA),
    Rule(r"google/imagenet/inception_resnet_v2/.*", "inception_resnet_v2", "tf_in1k"),
    Rule(r"google/imagenet/nasnet_large/.*", "nasnetalarge", "tf_in1k"),
    Rule(r"google/imagenet/pnasnet_large/.*", "pnasnet5large", "tf_in1k"),
    Rule(r"google/imagenet/resnet_v1_(50|101|152)/.*", "resnet{0}", "tv_in1k", gmacs=False),
    Rule(r"google/imagenet/resnet_v2_(50|101)/.*", "resnetv2_{0}", "a1h_in1k", LONGER, gmacs=False),
    Rule(r"tensorflow/resnet_50/.*", "resnet50", "tv_in1k"),
    Rule(r"google/bit/m-r(\d+x\d)/ilsvrc2012_.*", "resnetv2_{0}_bit", "goog_in21k_ft_in1k", any_size=True),
    Rule(r"google/bit/[ms]-r(\d+x\d)(?:/.*)?", "resnetv2_{0}_bit", "goog_in21k_ft_in1k", OTHER_DATA, any_size=True),
    Rule(r"google/experts/bit/r(50x1)/.*", "resnetv2_{0}_bit", "goog_in21k_ft_in1k", OTHER_DATA, any_size=True),
    Rule(
        r"sayakpaul/bit_r(?:esnet)?152x2_.*",
        "resnetv2_152x2_bit",
        "goog_teacher_in21k_ft_in1k goog_teacher_in21k_ft_in1k_384",
    ),
    Rule(r"sayakpaul/distill_bit_r(?:esnet)?50x1_.*", "resnetv2_50x1_bit", "goog_distilled_in1k", any_size=True),
    Rule(r"(?:google|tensorflow)/efficientnet/(b[0-7])/.*", "tf_efficientnet_{0}", "aa_in1k"),
    Rule(r"tensorflow/efficientnet/(lite[0-4])/.*", "tf_efficientnet_{0}", "in1k"),
    Rule(r"google/imagenet/efficientnet_v2_imagenet1k_(\w+)/.*", "tf_efficientnetv2_{0}", "in1k"),
    Rule(r"google/imagenet/efficientnet_v2_imagenet21k_ft1k_(\w+)/.*", "tf_efficientnetv2_{0}", "in21k_ft_in1k"),
    Rule(r"google/imagenet/efficientnet_v2_imagenet21k_(\w+)/.*", "tf_efficientnetv2_{0}", "in21k_ft_in1k", OTHER_DATA),
    Rule(r"sayakpaul/(cait_\w+?_\d+)(?:_fe)?", "{0}", "fb_dist_in1k"),
    Rule(r"sayakpaul/convnext_([a-z]+)_1k_.*", "convnext_{0}", "fb_in1k", any_size=True),
    Rule(r"sayakpaul/convnext_([a-z]+)_21k_1k_.*", "convnext_{0}", "fb_in22k_ft_in1k fb_in22k_ft_in1k_384"),
    Rule(r"sayakpaul/convnext_([a-z]+)_21k_224.*", "convnext_{0}", "fb_in22k_ft_in1k", OTHER_DATA),
    Rule(r"sayakpaul/(deit_\w+?_\d+)(?:_fe)?", "{0}", "fb_in1k"),
    Rule(r"sayakpaul/mixer_(b16|l16)_i1k_.*", "mixer_{0}_224", "goog_in21k_ft_in1k"),
    Rule(r"sayakpaul/mixer_(b16|l16)_.*", "mixer_{0}_224", "goog_in21k_ft_in1k", OTHER_DATA),
    Rule(r"sayakpaul/(swin_(?:base|large)_\w+?)_in22k(?:_fe)?", "{0}", "ms_in22k_ft_in1k", OTHER_DATA),
    Rule(r"sayakpaul/(swin_(?:base|large)_\w+?)(?:_fe)?", "{0}", "ms_in22k_ft_in1k"),
    Rule(r"sayakpaul/(swin_(?:tiny|small|s3)_\w+?)(?:_fe)?", "{0}", "ms_in1k"),
    Rule(r"sayakpaul/vit_r26_s32_lightaug_.*", "vit_small_r26_s32_224", "augreg_in21k_ft_in1k"),
    Rule(
        r"sayakpaul/vit_r26_s32_medaug_.*",
        "vit_small_r26_s32_224",
        "augreg_in21k_ft_in1k",
        "its twin was trained with lighter augmentation",
    ),
    Rule(r"sayakpaul/vit_r50_l32_.*", "vit_large_r50_s32_224", "augreg_in21k_ft_in1k"),
    *(
        Rule(rf"sayakpaul/vit_{s}(\d+)_.*", f"vit_{w}_patch{{0}}_224", "augreg_in21k_ft_in1k")
        for s, w in _SIZES.items()
    ),
    # The collection's own table gives the distilled figures, its files are called `_dist`.
    Rule(r"rishit-dagli/(xcit_\w+?_p\d+_\d+)(?:_fe)?", "{0}", "fb_dist_in1k"),
    Rule(r"rishit-dagli/convmixer-1024-20(?:-fe)?", "convmixer_1024_20_ks9_p14", "in1k"),
    Rule(r"rishit-dagli/convmixer-1536-20(?:-fe)?", "convmixer_1536_20", "in1k"),
    Rule(r"rishit-dagli/convmixer-768-32(?:-fe)?", "convmixer_768_32", "in1k"),
    Rule(r"rishit-dagli/tnt-s", "tnt_s_patch16_224", "in1k"),
    Rule(r"sayannath/mobilevit_(s|xs|xxs)_1k_256(?:_fe)?", "mobilevit_{0}", "cvnets_in1k"),
    Rule(r"adityakane2001/regnety(\d)00mf_.*", "regnety_00{0}", "pycls_in1k"),
)


def join(address: str, row: dict[str, str], imagenet: dict[str, list[dict[str, str]]]) -> Join | None:
    """The twin of a Hub model and what applies of it; None: there is none."""
    for rule in RULES:
        match = re.fullmatch(rule.pattern, address)
        if match:
            break
    else:
        return None
    architecture = rule.architecture.format(*match.groups())
    rows, size, tags = imagenet.get(architecture, []), row["input_size"], rule.tags.split()
    tagged = sorted((r for r in rows if _tag(r) in tags), key=lambda r: tags.index(_tag(r)))
    exact = [r for r in tagged if r["image_size"] == size]
    if exact:
        return Join(architecture, exact[0], rule.gmacs, not rule.no_accuracy, rule.no_accuracy)
    # All rows of an architecture at a size have the same figures; the row of the same publisher is named.
    publisher = tags[0].partition("_")[0]
    same_size = sorted((r for r in rows if r["image_size"] == size), key=lambda r: not _tag(r).startswith(publisher))
    if same_size:
        return Join(architecture, same_size[0], rule.gmacs, False, rule.no_accuracy or OTHER_DATA)
    if rule.any_size and rows:
        accuracy = bool(tagged) and not size and not rule.no_accuracy
        return Join(architecture, (tagged or rows)[0], False, accuracy, rule.no_accuracy or OTHER_SIZE)
    return None


def _tag(row: dict[str, str]) -> str:
    return row["model"].partition(".")[2]


def hub_row(row: dict[str, str], joined: Join | None, dims: dict[str, str], twice: set[str]) -> dict[str, Any]:
    """One line of `tfhub.csv`."""
    address, _, _ = row["tfhub_url"].removeprefix(HUB).rpartition("/")
    kind, classes, notes = row["kind"], row["num_classes"], []
    if kind == "classification" and re.search(r"feature[-_]vector|[-_]fe$", row["name"]):
        kind, classes = "feature_vector", ""
        notes.append("its page lists it as a classifier")
    if kind == "classification" and "_ft1k_" in address and classes == "21841":
        notes.append("its page states 21,841 classes, its name says fine-tuned to ImageNet-1k")
        classes = ""
    line = {
        "name": address if row["name"] in twice else row["name"],
        "handle": row["tfhub_url"],
        "kaggle": f"kaggle:{row['kaggle_handle']}" if row["kaggle_handle"] else "",
        "kind": kind,
        "input_size": row["input_size"],
        "dim": row["feature_dim"],
        "classes": classes,
        **{key: row[key] for key in ("publisher", "format", "dataset", "network")},
    }
    derived: dict[str, str] = {}
    if joined:
        if not line["dim"] and joined.architecture in dims:
            derived["dim"] = dims[joined.architecture]
        # Without "ft" or "_1k", 21k and 22k are also the classes of the classifier.
        other_data = re.search(r"2[12]k", address) and not re.search(r"ft1k|_1k_|ilsvrc2012", address)
        if kind != "classification" or classes or not other_data:
            derived |= _figures(joined, kind, classes, line["dim"] or derived.get("dim", ""))
            if joined.accuracy and row["input_size"] != joined.twin["image_size"]:
                notes.append(f"accuracy measured at {joined.twin['image_size']} pixels; the model takes any size")
            if not joined.accuracy:
                notes.append(f"no accuracy is known: {joined.no_accuracy}")
    line |= derived
    line["figures_from"] = joined.twin["model"] if joined and "params_m" in derived else ""
    line["derived"] = " ".join(derived)
    line["note"] = "; ".join(notes)
    return line


def _figures(joined: Join, kind: str, classes: str, dim: str) -> dict[str, str]:
    """Parameters, GMACs and accuracy that apply."""
    more = int(classes) - 1000 if kind == "classification" and classes not in ("", "1000", "1001") else 0
    figures = {}
    figures["params_m"] = f"{float(joined.twin['params_m']) + more * (int(dim or 0) + 1) / 1e6:.2f}"
    if joined.gmacs:
        figures["gmacs"] = f"{float(joined.twin['gmacs']) + more * int(dim or 0) / 1e9:.2f}"
    if joined.accuracy and not more:
        figures |= {key: joined.twin[key] for key in ACCURACY}
    return figures


def tables(facts: Path) -> dict[str, tuple[tuple[str, ...], list[dict[str, Any]]]]:
    """File name -> columns and lines."""
    hub = [{**row, "input_size": _side(row["input_size"])} for row in _read(facts / "tfhub.csv")]
    published = _read(facts / "imagenet.csv")
    imagenet: dict[str, list[dict[str, str]]] = {}
    for row in published:
        imagenet.setdefault(row["model"].partition(".")[0], []).append(row)
    joins = [join(row["tfhub_url"].removeprefix(HUB).rpartition("/")[0], row, imagenet) for row in hub]
    dims: dict[str, str] = {}
    for row, joined in zip(hub, joins, strict=True):
        if (
            joined
            and row["feature_dim"]
            and dims.setdefault(joined.architecture, row["feature_dim"]) != row["feature_dim"]
        ):
            raise SystemExit(f"{row['name']}: {joined.architecture} has two feature dimensions: the join is wrong")
    names = [row["name"] for row in hub]
    twice = {name for name in names if names.count(name) > 1}
    timm = [
        {
            **{key: row[key] for key in ("params_m", "gmacs", *ACCURACY)},
            "name": row["model"],
            "input_size": row["image_size"],
            "dim": dims.get(row["model"].partition(".")[0], ""),
            "derived": "dim" if row["model"].partition(".")[0] in dims else "",
        }
        for row in published
    ]
    claims = [{**row, "name": row["model"], "note": row["source"]} for row in _read(facts / "imagenet_claims.csv")]
    lines = [hub_row(row, joined, dims, twice) for row, joined in zip(hub, joins, strict=True)]
    return {
        "tfhub.csv": (HUB_COLUMNS, lines),
        "imagenet.csv": (IMAGENET_COLUMNS, timm),
        "claims.csv": (CLAIM_COLUMNS, claims),
    }


def _side(size: str) -> str:
    height, _, width = size.partition("x")
    if height != width:
        raise SystemExit(f"{size}: the tables have square inputs only")
    return height


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the catalogue's tables.")
    parser.add_argument("--facts", type=Path, default=FACTS)
    parser.add_argument("--output", type=Path, default=TABLES)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name, (columns, lines) in tables(arguments.facts).items():
        with (arguments.output / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(lines)
    (arguments.output / "sources.json").write_text(json.dumps(SOURCES, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
