"""Results on matplotlib's axes: what is drawn is the result."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from by_hand import comparison, evaluation

from headstart.evaluation.learning_curve.class_advice import Advice
from headstart.evaluation.learning_curve.curve import LearningCurve, Point
from headstart.evaluation.metrics import Evaluation
from headstart.evaluation.results import Answers, Measured, PhotoCounts

if importlib.util.find_spec("matplotlib") is None:
    pytest.skip("needs headstart[plot]", allow_module_level=True)

import matplotlib
from matplotlib import pyplot

from headstart.report import plot


@pytest.fixture(autouse=True)
def _off_screen() -> Iterator[None]:
    matplotlib.use("Agg")
    yield
    pyplot.close("all")


def measured(found: Evaluation) -> Measured:
    answers = Answers((), np.ones((1, 0), bool), None, np.ones(0, bool))
    return Measured(found, np.zeros(0, np.intp), np.zeros((0, 2), np.float32), answers, PhotoCounts(100, ()))


def test_a_confusion_matrix_has_its_numbers_and_names() -> None:
    found = plot.axes(measured(evaluation(91, 9)))
    assert [(one.get_text(), *one.get_position()) for one in found.texts] == [("61", 0, 0), ("9", 1, 0), ("30", 1, 1)]
    assert [one.get_text() for one in found.get_yticklabels()] == ["cat", "dog"]
    assert [one.get_text() for one in found.get_xticklabels()] == ["cat", "dog"]
    assert found.get_title() == "91.0 % correct on 100 photos"
    found.figure.canvas.draw()


@pytest.mark.parametrize(("classes", "numbers", "names"), [(25, 25, 25), (26, 0, 26), (51, 0, 0)])
def test_what_would_be_illegible_is_left_out(classes: int, numbers: int, names: int) -> None:
    labels = tuple(f"$k_{i}" for i in range(classes))
    found = plot.axes(measured(replace(evaluation(91, 9), classes=labels, confusion=np.eye(classes) * 3)))
    assert (len(found.texts), len(found.get_yticklabels())) == (numbers, names)
    found.figure.canvas.draw()


def test_a_comparison_is_its_accuracies_with_their_intervals() -> None:
    result = comparison()
    found = plot.axes(result)
    assert [one.get_text() for one in found.get_yticklabels()] == ["great", "even", "poor"]
    assert [bar.lines[0].get_xdata().tolist() for bar in found.containers] == [[0.91], [0.9], [0.71]]
    for bar, one in zip(found.containers, result.entries, strict=True):
        ((ends,),) = (whisker.get_segments() for whisker in bar.lines[2])
        assert ends[:, 0] == pytest.approx(one.evaluation.interval)
    assert found.yaxis_inverted(), "the best is at the top"
    found.figure.canvas.draw()
    assert found.get_xticklabels()[0].get_text().endswith(" %")


def test_a_learning_curve_is_its_points_and_what_is_extrapolated_is_apart() -> None:
    points = (Point(5, 10, 8, 0.6, (0.5, 0.7)), Point(10, 20, 8, 0.7, (0.6, 0.8)))
    ahead = Point(20, 40, 0, 0.75, (0.6, 0.9))
    found = plot.axes(LearningCurve(points, None, (ahead,), Advice("")))
    dashed, solid = found.get_lines()
    assert (dashed.get_xydata().tolist(), dashed.get_linestyle()) == ([[10, 0.7], [20, 0.75]], "--")
    assert (solid.get_xydata().tolist(), solid.get_linestyle()) == ([[5, 0.6], [10, 0.7]], "-")
    assert found.get_xscale() == "log"
    assert plot.axes(LearningCurve((), None, (), Advice(""))).get_lines() == []


def test_it_is_drawn_where_the_user_wants_it() -> None:
    figure, (left, right) = pyplot.subplots(ncols=2)
    assert plot.axes(comparison(), right) is right
    assert not left.has_data()
    assert len(figure.axes) == 2


def test_without_matplotlib_the_line_that_installs_it_is_shown() -> None:
    code = """
import sys
sys.modules["matplotlib"] = None
from headstart.errors import MissingExtraError
from headstart.report import plot
try:
    plot.axes(None)
except MissingExtraError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "Install it: pip install 'headstart[plot]'"
