"""What `predict --log`, `watch` and `label` print of an inbox."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from headstart.apps.cli.console import put, say
from headstart.apps.cli.predicted import show_predictions
from headstart.safety.printable import counted

if TYPE_CHECKING:
    from headstart.classifier.inbox.inbox import Inbox

#: Photos most worth labelling in a summary.
_WORTH = 5


def say_log(inbox: Inbox) -> None:
    """Print what the log has, and what of it cannot be read."""
    log = inbox.log
    if log.photos:
        others = len(log.photos) - len(inbox.photos)
        more = f", {others:,} more of other classifiers" if others else ""
        say(f"{log.path}: {counted(len(inbox.photos), 'photo')} of this classifier{more}.")
    if log.damaged:
        say(f"{log.path}: {counted(log.damaged, 'line')} cannot be read: not finished when a process was ended, or "
            "changed since. The rest is used.")  # fmt: skip


def summary(inbox: Inbox, worth: bool = True) -> dict[str, Any]:
    """The part of a JSON document on an inbox; `worth`: with the photos most worth labelling."""
    answer = inbox.worth_labelling(_WORTH).to_json()["predictions"] if worth else None
    path = None if inbox.log.path is None else str(inbox.log.path)
    return {"log": path, "drift": inbox.drift().to_json(), "worth_labelling": answer}


def show_summary(inbox: Inbox, worth: bool = True) -> None:
    """Print whether the photos of an inbox differ from the training photos, and those most worth labelling."""
    from headstart.report.text.drift import lines

    put("", *lines(inbox.drift()))
    answer = inbox.worth_labelling(_WORTH) if worth else None
    if answer is not None and answer.paths:
        put("Most worth labelling:")
        show_predictions(answer, nearest=1)
    if inbox.log.path is not None and inbox.photos:
        put(f"To label some: {shlex.join(['headstart', 'label', str(inbox.log.path)])} -o labels.csv")
