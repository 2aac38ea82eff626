"""The parts of a report on small documents made by hand: words, drawings, colours, odd names, missing pieces."""

from __future__ import annotations

import copy
import os
import re
import shutil
import subprocess
from datetime import date
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from fakes import write_photo
from headstart.errors import ReportError
from headstart.evaluation.metrics import Bin
from headstart.report import html as report
from headstart.report.html import axes, figures, words
from headstart.report.html.markup import foreign, inline, tag
from headstart.report.html.style import DARK, LIGHT

DAY = date(2026, 11, 24)
Document = dict[str, Any]


def evaluation(right: int, wrong: int) -> Document:
    accuracy = right / (right + wrong)
    row = {"precision": accuracy, "recall": 0.8125, "f1": 0.7123, "support": right}
    return {
        "protocol": "test set",
        "n": right + wrong,
        "accuracy": accuracy,
        "interval": [accuracy - 0.0612, min(1.0, accuracy + 0.0413)],
        "balanced_accuracy": 0.8417,
        "log_loss": 0.4321,
        "calibration_error": 0.0191,
        "per_class": {"cat": row, "dog": {**row, "f1": 0.6123}},
        "confusion": {"classes": ["cat", "dog"], "counts": [[right - 30, wrong], [0, 30]]},
        "mistakes": [{"path": "gone/cat7.jpg", "label": "cat", "predicted": "dog", "probability": 0.912}],
    }


def entry(name: str, right: int, speed: float | None, **more: Any) -> Document:
    return {
        "network": f"builtin:{name}",
        "name": name,
        "head": "logistic",
        "l2": 0.316,
        "evaluation": evaluation(right, 100 - right),
        "reliability": [{"low": 0.8, "high": 0.87, "photos": 90, "confidence": 0.83, "accuracy": 0.81}],
        "difference": None,
        "dim": 1280,
        "input": [224, 224],
        "input_range": "0..1",
        "precision": "float32",
        "licence": "",
        "parameters": 4_651_000,
        "megabytes": 18.61,
        "photos_per_second": speed,
        "pareto": False,
        "best": False,
        **more,
    }


@pytest.fixture
def document() -> Document:
    """A comparison of three, in which one cannot be told apart from the best and one was not paired."""
    level = {"n": 100, "difference": 0.011, "interval": [-0.0213, 0.0434], "p": 0.412, "told_apart": False}
    far = {"n": 100, "difference": 0.2, "interval": [0.1213, 0.2834], "p": 0.0001, "told_apart": True}
    return {
        "photos": "pets",
        "command": ["headstart", "compare", "my pets"],
        "protocol": "test set",
        "seed": 3,
        "fraction": None,
        "view": "squash",
        "classes": ["cat", "dog"],
        "train": 50,
        "test": 100,
        "files": {"found": 151, "used": 150, "skipped": 1, "reasons": {"corrupt": 1}, "files": []},
        "entries": [
            entry("great", 91, 120.5, best=True, pareto=True),
            entry("even", 90, 520.25, pareto=True, difference=level),
            entry("poor", 71, None, difference=far),
        ],
        "failures": [],
        "left_out": [],
        "quick": None,
        "verdict": "great and even cannot be told apart on 100 photos.",
        "notes": [],
        "learning_curve": None,
        "seconds": {"total": 81.2},
    }


class Page(HTMLParser):
    """What a browser would find: elements with their attributes, and the words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.found: list[str] = []
        self.hidden = False
        self.feed(html)
        self.words = " ".join("".join(self.found).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.hidden = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self.hidden = False

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.found.append(data)

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag == name]


def page(document: Document) -> Page:
    return Page(report.of_comparison(document, DAY))


# --- words ---


def test_the_verdict_is_the_heading(document: Document) -> None:
    html = report.of_comparison(document, DAY)
    assert re.search(r"<h1>great and even cannot be told apart on 100 photos\.</h1>", html)


def test_a_difference_is_said_in_plain_words(document: Document) -> None:
    said = page(document).words
    assert "1.1 points" in said
    assert "cannot be told apart−2.1 to 4.3; p = 0.41" in said
    assert "more than luck" in said
    assert "p < 0.001" in said


def test_the_best_has_no_difference_and_an_unknown_speed_is_a_dash(document: Document) -> None:
    html = report.of_comparison(document, DAY)
    first, *_, last = re.findall(r"<tr role=\"row\">.*?</tr>", html)[1:]
    assert "points" not in first
    assert ">best<" in first
    assert '<td class="r" role="cell" data-label="photos/s">–</td>' in last
    assert "–: not known" in html


def test_entries_are_told_apart_by_their_heads_where_there_are_several(document: Document) -> None:
    assert "of great come true" in page(document).words
    document["entries"][1] = {**document["entries"][1], "name": "great", "head": "ridge"}
    assert "of great (logistic) come true" in page(document).words


def test_what_is_calibrated_is_said_with_its_tendency() -> None:
    def said(error: float, sure: float, right: float, n: int = 1000) -> str:
        bins = [Bin(0.8, 1.0, n, sure, right)]
        return Page(words.calibration({"calibration_error": error, "n": n}, bins)).words

    assert "taken at their word" in said(0.01, 0.90, 0.91)
    assert "as sure as it should be" in said(0.01, 0.90, 0.91)
    assert "too sure: 95.0 % sure, 80.0 % right" in said(0.15, 0.95, 0.80)
    assert "Do not take" in said(0.15, 0.95, 0.80)
    assert "too timid" in said(0.05, 0.90, 0.95)
    assert "part of that is chance" in said(0.05, 0.90, 0.95, n=40)


def test_confusions_are_a_sentence() -> None:
    def said(counts: list[list[float]]) -> str:
        return Page(words.confusions({"classes": ["a", "b"], "counts": counts})).words

    assert said([[9, 0], [0, 9]]) == "No photo was taken for another class."
    assert said([[9, 0.2], [0, 9]]) == "Hardly any photo was taken for another class."
    assert said([[9, 3.4], [1, 9]]) == "Most often a taken for b (3.4) and b taken for a (1)."


def test_figures_read_as_on_the_command_line() -> None:
    shown = [
        figures.percent(0.83049),
        figures.points(0.01),
        figures.points(-0.0003),
        figures.probability(0.0004),
        figures.probability(0.0321),
        figures.photos(3.4),
        figures.photos(1200),
        figures.millions(4_651_000),
        figures.millions(900),
        figures.seconds(130.2),
    ]
    assert [Page(one).words for one in shown] == [
        "83.0 %",
        "1.0 point",
        "0.0 points",
        "p < 0.001",
        "p = 0.032",
        "3.4",
        "1,200",
        "4.7 M",
        "900",
        "2 min 10 s",
    ]
    assert 'data-value="0.83049"' in shown[0]


# --- parts ---


def test_what_is_missing_has_no_part(document: Document) -> None:
    parts = {one["id"] for one in page(document).all("section")}
    assert parts == {"networks", "cost", "confusions", "classes", "calibration", "mistakes", "skipped", "how", "again"}
    document["command"] = None
    document["entries"] = document["entries"][:1]
    document["entries"][0]["reliability"] = []
    parts = {one["id"] for one in page(document).all("section")}
    assert not parts & {"again", "cost", "calibration"}


def test_a_curve_of_too_few_photos_says_so_without_a_drawing(document: Document) -> None:
    text = "There are too few photos for a learning curve."
    advice = {"text": "The photos do not say which class.", "classes": [], "removed": 0, "told": False}
    document["learning_curve"] = {"points": [], "extrapolation": None, "advice": advice, "text": text}
    found = page(document)
    assert text in found.words
    assert not [one for one in found.all("svg") if "curve" in str(one["aria-labelledby"])]


def test_only_what_was_not_measured_is_dashed(document: Document) -> None:
    point = {"per_class": 5, "photos": 10, "accuracy": 0.6, "low": 0.5, "high": 0.7, "draws": 8}
    curve = {"points": [point, {**point, "per_class": 10, "accuracy": 0.7}], "extrapolation": None, "text": "It rises."}
    document["learning_curve"] = curve
    assert 'class="ahead"' not in report.of_comparison(document, DAY)
    beyond = [{"per_class": 20, "accuracy": 0.8, "low": 0.6, "high": 0.9}]
    document["learning_curve"] = {**curve, "extrapolation": {"law": {}, "points": beyond}}
    html = report.of_comparison(document, DAY)
    assert html.count('class="ahead"') == 2  # for a desk and for a phone
    assert "not measured, but continued by a power law" in html


def test_many_skipped_files_are_counted_and_not_all_listed(document: Document) -> None:
    files = [{"path": f"p{i}.jpg", "reason": "corrupt", "detail": ""} for i in range(400)]
    files += [{"path": f"q{i}.jpg", "reason": "empty", "detail": "0 bytes"} for i in range(3)]
    document["files"] = {"found": 900, "used": 497, "skipped": 403, "reasons": {"corrupt": 400, "empty": 3}}
    document["files"]["files"] = files
    said = page(document).words
    assert "403 of 900 files found were not used" in said
    assert len(re.findall(r"[pq]\d+\.jpg", said)) == 25 + 3
    assert "and 375 more." in said
    assert "q2.jpg" in said


def test_many_classes_are_pairs_instead_of_a_matrix(document: Document) -> None:
    names = [f"k{i}" for i in range(21)]
    counts = [[10 if i == j else 0 for j in range(21)] for i in range(21)]
    counts[3][4] = 5
    document["entries"][0]["evaluation"]["confusion"] = {"classes": names, "counts": counts}
    html = report.of_comparison(document, DAY)
    assert 'class="counts"' not in html
    assert "k3k4533 %" in Page(html).words.replace(" ", "").replace("%", " %")


def test_at_most_24_mistakes_have_a_picture_and_a_page_stays_small(document: Document, tmp_path: Path) -> None:
    noise = os.urandom(3 * 900 * 1200)
    from PIL import Image

    Image.frombytes("RGB", (1200, 900), noise).save(tmp_path / "noise.jpg")
    one = {"path": str(tmp_path / "noise.jpg"), "label": "cat", "predicted": "dog", "probability": 0.9}
    document["entries"][0]["evaluation"]["mistakes"] = [one] * 50
    html = report.of_comparison(document, DAY)
    assert html.count("data:image/jpeg") == 24
    assert len(html) < 1_000_000


def test_a_photo_that_is_gone_is_a_tile_with_its_name(document: Document, tmp_path: Path) -> None:
    mistakes = document["entries"][0]["evaluation"]["mistakes"]
    mistakes.append({**mistakes[0], "path": write_photo(tmp_path / "there.jpg", "red")})
    found = page(document)
    assert "cannot be read any more" in found.words
    assert "cat7.jpg" in found.words
    assert len(found.all("img")) == 1


def test_a_report_leaves_its_document_as_it_was_and_is_always_the_same(document: Document) -> None:
    before = copy.deepcopy(document)
    assert report.of_comparison(document, DAY) == report.of_comparison(document, DAY)
    assert document == before


def test_where_nothing_could_be_measured_the_failures_are_told(document: Document) -> None:
    document["failures"] = [{"network": "hf:a/b", "error": "It was not found.\nExpected <another>."}]
    said = page({**document, "entries": [], "verdict": "Nothing could be measured."}).words
    assert "Nothing could be measured." in said
    assert "hf:a/bIt was not found. Expected <another>." in said


# --- odd names ---


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("caf\udce9.jpg", r"caf\xe9.jpg"),
        ("lone\ud800", r"lone\ud800"),
        ("x\u202egpj.exe", r"x\u202egpj.exe"),
        ("a\x00b\x1b[31m", r"a\x00b\x1b[31m"),
        ("صورة 🍕 ＜b＞", "صورة 🍕 ＜b＞"),
    ],
)
def test_names_that_deceive_or_are_no_text_are_spelled(name: str, shown: str) -> None:
    assert foreign(name) == f"<bdi>{shown}</bdi>"
    assert tag("p", name) == f"<p>{shown}</p>"
    assert shown.encode("utf-8")


def test_what_is_not_markup_is_escaped_once_and_what_is_is_not(document: Document) -> None:
    assert tag("p", "<b>", tag("i", "&"), title="\"'>") == '<p title="&quot;&#x27;&gt;">&lt;b&gt;<i>&amp;</i></p>'
    assert inline(f"{tag('i')}") == "&lt;i&gt;&lt;/i&gt;"  # an f-string forgets that it was markup: safe, and seen
    assert tag("td", hidden=True, class_=None, x=1.04, data_value="1.04") == '<td hidden x="1" data-value="1.04"></td>'


def test_every_place_for_a_name_is_a_place_for_text_only(document: Document) -> None:
    evil = "</title></style><script>alert(1)</script><img src=x onerror=alert(1)>\"'"

    def poisoned(node: Any) -> Any:
        if isinstance(node, dict):
            names = node.keys() & {"cat", "dog"}
            return {(evil + key if key in names else key): poisoned(value) for key, value in node.items()}
        if isinstance(node, list):
            return [poisoned(one) for one in node]
        return evil + node if isinstance(node, str) and node not in ("test set", "logistic") else node

    document["failures"] = [{"network": "hf:a/b", "error": "no"}]
    document["notes"] = ["note"]
    document["quick"] = {"per_class": 20, "text": "quick"}
    document["left_out"] = [document["entries"][2]]
    document["files"]["files"] = [{"path": "a", "reason": "corrupt", "detail": "b"}]
    found = Page(report.of_comparison(poisoned(document), DAY))
    assert {name for name, _ in found.elements} & {"script", "img", "link", "iframe", "object"} == set()
    assert not [name for _, attributes in found.elements for name in attributes if name.startswith("on")]
    assert found.words.count("<script>alert(1)</script>") > 30


# --- drawings and colours ---


def test_every_drawing_says_what_it_shows_and_no_name_is_given_twice(document: Document) -> None:
    found = page(document)
    ids = [attributes["id"] for _, attributes in found.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))
    assert len(found.all("svg")) == 3 + 2 + 1
    for drawing in found.all("svg"):
        assert drawing["role"] == "img"
        assert {drawing["aria-labelledby"], drawing["aria-describedby"]} <= set(ids)
    pointed = [attributes["aria-labelledby"] for _, attributes in found.elements if attributes.get("aria-labelledby")]
    assert set(pointed) <= set(ids)


def test_labels_lie_neither_on_each_other_nor_outside() -> None:
    area = axes.Box(0, 0, 300, 200)
    points = [(20.0 + 9 * i, 100.0 + 5 * (i % 3)) for i in range(12)]
    texts = [[f"{i} a long name of a network", str(i)] for i in range(12)]
    taken = [axes.Box(x - 5, y - 5, x + 5, y + 5) for x, y in points]
    placed = axes.labels(texts, points, taken, area)
    boxes = []
    for one in placed:
        wide = axes.width_of(one.text)
        left = one.x - {"start": 0.0, "middle": wide / 2, "end": wide}[one.anchor]
        boxes.append(axes.Box(left, one.y - 10, left + wide, one.y + 2))
    assert len(placed) >= 4
    assert any(one.text == "0 a long name of a network" for one in placed)
    assert all(area.holds(box) for box in boxes)
    assert not [1 for a, b in combinations(boxes, 2) if a.meets(b)]
    assert not [1 for box in boxes for other in taken if box.meets(other)]


def test_ticks_are_round_and_few() -> None:
    assert axes.ticks(0.65, 0.85, 7) == pytest.approx([0.65, 0.7, 0.75, 0.8, 0.85])
    assert axes.ticks(0, 1, 6) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert axes.log_ticks(90, 1900) == [100, 200, 500, 1000]
    assert axes.log_ticks(1, 100_000) == [1, 10, 100, 1000, 10_000, 100_000]


def test_a_scale_holds_all_intervals_and_is_never_empty() -> None:
    assert axes.span_of([(0.6512, 0.7), (0.8, 0.8449)]) == pytest.approx((0.65, 0.85))
    assert axes.span_of([(1.0, 1.0)]) == pytest.approx((0.95, 1.0))
    assert axes.span_of([(0.0, 0.0)]) == pytest.approx((0.0, 0.05))


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_text_can_be_read_on_every_ground(colours: dict[str, str]) -> None:
    def rgb(name: str) -> list[int]:
        value = colours[name]
        return [int(value[i : i + 2], 16) for i in (1, 3, 5)] if value[0] == "#" else [int(x) for x in value.split()]

    def luminance(name: str) -> float:
        """WCAG 2.2, relative luminance."""
        parts = [x / 255 / 12.92 if x <= 10 else ((x / 255 + 0.055) / 1.055) ** 2.4 for x in rgb(name)]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    def contrast(one: str, other: str) -> float:
        high, low = sorted((luminance(one), luminance(other)), reverse=True)
        return (high + 0.05) / (low + 0.05)

    for text, ground in [("ink", "paper"), ("muted", "paper"), ("hit", "paper"), ("miss", "paper"), ("ink", "soft"),
                         ("muted", "soft"), ("ink", "hit-shade"), ("ink", "miss-shade")]:  # fmt: skip
        assert contrast(text, ground) >= 4.5, (text, ground)


# --- on the disk ---


def test_a_failed_write_leaves_the_old_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.html"
    report.write(path, "old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(ReportError, match="No space left on device"):
        report.write(path, "new")
    assert path.read_text("utf-8") == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]


def test_a_link_is_followed_and_a_device_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    link = tmp_path / "link.html"
    link.symlink_to(tmp_path / "there" / "report.html")
    report.write(link, "one")
    assert (tmp_path / "there" / "report.html").read_text("utf-8") == "one"
    assert link.is_symlink()
    with pytest.raises(ReportError, match="not an ordinary file"):
        report.check(os.devnull)


@pytest.mark.parametrize("name", ["zero\0byte.html", "x" * 300])
def test_a_name_that_no_disk_takes_is_told_before_the_work(name: str, tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="cannot be written"):
        report.check(tmp_path / name)


# --- in a browser ---


@pytest.mark.slow
def test_a_browser_asks_nobody_for_anything(document: Document, tmp_path: Path) -> None:
    """Chromium's log of the network: what a page asks for has an origin, Chromium's own chatter has none."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("there is no Chromium here: apt-get install chromium")

    def asked(html: str) -> list[str]:
        (tmp_path / "page.html").write_text(html, "utf-8")
        command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
        command += ["--disable-background-networking", f"--log-net-log={tmp_path / 'net.json'}"]
        command += ["--virtual-time-budget=2000", "--dump-dom", (tmp_path / "page.html").as_uri()]
        subprocess.run(command, capture_output=True, timeout=60, check=True)
        log = (tmp_path / "net.json").read_text("utf-8")
        return re.findall(r'"initiator":"(?!not an origin)[^"]*".*?"url":"([^"]*)"', log)

    html = report.of_comparison(document, DAY)
    leak = '<img src="http://127.0.0.1:9/leak.png">'
    assert asked(html) == []
    assert asked(html.replace("<main>", "<main>" + leak)) == []  # the policy holds what escaping might let through
    assert set(asked(leak)) == {"http://127.0.0.1:9/leak.png"}
