"""Without the shared photos tests are skipped, but not where they are required."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(("required", "code", "outcome"), [("", 0, "1 skipped"), ("1", 1, "1 error")])
def test_missing_shared_photos_fail_a_run_that_requires_them(
    required: str, code: int, outcome: str, tmp_path: Path
) -> None:
    (tmp_path / "checkout" / "tests").mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path / "checkout" / "tests")
    (tmp_path / "checkout" / "tests" / "test_it.py").write_text("def test_it(shared): pass\n")
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "checkout"],
        cwd=tmp_path,
        env={**os.environ, "HEADSTART_REQUIRE_SHARED": required},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == code, result.stdout
    assert outcome in result.stdout


def test_ci_requires_them() -> None:
    assert "export HEADSTART_REQUIRE_SHARED=1\n" in (ROOT / ".ci" / "run").read_text("utf-8")
