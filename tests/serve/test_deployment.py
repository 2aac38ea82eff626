"""What the container's files and docs/serving.md claim, as far as it can be checked without a container."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from headstart.apps.cli.serve import serve
from headstart.apps.serve.app import OPEN_PATHS
from headstart.apps.serve.batching import Limits
from headstart.apps.serve.connections import CONNECTIONS, HEAD_BYTES, HEAD_SECONDS
from headstart.apps.serve.guard import Rules

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "serving.md").read_text("utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
yaml = pytest.importorskip("yaml")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]["headstart"]


def understood(words: list[str]) -> dict[str, Any]:
    """The options of `headstart serve` that these words give."""
    return dict(serve.make_context("serve", list(words)).params)


def last(instruction: str) -> str:
    """What follows an instruction in its last place in the Dockerfile."""
    return re.findall(rf"^\s*{instruction} (.*)$", DOCKERFILE, re.MULTILINE)[-1]


def test_the_image_serves_as_a_user_without_rights_and_is_asked_whether_it_is_well() -> None:
    assert int(last("USER").partition(":")[0]) > 0
    entry, command = json.loads(last("ENTRYPOINT")), json.loads(last("CMD"))
    assert Path(entry[0]).name == "headstart"
    assert entry[1] == "serve"
    assert understood(command)["host"] == "0.0.0.0"
    assert last("EXPOSE") == str(understood(command)["port"])
    (url,) = re.findall(r"urlopen\('http://127\.0\.0\.1:8080([^']+)'", DOCKERFILE)
    assert url in OPEN_PATHS
    copied = " ".join(re.findall(r"^COPY ([^-].*) \S+$", DOCKERFILE, re.MULTILINE)).split()
    assert all((ROOT / name).exists() for name in copied)
    assert set(copied) == {
        line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")
    }


def test_compose_gives_it_a_read_only_file_system_a_token_and_no_more() -> None:
    assert COMPOSE["read_only"] is True
    assert COMPOSE["cap_drop"] == ["ALL"]
    assert "HEADSTART_TOKEN" in COMPOSE["environment"]
    assert COMPOSE["ports"] == ["127.0.0.1:8080:8080"]
    options = understood(COMPOSE["command"])
    assert (str(options["model"]), options["watch"]) == ("/models/trees", True)
    assert COMPOSE["volumes"] == ["./models:/models:ro"]


def test_every_command_on_the_page_is_understood() -> None:
    lines = re.findall(r"headstart (?:serve )?((?:trees|/\S+)[^\n`]*)", PAGE)
    assert len(lines) == 5
    for line in lines:
        understood(shlex.split(line))
    (pod,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    container = yaml.safe_load(pod)["spec"]["containers"][0]
    understood(container["args"])
    assert {container[f"{one}Probe"]["httpGet"]["path"] for one in ("startup", "readiness", "liveness")} == OPEN_PATHS
    (script,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    compile(script, "locustfile.py", "exec")


def test_the_limits_on_the_page_are_those_of_the_server() -> None:
    defaults, page = understood(["trees"]), " ".join(PAGE.split())
    named = {name: defaults[f"max_{name}"] for name in ("bytes", "pixels", "photos", "waiting")}
    assert Limits(*named.values(), defaults["timeout"]) == Limits()
    for name, value in named.items():
        assert f"| `--max-{name}` | {value:,} |" in page
    assert f"| `--timeout` | {defaults['timeout']:g} s |" in page
    rules = Rules()
    assert f"{rules.body_bytes >> 20} MiB, all bodies together {rules.held_bytes >> 20} MiB" in page
    assert f"{HEAD_BYTES >> 10} KiB" in page
    assert f"within {HEAD_SECONDS:g} seconds; {CONNECTIONS:,} clients" in page
