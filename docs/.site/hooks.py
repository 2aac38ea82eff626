"""Adds the pages that lie outside docs/ to the site, such as the README, and points links at them."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path, PurePosixPath
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
        to_page = partial(_link, (ROOT / source).parent, PurePosixPath())
        files.append(File.generated(config, page, content=_LINK.sub(to_page, (ROOT / source).read_text("utf-8"))))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Point links that leave the page's folder at pages of the site."""
    folder = PurePosixPath(page.file.src_uri).parent
    return _OUTSIDE.sub(partial(_link, ROOT / "docs" / folder, folder), markdown)


def _link(folder: Path, page_folder: PurePosixPath, match: re.Match[str]) -> str:
    """The same link in the site; one to something that the site does not have stays, and fails the build."""
    target = (folder / match[1]).resolve()
    name = target.relative_to(ROOT).as_posix() if target.is_relative_to(ROOT) else match[1]
    page = PAGES.get(name, name.removeprefix("docs/"))
    return f"]({'../' * len(page_folder.parts)}{page}{match[2] or ''})"
