"""A CSV is text to every spreadsheet, whoever named the classes and photos in it, and is read back as it was."""

from __future__ import annotations

import csv
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.errors import DataError
from headstart.photos import spreadsheet
from headstart.photos.sources import scan
from headstart.photos.spreadsheet import original, safe

#: Text of what decides, and any other.
HOSTILE = st.text(st.sampled_from("=+-@'\t\r\n ;,\"a\u3000\uff1d\udce9|")) | st.text()
#: Names as a disk may have them: any bytes.
NAMES = (st.text(st.sampled_from("=+-@'\t\r\n ;,\"a\xe9"), min_size=1).map(os.fsencode) | st.binary(min_size=1)).filter(
    lambda name: len(name) < 200 and not set(name) & {0, 0x2F} and name not in (b".", b"..")
)


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-dress", "'-dress"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t'=1"),
        ("\r\n", "'\r\n"),
        ("  =1", "'  =1"),
        ("\xa0\ufeff=1", "'\xa0\ufeff=1"),
        ("\uff1d1", "'\uff1d1"),  # as wide as a Chinese letter
        ("'=1", "''=1"),
        ("' '=1", "'' '=1"),
        ("a;=1", "a;'=1"),  # what parts cells in half of Europe
        ("a\n@1", "a\n'@1"),
        ("a=1", "a=1"),
        ("'tis", "'tis"),
        ("photos/-1.jpg", "photos/-1.jpg"),
        ("", ""),
    ],
)
def test_a_cell_that_a_spreadsheet_would_run_becomes_text(cell: str, written: str) -> None:
    assert safe(cell) == written
    assert original(written) == cell


@given(HOSTILE)
def test_every_cell_is_read_back_as_it_was_and_none_is_a_formula(cell: str) -> None:
    assert original(safe(cell)) == cell
    for part in safe(cell).replace("\t", ";").replace("\r", ";").replace("\n", ";").split(";"):
        assert part.strip()[:1] not in {"=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"}
    assert safe(cell)[:1] not in {"\t", "\r", "\n"}


def test_a_long_cell_takes_no_longer_than_its_length() -> None:
    for cell in ("'" * 200_000, "\n" * 200_000, " ;" * 100_000, "\t'" * 100_000):
        assert original(safe(cell)) == cell


@given(st.lists(st.tuples(NAMES, NAMES), min_size=1, max_size=4), st.lists(HOSTILE, max_size=3), st.booleans())
def test_what_predict_writes_is_read_back(rows: list[tuple[bytes, bytes]], classes: list[str], beside: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        named = [(os.path.join(folder, os.fsdecode(name)), os.fsdecode(label)) for name, label in rows]
        for path, _ in named:
            Path(path).touch()
        table = Path(folder, "csv" if beside else "", "out.csv")
        table.parent.mkdir(exist_ok=True)
        if str(table) in dict(named):
            return
        spreadsheet.write(table, classes, [(path, label, [0.25] * len(classes) or [1.0]) for path, label in named])
        read = scan(table).train
        assert list(zip(read.paths, read.labels, strict=True)) == named


@pytest.mark.parametrize("name", ["path", "label", "split", "Split", "a;b;c;d;e;f", "x\u2028y", 'a"b', "=1", ""])
def test_a_class_may_be_called_as_it_likes(tmp_path: Path, name: str) -> None:
    spreadsheet.write(tmp_path / "out.csv", [name, "b"], [("1.jpg", "b", [0.1, 0.9]), ("2.jpg", "b", [0.4, 0.6])])
    assert scan(tmp_path / "out.csv").train.labels == ("b", "b")
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file))[1][2:] == ["0.900000", "0.100000", "0.900000"]


def test_a_split_added_to_predictions_counts(tmp_path: Path) -> None:
    text = "path,label,probability,split,split\n1.jpg,a,0.9,0.1,train\n2.jpg,a,0.9,0.1,test\n"
    (tmp_path / "out.csv").write_text(text)
    source = scan(tmp_path / "out.csv")
    assert len(source.train) == 1
    assert source.test is not None


def test_paths_hold_from_the_folder_of_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("out").mkdir()
    for table, written in (("beside.csv", "a/1.jpg"), ("out/below.csv", str(tmp_path / "a" / "1.jpg"))):
        spreadsheet.write(Path(table), ["x"], [("a/1.jpg", "x", [1.0])])
        assert scan(table).train.paths == (written,)


def test_in_a_table_of_others_an_apostrophe_is_part_of_the_name_of_a_file_that_is_there(tmp_path: Path) -> None:
    table = tmp_path / "photos.csv"
    table.write_text("path,label\n'=x.jpg,'=a\n''=x.jpg,b\n'tis.jpg,c\n")
    assert [os.path.basename(path) for path in scan(table).train.paths] == ["=x.jpg", "'=x.jpg", "'tis.jpg"]
    assert scan(table).train.labels == ("=a", "b", "c")
    (tmp_path / "'=x.jpg").touch()
    assert [os.path.basename(path) for path in scan(table).train.paths] == ["'=x.jpg", "'=x.jpg", "'tis.jpg"]


def test_names_that_are_not_utf8_are_those_of_files_or_the_table_is_of_another_encoding(tmp_path: Path) -> None:
    table = tmp_path / "photos.csv"
    table.write_bytes(b"path,label\ncaf\xe9.jpg,a\n")
    with pytest.raises(DataError, match="is not UTF-8"):
        scan(table)
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg")).touch()
    assert os.fsencode(scan(table).train.paths[0]).endswith(b"/caf\xe9.jpg")
    table.write_bytes(b"path,label\n1.jpg,caf\xe9\n")  # as a spreadsheet of old writes a label
    with pytest.raises(DataError, match="is not UTF-8"):
        scan(table)


def test_columns_without_a_name_are_no_split(tmp_path: Path) -> None:
    (tmp_path / "photos.csv").write_text("path,label\n1.jpg,a,nice\n")
    assert len(scan(tmp_path / "photos.csv").train) == 1


def test_text_that_no_file_is_called_can_be_written(tmp_path: Path) -> None:
    spreadsheet.write(tmp_path / "out.csv", ["\ud800"], [("1.jpg", "\ud800", [1.0])])
    assert scan(tmp_path / "out.csv").train.labels == (r"\ud800",)


@given(st.lists(st.sampled_from(["a", "b c", ".", "..", "", "\n", "'"]), max_size=5).map("/".join), st.booleans())
def test_rows_are_joined_as_pathlib_does(name: str, below: bool) -> None:
    folder = Path("x/y" if below else ".")
    assert spreadsheet._joined(folder, name, True, {}) == (os.fspath(folder / name) if name else "")
