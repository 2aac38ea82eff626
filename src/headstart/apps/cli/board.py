"""`headstart board`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headstart.apps.cli.console import say
from headstart.safety.printable import show


def board(
    logdir: Annotated[Path, typer.Argument(help="Folder that `headstart train --logdir` has written to.")] = Path(
        "runs"
    ),
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port to listen on; a free one near 6006 if not given.")
    ] = None,
) -> int:
    """Look at your trainings in TensorBoard, until Ctrl-C."""
    import time

    from headstart.report.tensorboard import events

    address = events.serve(logdir, host, port)
    print(show(f"TensorBoard shows {logdir} at {address}"), flush=True)
    say("Ctrl-C ends it.")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return 0
