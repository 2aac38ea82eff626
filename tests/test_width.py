"""Every help page and message fits a terminal of 60 columns, and no word is broken."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import termios
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from command_line import commands, read_terminal, run
from headstart.apps.cli.commands import app
from headstart.report.text.layout import columns

LITE = "builtin:efficientnet-lite0"
#: Command lines; TILES, MODEL and WORK stand for folders.
MESSAGES = (
    "train TILES",
    "train TILES/train --learning-curve --head centroid",
    "train missing",
    "train TILES --head rigde",
    "train TILES/train/flower",
    "train TILES --test TILES",
    "trian TILES",
    f"compare TILES/train -b {LITE} -b nothing-like-it --head centroid --head knn",
    "evaluate MODEL TILES",
    "evaluate missing TILES",
    "predict MODEL TILES/test",
    "predict MODEL missing.jpg",
    "explain MODEL TILES/test/flower/00.png -o WORK/heat.png",
    "classify TILES/test/flower --top 2",
    "models mobilenet --limit 5",
    "models --best --max-params 5M",
    "models show imagenet/mobilenet_v2_100_224/feature_vector",
    "backbones list",
    "backbones get mobilenet",
    "samples list",
    "embed TILES/train -o WORK/vectors.npz",
    "similar TILES/train/flower/00.png TILES/test",
    "check TILES",
    "cache info",
    "doctor",
)


def shown(width: int, *words: str) -> list[str]:
    """What a command shows on a terminal so wide, bars left out."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    with ThreadPoolExecutor(1) as pool:
        received = pool.submit(read_terminal, leader)
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("COLUMNS", raising=False)
            run(*words, on=follower)
        os.close(follower)
    lines = re.split(r"\r*\n", received.result().decode())
    return [line for line in lines if "\r" not in line and "%|" not in line]


def check(narrow: list[str], wide: list[str]) -> None:
    """Lines fit, except for a single long word such as a path; and the words are those of a wide terminal."""
    for line in narrow:
        words = line.strip().removesuffix(" \\").split()
        assert columns(line) <= 60 or len(words) == 1, line
    known = set(" ".join(wide).split())
    broken = {word for word in " ".join(narrow).split() if word not in known and word != "\\"}
    assert broken == set()


@pytest.mark.parametrize("words", [(), *(words for words, _ in commands(app))], ids=" ".join)
def test_every_help_page_fits(words: tuple[str, ...]) -> None:
    narrow = shown(60, *words, "--help")
    assert any(line.startswith("Usage: headstart") for line in narrow)
    check(narrow, shown(400, *words, "--help"))


@pytest.mark.parametrize("line", MESSAGES)
def test_every_message_fits(line: str, tiles: Path, model: Path, tmp_path: Path) -> None:
    words = [word.replace("TILES", str(tiles)).replace("MODEL", str(model)) for word in line.split()]
    words = [word.replace("WORK", str(tmp_path)) for word in words]
    wide, narrow = shown(400, *words), shown(60, *words)
    assert any(narrow)
    for one in narrow:
        left = one.strip().removesuffix(" \\")
        assert columns(one) <= 60 or re.fullmatch(r"(\S* )?\S{45,}\S*", left), one
    # Figures such as speeds differ from run to run; what stands after a word, too.
    known = {word.strip(":,.") for word in " ".join(wide).split()}
    broken = {
        word for word in " ".join(narrow).split() if word.strip(":,.") not in known and not re.search(r"\d", word)
    }
    assert broken <= {"\\"}


@pytest.fixture(scope="module")
def model(tiles: Path, graphs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import headstart

    folder = tmp_path_factory.mktemp("width")
    headstart.train(tiles, output=folder / "model", store=graphs)
    return folder / "model"
