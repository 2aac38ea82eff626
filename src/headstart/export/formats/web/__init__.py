"""What a page that runs models is made of: TensorFlow.js, our scripts, their style and their words."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
VERSION = "4.22.0"
#: Files of TensorFlow.js exactly as npm has them, with their SHA-256. Scripts are run in this order.
RUNTIME = {
    "tf-core.es2017.min.js": "c55367325aa628ed685164d5c4210892e31c6d2d0e8c163a827b15ad330d1eba",
    "tf-converter.es2017.min.js": "42a8166c840173bae6180e8ab715a4c811f0371de1b81f28977fd4a7d2c39adf",
    "tf-backend-wasm.es2017.min.js": "bdd8c3c1fb0b37601bc2a122efa20b8d78e2936d104b03a44591be4188c63f65",
    "tfjs-backend-wasm-simd.wasm": "77ebb28a6d34f371dbbf2086b7f2de8994acd8ea5a3cf1fa24d2c26c840cac7b",
}


def scripts() -> list[str]:
    """TensorFlow.js and how we call it (`model.js`), to be run one after another."""
    published = [read(f"runtime/{name}") for name in RUNTIME if name.endswith(".js")]
    # The last line of each names a file that is not here, and that developer tools would ask for.
    return [script.partition("//# sourceMappingURL")[0] for script in published] + [read("model.js")]


def wasm() -> bytes:
    """The compiled part of TensorFlow.js."""
    return (HERE / "runtime" / "tfjs-backend-wasm-simd.wasm").read_bytes()


def read(name: str) -> str:
    """A text file of this folder."""
    return (HERE / name).read_text("utf-8")
