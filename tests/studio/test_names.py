"""Names from outside become the name of one file or one folder, never a path."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.apps.studio.names import EXTENSIONS, class_name, file_name
from headstart.errors import DataError
from headstart.photos.folders import is_noise
from headstart.safety.printable import show


@pytest.mark.parametrize(
    ("given", "kind", "name"),
    [
        ("IMG_1.JPG", "jpeg", "IMG_1.JPG"),
        ("oak/2019/IMG_1.jpeg", "jpeg", "IMG_1.jpeg"),
        ("../../etc/passwd", "jpeg", "passwd.jpg"),
        ("/etc/cron.d/x.png", "png", "x.png"),
        ("C:\\Users\\x\\photo.png", "png", "photo.png"),
        ("..", "png", "photo.png"),
        ("", "webp", "photo.webp"),
        ("a\0b.jpg", "jpeg", "a_b.jpg"),
        ("gpj.\u202egnp.jpg", "jpeg", "gpj._gnp.jpg"),
        ("con.jpg", "jpeg", "_con.jpg"),
        ("COM1.tar.jpg", "jpeg", "_COM1.tar.jpg"),
        (".htaccess", "gif", "htaccess.gif"),
        ("thumbs.db", "jpeg", "_thumbs.db.jpg"),
        ("photo.php", "jpeg", "photo.php.jpg"),
        ("photo.png", "jpeg", "photo.jpg"),
        ("<img src=x>.jpg", "jpeg", "_img src=x_.jpg"),
        ("été 日本 🌳.heic", "heif", "été 日本 🌳.heic"),
        ("x" * 5000 + ".jpg", "jpeg", "x" * 80 + ".jpg"),
        ("日" * 300 + ".jpg", "jpeg", "日" * 66 + ".jpg"),
        ("trailing. .jpg", "jpeg", "trailing.jpg"),
    ],
)
def test_a_file_gets_the_last_part_of_its_name_with_an_extension_of_its_content(
    given: str, kind: str, name: str
) -> None:
    assert file_name(given, kind) == name


@given(st.text(), st.sampled_from(sorted(EXTENSIONS)))
def test_whatever_is_given_a_file_name_is_one_visible_name_that_can_be_written(text: str, kind: str) -> None:
    name = file_name(text, kind)
    assert os.path.basename(name) == name
    assert not {*name} & {*'\\:*?"<>|\0'}
    assert show(name) == name.strip() == name
    assert not is_noise(name)
    assert len(name.encode()) < 255
    assert os.path.splitext(name)[1].lower() in EXTENSIONS[kind]


@pytest.mark.parametrize("name", ["oak", "Ärzte & Co", "日本", "is it?", "<b>bold<b>", "می‌خواهم", "👩‍🌾", "a.b"])
def test_a_class_keeps_its_name(name: str) -> None:
    assert class_name(f" {name} ") == name


@pytest.mark.parametrize(
    "name",
    ["", "  ", "..", ".hidden", "a/b", "../x", "/etc", "a\\b", "a\0", "a\nb", "\u202eko", "o\u200bak", "con", "Aux.x",
     "x" * 81, "日" * 70, "__MACOSX", "oak.", "\ud800"],
)  # fmt: skip
def test_a_class_that_no_folder_can_be_called_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="A class cannot be called"):
        class_name(name)
