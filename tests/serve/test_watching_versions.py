"""The look for new versions of a served classifier goes on, whatever one of them is like."""

from __future__ import annotations

import asyncio
from itertools import chain, repeat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from headstart.apps.serve import running
from headstart.apps.serve.app import Service
from headstart.apps.serve.measures import Metrics
from headstart.apps.serve.running import Settings


def test_after_an_error_that_nobody_expected_the_next_version_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    stamps = chain([(0,), (1,), (1,), (2,)], repeat((2,)))
    found: list[Any] = [
        RuntimeError("nobody expected this"),
        SimpleNamespace(classifier=SimpleNamespace(classes=("a", "b", "c"))),
    ]
    reports: list[str] = []

    def load(*_: Any) -> Any:
        one = found.pop(0)
        if isinstance(one, Exception):
            raise one
        return one

    monkeypatch.setattr(running, "_LOOK", 0.0)
    monkeypatch.setattr(running, "_stamp", lambda _: next(stamps))
    monkeypatch.setattr(running, "_load_beside", load)
    old: Any = SimpleNamespace(engine=SimpleNamespace(end=lambda: None))
    service = Service("trees", old, Metrics())

    async def until_used() -> None:
        watch = asyncio.ensure_future(running._watch(Settings(Path("trees"), "trees"), reports.append, service))
        async with asyncio.timeout(20):
            while len(reports) < 2:
                await asyncio.sleep(0)
        watch.cancel()

    asyncio.run(until_used())
    assert "the old one goes on: nobody expected this" in reports[0]
    assert "3 classes" in reports[1]
    assert service.predictor is not old
