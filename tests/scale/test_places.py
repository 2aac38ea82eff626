"""Object stores: as source and as destination, on a server of the tests' own that is slow and fails."""

from __future__ import annotations

import io
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

from headstart.errors import DataError
from headstart.photos.pictures import InMemory
from headstart.progress import Silent
from headstart.scale import lance_table, listing, places
from headstart.scale.batches import batches
from headstart.scale.embedding import embed
from headstart.scale.job import Folder, Network
from headstart.scale.local import Local
from headstart.scale.places import Place, RequestError

MEAN = Network("mean:colours")


class Failing:
    """A WSGI application that answers late, some requests with an error, and refuses too many at once.

    Attributes:
        share: of requests that fail. delay: seconds before each answer. most: requests at once.
        failed, refused: how many.
    """

    def __init__(self, application: Any) -> None:
        self.application = application
        self.share, self.delay, self.most = 0.0, 0.0, 1000
        self.failed, self.refused = 0, 0
        self._chance = random.Random(5)
        self._lock, self._open = threading.Lock(), 0

    def __call__(self, environ: Any, start: Any) -> Any:
        with self._lock:
            self._open += 1
        try:
            if self._open > self.most:
                self.refused += 1
                return self._error(503, "SlowDown")(environ, start)
            time.sleep(self.delay)
            if self._chance.random() < self.share:
                self.failed += 1
                return self._error(500, "InternalError")(environ, start)
            return self.application(environ, start)
        finally:
            with self._lock:
                self._open -= 1

    def _error(self, status: int, code: str) -> Response:
        return Response(f"<Error><Code>{code}</Code></Error>", status, content_type="application/xml")


@pytest.fixture(scope="module")
def server() -> Iterator[Failing]:
    """An S3 server on this machine."""
    from moto.server import DomainDispatcherApplication, create_backend_app

    failing = Failing(DomainDispatcherApplication(create_backend_app))
    with pytest.MonkeyPatch.context() as patch:
        running = make_server("127.0.0.1", 0, failing, threaded=True)
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{running.server_port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "tests")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "tests")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        from pyarrow.fs import S3FileSystem

        url = f"http://127.0.0.1:{running.server_port}"
        S3FileSystem(allow_bucket_creation=True, region="us-east-1", endpoint_override=url).create_dir("bucket")
        yield failing
        running.shutdown()
        thread.join()
    places._system.cache_clear()


@pytest.mark.slow
def test_a_slow_store_that_fails_and_throttles_is_source_and_destination(photos: Path, server: Failing) -> None:
    for path in photos.rglob("*"):
        if path.is_file():
            (Place("s3://bucket/photos") / path.relative_to(photos).as_posix()).write(path.read_bytes())
    server.share, server.delay, server.most = 0.05, 0.01, 4
    found = embed("s3://bucket/photos", "s3://bucket/out", network=MEAN, unit=16, engine=Local(1))
    server.share, server.delay, server.most = 0.0, 0.0, 1000
    assert (found.photos, found.used, found.units) == (42, 40, 3)
    assert found.reasons == {"empty": 1, "not an image": 1}
    assert server.failed > 5
    assert server.refused > 5
    rows = [row for shard in Folder(Place("s3://bucket/out")).shards() for row in rows_of(shard)]
    assert {(row["address"], row["split"], row["label"]) for row in rows} == {
        (f"s3://bucket/photos/{path.relative_to(photos).as_posix()}", *path.parts[-3:-1])
        for path in photos.rglob("*")
        if path.is_file()
    }


def rows_of(shard: Place) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(pa.BufferReader(shard.read())).to_pylist()
    return rows


def test_a_failed_request_is_repeated_from_where_it_began(server: Failing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "PAUSES", (0.0, 0.0, 0.0, 0.0))
    content = bytes(range(256)) * 100
    place = Place("s3://bucket/file")
    place.write(content)
    monkeypatch.setattr(server, "share", 0.4)
    assert place.read() == content
    with place.open() as file:
        assert b"".join(iter(lambda: file.read(7000), b"")) == content
    assert place.read(10) == content[:11]


class Torn(io.BytesIO):
    """A file whose every second read fails after it has moved on, as a broken connection does."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.reads = 0

    def read(self, count: int | None = -1) -> bytes:
        found = super().read(count)
        self.reads += 1
        if self.reads % 2:
            raise OSError("the connection broke")
        return found


def test_a_read_that_breaks_off_begins_again_where_it_began(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "PAUSES", (0.0,))
    file = places._Patient(Torn(b"one two three"))
    assert [file.read(4), file.read(4), file.read(10)] == [b"one ", b"two ", b"three"]


def test_a_lance_table_in_a_store_is_read_and_a_store_that_fails_does_not_break_it(
    photos: Path, server: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    import lance

    monkeypatch.setenv("OBJECT_STORE_CLIENT_MAX_RETRIES", "0")
    contents = [path.read_bytes() for path in sorted((photos / "train" / "cat").glob("*.png"))]
    table = pa.table({"image": contents, "label": ["cat"] * len(contents)})
    lance.write_dataset(table, "s3://bucket/tables/one.lance", storage_options={"allow_http": "true"})
    (unit,) = listing.units(["s3://bucket/tables"], 64, Silent())
    (batch,) = batches(unit)
    assert batch.paths == tuple(f"s3://bucket/tables/one.lance#{row}" for row in range(len(contents)))
    assert [path.content for path in batch.paths if isinstance(path, InMemory)] == contents
    _, parts = lance_table.read(unit[0].address, unit[0].version, range(3))
    monkeypatch.setattr(server, "share", 1.0)
    with pytest.raises(RequestError, match="500 Internal Server Error"):
        next(parts)


def test_what_is_missing_is_not_asked_for_again(server: Failing) -> None:
    before = places.repeated()
    assert not Place("s3://bucket/nothing").exists()
    with pytest.raises(FileNotFoundError):
        Place("s3://bucket/nothing").read()
    with pytest.raises(DataError, match=r"s3://bucket/nothing holds no photos, or does not exist"):
        embed("s3://bucket/nothing", "s3://bucket/none", network=MEAN)
    assert places.repeated() == before


def test_what_fsspec_knows_can_be_read_and_written() -> None:
    place = Place("memory://bucket/folder")
    (place / "one.txt").write(b"one")
    assert (place / "one.txt").read() == b"one"
    assert place.entries() == ([], ["one.txt"])
    (place / "one.txt").remove()
    assert not (place / "one.txt").exists()
