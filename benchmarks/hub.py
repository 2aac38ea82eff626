"""The built-in network as a TensorFlow Hub model, through a server on this machine that speaks the hosting protocol.

    python benchmarks/hub.py --venv ENVIRONMENT_WITH_TENSORFLOW

TensorFlow writes the SavedModel (TF2 format, [0, 1]) there; headstart fetches it through a redirect, without
TensorFlow. Printed: requests of the first and the second use, and the cosine of its vectors to the built-in ones'.
"""

from __future__ import annotations

import argparse
import http.server
import io
import json
import os
import tarfile
import tempfile
import threading
from pathlib import Path

import numpy as np

from common import DATA, headstart, machine, process
from headstart import backbones
from headstart.backbones import builtin
from headstart.photos import images

_PHOTOS = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", type=Path, required=True)
    options = parser.parse_args()
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        np.savez(work / "weights.npz", **builtin.read_weights())
        (work / "stages.json").write_text(json.dumps(builtin.STAGES))
        here = Path(__file__).resolve().parent
        command = [options.venv / "bin" / "python", here / "recipe_export.py", work / "weights.npz"]
        process([*map(str, command), str(work / "stages.json"), str(work / "model")])
        (work / "model" / "check.npy").unlink()
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:gz") as tar:
            tar.add(work / "model", arcname=".")
        server, asked = serve(archive.getvalue())
        handle = f"http://127.0.0.1:{server.server_port}/google/lite0/feature_vector/1"
        home = work / "home"
        for use in ("first", "second"):
            before = len(asked)
            run = headstart("backbones", "get", handle, home=home)
            print(f"{use} use: {len(asked) - before} requests, {run.seconds:.2f} s")
        server.shutdown()
        os.environ["HEADSTART_HOME"] = str(home)
        network = backbones.load(handle, options=backbones.Options(input_range="0..1"))
        paths = sorted((DATA / "imagenet100").glob("*"))[:_PHOTOS]
        pictures = np.stack([images.load(path, network.card.view) for path in paths])
        ours, theirs = backbones.load().embed(pictures), network.embed(pictures)
        cosines = (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
        if cosines.min() < 0.999:
            raise SystemExit(f"another network: cosine {cosines.min()}")
        print(f"{network.card.dim}-d, lowest cosine on {_PHOTOS} photos {cosines.min():.7f}")


def serve(archive: bytes) -> tuple[http.server.ThreadingHTTPServer, list[str]]:
    """A server that sends the model's address on to another, as tfhub.dev does."""
    asked: list[str] = []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            if self.path.endswith("?tf-hub-format=compressed"):
                self.send_response(302)
                self.send_header("Location", "/storage/model.tar.gz")
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(archive)))
            self.end_headers()
            self.wfile.write(archive)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, asked


if __name__ == "__main__":
    main()
