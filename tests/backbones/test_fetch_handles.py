"""Handles: what they mean, the one form they are kept under, what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from headstart.backbones import Located, locate, plugins
from headstart.backbones.fetch.handles import is_remote, parse
from headstart.disk.home import offline
from headstart.errors import BackboneError

HUB = "https://tfhub.dev/google/imagenet/mobilenet_v2_100_224/feature_vector/5"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    "written",
    [
        HUB,
        HUB + "/",
        f"  {HUB} ",
        "HTTPS://TFHub.dev/google/imagenet/mobilenet_v2_100_224/feature_vector/5",
        HUB + "?tf-hub-format=compressed",
        "tfhub:google/imagenet/mobilenet_v2_100_224/feature_vector/5",
        "tfhub:/google/imagenet/mobilenet_v2_100_224/feature_vector/5/",
    ],
)
def test_a_hub_network_has_one_form(written: str) -> None:
    assert str(parse(written)) == HUB
    assert is_remote(written)


@pytest.mark.parametrize(
    ("page", "handle"),
    [
        ("https://www.kaggle.com/models/a/b/tensorFlow2/c/2", "kaggle:a/b/tensorFlow2/c/2"),
        (
            "http://kaggle.com/models/a/b/frameworks/TensorFlow2/variations/c/versions/2?tab=x",
            "kaggle:a/b/tensorFlow2/c/2",
        ),
        ("https://www.kaggle.com/models/a/b/tfLite/c", "kaggle:a/b/tfLite/c"),
        ("https://huggingface.co/o/n", "hf:o/n"),
        ("https://huggingface.co/o/n/", "hf:o/n"),
        ("https://huggingface.co/o/n/tree/main", "hf:o/n@main"),
        ("https://www.huggingface.co/o/n/blob/main/onnx/a.onnx", "hf:o/n@main:onnx/a.onnx"),
        ("https://huggingface.co/o/n/resolve/main/a.onnx", "https://huggingface.co/o/n/resolve/main/a.onnx"),
    ],
)
def test_the_address_of_a_page_becomes_the_handle(page: str, handle: str) -> None:
    assert str(parse(page)) == handle


def test_the_protocol_asks_for_an_archive() -> None:
    assert parse(HUB).request == HUB + "?tf-hub-format=compressed"


def test_a_query_of_the_handles_own_is_kept() -> None:
    assert parse("http://h:8/a?v=1&w=%20").request == "http://h:8/a?v=1&w=+&tf-hub-format=compressed"


def test_the_address_of_a_file_is_asked_for_as_it_is() -> None:
    assert parse("https://h/net.onnx?raw=true").request == "https://h/net.onnx?raw=true"


def test_kaggle_and_hugging_face_handles_keep_their_version() -> None:
    for text in (
        "kaggle:google/mobilenet-v2/tensorFlow2/100-224-feature-vector/2",
        f"hf:timm/net@{COMMIT}:onnx/model.onnx",
    ):
        assert str(parse(text)) == text
        assert parse(text).pinned


@pytest.mark.parametrize(
    "text",
    ["kaggle:google/mobilenet-v2/tensorFlow2/a", "hf:o/n", "hf:o/n@main:a.onnx", f"hf:o/n@{COMMIT}", "hf:o/n:a b.onnx"],
)
def test_what_may_mean_something_else_tomorrow_is_not_pinned(text: str) -> None:
    assert str(parse(text)) == text
    assert not parse(text).pinned


@pytest.mark.parametrize(
    "text",
    [
        "kaggle:google/mobilenet-v2",
        "kaggle:a/b/c/d/0",
        "kaggle:a/b/c/../1",
        "hf:name",
        "hf:a/b/c",
        "hf:a/..",
        "hf:a/b@",
        "hf:a/b:../c.onnx",
        "https://",
        "https://tfhub.dev",
        "https://host:port/a",
        "https://[::1/a",
        "https://h/a b",
        "tfhub:",
        "https://h/a\nb",
        "https://höst/a",
    ],
)
def test_half_a_handle_is_refused_by_name(text: str) -> None:
    with pytest.raises(BackboneError) as caught:
        parse(text)
    first, second = str(caught.value).rsplit("\n", 1)
    assert f"'{text}'" in first
    assert second.startswith("Expected ")


def test_a_password_in_an_address_is_refused_and_not_shown() -> None:
    with pytest.raises(BackboneError, match="without user name and password") as caught:
        parse("https://me:secret@h/a/1")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["builtin:efficientnet-lite0", "photos/https", "C:\\net", "mobilenet_v2", ""])
def test_paths_and_names_are_not_remote(text: str) -> None:
    assert not is_remote(text)
    with pytest.raises(BackboneError):
        parse(text)


def test_letters_of_other_languages_are_written_as_addresses_are() -> None:
    assert str(parse("https://h/é/1")) == "https://h/%C3%A9/1"


@pytest.mark.parametrize(
    ("value", "expected"), [("1", True), ("true", True), ("Yes", True), ("0", False), ("", False), ("no", False)]
)
def test_offline_is_said_by_the_environment(value: str, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART_OFFLINE", value)
    assert offline() is expected


# --- what a text names ---


def test_a_text_is_read_once_into_what_it_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plugins, "plugins", lambda: {"mine": None})
    (tmp_path / "here").mkdir()
    (tmp_path / "mine").mkdir()
    found = {
        "builtin:efficientnet-lite0": Located("builtin", "builtin:efficientnet-lite0"),
        "hf:owner/name": Located("remote", "hf:owner/name", parse("hf:owner/name")),
        "mine:net.onnx": Located("plugin", "mine:net.onnx"),
        "here": Located("path", str(tmp_path / "here")),
        "mine": Located("path", str(tmp_path / "mine")),
        "~/net": Located("path", os.path.expanduser("~/net")),
        "net.HDF5": Located("path", str(tmp_path / "net.HDF5")),
        "imagenet/mobilenet_v2_100_224/feature_vector": Located("remote", HUB, parse(HUB)),
    }
    for text, expected in found.items():
        assert locate(text) == expected
    for text, message in (("", "is empty"), ("mobilenet_v2", "mobilenet_v2"), ("builtin:other", "builtin:other")):
        with pytest.raises(BackboneError, match=message):
            locate(text)
