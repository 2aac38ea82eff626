"""`headstart watch`: new photos of a folder, predicted as they come."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headstart.apps.cli import options
from headstart.apps.cli.console import Bar, print_json, say, say_skipped
from headstart.apps.cli.grouping import PATH, Command, argument, option
from headstart.apps.cli.inbox import say_log, show_summary, summary
from headstart.apps.cli.predicted import show_predictions
from headstart.safety.printable import show

if TYPE_CHECKING:
    from headstart.features.extraction import Skipped

#: New photos until the first summary; then each time that the log has twice as many.
_FIRST = 20


@click.command(cls=Command, examples=("watch trees inbox --log inbox.jsonl", "watch trees inbox --once --json"))
@options.model
@argument("folder", type=PATH, metavar="FOLDER", help="Folder into which new photos come, or folders of photos.")
@options.log
@option("--every", type=click.FloatRange(0.1), metavar="SECONDS", default=5.0, help="Time from one look to the next.")
@option("--once", is_flag=True, help="Stop when nothing new is left.")
@options.moved_backbone
@options.may_fetch
@options.as_json
@options.strict
def watch(
    model: Path,
    folder: Path,
    log: Path | None,
    every: float,
    once: bool,
    backbone: str,
    fetch: bool,
    as_json: bool,
    strict: bool,
) -> int:
    """Predict new photos as they come, and report whether they differ from the training photos.

    Files that are still being written are waited for. Photos in the log are not predicted again, so the same command
    continues after Ctrl-C.
    """
    from headstart.classifier.inbox.inbox import Inbox
    from headstart.classifier.inbox.watching import Watcher
    from headstart.evaluation.results import PhotoCounts

    with Bar() as bar:
        inbox = Inbox(options.open_model(model, backbone, fetch, bar), log, model=model)
    watcher = Watcher(inbox, folder)
    say_log(inbox)
    if not once:
        say(f"Watching {show(folder)}; Ctrl-C ends it.")
    used, interrupted, shown = 0, None, -1
    skipped: list[Skipped] = []
    summary_at = max(_FIRST, 2 * len(inbox.photos))
    try:
        while True:
            found = watcher.look()
            used += len(found.paths)
            skipped += found.skipped
            say_skipped(found.skipped)
            if not as_json:
                show_predictions(found)
                sys.stdout.flush()  # a program that reads along waits for it
            if len(inbox.photos) >= summary_at and not as_json:
                shown = len(inbox.photos)
                summary_at = 2 * shown
                show_summary(inbox)
            elif not (found.paths or found.skipped):
                if once and not watcher.waiting:
                    break
                time.sleep(every)
    except KeyboardInterrupt as error:
        interrupted = error
    # After Ctrl-C there is one second, which does not suffice to choose photos.
    if as_json:
        photos = PhotoCounts(used + len(skipped), tuple(skipped)).to_json()
        print_json({"model": str(model), "photos": photos, **summary(inbox, interrupted is None)})
    elif shown != len(inbox.photos):
        show_summary(inbox, interrupted is None)
    if interrupted:
        raise interrupted
    return options.exit_code(skipped, strict, len(inbox.photos) or not skipped)
