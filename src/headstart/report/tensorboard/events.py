"""TensorBoard's event files and its server. The only module that imports tensorboardX and tensorboard.

Both are in the extra `headstart[tensorboard]` and are loaded when first used. Events are written immediately by
tensorboardX's `EventsWriter`, not by its `SummaryWriter`, which writes in a thread that dies silently on a full disk,
and whose `add_hparams` makes a separate run, so that the row of the table has no curves.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import numpy.typing as npt

from headstart.errors import TrackingError

if TYPE_CHECKING:
    from PIL import Image

PIP = "pip install 'headstart[tensorboard]'"
#: With more thresholds, a field of the plugin overflows (tensorboardX, `summary.pr_curve`).
_THRESHOLDS = 127


def require(package: str) -> None:
    """Check that a package of the extra is installed, without loading it.

    Args:
        package: `tensorboardX` or `matplotlib` to write runs, `tensorboard` to show them.

    Raises:
        TrackingError: it is not installed; the message has the command that installs it.
    """
    if find_spec(package) is None:
        raise TrackingError(f"TensorBoard needs the package {package}, which is not installed.\nInstall it: {PIP}")


class Events:
    """The event file of a run, which TensorBoard reads.

    Args:
        folder: of the run; made if it is missing. Each run has its own folder.
    """

    def __init__(self, folder: Path) -> None:
        require("tensorboardX")
        from tensorboardX.event_file_writer import EventsWriter

        folder.mkdir(parents=True, exist_ok=True)
        self._writer = EventsWriter(str(folder / "events"))

    def scalar(self, tag: str, value: float, step: int = 0) -> None:
        """Write a point of a curve."""
        from tensorboardX import summary

        self._write(summary.scalar(tag, value), step)

    def picture(self, tag: str, picture: Image.Image, kind: Literal["PNG", "JPEG"] = "PNG") -> None:
        """Write a picture: PNG for drawings, JPEG for photos."""
        from tensorboardX.proto.summary_pb2 import Summary

        packed = BytesIO()
        picture.save(packed, kind, quality=90, subsampling=0)  # the last two for JPEG
        image = Summary.Image(
            height=picture.height, width=picture.width, colorspace=3, encoded_image_string=packed.getvalue()
        )
        self._write(Summary(value=[Summary.Value(tag=tag, image=image)]))

    def text(self, tag: str, markdown: str) -> None:
        """Write a page of Markdown."""
        from tensorboardX import summary

        self._write(summary.text(tag, markdown))

    def precision_recall(self, tag: str, truth: npt.NDArray[np.bool_], probabilities: npt.NDArray[np.floating]) -> None:
        """Write the curve of precision against recall of one class.

        Args:
            tag: the name of the curve.
            truth: bool `(n,)`, whether the photo is of the class.
            probabilities: `(n,)` of the class, 0..1.
        """
        from tensorboardX import summary

        self._write(summary.pr_curve(tag, truth, probabilities.astype(np.float64).clip(0, 1), _THRESHOLDS))

    def table(self, name: str, columns: Mapping[str, str | float], started: float) -> None:
        """Write the row of this run in the HParams table: its settings. The run's scalars become the other columns.

        No list of all columns is written: the plugin would use the first list it finds and drop the columns of other
        versions and programs (`backend_context._find_experiment_tag`). Without a list it shows the columns of all.

        Args:
            name: of the row.
            columns: the same names and types in every run.
            started: seconds since 1970.
        """
        from tensorboardX.proto.api_pb2 import Status
        from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo

        start = SessionStartInfo(group_name=name, start_time_secs=started)
        for column, value in columns.items():
            if isinstance(value, str):
                start.hparams[column].string_value = value
            else:
                start.hparams[column].number_value = value
        end = SessionEndInfo(status=Status.Value("STATUS_SUCCESS"), end_time_secs=time.time())
        self._hparams("session_start_info", HParamsPluginData(session_start_info=start))
        self._hparams("session_end_info", HParamsPluginData(session_end_info=end))

    def _hparams(self, what: str, content: Any) -> None:
        from tensorboardX.proto.summary_pb2 import Summary, SummaryMetadata

        data = SummaryMetadata.PluginData(plugin_name="hparams", content=content.SerializeToString())
        value = Summary.Value(tag=f"_hparams_/{what}", metadata=SummaryMetadata(plugin_data=data))
        self._write(Summary(value=[value]))

    def _write(self, summary: Any, step: int = 0) -> None:
        from tensorboardX.proto.event_pb2 import Event

        self._writer.write_event(Event(wall_time=time.time(), step=step, summary=summary))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()


def runs_in(logdir: Path) -> list[Path]:
    """Folders with event files, in alphabetical order."""
    return sorted({path.parent for path in logdir.rglob("*tfevents*") if path.is_file()})


def serve(logdir: Path, host: str = "127.0.0.1", port: int | None = None) -> str:
    """Start TensorBoard in a thread of this process; it ends with it.

    Args:
        logdir: folder of runs.
        host: address to listen on; `127.0.0.1` can be reached from this machine only.
        port: a free one near 6006 if not given.

    Returns:
        the address of the page.

    Raises:
        TrackingError: tensorboard is not installed, there are no runs, or it cannot listen there.
    """
    require("tensorboard")
    if not runs_in(logdir):
        what = "has no runs" if logdir.is_dir() else "is not a folder" if logdir.exists() else "does not exist"
        raise TrackingError(
            f"{logdir} {what}.\nExpected a folder of runs. Make one: headstart train PHOTOS --logdir {logdir}"
        )
    from tensorboard import program

    board = program.TensorBoard()
    where = [] if port is None else ["--port", str(port)]
    try:
        board.configure(["tensorboard", "--logdir", str(logdir), "--host", host, *where])
        address: str = board.launch()
    except program.TensorBoardServerException as error:
        raise TrackingError(f"TensorBoard does not start: {error.msg}.\nTry another --port or --host.") from error
    return address
