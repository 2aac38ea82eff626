"""Figures as text: what a person reads is what was measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from headstart.evaluation.metrics import Evaluation, Mistake
from headstart.evaluation.results import PhotoCounts
from headstart.features.extraction import Skipped
from headstart.report.text.evaluation import details, skipped_text, summary, table

MISTAKE = Mistake("a/b.jpg", label="cat", predicted="long-haired dog", probability=0.93)
EVALUATION = Evaluation(
    protocol="test set",
    classes=("cat", "long-haired dog"),
    n=40,
    accuracy=0.9,
    interval=(0.769, 0.96),
    balanced_accuracy=0.875,
    log_loss=0.25,
    calibration_error=0.031,
    confusion=np.array([[16.0, 4.0], [0.0, 1200.0]]),
    bins=(),
    mistakes=(MISTAKE,),
)


def test_the_accuracy_never_stands_without_its_interval() -> None:
    text = summary(EVALUATION)
    assert "Accuracy 90.0 % on 40 photos; none of these files was trained on." in text
    assert "95 % confidence interval: 76.9 % to 96.0 %." in text
    assert "3 of them were trained on" in summary(EVALUATION, seen=3)
    assert "by cross-validation" in summary(replace(EVALUATION, protocol="cross-validation"))


def test_the_table_lines_up() -> None:
    lines = details(EVALUATION).splitlines()
    assert lines[0] == "class            photos  precision   recall      F1"
    assert lines[1] == "cat                  20    100.0 %   80.0 %  88.9 %"
    assert lines[2] == "long-haired dog   1,200     99.7 %  100.0 %  99.8 %"
    assert "cat taken for long-haired dog" in details(EVALUATION)
    assert "93.0 %" in details(EVALUATION)
    assert "a/b.jpg" in details(EVALUATION)


def test_nothing_wrong_says_nothing_of_mistakes() -> None:
    right = replace(EVALUATION, mistakes=(), confusion=np.diag([20.0, 20.0]))
    assert "mistakes" not in details(right)
    assert "confusions" not in details(right)
    assert table([["a", "1"]]) == "a  1"


def test_numbers_and_words_agree() -> None:
    assert "on 1 photo;" in summary(replace(EVALUATION, n=1))
    one, other = Skipped("a.jpg", "empty"), Skipped("b.jpg", "truncated")
    assert skipped_text(PhotoCounts(1, (one,))) == "1 of 1 file is not used: 1 empty."
    expected = "3 of 1,200 files are not used: 2 empty, 1 truncated."
    assert skipped_text(PhotoCounts(1200, (other, one, one))) == expected
