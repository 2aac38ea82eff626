"""Backbones: frozen networks by handle. `load` and `load_card` are the ways in."""

from __future__ import annotations

import difflib
from dataclasses import replace
from pathlib import Path

from headstart.backbones.base import Backbone
from headstart.backbones.card import Card, Precision
from headstart.errors import BackboneError

__all__ = ["DEFAULT", "Backbone", "Card", "load", "load_card"]

DEFAULT = "builtin:efficientnet-lite0"


def load(handle: str = DEFAULT, precision: Precision = "auto", folder: Path | None = None) -> Backbone:
    """The network with this handle, in its default view.

    Args:
        handle: such as `builtin:efficientnet-lite0`.
        precision: `auto`, `float32` or `bfloat16`.
        folder: where compiled graphs are kept; None: nowhere.

    Raises:
        BackboneError: no network has this handle, or the processor lacks the precision.
    """
    from headstart.backbones import builtin
    from headstart.backbones.compiled import resolve_precision
    from headstart.backbones.network import NetworkBackbone

    if handle != builtin.HANDLE:
        near = difflib.get_close_matches(handle, [builtin.HANDLE, "efficientnet-lite0"], n=1, cutoff=0.5)
        raise BackboneError(
            f"No backbone is called '{handle}'.{f' Did you mean {builtin.HANDLE}?' if near else ''}\n"
            f"Expected a handle; this version knows {builtin.HANDLE}."
        )
    card = builtin.card(resolve_precision(precision))
    return NetworkBackbone(card, lambda: builtin.build(builtin.read_weights()), builtin.labels(), folder)


def load_card(card: Card, folder: Path | None = None) -> Backbone:
    """The network of a saved card, in the card's view.

    The precision is the card's where this processor has it, else float32: `card.precision` of the result tells.

    Raises:
        BackboneError: this version's network of that name gives other vectors than the card's.
    """
    from headstart.backbones.compiled import has_bfloat16

    precision: Precision = "float32" if card.precision == "bfloat16" and not has_bfloat16() else card.precision
    network = load(card.handle, precision, folder)
    here = network.card.with_fit(card.view.fit)
    if replace(card, precision=here.precision).key != here.key:
        theirs, ours = card.to_json(), here.to_json()
        other = [name for name in ours if theirs[name] != ours[name]]
        raise BackboneError(
            f"{card.handle} is not the network that this classifier was trained on: {', '.join(other)} differ(s).\n"
            "Expected the same. Train it anew, or install the version of headstart that trained it."
        )
    return network.with_card(here)
