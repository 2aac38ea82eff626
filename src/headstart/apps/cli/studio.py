"""`headstart studio`."""

from __future__ import annotations

from pathlib import Path

import click

from headstart.apps.cli import options
from headstart.apps.cli.console import say
from headstart.apps.cli.grouping import PATH, Command, argument, option
from headstart.apps.cli.here import backbones_here
from headstart.safety.printable import show


@click.command(cls=Command, examples=("studio trees", "studio trees --lan"))
@argument("folder", type=PATH, default=Path("photos"), help="Folder of class folders; made if missing.")
@options.backbone
@option("--port", type=click.IntRange(1, 65535), metavar="N", help="Port to listen on; a free one if not given.")
@option("--lan", is_flag=True, help="Let phones on the same network send photos, with a QR code for each.")
@option("--no-browser", is_flag=True, help="Do not open the page in the browser.")
def studio(folder: Path, backbone: str, port: int | None, lan: bool, no_browser: bool) -> None:
    """Make a classifier on a page in your browser: drop photos, see it learn, try it."""
    from headstart.apps.studio.server import serve

    def ready(address: str, is_new: bool) -> None:
        if is_new:
            say(f"{folder} did not exist and was made. Photos that you add on the page become files in it.")
        print(show(f"The studio shows {folder} at {address}"), flush=True)  # a script may wait for it
        say("Press Ctrl-C to stop it.")

    serve(folder, [backbone, *backbones_here()], port, lan, not no_browser, ready)
