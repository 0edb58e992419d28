# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Listing is cheap whatever there is: list requests only, a thousand keys each."""

from __future__ import annotations

import collections
import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common import keys as names
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import RemoteError, UnknownError
from ansible_collections.snapship.dr.plugins.module_utils._engine.local.host import Host
from ansible_collections.snapship.dr.plugins.module_utils._engine.repository.snapship_catalog import SnapshipCatalog
from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import backup_info
from ansible_collections.snapship.dr.tests.support.needs import need_machine_id
from ansible_collections.snapship.dr.tests.support.s3_fixtures import Bucket
from ansible_collections.snapship.dr.tests.support.seaweed import Key
from ansible_collections.snapship.dr.tests.unit.engine.place import MIB, Place

COUNT = 10_000


def keys(count: int, per_chain: int) -> list[str]:
    """Manifest keys of backups an hour apart, ten volumes, chains of this length."""
    start = time.time() - (count + 1) * 3600
    made: list[str] = []
    last: dict[str, str] = {}
    for number in range(count):
        volume = names.encode(f"/srv/{number % 10}.img")
        base = last.get(volume) if number // 10 % per_chain else None
        last[volume] = names.mint_id(start + number * 3600)
        made.append(names.BackupKey("o", volume, last[volume], base).manifest)
    return made


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[SnapshipCatalog]:
    """Catalogs that are opened, with their stores' request counts."""
    opened: list[SnapshipCatalog] = []
    original = SnapshipCatalog.open.__func__  # type: ignore[attr-defined]  # it is a class method

    def noting(cls: type[SnapshipCatalog], *how: Any) -> SnapshipCatalog:
        opened.append(original(cls, *how))
        return opened[-1]

    monkeypatch.setattr(SnapshipCatalog, "open", classmethod(noting))
    return opened


def requests(opened: list[SnapshipCatalog]) -> dict[str, int]:
    total: dict[str, int] = {}
    for catalog in opened:
        for kind, count in catalog.store.requests.items():
            total[kind] = total.get(kind, 0) + count
    return total


@pytest.mark.parametrize("per_chain", [30, COUNT])
def test_ten_thousand_backups_in_a_directory(place: Place, counted: list[SnapshipCatalog], per_chain: int) -> None:
    for key in keys(COUNT, per_chain):
        path = place.remote / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = place.list()
    check(found, per_chain)
    made = requests(counted)
    assert made["list"] <= 11
    assert made["get"] == made["put"] == made["delete"] == 0


@pytest.mark.parametrize("per_chain", [30, 3000])
def test_work_does_not_grow_with_the_square_of_the_number(place: Place, per_chain: int) -> None:
    for key in keys(3000, per_chain):
        path = place.remote / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with calls() as count:
        found = place.list()
    assert len(found) == 3000
    told = sum(len(item["chain"]) for item in found)
    assert 100 * 3000 < count["all"] < 400 * 3000 + 3 * told  # the square is 9,000,000


@contextlib.contextmanager
def calls() -> Iterator[collections.Counter[str]]:
    """Counts what this thread calls, Python's own functions included: work, however busy the machine is."""
    count: collections.Counter[str] = collections.Counter()

    def note(_frame: object, event: str, _argument: object) -> None:
        count["all"] += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield count
    finally:
        sys.setprofile(before)


def check(found: list[dict[str, Any]], per_chain: int) -> None:
    assert len(found) == COUNT
    assert [item["id"] for item in found] == sorted((item["id"] for item in found), reverse=True)
    assert all(item["complete"] for item in found)
    assert max(item["chain_length"] for item in found) == min(per_chain, COUNT // 10)
    assert {item["volume"] for item in found} == {f"/srv/{number}.img" for number in range(10)}
    assert found[-1]["chain"] == [found[-1]["id"]]


class _S3(BaseHTTPRequestHandler):
    """As much of S3 as listing takes, so that ten thousand objects needn't be put first."""

    protocol_version = "HTTP/1.1"
    stored: list[str] = []
    seen: list[str] = []

    def do_GET(self) -> None:
        from urllib.parse import parse_qs, urlsplit
        from xml.sax.saxutils import escape

        self.seen.append(self.path)
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        prefix, after = query.get("prefix", ""), query.get("continuation-token", "")
        limit = int(query.get("max-keys", "1000"))
        there = [key for key in self.stored if key.startswith(prefix) and key > after]
        page, more = there[:limit], len(there) > limit
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>1</Size><LastModified>2026-03-09T14:30:00.000Z</LastModified>"
            '<ETag>"0"</ETag></Contents>'
            for key in page
        )
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        body = (
            '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{contents}</ListBucketResult>"
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def test_ten_thousand_backups_in_a_bucket(tmp_path: Path, counted: list[SnapshipCatalog]) -> None:
    _S3.stored, _S3.seen = sorted("p/" + key for key in keys(COUNT, 30)), []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _S3)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        spec = {
            "type": "s3",
            "bucket": "b",
            "prefix": "p",
            "endpoint_url": f"http://127.0.0.1:{server.server_port}",
            "region": "us-east-1",
            "access_key": "a",
            "secret_key": "s",
        }
        found = backup_info.listing(Host(str(tmp_path / "cfg")), backup_info.Request(remote_spec=spec, origin="o"))
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    check(found, 30)
    assert len(_S3.seen) <= 11
    assert requests(counted) == {"list": len(_S3.seen), "get": 0, "put": 0, "delete": 0, "head": 0}


def test_a_real_bucket_is_listed_and_restored_from_by_another_host(place: Place, bucket: Bucket) -> None:
    need_machine_id()

    def with_key(key: Key) -> dict[str, Any]:
        return {
            "type": "s3",
            "bucket": bucket.name,
            "prefix": "some/where",
            "endpoint_url": bucket.endpoint,
            "region": bucket.region,
            "access_key": key.access_key,
            "secret_key": key.secret_key,
        }

    bucket.client.put_object(Bucket=bucket.name, Key="some/where-else/backups/o/x/y", Body=b"1")
    bucket.client.put_object(Bucket=bucket.name, Key="some/where/backups/o/x/y", Body=b"1")
    place.options = with_key(bucket.rw)
    image = place.image(data=b"1" * MIB)
    first = place.one(image)
    place.write(image, 5, b"2")
    second = place.one(image)
    assert second["base"] == first["id"], second["reason"]
    other = place.beside("rescue", **with_key(bucket.ro))
    found = other.list(origin="*", details=True)
    assert [(item["id"], item["complete"]) for item in found] == [(second["id"], True), (first["id"], True)]
    assert other.content(image, second["id"]) == Path(image).read_bytes()
    before = bucket.objects()
    assert not place.ship(image, max_age="1h").changed
    place.ship(image, check=True)
    assert bucket.objects() == before
    outcome = other.ship(image)
    assert [each["code"] for each in outcome.failures] == ["denied"]
    assert {key: value for key, value in bucket.objects().items() if "inflight" not in key} == before


def test_one_volume_and_one_backup(place: Place) -> None:
    images = [place.image(f"{name}.img", data=name.encode()) for name in "ab"]
    ids = [place.one(image)["id"] for image in images]
    assert [item["id"] for item in place.list(images[0])] == ids[:1]
    assert [item["id"] for item in place.list(*images)] == ids[::-1]
    assert place.list("/none") == []
    (item,) = place.list(id=ids[0])
    assert (item["volume"], item["snapshot"] is None) == (images[0], False)
    with pytest.raises(UnknownError, match="0123456789abcdef"):
        place.list(id="20260309T143000.123456Z-0123456789abcdef")


def test_a_remote_that_is_not_there_is_an_error_not_an_empty_list(place: Place) -> None:
    with pytest.raises(RemoteError, match="remote") as caught:
        place.list()
    assert caught.value.code == "missing"


def test_what_is_wrong_with_a_backup_is_said(place: Place) -> None:
    image = place.image(data=b"x")
    ids = [place.one(image)["id"] for _round in range(3)]
    paths = {each: next(place.remote.glob(f"backups/*/*/{each}~*")) for each in ids}
    paths[ids[1]].write_bytes(b"{")
    found = place.list(details=True)
    (middle,) = (item for item in found if item["id"] == ids[1])
    assert not middle["complete"] and "cut short" in middle["problem"]


def test_many_readers_at_once(place: Place) -> None:
    image = place.image(data=b"x")
    for _round in range(3):
        place.one(image)
    with ThreadPoolExecutor(8) as pool:
        assert {len(found) for found in pool.map(lambda _number: place.list(details=True), range(32))} == {3}
