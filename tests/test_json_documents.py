"""Every command's `--json` document is what docs/json.schema.json describes, and docs/json.md names every key."""

from __future__ import annotations

import copy
import io
import json
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from fakes import given_away, spoilt_photos
from headstart.apps.cli.commands import app
from headstart.photos.samples import find
from hub_server import MODEL, serving, stand_alone, tar

DOCS = Path(__file__).resolve().parents[1] / "docs"
SCHEMA = json.loads((DOCS / "json.schema.json").read_text("utf-8"))
PAGE = (DOCS / "json.md").read_text("utf-8")
COMMANDS = [name.removeprefix("headstart ") for name in SCHEMA["$defs"] if name.startswith("headstart ")]
#: Objects that lists of several documents are made of.
OBJECTS = {"entry", "sample", "catalogued"}
KEYS = set(SCHEMA["$defs"]) - {f"headstart {name}" for name in COMMANDS} - OBJECTS
SAMPLE = "pizza_steak"
Documents = dict[str, list[Any]]


def problems(definition: str, document: Any) -> list[str]:
    """Where a document is not as a definition of the schema says, and why."""
    schema = {"$defs": SCHEMA["$defs"], "$ref": f"#/$defs/{quote(definition)}"}
    found = Draft202012Validator(schema, format_checker=FormatChecker(["date-time", "uri"])).iter_errors(document)
    return [f"{one.json_path}: {one.message[:200]}" for one in found]


def objects(node: Any) -> Iterator[dict[str, Any]]:
    """All objects within a schema or a document, itself included."""
    if isinstance(node, dict):
        yield node
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from objects(inner)


# --- the schema and the page ---


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_a_key_has_one_meaning_and_no_object_admits_others() -> None:
    for one in objects(SCHEMA):
        for name, described in one.get("properties", {}).items():
            assert described["$ref"] == f"#/$defs/{name}"
        assert "properties" not in one or one["additionalProperties"] is False


def test_the_page_explains_every_key_as_the_schema_does() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE, re.MULTILINE))
    assert rows == {name: SCHEMA["$defs"][name]["description"] for name in KEYS}


def test_the_page_lists_the_keys_of_every_document() -> None:
    rows = dict(re.findall(r"^\| `headstart ([\w -]+)` \| (.*) \|$", PAGE, re.MULTILINE))
    assert {name: set(re.findall(r"`(\w+)`", keys)) for name, keys in rows.items()} == {
        name: set(SCHEMA["$defs"][f"headstart {name}"]["properties"]) for name in COMMANDS
    }


def test_no_key_is_described_that_nothing_has() -> None:
    used = {name for one in objects(SCHEMA) for name in one.get("properties", {})}
    assert used == KEYS


def test_every_command_with_json_has_a_document() -> None:
    from click import Command, Group

    def walk(group: Group, before: str) -> Iterator[str]:
        for name, one in group.commands.items():
            if isinstance(one, Group):
                yield from walk(one, f"{before}{name} ")
            elif isinstance(one, Command) and any("--json" in parameter.opts for parameter in one.params):
                yield before + name

    assert set(walk(app, "")) == {name for name in COMMANDS if name not in ("models --best", "models show")}


# --- real documents ---


@pytest.fixture(scope="module")
def documents(
    tiles: Path, samples: dict[str, Path], graphs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Documents]:
    """Every command run with `--json`, some of them on several inputs: command -> documents."""
    work = tmp_path_factory.mktemp("json")
    with pytest.MonkeyPatch.context() as patch, serving() as hub:
        (work / "home").mkdir()
        (work / "home" / "compiled").symlink_to(graphs / "compiled")
        stand_alone(work, patch)
        patch.setenv("HEADSTART_HOME", str(work / "home"))
        patch.setenv("HEADSTART_SAMPLES_URL", hub.url)
        hub.on(f"/{SAMPLE}.zip", lambda request: request.send(sample()))
        hub.on("/google/net/1", tar(MODEL))
        yield dict(walk(work, tiles, list(samples.values()), hub.url + "/google/net/1"))


def sample() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for side, counts in (("train", find(SAMPLE).train), ("test", find(SAMPLE).test)):
            for label, count in counts.items():
                for number in range(count):
                    opened.writestr(f"{SAMPLE}/{side}/{label}/{number}.jpg", f"{side} {label} {number}")
    return buffer.getvalue()


def run(*arguments: object) -> Any:
    """The document that a command prints; run in this process, which spares half a second each."""
    with pytest.MonkeyPatch.context() as patch:
        printed = io.StringIO()
        patch.setattr("sys.stdout", printed)
        patch.setattr("sys.argv", ["headstart", *map(str, arguments)])
        app([*map(str, arguments), "--json"], standalone_mode=False)
    return json.loads(printed.getvalue())


def walk(work: Path, tiles: Path, photos: list[Path], net: str) -> Iterator[tuple[str, list[Any]]]:
    model, broken = work / "model", work / "broken"
    shutil.copytree(tiles, broken)
    (broken / "train" / "temple" / "empty.jpg").touch()
    colour = toy_backbone(work)
    lite = "builtin:efficientnet-lite0"
    quick_head = ["--head", "centroid"]  # its documents have the keys of those of other heads
    trainings = [
        run("train", tiles / "train", "-o", model, "--learning-curve"),
        run("train", broken, "--head", "knn", "--logdir", work / "runs"),
        run("train", tiles, "--head", "centroid", "--fraction", "0.5", "--view", "crop", "--against", model),
        run("train", tiles / "train", "--head", "centroid", "--view", "auto"),
    ]
    yield (
        "compare",
        [
            run("compare", tiles, "-b", lite, "-b", colour, "-b", "nothing", "--head", "logistic", "--head", "knn"),
            run("compare", tiles / "train", "-b", lite, *quick_head, "--learning-curve", "--logdir", work / "runs"),
            run("compare", *quick(work)),
        ],
    )
    yield "evaluate", [run("evaluate", model, broken), run("evaluate", model, tiles / "train")]
    sort = ["--min-confidence", "0.99", "--copy-to", work / "sorted"]
    yield (
        "predict",
        [
            run("predict", model, broken / "train", "--nearest", "2", "--log", work / "inbox.jsonl"),
            run("predict", model, tiles / "test", *sort),
            run("predict", model, broken / "train", "--on", "local", "-o", work / "classes"),
        ],
    )
    yield "watch", [run("watch", model, tiles / "test", "--once", "--log", work / "inbox.jsonl")]
    temple = broken / "train" / "temple"
    yield "explain", [run("explain", model, temple / "00.png", temple / "empty.jpg", "-o", work / "maps")]
    out = work / "out"
    written = run("export", model, "--to", "onnx,coreml,arrays", "-o", out, "--photos", tiles / "test")
    yield "export", [run("export", model), written, run("export", "--check", out)]
    units = ["--on", "local", "-o"]
    yield (
        "embed",
        [
            run("embed", broken / "train", "-o", work / "vectors.npz"),
            run("embed", broken / "train", *units, work / "vectors"),
        ],
    )
    yield "train", [*trainings, run("train", work / "vectors", *quick_head, "--on", "local", "-o", work / "light")]
    yield "plan", [run("plan", tiles), run("plan", tiles, "--nodes", "2", "--price", "0.5")]
    yield "similar", [run("similar", photos[0], broken / "train")]
    yield "check", [run("check", spoilt_photos(work / "spoilt", tiles)), run("check", given_away(work / "given"))]
    yield "classify", [run("classify", *photos, broken / "train" / "temple" / "empty.jpg")]
    yield "models", [run("models", "resnet", "--limit", "0"), run("models", "--source", "claim", "--max-params", "9M")]
    yield (
        "models --best",
        [run("models", "--best"), run("models", "--best", "--max-params", "10M", "--kind", "feature_vector")],
    )
    yield "models show", [run("models", "show", "resnet50.a1_in1k"), run("models", "show", lite)]
    yield "backbones get", [run("backbones", "get", net)]
    yield "backbones list", [run("backbones", "list")]
    yield "backbones pack", [run("backbones", "pack", net, "-o", work / "packed.tar")]
    yield "backbones unpack", [run("backbones", "unpack", work / "packed.tar")]
    good = run("backbones", "verify")
    next((work / "home").rglob("saved_model.pb")).write_bytes(b"broken")
    yield "backbones verify", [good, run("backbones", "verify")]
    yield "backbones remove", [run("backbones", "remove", net)]
    yield (
        "backbones probe",
        [run("backbones", "probe", colour, tiles), run("backbones", "probe", colour, tiles, "--no-write")],
    )
    yield "samples list", [run("samples", "list")]
    yield "samples get", [run("samples", "get", SAMPLE, work), run("samples", "get", SAMPLE, work)]
    yield "cache info", [run("cache", "info")]
    yield "cache verify", [run("cache", "verify")]
    yield "cache prune", [run("cache", "prune")]
    (work / "home" / "compiled").unlink()  # so that it is not cleared for the other tests
    yield "cache clear", [run("cache", "clear"), run("cache", "clear", "--all")]
    yield "doctor", [run("doctor")]


def toy_backbone(work: Path, number: int = 0) -> Path:
    """Mean colours of a photo's parts, as an OpenVINO file."""
    import openvino as ov

    from toys import model, op, pictures, pooled

    image = pictures(-1, 3, 8 + number, 8)
    path = work / f"colour{number}.xml"
    ov.save_model(model({"features": op.concat([pooled(image)] * 50, 1)}, image), path, compress_to_fp16=False)
    return path


def quick(work: Path) -> list[object]:
    """Arguments of a comparison that ranks first: enough photos and enough backbones for it."""
    from fakes import write_photos

    write_photos(work / "many", {"navy": 50, "red": 50})
    backbones = [word for number in range(4) for word in ("-b", toy_backbone(work, number))]
    return [work / "many", *backbones, "--quick", "--head", "centroid", "--input-range", "0..1"]


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_every_document_is_as_the_schema_says(command: str, documents: Documents) -> None:
    for document in documents[command]:
        assert problems(f"headstart {command}", document) == []
        assert Draft202012Validator(SCHEMA).is_valid(document)


def extrapolated() -> dict[str, Any]:
    """A learning curve that rises, of points: so many photos would take minutes."""
    from test_learning_curve import clouds, curve

    document: dict[str, Any] = curve(*clouds((40, 40, 40)), clouds((200, 200, 200), seed=1)).to_json()
    return document


def test_an_extrapolated_curve_is_as_the_schema_says() -> None:
    document = extrapolated()
    assert document["extrapolation"] is not None
    assert problems("learning_curve", document) == []


@pytest.mark.slow
def test_the_documents_show_every_key(documents: Documents) -> None:
    seen = {key for one in objects([*documents.values(), extrapolated()]) for key in one}
    assert seen >= KEYS


@pytest.mark.slow
@pytest.mark.parametrize(
    "spoil",
    [
        lambda document: document.update(more=1),
        lambda document: document.pop("seed"),
        lambda document: document["photos"].update(used="48"),
        lambda document: document["evaluation"]["per_class"]["flower"].update(precision=1.5),
        lambda document: document["evaluation"].pop("interval"),
        lambda document: document["head"].update(kind="forest"),
        lambda document: document["learning_curve"]["points"][0].update(per_class=3),
        lambda document: document.update(tracked=["runs/1"]),
        lambda document: document["seconds"].update(lunch=3600.0),
    ],
)
def test_a_spoilt_document_is_refused(spoil: Callable[[Any], Any], documents: Documents) -> None:
    document = copy.deepcopy(documents["train"][0])
    spoil(document)
    assert problems("headstart train", document)


@pytest.mark.slow
def test_a_time_that_is_none_is_refused(documents: Documents) -> None:
    document = copy.deepcopy(documents["backbones list"][0])
    document["backbones"][0]["time"] = "yesterday"
    assert problems("headstart backbones list", document) == ["$.backbones[0].time: 'yesterday' is not a 'date-time'"]


@pytest.mark.slow
def test_documents_are_filled_with_what_happened(documents: Documents) -> None:
    first, broken, part, _, units = documents["train"]
    assert (units["train"], units["photos"]["reasons"]) == (24, {"empty": 1})
    assert (first["tracked"], first["test"], part["fraction"]) == (None, None, 0.5)
    assert first["command"][:2] == ["headstart", "train"]
    assert Path(broken["tracked"]).is_dir()
    assert broken["photos"]["reasons"] == {"empty": 1}
    several, tracked, ranked = documents["compare"]
    assert several["tracked"] == []
    assert [Path(folder).is_dir() for folder in tracked["tracked"]] == [True]
    assert len(ranked["left_out"]) == 1
    assert [one["backbone"] for one in several["failures"]] == ["nothing"]
    assert documents["evaluate"][1]["seen_in_training"] == 24
    assert [one["new"] for one in documents["samples get"]] == [True, False]
    assert [one["damaged"] for one in documents["backbones verify"]] == [0, 1]


@pytest.mark.slow
def test_the_pages_example_runs(
    documents: Documents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "training.json").write_text(json.dumps(documents["train"][0]))
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(block, "json.md", "exec"), {})
    assert capsys.readouterr().out.startswith(str(documents["train"][0]["evaluation"]["accuracy"]))
