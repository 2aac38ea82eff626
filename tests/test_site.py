"""The site of `make docs`: it builds without a warning, and each link in its pages leads to a page and a heading."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

pytest.importorskip("mkdocs", reason="needs headstart[docs], which `make docs` installs")

ROOT = Path(__file__).resolve().parents[1]
COMMAND = re.search(r"\$\(BIN\)/mkdocs (.*?)(?:\s+#|$)", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
ELSEWHERE = ("https://", "http://", "mailto:", "data:")


def build(project: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """Build the site of a checkout with the flags of the Makefile."""
    assert COMMAND
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", *shlex.split(COMMAND[1]), "--site-dir", str(site)],
        cwd=project, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip


class Page(HTMLParser):
    """The links of a page, and the anchors that others can point at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        of = {name: value for name, value in attrs if value is not None}
        self.links |= {of[name] for name in ("href", "src") if name in of and not of[name].startswith(ELSEWHERE)}
        self.anchors |= {of[name] for name in ("id", "name") if name in of}


def dead_links(site: Path) -> list[str]:
    """Links inside the site whose file or heading is not there."""
    pages = {path.resolve(): Page(path.read_text("utf-8")) for path in site.rglob("*.html") if path.name != "404.html"}
    dead = []
    for path, page in pages.items():
        for link in page.links:
            name, anchor = map(unquote, urldefrag(link))
            target = (path.parent / name).resolve() if name else path
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file() or (target in pages and anchor not in pages[target].anchors):
                dead.append(f"{path.relative_to(site.resolve())}: {link}")
    return sorted(dead)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("docs") / "site"
    result = build(ROOT, site)
    assert result.returncode == 0, result.stderr
    assert "WARNING" not in result.stderr
    return site


def test_every_link_leads_somewhere(site: Path) -> None:
    assert (site / "reference" / "python" / "index.html").is_file()
    assert dead_links(site) == []


def test_the_site_loads_nothing_from_other_servers(site: Path) -> None:
    loads = re.compile(r'<(?:script|img|iframe)[^>]+src="(?:https?:)?//|<link[^>]+stylesheet[^>]+href="(?:https?:)?//')
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 10
    assert [page.name for page in pages if loads.search(page.read_text("utf-8"))] == []


def test_a_dead_link_fails_the_build(tmp_path: Path) -> None:
    ignore = shutil.ignore_patterns("__pycache__", ".venv*", ".git", ".work", ".*_cache", "demo-*", "site", "tests")
    project = shutil.copytree(ROOT, tmp_path / "project", ignore=ignore)
    with (project / "docs" / "sklearn.md").open("a", encoding="utf-8") as page:
        page.write("\n[nowhere](no-such-page.md)\n")
    result = build(project, tmp_path / "site")
    assert result.returncode != 0
    assert "no-such-page.md" in result.stderr
