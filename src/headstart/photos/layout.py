"""What the folders inside a folder mean: classes, parts to train and to measure on, or a folder around everything.

Names alone can mislead: a class of vehicles may be called train. So a name such as `train` makes a part only together
with what is beside and below it. A folder that can mean two things is an error that shows the folders and what to type.
"""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from headstart.errors import DataError, LayoutError, Way
from headstart.photos.archives import is_archive
from headstart.photos.folders import Folder, is_csv, is_noise, tree
from headstart.safety.printable import counted, show

#: Names of parts, in the order in which one is chosen to measure on. In a folder's name, `set`, `data` and the like,
#: a year and all that is no letter or figure do not count.
_PARTS = {
    "train": ("train", "training", "trn"),
    "test": ("test", "tests", "testing", "tst", "holdout", "heldout"),
    "eval": ("eval", "evaluation"),
    "validation": ("val", "valid", "validation", "dev"),
}
_PART_OF = {name: part for part, names in _PARTS.items() for name in names}
_BESIDE = r"(?:images?|imgs?|photos?|pictures?|data|dataset)?"
_NAME = re.compile(rf"{_BESIDE}({'|'.join(_PART_OF)})(?:set|split|part|folder|{_BESIDE})")
_NOT_COUNTED = re.compile(r"(?:19|20)\d\d|[\W_]")
#: Never names of classes: such a folder beside classes contains photos to measure on.
_NEVER_CLASSES = ("test", "testing", "evaluation", "validation", "holdout", "heldout")
_DATE = re.compile(r"(19|20)\d\d(\D?\d\d?){0,2}")
_SHOWN = 3

#: Class names with the folders that hold their photos; a name may occur several times.
Classes = tuple[tuple[str, Folder], ...]


@dataclass(frozen=True)
class Layout:
    """What a folder means.

    Attributes:
        train: classes to train on.
        test: classes to measure on, or None.
        notes: sentences about what was found and what is ignored.
        tested: path of the folder that `test` is in.
    """

    train: Classes
    test: Classes | None = None
    notes: tuple[str, ...] = ()
    tested: str = ""


def part_of(name: str) -> str | None:
    """The part that a folder or split is by its name: `train`, `test`, `eval` or `validation`; None for other names."""
    found = _NAME.fullmatch(_NOT_COUNTED.sub("", name.casefold()))
    return _PART_OF[found[1]] if found else None


def understand(path: str, known: Collection[str] = ()) -> Layout:
    """Find out what the folders inside a folder mean.

    Args:
        path: of the folder.
        known: class names that are expected; empty if they are not known.

    Raises:
        LayoutError: it has no class folders, or can be understood in several ways.
    """
    root = here = Folder(path)
    while (found := _split(here, known)) is None and (only := _wrapped(here, known)) is not None:
        here = only
    found = found or _classes(here, known)
    if here is root:
        return found
    note = f"{show(here.path)} is used: it is the only folder with photos in {show(root.path)}."
    return replace(found, notes=(note, *found.notes))


def matching(pattern: str) -> Layout:
    """The class folders that a pattern such as `photos/*` matches.

    Raises:
        DataError: it matches no folder that holds photos.
    """
    found = [Folder(one) for one in sorted(glob.glob(pattern)) if os.path.isdir(one) and not is_noise(Path(one).name)]
    classes = tuple((one.name, one) for one in found if one.has_photos)
    if not classes:
        raise DataError(f"{show(pattern)} matches no folder that holds photos.\nExpected class folders.")
    return Layout(classes)


def one_class(path: str, name: str) -> LayoutError:
    """The error for a folder that would give only one class.

    Args:
        path: of the folder. name: of the class.
    """
    root = Folder(path)
    inner = next((one.inner for one in root.inner if one.name == name), ())
    ways = [_way(os.path.join(path, name), inner)] if len(inner) > 1 else []
    return LayoutError(
        f"A classifier needs at least two classes; {show(path)} holds only '{show(name)}':",
        f"Expected a folder for each class, such as {_join(path, name, '1.jpg')} and {_join(path, 'other', '1.jpg')}.",
        path,
        tree(root),
        ways + _instead(root),
    )


def _split(here: Folder, known: Collection[str]) -> Layout | None:
    """The parts to train and to measure on, or None if the folders are not parts."""
    named = _named(here.folders)
    held = sorted((one for one in named if named[one] != "train"), key=lambda one: list(_PARTS).index(named[one]))
    trains = [one for one, part in named.items() if part == "train"]
    filled = [one for one in here.folders if one.has_photos]
    others = [one for one in filled if one not in named]
    if not named or not filled or (known and all(one.name in known for one in filled)):
        return None
    if len(trains) > 1 and (held or not others):
        ways = [Way(f"To train on {show(one.name)}", one.path, *_tested(held, one)) for one in trains]
        raise _unclear(here, f"has several folders to train on: {_names(trains)}", "only one of them", ways)
    if trains and held:
        return _parts(here, trains[0], held, others)
    if trains and others and len(trains[0].inner) > 1 and not trains[0].photos:
        _check_train_is_a_class(here, trains[0], others)
    if not trains and not others and len(held) > 1:
        ways = [_way(one.path, one.inner) for one in held if len(one.inner) > 1]
        raise _unclear(here, f"has no folder to train on, only {_names(held)}", "a folder 'train' beside them", ways)
    strangers = [one for one in held if one.has_photos and one.name.casefold() in _NEVER_CLASSES]
    if strangers and others:
        why = f"holds {_names(strangers)} beside {_names(others)}, but no folder to train on"
        raise _unclear(
            here, why, f"photos to measure on outside of it: move {_names(strangers)} away", [_all_of(here, filled)]
        )
    return None


def _parts(here: Folder, train: Folder, held: Sequence[Folder], others: Sequence[Folder]) -> Layout:
    test = held[0]
    if not train.inner:
        raise _unclear(
            here,
            f"holds {_names([train, *held])}, but {show(train.name)} has no class folders",
            f"a folder for each class in each, such as {_join(train.path, 'apple', '1.jpg')} and "
            f"{_join(test.path, 'apple', '2.jpg')}",
            [_all_of(here, [train, *held, *others])] if others and train.has_photos else [],
        )
    learn = _classes(_innermost(train, ()), ())
    known = [name for name, _ in learn.train]
    labelled = _innermost(test, known).inner
    if not labelled or (len(labelled) == 1 and labelled[0].name not in known):
        ways = [Way("To train without it", train.path, *_tested(held[1:], train))]
        why = f"has no classes to measure on. There are no classes of photos in {show(test.path)}"
        raise _unclear(here, why, f"the class folders of {show(train.name)} in {show(test.name)}, too", ways)
    notes = []
    plain = {train.name.casefold(), test.name.casefold()} <= {"train", "test", "val", "valid", "validation"}
    if not plain or len(held) > 1:
        notes.append(f"{show(train.path)} is trained on, {show(test.path)} is measured on.")
    if len(held) > 1:
        are = "is" if len(held) == 2 else "are"
        notes.append(
            f"{_names(held[1:])} {are} not used: settings are chosen by cross-validation within {show(train.name)}."
        )
    notes += [f"{show(one.path)} is ignored: it is neither train nor the folder measured on." for one in others]
    tested = _classes(_innermost(test, known), known)
    return Layout(learn.train, tested.train, (*notes, *learn.notes, *tested.notes), test.path)


def _check_train_is_a_class(here: Folder, train: Folder, others: Sequence[Folder]) -> None:
    """A folder `train` that holds folders, beside others but without a part to measure on: a class of vehicles?"""
    shared = {one.name for one in train.inner} & {below.name for other in others for below in other.inner}
    if shared or len(others) == 1:
        ways = [_way(train.path, train.inner), _all_of(here, [train, *others])]
        why = f"holds {show(train.name)}, which may be a class or a part to train on, beside {_names(others)}"
        raise _unclear(here, why, "class folders, or 'train' and 'test' with class folders in them", ways)


def _named(folders: Sequence[Folder]) -> dict[Folder, str]:
    """The folders that are called like parts: `test`, or `pets_test` if there is a `pets_train`."""
    named = {one: part for one in folders if (part := part_of(one.name))}
    pairs: dict[tuple[str, ...], dict[Folder, str]] = {}
    for one in folders:
        words = re.split(r"[\W_]+", one.name.casefold())
        for word, rest in ((words[0], words[1:]), (words[-1], words[:-1])):
            if rest and one not in named and (part := part_of(word)):
                pairs.setdefault(tuple(rest), {})[one] = part
    for pair in pairs.values():
        if "train" in pair.values() and len(set(pair.values())) > 1:
            named |= pair
    return named


def _innermost(here: Folder, known: Collection[str]) -> Folder:
    while (only := _wrapped(here, known)) is not None:
        here = only
    return here


def _wrapped(here: Folder, known: Collection[str]) -> Folder | None:
    """The only folder that holds photos, if there are classes or parts somewhere in it."""
    if len(here.inner) != 1 or here.inner[0].name in known:
        return None
    inside = only = here.inner[0]
    while len(inside.inner) == 1 and not inside.photos and inside.inner[0].name not in known:
        inside = inside.inner[0]
    classes = [one for one in inside.inner if not _DATE.fullmatch(one.name)]
    return only if len(classes) > 1 and not inside.photos else None


def _classes(here: Folder, known: Collection[str]) -> Layout:
    filled = [one for one in here.folders if one.has_photos]
    if not filled:
        raise _no_classes(here)
    deep = [one for one in filled if len(one.inner) > 1 and not one.photos]
    if len(deep) == len(filled) and all(_is_split(one) for one in deep):
        return _split_by_class(here, deep)
    names = Counter(below.name for one in deep for below in one.inner if not _DATE.fullmatch(below.name))
    shared = [name for name, times in names.items() if times > 1]
    if len(shared) > 1 and not any(one.name in known for one in filled):
        way = Way(f"To train on the classes {_listed(sorted(names))}", os.path.join(glob.escape(here.path), "*", "*"))
        why = f"may have its classes in the first or the second level of folders: {_names(deep)} hold the same folders"
        raise _unclear(here, why, "one folder for each class", [way, _all_of(here, filled)])
    notes = []
    without = [one for one in here.folders if not one.has_photos]
    for one in without[:_SHOWN]:
        is_what = f"holds no photos ({counted(len(one.below), 'other file')})" if one.below else "is empty"
        notes.append(f"The folder {show(one.path)} {is_what}: it is not a class.")
    if len(without) > _SHOWN:
        more = counted(len(without) - _SHOWN, "more folder")
        notes.append(f"Not classes either, because they hold no photos: {more} in {show(here.path)}.")
    if here.files:
        notes.append(f"{len(here.files)} file(s) directly in {show(here.path)} belong to no class and are ignored.")
    if deep:
        which = "; ".join(f"{show(one.name)} ({_names(one.inner)})" for one in deep[:_SHOWN])
        more = f" and {len(deep) - _SHOWN} more" if len(deep) > _SHOWN else ""
        notes.append(f"Folders inside a class folder belong to its class: {which}{more}.")
    return Layout(tuple((one.name, one) for one in filled), None, tuple(notes))


def _is_split(folder: Folder) -> bool:
    """Whether all folders in it are parts, one of them to train on."""
    parts = [part_of(one.name) for one in folder.inner]
    return None not in parts and parts.count("train") == 1


def _split_by_class(here: Folder, filled: Sequence[Folder]) -> Layout:
    """`<class>/{train,test}`, or several data sets beside each other."""
    train = [(one.name, below) for one in filled for below in one.inner if part_of(below.name) == "train"]
    if any(below.inner and not below.photos for _, below in train):
        ways = [Way(f"To train on {show(one.name)}", one.path) for one in filled[:_SHOWN]]
        raise _unclear(here, f"holds several data sets: {_names(filled)}", "only one of them", ways)
    held = {part_of(below.name): below.name for one in filled for below in one.inner if part_of(below.name) != "train"}
    chosen = next(part for part in _PARTS if part in held)
    test = tuple((one.name, below) for one in filled for below in one.inner if part_of(below.name) == chosen)
    notes = [f"Each class has its own parts: {show(train[0][1].name)} to train on, {show(held[chosen])} to measure on."]
    if rest := [show(name) for part, name in held.items() if part != chosen]:
        are = "is" if len(rest) == 1 else "are"
        notes.append(
            f"{', '.join(rest)} {are} not used: settings are chosen by cross-validation within the training photos."
        )
    return Layout(tuple(train), test, tuple(notes), here.path)


def _no_classes(here: Folder) -> LayoutError:
    if here.files:
        beside = f"It holds {len(here.files)} file(s) that belong to no class."
    elif here.folders:
        beside = f"Its folders hold no photos: {_names(here.folders)}."
    else:
        beside = "It is empty."
    ways = []
    with suppress(DataError):  # it may not be allowed to look there
        above = Folder(os.path.dirname(os.path.abspath(here.path)))
        if here.photos and len(above.folders) > 1 and all(one.photos for one in above.folders):
            ways.append(_way(os.path.normpath(os.path.join(here.path, os.pardir)), above.folders))
    return LayoutError(
        f"There are no classes of photos in {show(here.path)}. {beside}",
        "Expected one sub-folder for each class, such as photos/apple/1.jpg and photos/pear/1.jpg.",
        here.path,
        tree(here) if here.folders or here.files else (),
        ways + _instead(here),
    )


def _instead(here: Folder) -> list[Way]:
    """What to use instead of a folder without classes: a CSV in it, which has the classes, or an archive in it."""
    ways = [Way(f"To read the classes from {show(os.path.basename(one))}", one) for one in here.files if is_csv(one)]
    if not here.has_photos:
        archives = filter(is_archive, here.files)
        ways += [Way(f"To unpack {show(os.path.basename(one))} and use it", one, "--unpack") for one in archives]
    return ways[:_SHOWN]


def _unclear(here: Folder, happened: str, expected: str, ways: Sequence[Way]) -> LayoutError:
    return LayoutError(f"{show(here.path)} {happened}:", f"Expected {expected}.", here.path, tree(here), ways)


def _way(path: str, folders: Sequence[Folder]) -> Way:
    return Way(f"To train on the classes {_listed([one.name for one in folders])}", path)


def _all_of(here: Folder, folders: Sequence[Folder]) -> Way:
    return _way(os.path.join(glob.escape(here.path), "*"), sorted(folders, key=lambda one: one.name))


def _tested(held: Sequence[Folder], train: Folder) -> tuple[str, ...]:
    """An option to measure on one of these folders: `pets_test` for `pets_train`."""
    usable = sorted((one for one in held if one.inner), key=lambda one: _subject(one) != _subject(train))
    return ("--test", usable[0].path) if usable else ()


def _subject(folder: Folder) -> list[str]:
    return [word for word in re.split(r"[\W_]+", folder.name.casefold()) if not part_of(word)]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(show, names[:_SHOWN])) + more


def _names(folders: Sequence[Folder]) -> str:
    return _listed([one.name for one in folders])


def _join(*parts: str) -> str:
    return show("/".join(parts))
