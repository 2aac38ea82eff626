"""Options that several commands take, and what they stand for in the library."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headstart.apps.cli.console import Bar, agreed, say
from headstart.apps.cli.grouping import PATH, Choice, argument, option
from headstart.backbones import DEFAULT
from headstart.disk import atomic
from headstart.errors import BackboneError, DataError
from headstart.safety.printable import counted

if TYPE_CHECKING:
    from headstart.backbones import Options
    from headstart.classifier.classifier import Classifier
    from headstart.features.extraction import Skipped

BACKBONE, MEASURING, OUTPUT = "Backbone", "Training and measuring", "Output"
HEADS = "Kind of head: logistic, lda, ridge, centroid or knn."
HEAD = Choice(["logistic", "lda", "ridge", "centroid", "knn"])
_HANDLE = "a name or handle from `headstart models`, a URL, or a path"


def share(text: str) -> float:
    """0.1 for `0.1`, `10%` and `10 %`."""
    try:
        return float(text.strip().removesuffix("%")) / (100 if text.strip().endswith("%") else 1)
    except ValueError as error:
        raise click.BadParameter(f"'{text}' is not a share. Expected one such as 0.1 or 10%.") from error


# --- train and compare ---

labelled_photos = argument(
    "photos",
    type=PATH,
    help="Folder of class folders, or of 'train' and 'test' folders with class folders in them, or a CSV file, or a "
    "pattern in quotes such as 'photos/*' that matches the class folders.",
)
backbone = option(
    "-b", "--backbone", group=BACKBONE, metavar="HANDLE", default=DEFAULT,
    help=f"Pre-trained model: {_HANDLE}.",
)  # fmt: skip
joinable = option(
    "-b", "--backbone", "handles", group=BACKBONE, metavar="HANDLE", multiple=True, default=[DEFAULT],
    help=f"Pre-trained model: {_HANDLE}. Several with --join.",
)  # fmt: skip
join = option(
    "--join", group=BACKBONE, is_flag=True,
    help="Join the features of several models (-b A -b B): often more accurate, and as slow as all of them.",
)  # fmt: skip
backbones = option(
    "-b", "--backbone", "handles", group=BACKBONE, metavar="HANDLE", multiple=True,
    help=f"Pre-trained model: {_HANDLE}. Repeat it for each; if not given, those on this machine.",
)  # fmt: skip
input_range = option(
    "--input-range", group=BACKBONE, metavar="RANGE", default="", show_default=False,
    help="For models that do not declare it: 0..1, -1..1, 0..255 or imagenet; add ',BGR' if blue comes first.",
)  # fmt: skip
layers = option(
    "--layers", group=BACKBONE, type=Choice(["last", "several"]), default="last",
    help="Take features from the last layer, or from several stages, pooled and joined.",
)  # fmt: skip
_VIEWS = "Fit photos to the model's input: squash them, crop their centre, pad them, or both of the first two, joined"
view = option(
    "--view", group=BACKBONE, type=Choice(["squash", "crop", "pad", "both"]), default="squash",
    help=f"{_VIEWS} (twice the time).",
)  # fmt: skip
view_or_auto = option(
    "--view", group=BACKBONE, type=Choice(["squash", "crop", "pad", "both", "auto"]), default="squash",
    help=f"{_VIEWS} (twice the time); auto tries squash, crop and both.",
)  # fmt: skip
test = option("--test", group=MEASURING, type=PATH, help="Measure on the photos of this folder or CSV file.")


fraction = option(
    "--fraction", group=MEASURING, type=share, metavar="SHARE",
    help="Train on this share of each class, such as 0.1 or 10%.",
)  # fmt: skip
skip_small_classes = option(
    "--skip-small-classes", group=MEASURING, is_flag=True,
    help="Leave out classes with fewer than two photos that can be used.",
)  # fmt: skip
keep_copies = option(
    "--keep-copies", group=MEASURING, is_flag=True,
    help="Do not look for photos that are nearly the same (altered copies, bursts), which make the figures too good.",
)  # fmt: skip
fixes = option(
    "--fixes", group=MEASURING, type=PATH, metavar="FILE",
    help="Leave out or relabel the photos that this CSV file lists; `headstart check --write` makes one.",
)  # fmt: skip
add = option(
    "--add", group=MEASURING, type=PATH, metavar="FILE",
    help="Also train on the photos of this CSV file, as `headstart label` writes it.",
)  # fmt: skip
against = option(
    "--against", group=MEASURING, type=PATH, metavar="CLASSIFIER",
    help="Compare with this saved classifier, on photos that neither was trained on.",
)  # fmt: skip
unpack = option("--unpack", is_flag=True, help="Unpack PHOTOS first if it is a zip or tar, into a folder beside it.")
seed = option(
    "--seed", group=MEASURING, type=click.IntRange(0, 2**32 - 1), metavar="N", default=0,
    help="Random seed for --fraction and the folds.",
)  # fmt: skip
learning_curve = option(
    "--learning-curve", "curve", group=MEASURING, is_flag=True,
    help="Also estimate whether more photos would help, and of which class. --report includes it.",
)  # fmt: skip
report = option("--report", group=OUTPUT, type=PATH, metavar="FILE", help="Write a report as one HTML file.")
paths = option("--paths", group=OUTPUT, is_flag=True, help="Show whole paths in the report; else only their last part.")
logdir = option("--logdir", group=OUTPUT, type=PATH, metavar="FOLDER", help="Write TensorBoard runs to this folder.")

unknown_rate = option(
    "--unknown-rate", group=MEASURING, type=share, metavar="SHARE", default="5%",
    help="Refuse as unknown this share of photos like yours, and with it photos unlike them: 0 to 0.5; 0 refuses none "
    "and keeps no features of your photos in the classifier.",
)  # fmt: skip

# --- all commands ---

strict = option(
    "--strict", group=OUTPUT, is_flag=True,
    help="Exit with 1 if a photo was skipped, for scripts. Results are printed and saved all the same.",
)  # fmt: skip
as_json = option("--json", "as_json", group=OUTPUT, is_flag=True, help="Print one JSON document (docs/json.md).")

# --- predict, watch and evaluate ---

model = argument("model", type=PATH, metavar="CLASSIFIER", help="Folder of a saved classifier.")
photos = argument(
    "photos", type=PATH, nargs=-1, required=True, help="Photos, folders of photos, or a CSV file with a column 'path'."
)
log = option(
    "--log", group=OUTPUT, type=PATH, metavar="FILE",
    help="Add a line of JSON for each photo to this file, and compare all photos in it with the training photos.",
)  # fmt: skip
moved_backbone = option(
    "-b", "--backbone", group=BACKBONE, metavar="HANDLE", default="", show_default=False,
    help="Where the classifier's backbone is now, if it has moved since the training.",
)  # fmt: skip
may_fetch = option(
    "--fetch", group=BACKBONE, is_flag=True,
    help="Download the classifier's backbone from the address it names, if it is not here. No token is sent.",
)  # fmt: skip


def backbone_options(input_range: str, layers: str = "last") -> Options:
    """What the user states about the backbone."""
    from headstart.backbones import Options

    try:
        return Options(input_range, layers)  # type: ignore[arg-type]  # click checks the choice
    except BackboneError as error:
        raise click.UsageError(f"--input-range: {error}") from error


def joined_backbones(handles: Sequence[str], join: bool) -> str | Sequence[str]:
    """The backbone, or those to be joined.

    Raises:
        click.UsageError: several without --join, or one with it.
    """
    if join == (len(handles) > 1):
        return handles if join else handles[0]
    if join:
        raise click.UsageError("--join joins the features of several models. Expected -b more than once.")
    raise click.UsageError(
        f"{len(handles)} models are given with -b. Expected one; or --join, to join their features; or headstart "
        "compare, to compare them."
    )


def open_model(model: Path, backbone: str, fetch: bool, bar: Bar) -> Classifier:
    """Load a saved classifier and print its notes; ask before its backbone is downloaded, unless `fetch` is set."""
    from headstart.classifier.classifier import Classifier
    from headstart.errors import NotFetchedError

    try:
        classifier = Classifier.load(model, backbone=backbone, progress=bar, fetch=fetch)
    except NotFetchedError as error:
        if not agreed(f"This classifier wants to download {error.source}. Download it?"):
            raise
        classifier = Classifier.load(model, backbone=backbone, progress=bar, fetch=True)
    for note in classifier.notes:
        say(note)
    return classifier


def write_csv(
    path: Path,
    classes: Sequence[str],
    rows: Iterable[tuple[str, str, Sequence[float]]],
    more: Mapping[str, Sequence[str]],
) -> None:
    """Write predictions as a CSV; see `photos.spreadsheet.write`.

    Raises:
        DataError: it cannot be written.
    """
    from headstart.photos import spreadsheet

    with writing(path):
        spreadsheet.write(path, classes, rows, more)


def check_csv(path: Path | None) -> None:
    """Raise now what `write_csv` would raise after the work.

    Raises:
        DataError: it cannot be written.
    """
    if path is not None:
        with writing(path):
            atomic.check_writable(path)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what goes wrong when a file is written into an error for the user."""
    try:
        yield
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise DataError(f"{path} cannot be written: {why}.\nChoose another file.") from error


def exit_code(skipped: Sequence[Skipped], strict: bool, used: int = 1) -> int:
    """The exit code of a command on photos: 1 if none could be used, or with --strict if one was skipped; said why."""
    if not used:
        say("None of the photos could be used.")
    elif strict and skipped:
        say(f"Exit code 1 (--strict): {counted(len(skipped), 'photo')} skipped.")
    return 1 if not used or (strict and skipped) else 0
