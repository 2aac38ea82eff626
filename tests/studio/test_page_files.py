"""What the studio's page is made of: no stranger's code but one file, no inline code, every sentence in one place."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import headstart.apps.studio

PAGE = Path(headstart.apps.studio.__file__).parent / "page"
MODULES = [path for path in sorted(PAGE.rglob("*.js")) if path.parent.name != "vendor"]
#: Families of sentences whose last word is computed.
FAMILIES = {"view": "main.js", "key": "main.js", "look": "views/look.js"}


def test_the_vendored_file_is_the_published_one() -> None:
    notice = (PAGE / "vendor" / "NOTICE").read_text()
    [digest] = re.findall(r"sha256 ([0-9a-f]{64})", notice)
    assert hashlib.sha256((PAGE / "vendor" / "preact.js").read_bytes()).hexdigest() == digest
    assert "Permission is hereby granted" in notice


def test_every_sentence_exists_and_is_used() -> None:
    sentences = set(re.findall(r'^  "?([\w.-]+)"?: ', (PAGE / "strings.js").read_text(), re.MULTILINE))
    code = {path.relative_to(PAGE).as_posix(): path.read_text() for path in MODULES if path.name != "strings.js"}
    literal = {one for text in code.values() for one in re.findall(r'"([\w.-]+)"', text)}
    asked = {one for text in code.values() for one in re.findall(r'\bt\("([\w.-]+)"', text)}
    computed = {
        one
        for one in sentences
        for family, where in FAMILIES.items()
        if one.startswith(family + ".") and f"t(`{family}." in code[where]
    }
    assert asked - sentences == set()
    assert sentences - literal - computed - {"language"} == set()


def test_no_name_can_become_code() -> None:
    """Texts are inserted as texts: nothing in the page makes markup or code of a string."""
    makers = re.compile(r"innerHTML|outerHTML|insertAdjacent|dangerously|document\.write|\beval\b|new Function|srcdoc")
    for path in MODULES:
        assert makers.findall(path.read_text()) == [], path
    for path in PAGE.glob("*.html"):
        assert re.findall(r"<style|style=|\bon\w+=|<script(?! type=\"module\" src=)", path.read_text()) == [], path


def test_the_page_names_no_other_machine() -> None:
    for path in [*MODULES, *PAGE.glob("*.html"), *PAGE.glob("*.css"), *PAGE.glob("*.svg")]:
        found = re.findall(r"https?://[^\s\"'`)<]+", path.read_text())
        known = (
            "http://www.w3.org/2000/svg",
            "http://127.0.0.1,",
            "https://cldr.unicode.org/index/cldr-spec/plural-rules",
        )
        assert set(found) - set(known) == set(), path


def test_modules_are_short() -> None:
    assert [path.name for path in MODULES if len(path.read_text().splitlines()) > 350] == []
