"""`headstart models`: which networks there are, which are best, and how to use one. Offline."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headstart.apps.cli.console import print_json, say
from headstart.report.text import models as text

if TYPE_CHECKING:
    from headstart.backbones.catalogue import Best, Model

LIMIT = 20
_PARAMETERS = {"": 1.0, "k": 1e-3, "m": 1.0, "b": 1e3, "g": 1e3}
_GMACS = {"": 1.0, "k": 1e-6, "m": 1e-3, "g": 1.0, "b": 1.0, "t": 1e3}


class Source(StrEnum):
    """Where a model comes from."""

    builtin = "builtin"
    tfhub = "tfhub"
    timm = "timm"
    claim = "claim"


class Kind(StrEnum):
    """What a model gives."""

    feature_vector = "feature_vector"
    classification = "classification"
    feature_map = "feature_map"


class Sort(StrEnum):
    """What comes first."""

    imagenet = "imagenet"
    params = "params"
    gmacs = "gmacs"
    name = "name"


def models(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            help="All must stand in the name, network, data set or publisher; case, '-', '_' do not count. "
            "With 'show' first: everything about the one model with the name that follows."
        ),
    ] = None,
    without: Annotated[list[str] | None, typer.Option(metavar="WORD", help="Leave these out. Repeatable.")] = None,
    source: Annotated[Source | None, typer.Option(help="Only these.")] = None,
    kind: Annotated[Kind | None, typer.Option(help="Only these.")] = None,
    max_params: Annotated[
        str | None,
        typer.Option(metavar="N", help="At most so many parameters: 10M, 500k, 1.5B; a plain number is in millions."),
    ] = None,
    max_gmacs: Annotated[
        str | None,
        typer.Option(metavar="N", help="At most so many multiply-accumulates a picture, in 1e9: 0.4, 5; or 400M, 5G."),
    ] = None,
    input_size: Annotated[int | None, typer.Option("--input", min=1, help="Input of so many pixels.")] = None,
    sort: Annotated[Sort | None, typer.Option(help="What comes first; default: imagenet.")] = None,
    limit: Annotated[int | None, typer.Option(min=0, help=f"Show so many; 0: all. Default: {LIMIT}.")] = None,
    best: Annotated[bool, typer.Option("--best", help="The best on ImageNet of those that fit.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Say which networks there are, which is best, and how to use one; needs no network.

    headstart models mobilenet_v2 --kind feature_vector

    headstart models --best --max-params 10M

    headstart models show imagenet/mobilenet_v2_100_224/feature_vector
    """
    from headstart.backbones import catalogue

    asked: dict[str, Any] = {
        "words": words or [],
        "without": without or [],
        "source": source and source.value,
        "kind": kind and kind.value,
        "input_size": input_size,
    }
    limits = {
        "max_params": _amount(max_params, "--max-params", _PARAMETERS),
        "max_gmacs": _amount(max_gmacs, "--max-gmacs", _GMACS),
    }
    if asked["words"][:1] == ["show"]:
        if len(asked["words"]) != 2:
            raise typer.BadParameter("show takes one name: headstart models show NAME")
        narrowed = [a for a in (without, source, kind, max_params, max_gmacs, input_size, sort, limit) if a is not None]
        if best or narrowed:
            raise typer.BadParameter("show takes a name and --json, nothing else")
        _show(catalogue.named(asked["words"][1]), as_json)
        return
    if not all(re.search(r"[a-zA-Z0-9]", word) for word in [*asked["words"], *asked["without"]]):
        raise typer.BadParameter("a word to search for needs a letter or a digit")
    if best and (sort is not None or limit is not None):
        raise typer.BadParameter("--best takes no --sort and no --limit: it names one")
    _refuse_unknown([*asked["words"], *asked["without"]])
    found = catalogue.search(**asked, sort=sort.value if sort else "imagenet")
    claims = [] if source else catalogue.search(**{**asked, "source": "claim"})
    query = {**asked, "max_params_m": limits["max_params"], "max_gmacs": limits["max_gmacs"]}
    unknown = {
        "params_m": limits["max_params"] is not None and sum(m.params_m is None for m in found),
        "gmacs": limits["max_gmacs"] is not None and sum(m.gmacs is None for m in found),
    }
    left_out = {field: int(count) for field, count in unknown.items()}
    if best:
        _best(catalogue.best(**limits, among=[*found, *claims]), query, left_out, as_json)
    else:
        fits = catalogue.within(found, limits["max_params"], limits["max_gmacs"])
        _table(fits, LIMIT if limit is None else limit or len(fits), query, left_out, len(claims), as_json)


def _table(
    fits: list[Model], limit: int, query: dict[str, Any], left_out: dict[str, int], claims: int, as_json: bool
) -> None:
    shown = fits[:limit]
    if as_json:
        counts = {"total": len(fits), "shown": len(shown), "left_out": left_out}
        print_json({"query": query, **counts, "models": list(map(_fields, shown)), "sources": _sources()})
        return
    if shown:
        print("\n".join(text.table(shown)))
    say(f"{len(shown)} of {len(fits)} shown{'; --limit 0 shows all' if len(shown) < len(fits) else ''}.")
    _say_left_out(left_out)
    if query["words"] and claims:
        say(f"{claims} claim(s) of papers without public weights fit too: --source claim")
    for line in text.footnotes(shown):
        say(line)
    _say_sources(shown)


def _best(found: Best, query: dict[str, Any], left_out: dict[str, int], as_json: bool) -> None:
    if as_json:
        document = {
            "query": query,
            "left_out": left_out,
            "public": found.public and _fields(found.public),
            "loadable": found.loadable and _fields(found.loadable),
            "claimed": list(map(_fields, found.claimed)),
            "caution": list(text.CAUTION),
            "sources": _sources(),
        }
        print_json(document)
        return
    print("\n".join(text.best(found, _sources()["imagenet"])))
    _say_left_out(left_out)
    if query["max_params_m"] is not None or query["max_gmacs"] is not None:
        say("Claims of papers are left out: they state neither parameters nor GMACs.")
    _say_sources([m for m in (found.public, found.loadable, *found.claimed) if m])


def _show(sizes: tuple[Model, ...], as_json: bool) -> None:
    if as_json:
        print_json({"models": list(map(_fields, sizes)), "sources": _sources()})
        return
    print("\n".join(text.show(sizes)))
    _say_sources(sizes)


def _refuse_unknown(words: list[str]) -> None:
    """A word that stands nowhere is a slip of the pen: say so, not "0 shown"."""
    from headstart.backbones import catalogue
    from headstart.errors import BackboneError

    for word in words:
        if not catalogue.search([word]) and not catalogue.search([word], source="claim"):
            raise BackboneError(
                f"No model of the catalogue has '{word}' in its name, network, data set or publisher."
                f"{catalogue.did_you_mean(word)}\nSee all with: headstart models --limit 0"
            )


def _amount(given: str | None, option: str, units: dict[str, float]) -> float | None:
    """A number with a unit letter, in the unit that the table shows."""
    if given is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*([a-z]?)", given.strip().lower())
    if not match or match[2] not in units:
        letters = ", ".join(unit.upper() for unit in units if unit)
        raise typer.BadParameter(f"{option} {given}: expected a number, or a number with one of {letters}")
    amount = float(match[1]) * units[match[2]]
    if not 0 < amount < float("inf"):
        raise typer.BadParameter(f"{option} {given}: expected more than nothing")
    if not match[2] and amount >= 1e5:
        # Someone wrote out what the table counts in millions or 1e9.
        raise typer.BadParameter(f"{option} {given}: plain numbers are in {text.UNITS[option]}; write 10M for 10000000")
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


def _fields(model: Model) -> dict[str, Any]:
    return {name: getattr(model, name) for name in model.__slots__}
