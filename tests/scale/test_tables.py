"""Tables of photos: Parquet and Lance give the same, whatever becomes of a Lance table meanwhile."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import lance
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from headstart.errors import DataError, MissingExtraError
from headstart.photos.pictures import InMemory
from headstart.progress import Silent
from headstart.scale import listing
from headstart.scale.batch import MOST_BYTES, Batch
from headstart.scale.batches import batches
from headstart.scale.embedding import embed
from headstart.scale.job import Network
from headstart.scale.listing import Entry
from headstart.scale.places import Place
from headstart.scale.planning import plan
from scale.conftest import paint

MEAN = Network("mean:colours")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    """40 photos with classes and parts, and a number each."""
    folder = tmp_path_factory.mktemp("painted")
    for number in range(40):
        paint(folder / f"{number}.png", number)
    return pa.table(
        {
            "image": [{"bytes": (folder / f"{n}.png").read_bytes(), "path": f"{n}.png"} for n in range(40)],
            "label": ["cat" if n % 2 else "dog" for n in range(40)],
            "split": ["test" if n % 4 == 0 else "train" for n in range(40)],
            "number": list(range(40)),
        }
    )


def listed(source: Path | str, size: int = 16) -> list[list[Entry]]:
    return list(listing.units([str(source)], size, Silent()))


def read(units: Sequence[Sequence[Entry]]) -> list[Batch]:
    return [batch for unit in units for batch in batches(unit)]


def numbers(found: Sequence[Batch]) -> list[int]:
    return [number for batch in found for number in batch.carried.column("number").to_pylist()]


def test_a_lance_table_gives_what_the_parquet_table_gives(table: pa.Table, tmp_path: Path) -> None:
    tables = tmp_path / "tables"
    lance.write_dataset(table, tables / "one.lance", max_rows_per_file=7)
    pq.write_table(table, tables / "two.parquet", row_group_size=16)
    found = embed(tables, tmp_path / "out", network=MEAN, unit=16)
    assert (found.photos, found.used, found.units) == (80, 80, 6)
    rows = pa.dataset.dataset(tmp_path / "out" / "shards").to_table()
    ours, theirs = rows.slice(0, 40), rows.slice(40)
    assert ours.drop("address").equals(theirs.drop("address"))
    assert ours.column("address").to_pylist() == [f"{tables}/one.lance#{n}" for n in range(40)]
    assert theirs.select(["label", "split"]).equals(table.select(["label", "split"]))


def test_lance_tables_are_found_beside_others_and_by_a_pattern(table: pa.Table, tmp_path: Path) -> None:
    for name in ("a.lance", "c.LANCE", ".hidden.lance"):
        lance.write_dataset(table, tmp_path / "tables" / name)
    pq.write_table(table, tmp_path / "tables" / "b.parquet")
    (tmp_path / "tables" / ".DS_Store").write_bytes(b"")

    def found(source: str) -> list[str]:
        return [Path(entry.address).name for (entry,) in listed(tmp_path / source, 100)]

    assert found("tables") == ["a.lance", "b.parquet", "c.LANCE"]
    assert found("tables/*.lance") == ["a.lance"]
    assert found("t*/*") == ["a.lance", "b.parquet", "c.LANCE"]
    assert found("tables/c.LANCE") == ["c.LANCE"]


def test_a_table_that_changes_during_a_job_gives_the_rows_it_had(table: pa.Table, tmp_path: Path) -> None:
    address = tmp_path / "one.lance"
    lance.write_dataset(table, address, max_rows_per_file=7).delete("number % 5 = 0")
    assert listing.write(iter(listed(address)), Place(str(tmp_path / "units.parquet"))) == (2, 32)
    lance.dataset(address).delete("number < 30")
    lance.write_dataset(table, address, mode="append")
    units = listing.Units(Place(str(tmp_path / "units.parquet")))
    found = read([units.read(0), units.read(1)])
    assert numbers(found) == [number for number in range(40) if number % 5]
    assert [path for batch in found for path in batch.paths] == [f"{address}#{row}" for row in range(32)]


def test_a_job_whose_version_of_a_table_was_removed_ends(table: pa.Table, tmp_path: Path) -> None:
    lance.write_dataset(table, tmp_path / "one.lance")
    units = listed(tmp_path / "one.lance")
    lance.write_dataset(table, tmp_path / "one.lance", mode="append")
    lance.dataset(tmp_path / "one.lance").cleanup_old_versions(timedelta(0), delete_unverified=True)
    with pytest.raises(
        DataError, match=r"Version 1 of .+one\.lance, the newest .+ is no longer there: (.|\n)+ new folder"
    ):
        read(units)


def test_a_list_of_units_from_before_lance_is_still_read(table: pa.Table, tmp_path: Path) -> None:
    pq.write_table(table, tmp_path / "one.parquet")
    place = Place(str(tmp_path / "units.parquet"))
    listing.write(iter(listed(tmp_path / "one.parquet")), place)
    pq.write_table(pq.read_table(place.address).drop("version"), place.address)
    assert numbers(read([listing.Units(place).read(0)])) == list(range(40))


def test_blobs_are_bytes_and_other_bytes_are_not_taken_along(table: pa.Table, tmp_path: Path) -> None:
    blob = pa.field("photo", pa.large_binary(), metadata={"lance-encoding:blob": "true"})
    contents = [image["bytes"] for image in table.column("image").to_pylist()]
    schema = pa.schema([pa.field("mask", pa.large_binary()), blob, pa.field("number", pa.int64())])
    own = pa.table({"mask": contents, "photo": contents, "number": range(40)}, schema=schema)
    lance.write_dataset(own, tmp_path / "one.lance")
    (batch,) = read(listed(tmp_path / "one.lance", 40))
    assert [path.content for path in batch.paths if isinstance(path, InMemory)] == contents
    assert batch.carried.column_names == ["number"]


def test_a_damaged_table_keeps_the_rows_before_and_its_columns(table: pa.Table, tmp_path: Path) -> None:
    made = lance.write_dataset(table, tmp_path / "one.lance", max_rows_per_file=20)
    units = listed(tmp_path / "one.lance")
    damaged = tmp_path / "one.lance" / "data" / made.get_fragments()[1].metadata.files[0].path
    damaged.write_bytes(damaged.read_bytes()[:1000])
    found = read(units)
    assert [(len(batch.paths), batch.paths[0].partition("#")[2]) for batch in found] == [
        (16, "0"), (4, "16"), (1, "20"), (1, "32")
    ]  # fmt: skip
    assert found[2].broken.startswith("one.lance cannot be read to its end: ")
    assert found[2].carried.schema.equals(found[1].carried.schema)
    assert found[2].carried.to_pylist() == [{"label": None, "split": None, "number": None}]


def empty(folder: Path) -> None:
    folder.mkdir()


def damaged_list_of_files(folder: Path) -> None:
    """Its length is larger than the file, which ends in a panic of Rust, not in an exception."""
    lance.write_dataset(pa.table({"image": [b"x"]}), folder)
    (file,) = (folder / "_versions").glob("*.manifest")
    content = bytearray(file.read_bytes())
    (where,) = struct.unpack("<Q", content[-16:-8])
    content[where : where + 4] = struct.pack("<I", 2**30)
    file.write_bytes(content)


@pytest.mark.parametrize("make", [empty, Path.touch, damaged_list_of_files])
def test_what_is_no_lance_table_is_named(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "one.lance")
    with pytest.raises(DataError, match=r"one\.lance cannot be read as a Lance table: .+\nExpected a folder"):
        listed(tmp_path)


@pytest.mark.parametrize("name", ["one.lance", "one.parquet"])
def test_a_wrong_column_is_named_before_the_job_begins(name: str, table: pa.Table, tmp_path: Path) -> None:
    if name == "one.lance":
        lance.write_dataset(table, tmp_path / name)
    else:
        pq.write_table(table, tmp_path / name)
    with pytest.raises(DataError, match=r"no column 'imag' of (.+); its columns are image, label, (.|\n)*--column"):
        embed(tmp_path / name, tmp_path / "out", network=MEAN, column="imag")
    assert not list((tmp_path / "out").iterdir())


def test_a_missing_lance_is_named_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lance", None)
    with pytest.raises(MissingExtraError, match=r"headstart\[lance\]"):
        embed(tmp_path / "one.lance", tmp_path / "out", network=MEAN)


def test_a_plan_samples_a_lance_table(table: pa.Table, tmp_path: Path) -> None:
    lance.write_dataset(table, tmp_path / "one.lance")
    found = plan(tmp_path / "one.lance", network=MEAN)
    assert (found.photos, found.sample, found.failed) == (40, 30, 0)  # 10 of the 40 to warm up


def test_of_a_large_row_group_only_a_part_is_in_memory(tmp_path: Path) -> None:
    path, photos = tmp_path / "large.parquet", 96
    rows = [number.to_bytes(2) * 2**19 for number in range(photos)]
    pq.write_table(pa.table({"image": rows}), path, use_dictionary=False, compression="none", write_batch_size=8)
    before, most = pa.total_allocated_bytes(), 0
    found: list[bytes] = []
    for batch in batches([Entry("rows", str(path), count=1, photos=photos)]):
        most = max(most, pa.total_allocated_bytes() - before)
        now = [one.content for one in batch.paths if isinstance(one, InMemory) and isinstance(one.content, bytes)]
        found += now
        assert sum(map(len, now)) <= MOST_BYTES
    assert found == rows
    assert most < 32 * 2**20
