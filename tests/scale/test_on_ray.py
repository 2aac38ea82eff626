"""Ray as the engine: what dies costs the units in work and nothing else; without Ray the error names the extra."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from headstart.apps.cli import at_scale
from headstart.errors import MissingExtraError
from headstart.scale.on_ray import SETTINGS

TESTS = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_at_twenty_random_ends_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    settings = {**SETTINGS, "EMBEDDED": str(tmp_path / "embedded")}
    paths = os.pathsep.join([os.environ["PYTHONPATH"], str(TESTS)])
    ended = subprocess.run(
        [sys.executable, str(TESTS / "scale" / "ray_ends.py"), str(tmp_path), "20"],
        env={**os.environ, **settings, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert int(re.findall(r"(\d+) ends, \d+ photos computed again", ended.stdout)[0]) > 4


def test_without_ray_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'headstart\[ray\]'"):
        at_scale.engine("ray", None, "")
