"""What is missing before a model of the catalogue can be used on this machine."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Literal

from headstart.backbones.catalogue import by_handle
from headstart.backbones.catalogue.facts import Model

Use = Literal["ready", "download", "extra", "export", "never"]
#: What each means, for people; the ones that need least come first.
MEANING: dict[Use, str] = {
    "ready": "on this machine",
    "download": "downloaded when it is first used",
    "extra": "a TensorFlow 1 module: first pip install 'headstart[tensorflow]', then downloaded at the first use",
    "export": "weights for PyTorch, to be exported once: headstart models show NAME shows how",
    "never": "weights that are not public",
}


def uses(models: Iterable[Model], kept: Iterable[str]) -> list[Use]:
    """What is missing of each model.

    Args:
        models: of the catalogue.
        kept: handles of models that were downloaded.
    """
    here = {model.name for handle in kept if (model := by_handle(handle)) is not None}
    extra = find_spec("tensorflow") is not None
    return [_use(model, model.name in here, extra) for model in models]


def _use(model: Model, here: bool, extra: bool) -> Use:
    if model.source == "claim":
        return "never"
    if model.source == "timm":
        return "export"
    if model.format == "hub" and not extra:
        return "extra"
    return "ready" if here or model.source == "builtin" else "download"
