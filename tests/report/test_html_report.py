"""The HTML report: its figures are the result's, nothing from outside gets in, nothing is loaded."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from by_hand import with_best, with_evaluation
from click.testing import CliRunner

from fakes import FakeBackbone, write_photo, write_photos
from headstart.apps.cli.commands import app
from headstart.classifier.comparing import compare
from headstart.classifier.comparison import Comparison, QuickRanking
from headstart.classifier.trained import Training
from headstart.classifier.training import train
from headstart.errors import ReportError
from headstart.evaluation.metrics import Mistake
from headstart.report import html as report

DAY = date(2026, 11, 24)
EVIL = "<script>alert('x')</script> & \"q\" ש 🍕"


class Page(HTMLParser):
    """What a browser would find in it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.values: list[float] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.elements.append((tag, found))
        if (value := found.get("data-value")) is not None:
            self.values.append(float(value))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join("".join(self.text).split())

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def numbers(document: Any) -> Iterator[float]:
    """All numbers of a document, and differences and sums that a report may show."""
    if isinstance(document, dict):
        for one in document.values():
            yield from numbers(one)
    elif isinstance(document, list):
        for one in document:
            yield from numbers(one)
    elif isinstance(document, (int, float)):
        yield float(document)


class Noisy(FakeBackbone):
    """Sees less than the fake does."""

    noise = 120

    def _vectors(self, images: np.ndarray) -> np.ndarray:
        vectors = super()._vectors(images)
        noise = [
            np.random.default_rng(seed).normal(scale=self.noise, size=8) for seed in (1000 * vectors[:, :3]).astype(int)
        ]
        return (vectors + np.array(noise)).astype(np.float32)


class Sharp(Noisy):
    noise = 60


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """A real comparison with a learning curve, mistakes, a skipped photo and a failed backbone."""
    folder = tmp_path_factory.mktemp("report") / "photos"
    for part, count, seed in (("train", 40, 0), ("test", 30, 1)):
        write_photos(folder / part, {"red": count, "tomato": count, "lime": count}, seed=seed)
    (folder / "train" / "red" / "broken.jpg").write_bytes(b"no photo")
    store = tmp_path_factory.mktemp("store")
    backbones = [Sharp(weights="sharp"), Noisy(weights="noisy"), "no-such-network"]
    command = ["headstart", "compare", str(folder), "-b", "a b"]
    heads = ["logistic", "knn"]
    return compare(folder, backbones=backbones, heads=heads, learning_curve=True, store=store, command=command)


@pytest.fixture(scope="module")
def trained(tiles: Path) -> Training:
    return train(tiles, learning_curve=True, command=["headstart", "train", "tiles"])


def document(result: Comparison | Training) -> dict[str, Any]:
    """What `--json` prints of it."""
    return json.loads(json.dumps(result.to_json()))  # type: ignore[no-any-return]


# --- figures ---


def test_every_figure_of_a_comparison_is_in_its_json(compared: Comparison) -> None:
    page = Page(report.of_comparison(compared, DAY))
    assert len(page.values) > 100
    assert strange(page, compared) == []


def test_every_figure_of_a_training_is_in_its_json(trained: Training) -> None:
    page = Page(report.of_training(trained, DAY))
    assert len(page.values) > 30
    assert strange(page, trained) == []


@pytest.mark.parametrize("name", ["accuracy", "log_loss", "calibration_error", "balanced_accuracy"])
def test_a_figure_that_is_not_in_the_json_is_seen(name: str, compared: Comparison, trained: Training) -> None:
    wrong = 0.1234567
    assert strange(Page(report.of_training(with_evaluation(trained, **{name: wrong}), DAY)), trained) != []
    assert strange(Page(report.of_comparison(with_best(compared, **{name: wrong}), DAY)), compared) != []


def strange(page: Page, result: Comparison | Training) -> list[float]:
    """Figures of a page that neither are in the JSON of its result nor follow from it."""
    found = document(result)
    known = set(numbers(found)) | derived(found) | {float(len(found["classes"]))}
    return [value for value in page.values if value not in known]


def derived(document: dict[str, Any]) -> set[float]:
    """Numbers that a report adds up: mistakes in all, the log loss of guessing."""
    found: set[float] = set()
    for evaluation in (
        [document["evaluation"]] if "evaluation" in document else [entry["evaluation"] for entry in document["entries"]]
    ):
        counts = np.array(evaluation["confusion"]["counts"])
        found |= {
            float(counts.sum() - np.trace(counts)),
            float(np.log(len(counts))),
            float(len(evaluation["mistakes"])),
        }
    return found


def test_accuracies_intervals_and_tests_of_all_entries_are_shown(compared: Comparison) -> None:
    page = Page(report.of_comparison(compared, DAY))
    assert [one.difference is None for one in compared.entries] == [True, False, False, False]
    for entry in compared.entries:
        wanted = [entry.accuracy, *entry.evaluation.interval, entry.speed]
        if entry.difference:
            wanted += [entry.difference.value, *entry.difference.interval, entry.difference.p]
        assert set(wanted) <= set(page.values)
        assert entry.name in page.words


def test_what_is_shown_is_rounded_from_what_is_meant(compared: Comparison) -> None:
    html = report.of_comparison(compared, DAY)
    shown = re.findall(r'data-value="([^"]+)">(\d+\.\d) %<', html)
    assert len(shown) > 20
    assert all(f"{100 * float(value):.1f}" == text for value, text in shown)


# --- sections ---


def test_a_comparison_has_all_its_parts(compared: Comparison) -> None:
    page = Page(report.of_comparison(compared, DAY))
    assert compared.learning_curve is not None
    assert compared.verdict in page.words
    assert page.words.count(compared.learning_curve.advice.text) == 1
    assert "no-such-network" in page.words
    assert "broken.jpg" in page.words
    assert "headstart compare" in page.words
    assert "-b 'a b'" in page.words
    assert "24 November 2026" in page.words
    sections = [attributes["id"] for attributes in page.named("section")]
    assert len(sections) >= 9
    assert [link["href"] for link in page.named("a")] == [f"#{name}" for name in sections]


def test_mistakes_have_their_photos_in_the_page(compared: Comparison) -> None:
    pictures = Page(report.of_comparison(compared, DAY)).named("img")
    measured = compared.best.evaluation
    assert 0 < len(measured.mistakes) < 6, "so few that the least sure ones are shown, too"
    assert len(pictures) == len(measured.mistakes) + len(measured.least_sure)
    assert {str(one["src"])[:23] for one in pictures} == {"data:image/jpeg;base64,"}
    assert all(one["alt"] for one in pictures)


def test_a_photo_that_is_gone_leaves_its_name(trained: Training) -> None:
    gone = with_evaluation(trained, mistakes=(Mistake("somewhere/gone.jpg", "temple", "flower", 0.9),))
    assert "gone.jpg" in Page(report.of_training(gone, DAY)).words


def test_what_was_not_measured_has_no_part(trained: Training) -> None:
    page = Page(report.of_training(trained, DAY))
    assert "Would more photos help" in page.words
    assert "How to run it again" in page.words
    page = Page(report.of_training(replace(trained, learning_curve=None, command=()), DAY))
    assert "Would more photos help" not in page.words
    assert "How to run it again" not in page.words


def test_cross_validation_is_stated(tmp_path: Path, tiles: Path) -> None:
    shutil.copytree(tiles / "train", tmp_path / "photos")
    page = Page(report.of_training(train(tmp_path / "photos"), DAY))
    assert "By cross-validation" in page.words
    assert "Each photo was predicted by heads that were not trained on it" in page.words
    assert "continuity correction" in page.words
    assert "On a test set" not in page.words


def test_what_the_quick_ranking_left_out_is_reported(compared: Comparison) -> None:
    text = "3 went on; the others may be as good."
    quick = replace(compared, left_out=compared.entries[1:2], quick=QuickRanking(20, text))
    words = Page(report.of_comparison(quick, DAY)).words
    assert text in words
    assert "measured on only 20 photos per class" in words
    only_text = Page(report.of_comparison(replace(quick, left_out=()), DAY)).words
    assert text in only_text
    assert "per class:" not in only_text.partition("Left out by --quick")[2].partition("What could not")[0]


def test_those_that_could_not_be_paired_say_why(compared: Comparison) -> None:
    best, second, *rest = compared.entries
    unpaired = replace(second, difference=None, unpaired="their folds differ")
    page = Page(report.of_comparison(replace(compared, entries=(best, unpaired, *rest)), DAY))
    assert "Not compared: their folds differ" in page.words


@pytest.mark.parametrize("classes", [2, 21, 120])
def test_any_number_of_classes_can_be_shown(classes: int, trained: Training) -> None:
    counts = np.random.default_rng(0).integers(0, 9, (classes, classes)).astype(float)
    names = tuple(f"class {i}" for i in range(classes))
    html = report.of_training(with_evaluation(trained, classes=names, confusion=counts), DAY)
    assert len(html) < 1_500_000
    assert "class 1" in html
    assert ('class="counts"' in html) == (classes <= 20)


# --- nothing gets in, nothing goes out ---


def renamed(node: Any) -> Any:
    """A result in which some names are evil."""
    if isinstance(node, str):
        for name in ("tomato", "sharp", "no-such-network"):
            node = node.replace(name, EVIL)
        return node
    if isinstance(node, (list, tuple)):
        return type(node)(renamed(one) for one in node)
    if is_dataclass(node) and not isinstance(node, type):
        return replace(node, **{one.name: renamed(getattr(node, one.name)) for one in fields(node)})
    return node


def test_what_comes_from_outside_is_text(compared: Comparison) -> None:
    page = Page(report.of_comparison(renamed(compared), DAY))
    assert not page.named("script")
    assert EVIL in page.words
    assert not {"tomato", "no-such-network"} & set(page.words.split())


def test_names_that_are_not_utf8_are_shown_as_far_as_they_can(trained: Training, tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff\xfe.jpg")
    path = write_photo(tmp_path / name, "red") if os.name == "posix" else name
    odd = with_evaluation(trained, mistakes=(Mistake(str(path), "temple", "flower", 0.9),))
    report.write(tmp_path / "report.html", report.of_training(odd, DAY))
    assert ".jpg" in (tmp_path / "report.html").read_text("utf-8")


def test_nothing_is_loaded_from_anywhere(compared: Comparison, trained: Training) -> None:
    for html in (report.of_comparison(compared, DAY), report.of_training(trained, DAY)):
        page = Page(html)
        addresses = [a[name] for _, a in page.elements for name in ("src", "href", "action", "srcset") if a.get(name)]
        assert addresses
        assert all(address is not None and address.startswith(("#", "data:image/")) for address in addresses)
        assert not page.named("script")
        assert not page.named("link")
        assert "@import" not in html
        assert "url(" not in html
        (policy,) = [m["content"] for m in page.named("meta") if m.get("http-equiv") == "Content-Security-Policy"]
        assert policy is not None
        assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")


def test_drawings_are_described_and_tables_have_heads(compared: Comparison) -> None:
    html = report.of_comparison(compared, DAY)
    page = Page(html)
    drawings = [one for one in page.named("svg") if one.get("aria-hidden") != "true"]
    assert drawings
    assert all(one.get("role") == "img" for one in drawings)
    assert all(head.get("scope") in ("col", "row") for head in page.named("th"))
    assert page.elements[0] == ("html", {"lang": "en"})


# --- written whole or not at all ---


def test_a_report_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    report.write(path, "one")
    report.write(path, "two é")
    assert path.read_text("utf-8") == "two é"
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]


def test_where_it_cannot_be_written_is_reported_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="missing"):
        report.check(tmp_path / "missing" / "report.html")
    with pytest.raises(ReportError, match="is a folder"):
        report.check(tmp_path)
    report.check(tmp_path / "report.html")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["train", "compare"])
def test_the_command_line_shows_whole_paths_only_where_they_are_asked_for(
    command: str, compared: Comparison, trained: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = Path(compared.source)
    monkeypatch.setattr("headstart.classifier.comparing.compare", lambda *_, **__: compared)
    monkeypatch.setattr("headstart.classifier.training.train", lambda *_, **__: replace(trained, source=str(photos)))
    for more in ([], ["--paths"]):
        words = [command, str(photos), "-b", "builtin:efficientnet-lite0", "--report", str(tmp_path / "r.html"), *more]
        CliRunner().invoke(app, words, catch_exceptions=False)
        html = (tmp_path / "r.html").read_text("utf-8").replace("<wbr>", "")
        assert (str(photos.parent) in html) == bool(more)


# --- in a browser ---

_LOOK = """<script>
addEventListener("load", () => {
  const wide = [...document.querySelectorAll("body *")].filter(e => {
    const box = e.getBoundingClientRect();
    if (box.right <= innerWidth + 1 || !box.width) return false;
    for (let p = e.parentElement; p; p = p.parentElement)
      if (["auto", "scroll", "hidden"].includes(getComputedStyle(p).overflowX)) return false;
    return true;
  });
  const broken = [], words = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  while (words.nextNode()) {
    const node = words.currentNode, range = document.createRange();
    if (node.parentElement.closest(".counts thead, svg, pre")) continue;
    for (const word of node.data.matchAll(/[^\\s\\/_–-]+/g)) {
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      if (new Set([...range.getClientRects()].map(r => Math.round(r.top))).size > 1) broken.push(word[0]);
    }
  }
  const heading = document.querySelector("h1"), line = parseFloat(getComputedStyle(heading).lineHeight);
  document.title = "SEEN " + document.documentElement.scrollWidth + " of " + innerWidth + " wide: "
    + wide.slice(0, 3).map(e => e.tagName + "." + e.getAttribute("class")).join(" ")
    + " lines: " + Math.round(heading.getBoundingClientRect().height / line) + " broken: " + broken.join(" ") + ";";
});
</script>"""


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 390, 1200])
def test_a_browser_shows_it_without_a_warning(compared: Comparison, tmp_path: Path, width: int) -> None:
    """Chromium's window has at least 500 pixels, so a frame makes it as narrow as a phone."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("there is no Chromium here: apt-get install chromium")
    name = "mobilenet_v2_100_224-feature-vector-of-a-long-name-30-letters"
    best, *rest = compared.entries
    long = replace(best, name=name, card=replace(best.card, handle=f"https://tfhub.dev/google/imagenet/{name}/5"))
    html = report.of_comparison(replace(compared, entries=(long, *rest)), DAY)
    (tmp_path / "plain.html").write_text(html, "utf-8")
    looked = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html).replace("</body>", _LOOK + "</body>")
    (tmp_path / "looked.html").write_text(looked, "utf-8")
    (tmp_path / "phone.html").write_text(
        f'<iframe src="looked.html" width="{width}" height="800"></iframe>'
        '<script>addEventListener("load", () => setTimeout('
        '() => { document.title = document.querySelector("iframe").contentDocument.title }, 200));</script>',
        "utf-8",
    )

    def look(name: str) -> subprocess.CompletedProcess[str]:
        command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"]
        command += [
            f"--user-data-dir={tmp_path / 'profile'}",
            "--enable-logging=stderr",
            f"--window-size={max(width, 500)},900",
        ]
        command += ["--virtual-time-budget=3000", "--dump-dom", (tmp_path / name).as_uri()]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)

    assert "CONSOLE" not in look("plain.html").stderr
    dom = look("phone.html" if width < 500 else "looked.html").stdout
    seen = re.search(r"SEEN (\d+) of (\d+) wide:([^<]*) lines: (\d) broken: ([^<]*);<", dom)
    assert seen, dom[:500]
    assert int(seen[1]) <= int(seen[2]), seen[0]
    assert int(seen[2]) == width
    assert seen[3].strip() == ""
    assert int(seen[4]) <= 2, "the heading fits two lines"
    assert seen[5] == ""
