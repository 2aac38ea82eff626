"""`headstart models`: search the catalogue of pre-trained models, offline."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from headstart.apps.cli import terminal
from headstart.apps.cli.console import print_json, put, say
from headstart.apps.cli.grouping import Choice, Command, argument, option
from headstart.apps.cli.options import as_json as json_option
from headstart.report.text import models as text

if TYPE_CHECKING:
    from headstart.backbones.catalogue import Best, Model
    from headstart.backbones.catalogue.usable import Use

LIMIT = 20
_PARAMETERS = {"": 1.0, "k": 1e-3, "m": 1.0, "b": 1e3, "g": 1e3}
_GMACS = {"": 1.0, "k": 1e-6, "m": 1e-3, "g": 1.0, "b": 1.0, "t": 1e3}
#: Field of a model -> key in documents, where they differ; see docs/json.md.
_KEYS = {"source": "origin", "kind": "returns", "classes": "class_count", "network": "architecture"}
_FILTERS, _ORDER = "Filters", "Order and number"


@click.command(
    cls=Command,
    examples=(
        "models mobilenet_v2 --kind feature_vector",
        "models --best --max-params 10M",
        "models show imagenet/mobilenet_v2_100_224/feature_vector",
    ),
)
@argument(
    "words", nargs=-1,
    help="Words that must all occur in the name, architecture, data set or publisher; case, '-' and '_' are ignored. "
    "'show NAME' shows everything about one model.",
)  # fmt: skip
@option("--without", group=_FILTERS, metavar="WORD", multiple=True, help="Leave out models with this word. Repeatable.")
@option(
    "--source", group=_FILTERS, type=Choice(["builtin", "tfhub", "timm", "claim"]), metavar="SOURCE",
    help="Only models from builtin, tfhub, timm, or claim (figures that a paper claims).",
)  # fmt: skip
@option(
    "--kind", group=_FILTERS, type=Choice(["feature_vector", "classification", "feature_map"]), metavar="KIND",
    help="Only models that return a feature_vector, a classification or a feature_map.",
)  # fmt: skip
@option(
    "--max-params", group=_FILTERS, metavar="N",
    help="At most this many parameters: 10M, 500k, 1.5B; a plain number is in millions.",
)  # fmt: skip
@option(
    "--max-gmacs", group=_FILTERS, metavar="N",
    help="At most this many multiply-accumulates for each picture, in 1e9: 0.4, 5; or 400M, 5G.",
)  # fmt: skip
@option(
    "--input", "input_size", group=_FILTERS, type=click.IntRange(1), metavar="PIXELS",
    help="Only models with this input size.",
)  # fmt: skip
@option(
    "--sort", group=_ORDER, type=Choice(["imagenet", "params", "gmacs", "name"]), metavar="KEY",
    help="Sort by imagenet (accuracy), params, gmacs or name; if not given, what can be used at once comes first.",
)  # fmt: skip
@option(
    "--limit", group=_ORDER, type=click.IntRange(0), metavar="N",
    help=f"Show this many, 0 for all; {LIMIT} if not given.",
)  # fmt: skip
@option("--best", group=_ORDER, is_flag=True, help="Show the best on ImageNet of those that match.")
@json_option
def models(
    words: Sequence[str],
    without: Sequence[str],
    source: str | None,
    kind: str | None,
    max_params: str | None,
    max_gmacs: str | None,
    input_size: int | None,
    sort: str | None,
    limit: int | None,
    best: bool,
    as_json: bool,
) -> None:
    """Search pre-trained models and show how to use them.

    The catalogue is part of headstart and needs no internet.
    """
    from headstart.backbones import catalogue
    from headstart.backbones.catalogue.usable import MEANING

    limits = {
        "max_params": _amount(max_params, "--max-params", _PARAMETERS),
        "max_gmacs": _amount(max_gmacs, "--max-gmacs", _GMACS),
    }
    if words[:1] == ("show",):
        if len(words) != 2:
            raise click.UsageError("show takes one name: headstart models show NAME")
        narrowed = [one for one in (source, kind, max_params, max_gmacs, input_size, sort, limit) if one is not None]
        if best or without or narrowed:
            raise click.UsageError("show takes a name and --json, nothing else")
        _show(catalogue.named(words[1]), as_json)
        return
    if not all(re.search(r"[a-zA-Z0-9]", word) for word in [*words, *without]):
        raise click.UsageError("a word to search for needs a letter or a digit")
    if best and (sort is not None or limit is not None):
        raise click.UsageError("--best takes no --sort and no --limit: it shows one")
    _refuse_unknown([*words, *without])
    asked: dict[str, Any] = {"words": list(words), "without": list(without), "kind": kind, "input_size": input_size}
    found = catalogue.search(**asked, source=source, sort=sort or "imagenet")
    claims = [] if source else catalogue.search(**asked, source="claim")
    query = {_KEYS.get(name, name): value for name, value in {**asked, "source": source}.items()}
    query |= {"max_params_m": limits["max_params"], "max_gmacs": limits["max_gmacs"]}
    unknown = {
        "params_m": limits["max_params"] is not None and sum(m.params_m is None for m in found),
        "gmacs": limits["max_gmacs"] is not None and sum(m.gmacs is None for m in found),
    }
    left_out = {field: int(count) for field, count in unknown.items()}
    if best:
        _best(catalogue.best(**limits, among=[*found, *claims]), query, left_out, as_json)
    else:
        fits = catalogue.within(found, limits["max_params"], limits["max_gmacs"])
        if sort is None:
            ranks = list(MEANING)
            order = {id(model): ranks.index(use) for model, use in zip(fits, _uses(fits), strict=True)}
            fits.sort(key=lambda model: order[id(model)])
        _table(fits, LIMIT if limit is None else limit or len(fits), query, left_out, len(claims), as_json)


def _table(
    fits: list[Model], limit: int, query: dict[str, Any], left_out: dict[str, int], claims: int, as_json: bool
) -> None:
    shown = fits[:limit]
    if as_json:
        counts = {"total": len(fits), "shown": len(shown), "figure_unknown": left_out}
        print_json({"query": query, **counts, "models": _documents(shown), "sources": _sources_document()})
        return
    if shown:
        put(*text.table(shown, _uses(shown), _width()))
    say(f"{len(shown)} of {len(fits)} shown{'; --limit 0 shows all' if len(shown) < len(fits) else ''}.")
    _say_left_out(left_out)
    if query["words"] and claims:
        count = "1 claim of a paper matches" if claims == 1 else f"{claims} claims of papers match"
        say(f"{count} as well: --source claim")
    for line in text.footnotes(shown, _uses(shown)):
        say(line)
    _say_sources(shown)


def _best(found: Best, query: dict[str, Any], left_out: dict[str, int], as_json: bool) -> None:
    if as_json:
        document = {
            "query": query,
            "figure_unknown": left_out,
            "public": found.public and _documents([found.public])[0],
            "loadable": found.loadable and _documents([found.loadable])[0],
            "claimed": _documents(found.claimed),
            "caution": list(text.CAUTION),
            "sources": _sources_document(),
        }
        print_json(document)
        return
    put(*text.best(found, _sources()["imagenet"], _width()))
    _say_left_out(left_out)
    if query["max_params_m"] is not None or query["max_gmacs"] is not None:
        say("Claims of papers are left out: they state neither parameters nor GMACs.")
    _say_sources([m for m in (found.public, found.loadable, *found.claimed) if m])


def _show(sizes: tuple[Model, ...], as_json: bool) -> None:
    if as_json:
        print_json({"models": _documents(sizes), "sources": _sources_document()})
        return
    put(*text.show(sizes, _uses(sizes)[0], terminal.width(sys.stdout)))
    _say_sources(sizes)


def _refuse_unknown(words: list[str]) -> None:
    """A word that occurs nowhere is a typo: report it rather than show nothing."""
    from headstart.backbones import catalogue
    from headstart.errors import BackboneError

    for word in words:
        if not catalogue.search([word]) and not catalogue.search([word], source="claim"):
            raise BackboneError(
                f"No model of the catalogue has '{word}' in its name, architecture, data set or publisher."
                f"{catalogue.did_you_mean(word)}\nSee all with: headstart models --limit 0"
            )


def _amount(given: str | None, option: str, units: dict[str, float]) -> float | None:
    """A number with a unit letter, in the unit that the table shows."""
    if given is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*([a-z]?)", given.strip().lower())
    if not match or match[2] not in units:
        letters = ", ".join(unit.upper() for unit in units if unit)
        raise click.UsageError(f"{option} {given}: expected a number, or a number with one of {letters}")
    amount = float(match[1]) * units[match[2]]
    if not 0 < amount < float("inf"):
        raise click.UsageError(f"{option} {given}: expected more than 0")
    if not match[2] and amount >= 1e5:
        # Probably the full number, where the table counts in millions or 1e9.
        raise click.UsageError(f"{option} {given}: plain numbers are in {text.UNITS[option]}; write 10M for 10000000")
    return amount


def _say_left_out(left_out: dict[str, int]) -> None:
    for field, count in left_out.items():
        if count:
            say(f"{count} left out: their {text.FIGURES[field]} are not known.")


def _say_sources(shown: list[Model] | tuple[Model, ...]) -> None:
    known = _sources()
    for name in text.tables_behind(shown):
        say(f"Source: {known[name]['source']}, {known[name]['date']}.")


def _sources() -> dict[str, dict[str, str]]:
    from headstart.backbones import catalogue

    return catalogue.sources()


def _sources_document() -> dict[str, dict[str, str]]:
    return {name: {_KEYS.get(key, key): value for key, value in one.items()} for name, one in _sources().items()}


def _documents(models: Sequence[Model]) -> list[dict[str, Any]]:
    """The models for a document. Some of their fields have names that mean something else in other documents."""
    return [
        {**{_KEYS.get(name, name): value for name, value in asdict(model).items()}, "use": use}
        for model, use in zip(models, _uses(models), strict=True)
    ]


def _uses(models: Sequence[Model]) -> list[Use]:
    """What is missing of each model on this machine."""
    from headstart.backbones import fetch
    from headstart.backbones.catalogue.usable import uses

    return uses(models, [str(one.handle) for one in fetch.kept()])


def _width() -> int:
    return min(text.WIDTH, terminal.width(sys.stdout))
