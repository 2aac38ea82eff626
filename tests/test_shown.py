"""Results show themselves: in a notebook, as text, as a plot, a report or a run; one picture gives one answer."""

from __future__ import annotations

import re
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import headstart
from headstart import progress
from headstart.classifier.as_is import Recognised
from headstart.classifier.trained import Training
from headstart.errors import HeadstartWarning, MissingExtraError
from headstart.progress import Bars, Silent


@pytest.fixture(scope="module")
def trained(tiles: Path, graphs: Path, tmp_path_factory: pytest.TempPathFactory) -> Training:
    folder = tmp_path_factory.mktemp("shown")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSTART_HOME", str(folder))
        return headstart.train(tiles, store=folder)


def test_a_training_has_its_figures_at_hand_and_a_short_text(trained: Training) -> None:
    assert trained.accuracy == trained.measured.evaluation.accuracy
    assert trained.interval == trained.measured.evaluation.interval
    assert trained.confusion.sum() == trained.measured.evaluation.n
    text = r"\(builtin:efficientnet-lite0, logistic, 2 classes: [\d.]+ % of \d+ photos right, 95 % interval .* to .*\)"
    assert re.fullmatch("Training" + text, repr(trained))
    assert re.fullmatch(r"Measured\([\d.]+ % of .*\)", repr(trained.measured))
    assert len(repr(trained.measured.evaluation)) < 100


def test_a_training_saves_reports_logs_and_plots_itself(trained: Training, tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    trained.save(tmp_path / "model")
    assert headstart.load(tmp_path / "model").classes == trained.classifier.classes
    trained.report(tmp_path / "report.html")
    assert "<html" in (tmp_path / "report.html").read_text("utf-8")
    assert str(tmp_path.anchor + "tmp") not in (tmp_path / "report.html").read_text("utf-8")
    run = trained.log(tmp_path / "runs")
    assert run.parent == tmp_path / "runs"
    assert any(path.name.startswith("events") for path in run.iterdir())
    axes = Figure().subplots()
    assert trained.plot(axes) is axes
    assert [label.get_text() for label in axes.get_xticklabels()] == list(trained.classifier.classes)


def test_everything_shows_itself_in_a_notebook(trained: Training, tiles: Path, samples: dict[str, Path]) -> None:
    compared = headstart.compare(tiles, backbones="builtin:efficientnet-lite0", heads=["centroid", "knn"])
    assert repr(compared).startswith("Comparison(best of 2: efficientnet-lite0 (")
    answers = trained.classifier.predictions(list(samples.values()))
    assert repr(answers) == "Predictions(2 photos, 0 skipped)"
    seen = headstart.classify(list(samples.values()))
    assert repr(seen) == "Classified(builtin:efficientnet-lite0: 2 photos, 0 skipped)"
    for result in (trained, trained.measured, compared, answers, seen):
        html = result._repr_html_()  # type: ignore[union-attr]
        assert html.lstrip().startswith("<"), result
        assert len(html) < 100_000
    assert "data:image" in answers._repr_html_()


def test_a_plot_needs_its_extra(trained: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(MissingExtraError, match=r"headstart\[plot\]"):
        trained.plot()


def test_one_picture_gives_one_answer(trained: Training, samples: dict[str, Path]) -> None:
    classifier, (china, flower) = trained.classifier, samples.values()
    many, shares = classifier.predict([china, flower]), classifier.predict_proba([china, flower])
    assert many.shape == (2,)  # type: ignore[union-attr]
    for photo, label, row in zip((china, flower), many, shares, strict=True):
        with photo.open("rb") as file:
            for form in (photo, str(photo), photo.read_bytes(), file):
                assert classifier.predict(form) == label
                assert np.allclose(classifier.predict_proba(form), row, rtol=0, atol=1e-6)
        with Image.open(photo) as image:
            assert classifier.predict(image) == label
            assert classifier.predict(np.asarray(image)) == label
    folder = headstart.classify(china.parent)
    one = headstart.classify(china.read_bytes())
    assert isinstance(one, Recognised)
    assert one.label == next(found for found in folder.photos if found.path == str(china)).label  # type: ignore[union-attr]


def test_a_classifier_is_trained_on_pictures_in_memory(tiles: Path) -> None:
    paths = sorted((tiles / "train").rglob("*.png"))
    labels = [path.parent.name for path in paths]
    pictures: list[Any] = [path.read_bytes() for path in paths]
    from_files, from_memory = headstart.train(paths, labels), headstart.train(pictures, labels)
    assert from_memory.work.computed == 0  # the same bytes are the same photos
    assert np.array_equal(from_memory.measured.probabilities, from_files.measured.probabilities)
    assert from_memory.source == f"{len(paths)} photos"
    assert from_memory.classifier.evaluate(pictures, labels).accuracy == 1.0
    assert "data:image" in from_memory._repr_html_()


def spoilt(tiles: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "spoilt"
    shutil.copytree(tiles, folder)
    photo = next((folder / "train" / "flower").glob("*.png"))
    shutil.copy(photo, folder / "train" / "temple" / "also a flower.png")
    (folder / "train" / "temple" / "text.png").write_text("no photo")
    shutil.copy(next((folder / "train" / "temple").glob("[0-9]*.png")), folder / "test" / "temple" / "copy.png")
    return folder


def test_python_warns_of_what_the_command_line_prints(tiles: Path, tmp_path: Path) -> None:
    folder = spoilt(tiles, tmp_path)
    with pytest.warns(HeadstartWarning) as caught:
        found = headstart.train(folder)
    texts = "\n".join(str(one.message) for one in caught)
    assert "also a flower.png" in texts
    assert "1 training photo also in the test set" in texts
    assert re.search(r"\d of \d+ photos not used: .*1 not an image", texts)
    assert {one.filename for one in caught} == {__file__}  # the line that called headstart
    assert len(found.skipped) == 4
    with pytest.warns(HeadstartWarning) as caught:
        found.classifier.evaluate(folder / "train")
    assert "were trained on: the figures are optimistic" in "\n".join(str(one.message) for one in caught)
    with pytest.warns(HeadstartWarning, match="1 of 2 photos not used: 1 not an image"):
        found.classifier.predictions([folder / "train" / "temple" / "text.png", *(tiles / "test").rglob("1*.png")][:2])


def test_a_progress_of_ones_own_receives_cautions_and_there_is_no_warning(tiles: Path, tmp_path: Path) -> None:
    class Notes(Silent):
        def __init__(self) -> None:
            self.cautions: list[str] = []

        def caution(self, text: str) -> None:
            self.cautions.append(text)

    notes = Notes()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        headstart.train(spoilt(tiles, tmp_path), progress=notes)
    assert any("also a flower.png" in text for text in notes.cautions)


class Terminal:
    """A terminal that keeps what is written to it."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return True


@pytest.mark.usefixtures("tiles_are_new")
@pytest.mark.parametrize(("chosen", "drawn"), [(None, True), (True, True), (False, False)])
def test_a_bar_is_drawn_unless_it_is_not_wanted(
    chosen: bool | None, drawn: bool, tiles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    headstart.train(tiles, progress=chosen)
    assert ("Extracting" in terminal.text) == drawn


def test_no_bar_is_drawn_into_a_file(tiles: Path, capsys: pytest.CaptureFixture[str]) -> None:
    headstart.train(tiles)
    assert capsys.readouterr().err == ""


def test_a_download_has_a_bar_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    bars = progress.standard(None)
    assert isinstance(bars, Bars)
    for done in (0, 500_000, 1_000_000):
        bars.downloading("a model", done, 1_000_000)
    assert "Downloading a model" in terminal.text
    assert "0.00/1.00M" in terminal.text
    assert terminal.text.endswith("\r")  # it is wiped out at the end


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: headstart.train("https://example.org/photos"), "internet address"),
        (lambda: headstart.train(None), "from None"),
        (lambda: headstart.train(["a.jpg"]), "without labels"),
        (lambda: headstart.train(["a.jpg", "b.jpg"], ["x", None]), "Label 2 is None"),
        (lambda: headstart.train(["a.jpg", "b.jpg"], [float("nan"), "x"]), "Label 1 is nan"),
        (lambda: headstart.train(["a.jpg"], ["x"], fraction="half"), "fraction is 'half'"),
        (lambda: headstart.train("photos", progress="yes"), "progress is 'yes'"),
        (lambda: headstart.classify([], top=0), "top is 0"),
    ],
)
def test_what_cannot_be_meant_is_our_error(call: Any, message: str) -> None:
    with pytest.raises(headstart.HeadstartError, match=message):
        call()
