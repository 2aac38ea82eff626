"""`headstart label`: a person says what photos of a log show, one at a time."""

from __future__ import annotations

import difflib
import os
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headstart.apps.cli import options
from headstart.apps.cli.console import Bar, say
from headstart.apps.cli.grouping import PATH, Command, argument, option
from headstart.apps.cli.inbox import say_log
from headstart.errors import DataError
from headstart.safety.printable import counted, percent, show

if TYPE_CHECKING:
    from headstart.classifier.inbox.inbox import Inbox
    from headstart.evaluation.results import Predictions

#: Classes that are printed with each photo; of more, the most probable ones.
_LISTED = 12
_KEYS = (
    "Type the number or the first letters of a class. Enter: as proposed, s: skip, u: undo, q: quit, ?: all classes."
)
_LONGEST = 200


@click.command(
    cls=Command,
    examples=("label inbox.jsonl -o labels.csv", "label inbox.jsonl -o labels.csv --set new/17.jpg=hemlock"),
)
@argument("log", type=PATH, metavar="LOG", help="Log that `headstart predict --log` or `headstart watch --log` wrote.")
@option(
    "-o", "--output", "target", type=PATH, metavar="FILE", required=True,
    help="CSV file that receives each answer at once; an existing one is continued.",
)  # fmt: skip
@option("--most", type=click.IntRange(1, 1000), metavar="N", default=20, help="Ask for at most N photos.")
@option(
    "--random", is_flag=True,
    help="Ask for photos chosen at random instead of those most worth it: to measure on them (--test).",
)  # fmt: skip
@option(
    "--set", "given", multiple=True, metavar="PHOTO=CLASS",
    help="Label this photo of the log, and ask nothing. Repeat it for each.",
)  # fmt: skip
@option("--new-classes", is_flag=True, help="With --set: allow classes that the classifier does not know.")
@option(
    "-m", "--model", type=PATH, metavar="CLASSIFIER",
    help="Folder of the classifier, if it has moved since the photos were logged.",
)  # fmt: skip
@options.moved_backbone
@options.may_fetch
def label(
    log: Path,
    target: Path,
    most: int,
    random: bool,
    given: Sequence[str],
    new_classes: bool,
    model: Path | None,
    backbone: str,
    fetch: bool,
) -> int:
    """Say what the photos most worth labelling show, for `headstart train --add`.

    Answer with the number or the name of a class, or its first letters. Without a terminal the answers are read from
    stdin, a line for each question.
    """
    from headstart.classifier.inbox.inbox import Inbox

    options.check_csv(target)
    with Bar() as bar:
        folder = model or _model_of(log)
        inbox = Inbox(options.open_model(folder, backbone, fetch, bar), log, model=folder)
        say_log(inbox)
        if not inbox.photos:
            raise DataError(
                f"No photo of {show(log)} was predicted by {show(folder)}.\nExpected the classifier that predicted "
                "them; name it with --model."
            )
        answers = Answers(target, inbox.classifier.classes)
        if given:
            return answers.set_all(given, {one.path for one in inbox.photos}, new_classes)
        done = list(answers.labels)
        if random:
            photos = [one.path for one in inbox.chosen_at_random(most, done)]
        else:
            photos = list(inbox.worth_labelling(most, done, bar).paths)
    _ask(inbox, photos, answers)
    labelled = sum(map(bool, answers.labels.values()))
    say(f"{counted(labelled, 'photo')} labelled in {target}.")
    if labelled:
        command = shlex.join(["headstart", "train", "PHOTOS", "--add", str(target), "--against", str(folder)])
        say(f"To train with them: {command} -o NEW")
    return 0


def _model_of(log: Path) -> Path:
    """The classifier of the last photo."""
    from headstart.classifier.inbox.log import Log

    if not os.path.exists(log):
        raise DataError(f"{show(log)} does not exist.\nExpected a log that `headstart watch --log` wrote.")
    photos = Log(log).photos
    if not photos or not os.path.isdir(photos[-1].model):
        where = f"is not at {show(photos[-1].model)}" if photos and photos[-1].model else "is not known"
        raise DataError(f"The classifier of {show(log)} {where}.\nName its folder with --model.")
    return Path(photos[-1].model)


class Answers:
    """What a person has said, kept in a CSV at once.

    Args:
        path: of the CSV; read if it is there. Photos that are skipped go into another one beside it.
        known: classes of the classifier.

    Raises:
        DataError: the CSV is not one that `headstart label` wrote.

    Attributes:
        labels: the label of each photo, in the order given; empty: skipped.
        classes: all names that an answer may be: those of the classifier and new ones.
    """

    def __init__(self, path: Path, known: Sequence[str]) -> None:
        self.path, self.skipped = path, path.with_name(f"{path.name}.skipped")
        before = [_continued(one) if os.path.exists(one) else {} for one in (self.skipped, path)]
        self.labels = {**dict.fromkeys(before[0], ""), **before[1]}
        self.classes = [*known, *sorted({one for one in self.labels.values() if one} - {*known})]

    def keep(self, photo: str, answer: str) -> None:
        """Keep an answer; empty: skipped."""
        self.labels.pop(photo, None)
        self.labels[photo] = answer
        if answer and answer not in self.classes:
            self.classes.append(answer)
        self._write()

    def undo(self) -> str | None:
        """Take the last answer back; returns its photo."""
        if not self.labels:
            return None
        photo, _ = self.labels.popitem()
        self._write()
        return photo

    def _write(self) -> None:
        from headstart.photos import labelled

        skipped = {photo: "skipped" for photo, answer in self.labels.items() if not answer}
        with options.writing(self.path):
            labelled.write(self.path, {photo: answer for photo, answer in self.labels.items() if answer})
            if skipped or os.path.exists(self.skipped):
                labelled.write(self.skipped, skipped)

    def meant(self, text: str) -> tuple[str, ...]:
        """The classes that an answer can mean: its name, its number, or the names that begin with it."""
        for name in self.classes:
            if text == name:
                return (name,)
        if text.isdecimal() and self.numbered and 1 <= int(text) <= len(self.classes):
            return (self.classes[int(text) - 1],)
        folded = text.casefold()
        same = tuple(name for name in self.classes if name.casefold() == folded)
        return same or tuple(name for name in self.classes if name.casefold().startswith(folded))

    @property
    def numbered(self) -> bool:
        """Whether numbers stand for classes: not if names are numbers."""
        return not any(name.isdecimal() for name in self.classes)

    def listed(self, names: Iterable[str]) -> str:
        """Names with their numbers."""
        places = {name: number for number, name in enumerate(self.classes, 1)}
        return ", ".join(f"{places[name]} {show(name)}" if self.numbered else show(name) for name in names)

    def set_all(self, given: Sequence[str], photos: set[str], new_classes: bool) -> int:
        """Keep answers of `--set`, all or none."""
        wanted = {}
        for one in given:
            name, _, answer = one.rpartition("=")
            photo = os.path.abspath(name)
            if not name or photo not in photos:
                raise click.UsageError(f"--set {one}: expected PHOTO=CLASS, with the path of a photo in the log.")
            if answer not in self.classes and not new_classes:
                raise click.UsageError(
                    f"--set {one}: the classifier has no class '{answer}'.{_near(answer, self.classes)} Expected one "
                    f"of {', '.join(self.classes[:_LISTED])}; --new-classes allows others."
                )
            wanted[photo] = _checked(answer)
        for photo, answer in wanted.items():
            self.keep(photo, answer)
        say(f"{counted(len(wanted), 'photo')} labelled in {self.path}.")
        return 0


def _continued(path: Path) -> dict[str, str]:
    """The labels of a CSV that will be written again, without other columns."""
    from headstart.photos import labelled

    with path.open("rb") as file:
        if file.readline(100).strip() != b"path,label":
            raise DataError(
                f"{show(path)} has other columns than path and label, which would be lost.\nExpected a new file, or "
                "one that `headstart label` wrote."
            )
    return labelled.read(path)


def _ask(inbox: Inbox, photos: list[str], answers: Answers) -> None:
    """Ask for one photo after the other until all are answered, the user quits or stdin ends."""
    if not photos:
        say("No photo is left to ask for: all are labelled, gone, or nearly the same as others.")
    else:
        say(_KEYS)
    while photos:
        found = inbox.classifier.predictions_of_files(photos[:1], nearest=3)
        if not found.paths:  # removed, or spoilt
            del photos[0]
            continue
        _show(found, len(photos), answers)
        answer = _answer(found.labels[0], answers)
        if answer is None:
            return
        if answer == _UNDO:
            last = answers.undo()
            photos[:0] = [last] if last and os.path.isfile(last) else []
            say(f"Taken back: {last}." if last else "There is nothing to take back.")
            continue
        answers.keep(photos.pop(0), "" if answer == _SKIP else answer)


#: Answers that are no classes: names have no control characters.
_SKIP, _UNDO = "\0skip", "\0undo"


def _show(found: Predictions, left: int, answers: Answers) -> None:
    refused = found.unknown is not None and bool(found.unknown[0])
    doubt = "unlike the training photos; " if refused else ""
    near = ", ".join(one.name for one in found.nearest[0]) if found.nearest else ""
    say()
    say(f"{found.paths[0]}   ({left:,} left)")
    say(f"  {doubt}proposal: {found.labels[0]}, {percent(float(found.probabilities[0].max()))}")
    if near:
        say(f"  nearest training photos: {near}")
    names: Iterable[str] = answers.classes
    if len(answers.classes) > _LISTED:
        names = [found.classes[c] for c in (-found.probabilities[0]).argsort(kind="stable")[:_LISTED]]
    say(f"  {answers.listed(names)}")


def _answer(proposal: str, answers: Answers) -> str | None:
    """A class, `_SKIP`, `_UNDO`, or None to quit."""
    while (text := _line()) is not None:
        if not text:
            return proposal
        if text not in answers.classes:  # a class may be called q
            if text == "q":
                return None
            if text in ("s", "u"):
                return _SKIP if text == "s" else _UNDO
        if text == "?":
            say(f"  {answers.listed(answers.classes)}")
            continue
        meant = answers.meant(text)
        if len(meant) == 1:
            return meant[0]
        if meant:
            say(f"  '{text}' may be {', '.join(meant[:_LISTED])}. Type more of it.")
        elif text.isdecimal() and answers.numbered:
            say(f"  There is no class {text}. Expected 1 to {len(answers.classes)}.")
        elif (new := _new_class(text, answers)) is not None:
            return new
    return None


def _new_class(text: str, answers: Answers) -> str | None:
    """A class with this name, if the user wants it."""
    try:
        name = _checked(text)
    except click.UsageError as error:
        say(f"  {error.message}")
        return None
    say(f"  There is no class '{name}'.{_near(name, answers.classes)} Make it a new class? [y/N]")
    return name if (_line() or "").lower() in ("y", "yes") else None


def _checked(name: str) -> str:
    if not name or name != name.strip() or len(name) > _LONGEST or not name.isprintable():
        raise click.UsageError(f"'{show(name[:50])}' is no name of a class. Expected 1 to {_LONGEST} visible letters.")
    return name


def _near(name: str, classes: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, classes, n=1)
    return f" Did you mean '{show(near[0])}'?" if near else ""


def _line() -> str | None:
    """The next line of stdin, without spaces around it; None at its end."""
    if sys.stdin.isatty():
        print("> ", end="", file=sys.stderr, flush=True)
    text = sys.stdin.readline()
    return text.strip() if text else None
