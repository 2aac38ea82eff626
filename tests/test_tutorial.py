"""The tutorial runs from its first line to its last, on shared photos in place of the download."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import command_line
from hub_server import serving

ROOT = Path(__file__).resolve().parents[1]
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text("utf-8")
HEADSTART = str(Path(sys.executable).with_name("headstart"))
SAMPLE = "10_food_classes_10_percent"
COMMANDS = [
    line.removeprefix("$ ")
    for block in re.findall(r"```console\n(.*?)```", TUTORIAL, re.DOTALL)
    for line in block.strip().splitlines()
]
#: Part of a command -> what its output must contain; every command has an entry.
EXPECTED = {
    "classify my-photo.jpg": ["my-photo.jpg", "%"],
    "samples list": [SAMPLE, "750 photos to train on"],
    "samples get": [SAMPLE],
    "-o food": ["Accuracy", "on 2,500 photos", "95 % confidence interval: ", "Saved in food"],
    "resnet_v2_50/feature_vector/5 --logdir": ["on 2,500 photos"],
    "efficientnet/b0/feature-vector/1 --logdir": ["on 2,500 photos"],
    "board runs": ["TensorBoard shows runs at http://127.0.0.1:"],
    "--report food.html": ["resnet_v2_50", "mobilenet_v2_100_224", "behind", "2,500 photos", "Keep the best"],
    "--head logistic --head knn": ["logistic", "knn", "behind"],
    "--source tfhub": ["mobilenet_v2_140_224/feature_vector"],
    "models show": ["dimension    1,280", "https://tfhub.dev/google/imagenet/mobilenet_v2_100_224/feature_vector/5"],
    "models inception": ["inception_v3/classification"],
    "models --best --max-params": ["Best with public weights", "M parameters"],
    "models --best": ["Best with public weights", "ImageNet"],
    "train my-trees": ["on 20 photos; by cross-validation", "95 % confidence interval: "],
    "predict trees": ["new-photo.jpg", "%"],
}


def expected(command: str) -> list[str]:
    return next(words for part, words in EXPECTED.items() if part in command)


def handles() -> list[str]:
    return sorted(set(re.findall(r"https://tfhub\.dev/\S+?/\d+", TUTORIAL)))


@pytest.fixture
def desk(shared: Path, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the user's photos, a server with the sample, and models in the cache."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(shared / "two-trees", tmp_path / "my-trees")
    shutil.copy(shared / "two-trees-test" / "test_image.jpg", tmp_path / "new-photo.jpg")
    shutil.copy(next((shared / "imagenet100").iterdir()), tmp_path / "my-photo.jpg")
    put_networks(shared)
    with zipfile.ZipFile(tmp_path / "sample.zip", "w") as archive:
        for part, copies in (("train", 3), ("test", 10)):  # copies: as many photos, but each is computed once
            paths = sorted((shared / "food10-64" / part).rglob("*.*"))
            for place, path in enumerate(paths):
                content = paths[place - place % copies]
                archive.write(content, f"{SAMPLE}/{path.relative_to(shared / 'food10-64')}")
    data = (tmp_path / "sample.zip").read_bytes()
    with serving() as server:
        server.on(f"/{SAMPLE}.zip", lambda request: request.send(data))
        monkeypatch.setenv("HEADSTART_SAMPLES_URL", server.url)
        monkeypatch.setenv("NO_PROXY", "*")
        yield tmp_path


def put_networks(shared: Path) -> None:
    """Keep a small model as if it had been downloaded from the Hub, in place of each large one."""
    import openvino as ov

    from headstart.backbones.fetch import cache
    from headstart.backbones.fetch import handles as forms
    from headstart.backbones.graph import anatomy, reading
    from headstart.backbones.graph.cut import cut
    from headstart.backbones.hints import Hints

    source = shared / "backbones" / "mobilenet_v2_0.35_224_savedmodel"
    model = reading.read(source, str(source))
    features = cut(model, anatomy.dissect(model, Hints(), str(source)), "last")
    vectors = next(port for port in features.outputs if "features" in port.names)
    for number, handle in enumerate(handles()):
        half = slice(number, None, 2) if number else slice(None)  # the same model, but other numbers of it
        kept = np.arange(vectors.get_partial_shape()[1].get_length())[half]
        some = ov.opset13.gather(vectors.node.input_value(0), ov.opset13.constant(kept), ov.opset13.constant(1))
        named = forms.parse(handle)
        with cache.making("tutorial") as room:
            (room / "content").mkdir()
            alone = ov.Model([ov.opset13.result(some)], features.get_parameters(), f"stand-in {number}")
            ov.save_model(alone, room / "content" / "network.xml", compress_to_fp16=False)
            cache.settle(room, named, named, handle, print)


def run(command: str) -> str:
    words = shlex.split(command)
    assert words[0] == "headstart", f"the tutorial has a command that no test can run: {command}"
    done = command_line.run(*words[1:])
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    return done.stdout + done.stderr


def look_at_board(command: str) -> str:
    """Start it, request its page, and stop it as Ctrl-C does."""
    process = subprocess.Popen(
        [HEADSTART, *shlex.split(command)[1:]], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        output = process.stdout.readline()
        with urllib.request.urlopen(output.split()[-1] + "/data/runs", timeout=30) as answer:
            assert b"resnet_v2_50" in answer.read()
    finally:
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    return output + rest


@pytest.mark.slow
def test_the_tutorial_is_done_from_the_first_line_to_the_last(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(COMMANDS) >= 16
    for command in COMMANDS:
        output = look_at_board(command) if " board " in command else run(command)
        for words in expected(command):
            assert words in output, f"{command}\n{output}"
        if os.environ.get("SHOW_TUTORIAL"):
            with capsys.disabled():
                print(f"\n$ {command}\n{output}")
    assert len(list((desk / "runs").iterdir())) == 5
    for page in ("food.html", "trees.html"):
        assert "<!doctype html>" in (desk / page).read_text("utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", TUTORIAL, re.DOTALL)
    exec(compile(block, "tutorial.md", "exec"), {})
    output = capsys.readouterr().out
    assert "efficientnet-lite0" in output
    assert "mobilenet_v2_100_224" in output
    assert "['Hemlock']" in output, output


def test_every_model_of_the_tutorial_is_in_the_catalogue() -> None:
    from headstart.backbones import catalogue

    assert len(handles()) == 3
    for handle in handles():
        model = catalogue.by_handle(handle)
        assert model is not None
        assert model.kind == "feature_vector"


def test_every_command_of_the_tutorial_is_known_to_the_test() -> None:
    for command in COMMANDS:
        assert command.startswith("headstart ")
        assert expected(command)
    for part in EXPECTED:
        assert any(part in command for command in COMMANDS), part
