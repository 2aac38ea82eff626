"""The shape of the project: who may import whom, and how long a module may be."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import headstart

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "headstart"
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
#: The rooms and loose modules, in the order of the page: a module imports from its own room and those above it.
ROOMS = re.findall(r"^\| `([a-z]+)/?` \|", PAGE.partition("## Rooms")[2].partition("\n## ")[0], re.MULTILINE)
LONGEST, MEDIAN = 350, 160


def modules() -> dict[str, Path]:
    """All modules below `headstart`, by dotted name; a package stands for its `__init__`."""
    found = {}
    for path in SOURCE.rglob("*.py"):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()
#: What the package itself gives on first use, and from where.
LAZY = {name: home.removeprefix("headstart.") for name, home in headstart._HOMES.items()}
LAZY["load"] = "classifier.classifier"


def imported(text: str) -> set[str]:
    """Names of our modules that a source imports, anywhere in it; `""` is the package headstart itself."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
            names |= {target.removeprefix("headstart").removeprefix(".") for target in targets if is_ours(target)}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            if is_ours(node.module or ""):
                package = (node.module or "").removeprefix("headstart").removeprefix(".")
                inner = {f"{package}.{alias.name}".removeprefix(".") for alias in node.names}
                names |= {name if name in MODULES else LAZY.get(name, package) for name in inner}
    return names


def is_ours(name: str) -> bool:
    return f"{name}.".startswith("headstart.")


def upwards(name: str, text: str) -> list[str]:
    """What a module imports although it stands below it; `__version__` and such of the package itself are free."""
    above = ROOMS[: ROOMS.index(name.partition(".")[0]) + 1]
    return sorted(other for other in imported(text) if other and other.partition(".")[0] not in above)


def test_the_page_shows_every_room_and_there_are_few() -> None:
    entries = {path.stem for path in SOURCE.iterdir() if path.is_dir() or path.suffix == ".py"}
    assert set(ROOMS) == entries - {"__init__", "__pycache__"}
    assert len(ROOMS) == len(set(ROOMS))
    assert len([name for name in ROOMS if (SOURCE / name).is_dir()]) <= 14
    assert len([name for name in ROOMS if (SOURCE / f"{name}.py").is_file()]) <= 4


@pytest.mark.parametrize("name", sorted(set(MODULES) - {""}))
def test_a_module_imports_only_from_its_own_room_and_those_above_it(name: str) -> None:
    assert not upwards(name, MODULES[name].read_text("utf-8"))


@pytest.mark.parametrize(
    ("name", "planted", "found"),
    [
        ("disk.atomic", "from headstart import backbones", ["backbones"]),
        ("disk.atomic", "from headstart import backbones\nfrom headstart.backbones import card", None),
        ("disk.atomic", "from headstart.backbones import DEFAULT, card", ["backbones", "backbones.card"]),
        ("disk.atomic", "def f():\n    import headstart.backbones.card", ["backbones.card"]),
        ("disk.atomic", "from headstart import train, load", ["classifier.classifier", "classifier.training"]),
        ("heads.head", "if TYPE_CHECKING:\n    from headstart.apps.cli import console", ["apps.cli.console"]),
        ("heads.head", "from headstart.features.store import Store\nfrom headstart import __version__", []),
    ],
)
def test_a_planted_upward_import_is_seen(name: str, planted: str, found: list[str] | None) -> None:
    assert upwards(name, planted) == (["backbones", "backbones.card"] if found is None else found)


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {name: imported(path.read_text("utf-8")) - {name, ""} for name, path in MODULES.items() if name}
    tuple(TopologicalSorter(graph).static_order())  # raises CycleError


def test_a_planted_circle_is_seen() -> None:
    graph = {"a": imported("from headstart.disk import atomic"), "disk.atomic": {"a"}}
    with pytest.raises(CycleError):
        tuple(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda p: str(p.relative_to(SOURCE)))
def test_no_module_is_longer_than_a_person_can_hold(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST


def test_most_modules_are_short() -> None:
    assert statistics.median(len(path.read_text("utf-8").splitlines()) for path in MODULES.values()) <= MEDIAN


def test_there_is_no_drawer_for_everything() -> None:
    assert not [path for path in SOURCE.rglob("*.py") if path.stem in {"utils", "util", "helpers", "misc", "common"}]


def test_nothing_is_unpickled_but_the_weights() -> None:
    for name, path in MODULES.items():
        text = path.read_text("utf-8")
        assert not re.search(r"\b(joblib|dill|cloudpickle|marshal|shelve)\b", text), name
        assert bool(re.search(r"\b(import|from) pickle\b", text)) == (name == "backbones.builtin"), name
        assert "allow_pickle=True" not in text, name
        assert not re.search(r"(?<!\.)\b(eval|exec)\(", text), name


def loaded_by(code: str) -> set[str]:
    """Top-level packages that a fresh interpreter has loaded after `code`."""
    show = "import sys; print(' '.join(sorted({n.split('.')[0] for n in sys.modules})))"
    result = subprocess.run([sys.executable, "-c", f"{code}\n{show}"], capture_output=True, text=True, check=True)
    return set(result.stdout.splitlines()[-1].split())


HEAVY = {
    "numpy",
    "openvino",
    "sklearn",
    "scipy",
    "mpmath",
    "matplotlib",
    "jinja2",
    "PIL",
    "pillow_heif",
    "safetensors",
    "tensorflow",
    "torch",
}


def test_import_headstart_is_light() -> None:
    assert not loaded_by("import headstart") & HEAVY


@pytest.mark.parametrize(
    "arguments", [["--help"], ["models", "--best"], ["models", "--help"], ["samples", "list"]], ids=" ".join
)
def test_help_and_the_catalogue_are_light(arguments: list[str]) -> None:
    code = f"import sys; sys.argv = ['headstart', *{arguments}]\nfrom headstart.apps.cli import main\n"
    code += "try: main()\nexcept SystemExit: pass"
    assert not loaded_by(code) & HEAVY


def test_training_and_predicting_load_no_package_of_an_extra(
    tiles: Path, tmp_path: Path, samples: dict[str, Path]
) -> None:
    model, photo = tmp_path / "model", samples["temple"]  # not in the store: the network runs
    extras = {"sklearn", "scipy", "matplotlib", "tensorboardX", "tensorboard", "tensorflow"}
    assert not loaded_by(f"import headstart; headstart.train({str(tiles)!r}, output={str(model)!r})") & extras
    code = f"import headstart; print(headstart.load({str(model)!r}).predict({str(photo)!r}))"
    loaded = loaded_by(code)
    assert "openvino" in loaded
    assert not loaded & {*extras, "mpmath"}


def test_openvino_is_loaded_without_its_telemetry() -> None:
    assert "openvino_telemetry" not in loaded_by(
        "from headstart.backbones.runtimes.openvino.compiled import engine; engine()"
    )


def test_nothing_reaches_for_the_network(tiles: Path, tmp_path: Path, samples: dict[str, Path]) -> None:
    # Whole processes in which every socket that is made is an error.
    code = """
import socket, sys
def refuse(*_, **__): raise AssertionError("a socket was made")
socket.socket.__init__ = refuse
from headstart.apps.cli import main
sys.argv = ["headstart", *{}]
try: main()
except SystemExit as end: assert not end.code, end.code
"""
    for arguments in (
        ["train", str(tiles), "-o", str(tmp_path / "model")],
        ["predict", str(tmp_path / "model"), str(samples["temple"])],
        ["classify", str(samples["flower"])],
    ):
        loaded_by(code.format(arguments))


def test_only_its_own_room_imports_scikit_learn_and_nothing_imports_scipy() -> None:
    found: dict[str, set[str]] = {"sklearn": set(), "scipy": set()}
    for name, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            named = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            named += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for package in {target.split(".")[0] for target in named} & set(found):
                found[package].add(name.partition(".")[0])
    assert found == {"sklearn": {"sklearn"}, "scipy": set()}


def without_scikit_learn(code: str) -> str:
    """What a process prints in which scikit-learn and SciPy cannot be imported."""
    hide = "import sys; sys.modules.update(dict.fromkeys(['sklearn', 'sklearn.base', 'scipy', 'scipy.special']))\n"
    result = subprocess.run([sys.executable, "-c", hide + code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_without_their_extra_the_estimators_say_what_to_install() -> None:
    said = without_scikit_learn("""
import headstart
for name in ("FeatureExtractor", "HeadstartClassifier", "HeadstartHead"):
    for ask in (lambda: getattr(headstart, name), lambda: exec(f"from headstart import {name}")):
        try: ask()
        except ImportError as error: print(isinstance(error, headstart.HeadstartError), error)
""")
    assert said.count("True headstart.sklearn needs scikit-learn") == 6
    assert said.count("pip install 'headstart[sklearn]'") == 6


def test_without_the_extractors_extra_everything_else_can_be_looked_at() -> None:
    without_scikit_learn("import headstart, inspect; from headstart import *; inspect.getmembers(headstart); train")


def test_every_photo_that_comes_with_the_package_is_credited() -> None:
    found = [path for path in SOURCE.rglob("*") if path.suffix in {".jpg", ".jpeg", ".png", ".webp"}]
    assert len(found) == 2
    for path in found:
        (credit,) = re.findall(rf"\| `{path.name}` \|.*", (path.parent / "CREDITS.md").read_text("utf-8"))
        assert "https://www.flickr.com/" in credit


def test_everything_that_is_promised_can_be_imported() -> None:
    for name in [*headstart.__all__, "FeatureExtractor", "HeadstartClassifier", "HeadstartHead"]:
        assert getattr(headstart, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = headstart.nonsense
