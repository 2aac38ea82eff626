"""Figures as text: what a person reads is what was measured."""

from __future__ import annotations

from headstart.report.text.evaluation import details, summary, table

EVALUATION = {
    "protocol": "test set",
    "n": 40,
    "accuracy": 0.9,
    "interval": [0.769, 0.96],
    "balanced_accuracy": 0.875,
    "log_loss": 0.25,
    "calibration_error": 0.031,
    "per_class": {
        "cat": {"precision": 1.0, "recall": 0.8, "f1": 0.889, "support": 20},
        "long-haired dog": {"precision": 0.833, "recall": 1.0, "f1": 0.909, "support": 1200},
    },
    "confusion": {"classes": ["cat", "long-haired dog"], "counts": [[16, 4], [0, 20]]},
    "mistakes": [{"path": "a/b.jpg", "label": "cat", "predicted": "long-haired dog", "probability": 0.93}],
}


def test_the_accuracy_never_stands_without_its_interval() -> None:
    text = summary(EVALUATION)
    assert "Accuracy 90.0 % on 40 photos; none of these files was trained on." in text
    assert "between 76.9 % and 96.0 %" in text
    assert "3 of them were trained on" in summary(EVALUATION, seen=3)
    assert "by cross-validation" in summary({**EVALUATION, "protocol": "cross-validation"})


def test_the_table_lines_up() -> None:
    lines = details(EVALUATION).splitlines()
    assert lines[0] == "class            photos  precision   recall      F1"
    assert lines[1] == "cat                  20    100.0 %   80.0 %  88.9 %"
    assert lines[2] == "long-haired dog   1,200     83.3 %  100.0 %  90.9 %"
    assert "cat taken for long-haired dog" in details(EVALUATION)
    assert "93.0 %" in details(EVALUATION)
    assert "a/b.jpg" in details(EVALUATION)


def test_nothing_wrong_says_nothing_of_mistakes() -> None:
    right = {**EVALUATION, "mistakes": [], "confusion": {"classes": ["cat", "dog"], "counts": [[20, 0], [0, 20]]}}
    assert "mistakes" not in details(right)
    assert "confusions" not in details(right)
    assert table([["a", "1"]]) == "a  1"
