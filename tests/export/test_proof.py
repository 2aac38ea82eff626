"""A proof sees every mistake that exports are known for; files over their limit do not stay."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import headstart
from headstart.classifier.classifier import Classifier
from headstart.errors import DataError, ExportError
from headstart.export import job, manifest
from headstart.export.formats import onnx
from headstart.export.graph.steps import (
    Binary,
    Cast,
    Clamp,
    Concat,
    Constant,
    Convolution,
    Pool,
    Program,
    Reduce,
    Slice,
    Softmax,
    Step,
    Unary,
    Value,
)
from headstart.export.possible import possible
from headstart.export.proof import child as proof_child
from headstart.export.proof import pictures
from headstart.export.proof.again import check
from headstart.export.proof.child import Answers
from headstart.export.proof.verdict import Difference, Proof, judged, limit_for
from headstart.export.subject import Subject
from headstart.photos.images import Fit, View
from toys import channels_first, conv, model, numbers, op, pooled, save
from toys import pictures as picture

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def classifier(tiles: Path, graphs: Path, tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    """Trained on a small network that has padding, pools and an average."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSTART_HOME", str(graphs))
        image = picture(-1, 32, 32, 3)
        x = op.relu(op.convolution(channels_first(image), numbers(8, 3, 3, 3) / 3, [2, 2], [1, 1], [1, 1], [1, 1]))
        x = op.max_pool(x, [2, 2], [1, 1], [0, 0], [0, 0], [3, 3], "ceil").output(0)
        x = op.avg_pool(op.relu(conv(x, numbers(96, 8, 1, 1) / 3)), [1, 1], [1, 1], [1, 1], [3, 3], True, "floor")
        path = save(model({"features": pooled(x)}, image), tmp_path_factory.mktemp("net") / "net.xml")
        options = headstart.Options(input_range="imagenet")
        return headstart.train(tiles, backbone=str(path), options=options, progress=False).classifier


def exported(classifier: Classifier, tiles: Path, out: Path) -> None:
    classifier.export(out, "onnx", photos=tiles / "test", progress=False)


def test_a_good_file_is_proven_and_described(classifier: Classifier, tiles: Path, tmp_path: Path) -> None:
    exported(classifier, tiles, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "README.md", "classes.txt", "export.json", "model.onnx", "proof.html", "reference.npz",
    ]  # fmt: skip
    (one,) = json.loads((tmp_path / "out" / "export.json").read_text("utf-8"))["exports"]
    photos = len(pictures.photos_for(classifier, tiles / "test"))
    assert one["proof"]["on_photos"]["pictures"] == one["proof"]["on_photos"]["same_class"] == photos
    assert 0 < one["proof"]["on_photos"]["largest"] < 1e-5
    assert one["proof"]["own_reading"]["same_class"] == photos
    assert (tmp_path / "out" / "classes.txt").read_text("utf-8") == "flower\ntemple\n"
    assert not list(tmp_path.glob(".*"))


# --- sabotage: each mistake is made in what is written, and the proof has to see it ---

Fault = Callable[[Program], Program]


def changed(change: Callable[[Step], Step]) -> Fault:
    return lambda program: replace(program, steps=tuple(change(step) for step in program.steps))


def after_cast(kind: str, number: np.ndarray) -> Fault:
    """A step with a constant right after the picture has become numbers."""

    def fault(program: Program) -> Program:
        steps = list(program.steps)
        at = next(i for i, step in enumerate(steps) if isinstance(step, Cast))
        old = steps[at].output
        raw = Value("raw", old.shape)
        steps[at] = replace(steps[at], output=raw)
        steps.insert(at + 1, Binary(old, kind, raw, Constant("fault", number.astype(np.float32))))  # type: ignore[arg-type]
        return replace(program, steps=tuple(steps))

    return fault


def blue_first(program: Program) -> Program:
    """The first convolution, whose three input channels are colours, with red and blue exchanged."""
    at = next(i for i, step in enumerate(program.steps) if isinstance(step, Convolution))
    first = program.steps[at]
    assert isinstance(first, Convolution)
    weights = Constant("blue", np.ascontiguousarray(first.weights.array[:, ::-1]))
    return replace(program, steps=(*program.steps[:at], replace(first, weights=weights), *program.steps[at + 1 :]))


def pool_rounded_down(step: Step) -> Step:
    """The last window, which reaches beyond the map, moved so that it does not."""
    if isinstance(step, Pool) and step.kind == "max":
        return replace(step, before=step.after, after=step.before)
    return step


def padding_counted(step: Step) -> Step:
    """The factor that takes the border out of a mean, left out."""
    factor = step.b if isinstance(step, Binary) and step.kind == "mul" else None
    if isinstance(step, Binary) and isinstance(factor, Constant) and factor.rank == 4 and factor.shape[2:] != (1, 1):
        return replace(step, b=Constant("ones", np.ones(factor.shape, np.float32)))
    return step


def border_elsewhere(step: Step) -> Step:
    if isinstance(step, Convolution) and any(step.before):
        return replace(step, before=(2, 2), after=(0, 0))
    return step


def batch_mixed(program: Program) -> Program:
    """Means over the pictures of a batch taken away from each, as a batch norm left in training mode does."""
    last = program.steps[-1]
    assert isinstance(last, Softmax)
    mean = Value("mixed_mean", (1, *last.x.shape[1:]))
    less = Value("mixed", last.x.shape)
    steps = [Reduce(mean, "mean", last.x, (0,), True), Binary(less, "sub", last.x, mean), replace(last, x=less)]
    return replace(program, steps=(*program.steps[:-1], *steps))


def temperature_forgotten(program: Program) -> Program:
    """Scores that should have been divided by 1.25: OpenVINO makes the division part of the weights."""
    last = program.steps[-1]
    assert isinstance(last, Softmax)
    hot = Value("hot", last.x.shape)
    steps = [Binary(hot, "mul", last.x, Constant("temperature", np.array(1.25, np.float32))), replace(last, x=hot)]
    return replace(program, steps=(*program.steps[:-1], *steps))


def columns_exchanged(program: Program) -> Program:
    """The probabilities in another order than the names."""
    last = program.steps[-1]
    assert isinstance(last, Softmax)
    turned = Value("turned", last.x.shape)
    first, second = Value("first", (None, 1)), Value("second", (None, 1))
    steps = [Slice(first, last.x, 1, 0, 1), Slice(second, last.x, 1, 1, 2), Concat(turned, (second, first), 1)]
    return replace(program, steps=(*program.steps[:-1], *steps, replace(last, x=turned)))


def no_roots(step: Step) -> Step:
    """The power normalisation forgotten: numbers as they are instead of their roots."""
    return Clamp(step.output, step.x, -np.inf, np.inf) if isinstance(step, Unary) and step.kind == "sqrt" else step


def weights_rounded(step: Step) -> Step:
    """Weights in half precision where float32 was promised."""
    if isinstance(step, Convolution):
        half = step.weights.array.astype(np.float16).astype(np.float32)
        return replace(step, weights=Constant(f"{step.weights.name}_half", half))
    return step


FAULTS: dict[str, Fault] = {
    "blue before red": blue_first,
    "0..1 instead of 0..255": after_cast("div", np.array(255.0)),
    "-1..1 instead of 0..255": after_cast("sub", np.array(127.5)),
    "one level too bright": after_cast("add", np.array(1.0)),
    "a pool rounded down": changed(pool_rounded_down),
    "a border counted in means": changed(padding_counted),
    "the border on the other side": changed(border_elsewhere),
    "a temperature forgotten": temperature_forgotten,
    "pictures of a batch mixed": batch_mixed,
    "classes exchanged": columns_exchanged,
    "roots forgotten": changed(no_roots),
    "weights rounded": changed(weights_rounded),
}


@pytest.mark.parametrize("name", FAULTS)
def test_sabotage_is_seen_and_nothing_stays(
    name: str, classifier: Classifier, tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = onnx.encoded
    seen = []

    def wrong(program: Program, *more: object) -> bytes:
        broken = FAULTS[name](program)
        seen.append(right(broken, *more) != right(program, *more))  # type: ignore[arg-type]
        return right(broken, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(onnx, "encoded", wrong)
    with pytest.raises(ExportError, match="onnx does not give the classifier's answers"):
        exported(classifier, tiles, tmp_path / "out")
    assert seen == [True]
    assert not list(tmp_path.iterdir())


def test_labels_in_another_order_are_seen(
    classifier: Classifier, tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Subject, "classes", property(lambda self: self.classifier.classes[::-1]))
    with pytest.raises(ExportError, match=r"class names in the file are \['temple', 'flower'\]"):
        exported(classifier, tiles, tmp_path / "out")
    assert not list(tmp_path.iterdir())


# --- verdicts ---


def answers(alone: np.ndarray, together: np.ndarray | None = None) -> Answers:
    again = alone[::-1].copy() if together is None else together
    return Answers("by hand", ("a", "b"), alone, again, None, 0.0)


RIGHT = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5], [0.3, 0.7]])
PARTS = (RIGHT[:2], RIGHT[2:3], RIGHT[3:])
FLOAT32 = limit_for("float32", quantised=False)


def verdict(found: Answers, parts: tuple[np.ndarray, ...], gaps: object = np.inf) -> Proof:
    first, second, third = parts
    return judged(found, (first, second, third), ("a", "b"), FLOAT32, np.broadcast_to(np.asarray(gaps), (4,)))


def test_differences_are_those_of_the_arrays() -> None:
    found = Difference.between(RIGHT, RIGHT + np.array([[0, 0], [0.7, -0.7], [0, 0], [0, 0]]))
    assert (found.pictures, found.same_class) == (4, 3)
    assert found.largest == pytest.approx(0.7)
    assert found.mean_difference == pytest.approx(1.4 / 8)
    assert found.largest_score == pytest.approx(np.log(8))


def test_equal_answers_have_no_faults() -> None:
    assert verdict(answers(RIGHT), PARTS).faults == ()


@pytest.mark.parametrize("row", range(4))
def test_a_difference_on_any_picture_counts(row: int) -> None:
    other = RIGHT.copy()
    other[row] += [2e-5, -2e-5]
    (fault,) = verdict(answers(other), PARTS).faults
    assert fault.startswith(
        f"probabilities of {('photos', 'photos', 'blends of photos', 'made-up pictures')[row]} differ"
    )


def test_saturated_probabilities_are_compared_by_their_scores() -> None:
    sure = np.array([[1.0, 1e-12]] * 4)
    other = np.array([[1.0, 2e-12]] * 4)
    parts = (sure[:2], sure[2:3], sure[3:])
    assert any("scores of photos" in fault for fault in verdict(answers(other), parts).faults)


def test_probabilities_that_are_lost_beside_1_are_no_fault() -> None:
    sure = np.array([[1.0, 1e-17]] * 4)
    parts = (sure[:2], sure[2:3], sure[3:])
    assert verdict(answers(np.array([[1.0, 0.0]] * 4)), parts).faults == ()


def test_answers_that_depend_on_the_batch_are_a_fault() -> None:
    (fault,) = verdict(answers(RIGHT, RIGHT[::-1] + 1e-3), PARTS).faults
    assert "with the pictures beside it" in fault


def test_own_reading_counts_the_photos_that_were_read() -> None:
    missing = np.full((1, 2), np.nan)
    for read, count in ((RIGHT[:2], 2), (RIGHT[:1], 1), (np.concatenate([missing, RIGHT[1:2]]), 1)):
        own = verdict(replace(answers(RIGHT), photos=read), PARTS).own_reading
        assert own is not None
        assert (own.pictures, own.same_class, own.largest) == (count, count, 0)
    assert verdict(replace(answers(RIGHT), photos=missing), PARTS).own_reading is None


def test_answers_that_are_not_numbers_are_a_fault() -> None:
    assert verdict(answers(RIGHT * np.nan), PARTS).faults
    assert verdict(answers(RIGHT[:3]), PARTS).faults


def test_a_picture_whose_voters_a_rounding_decides_is_counted_and_left_out() -> None:
    other = RIGHT.copy()
    other[1] = [0.8, 0.2]
    found = verdict(answers(other), PARTS, [np.inf, 1e-7, 1, 1])
    assert (found.faults, found.ties) == ((), 1)
    assert found.photos is not None
    assert found.photos.pictures == 1
    assert verdict(answers(other), PARTS, [np.inf, 1e-3, 1, 1]).faults


def test_limits_follow_the_precision() -> None:
    assert limit_for("float32", quantised=False).probability == 1e-5
    assert limit_for("float16", quantised=False).probability == 1e-2
    assert limit_for("float32", quantised=True, noise=(0.01, 0.001)).probability == pytest.approx(0.04)


# --- pictures ---


def test_made_up_pictures_are_the_same_ones_every_time_and_differ() -> None:
    first, again = pictures.made_up(View(32, 48)), pictures.made_up(View(32, 48))
    assert first.shape == (8, 32, 48, 3)
    assert np.array_equal(first, again)
    assert len({one.tobytes() for one in first}) == 8
    assert first.min() == 0
    assert first.max() == 255


def test_photos_are_those_it_was_measured_on_if_none_are_given(classifier: Classifier, tiles: Path) -> None:
    measured = {str(path) for path in (tiles / "test").rglob("*.png")}
    assert set(pictures.photos_for(classifier, None).paths) == measured


# --- proven again ---


def test_an_export_is_proven_again_without_the_classifier(classifier: Classifier, tiles: Path, tmp_path: Path) -> None:
    exported(classifier, tiles, tmp_path / "out")
    moved = (tmp_path / "out").rename(tmp_path / "elsewhere")
    assert check(moved, progress=False).faults == ()
    again = check(moved, tiles, progress=False)
    assert again.faults == ()
    assert again.photos == len(pictures.photos_for(classifier, tiles / "test"))


@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
def test_an_export_that_resizes_is_described_and_proven_as_such(
    fit: Fit, classifier: Classifier, tiles: Path, tmp_path: Path
) -> None:
    fitted = replace(classifier, backbone=classifier.backbone.with_fit(fit))
    photos = tiles / "test"
    for with_resize, shape in ((True, "(1, height, width, 3)"), (False, "(n, 32, 32, 3)")):
        out = tmp_path / f"out-{with_resize}"
        fitted.export(out, "onnx", photos=photos, with_resize=with_resize, progress=False)
        readme = (out / "README.md").read_text("utf-8")
        assert f"- Input `image`: uint8, shape {shape}" in readme
        assert ("Resize" in readme) != with_resize
        assert check(out, photos, progress=False).faults == ()


def test_photos_that_the_runtime_itself_cannot_open_are_left_out_of_its_own_reading(
    classifier: Classifier, shared: Path, tmp_path: Path
) -> None:
    for name in ("pug.heic", "hopper_gray.jpg", "hopper.webp"):
        (tmp_path / name).write_bytes((shared / "odd" / name).read_bytes())
    found = job.export(classifier, tmp_path / "out", "onnx", photos=tmp_path, progress=False)
    proof = found.written[0].proof
    assert proof is not None
    assert (proof.photos.pictures, proof.own_reading.pictures) == (3, 2)  # type: ignore[union-attr]


def test_files_that_are_no_photos_are_counted(classifier: Classifier, tiles: Path, tmp_path: Path) -> None:
    folder = tmp_path / "flower"
    folder.mkdir()
    (folder / "photo.png").write_bytes((tiles / "test" / "flower" / "00.png").read_bytes())
    (folder / "broken.jpg").write_text("no photo")
    with pytest.warns(headstart.HeadstartWarning, match="1 file left out of the proof: not readable as a photo"):
        found = classifier.export(tmp_path / "out", "arrays", photos=folder, progress=False).to_json()
    assert found["proven_on"] == 1
    assert found["notes"] == ["1 file left out of the proof: not readable as a photo."]


def test_the_path_of_a_format_that_was_not_written_is_refused(
    classifier: Classifier, tiles: Path, tmp_path: Path
) -> None:
    found = classifier.export(tmp_path / "out", "arrays", photos=tiles / "test", progress=False)
    assert found.path("arrays").is_file()
    for name in ("onnx", "onx"):
        with pytest.raises(ExportError, match=f"has no format '{name}'.\nExpected one of: arrays"):
            found.path(name)


def test_a_changed_file_is_seen(classifier: Classifier, tiles: Path, tmp_path: Path) -> None:
    exported(classifier, tiles, tmp_path / "out")
    file = tmp_path / "out" / "model.onnx"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert check(tmp_path / "out", progress=False).faults == ("onnx: model.onnx is missing or has changed",)


def test_class_names_in_another_order_are_seen(classifier: Classifier, tiles: Path, tmp_path: Path) -> None:
    exported(classifier, tiles, tmp_path / "out")
    (tmp_path / "out" / "classes.txt").write_text("temple\nflower\n", "utf-8")
    found = check(tmp_path / "out", progress=False)
    assert found.faults == ("classes.txt is missing or has changed",)
    assert found.to_json()["notes"] == list(found.faults)
    (tmp_path / "out" / "classes.txt").unlink()
    assert check(tmp_path / "out", progress=False).faults == found.faults


def test_other_photos_than_those_of_the_proof_are_refused(classifier: Classifier, tiles: Path, tmp_path: Path) -> None:
    exported(classifier, tiles, tmp_path / "out")
    with pytest.raises(ExportError, match=r"None of the .* is one that the export was proven on"):
        check(tmp_path / "out", tiles / "train", progress=False)


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found.update(format=2),
        lambda found: found.update(classes=["a"]),
        lambda found: found.pop("view"),
        lambda found: found["view"].update(height=10**9),
        lambda found: found["exports"][0].update(format="pickle"),
        lambda found: found["exports"][0].update(sha256={"../other": "0"}),
        lambda found: found.update(photos={"0": {"gap": None, "probabilities": [1.0]}}),
        lambda found: found.update(reference="0"),
    ],
)
def test_a_manifest_of_a_stranger_is_checked(
    change: Callable[[dict[str, object]], object], classifier: Classifier, tiles: Path, tmp_path: Path
) -> None:
    exported(classifier, tiles, tmp_path / "out")
    file = tmp_path / "out" / "export.json"
    found = json.loads(file.read_text("utf-8"))
    change(found)
    file.write_text(json.dumps(found), "utf-8")
    with pytest.raises(ExportError, match="not as it was written"):
        manifest.read(tmp_path / "out")


# --- what is refused before the work ---


@pytest.mark.parametrize(
    ("formats", "settings", "message"),
    [
        ("onx", {}, "There is no format 'onx'. Did you mean 'onnx'"),
        ([], {}, "No format is given"),
        ("onnx", {"photos": "/nowhere"}, "nowhere"),
        (
            "tflite",
            {"with_resize": True},
            "tflite cannot carry the resizing of photos.\nExpected --with-resize with: openvino, onnx",
        ),
        ("page", {"with_resize": True}, "page cannot carry"),
        ("keras", {"precision": "float16"}, "keras cannot be written in float16"),
        ("onnx", {"precision": "int4"}, "There is no precision 'int4'.\nExpected float32, float16, int8"),
        ("onnx", {"max_loss": 3.0}, "--max-loss is a limit for int8"),
        ("arrays", {"precision": "int8"}, "arrays: the head alone stays in float32"),
    ],
)
def test_what_cannot_be_done_is_refused(
    formats: object, settings: dict[str, object], message: str, classifier: Classifier, tmp_path: Path
) -> None:
    with pytest.raises((ExportError, DataError), match=message):
        classifier.export(tmp_path / "out", formats, progress=False, **settings)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["onnx", "savedmodel", "arrays"])
def test_a_class_name_of_two_lines_is_refused(name: str, classifier: Classifier, tiles: Path, tmp_path: Path) -> None:
    two = replace(classifier, classes=("tem\nple", "flower"))
    with pytest.raises(ExportError, match=r"The class name 'tem\\nple' has a line break"):
        two.export(tmp_path / "out", name, photos=tiles / "test", progress=False)
    assert not list(tmp_path.iterdir())


def test_nothing_else_is_replaced(classifier: Classifier, tiles: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "diary.txt").write_text("dear diary")
    for overwrite in (False, True):
        with pytest.raises(ExportError, match="is not an export"):
            classifier.export(mine, "onnx", photos=tiles / "test", overwrite=overwrite, progress=False)
    exported(classifier, tiles, tmp_path / "out")
    with pytest.raises(ExportError, match="holds an export already"):
        exported(classifier, tiles, tmp_path / "out")
    classifier.export(tmp_path / "out", "arrays", photos=tiles / "test", overwrite=True, progress=False)
    assert not (tmp_path / "out" / "model.onnx").exists()
    assert (mine / "diary.txt").read_text() == "dear diary"


def test_a_runtime_that_is_missing_is_reported(
    classifier: Classifier, tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from headstart.export import known

    find = known.find_spec
    monkeypatch.setattr(known, "find_spec", lambda name: None if name == "onnxruntime" else find(name))
    with pytest.warns(headstart.HeadstartWarning, match=r"onnx: not proven: pip install 'headstart\[onnx\]'"):
        found = classifier.export(tmp_path / "out", "onnx", photos=tiles / "test", progress=False)
    assert found.to_json()["exports"][0]["proof"] is None
    assert "pip install 'headstart[onnx]'" in (tmp_path / "out" / "README.md").read_text("utf-8")


def test_the_list_of_formats_names_what_each_needs(classifier: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    from headstart.export import known

    monkeypatch.setattr(known, "find_spec", lambda name: None if name in ("flatbuffers", "onnxruntime") else name)
    notes = {one.format.name: one.note for one in possible(classifier)}
    assert notes["tflite"] == "to write it: pip install 'headstart[tflite]'"
    assert notes["onnx"] == "ready; to prove it: pip install 'headstart[onnx]'"
    assert notes["openvino"] == "ready"


def test_an_operation_without_a_step_is_one_line(tiles: Path, tmp_path: Path) -> None:
    image = picture(-1, 3, 16, 16)
    x = op.lrn(conv(image, numbers(64, 3, 3, 3)), np.array([1]), 1.0, 0.5, 1.0, 3)
    path = save(model({"features": pooled(x)}, image), tmp_path / "net.xml")
    options = headstart.Options(input_range="imagenet")
    classifier = headstart.train(tiles, backbone=str(path), options=options, progress=False).classifier
    with pytest.raises(ExportError) as error:
        classifier.export(tmp_path / "out", ["onnx"], photos=tiles / "test", progress=False)
    assert str(error.value).splitlines() == [
        "The model has the operation LRN, which cannot be written.",
        "Not in onnx. Formats that still work: openvino, sklearn, arrays.",
    ]
    assert not (tmp_path / "out").exists()


def test_a_full_folder_for_temporary_files_is_named(
    classifier: Classifier, tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("7074816 requested and 102272 written")  # as NumPy words it

    monkeypatch.setattr(proof_child.np, "save", full)
    with pytest.raises(ExportError, match=r"temporary files cannot be written: no room is left.\nMake room in"):
        exported(classifier, tiles, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing(
    classifier: Classifier, tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(job.folder, "describe", full)
    with pytest.raises(ExportError, match="No space left on device"):
        exported(classifier, tiles, tmp_path / "out")
    assert not list(tmp_path.iterdir())
