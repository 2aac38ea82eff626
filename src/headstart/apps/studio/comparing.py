"""Compares backbones on the studio's photos."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headstart.apps.studio.jobs import Job
from headstart.apps.studio.project import Project
from headstart.classifier.comparing import compare
from headstart.classifier.comparison import Entry, label
from headstart.evaluation import ranking


def compared(project: Project, handles: Sequence[str], job: Job) -> dict[str, Any]:
    """Train and measure with each backbone; the result for the page.

    Raises:
        HeadstartError: there are too few photos, or no backbone can be used.
    """
    with project.lock:
        photos = [photo for photo in project.shown() if not photo.reason]
        paths = [str(project.folder.at(photo.path)) for photo in photos]
        labels = [photo.label for photo in photos]
    found = compare(paths, labels, backbones=list(handles), skip_small_classes=True, progress=job)
    later: list[Entry | None] = [*found.entries[1:], None]
    return {
        "rows": [
            {
                "backbone": one.card.handle,
                "name": label(one, found.entries),
                "accuracy": one.accuracy,
                "interval": list(one.evaluation.interval),
                "photos_per_second": one.speed,
                "better_than_next": following is not None and _is_better(one, following, len(found.entries) - 1),
            }
            for one, following in zip(found.entries, later, strict=True)
        ],
        "failed": [{"backbone": one.backbone, "reason": one.error} for one in found.failures],
        "verdict": found.verdict,
    }


def _is_better(one: Entry, other: Entry, comparisons: int) -> bool:
    """Whether the difference of two exceeds chance."""
    try:
        return ranking.difference(one.answers, other.answers, comparisons).is_significant
    except ValueError:
        return False
