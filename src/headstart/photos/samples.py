"""Public data sets by name: downloaded, unpacked, counted, and only then moved to their folder.

Until then the partial download and the unpacked photos are in `.<name>.part` beside it. A data set in its folder is
complete.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from headstart.disk import locks
from headstart.disk.archive import ArchiveError
from headstart.disk.home import home, offline
from headstart.errors import DataError
from headstart.progress import Progress, Silent

_FOOD_VISION = "https://storage.googleapis.com/ztm_tf_course/food_vision"
_TENSORFLOW = "https://storage.googleapis.com/download.tensorflow.org/example_images"
#: https://data.vision.ee.ethz.ch/cvl/datasets_extra/food-101/
_FOOD_101 = "photos of Food-101 (Bossard and others 2014), which are foodspotting.com users': for research use only"
_TEN = "chicken_curry chicken_wings fried_rice grilled_salmon hamburger ice_cream pizza ramen steak sushi"
_ALL = """
apple_pie baby_back_ribs baklava beef_carpaccio beef_tartare beet_salad beignets bibimbap bread_pudding
breakfast_burrito bruschetta caesar_salad cannoli caprese_salad carrot_cake ceviche cheese_plate cheesecake
chicken_curry chicken_quesadilla chicken_wings chocolate_cake chocolate_mousse churros clam_chowder club_sandwich
crab_cakes creme_brulee croque_madame cup_cakes deviled_eggs donuts dumplings edamame eggs_benedict escargots falafel
filet_mignon fish_and_chips foie_gras french_fries french_onion_soup french_toast fried_calamari fried_rice
frozen_yogurt garlic_bread gnocchi greek_salad grilled_cheese_sandwich grilled_salmon guacamole gyoza hamburger
hot_and_sour_soup hot_dog huevos_rancheros hummus ice_cream lasagna lobster_bisque lobster_roll_sandwich
macaroni_and_cheese macarons miso_soup mussels nachos omelette onion_rings oysters pad_thai paella pancakes panna_cotta
peking_duck pho pizza pork_chop poutine prime_rib pulled_pork_sandwich ramen ravioli red_velvet_cake risotto samosa
sashimi scallops seaweed_salad shrimp_and_grits spaghetti_bolognese spaghetti_carbonara spring_rolls steak
strawberry_shortcake sushi tacos takoyaki tiramisu tuna_tartare waffles
"""


@dataclass(frozen=True)
class Sample:
    """A public data set.

    Attributes:
        name: also of the folder that it becomes.
        place: the address of the folder that its file is in.
        file: name of its zip or tar.gz.
        megabytes: approximate size of the file.
        licence: terms of use, as far as known.
        train: class name -> photos to train on, or all photos if it is not split.
        test: class name -> photos to test on; empty: it is not split.
        sha256: of the file, in hex; empty: its publisher gives none that we know.
    """

    name: str
    place: str
    file: str
    megabytes: int
    licence: str
    train: Mapping[str, int]
    test: Mapping[str, int] = field(default_factory=dict)
    sha256: str = ""

    @property
    def url(self) -> str:
        """The address of its file; `HEADSTART_SAMPLES_URL` chooses another server.

        Raises:
            DataError: the variable does not hold an address.
        """
        place = os.environ.get("HEADSTART_SAMPLES_URL", "").strip() or self.place
        parts = urlsplit(place)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
            raise DataError(
                "HEADSTART_SAMPLES_URL is not the address of a folder on a server.\nExpected one such as "
                f"{_FOOD_VISION}, without a user name, password or query."
            )
        return f"{place.rstrip('/')}/{self.file}"


@dataclass(frozen=True)
class Got:
    """A data set on this machine; `new` is False if it was there before."""

    sample: Sample
    path: Path
    new: bool


def _each(names: str, photos: int) -> dict[str, int]:
    return dict.fromkeys(names.split(), photos)


def _food(name: str, megabytes: int, classes: str, train: int) -> Sample:
    return Sample(
        name, _FOOD_VISION, f"{name}.zip", megabytes, _FOOD_101, _each(classes, train), _each(classes, photos=250)
    )


#: Counts and sizes from the notebooks of Zero to Mastery's TensorFlow course and from TensorFlow's tutorials.
SAMPLES = (
    _food("10_food_classes_10_percent", 169, _TEN, 75),
    _food("10_food_classes_all_data", 519, _TEN, 750),
    _food("101_food_classes_10_percent", 1625, _ALL, 75),
    _food("pizza_steak", 110, "pizza steak", 750),
    Sample(
        "flowers",
        _TENSORFLOW,
        "flower_photos.tgz",
        229,
        "CC-BY 2.0: name the photographers, see its LICENSE.txt",
        {"daisy": 633, "dandelion": 898, "roses": 641, "sunflowers": 699, "tulips": 799},
        # TensorFlow Datasets: datasets/tf_flowers/checksums.tsv, which also has the size, 228,813,984 bytes.
        sha256="4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c",
    ),
)


def find(name: str) -> Sample:
    """The data set of that name.

    Raises:
        DataError: there is none; the message lists similar names.
    """
    known = {sample.name: sample for sample in SAMPLES}
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise DataError(f"No data set is called '{name}'.{hint}\nExpected one of {', '.join(known)}.")
    return known[name]


def get(sample: Sample, folder: str | Path = ".", progress: Progress | None = None, file: Path | None = None) -> Got:
    """Put a data set into `<folder>/<name>`; does nothing if it is there and complete.

    Args:
        sample: which.
        folder: created if missing.
        progress: receives messages and bytes.
        file: its zip or tar.gz, if you have it already; then nothing is downloaded. It is only read.

    Raises:
        DataError: something else is in its place; its server cannot be reached or sends something else;
            `HEADSTART_OFFLINE` is set; the file is damaged, malicious or another one; the disk is full
            or read-only. A partial download is kept; a complete one that is not valid is removed.
    """
    progress = progress or Silent()
    target = Path(folder) / sample.name
    key = hashlib.sha256(os.fsencode(target.absolute())).hexdigest()[:12]
    with _disk_errors(f"{sample.name} cannot be put into {folder}"):
        if os.path.lexists(target):
            return _existing(sample, target)
        lock = home() / "samples" / f"{sample.name}-{key}"
        with locks.owned(lock, f"getting {sample.name}", progress.message):
            if os.path.lexists(target):  # another process has just put it there
                return _existing(sample, target)
            room = target.with_name(f".{sample.name}.part")
            archive = file or _downloaded(sample, room, progress)
            try:
                _settle(sample, archive, room, target, progress)
            except ArchiveError as error:
                if file is None:
                    shutil.rmtree(room)
                raise _refused(sample, file, folder, error) from error
            shutil.rmtree(room, ignore_errors=True)
    return Got(sample, target, new=True)


def _downloaded(sample: Sample, room: Path, progress: Progress) -> Path:
    """Download its file."""
    from headstart.disk import download
    from headstart.disk.retry import DownloadError

    otherwise = _otherwise(sample, room.parent)
    if offline():
        raise DataError(
            f"{sample.name} is not in {room.parent}, and HEADSTART_OFFLINE is set.\nUnset it. Or {otherwise}"
        )
    most = sample.megabytes * 2_000_000  # twice its approximate size
    wanted = download.Wanted(sample.url, sample.name, "a zip or tar.gz", most, sha256=sample.sha256)
    try:
        return download.download(wanted, room, progress)[0]
    except DownloadError as error:
        raise DataError(
            f"{sample.name} cannot be downloaded: {error}.\nTry again later: the same command continues where it "
            f"stopped. Or {otherwise}"
        ) from error


def _refused(sample: Sample, file: Path | None, folder: str | Path, error: ArchiveError) -> DataError:
    what = str(error).replace("\n", " ")
    if file is None:
        return DataError(
            f"{sample.name} cannot be used: the file from {sample.url} {what}.\nNothing was kept. Try again "
            f"later, or {_otherwise(sample, folder)}"
        )
    return DataError(
        f"{file} cannot be used: it {what}.\nExpected the file at {sample.url}. Nothing was unpacked; the file "
        "is unchanged."
    )


def _otherwise(sample: Sample, folder: str | Path) -> str:
    return f"download {sample.url} in another way, then: headstart samples get {sample.name} {folder} --from FILE"


def _settle(sample: Sample, file: Path, room: Path, target: Path, progress: Progress) -> None:
    """Unpack a file, check its content and move it to its folder.

    Raises:
        ArchiveError: the file is not valid.
    """
    from headstart.disk import unpack

    new = room / "new"
    shutil.rmtree(new, ignore_errors=True)  # left by a process that was killed
    progress.message(f"Unpacking {sum(sample.train.values()) + sum(sample.test.values()):,} photos.")
    try:
        unpack.unpack(file, new)
        content = _inner(new, {"train", "test"} if sample.test else set(sample.train))
        problems = _problems(sample, content)
        if problems:
            raise ArchiveError(f"does not contain the expected photos: {problems}")
        if os.name != "nt":
            os.sync()  # once for all files: they must be on the disk before the folder is renamed
        content.rename(target)
    finally:
        shutil.rmtree(new, ignore_errors=True)
        with suppress(OSError):
            room.rmdir()  # if there is no download in it


def _inner(folder: Path, expected: set[str]) -> Path:
    """The folder with the classes, or with `train` and `test`: some archives have a folder around everything."""
    entries = list(folder.iterdir())
    if len(entries) == 1 and entries[0].is_dir() and entries[0].name not in expected:
        return entries[0]
    return folder


def _existing(sample: Sample, target: Path) -> Got:
    problems = _problems(sample, target)
    if problems:
        raise DataError(
            f"{target} exists already, but is not {sample.name}, or is incomplete: {problems}.\nNothing was "
            f"overwritten. Move it away, or choose another folder: headstart samples get {sample.name} DIR"
        )
    return Got(sample, target, new=False)


def _problems(sample: Sample, folder: Path) -> str:
    """The first few differences between a folder and the data set; empty: there are none."""
    from headstart.photos.sources import scan
    from headstart.safety.printable import counted, show

    try:
        found = scan(folder)
    except DataError as error:
        return str(error).partition("\n")[0].rstrip(".")
    problems = []
    for side, expected, photos in (("train/", sample.train, found.train), ("test/", sample.test, found.test)):
        counts = photos.counts if photos else {}
        for name in sorted({*expected, *counts}):
            here, wanted = counts.get(name, 0), expected.get(name, 0)
            if here != wanted:
                problems.append(
                    f"{side if sample.test else ''}{show(name)} has {counted(here, 'photo')}, expected {wanted:,}"
                )
        problems += [f"{show(path)} is empty" for path in (photos.paths if photos else ()) if not os.path.getsize(path)]
    more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
    return "; ".join(problems[:3]) + more


@contextmanager
def _disk_errors(what: str) -> Iterator[None]:
    """Turn errors of the disk into a `DataError` that begins with `what`, such as "flowers cannot be put into ."."""
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise DataError(
            f"{what}: {error.strerror or error}{where}.\nExpected files that can be read, and folders that this user "
            "may write to, on a disk with enough space. A partial download is kept: the same command "
            "continues it."
        ) from error
