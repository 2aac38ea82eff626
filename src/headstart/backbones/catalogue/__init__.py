"""Queries of the catalogue, all offline: by address, by name, by words and limits, the best.

Case, `-`, `_` and `.` in names are ignored, so `mobilenet_v2`, `MobileNet-v2` and `mobilenetv2` find the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from headstart.backbones.catalogue.facts import KINDS, SOURCES, TABLE_OF, Model, everything, sources
from headstart.backbones.hints import DEFAULT
from headstart.backbones.pages import handle_of
from headstart.errors import BackboneError

__all__ = [
    "KINDS", "SORTS", "SOURCES", "TABLE_OF", "Best", "Model", "best", "by_handle", "did_you_mean", "everything",
    "named", "other_address", "resolve", "search", "sources", "within",
]  # fmt: skip

SORTS = ("imagenet", "params", "gmacs", "name")
_HUB = "https://tfhub.dev/"
_SHOWN = 8


def by_handle(handle: str) -> Model | None:
    """The model at a TensorFlow Hub or Kaggle address, or a built-in one; None: not in the catalogue.

    Args:
        handle: `https://tfhub.dev/...`, `tfhub:...` or `kaggle:...`, with or without version and final slash. A
            version that is not the catalogue's is another model.
    """
    return _addresses().get(_address(handle))


def other_address(handle: str) -> str:
    """Another address of the same model: for a Hub address the `kaggle:` one, or the other way round; empty: unknown.

    For a version that the catalogue does not have, Kaggle's address has no version: the two sites count differently.
    """
    key = _address(handle)
    exact = _addresses().get(key)
    model = exact or _addresses().get(_versionless(key))
    if model is None or model.source != "tfhub":
        return ""
    if key.startswith("kaggle:"):
        return model.handle
    return model.kaggle if exact else _versionless(model.kaggle)


def _address(handle: str) -> str:
    """The one form of all handles that mean the same."""
    handle = handle_of(handle.strip().partition("?")[0]).rstrip("/").lower()
    handle = re.sub(r"^https?://(www\.)?tfhub\.dev/", "tfhub:", handle)
    return re.sub(r"^tfhub:/+", "tfhub:", handle)


def _versionless(address: str) -> str:
    return re.sub(r"/\d+$", "", address)


@lru_cache(maxsize=1)
def _addresses() -> dict[str, Model]:
    found: dict[str, Model] = {}
    for model in everything():
        for address in filter(None, (model.handle, model.kaggle)):
            found[_address(address)] = model
            found.setdefault(_versionless(_address(address)), model)
    return found


def named(name: str) -> tuple[Model, ...]:
    """The model with this name or address, once for each input size at which it was measured.

    Args:
        name: a whole name, also with its publisher before or its version after it, the end of one from a `/` on, or an
            address as for `by_handle`.

    Raises:
        BackboneError: no model has this name, or several have; they are listed.
    """
    model = by_handle(name)
    if model is not None:
        return (model,)
    wanted = _squeezed(name)
    exact = [m for m in everything() if wanted in _called(m)]
    found = exact or [m for m in everything() if wanted and wanted in map(_squeezed, _ends(m.name))]
    if len({m.name for m in found}) == 1:
        return tuple(sorted(found, key=lambda m: m.input_size or 0))
    raise BackboneError(_not_one(name, found or search([name])))


def resolve(name: str) -> str:
    """The handle of the model with this name in the catalogue.

    Raises:
        BackboneError: it is not the name of exactly one model, or headstart cannot load that model.
    """
    model = named(name)[0]
    if model.handle:
        return model.handle
    if model.source == "claim":
        raise BackboneError(
            f"{model.name} cannot be loaded: it is described in a paper, but its weights are not public.\n"
            "Expected a model with public weights. List them with: headstart models"
        )
    raise BackboneError(
        f"{model.name} cannot be loaded as it is: its weights are PyTorch's (huggingface.co/timm/{model.name}).\n"
        "Expected a model that OpenVINO can read. Export it to ONNX where PyTorch and timm are installed, and pass the "
        f"path of the file as the handle. How to do it: headstart models show {model.name}"
    )


def _called(model: Model) -> set[str]:
    names = {model.name}
    if model.source == "tfhub":
        address = model.handle.removeprefix(_HUB)
        names |= {address, _versionless(address)}
    if model.source == "builtin":
        names.add(model.network)
    return {_squeezed(n) for n in names}


def _ends(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[i:]) for i in range(1, len(parts))]


def _not_one(name: str, found: Sequence[Model]) -> str:
    names = list(dict.fromkeys(m.name for m in found))
    expected = f"Expected a handle such as '{DEFAULT}', or a name that is unique in the catalogue"
    if not names:
        return f"No backbone is called '{name}'.{did_you_mean(name)}\n{expected}.\nSearch with: headstart models WORDS"
    if len(names) == 1:
        return f"No backbone is called '{name}'. Did you mean {names[0]}?\n{expected}."
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (
        f"No backbone is called '{name}'.\n{expected}; '{name}' matches {len(names)}: "
        f"{', '.join(names[:_SHOWN])}{more}.\nList them with: headstart models {name}"
    )


def search(
    words: str | Iterable[str] = (),
    *,
    without: str | Iterable[str] = (),
    source: str | None = None,
    kind: str | None = None,
    max_params: float | None = None,
    max_gmacs: float | None = None,
    input_size: int | None = None,
    sort: str = "imagenet",
) -> list[Model]:
    """The models in the catalogue that match, best first; no internet needed.

    Args:
        words: all of them must occur in the name, architecture, data set or publisher; a list or `"words like this"`.
        without: none of these may occur there.
        source: one of `SOURCES`. Claims of papers are omitted unless requested, because they cannot be used.
        kind: one of `KINDS`.
        max_params: limit in millions of parameters; models without the figure are omitted.
        max_gmacs: limit in GMACs; models without the figure are omitted.
        input_size: exact size in pixels.
        sort: one of `SORTS`: accuracy on ImageNet (highest first), parameters, GMACs (fewest first), name. Unknown
            values come last; ties keep the order of the tables.

    Raises:
        BackboneError: `source`, `kind` or `sort` is not one of those.

    Examples:
        >>> import headstart
        >>> headstart.search("mobilenet_v2_100_224", kind="feature_vector")[0].handle
        'https://tfhub.dev/google/imagenet/mobilenet_v2_100_224/feature_vector/5'
    """
    for name, value, known in (("source", source, SOURCES), ("kind", kind, KINDS), ("sort", sort, SORTS)):
        if value is not None and value not in known:
            raise BackboneError(f"{name} is {value!r}.\nExpected one of {', '.join(known)}.")
    wanted, unwanted = ([_squeezed(w) for w in (x.split() if isinstance(x, str) else x)] for x in (words, without))
    found = [
        model
        for model, text in zip(everything(), _texts(), strict=True)
        if (model.source == source if source else model.source != "claim")
        and (kind is None or model.kind == kind)
        and (input_size is None or model.input_size == input_size)
        and all(w in text for w in wanted)
        and not any(w in text for w in unwanted)
    ]
    found = within(found, max_params, max_gmacs)
    if sort == "name":
        return sorted(found, key=lambda m: m.name.lower())
    field, sign = {"imagenet": ("top1", -1), "params": ("params_m", 1), "gmacs": ("gmacs", 1)}[sort]
    return sorted(found, key=lambda m: (getattr(m, field) is None, sign * (getattr(m, field) or 0)))


def within(models: Iterable[Model], max_params: float | None, max_gmacs: float | None) -> list[Model]:
    """Those within limits of millions of parameters and GMACs (None: no limit), a model without the figure is not."""
    limits = [(f, limit) for f, limit in (("params_m", max_params), ("gmacs", max_gmacs)) if limit is not None]
    return [m for m in models if all((v := getattr(m, f)) is not None and v <= limit for f, limit in limits)]


@dataclass(frozen=True, slots=True)
class Best:
    """The highest top-1 on ImageNet.

    Attributes:
        public: among models with public weights.
        loadable: among those that headstart loads by name; often with a twin's accuracy.
        claimed: claims of papers above `public`, highest first.
    """

    public: Model | None
    loadable: Model | None
    claimed: tuple[Model, ...]


def best(max_params: float | None = None, max_gmacs: float | None = None, among: Iterable[Model] | None = None) -> Best:
    """The best within limits.

    Args:
        max_params: million parameters.
        max_gmacs: GMACs.
        among: the models to choose from, claims included; None: all.
    """
    models = within(everything() if among is None else among, max_params, max_gmacs)
    # Among equals, one that needs no extra, as TensorFlow 1 modules do.
    known = sorted((m for m in models if m.top1 is not None), key=lambda m: (-(m.top1 or 0), m.format == "hub"))
    public = next((m for m in known if m.source != "claim"), None)
    floor = (public and public.top1) or 0
    claimed = tuple(m for m in known if m.source == "claim" and (m.top1 or 0) > floor)
    return Best(public, next((m for m in known if m.handle), None), claimed)


def did_you_mean(word: str) -> str:
    """` Did you mean ...?` for a word that does not occur in the catalogue; empty if it does, or nothing is similar."""
    import difflib  # only needed after a typing error

    wanted = _squeezed(word)
    if any(wanted in text for text in _texts()):
        return ""
    vocabulary: dict[str, str] = {}
    for model in everything():
        for text in (model.network, model.publisher, *re.split(r"[/.]", model.name), *re.split(r"[\W_]+", model.name)):
            vocabulary.setdefault(_squeezed(text), text)
    near = [vocabulary[v] for v in difflib.get_close_matches(wanted, vocabulary, n=3, cutoff=0.7)]
    return f" Did you mean {' or '.join(near)}?" if near else ""


def _squeezed(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", text.lower())


@lru_cache(maxsize=1)
def _texts() -> tuple[str, ...]:
    """The text of each model in which words are searched; a blank separates fields."""
    fields = ("".join((m.publisher, m.name, " ", m.network, " ", m.dataset)) for m in everything())
    return tuple(re.sub(r"[^a-z0-9 ]+", "", text.lower()) for text in fields)
