"""The course's recipe against `headstart train`: same network, same photos, whole processes, one run.

    python benchmarks/recipe.py [--venv FOLDER] [--data FOLDER] [--epochs 5]

The recipe gets its own virtual environment (2.3 GB, made on the first run). Bars: first run at least 13 times
faster, second run at least 45 times, accuracy at least the recipe's + 1.5 points.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from common import DATA, WORK, headstart, machine, process
from headstart import backbones
from headstart.backbones import builtin

PACKAGES = ["tensorflow-cpu", "tf-keras", "tensorflow-hub", "tensorboard", "setuptools<81", "scipy", "pillow"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--venv", type=Path, default=WORK / "recipe-venv")
    parser.add_argument("--data", type=Path, default=DATA / "clothing10")
    parser.add_argument("--epochs", type=int, default=5)
    options = parser.parse_args()
    python = str(options.venv / "bin" / "python")
    if not Path(python).exists():
        subprocess.run([sys.executable, "-m", "venv", str(options.venv)], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
    here = Path(__file__).resolve().parent
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        np.savez(work / "weights.npz", **builtin.read_weights())
        (work / "stages.json").write_text(json.dumps(builtin.STAGES))
        saved = work / "hub"
        process(
            [python, str(here / "recipe_export.py"), str(work / "weights.npz"), str(work / "stages.json"), str(saved)]
        )
        same_network(saved)
        first = headstart("train", str(options.data), "--json", home=work / "home")
        second = headstart("train", str(options.data), "--json", home=work / "home")
        recipe = process(
            [
                python,
                str(here / "recipe_train.py"),
                str(saved),
                str(options.data / "train"),
                str(options.data / "test"),
                str(options.epochs),
            ]
        )
    theirs = json.loads(recipe.stdout.splitlines()[-1])["val_accuracy"]
    ours = json.loads(first.stdout)["evaluation"]["accuracy"]
    print(f"recipe     {recipe.seconds:8.1f} s  {recipe.peak_mb:6.0f} MB  accuracy {theirs[-1]:.4f}; epochs {theirs}")
    for name, run in (("first run", first), ("second run", second)):
        print(f"{name:10} {run.seconds:8.1f} s  {run.peak_mb:6.0f} MB  {recipe.seconds / run.seconds:.1f} times faster")
    print(f"accuracy   {ours:.4f}: {100 * (ours - theirs[-1]):+.2f} points")


def same_network(saved: Path) -> None:
    """The exported network gives the built-in one's vector; else the comparison means nothing."""
    import openvino as ov

    picture = np.linspace(0, 1, 224 * 224 * 3, dtype=np.float32).reshape(1, 224, 224, 3)
    expected = np.load(saved / "check.npy")[0]
    graph = builtin.build(builtin.read_weights())
    normalised = ((picture * 255 - 127) / 128).transpose(0, 3, 1, 2)
    got = ov.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(normalised)["features"][0]
    cosine = float(expected @ got / np.linalg.norm(expected) / np.linalg.norm(got))
    if cosine < 0.9999:
        raise SystemExit(f"the exported network is another one: cosine {cosine}")
    print(f"same network: cosine {cosine:.6f}; {backbones.DEFAULT}", flush=True)


if __name__ == "__main__":
    main()
