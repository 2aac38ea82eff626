"""`export`: writes a classifier in the formats asked for, and proves each before any of it stays in place."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import get_args

from headstart.classifier.classifier import Classifier
from headstart.classifier.exporting import Precision
from headstart.disk import atomic
from headstart.errors import ExportError
from headstart.export import folder, int8
from headstart.export.exported import Exported, Written
from headstart.export.graph.builder import UnwritableError
from headstart.export.known import FORMATS, Format, chosen
from headstart.export.proof.child import ask
from headstart.export.proof.pictures import MADE_UP, WHOLE, Photos, framed, photos_for, split_for_int8
from headstart.export.proof.reference import Reference, reference_for
from headstart.export.proof.verdict import judged, limit_for
from headstart.export.subject import Subject
from headstart.photos.pictures import Pictures
from headstart.progress import Choice, Progress, standard
from headstart.safety.printable import counted, file_size, show


def export(
    classifier: Classifier,
    out: str | Path,
    formats: str | Iterable[str],
    *,
    photos: Pictures | None = None,
    precision: Precision | None = None,
    with_resize: bool = False,
    max_loss: float | None = None,
    overwrite: bool = False,
    progress: Choice = None,
) -> Exported:
    """Write a classifier for other runtimes, and prove that each file gives its answers; see `Classifier.export`."""
    report = standard(progress)
    wanted = chosen([formats] if isinstance(formats, str) else list(formats))
    _check(wanted, precision, with_resize, max_loss)
    _check_names(classifier.classes)
    target = folder.check_target(out, overwrite)
    subject = Subject(classifier, with_resize=with_resize)
    if with_resize and subject.card.view.parts:
        raise ExportError(
            f"{subject.card.handle} sees several views of a photo, which the files cannot make themselves.\nExpected "
            "no --with-resize; README.md of the export describes how to make them."
        )
    notes: list[str] = []
    price: tuple[str, ...] = ()
    if precision == "int8":
        calibration, found = split_for_int8(classifier, photos)
        subject = int8.quantised(subject, calibration.pixels)
        price = _price(subject, calibration, found, max_loss, report)
    else:
        found = photos_for(classifier, photos)
    if not len(found):
        notes.append(
            "No photos were given, and those that the classifier was measured on are not known or no longer there: "
            "proven on made-up pictures only. Better: --photos FOLDER (in Python: photos=...)."
        )
        report.caution(notes[0])
    if found.left_out:
        notes.append(f"{counted(found.left_out, 'file')} left out of the proof: not readable as a photo.")
        report.caution(notes[-1])
    whole = [one for one in wanted if one.takes == "pixels"]
    reference = reference_for(subject, found, exported=bool(whole))
    if reference.rounding:
        notes.append(
            f"The classifier runs in {classifier.card.precision} in headstart. The files run in float32 and are "
            f"compared with float32; that alone changes probabilities by up to {reference.rounding:.1e}."
        )
        report.message(notes[-1])
    temporary = atomic.beside(target)
    try:
        temporary.mkdir()
        subjects = {subject.precision: subject}  # a model is translated once for each precision
        written = []
        for one in wanted:
            weights = precision if precision in one.precisions else one.precisions[0]
            assert weights is not None
            _write(subjects.setdefault(weights, replace(subject, precision=weights)), one, temporary, reference)
            written.append((one, weights))
        proven = tuple(_proven(subjects[weights], one, temporary, reference, report) for one, weights in written)
        proven = tuple(replace(one, notes=price) if one.precision == "int8" else one for one in proven)
        exported = Exported(Path(out), proven, len(found), tuple(notes))
        _refuse(exported)
        folder.describe(temporary, exported, classifier, reference, with_resize)
        atomic.install(temporary, target)
    except OSError as error:
        raise ExportError(f"{out} cannot be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return exported


def _price(
    subject: Subject, calibration: Photos, found: Photos, max_loss: float | None, report: Progress
) -> tuple[str, ...]:
    """What int8 costs, reported before it is kept.

    Raises:
        ExportError: more than is allowed.
    """
    labels = [label for label in found.labels if label is not None]
    whole = Subject(subject.classifier)
    price = int8.price(whole, subject, found.pixels, labels if len(labels) == len(found) else None)
    lines = (f"int8, quantised with {counted(len(calibration), 'photo')}: {price.lines[0]}.", *price.lines[1:])
    for line in lines:
        report.message(line)
    int8.check(price, max_loss)
    return lines


def _check(wanted: list[Format], precision: Precision | None, with_resize: bool, max_loss: float | None) -> None:
    """Refuse before the work what would be refused after it, and settings without effect.

    Raises:
        ExportError: a format lacks the precision, cannot carry the resizing, or needs a package to be written; or a
            setting is not one of those expected.
    """
    if precision is not None and precision not in get_args(Precision):
        raise ExportError(f"There is no precision {precision!r}.\nExpected {', '.join(get_args(Precision))}.")
    if max_loss is not None and precision != "int8":
        raise ExportError(
            "--max-loss is a limit for int8.\nExpected --precision int8 with it (in Python: precision='int8')."
        )
    if precision not in (None, "float32") and all(one.takes == "features" for one in wanted):
        names = ", ".join(one.name for one in wanted)
        raise ExportError(f"{names}: the head alone stays in float32.\nExpected no --precision {precision}.")
    for one in wanted:
        if one.unwritable:
            raise ExportError(f"{one.name} cannot be written here: it needs another package.\n{one.unwritable}")
        if with_resize and not one.resizes:
            able = ", ".join(name for name, other in FORMATS.items() if other.resizes)
            raise ExportError(f"{one.name} cannot carry the resizing of photos.\nExpected --with-resize with: {able}.")
        if precision is not None and precision not in one.precisions and one.takes == "pixels":
            able = ", ".join(name for name, other in FORMATS.items() if precision in other.precisions)
            raise ExportError(f"{one.name} cannot be written in {precision}.\nFormats that can: {able}.")


def _check_names(classes: tuple[str, ...]) -> None:
    """Refuse names that take several lines: `classes.txt`, and the files of some formats, hold one a line.

    Raises:
        ExportError: there is one.
    """
    broken = [name for name in classes if name != "".join(name.splitlines())]
    if broken:
        raise ExportError(
            f"The class name '{show(broken[0])}' has a line break, but exports hold class names one a line.\n"
            "Expected names of one line. Rename the class and train again."
        )


def _write(subject: Subject, one: Format, into: Path, reference: Reference) -> None:
    """Write a format.

    Raises:
        ExportError: the model has an operation that the format lacks; the message names the formats that still work.
    """
    target = into / one.path
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        if one.checks:
            one.write(subject, target, checks=reference.examples)
        else:
            one.write(subject, target)
    except UnwritableError as error:
        able = [other.name for other in FORMATS.values() if other is not one and _writable(subject, other, into)]
        raise ExportError(f"{error}\nNot in {one.name}. Formats that still work: {', '.join(able)}.") from error


def _writable(subject: Subject, one: Format, into: Path) -> bool:
    """Whether a format can be written, found out by writing it."""
    trial = into / "trial"
    target = trial / one.path
    if one.unwritable:
        return False
    try:
        target.parent.mkdir(parents=True)
        one.write(replace(subject, precision=one.precisions[0]), target)
    except UnwritableError:
        return False
    finally:
        shutil.rmtree(trial, ignore_errors=True)
    return True


def _proven(subject: Subject, one: Format, into: Path, reference: Reference, report: Progress) -> Written:
    files, precision, with_resize = folder.hashes(into, one), subject.precision, subject.with_resize
    size = sum((into / name).stat().st_size for name in files)
    missing = one.unproven
    if missing:
        report.caution(f"{one.name}: {missing}")
        return Written(one, precision, files, size, None, missing)
    report.message(f"{one.name}: written ({file_size(size)}), proving it on {_pictures(reference)}.")
    given, photos, view = reference.given_to(one), reference.photos.paths, subject.card.view
    if one.takes == "features":
        photos = ()
    elif with_resize:
        given, photos = framed(reference.pixels, view), photos[:WHOLE]
    answers = ask(one, into / one.path, given, photos, view, with_resize)
    limit = limit_for(precision, reference.quantised and one.takes == "pixels", reference.noise)
    proof = judged(answers, reference.answers_of(one), subject.classifier.classes, limit, reference.gaps, with_resize)
    return Written(one, precision, files, size, proof, "")


def _pictures(reference: Reference) -> str:
    photos, blends = len(reference.photos), len(reference.pixels) - len(reference.photos) - MADE_UP
    if not photos:
        return f"{MADE_UP} made-up pictures"
    return f"{counted(photos, 'photo')}, {counted(blends, 'blend')} of two and {MADE_UP} made-up pictures"


def _refuse(exported: Exported) -> None:
    """Let nothing stay in place if a file does not give the classifier's answers.

    Raises:
        ExportError: which, and by how much.
    """
    wrong = [one for one in exported.written if one.proof is not None and one.proof.faults]
    if wrong:
        lines = [f"{one.format.name}: {fault}." for one in wrong for fault in one.proof.faults]  # type: ignore[union-attr]
        names = ", ".join(one.format.name for one in wrong)
        raise ExportError(
            f"Not exported: {names} does not give the classifier's answers.\n"
            + "\n".join(lines)
            + "\nNothing was kept. The other formats can be exported without it; please report this as a bug."
        )
