"""`headstart export`: options that would have no effect are refused."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

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
