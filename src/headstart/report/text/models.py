"""The catalogue as text for people; names and addresses are never cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from headstart.backbones.catalogue.usable import MEANING
from headstart.report.text.layout import columns, folded, hanging

if TYPE_CHECKING:
    from headstart.backbones.catalogue import Best, Model
    from headstart.backbones.catalogue.usable import Use

WIDTH = 100
CAUTION = (
    "The rank on ImageNet is not the rank on your photos: try two or three of them.",
    "The ImageNet validation set is not a true test set: many models were chosen by it.",
)
FIGURES = {"params_m": "parameters", "gmacs": "GMACs"}
UNITS = {"--max-params": "millions", "--max-gmacs": "1e9 multiply-accumulates"}
_HUB1 = "hub"
_EXTRA = "pip install 'headstart[tensorflow]'"
_HEADER = f"{'top-1':>5}  {'param':>5} {'GMACs':>5} {'input':>5} {'dim':>4}  use      name"


def table(models: Sequence[Model], uses: Sequence[Use], width: int = WIDTH) -> list[str]:
    """A header and a line for each model; a name that is too long for its line follows on the next.

    Args:
        models: to list. uses: what is missing of each.
        width: columns of the terminal.
    """
    lines = [_HEADER]
    for model, use in zip(models, uses, strict=True):
        top1 = f"{_or_dash(model.top1, '.2f'):>5}{'~' if 'top1' in model.derived else ' '}"
        dim = f"{model.dim or '-':>4}{'~' if 'dim' in model.derived else ' '}"
        figures = f"{top1} {_short(model.params_m):>5} {_short(model.gmacs, ''):>5} {model.input_size or '-':>5} {dim}"
        line = f"{figures} {use:<8} "
        name = model.name
        if model.source == "claim":
            name += f" ({model.year}; {_status(model)})"
        lines += [line + name] if len(line + name) <= width else [line.rstrip(), f"  {name}"]
    return lines


def footnotes(models: Sequence[Model], uses: Sequence[Use]) -> list[str]:
    """What the words and marks in the table mean, and how to use a model."""
    lines = [f"{use}: {meaning}." for use, meaning in MEANING.items() if use in uses]
    if any({"top1", "dim"} & set(m.derived) for m in models):
        lines.append("~ from a twin, the same architecture trained on the same data: show NAME names it.")
    if any(m.handle for m in models):
        lines.append("Use one: headstart train PHOTOS -b NAME. More about one: headstart models show NAME")
    return lines


def best(found: Best, source: dict[str, str], width: int = WIDTH) -> list[str]:
    """The best models, with the caution.

    Args:
        found: the answers.
        source: where the published accuracies come from, as in `sources.json`.
        width: columns of the terminal.
    """
    lines = [f"Top-1 on ImageNet-1k, {source['source']},", f"{source['date']}.", "Best with public weights:"]
    lines += _entry(found.public) if found.public else ["  no match has a known accuracy"]
    if found.loadable is not found.public:
        lines.append("Best that headstart loads by name:")
        lines += _entry(found.loadable) if found.loadable else ["  no match has a known accuracy"]
    if found.claimed:
        lines.append("Best as claimed:")
    for claim in found.claimed:
        claimed = f"{claim.name}, {claim.year}: {_status(claim)}; source: {claim.note}"
        lines += hanging(f"  {claim.top1:.2f} %  ", claimed, width)
    return [*lines, "", *CAUTION]


def _entry(model: Model) -> list[str]:
    size = f"{model.input_size} x {model.input_size} pixels" if model.input_size else "image size not stated"
    figures = f"{size}, {_long(model.params_m, ' M parameters')}, {_long(model.gmacs, ' GMACs')}"
    lines = [f"  {model.top1:.2f} %  {model.name}", f"           {figures}"]
    if "top1" in model.derived:
        lines.append(f"           accuracy of its twin {model.figures_from}")
    return [*lines, *(f"           {line}" for line in _use(model, short=True))]


def show(sizes: Sequence[Model], use: Use, width: int = WIDTH) -> list[str]:
    """Everything about one model.

    Args:
        sizes: the same model, once for each input size it was measured at.
        use: what is missing on this machine.
        width: columns of the terminal.
    """
    model = sizes[0]
    lines = [model.name]

    def row(label: str, value: str) -> None:
        head = f"  {label:<12} "
        lines.extend(hanging(head, value, width))

    row("kind", model.kind.replace("_", " "))
    row("source", ", ".join(filter(None, (_source(model), model.publisher, _format(model)))))
    for label, address in (("address", _address(model)), ("also at", model.kaggle)):
        if address:
            lines.append(f"  {label:<12} {address}")
    if model.source == "tfhub" and not model.kaggle:
        row("also at", "no other address is known")
    row("trained on", model.dataset or "not stated")
    row("architecture", model.network or "not stated")
    row("input", ", ".join(f"{m.input_size} x {m.input_size}" for m in sizes if m.input_size) or "not stated")
    row("dimension", _marked(model, "dim", f"{model.dim:,}" if model.dim else "not stated"))
    row("classes", f"{model.classes:,}" if model.classes else "not stated")
    row("parameters", _marked(model, "params_m", _long(model.params_m, " million")))
    for one in sizes:
        at = f" at {one.input_size} x {one.input_size}" if one.input_size else ""
        row("GMACs", _marked(one, "gmacs", _long(one.gmacs, at)))
    for one in sizes:
        row("ImageNet", _accuracy(one))
    if model.figures_from:
        row("twin", f"* {model.figures_from}: the same architecture, not necessarily the same weights")
    elif model.derived:
        row("*", "follows from the architecture")
    row("licence", model.licence or "not known")
    if model.note:
        row("note", model.note)
    row("state", MEANING[use].partition(": headstart")[0])
    for i, line in enumerate(_use(model)):
        head = f"  {'use it' if not i else '':<12} "
        fits = columns(head + line) <= width
        lines += [head + line] if fits else [*([head.rstrip()] if not i else []), *folded(f"    {line}", width)]
    return lines


def tables_behind(models: Sequence[Model]) -> list[str]:
    """Names of the tables that the figures of these models come from."""
    from headstart.backbones.catalogue import TABLE_OF

    used = {TABLE_OF[m.source] for m in models} | {"imagenet" for m in models if m.figures_from}
    return [name for name in TABLE_OF.values() if name in used]


def _use(model: Model, short: bool = False) -> list[str]:
    """The commands that use it."""
    if model.source == "claim":
        return ["not possible: the weights are not public"]
    if model.source == "timm":
        if short:
            return ["PyTorch weights; how to use them: headstart models show NAME"]
        size = f"1, 3, {model.input_size}, {model.input_size}"
        return [
            "the weights are for PyTorch: export them to ONNX where torch and timm are installed, then",
            'python -c "import timm, torch; torch.onnx.export(',
            f"  timm.create_model('{model.name}', pretrained=True).eval(),",
            f"  torch.zeros({size}), 'model.onnx')\"",
            "headstart backbones probe model.onnx PHOTOS",
            "headstart train PHOTOS -b model.onnx",
        ]
    handle = model.name if short else model.handle
    lines = [f"headstart train PHOTOS -b {handle}"]
    if model.kind == "classification" and not short:
        lines.append(f"headstart classify PHOTO -b {handle}")
    if model.format == _HUB1:
        lines.append(f"(a TensorFlow 1 module: needs {_EXTRA})")
    return lines


def _accuracy(model: Model) -> str:
    if model.top1 is None:
        return "not known"
    size = f" at {model.input_size} x {model.input_size}" if model.input_size else ""
    figures = [f"top-1 {model.top1:.2f} %"]
    figures += [f"top-5 {model.top5:.2f} %"] if model.top5 is not None else []
    figures += [f"ReaL top-1 {model.real_top1:.2f} %"] if model.real_top1 is not None else []
    claim = f", {model.year}; {_status(model)}" if model.source == "claim" else ""
    return _marked(model, "top1", ", ".join(figures) + size) + claim


def _marked(model: Model, field: str, shown: str) -> str:
    return f"{shown} *" if field in model.derived else shown


def _status(claim: Model) -> str:
    weights = "public weights" if claim.public_weights else "no public weights"
    return f"{weights}, {'reproduced' if claim.reproduced else 'not reproduced'}"


def _source(model: Model) -> str:
    return {"builtin": "built in", "tfhub": "TensorFlow Hub", "timm": "timm", "claim": "claim of a paper"}[model.source]


def _format(model: Model) -> str:
    names = {_HUB1: "TensorFlow 1 module", "saved_model_2": "TF2 SavedModel", "saved_model": "SavedModel"}
    return names.get(model.format, "")


def _address(model: Model) -> str:
    return f"https://huggingface.co/timm/{model.name}" if model.source == "timm" else model.handle


def _or_dash(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _long(value: float | None, unit: str) -> str:
    return "not known" if value is None else f"{value:,.2f}{unit}"


def _short(value: float | None, unit: str = "M") -> str:
    """Three figures: 3.50M, 25.6M, 305M."""
    if value is None:
        return "-"
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f}{unit}"
