"""The shape of the project: who may import whom, and how long a module may be."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import headstart

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "headstart"
LONGEST = 350

#: A module imports only from those above it, imports inside functions counted. docs/architecture.md shows the same.
ORDER = [
    "printable",
    "errors",
    "child",
    "untrusted",
    "home",
    "disk",
    "budget",
    "formats",
    "pixels",
    "weighing",
    "images",
    "splits",
    "spreadsheet",
    "photos",
    "backbones.hints",
    "backbones.card",
    "backbones.base",
    "backbones.ending",
    "backbones.forks",
    "backbones.compiled",
    "backbones.network",
    "backbones.entry",
    "backbones.graph",
    "backbones.stages",
    "backbones.cut",
    "backbones.labels",
    "backbones.builtin",
    "backbones.files",
    "backbones.metadata",
    "backbones.tried",
    "backbones.settled",
    "backbones.convert",
    "backbones.source",
    "backbones.catalogue_tables",
    "backbones.catalogue",
    "backbones.fetch.handles",
    "backbones.fetch.watching",
    "backbones.fetch.trying",
    "backbones.fetch.archive",
    "backbones.fetch.contents",
    "backbones.fetch.manifests",
    "download",
    "backbones.fetch.locks",
    "backbones.fetch.keeping",
    "backbones.fetch.tfhub_cache",
    "backbones.fetch.guests",
    "backbones.fetch.hf",
    "backbones.fetch.hub",
    "backbones.fetch.kaggle",
    "backbones.fetch.packing",
    "backbones.fetch",
    "backbones.local",
    "backbones",
    "records",
    "store",
    "reading",
    "features",
    "many",
    "extractor",
    "as_is",
    "linear_algebra",
    "heads",
    "heads.head",
    "heads.power",
    "heads.basis",
    "heads.calibration",
    "heads.logistic",
    "heads.closed_form",
    "heads.fitting",
    "heads.history",
    "distributions",
    "evaluation",
    "paired",
    "protocol",
    "results",
    "ranking",
    "extrapolation",
    "class_advice",
    "learning_curve",
    "bundle",
    "saved",
    "classifier",
    "trial",
    "tensorboard",
    "tracking.run",
    "tracking.curves",
    "tracking.drawing",
    "tracking.pictures",
    "tracking.thumbnails",
    "tracking.projector",
    "tracking.words",
    "tracking",
    "training",
    "comparison",
    "comparing",
    "report.style",
    "report.markup",
    "report.figures",
    "report.machine",
    "report.words",
    "report.facts",
    "report.axes",
    "report.charts",
    "report.cost",
    "report.tables",
    "report.mistakes",
    "report.sections",
    "report.page",
    "report",
    "testing",
    "probe",
    "samples_unpack",
    "samples",
    "cli.interrupt",
    "cli.terminal",
    "cli.console",
    "cli.options",
    "cli.report",
    "cli.train",
    "cli.comparison_text",
    "cli.compare",
    "cli.board",
    "cli.evaluate",
    "cli.predict",
    "cli.cache",
    "cli.models_text",
    "cli.models",
    "cli.backbones",
    "cli.probe",
    "cli.samples",
    "cli.demo",
    "cli.commands",
    "cli",
]
#: The package itself only re-exports, on first use.
OUTSIDE = {"__init__"}


def modules() -> dict[str, Path]:
    found = {}
    for path in SOURCE.rglob("*.py"):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
        found[name] = path
    return found


def imported(path: Path) -> set[str]:
    """Names of our modules that a file imports, anywhere in it."""
    names: set[str] = set()
    known = modules()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        targets: list[str] = []
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            targets = [f"{node.module}.{alias.name}" for alias in node.names] + [node.module]
        for target in targets:
            inner = target.removeprefix("headstart.")
            if target.startswith("headstart.") and inner in known:
                names.add(inner)
    # `from headstart.backbones import card` needs the package's __init__ only if it takes a name from it.
    return {n for n in names if not any(other.startswith(n + ".") for other in names)}


def test_every_module_has_its_place_in_the_order() -> None:
    assert set(modules()) - OUTSIDE == set(ORDER)


@pytest.mark.parametrize("name", ORDER)
def test_a_module_imports_only_from_those_above_it(name: str) -> None:
    above = ORDER[: ORDER.index(name)]
    below = sorted(imported(modules()[name]) - set(above) - {name})
    assert not below, f"{name} imports {below}, which stand below it"


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda p: str(p.relative_to(SOURCE)))
def test_no_module_is_longer_than_a_person_can_hold(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST


def test_there_is_no_drawer_for_everything() -> None:
    assert not [path for path in SOURCE.rglob("*.py") if path.stem in {"utils", "util", "helpers", "misc", "common"}]


def test_nothing_is_unpickled_but_the_weights() -> None:
    for name, path in modules().items():
        text = path.read_text("utf-8")
        assert not re.search(r"\b(joblib|dill|cloudpickle|marshal|shelve)\b", text), name
        assert bool(re.search(r"\b(import|from) pickle\b", text)) == (name == "backbones.builtin"), name
        assert "allow_pickle=True" not in text, name
        assert not re.search(r"(?<!\.)\b(eval|exec)\(", text), name


def test_the_architecture_page_names_every_module() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    missing = [n for n in ORDER if f"`{n}`" not in page and f"`{n.removeprefix('cli.')}`" not in page]
    assert not missing


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
    code = f"import sys; sys.argv = ['headstart', *{arguments}]\nfrom headstart.cli import main\n"
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
    assert "openvino_telemetry" not in loaded_by("from headstart.backbones.compiled import engine; engine()")


def test_nothing_reaches_for_the_network(tiles: Path, tmp_path: Path, samples: dict[str, Path]) -> None:
    # Whole processes in which every socket that is made is an error.
    code = """
import socket, sys
def refuse(*_, **__): raise AssertionError("a socket was made")
socket.socket.__init__ = refuse
from headstart.cli import main
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


def test_only_the_extractor_imports_scikit_learn_and_nothing_imports_scipy() -> None:
    found: dict[str, set[str]] = {"sklearn": set(), "scipy": set()}
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            named = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            named += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for package in {target.split(".")[0] for target in named} & set(found):
                found[package].add(name)
    assert found == {"sklearn": {"extractor"}, "scipy": set()}


def without_scikit_learn(code: str) -> str:
    """What a process prints in which scikit-learn and SciPy cannot be imported."""
    hide = "import sys; sys.modules.update(dict.fromkeys(['sklearn', 'sklearn.base', 'scipy', 'scipy.special']))\n"
    result = subprocess.run([sys.executable, "-c", hide + code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_without_its_extra_the_extractor_says_what_to_install() -> None:
    said = without_scikit_learn("""
import headstart
for ask in (lambda: headstart.FeatureExtractor, lambda: exec("from headstart import FeatureExtractor")):
    try: ask()
    except ImportError as error: print(isinstance(error, headstart.HeadstartError), error)
""")
    assert said.count("True FeatureExtractor needs scikit-learn") == 2
    assert said.count("pip install 'headstart[sklearn]'") == 2


def test_without_the_extractors_extra_everything_else_can_be_looked_at() -> None:
    without_scikit_learn("import headstart, inspect; from headstart import *; inspect.getmembers(headstart); train")


def test_every_photo_that_comes_with_the_package_is_credited() -> None:
    found = [path for path in SOURCE.rglob("*") if path.suffix in {".jpg", ".jpeg", ".png", ".webp"}]
    assert len(found) == 2
    for path in found:
        (credit,) = re.findall(rf"\| `{path.name}` \|.*", (path.parent / "CREDITS.md").read_text("utf-8"))
        assert "https://www.flickr.com/" in credit


def test_everything_that_is_promised_can_be_imported() -> None:
    for name in [*headstart.__all__, "FeatureExtractor"]:
        assert getattr(headstart, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = headstart.nonsense
