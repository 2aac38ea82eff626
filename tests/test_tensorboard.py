"""TensorBoard: what it reads of a run with its own readers, and the server on this machine."""

from __future__ import annotations

import importlib.util
import io
import json
import re
import signal
import subprocess
import sys
import urllib.request
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import headstart
from command_line import run
from headstart.classifier.trained import Training
from headstart.classifier.training import train
from headstart.errors import TrackingError
from headstart.report import tensorboard as tracking
from headstart.report.tensorboard import events as event_files
from headstart.report.tensorboard.events import Events
from headstart.report.tensorboard.run import data_name

pytest.importorskip("tensorboardX")
pytest.importorskip("tensorboard")

HEADSTART = str(Path(sys.executable).with_name("headstart"))
HEADS = ["logistic", "lda", "ridge", "centroid", "knn"]
SETTINGS = {"data", "backbone", "head", "head_setting", "view", "layers", "fraction", "dimension", "parameters"}
PICTURES = ["pictures/confusion_matrix", "pictures/reliability", "pictures/mistakes"]
FIGURES = {
    "measured/accuracy", "measured/accuracy_low", "measured/accuracy_high", "measured/balanced_accuracy",
    "measured/calibration_error", "measured/log_loss", "speed/photos_per_second", "speed/seconds",
}  # fmt: skip


@pytest.fixture(scope="module")
def logdir(tiles: Path, graphs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six runs: each head measured on a test set, and one by cross-validation."""
    folder = tmp_path_factory.mktemp("tracked")
    (folder / "home").mkdir()
    (folder / "home" / "compiled").symlink_to(graphs / "compiled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSTART_HOME", str(folder / "home"))
        for head in HEADS:
            tracking.record(folder / "runs", train(tiles, head=head))  # type: ignore[arg-type]
        tracking.record(folder / "runs", train(tiles / "train", fraction=0.9, view="crop"))
    return folder / "runs"


def read(folder: Path) -> Any:
    """TensorBoard's own reader of one run."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"images": 0, "tensors": 0, "scalars": 0})
    events.Reload()
    return events


def run_of(logdir: Path, name: str) -> Path:
    (found,) = logdir.glob(f"*-efficientnet-lite0-{name}-2*")
    return found


def pictures(events: Any) -> list[str]:
    """The pictures of a run of the built-in network: heat maps if there are mistakes."""
    (accuracy,) = events.Scalars("measured/accuracy")
    return PICTURES + ["pictures/heat_maps"] * (accuracy.value < 1)


def hparams(logdir: Path) -> tuple[Any, Any]:
    """The experiment and the rows as the HParams plugin answers its page."""
    with warnings.catch_warnings():
        # tensorboard carries bleach, which imports a part of html5lib that is to go; only its web page needs it.
        warnings.filterwarnings("ignore", "html5lib's sanitizer", DeprecationWarning)
        from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
        from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
        from tensorboard.context import RequestContext
        from tensorboard.plugins.base_plugin import TBContext
        from tensorboard.plugins.hparams import api_pb2, get_experiment, list_session_groups
        from tensorboard.plugins.hparams.backend_context import Context

    multiplexer = EventMultiplexer()
    multiplexer.AddRunsFromDirectory(str(logdir))
    multiplexer.Reload()
    provider = MultiplexerDataProvider(multiplexer, str(logdir))
    context = Context(TBContext(data_provider=provider, logdir=str(logdir)))
    experiment = get_experiment.Handler(RequestContext(), context, "", api_pb2.GetExperimentRequest()).run()
    request = api_pb2.ListSessionGroupsRequest(start_index=0, slice_size=100)
    request.allowed_statuses.extend(range(4))
    for info in experiment.hparam_infos:
        request.col_params.add(hparam=info.name)
    for info in experiment.metric_infos:
        request.col_params.add(metric=info.name)
    rows = list_session_groups.Handler(RequestContext(), context, "", request).run()
    return experiment, rows


def test_every_run_has_its_row_in_the_hparams_table_with_all_columns(logdir: Path) -> None:
    experiment, rows = hparams(logdir)
    assert {info.name for info in experiment.hparam_infos} == SETTINGS
    names = {(info.name.group, info.name.tag) for info in experiment.metric_infos}
    epochs = {(part, f"epoch_{what}") for part in ("train", "validation") for what in ("loss", "accuracy")}
    assert names == {("", figure) for figure in FIGURES} | epochs
    assert {group.name for group in rows.session_groups} == {folder.name for folder in logdir.iterdir()}
    assert rows.total_size == len(HEADS) + 1
    for group in rows.session_groups:
        assert set(group.hparams) == SETTINGS
        assert {(value.name.group, value.name.tag) for value in group.metric_values} == names
        (session,) = group.sessions
        assert session.status == 1, "success"
        assert session.start_time_secs > 1e9


def test_the_curves_come_first_and_then_the_accuracy(logdir: Path) -> None:
    experiment, _ = hparams(logdir)
    names = [(info.name.tag, info.name.group) for info in experiment.metric_infos]
    assert names[:5] == [
        ("epoch_accuracy", "train"), ("epoch_accuracy", "validation"), ("epoch_loss", "train"),
        ("epoch_loss", "validation"), ("measured/accuracy", ""),
    ]  # fmt: skip
    tags = [read(run).Tags() for run in logdir.iterdir()]
    every = {tag for found in tags for tag in (*found["scalars"], *found["images"])}
    assert min(every) > "epoch_loss", "the page that opens first sorts scalars and pictures by name"


def test_the_name_of_a_run_carries_the_data_set(logdir: Path) -> None:
    assert [folder.name.split("-")[0] for folder in sorted(logdir.iterdir())] == ["tiles"] * len(HEADS) + ["train"]
    names = ["/a/pets/", "../my pets.csv", "45 photos", "v1.0", "漢字", "???"]
    assert [data_name(name) for name in names] == ["pets", "my-pets", "45-photos", "v1.0", "漢字", "photos"]


def test_the_rows_show_what_was_trained(logdir: Path) -> None:
    _, rows = hparams(logdir)
    by_head = {group.name: {k: v.string_value or v.number_value for k, v in group.hparams.items()} for group in
               rows.session_groups}  # fmt: skip
    knn, crop = by_head[run_of(logdir, "knn").name], by_head[run_of(logdir, "crop-logistic").name]
    assert (knn["data"], knn["head"], knn["fraction"], knn["view"]) == ("tiles", "knn", 1, "squash")
    assert knn["head_setting"] == "20 neighbours"
    assert knn["backbone"] == "builtin:efficientnet-lite0"
    assert (knn["dimension"], round(knn["parameters"] / 1e6, 1)) == (1280, 4.7)
    assert (crop["fraction"], crop["view"]) == (0.9, "crop")
    assert re.fullmatch(r"l2 [\d.e-]+", crop["head_setting"])
    assert re.fullmatch(r"shrinkage [\d.]+", by_head[run_of(logdir, "lda").name]["head_setting"])
    assert by_head[run_of(logdir, "centroid").name]["head_setting"] == "none"


def test_runs_of_another_program_do_not_hide_a_row_or_a_column(logdir: Path, tmp_path: Path) -> None:
    together = tmp_path / "runs"
    together.mkdir()
    for folder in logdir.iterdir():
        (together / folder.name).symlink_to(folder)
    with Events(together / "aaa") as events:
        events.table("aaa", {"optimizer": "adam"}, 1.7e9)
        events.scalar("epoch_accuracy", 0.5)
    experiment, rows = hparams(together)
    assert {info.name for info in experiment.hparam_infos} == SETTINGS | {"optimizer"}
    assert rows.total_size == len(HEADS) + 2


def test_a_logistic_head_has_one_point_per_epoch_and_they_end_at_the_head_that_was_chosen(logdir: Path) -> None:
    run = run_of(logdir, "logistic")
    curves = {}
    for part in ("train", "validation"):
        events = read(run / part)
        assert events.Tags()["scalars"] == ["epoch_loss", "epoch_accuracy"]
        for tag in ("epoch_loss", "epoch_accuracy"):
            points = events.Scalars(tag)
            assert [point.step for point in points] == list(range(len(points)))
            curves[part, tag] = [point.value for point in points]
    assert len({len(values) for values in curves.values()}) == 1
    assert len(curves["train", "epoch_loss"]) > 5
    assert curves["train", "epoch_loss"][-1] < curves["train", "epoch_loss"][0], "little: the first step is a long one"
    accuracy = read(run).Scalars("measured/accuracy")[0].value
    assert curves["validation", "epoch_accuracy"][-1] == pytest.approx(accuracy, abs=1 / 24 + 1e-6)


@pytest.mark.parametrize("head", ["lda", "ridge", "centroid", "knn"])
def test_a_head_without_iterations_has_one_point_which_is_its_measurement(logdir: Path, head: str) -> None:
    run = run_of(logdir, head)
    (accuracy,), (loss,) = (read(run / "validation").Scalars(f"epoch_{what}") for what in ("accuracy", "loss"))
    assert accuracy.value == pytest.approx(read(run).Scalars("measured/accuracy")[0].value)
    assert loss.value == pytest.approx(read(run).Scalars("measured/log_loss")[0].value, rel=1e-4)
    assert len(read(run / "train").Scalars("epoch_loss")) == 1


def test_the_pictures_open_and_none_is_missing(logdir: Path) -> None:
    runs = list(logdir.iterdir())
    assert len(runs) == len(HEADS) + 1
    for folder in runs:
        events = read(folder)
        assert events.Tags()["images"] == pictures(events)
        for tag in events.Tags()["images"]:
            (stored,) = events.Images(tag)
            with Image.open(io.BytesIO(stored.encoded_image_string)) as picture:
                picture.load()
                assert picture.size == (stored.width, stored.height)
                assert min(picture.size) > 80


def test_every_class_has_a_curve_of_precision_and_recall(logdir: Path) -> None:
    events = read(run_of(logdir, "logistic"))
    assert "precision_recall/flower" in events.Tags()["tensors"]
    (stored,) = events.Tensors("precision_recall/temple")
    values = np.array(stored.tensor_proto.float_val).reshape([d.size for d in stored.tensor_proto.tensor_shape.dim])
    true_positives, false_positives = values[0], values[1]
    assert (true_positives[0], false_positives[0]) == (12, 12), "all are called temple at threshold 0"
    assert values.shape[1] == 127


def text(events: Any, tag: str) -> str:
    (stored,) = events.Tensors(f"{tag}/text_summary")
    return str(stored.tensor_proto.string_val[0].decode())


def test_the_text_explains_how_it_was_measured_and_what_an_epoch_is(logdir: Path) -> None:
    events = read(run_of(logdir, "logistic"))
    summary = text(events, "summary")
    assert "measured by a test set" in summary
    assert "one iteration of the solver" in summary
    assert "the 24 photos of the test set" in summary
    assert "all 24 photos measured on; 0 are left out" in summary
    assert "| flower | 12 |" in summary
    assert "headstart" in text(events, "versions")
    assert "| backbone | builtin:efficientnet\\-lite0 |" in text(events, "settings")
    crossed = text(read(run_of(logdir, "crop-logistic")), "summary")
    assert "cross-validation" in crossed
    assert "held-out photos, one fold of 5" in crossed


def test_a_run_never_overwrites_another(tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1_800_000_000.0)
    trained = train(tiles)
    folders = [tracking.record(tmp_path / "runs", trained) for _ in range(2)]
    one, two = sorted(folder.name for folder in (tmp_path / "runs").iterdir())
    assert one.startswith("tiles-efficientnet-lite0-logistic-2027")
    assert two == f"{one}-2"
    assert [folder.name for folder in folders] == [one, two]


def test_tracking_changes_nothing_that_is_saved(tiles: Path, home: Path, tmp_path: Path) -> None:
    for name, more in (("plain", []), ("tracked", ["--logdir", str(tmp_path / "runs")])):
        done = run("train", tiles, "-o", tmp_path / name, *more)
    assert f"Run written to {tmp_path / 'runs'}" in done.stderr
    for name in ("head.safetensors", "headstart.json"):
        assert (tmp_path / "plain" / name).read_bytes() == (tmp_path / "tracked" / name).read_bytes()


@pytest.mark.parametrize("package", ["tensorboardX", "matplotlib", "tensorboard"])
def test_a_missing_package_is_reported_with_the_line_that_installs_it(
    package: str, logdir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(event_files, "find_spec", lambda name: None if name == package else there(name))
    ask = event_files.serve if package == "tensorboard" else tracking.check
    with pytest.raises(TrackingError, match=r"pip install 'headstart\[tensorboard\]'"):
        ask(logdir if package == "tensorboard" else tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_folder_that_cannot_be_written_is_reported_before_the_training(tiles: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("train", tiles, "--logdir", tmp_path / "file")
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert len(done.stderr.splitlines()) == 1, "before anything is done"


def test_classes_whose_names_become_the_same_tag_stay_apart() -> None:
    assert tracking.tags_of(["a b", "a_b", "a:b", "é", "漢/字"]) == ["a_b", "a_b_2", "a_b_3", "é", "漢_字"]


def test_a_folder_without_runs_is_reported(tmp_path: Path) -> None:
    for folder, words in ((tmp_path / "nothing", "does not exist"), (tmp_path, "has no runs")):
        result = run("board", folder)
        assert result.returncode == 1
        assert result.stderr.startswith("Error: ")
        assert words in result.stderr
        assert "--logdir" in result.stderr
        assert result.stdout == ""


def test_the_board_answers_on_this_machine_alone_and_ends_on_ctrl_c(logdir: Path) -> None:
    child = subprocess.Popen(
        [HEADSTART, "board", str(logdir)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None
        line = child.stdout.readline()
        assert line.startswith(f"TensorBoard shows {logdir} at http://127.0.0.1:"), line
        address = line.split()[-1]
        with urllib.request.urlopen(f"{address}data/plugins_listing") as answer:
            assert "hparams" in json.load(answer)
        child.send_signal(signal.SIGINT)
        assert child.wait(timeout=20) == 0
    finally:
        child.kill()
        child.communicate()


def test_a_port_that_is_taken_is_reported(logdir: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = run("board", logdir, "--port", str(port))
    assert result.returncode == 1
    assert f"port {port}" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_command_line_records_and_prints_where(tiles: Path, tmp_path: Path) -> None:
    result = run("train", tiles, "--logdir", tmp_path / "runs", "--json")
    assert result.returncode == 0, result.stderr
    json.loads(result.stdout)
    (folder,) = (tmp_path / "runs").iterdir()
    assert f"Run written to {folder}. Show in TensorBoard: headstart board {tmp_path / 'runs'}" in result.stderr
    assert f"headstart train {tiles} --logdir" in text(read(folder), "settings")


@pytest.mark.parametrize(
    "code",
    [
        "import headstart",
        "from headstart.classifier.classifier import Classifier",
        "import headstart.classifier.training",
    ],
)
def test_tensorboard_is_loaded_only_where_it_is_asked_for(code: str) -> None:
    show = "import sys; print([n for n in sys.modules if n.startswith(('tensorboard', 'google.protobuf'))])"
    result = subprocess.run([sys.executable, "-c", f"{code}\n{show}"], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_only_one_module_knows_tensorboard() -> None:
    source = Path(headstart.__file__).parent
    knowing = [
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        if any(
            line.lstrip().startswith(("import tensorboard", "from tensorboard"))
            for line in path.read_text("utf-8").splitlines()
        )
    ]
    assert knowing == ["report/tensorboard/events.py"]


_ON_A_FULL_DISK = """
import sys
from tensorboardX.record_writer import RecordWriter
from headstart.apps.cli import main

written, write = [0], RecordWriter.write

def until_full(self, data):
    written[0] += len(data)
    if written[0] > 5000:
        raise OSError(28, "No space left on device")
    write(self, data)

RecordWriter.write = until_full
main()
"""


def test_a_full_disk_is_reported_when_the_classifier_is_saved(tiles: Path, tmp_path: Path) -> None:
    words = ["train", str(tiles), "-o", str(tmp_path / "model"), "--logdir", str(tmp_path / "runs"), "--json"]
    done = subprocess.run(
        [sys.executable, "-c", _ON_A_FULL_DISK, *words], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 1
    assert f"{tmp_path / 'runs'} cannot be written: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert headstart.load(tmp_path / "model").classes == ("flower", "temple")


def test_a_comparison_writes_a_row_with_all_columns_for_every_backbone_and_head(tiles: Path, tmp_path: Path) -> None:
    from fakes import FakeBackbone

    backbones = ["builtin:efficientnet-lite0", FakeBackbone(weights="fake")]

    def write(training: Training) -> None:
        tracking.record(tmp_path / "runs", training)

    found = headstart.compare(tiles, backbones=backbones, heads=["logistic", "knn"], each=write)
    _, rows = hparams(tmp_path / "runs")
    assert len(rows.session_groups) == 4
    accuracies = {}
    for group in rows.session_groups:
        assert set(group.hparams) == SETTINGS
        figures = {value.name.tag: value.value for value in group.metric_values}
        assert set(figures) >= FIGURES
        assert figures["speed/photos_per_second"] > 0
        columns = group.hparams["backbone"].string_value, group.hparams["head"].string_value
        accuracies[columns] = figures["measured/accuracy"]
    assert accuracies == {(e.card.handle, e.head.kind): pytest.approx(e.accuracy, abs=1e-6) for e in found.entries}
    lite = run_of(tmp_path / "runs", "logistic")
    assert read(lite / "train").Scalars("epoch_loss")
    assert read(lite).Tags()["images"] == pictures(read(lite))
