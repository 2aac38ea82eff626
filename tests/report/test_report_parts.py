"""The parts of a report on small results made by hand: words, drawings, colours, odd names, missing pieces."""

from __future__ import annotations

import copy
import os
import re
import shutil
import subprocess
import sys
from dataclasses import fields, is_dataclass, replace
from datetime import date
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from by_hand import comparison, with_best
from jinja2 import UndefinedError
from PIL import Image

from fakes import write_photo
from headstart.backbones.ranges.feeds import Origin
from headstart.classifier.comparison import Comparison, Entry, Failure, QuickRanking
from headstart.errors import ReportError
from headstart.evaluation.learning_curve.class_advice import Advice, ClassWorth
from headstart.evaluation.learning_curve.curve import LearningCurve, Point
from headstart.evaluation.learning_curve.extrapolation import PowerLaw
from headstart.evaluation.metrics import Bin, Mistake, Unsure
from headstart.evaluation.results import PhotoCounts
from headstart.features.extraction import Skipped
from headstart.heads.head import HeadChoice
from headstart.report import geometry
from headstart.report import html as report
from headstart.report.html import figures, labels
from headstart.report.html import page as pages
from headstart.report.html.markup import foreign, inline, tag
from headstart.report.html.short_paths import shortener

DAY = date(2026, 11, 24)
FOLDER = Path(report.__file__).parent


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


def page(result: Comparison) -> Page:
    return Page(report.of_comparison(result, DAY))


def curve(*points: Point, ahead: tuple[Point, ...] = (), advice: Advice | None = None) -> LearningCurve:
    law = PowerLaw(0.1, 0.8, 0.5) if ahead else None
    return LearningCurve(points, law, ahead, advice or Advice("The photos do not show which class."))


# --- words ---


def test_the_heading_is_a_line_and_the_verdict_stands_below() -> None:
    def heading(*entries: Entry) -> str:
        html = report.of_comparison(comparison(entries=entries), DAY)
        return re.search(r"<h1>(.*)</h1>", html)[1]  # type: ignore[index]

    best, even, poor = comparison().entries
    assert heading(best, even, poor) == "great leads, but not clearly"
    assert heading(best, poor) == "great is clearly the best of 2"
    assert heading(best) == "great, compared with none"
    assert heading(best, poor, replace(even, difference=None, unpaired="why")) == "great leads, but not clearly"
    assert heading(best, replace(best, name="same", is_best=False), poor) == "2 of 3 are equally accurate"
    assert heading(replace(best, name="n" * 60), poor) == f"{'n' * 11}…{'n' * 10} is clearly the best of 2"
    assert f"{comparison().verdict} The best, great, predicts" in page(comparison()).words


def test_a_difference_is_stated_in_plain_words() -> None:
    words = page(comparison()).words
    assert "1.1 points not by more than chance −2.1 to 4.3; p = 0.41" in words
    assert "20.0 points by more than chance 12.1 to 28.3; p < 0.001" in words


def test_a_speed_that_was_measured_under_load_is_marked() -> None:
    result = comparison()
    busy = replace(result.best, work=replace(result.best.work, under_load=True))
    marked = comparison(entries=(busy, *result.entries[1:]))
    assert "120 estimated" in page(marked).words
    assert "other programs kept the processors busy" in page(marked).words
    assert "estimated" not in page(result).words


def test_p_and_intervals_for_several_comparisons_at_once_are_explained() -> None:
    assert "p is multiplied by 2 and the intervals hold together" in page(comparison()).words
    assert "p is multiplied" not in page(comparison(entries=comparison().entries[:2])).words


def test_the_best_has_no_difference_and_an_unknown_speed_is_a_dash() -> None:
    html = report.of_comparison(comparison(), DAY)
    first, *_, last = re.findall(r"<tr role=\"row\">.*?</tr>", html, re.DOTALL)[1:]
    assert "points" not in first
    assert ">best<" in first
    assert '<td class="r" role="cell" data-label="photos/s">–</td>' in last
    assert "A dash means unknown." in html
    known = comparison(entries=comparison().entries[:2])
    assert "A dash means unknown." not in report.of_comparison(known, DAY)
    assert "1 of 3 entries is not shown, because the speed is unknown" in page(comparison()).words
    assert "speed is unknown" not in page(known).words


def test_entries_are_named_with_their_heads_where_there_are_several() -> None:
    assert "probabilities of great reliable?" in page(comparison()).words
    best, second, last = comparison().entries
    ridge = replace(second, name="great", head=HeadChoice("ridge", 0.1))
    assert "probabilities of great (logistic) reliable?" in page(comparison(entries=(best, ridge, last))).words


@pytest.mark.parametrize("origin", get_args(Origin))
def test_the_input_range_is_shown_with_how_it_is_known(origin: Origin) -> None:
    best, *rest = comparison().entries
    known = replace(best, card=replace(best.card, range_from=origin))
    words = page(comparison(entries=(known, *rest))).words
    ending = {"given": ", as you specified Features", "assumed": ", assumed Features"}.get(origin, " Features")
    assert f"224×224 pixels, input range 0..1{ending}" in words


def test_calibration_is_described_with_its_tendency() -> None:
    def words(error: float, confidence: float, accuracy: float, n: int = 1000) -> str:
        bins = (Bin(0.8, 1.0, n, confidence, accuracy),)
        return page(with_best(comparison(), calibration_error=error, n=n, bins=bins)).words

    assert "The probabilities are reliable." in words(0.01, 0.90, 0.91)
    assert "Overall it is as confident as it should be" in words(0.01, 0.90, 0.91)
    assert "overconfident: mean confidence 95.0 %, accuracy 80.0 %" in words(0.15, 0.95, 0.80)
    assert "Do not rely on the probabilities" in words(0.15, 0.95, 0.80)
    assert "it is underconfident" in words(0.05, 0.90, 0.95)
    assert "roughly reliable" in words(0.05, 0.90, 0.95)
    assert "part of the error is chance" not in words(0.05, 0.90, 0.95)
    assert "part of the error is chance" in words(0.05, 0.90, 0.95, n=40)


def test_confusions_are_a_sentence() -> None:
    def words(confusion: list[list[float]], names: str = "ab") -> str:
        found = page(with_best(comparison(), classes=tuple(names), confusion=np.array(confusion, float)))
        return found.words.partition("Which classes great confuses")[2].partition(" Each row")[0].strip()

    assert words([[9, 0], [0, 9]]) == "No photo was predicted as another class."
    assert words([[9, 0.2], [0, 9]]) == "Hardly any photo was predicted as another class."
    assert words([[9, 3.4], [1, 9]]) == "Most often, a was predicted as b (3.4) and b was predicted as a (1)."
    assert words([[9, 3, 2], [1, 9, 0], [0, 0, 9]], "abc") == (
        "Most often, a was predicted as b (3), a was predicted as c (2) and b was predicted as a (1)."
    )


@pytest.mark.parametrize("count", [1, 2])
def test_one_of_a_kind_is_not_called_many(count: int) -> None:
    best, *rest = comparison().entries
    photos = PhotoCounts(150 + count, (Skipped("odd.jpg", "corrupt", ""),) * count)
    measured = replace(best.evaluation, n=count, bins=(Bin(0, 1, count, 1, 1),))
    best = replace(best, photos=photos, train=count, evaluation=measured)
    advice = Advice("More.", (ClassWorth("cat", 0.1, (0.0, 0.2)),), removed=count)
    quick = QuickRanking(count, "1 of 3 was left out.")
    point = Point(5, 10, 8, 0.6, (0.5, 0.7))
    shown = comparison(
        entries=(best, *rest), learning_curve=curve(point, advice=advice), quick=quick, left_out=(rest[1],), failures=()
    )
    html = report.of_comparison(shown, DAY)
    words = Page(html).words
    plural = "" if count == 1 else "s"
    assert f"predicts 91.0 % of {count} photo{plural} correctly" in words
    assert f"accuracy 100.0 %: {count} photo{plural}." in words
    assert f"when {count} photo{plural} of a class {'is' if count == 1 else 'are'} removed" in words
    assert f"on only {count} photo{plural} per class" in words
    assert f"corrupt: {count} file{plural}" in words
    assert f"{count} of {150 + count} files found {'was' if count == 1 else 'were'} not used" in words
    assert not re.search(r"(?<![\d.,])1 (photos|files|classes|numbers|entries)\b", words)


def test_figures_read_as_on_the_command_line() -> None:
    shown = [
        figures.percent(0.83049),
        figures.points(0.01),
        figures.points(-0.0003),
        figures.probability(0.0004),
        figures.probability(0.0321),
        figures.counted(3.4),
        figures.counted(1200.0),
        figures.millions(4_651_000),
        figures.millions(900),
        figures.seconds(130.2),
        figures.counted(1, "class", "classes"),
        figures.counted(2, "class", "classes"),
        figures.counted(1200, "photo"),
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
        "1 class",
        "2 classes",
        "1,200 photos",
    ]
    assert 'data-value="0.83049"' in shown[0]
    assert 'data-value="1200"' in shown[6]


# --- parts ---


def test_what_is_missing_has_no_part() -> None:
    parts = {one["id"] for one in page(comparison()).all("section")}
    assert parts == {"backbones", "cost", "confusions", "classes", "calibration", "mistakes", "skipped", "how", "again"}
    few = comparison(command=(), entries=comparison().entries[:1])
    parts = {one["id"] for one in page(few).all("section")}
    assert parts == {"backbones", "confusions", "classes", "calibration", "mistakes", "skipped", "how"}


def test_every_section_has_a_template_and_every_template_a_use() -> None:
    names = {path.name.removesuffix(".html.j2") for path in (FOLDER / "templates" / "sections").iterdir()}
    assert names == set(pages._SECTIONS)
    texts = [path.read_text("utf-8") for path in FOLDER.rglob("*.j2")] + [
        (FOLDER / name).read_text("utf-8") for name in ("page.py", "check_page.py", "__init__.py")
    ]
    others = {path.name for path in (FOLDER / "templates").glob("*.j2")} - {"training.html.j2", "comparison.html.j2"}
    assert all(any(f'"{name}"' in text for text in texts) for name in others)


def test_a_class_of_the_page_is_a_class_of_the_style_sheet() -> None:
    failing = comparison(failures=(Failure("hf:a/b", "no"),), learning_curve=curve(Point(5, 10, 8, 0.6, (0.5, 0.7))))
    style = (FOLDER / "style.css").read_text("utf-8")
    used = {name for _, attributes in page(failing).elements for name in str(attributes.get("class", "")).split()}
    assert len(used) > 25
    assert not {name for name in used if f".{name}" not in style}


def test_a_curve_of_too_few_photos_says_so_without_a_drawing() -> None:
    found = page(comparison(learning_curve=curve()))
    assert "There are too few photos for a learning curve." in found.words
    assert not [one for one in found.all("svg") if "curve" in str(one["aria-labelledby"])]


def test_only_what_was_not_measured_is_dashed() -> None:
    points = (Point(5, 10, 8, 0.6, (0.5, 0.7)), Point(10, 20, 8, 0.7, (0.5, 0.7)))
    assert 'class="ahead"' not in report.of_comparison(comparison(learning_curve=curve(*points)), DAY)
    beyond = Point(20, 40, 0, 0.8, (0.6, 0.9))
    html = report.of_comparison(comparison(learning_curve=curve(*points, ahead=(beyond,))), DAY)
    assert html.count('class="ahead"') == 2  # for a desktop and for a phone
    assert html.count('class="ring"') == 2
    assert "not measured, but extrapolated by a power law" in html
    assert html.count("20 photos per class: 80.0 % (60.0 % to 90.0 %), extrapolated<") == 2
    assert html.count("10 photos per class: 70.0 % (50.0 % to 70.0 %)<") == 2


def test_the_advice_is_strong_only_where_it_is_significant() -> None:
    point = Point(5, 10, 8, 0.6, (0.5, 0.7))
    for is_told in (False, True):
        advice = Advice("Take cats.", (ClassWorth("cat", 0.1, (0.05, 0.15)),), 5, is_told)
        html = report.of_comparison(comparison(learning_curve=curve(point, advice=advice)), DAY)
        assert ("<strong>Take cats.</strong>" in html) == is_told


def test_many_skipped_files_are_counted_and_not_all_listed() -> None:
    files = [Skipped(f"p{i}.jpg", "corrupt", "") for i in range(400)]
    files += [Skipped(f"q{i}.jpg", "empty", "0 bytes") for i in range(3)]
    best, *rest = comparison().entries
    words = page(comparison(entries=(replace(best, photos=PhotoCounts(900, tuple(files))), *rest))).words
    assert "403 of 900 files found were not used" in words
    assert len(re.findall(r"[pq]\d+\.jpg", words)) == 25 + 3
    assert "and 375 more." in words
    assert "q2.jpg" in words


def test_many_classes_are_pairs_instead_of_a_matrix() -> None:
    confusion = np.diag(np.full(21, 10.0))
    confusion[3, 4] = 5
    html = report.of_comparison(
        with_best(comparison(), classes=tuple(f"k{i}" for i in range(21)), confusion=confusion), DAY
    )
    assert 'class="counts"' not in html
    assert "k3 k4 5 33 %" in " ".join(re.sub(r"<[^>]*>", " ", html).split())


def test_at_most_24_mistakes_have_a_picture_and_a_page_stays_small(tmp_path: Path) -> None:
    noise = os.urandom(3 * 900 * 1200)
    Image.frombytes("RGB", (1200, 900), noise).save(tmp_path / "noise.jpg")
    mistakes = (Mistake(str(tmp_path / "noise.jpg"), "cat", "dog", 0.9),) * 50
    html = report.of_comparison(with_best(comparison(), mistakes=mistakes, accuracy=0.5), DAY)
    assert html.count("data:image/jpeg") == 24
    assert len(html) < 1_000_000
    assert "The 24 with the highest confidence are shown, of 50." in html


def test_a_photo_that_is_gone_is_a_tile_with_its_name(tmp_path: Path) -> None:
    there = Mistake(str(write_photo(tmp_path / "there.jpg", "red")), "cat", "dog", 0.9)
    found = page(with_best(comparison(), mistakes=(*comparison().best.evaluation.mistakes, there)))
    assert "can no longer be read" in found.words
    assert "cat7.jpg" in found.words
    assert len(found.all("img")) == 1


def test_with_few_mistakes_the_least_sure_photos_are_shown(tmp_path: Path) -> None:
    unsure = tuple(Unsure(str(write_photo(tmp_path / f"p{i}.jpg", "red")), "cat", 0.4123) for i in range(3))
    found = page(with_best(comparison(), mistakes=(), least_sure=unsure))
    assert "None: every photo was predicted correctly. Correct, but with the least confidence cat, 41.2 % p0.jpg" in (
        found.words
    )
    assert len(found.all("img")) == 3
    many = comparison().best.evaluation.mistakes * 6
    assert "with the least confidence" not in page(with_best(comparison(), mistakes=many, least_sure=unsure)).words


def test_a_wide_confusion_matrix_says_that_it_goes_on() -> None:
    def words(classes: int) -> str:
        names = tuple(f"k{i}" for i in range(classes))
        return page(with_best(comparison(), classes=names, confusion=np.diag(np.full(classes, 9.0)))).words

    assert "scroll it sideways" in words(13)
    assert "scroll it sideways" not in words(12)


# --- paths ---


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/me/pets", "pets"),
        ("/home/me/pets/train/cat/1.jpg", "pets/train/cat/1.jpg"),
        ("/mnt/home/me/pets/1.jpg", "1.jpg"),
        ("/mnt/other/1.jpg: not found, see '/mnt/x y/z.txt'", "1.jpg: not found, see 'x y/z.txt'"),
        ("--test=/mnt/other/", "--test=other/"),
        ("../photos/pets/1.jpg", "../photos/pets/1.jpg"),
        ("https://tfhub.dev/google/imagenet/x/5", "https://tfhub.dev/google/imagenet/x/5"),
        ("hf:timm/some-net", "hf:timm/some-net"),
        ("90 photos/s, and/or 3 / 4", "90 photos/s, and/or 3 / 4"),
        (r"C:\Users\me\net.onnx \\server\share\a.csv", "net.onnx a.csv"),
        ("~/pets", "~/pets"),
    ],
)
def test_a_path_is_shortened_to_what_means_something_elsewhere(text: str, shown: str) -> None:
    assert shortener("/home/me/pets", False)(text) == shown
    assert shortener("/home/me/pets/", False)(text) == shown
    assert shortener("/home/me/pets", True)(text) == text


def test_no_folder_of_this_machine_is_in_a_report_unless_it_is_wanted() -> None:
    home = "/home/someone"
    best, second, last = comparison().entries
    photos = PhotoCounts(151, (Skipped(f"{home}/pets/odd.jpg", "duplicate", f"the same photo as {home}/pets/b.jpg"),))
    mistakes = (Mistake(f"{home}/pets/cat7.jpg", "cat", "dog", 0.9),)
    measured = replace(best.evaluation, mistakes=mistakes, least_sure=(Unsure(f"{home}/pets/c.jpg", "cat", 0.4),))
    local = replace(best.card, handle=f"{home}/nets/great.onnx")
    result = comparison(
        source=f"{home}/pets",
        command=("headstart", "compare", f"{home}/pets", "-b", f"{home}/nets/great.onnx", f"--test={home}/x"),
        entries=(replace(best, card=local, photos=photos, evaluation=measured), second, last),
        failures=(Failure(f"{home}/nets/poor.onnx", f"{home}/nets/poor.onnx is empty."),),
        notes=(f"{home}/pets/.cache is ignored.",),
        learning_curve=curve(Point(5, 10, 8, 0.6, (0.5, 0.7))),
    )
    html = report.of_comparison(result, DAY)
    assert home not in html.replace("<wbr>", "")
    words = Page(html).words
    assert "headstart compare pets -b nets/great.onnx --test=x" in words
    for shown in ("pets/odd.jpg", "the same photo as pets/b.jpg", "cat7.jpg", "poor.onnx is empty", "pets/.cache is"):
        assert shown in words
    whole = Page(report.of_comparison(result, DAY, paths=True)).words
    for path in ("pets/cat7.jpg", "pets/c.jpg", "pets/odd.jpg", "pets/b.jpg", "nets/poor.onnx is empty", "pets/.cache"):
        assert f"{home}/{path}" in whole
    assert f"headstart compare {home}/pets -b {home}/nets/great.onnx" in whole


def test_a_report_leaves_its_result_as_it_was_and_is_always_the_same() -> None:
    result = comparison(learning_curve=curve(Point(5, 10, 8, 0.6, (0.5, 0.7))))
    before = copy.deepcopy(result.to_json())
    assert report.of_comparison(result, DAY) == report.of_comparison(result, DAY)
    assert result.to_json() == before


def test_failures_are_reported_with_their_reasons() -> None:
    failure = Failure("hf:a/b", "It was not found.\nExpected <another>.")
    words = page(comparison(failures=(failure,))).words
    assert "hf:a/b" in words
    assert "It was not found. Expected <another>." in words


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


def test_what_is_not_markup_is_escaped_once_and_what_is_is_not() -> None:
    assert tag("p", "<b>", tag("i", "&"), title="\"'>") == '<p title="&#34;&#39;&gt;">&lt;b&gt;<i>&amp;</i></p>'
    assert inline(f"{tag('i')}") == "&lt;i&gt;&lt;/i&gt;"  # an f-string forgets that it was markup: safe, and seen
    assert tag("td", class_=None, x=1.04, data_value="1.04") == '<td x="1" data-value="1.04"></td>'


def test_templates_escape_and_spell_whatever_they_are_given() -> None:
    template = pages.templates().from_string('<p title="{{ x }}">{{ x }} {{ x|foreign }} {{ 5|counted }}</p>')
    found = template.render(x='<b>"\x1b\u202e')
    text = "&lt;b&gt;&#34;\\x1b\\u202e"
    number = '<span class="n" data-value="5">5</span>'
    assert found == f'<p title="{text}">{text} <bdi>{text}</bdi> {number}</p>'
    with pytest.raises(UndefinedError):
        pages.templates().from_string("{{ best.nmae }}").render(best=comparison().best)


@pytest.mark.parametrize("classes", [2, 30])
def test_every_place_for_a_name_is_a_place_for_text_only(classes: int) -> None:
    evil = "\" onload=alert(1) x='</title></style><script>alert(1)</script><img src=x onerror=alert(1)>\"'"
    fixed = {"protocol", "kind", "fit", "channels", "precision", "range_from", "layers", "view"}

    def poisoned(node: Any) -> Any:
        if isinstance(node, str):
            return evil + node
        if isinstance(node, tuple):
            return tuple(poisoned(one) for one in node)
        if is_dataclass(node) and not isinstance(node, type):
            names = [one.name for one in fields(node) if one.name not in fixed]
            return replace(node, **{name: poisoned(getattr(node, name)) for name in names})
        return node

    advice = Advice("advice", (ClassWorth("cat", 0.1, (0.05, 0.15)),), 5)
    best, second, last = comparison().entries
    photos = PhotoCounts(151, (Skipped("a", "corrupt", "b"),))
    result = comparison(
        entries=(replace(best, photos=photos), second, replace(last, unpaired="why", difference=None)),
        failures=(Failure("hf:a/b", "no"),),
        notes=("note",),
        quick=QuickRanking(20, "quick"),
        left_out=(last,),
        learning_curve=curve(Point(5, 10, 8, 0.6, (0.5, 0.7)), advice=advice),
    )
    names = tuple(f"k{i}" for i in range(classes))
    confusion = np.diag(np.full(classes, 9.0)) + np.eye(classes, k=1)
    found = page(poisoned(with_best(result, classes=names, confusion=confusion)))
    assert {name for name, _ in found.elements} & {"script", "img", "link", "iframe", "object"} == set()
    assert not [name for _, attributes in found.elements for name in attributes if name.startswith("on")]
    assert found.words.count("<script>alert(1)</script>") > 30


def test_only_writing_a_report_loads_jinja() -> None:
    code = "import sys, headstart, headstart.report.html; print('jinja2' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


# --- drawings and colours ---


def test_every_drawing_says_what_it_shows_and_no_name_is_given_twice() -> None:
    found = page(comparison())
    ids = [attributes["id"] for _, attributes in found.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))
    assert len(found.all("svg")) == 3 + 2 + 1
    for drawing in found.all("svg"):
        assert drawing["role"] == "img"
        assert {drawing["aria-labelledby"], drawing["aria-describedby"]} <= set(ids)
    pointed = [attributes["aria-labelledby"] for _, attributes in found.elements if attributes.get("aria-labelledby")]
    assert set(pointed) <= set(ids)


def test_labels_lie_neither_on_each_other_nor_outside() -> None:
    area = labels.Box(0, 0, 300, 200)
    points = [(20.0 + 9 * i, 100.0 + 5 * (i % 3)) for i in range(12)]
    texts = [[f"{i} a long name of a network", str(i)] for i in range(12)]
    taken = [labels.Box(x - 5, y - 5, x + 5, y + 5) for x, y in points]
    placed = labels.labels(texts, points, taken, area)
    boxes = []
    for one in placed:
        wide = labels.width_of(one.text)
        left = one.x - {"start": 0.0, "middle": wide / 2, "end": wide}[one.anchor]
        boxes.append(labels.Box(left, one.y - 10, left + wide, one.y + 2))
    assert len(placed) >= 4
    assert any(one.text == "0 a long name of a network" for one in placed)
    assert all(area.holds(box) for box in boxes)
    assert not [1 for a, b in combinations(boxes, 2) if a.meets(b)]
    assert not [1 for box in boxes for other in taken if box.meets(other)]


def test_ticks_are_round_and_few() -> None:
    assert geometry.ticks(0.65, 0.85, 7) == pytest.approx([0.65, 0.7, 0.75, 0.8, 0.85])
    assert geometry.ticks(0, 1, 6) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert geometry.log_ticks(90, 1900) == [100, 200, 500, 1000]
    assert geometry.log_ticks(1, 100_000) == [1, 10, 100, 1000, 10_000, 100_000]


def test_a_scale_holds_all_intervals_and_is_never_empty() -> None:
    assert geometry.span_of([(0.6512, 0.7), (0.8, 0.8449)]) == pytest.approx((0.65, 0.85))
    assert geometry.span_of([(1.0, 1.0)]) == pytest.approx((0.95, 1.0))
    assert geometry.span_of([(0.0, 0.0)]) == pytest.approx((0.0, 0.05))


def test_shades_grow_with_the_share_of_the_row_and_radii_with_the_root_of_the_photos() -> None:
    shades = geometry.shades(np.array([[9.0, 1.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 0.0]]), least=0.1)
    assert shades == pytest.approx(np.array([[0.1 + 0.9 * 0.9**0.5, 0.1 + 0.9 * 0.1**0.5, 0], [0, 1, 0], [0, 0, 0]]))
    assert geometry.bubble_radius(400, 400) == 2 * geometry.bubble_radius(100, 400) == 15
    assert geometry.bubble_radius(1, 10_000) == 2.5


def colours(scheme: str) -> dict[str, str]:
    """The variables of the style sheet, in light or in dark mode."""
    light, dark = re.findall(r":root \{(.*?)\}", (FOLDER / "style.css").read_text("utf-8"), re.DOTALL)
    return dict(re.findall(r"--([a-z-]+): ([^;]+);", light if scheme == "light" else dark))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_on_every_ground(scheme: str) -> None:
    def rgb(name: str) -> list[int]:
        value = colours(scheme)[name]
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
def test_a_name_that_no_disk_takes_is_reported_before_the_work(name: str, tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="cannot be written"):
        report.check(tmp_path / name)


# --- in a browser ---


@pytest.mark.slow
def test_a_browser_loads_nothing(tmp_path: Path) -> None:
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

    html = report.of_comparison(comparison(), DAY)
    leak = '<img src="http://127.0.0.1:9/leak.png">'
    assert asked(html) == []
    assert asked(html.replace("<main>", "<main>" + leak)) == []  # the policy holds what escaping might let through
    assert set(asked(leak)) == {"http://127.0.0.1:9/leak.png"}
