"""The state of the studio: classes and photos as they are in the folder, and every step that changes them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from headstart.apps.studio.events import Stream
from headstart.apps.studio.folder import TRASH, Folder
from headstart.apps.studio.names import class_name
from headstart.apps.studio.photo import Photo
from headstart.apps.studio.steps import Change, Journal, Step
from headstart.errors import DataError
from headstart.safety.printable import counted, show

#: Photos in one project.
MOST_PHOTOS = 50_000
#: Photos of a class that are recommended.
_RECOMMENDED = 10


class Project:
    """Classes and photos; threads may share it.

    Args:
        folder: in which they are. stream: receives what changes.

    Attributes:
        lock: held while anything is changed or read.
        changed: called, with the lock held, after photos or classes have changed.
        advice: classes that want more photos, and why.
    """

    def __init__(self, folder: Folder, stream: Stream) -> None:
        self.folder, self.stream = folder, stream
        self.lock = threading.RLock()
        self.changed: Callable[[], None] = lambda: None
        self.advice: dict[str, str] = {}
        self._journal = Journal(folder.at(f"{TRASH}/steps.json"))
        self._photos: dict[str, Photo] = {}
        self._paths: dict[str, Photo] = {}
        self._classes: set[str] = set()
        self._counter = 0
        self.look()

    # --- what there is ---

    @property
    def classes(self) -> list[str]:
        """Names of the classes, in alphabetical order."""
        return sorted(self._classes)

    def shown(self) -> list[Photo]:
        """The photos in the classes, in the order in which they came."""
        with self.lock:
            return [photo for photo in self._photos.values() if photo.is_shown]

    def photo(self, id: str) -> Photo:
        """A photo in a class.

        Raises:
            DataError: there is none with this id.
        """
        photo = self._photos.get(id)
        if photo is None or not photo.is_shown:
            raise DataError("This photo is no longer there.\nExpected a photo that the page shows. Reload the page.")
        return photo

    def contents(self) -> dict[bytes, Photo]:
        """The photos in the classes by the SHA-256 of their bytes."""
        return {photo.digest: photo for photo in self.shown() if photo.digest}

    def state(self) -> dict[str, Any]:
        """Classes, photos and what can be undone, for the page."""
        with self.lock:
            shown = self.shown()
            return {
                "session": self.stream.session,
                "revision": self.stream.revision,
                "folder": self.folder.name,
                "photos": [photo.to_json() for photo in shown],
                "unusable": sum(bool(photo.reason) for photo in shown),
                **self.classes_to_json(),
            }

    def classes_to_json(self) -> dict[str, Any]:
        """The event `classes`."""
        shown = self.shown()
        photos = Counter(photo.label for photo in shown)
        usable = Counter(photo.label for photo in shown if not photo.reason)
        undo, redo = self._journal.undo, self._journal.redo
        return {
            "classes": [
                {
                    "name": name,
                    "photos": photos[name],
                    "usable": usable[name],
                    "wants_more": usable[name] < _RECOMMENDED or name in self.advice,
                    "why": _few(usable[name]) if usable[name] < _RECOMMENDED else self.advice.get(name, ""),
                }
                for name in self.classes
            ],
            "undo": undo.text if undo else None,
            "redo": redo.text if redo else None,
        }

    # --- what is done ---

    def add_class(self, name: str) -> None:
        """Make an empty class."""
        with self.lock:
            name = self._new(name)
            self._take(Step(f"Add class {show(name)}", (Change("make", name),)))

    def rename_class(self, name: str, to: str) -> None:
        """Give a class another name."""
        with self.lock:
            name = self._known(name)
            new = self._new(to, besides=name)
            changes: tuple[Change, ...] = (Change("move", name, new),)
            if name.casefold() == new.casefold():  # one and the same folder for some systems
                between = self.folder.free(f"{TRASH}/{name}")
                changes = (Change("move", name, between), Change("move", between, new))
            self._take(Step(f"Rename {show(name)} to {show(new)}", changes))

    def merge_class(self, name: str, to: str) -> None:
        """Move all photos of a class to another one, and take the class out."""
        with self.lock:
            name, to = self._known(name), self._known(to)
            if name == to:
                raise DataError(f"'{show(name)}' cannot be merged with itself.\nExpected two classes.")
            photos = [photo for photo in self.shown() if photo.label == name]
            trash = Change("move", name, self.folder.free(f"{TRASH}/{name}"))
            self._take(Step(f"Merge {show(name)} into {show(to)}", (*self._moves(photos, to), trash)))

    def remove_class(self, name: str) -> None:
        """Move a class with its photos to the trash."""
        with self.lock:
            name = self._known(name)
            trash = self.folder.free(f"{TRASH}/{name}")
            self._take(Step(f"Remove class {show(name)}", (Change("move", name, trash),)))

    def move(self, ids: Sequence[str], to: str) -> None:
        """Move photos to another class."""
        with self.lock:
            to = self._known(to)
            photos = [photo for photo in map(self.photo, dict.fromkeys(ids)) if photo.label != to]
            if photos:
                words = f"Move {counted(len(photos), 'photo')} to {show(to)}"
                self._take(Step(words, self._moves(photos, to)))

    def remove(self, ids: Sequence[str]) -> None:
        """Move photos to the trash."""
        with self.lock:
            photos = [self.photo(id) for id in dict.fromkeys(ids)]
            if photos:
                changes, taken = [], set[str]()
                for photo in photos:
                    taken.add(to := self.folder.free(f"{TRASH}/{photo.label}/{photo.name}", taken))
                    changes.append(Change("move", photo.path, to))
                self._take(Step(f"Remove {counted(len(photos), 'photo')}", tuple(changes)))

    def add(self, arrived: Sequence[tuple[str, str, bytes]]) -> list[Photo]:
        """Take photos that were written into the trash into classes, which are made where they are missing.

        Args:
            arrived: of each photo its path, its class and the SHA-256 of its bytes.
        """
        with self.lock:
            known = self.contents()  # another page may have sent the same photos meanwhile
            arrived = [one for one in arrived if one[2] not in known]
            if not arrived:
                return []
            labels = sorted({label for _, label, _ in arrived})
            changes = [Change("make", label) for label in labels if label not in self._classes]
            taken = set[str]()
            for path, label, digest in arrived:
                taken.add(to := self.folder.free(f"{label}/{path.rsplit('/', 1)[-1]}", taken))
                changes.append(Change("move", path, to))
                self._new_photo(path).digest = digest
            where = f" to {show(labels[0])}" if len(labels) == 1 else ""
            self._take(Step(f"Add {counted(len(arrived), 'photo')}{where}", tuple(changes)))
            return [self._paths[change.to] for change in changes if change.kind == "move"]

    def undo(self) -> None:
        """Take the latest step back."""
        with self.lock:
            self._again(self._journal.undo, -1)

    def redo(self) -> None:
        """Take the step again that was undone last."""
        with self.lock:
            self._again(self._journal.redo, 1)

    def look(self) -> None:
        """Notice what others have changed in the folder."""
        with self.lock:
            found, classes = self.folder.photos(), self.folder.classes()
            changed, gone = [], []
            for path in [path for path, photo in self._paths.items() if photo.is_shown and path not in found]:
                photo = self._paths.pop(path)
                del self._photos[photo.id]
                gone.append(photo.id)
            for path, stamp in sorted(found.items()):
                photo = self._paths.get(path) or self._new_photo(path)
                if photo.stamp != stamp:
                    photo.forget(stamp)
                    changed.append(photo)
            if changed or gone or classes != self._classes:
                self._classes = classes
                self._tell(changed, gone)

    def were_read(self, photos: Iterable[Photo]) -> None:
        """Show that the features of photos are there."""
        with self.lock:
            self._tell([photo for photo in photos if photo.is_shown], [])

    def were_judged(self, photos: Iterable[Photo]) -> None:
        """Show what a training found of photos."""
        with self.lock:
            changed = [photo.to_json() for photo in photos if photo.is_shown]
            if changed:
                self.stream.send("photos", changed=changed, gone=[])

    def advise(self, advice: dict[str, str]) -> None:
        """Show which classes want more photos, and why."""
        with self.lock:
            if advice != self.advice:
                self.advice = advice
                self.stream.send("classes", **self.classes_to_json())

    # --- how ---

    def _new_photo(self, path: str) -> Photo:
        self._counter += 1
        photo = Photo(f"p{self._counter}", path, (-1, 0))
        self._photos[photo.id] = self._paths[path] = photo
        return photo

    def _known(self, name: str) -> str:
        if name not in self._classes:
            raise DataError(f"There is no class '{show(name)}'.\nExpected one that the page shows.")
        return name

    def _new(self, text: str, besides: str = "") -> str:
        name = class_name(text)
        if any(name.casefold() == other.casefold() for other in self._classes if other != besides) or name == besides:
            raise DataError(f"There is a class '{show(name)}' already.\nExpected a new name.")
        return name

    def _moves(self, photos: Sequence[Photo], to: str) -> tuple[Change, ...]:
        changes, taken = [], set[str]()
        for photo in photos:
            taken.add(path := self.folder.free(f"{to}/{photo.name}", taken))
            changes.append(Change("move", photo.path, path))
        return tuple(changes)

    def _take(self, step: Step) -> None:
        """Note a step and take it; if that fails, all is as before."""
        self._journal.add(step)
        done: list[Change] = []
        try:
            for change in step.changes:
                self.folder.change(change)
                done.append(change)
        except OSError as error:
            for change in reversed(done):
                self.folder.change(change.back)
            self._journal.forget()
            raise DataError(
                f"This did not work: {error.strerror or error}.\nNothing was changed. Is the disk full, or was a file "
                "moved by another program?"
            ) from error
        self._follow(done)

    def _again(self, step: Step | None, by: Any) -> None:
        if step is None:
            raise DataError("There is nothing to undo or to do again.\nExpected a step that was taken before.")
        done, missed = [], 0
        for change in step.changes:
            try:
                self.folder.change(change)
                done.append(change)
            except OSError:
                missed += 1
        self._journal.moved(by)
        self._follow(done)
        if missed:
            self.stream.send(
                "trouble",
                message=f"{missed} of {counted(len(step.changes), 'change')} could not be made: another program has "
                "changed these files meanwhile.",
            )

    def _follow(self, done: Sequence[Change]) -> None:
        """Move the photos of files and folders that were moved."""
        moved: dict[str, Photo] = {}
        before = {photo.id: photo.label for photo in self.shown()}
        for change in done:
            if change.kind != "move":
                continue
            whole = self._paths.pop(change.path, None)
            inside = [] if whole else [p for p in self._paths.values() if p.path.startswith(f"{change.path}/")]
            for photo in [whole] if whole else inside:
                self._paths.pop(photo.path, None)
                photo.path = change.to + photo.path[len(change.path) :]
                self._paths[photo.path] = moved[photo.id] = photo
        changed = [photo for photo in moved.values() if photo.is_shown]
        for photo in changed:
            if photo.label != before.get(photo.id):
                photo.predicted = ""
            if photo.stamp[0] < 0:  # it has just come in
                photo.stamp = self.folder.stamp(photo.path)
        self._classes = self.folder.classes()
        self._tell(changed, [photo.id for photo in moved.values() if not photo.is_shown and photo.id in before])

    def _tell(self, changed: Sequence[Photo], gone: Sequence[str]) -> None:
        if changed or gone:
            self.stream.send("photos", changed=[photo.to_json() for photo in changed], gone=gone)
        self.stream.send("classes", **self.classes_to_json())
        self.changed()


def _few(count: int) -> str:
    return f"{counted(count, 'photo') if count else 'no photos yet'}; ten or more are better"
