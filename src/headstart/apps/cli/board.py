"""`headstart board`."""

from __future__ import annotations

import time
from pathlib import Path

import click

from headstart.apps.cli.console import say
from headstart.apps.cli.grouping import PATH, Command, argument, option
from headstart.safety.printable import show


@click.command(cls=Command, examples=("board runs",))
@argument("logdir", type=PATH, default=Path("runs"), help="Folder that --logdir has written to; 'runs' if not given.")
@option("--host", metavar="ADDRESS", default="127.0.0.1", help="Address to listen on; 0.0.0.0 admits other machines.")
@option(
    "--port", type=click.IntRange(1, 65535), metavar="N", help="Port to listen on; a free one near 6006 if not given."
)
def board(logdir: Path, host: str, port: int | None) -> None:
    """Show training runs in TensorBoard until Ctrl-C is pressed."""
    from headstart.report.tensorboard import events

    address = events.serve(logdir, host, port)
    print(show(f"TensorBoard shows {logdir} at {address}"), flush=True)  # a script may wait for it
    say("Press Ctrl-C to stop it.")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return
