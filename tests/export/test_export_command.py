"""`headstart export`: options that would have no effect are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import headstart
from headstart.apps.cli.commands import app


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, arguments)
    return done.exit_code, done.output


@pytest.mark.parametrize(
    "options",
    [
        ["-o", "out"],
        ["--overwrite"],
        ["--precision", "int8"],
        ["--max-loss", "1"],
        ["--with-resize"],
        ["--photos", "x"],
    ],
    ids=" ".join,
)
def test_options_for_writing_need_formats(options: list[str]) -> None:
    code, printed = run("export", "trees", *options)
    assert code == 2
    assert "--to is missing" in printed


@pytest.mark.parametrize(
    "options",
    [["trees"], ["--to", "onnx"], ["-o", "out"], ["--overwrite"], ["--precision", "int8"], ["--max-loss", "1"],
     ["--with-resize"], ["--backbone", "x"], ["--fetch"]],
    ids=" ".join,
)  # fmt: skip
def test_a_check_takes_photos_alone(options: list[str]) -> None:
    code, printed = run("export", "--check", "out", *options)
    assert code == 2
    assert "--check takes only --photos" in printed


def ended(*arguments: object) -> tuple[int, str]:
    """Exit code and output of a command, the code as `main` returns it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["headstart", *map(str, arguments)])
        done = CliRunner().invoke(app, [*map(str, arguments)], standalone_mode=False)
    return (done.return_value or 0) if done.exception is None else 1, done.output


def test_a_check_that_can_run_nothing_is_no_success(tiles: Path, tmp_path: Path) -> None:
    headstart.train(tiles, output=tmp_path / "model", progress=False)
    for name in ("coreml", "arrays"):
        code, _ = ended("export", tmp_path / "model", "--to", name, "-o", tmp_path / name, "--photos", tiles / "test")
        assert code == 0
    assert ended("export", "--check", tmp_path / "arrays")[0] == 0
    code, printed = ended("export", "--check", tmp_path / "coreml")
    assert code == 1
    assert "nothing could be proven on this machine" in printed
