"""`predict` in units: the classes of any number of photos as tables, joined to the columns of the input."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from headstart.classifier import bundle, saved
from headstart.errors import BackboneError, DataError
from headstart.progress import Choice, standard
from headstart.safety.printable import show
from headstart.scale.embedding import addresses
from headstart.scale.engines import Engine
from headstart.scale.job import Folder, Job, Network
from headstart.scale.local import Local
from headstart.scale.places import Place
from headstart.scale.running import Finished, run


def predict(
    model: str | Path,
    source: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    backbone: str = "",
    fetch: bool = False,
    column: str = "",
    engine: Engine | None = None,
    unit: int | None = None,
    progress: Choice = None,
) -> Finished:
    """Write the class, its probability and whether it is unknown, for each photo; the same call again continues.

    Args:
        model: folder of a saved classifier.
        source: see `scale.embedding.embed`. Other columns of its tables are in the result as well.
        output: folder of the results.
        backbone: where the classifier's backbone is now, if it has moved.
        fetch: whether workers may download it from the address in the classifier.
        column: of tables, where the photos' bytes or addresses are.
        engine: that runs the workers.
        unit: photos of a unit; None: 1,024, or fewer where there are few for each worker.
        progress: see `headstart.train`.

    Raises:
        BundleError: the classifier cannot be read.
        BackboneError: it joins several views or models.
        DataError: the source has no photos, or the folder holds something else, such as classes by another classifier.
    """
    given = addresses(source)
    card = saved.read(model).card
    if card.view.fit == "stack":
        raise BackboneError(
            f"{card.handle} sees each photo in several views, or with several models.\nUnits are computed by one "
            "model in one view. Predict without --on, or train a classifier without --view both and --join."
        )
    network = Network(backbone, card.view.fit, layers=card.layers, fetch=fetch)
    job = Job("predict", given, network, card, column=column)
    files = {name: (Path(model) / name).read_bytes() for name in bundle.FILES}
    there = Folder(Place(os.fspath(output)))
    begun = there.read()
    predicted = begun is not None and begun.task == "predict"
    if predicted and any((there.model / name).read() != content for name, content in files.items()):
        raise DataError(
            f"{show(os.fspath(output))} holds classes by another classifier than {show(os.fspath(model))}.\n"
            "Expected the classifier that the job was begun with, or a new folder."
        )

    def prepare(folder: Folder) -> None:
        for name, content in files.items():
            (folder.model / name).write(content)

    return run(job, os.fspath(output), engine or Local(), standard(progress), unit, prepare)
