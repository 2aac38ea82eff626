"""The fragment of a result for a notebook: complete, small, self-contained, and safe."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from by_hand import comparison, entry, with_best, with_evaluation

from fakes import FakeBackbone, training_of, write_photo, write_photos
from headstart.classifier.as_is import Classified, Guess, Recognised
from headstart.classifier.trained import Training
from headstart.evaluation.metrics import Mistake, Unsure
from headstart.evaluation.results import Predictions
from headstart.features.extraction import Skipped
from headstart.report.html.notebook import fragment

EVIL = "<script>alert('x')</script> & \"q\""


class Page(HTMLParser):
    """The words and the elements of a fragment."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.found: list[str] = []
        self.feed(html)
        self.words = re.sub(r" ([,.])", r"\1", " ".join(" ".join(self.found).split()))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.found.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Training:
    folder = tmp_path_factory.mktemp("notebook")
    for part, seed in (("train", 0), ("test", 1)):
        write_photos(folder / "photos" / part, {"red": 8, "tomato": 8, "lime": 8}, seed=seed)
    (folder / "photos" / "test" / "red" / "broken.jpg").write_bytes(b"no photo")
    return training_of(FakeBackbone(), folder / "photos", head="centroid", store=folder / "store")


def mistakes(folder: Path, count: int) -> tuple[Mistake, ...]:
    paths = [str(write_photo(folder / f"{i}.jpg", "red")) for i in range(count)]
    return tuple(Mistake(path, "red", "lime", 0.9123) for path in paths)


def test_a_training_shows_its_figures_its_matrix_and_its_worst_mistakes(trained: Training, tmp_path: Path) -> None:
    confusion = np.array([[8.0, 0, 0], [3, 5, 0], [0, 0, 8.0]])
    wrong = mistakes(tmp_path, 10)
    shown = Page(fragment(with_evaluation(trained, accuracy=0.875, confusion=confusion, mistakes=wrong, n=24)))
    low, high = trained.measured.evaluation.interval
    assert shown.words.startswith("87.5 % correct on 24 photos")
    assert f"95 % interval: {100 * low:.1f} % to {100 * high:.1f} %, on a test set" in shown.words
    assert "Nearest centroid on the features of fake:fake, trained on 24 photos of 3 classes" in shown.words
    assert "lime red tomato lime 8 red 3 5 tomato 8" in shown.words
    assert len(shown.named("img")) == 8, "the most confident, not all"
    assert "lime, 91.2 % labelled red 0.jpg" in shown.words
    assert "1 of 49 photos not used: 1 not an image" in shown.words
    assert str(tmp_path) not in shown.words


def test_what_was_measured_warns_of_photos_that_were_trained_on(trained: Training) -> None:
    assert "3 of them were trained on" in Page(fragment(replace(trained.measured, seen=3))).words
    assert "trained on" not in Page(fragment(trained.measured)).words


def test_without_mistakes_the_least_sure_are_shown(trained: Training, tmp_path: Path) -> None:
    path = str(write_photo(tmp_path / "p.jpg", "red"))
    sure = with_evaluation(trained, mistakes=(), least_sure=(Unsure(path, "red", 0.412),) * 12)
    shown = Page(fragment(sure))
    assert "No mistakes. Correct, but with the least confidence: red, 41.2 % p.jpg" in shown.words
    assert len(shown.named("img")) == 8


@pytest.mark.parametrize("classes", [12, 13])
def test_many_classes_are_their_confusions(classes: int, trained: Training) -> None:
    confusion = np.diag(np.full(classes, 9.0))
    confusion[1, 2] = 5
    names = tuple(f"k{i}" for i in range(classes))
    words = Page(fragment(with_evaluation(trained, classes=names, confusion=confusion))).words
    assert ("Confusion matrix" in words) == (classes == 12)
    assert ("Most frequent confusions, of 13 classes" in words) == (classes == 13)
    assert ("k1 k2 5 36 %" in words) == (classes == 13)


def test_a_comparison_shows_its_entries_and_the_best_in_detail() -> None:
    words = Page(fragment(comparison())).words
    assert words.startswith("great leads, but not clearly great and even do not differ by more than chance")
    assert "great 91.0 % 120 even 90.0 % 1.1 points, p = 0.41 520 poor 71.0 % 20.0 points, p < 0.001 –" in words
    assert "The best, great, on 100 photos" in words
    many = replace(comparison(), entries=(*comparison().entries, *(entry(f"n{i}", 50, 1.0) for i in range(20))))
    assert "and 11 more." in Page(fragment(many)).words


def test_predictions_and_recognised_photos_are_shown_with_their_probabilities(tmp_path: Path) -> None:
    paths = tuple(str(write_photo(tmp_path / f"{i}.jpg", "red")) for i in range(10))
    found = Predictions(paths, np.tile([0.25, 0.75], (10, 1)), ("lime", "red"), (Skipped("odd.jpg", "corrupt", ""),))
    shown = Page(fragment(found))
    assert shown.words.startswith("10 photos predicted red 10 red, 75.0 % 0.jpg")
    assert "and 2 more photos 1 of 11 photos not used: 1 corrupt." in shown.words
    assert len(shown.named("img")) == 8
    refused = Page(fragment(replace(found, unknown=np.arange(10) < 4)))
    assert refused.words.startswith("10 photos predicted red 6, unknown (red?) 4 unknown (red?), 75.0 % 0.jpg")
    guesses = tuple(Guess(f"thing {i}", i, 0.5 - i / 10) for i in range(5))
    shown = Page(fragment(Classified("builtin:x", (Recognised("gone.jpg", guesses),), ())))
    assert shown.words.startswith("1 photo classified")
    assert "This photo can no longer be read thing 0, 50.0 % thing 1, 40.0 % thing 2, 30.0 % gone.jpg" in shown.words


def test_it_is_self_contained_small_and_what_comes_from_outside_is_text(trained: Training, tmp_path: Path) -> None:
    names = (EVIL, *(f"a class of a long name, number {i}" for i in range(9)))
    confusion = np.full((10, 10), 12.0)
    noise = np.random.default_rng(0).integers(0, 255, (8, 300, 300, 3), np.uint8)
    from PIL import Image

    for i, pixels in enumerate(noise):
        Image.fromarray(pixels).save(tmp_path / f"{EVIL.replace('/', '')} {i}.png")
    wrong = tuple(Mistake(str(path), EVIL, EVIL, 0.9) for path in sorted(tmp_path.iterdir()))
    best = with_best(comparison(), classes=names, confusion=confusion, mistakes=wrong)
    for html in (
        fragment(with_evaluation(trained, classes=names, confusion=confusion, mistakes=wrong)),
        fragment(replace(best, verdict=EVIL)),
        fragment(Predictions((EVIL,), np.ones((1, 1)), (EVIL,), (Skipped(EVIL, EVIL, EVIL),))),
    ):
        page = Page(html)
        assert EVIL in page.words
        assert not {name for name, _ in page.elements} & {"script", "style", "link", "iframe", "form"}
        assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
        assert all(str(one["src"]).startswith("data:image/jpeg;base64,") for one in page.named("img"))
        assert "url(" not in html
        assert not re.search(r'[; "]color:(?!inherit)', html), "the notebook's own colour of text, light or dark"
        assert len(html) <= 100_000
