"""Processes killed at any moment lose nothing but their last second, and leave nothing that is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fakes import start_python
from hub_server import MODEL, serving, stand_alone, tar
from test_samples import FILE, ZIP, serves

#: Kills of each kind; with HEADSTART_STRESS=1 as many as a release needs.
KILLS = 200 if os.environ.get("HEADSTART_STRESS") == "1" else 12


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the attacker forks")
@pytest.mark.parametrize("attack", ["Appending", "Compacting", "Training", "Downloading", "Exporting"])
def test_nothing_is_lost_or_wrong_after_kills(attack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_alone(tmp_path, monkeypatch)
    with serving() as server:
        monkeypatch.setenv("HEADSTART_SAMPLES_URL", server.url + "/")
        server.on(FILE, serves(ZIP))
        for number in range(1, 5):
            server.on(f"/google/net/{number}", tar(MODEL))
        script = "import runpy; runpy.run_module('kills', run_name='__main__', alter_sys=False)"
        child = start_python(f"import sys; {script}", attack, tmp_path / "work", server.url, KILLS, 8)
        out, error = child.communicate(timeout=3000)
    assert child.returncode == 0, error[-4000:]
    print(out)
    kills, steps = (int(word) for word in out.split() if word.isdigit())
    assert kills == KILLS
    assert steps > 0
