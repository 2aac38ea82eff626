"""The shared photos, models and facts, which lie beside the checkout."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

BESIDE = Path(__file__).resolve().parents[2] / "shared"
SHARED = BESIDE / "data"


def needed(folder: Path) -> Path:
    """A folder beside the checkout. Without it the test is skipped or, with HEADSTART_REQUIRE_SHARED=1 (CI), fails."""
    if not folder.is_dir():
        missing = f"{folder} does not exist: it belongs beside this checkout"
        if os.environ.get("HEADSTART_REQUIRE_SHARED") == "1":
            pytest.fail(f"{missing}, and HEADSTART_REQUIRE_SHARED=1", pytrace=False)
        pytest.skip(missing)
    return folder
