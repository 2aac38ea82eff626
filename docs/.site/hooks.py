"""Adds the pages that lie outside docs/ to the site, such as the README, and points links at them."""

from __future__ import annotations

import re
from functools import partial
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
_LINK, _OUTSIDE = (re.compile(rf"\]\(({start}[^)#:]+)(#[^)]*)?\)") for start in ("", r"\.\./"))


def on_files(files: Files, *, config: Any) -> Files:
    """Add the pages."""
    for source, page in PAGES.items():
        text = _LINK.sub(partial(_link, (ROOT / source).parent), (ROOT / source).read_text("utf-8"))
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Point links that leave docs/ at the pages added."""
    return _OUTSIDE.sub(partial(_link, ROOT / "docs"), markdown)


def _link(folder: Path, match: re.Match[str]) -> str:
    """The same link in the site; one to something that the site does not have stays, and fails the build."""
    target = (folder / match[1]).resolve()
    name = target.relative_to(ROOT).as_posix() if target.is_relative_to(ROOT) else match[1]
    return f"]({PAGES.get(name, name.removeprefix('docs/'))}{match[2] or ''})"
