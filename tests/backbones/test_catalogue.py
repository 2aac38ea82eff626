"""The catalogue: what stands in the tables, who is whose twin, names and addresses."""

from __future__ import annotations

import ast
import csv
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from headstart import backbones
from headstart.backbones import builtin, catalogue
from headstart.errors import BackboneError

ROOT = Path(__file__).resolve().parents[2]
TABLES = ROOT / "src" / "headstart" / "backbones" / "catalogue" / "tables"
MOBILENET = "imagenet/mobilenet_v2_100_224/feature_vector"
HUB = f"https://tfhub.dev/google/{MOBILENET}/5"
KAGGLE = "kaggle:google/mobilenet-v2/tensorFlow2/100-224-feature-vector/2"


def hub(address: str) -> catalogue.Model:
    model = catalogue.by_handle(f"tfhub:{address}")
    assert model is not None, address
    return model


@pytest.mark.usefixtures("facts")
def test_the_tables_are_what_the_script_writes(tmp_path: Path) -> None:
    script = [sys.executable, str(ROOT / "benchmarks" / "make_tables.py"), "--output", str(tmp_path)]
    subprocess.run(script, check=True)
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == sorted(path.name for path in TABLES.iterdir())
    for name in written:
        assert (tmp_path / name).read_bytes() == (TABLES / name).read_bytes(), f"{name}: run benchmarks/make_tables.py"


def test_every_fact_is_in_the_catalogue(facts: Path) -> None:
    def lines(name: str) -> list[dict[str, str]]:
        with (facts / name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    timm = {(m.name, m.input_size): m for m in catalogue.everything() if m.source == "timm"}
    for row in lines("imagenet.csv"):
        model = timm.pop((row["model"], int(row["image_size"])))
        own = (model.top1, model.top5, model.real_top1, model.params_m, model.gmacs)
        assert own == tuple(float(row[k]) for k in ("top1", "top5", "real_top1", "params_m", "gmacs"))
    assert not timm
    models = {m.handle: m for m in catalogue.everything() if m.source == "tfhub"}
    for row in lines("tfhub.csv"):
        model = models.pop(row["tfhub_url"])
        assert model.kaggle == (f"kaggle:{row['kaggle_handle']}" if row["kaggle_handle"] else "")
        if row["feature_dim"]:
            assert (model.dim, "dim" in model.derived) == (int(row["feature_dim"]), False)
    assert not models
    assert [m.top1 for m in catalogue.search(source="claim")] == [93.6, 92.4, 91.1, 91.0, 90.94]


#: Address, twin, million parameters, GMACs, top-1; "-": does not carry over.
PAIRS = """
google/imagenet/mobilenet_v2_100_224/feature_vector mobilenetv2_100.ra_in1k 3.5 0.31 72.91
google/imagenet/mobilenet_v2_140_224/classification mobilenetv2_140.ra_in1k 6.11 0.6 76.528
google/imagenet/mobilenet_v2_050_224/feature_vector mobilenetv2_050.lamb_in1k 1.97 0.1 65.928
google/imagenet/mobilenet_v2_100_160/feature_vector mobilenetv2_100.ra_in1k 3.5 - -
google/tf2-preview/mobilenet_v2/classification mobilenetv2_100.ra_in1k 3.5 0.31 72.91
google/imagenet/mobilenet_v1_100_224/classification mobilenetv1_100.ra4_e3600_r224_in1k 4.23 0.58 -
google/imagenet/mobilenet_v3_large_075_224/feature_vector tf_mobilenetv3_large_075.in1k 3.99 0.16 73.442
google/imagenet/inception_v3/classification inception_v3.tf_in1k 23.83 5.73 77.866
google/inaturalist/inception_v3/feature_vector inception_v3.tf_in1k 23.83 5.73 -
google/imagenet/inception_resnet_v2/classification inception_resnet_v2.tf_in1k 55.84 13.18 80.434
google/imagenet/nasnet_large/feature_vector nasnetalarge.tf_in1k 88.75 23.89 82.638
google/imagenet/pnasnet_large/classification pnasnet5large.tf_in1k 86.06 25.04 82.814
google/imagenet/resnet_v1_50/feature_vector resnet50.tv_in1k 25.56 - 76.156
google/imagenet/resnet_v2_50/feature_vector resnetv2_50.a1h_in1k 25.55 - -
tensorflow/resnet_50/classification resnet50.tv_in1k 25.56 4.11 76.156
google/bit/m-r50x1/ilsvrc2012_classification resnetv2_50x1_bit.goog_in21k_ft_in1k 25.55 - 80.386
google/bit/s-r50x1/ilsvrc2012_classification resnetv2_50x1_bit.goog_in21k_ft_in1k 25.55 - -
google/bit/m-r101x1/imagenet21k_classification resnetv2_101x1_bit.goog_in21k_ft_in1k 87.25 - -
google/experts/bit/r50x1/in21k/bird resnetv2_50x1_bit.goog_in21k_ft_in1k 25.55 - -
sayakpaul/bit_resnet152x2_384_classification resnetv2_152x2_bit.goog_teacher_in21k_ft_in1k_384 236.34 136.16 83.858
google/efficientnet/b0/classification tf_efficientnet_b0.aa_in1k 5.29 0.4 76.882
tensorflow/efficientnet/b7/feature-vector tf_efficientnet_b7.aa_in1k 66.35 38.33 84.424
tensorflow/efficientnet/lite0/feature-vector tf_efficientnet_lite0.in1k 4.65 0.4 74.846
google/imagenet/efficientnet_v2_imagenet1k_b0/feature_vector tf_efficientnetv2_b0.in1k 7.14 0.73 78.386
google/imagenet/efficientnet_v2_imagenet21k_ft1k_s/feature_vector tf_efficientnetv2_s.in21k_ft_in1k 21.46 8.44 84.332
google/imagenet/efficientnet_v2_imagenet21k_ft1k_b0/feature_vector tf_efficientnetv2_b0.in1k 7.14 0.73 -
google/imagenet/efficientnet_v2_imagenet21k_b0/classification tf_efficientnetv2_b0.in1k 33.84 0.76 -
sayakpaul/vit_b16_fe vit_base_patch16_224.augreg_in21k_ft_in1k 86.57 17.58 84.534
sayakpaul/deit_tiny_distilled_patch16_224 deit_tiny_distilled_patch16_224.fb_in1k 5.91 1.27 74.538
sayakpaul/swin_base_patch4_window7_224 swin_base_patch4_window7_224.ms_in22k_ft_in1k 87.77 15.47 85.276
sayakpaul/swin_base_patch4_window7_224_in22k_fe swin_base_patch4_window7_224.ms_in22k_ft_in1k 87.77 15.47 -
sayakpaul/swin_tiny_patch4_window7_224 swin_tiny_patch4_window7_224.ms_in1k 28.29 4.51 81.388
sayakpaul/convnext_tiny_1k_224_fe convnext_tiny.fb_in1k 28.59 4.47 82.066
sayakpaul/convnext_base_21k_1k_384 convnext_base.fb_in22k_ft_in1k_384 88.59 45.21 86.826
sayakpaul/cait_xxs24_224_fe cait_xxs24_224.fb_dist_in1k 11.96 2.53 78.4
rishit-dagli/xcit_small_12_p16_224 xcit_small_12_p16_224.fb_dist_in1k 26.25 4.82 83.354
sayakpaul/mixer_b16_sam_fe mixer_b16_224.goog_in21k_ft_in1k 59.88 12.62 -
sayannath/mobilevit_xs_1k_256_fe mobilevit_xs.cvnets_in1k 2.32 1.05 74.618
adityakane2001/regnety800mf_classification regnety_008.pycls_in1k 6.26 0.81 76.334
rishit-dagli/convmixer-768-32 convmixer_768_32.in1k 21.11 19.55 80.158
"""


@pytest.mark.parametrize("pair", PAIRS.strip().splitlines(), ids=lambda pair: pair.split()[0])
def test_a_hub_model_shows_the_figures_of_its_twin(pair: str) -> None:
    address, twin, *figures = pair.split()
    params, gmacs, top1 = (None if figure == "-" else float(figure) for figure in figures)
    model = hub(address)
    assert (model.figures_from, model.params_m, model.gmacs, model.top1) == (twin, params, gmacs, top1)
    carried = {"params_m": params, "gmacs": gmacs, "top1": top1}
    assert {f for f in carried if f in model.derived} == {f for f, value in carried.items() if value is not None}
    assert model.note.startswith("no accuracy is known: its twin ") == (top1 is None)


@pytest.mark.parametrize(
    "address",
    [
        "google/imagenet/mobilenet_v2_035_224/feature_vector",  # no twin of this width
        "google/imagenet/mobilenet_v2_075_224/feature_vector",
        "google/imagenet/mobilenet_v2_130_224/feature_vector",
        "google/imagenet/mobilenet_v1_050_224/feature_vector",
        "google/imagenet/resnet_v2_152/feature_vector",  # the only one with 152 layers is BiT: another architecture
        "google/imagenet/inception_v1/feature_vector",
        "google/imagenet/inception_v2/feature_vector",
        "google/imagenet/nasnet_mobile/feature_vector",
        "google/imagenet/amoebanet_a_n18_f448/classification",
        "google/aiy/vision/classifier/birds_V1",  # width not stated
        "google/cropnet/feature_vector/imagenet",
        "google/supcon/resnet_v1_50/imagenet/classification",  # two heads
        "google/remote_sensing/eurosat-ms-resnet50",
        "google/edgetpu/vision/mobilenet-edgetpu-v2/s",
        "vtab/sup-100",
        "rishit-dagli/swin-transformer",  # CIFAR-100, 32 pixels
        "sayakpaul/mixer_b32_sam_fe",
        "sayakpaul/convnext_base_21k_224",  # the number of classes is not stated
        "sayakpaul/swin_large_patch4_window12_384_in22k",
        "svampeatlas/vision/embedder/fungi_V2",
    ],
)
def test_what_has_no_true_twin_shows_no_figures(address: str) -> None:
    model = hub(address)
    assert (model.figures_from, model.params_m, model.gmacs, model.top1) == ("", None, None, None)


def test_quantised_twins_and_other_input_sizes_carry_no_accuracy() -> None:
    assert {model.top1 for model in catalogue.search(["quantops"])} == {None}
    found = catalogue.search(["mobilenet_v2_100"], source="tfhub")
    figures = Counter((model.input_size, model.top1, model.gmacs, model.params_m) for model in found)
    assert figures == {(224, 72.91, 0.31, 3.5): 2, **{(size, None, None, 3.5): 2 for size in (96, 128, 160, 192)}}


def test_a_figure_that_is_not_its_own_is_marked_and_its_twin_exists() -> None:
    timm = {m.name for m in catalogue.everything() if m.source == "timm"}
    for model in catalogue.everything():
        if model.source != "tfhub":
            continue
        figures = {f for f in ("params_m", "gmacs", "top1", "top5", "real_top1") if getattr(model, f) is not None}
        assert figures <= set(model.derived), model.name
        assert bool(figures) == (model.figures_from in timm) == (model.figures_from != ""), model.name


def test_the_built_in_network_is_as_its_card_says() -> None:
    model = catalogue.by_handle(backbones.DEFAULT)
    card = builtin.card("float32")
    assert model is not None
    assert (model.dim, model.classes, model.licence) == (card.dim, card.classes, card.licence)
    assert model.input_size == card.view.width
    parameters = sum(
        w.size for name, w in builtin.read_weights().items() if "running" not in name and "num_b" not in name
    )
    assert model.params_m == parameters / 1e6
    assert (model.top1, model.gmacs, model.figures_from) == (74.846, 0.4, "tf_efficientnet_lite0.in1k")


@pytest.mark.parametrize(
    "handle",
    [
        HUB, HUB + "/", HUB.removesuffix("/5"), f"tfhub:google/{MOBILENET}/5", f"tfhub:google/{MOBILENET}/",
        HUB + "?tf-hub-format=compressed", KAGGLE, KAGGLE.removesuffix("/2"), KAGGLE.lower(),
    ],
)  # fmt: skip
def test_a_model_is_found_by_either_address(handle: str) -> None:
    model = catalogue.by_handle(handle)
    assert model is not None
    assert model.name == MOBILENET
    assert catalogue.other_address(handle) == (HUB if handle.startswith("kaggle") else KAGGLE)


def test_another_version_is_another_model_whose_other_address_has_no_version() -> None:
    assert catalogue.by_handle(f"tfhub:google/{MOBILENET}/4") is None
    assert catalogue.other_address(f"tfhub:google/{MOBILENET}/4") == KAGGLE.removesuffix("/2")
    assert catalogue.other_address(KAGGLE[:-1] + "1") == HUB


def test_what_is_not_in_the_catalogue_has_no_address() -> None:
    assert catalogue.by_handle("tfhub:google/no/such/1") is None
    assert catalogue.other_address("tfhub:google/no/such/1") == ""
    assert catalogue.other_address(backbones.DEFAULT) == ""
    assert catalogue.by_handle("") is None


@pytest.mark.parametrize(
    ("name", "handle"),
    [
        (MOBILENET, HUB),
        (MOBILENET.upper(), HUB),
        (f"google/{MOBILENET}", HUB),
        (f"google/{MOBILENET}/5", HUB),
        ("mobilenet-v2-100-224/feature-vector", HUB),
        (HUB, HUB),
        ("rotation", "https://tfhub.dev/vtab/rotation/1"),  # though others contain the word
        ("tensorflow/efficientnet/b0/classification", "https://tfhub.dev/tensorflow/efficientnet/b0/classification/1"),
        ("efficientnet-lite0", backbones.DEFAULT),
    ],
)
def test_a_name_that_is_unique_becomes_its_handle(name: str, handle: str) -> None:
    assert catalogue.resolve(name) == handle


def test_every_name_that_can_be_loaded_becomes_its_own_handle(monkeypatch: pytest.MonkeyPatch) -> None:
    called = {id(model): catalogue._called(model) for model in catalogue.everything()}  # once, not once for each name
    monkeypatch.setattr(catalogue, "_called", lambda model: called[id(model)])
    for model in catalogue.everything():
        if model.handle:
            assert catalogue.resolve(model.name) == model.handle
        else:
            with pytest.raises(BackboneError, match="cannot be loaded"):
                catalogue.resolve(model.name)


def test_a_name_that_fits_many_lists_some_and_how_to_see_all() -> None:
    many = len({m.name for m in catalogue.search(["mobilenet_v2"])})
    with pytest.raises(BackboneError) as caught:
        catalogue.resolve("mobilenet_v2")
    first, second, third = str(caught.value).splitlines()
    assert first == "No backbone is called 'mobilenet_v2'."
    assert second.startswith(
        "Expected a handle such as 'builtin:efficientnet-lite0', or a name that is unique in the catalogue; "
        f"'mobilenet_v2' matches {many}: "
    )
    assert second.endswith(f" and {many - 8} more.")
    assert third == "List them with: headstart models mobilenet_v2"
    with pytest.raises(BackboneError, match=r"matches 2: google/efficientnet/b0/.*tion, tensorflow/eff.*cation\."):
        catalogue.resolve("efficientnet/b0/classification")


def test_a_name_that_fits_none_gets_a_suggestion() -> None:
    with pytest.raises(BackboneError, match=r"'mobilnet'\. Did you mean mobilenet"):
        catalogue.resolve("mobilnet")
    with pytest.raises(BackboneError, match=r"'qqqqqqqq'\.\n"):
        catalogue.resolve("qqqqqqqq")


def test_a_timm_name_says_how_to_use_it() -> None:
    with pytest.raises(BackboneError, match=r"resnet50\.a1_in1k cannot be loaded as it is.*PyTorch(.|\n)*ONNX"):
        catalogue.resolve("resnet50.a1_in1k")


def test_names_match_as_people_type_them() -> None:
    found = catalogue.search(["mobilenet_v2"])
    assert {m.source for m in found} == {"tfhub", "timm"}
    for word in ("mobilenet-v2", "mobilenetv2", "MobileNet V2"):
        assert catalogue.search([word]) == found


def test_all_words_must_match_and_none_of_the_unwanted() -> None:
    found = catalogue.search(["google", "b0", "feature"], without=["v2"])
    assert [m.name for m in found] == ["google/efficientnet/b0/feature-vector"]


def test_limits_hold_and_what_is_unknown_is_left_out() -> None:
    found = catalogue.search(max_params=5, max_gmacs=0.4)
    assert found
    assert all(m.params_m is not None and m.params_m <= 5 for m in found)
    assert all(m.gmacs is not None and m.gmacs <= 0.4 for m in found)
    assert catalogue.search(["efficientnet_b0.ra_in1k"], max_params=5.29)  # "at most", not "less than"


def test_the_most_accurate_come_first_and_the_unknown_last() -> None:
    top1 = [m.top1 for m in catalogue.search(["mobilenet"])]
    known = [x for x in top1 if x is not None]
    assert known == sorted(known, reverse=True)
    assert top1 == known + [None] * (len(top1) - len(known))
    params = [m.params_m or 1e9 for m in catalogue.search(["resnet"], sort="params")]
    assert params == sorted(params)
    assert params[-1] == 1e9, "the unknown come last"
    names = [m.name.lower() for m in catalogue.search(sort="name")]
    assert names == sorted(names)


def test_claims_are_shown_only_when_asked_for() -> None:
    assert all(m.source != "claim" for m in catalogue.search())
    assert {m.public_weights for m in catalogue.search(source="claim")} == {False}


def test_the_best_is_told_with_public_weights_by_name_and_as_claimed() -> None:
    best = catalogue.best()
    assert best.public is not None
    assert best.loadable is not None
    assert best.public.top1 == max(m.top1 or 0 for m in catalogue.everything() if m.public_weights)
    assert catalogue.resolve(best.loadable.name) == best.loadable.handle
    assert next(m.name for m in best.claimed) == "OmniVec2"
    equal = catalogue.best(max_params=10).loadable
    assert equal is not None
    assert equal.name == "tensorflow/efficientnet/b2/classification", "not Google's: a TensorFlow 1 module"
    small = catalogue.best(max_params=5)
    assert small.loadable is not None
    assert small.loadable.name == backbones.DEFAULT
    assert small.claimed == ()
    assert catalogue.best(max_params=0.001) == catalogue.Best(None, None, ())


def test_every_table_has_its_source_and_date() -> None:
    known = catalogue.sources()
    for model in catalogue.everything():
        entry = known[catalogue.TABLE_OF[model.source]]
        assert entry["source"]
        assert entry["date"]
    assert json.loads((TABLES / "sources.json").read_text("utf-8")) == known


def test_the_catalogue_itself_imports_nothing_heavy() -> None:
    for name in ("catalogue/__init__", "catalogue/facts", "catalogue/usable", "hints", "pages", "ranges/feeds"):
        tree = ast.parse((TABLES.parents[1] / f"{name}.py").read_text("utf-8"))
        modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        ours = {m for m in modules if m and m.startswith("headstart")}
        rooms = ("catalogue", "catalogue.facts", "hints", "pages", "ranges.feeds")
        assert ours <= {"headstart.errors", "headstart.safety", *(f"headstart.backbones.{room}" for room in rooms)}
        assert all(m in sys.stdlib_module_names for m in (str(m).split(".")[0] for m in modules - ours))
