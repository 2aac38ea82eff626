"""What the documents say is run: the README's commands and Python on real photos, links that lead somewhere."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from command_line import run

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = r"\]\(([^)#:]+)\)"
IN_BACKTICKS = r"`((?:benchmarks|tests|docs|src)/[\w./-]+)"


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def desk(tiles: Path, tmp_path: Path, samples: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the README assumes: photos of two classes, a few single ones."""
    shutil.copytree(tiles / "train" / "temple", tmp_path / "photos" / "hemlock")
    shutil.copytree(tiles / "train" / "flower", tmp_path / "photos" / "cherry")
    shutil.copytree(tiles / "test" / "temple", tmp_path / "more-photos" / "hemlock")
    shutil.copy(samples["flower"], tmp_path / "some.jpg")
    shutil.copy(samples["temple"], tmp_path / "new.jpg")
    shutil.copy(tiles / "train" / "temple" / "01.png", tmp_path / "photos" / "hemlock" / "1.jpg")
    shutil.copy(tiles / "train" / "flower" / "01.png", tmp_path / "photos" / "cherry" / "2.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_readmes_commands_run(desk: Path) -> None:
    lines = [line for block in blocks("console") for line in block.splitlines() if line.startswith("$ headstart")]
    assert len(lines) == 8
    for line in lines:
        result = run(*shlex.split(line.removeprefix("$ headstart "), comments=True))
        assert result.returncode == 0, f"{line}\n{result.stderr}"
        assert result.stdout


def test_the_catalogue_commands_in_the_backbones_page_run() -> None:
    page = (ROOT / "docs" / "backbones.md").read_text("utf-8")
    lines = re.findall(r"^\$ headstart models.*$", page, re.MULTILINE)
    shown = (
        "ready    builtin:efficientnet-lite0",
        "mobilenet_v2_100_224/",
        "Best with public weights",
        "dimension    1,280",
    )
    for line, words in zip(lines, shown, strict=True):
        result = run(*shlex.split(line.removeprefix("$ headstart "), comments=True))
        assert result.returncode == 0, f"{line}\n{result.stderr}"
        assert words in result.stdout


def test_the_readmes_python_runs(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), names)
    printed = capsys.readouterr().out
    assert "daisy" in printed
    assert "efficientnet-lite0" in printed


def test_the_plugin_in_the_backbones_page_runs() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "backbones.md").read_text("utf-8"), re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(block, "backbones.md", "exec"), names)
    assert isinstance(names["Mine"], type)


def test_the_readmes_set_up_is_the_makefiles() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = re.findall(r"\$ make (\w+)", README)
    assert targets == ["demo", "test"]
    assert set(targets) <= set(re.findall(r"^(\w+):", makefile, re.MULTILINE))
    assert "make test" in (ROOT / ".ci" / "run").read_text("utf-8")


def test_links_lead_somewhere() -> None:
    links = {page.parent / target for page in PAGES for target in re.findall(LINK, page.read_text("utf-8"))}
    assert {ROOT / "docs" / "tutorial.md", ROOT / "docs" / "json.md"} <= links
    assert sorted(link for link in links if not link.exists()) == []


def test_scripts_and_modules_that_are_named_exist() -> None:
    named = {target for page in PAGES for target in re.findall(IN_BACKTICKS, page.read_text("utf-8"))}
    assert {"tests/test_architecture.py", "benchmarks/store.py"} <= named
    assert sorted(target for target in named if not (ROOT / target).exists()) == []


@pytest.mark.parametrize("page", ["README.md", "docs/backbones.md"])
def test_every_command_line_option_that_is_named_exists(page: str) -> None:
    commands = [
        ["train"],
        ["predict"],
        ["classify"],
        ["evaluate"],
        ["models"],
        ["backbones", "probe"],
        ["cache", "prune"],
    ]
    text = "".join(run(*name, "--help", COLUMNS="200").stdout for name in commands)
    named = set(re.findall(r"(?<=[ `])--[a-z][a-z-]+", (ROOT / page).read_text("utf-8")))
    assert "--best" in named
    assert sorted(option for option in named if option not in text) == []
