"""Tests that need ../shared are skipped without it, but never in CI."""

from __future__ import annotations

from pathlib import Path

import pytest

from beside import needed

ROOT = Path(__file__).resolve().parents[1]


def test_a_shared_folder_that_is_missing_skips_a_test_unless_it_is_required(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HEADSTART_REQUIRE_SHARED", raising=False)
    with pytest.raises(pytest.skip.Exception, match="missing does not exist"):
        needed(tmp_path / "missing")
    monkeypatch.setenv("HEADSTART_REQUIRE_SHARED", "1")
    with pytest.raises(pytest.fail.Exception, match=r"missing does not exist.* HEADSTART_REQUIRE_SHARED=1"):
        needed(tmp_path / "missing")
    assert needed(tmp_path) == tmp_path


def test_ci_requires_the_shared_folder() -> None:
    assert "export HEADSTART_REQUIRE_SHARED=1" in (ROOT / ".ci" / "run").read_text("utf-8")


def test_no_test_looks_for_the_shared_folder_by_itself() -> None:
    looking = [
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if path.name not in ("conftest.py", "test_shared.py")
        and any(
            words in path.read_text("utf-8") for words in ('"shared" / ', "SHARED.is_dir", "SHARED.exists", "../shared")
        )
    ]
    assert looking == []
