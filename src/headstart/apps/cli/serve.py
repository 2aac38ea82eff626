"""`headstart serve`: a saved classifier answers over HTTP."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from headstart.apps.cli import options
from headstart.apps.cli.console import Bar, put, say
from headstart.apps.cli.grouping import Choice, Command, option
from headstart.errors import MissingExtraError

_WHERE, _LIMITS = "Where, and who may ask", "Limits"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@click.command(cls=Command, examples=("serve trees", "serve trees --host 0.0.0.0 --port 80 --watch"))
@options.model
@option("--name", metavar="NAME", help="Name in the addresses /v2/models/NAME; if not given, the folder's name.")
@option("--watch", is_flag=True, help="Load a new version of the classifier when its files change.")
@option(
    "--workers", type=click.IntRange(1, 256), metavar="N", default=1,
    help="Processes that share the port and the cores. One uses all cores; more help if requests are many and small.",
)  # fmt: skip
@option("--host", group=_WHERE, metavar="ADDRESS", default="127.0.0.1", help="Address; 0.0.0.0: all of this machine.")
@option("--port", group=_WHERE, type=click.IntRange(0, 65535), metavar="N", default=8080, help="0 takes a free one.")
@option(
    "--token", group=_WHERE, envvar="HEADSTART_TOKEN", show_envvar=True, metavar="TEXT",
    help="Answer only requests with 'Authorization: Bearer TEXT'. Users of this machine can see the options of a "
    "command (`ps`), so put it in the environment instead.",
)  # fmt: skip
@option(
    "--cors", group=_WHERE, multiple=True, metavar="ORIGIN",
    help="Let web pages of this origin ask, such as https://example.org. Repeat it for each.",
)  # fmt: skip
@option(
    "--allowed-host", group=_WHERE, multiple=True, metavar="NAME",
    help="Name by which a reverse proxy or clients address this server. Repeat it for each.",
)  # fmt: skip
@option("--max-bytes", group=_LIMITS, type=click.IntRange(1), metavar="N", default=20_000_000, help="Of a photo.")
@option("--max-pixels", group=_LIMITS, type=click.IntRange(1), metavar="N", default=100_000_000, help="Of a photo.")
@option("--max-photos", group=_LIMITS, type=click.IntRange(1), metavar="N", default=32, help="Of a request.")
@option(
    "--max-waiting", group=_LIMITS, type=click.IntRange(1), metavar="N", default=256,
    help="Photos accepted and not yet answered; more are refused with status 503.",
)  # fmt: skip
@option("--timeout", group=_LIMITS, type=click.FloatRange(0.1), metavar="SECONDS", default=30.0, help="Of a request.")
@options.moved_backbone
@options.may_fetch
@option(
    "--log-format",
    type=Choice(["json", "text", "none"]),
    default="json",
    help="Of the line on stderr about a request.",
)
def serve(
    model: Path,
    name: str | None,
    watch: bool,
    workers: int,
    host: str,
    port: int,
    token: str | None,
    cors: Sequence[str],
    allowed_host: Sequence[str],
    max_bytes: int,
    max_pixels: int,
    max_photos: int,
    max_waiting: int,
    timeout: float,
    backbone: str,
    fetch: bool,
    log_format: str,
) -> None:
    """Answer photos sent over HTTP, until Ctrl-C or SIGTERM.

    POST /predict with photos; /docs shows all addresses.
    """
    try:
        import prometheus_client  # noqa: F401
        import python_multipart  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            f"headstart serve needs {error.name}, which is not installed.\nInstall it: pip install 'headstart[serve]'"
        ) from error
    from headstart.apps.serve import running
    from headstart.apps.serve.app import OPEN_PATHS
    from headstart.apps.serve.batching import Limits
    from headstart.apps.serve.guard import LOOPBACK, Rules

    local = host in _LOOPBACK or host.startswith("127.")
    given = frozenset(one.lower() for one in allowed_host)
    rules = Rules(
        hosts=LOOPBACK | given if local or given else None,
        origins=frozenset(one.rstrip("/") for one in cors),
        token=token or "",
        open_paths=OPEN_PATHS,
        body_bytes=max(2**26, 2 * max_bytes),
        held_bytes=max(2**28, 4 * max_bytes),
        body_seconds=timeout,
    )
    limits = Limits(max_bytes, max_pixels, max_photos, max_waiting, timeout)
    called = name or os.path.basename(os.path.abspath(model))
    if "/" in called:
        raise click.UsageError(f"--name: '{called}' has a slash, which ends a name in an address. Choose another one.")
    settings = running.Settings(model, called, backbone, rules, limits, log_format, watch)  # type: ignore[arg-type]
    with running.bind(host, port) as taken:
        with Bar() as bar:
            classifier = options.open_model(model, backbone, fetch, bar)
        address = _address(host, taken.getsockname()[1])

        def started() -> None:
            if not local and not token:
                say("Caution: everyone who reaches this machine may ask. Set HEADSTART_TOKEN to ask for a token.")
            say(f"{called}: {len(classifier.classes)} classes, {classifier.card.handle}. Addresses: {address}/docs")
            header = ' -H "Authorization: Bearer $HEADSTART_TOKEN"' if token else ""
            put(f"curl -F image=@photo.jpg{header} {address}/predict")
            sys.stdout.flush()

        if workers == 1:
            running.serve(settings, classifier, taken, started, say)
        else:
            from headstart.apps.serve.workers import Workers

            started()
            Workers(settings, taken, workers, say).run()


def _address(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}"
