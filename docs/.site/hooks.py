"""Adds the pages that lie outside docs/ to the site, such as the README, and points links at them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
#: File of the repository -> page of the site.
PAGES = {
    "README.md": "index.md",
    "benchmarks/RESULTS.md": "benchmarks.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "reporting.md",
    "src/headstart/apps/cli/demo_photos/CREDITS.md": "credits.md",
}


def on_files(files: Files, *, config: Any) -> Files:
    """Add the pages."""
    for source, page in PAGES.items():
        folder = (ROOT / source).parent
        text = re.sub(r"\]\(([^)#:]+)(#[^)]*)?\)", lambda m, at=folder: _link(m, at), (ROOT / source).read_text("utf-8"))
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Point links that leave docs/ at the pages added."""
    return re.sub(r"\]\((\.\./[^)#:]+)(#[^)]*)?\)", lambda m: _link(m, ROOT / "docs"), markdown)


def _link(match: re.Match[str], folder: Path) -> str:
    """The same link in the site; one to something that the site does not have stays, and fails the build."""
    target = (folder / match[1]).resolve()
    name = target.relative_to(ROOT).as_posix() if target.is_relative_to(ROOT) else match[1]
    return f"]({PAGES.get(name, name.removeprefix('docs/'))}{match[2] or ''})"
