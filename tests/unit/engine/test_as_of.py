# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bucket with versioning as it was: what was overwritten, deleted or added since then doesn't count."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import RemoteError, UsageError
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.outcome import Outcome
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.units import iso_time
from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import cat
from ansible_collections.snapship.dr.tests.support.needs import need_machine_id
from ansible_collections.snapship.dr.tests.support.s3_fixtures import Bucket
from ansible_collections.snapship.dr.tests.support.seaweed import Key
from ansible_collections.snapship.dr.tests.unit.engine.place import KEY, MIB, Place


@pytest.fixture
def versioned(bucket: Bucket) -> Bucket:
    bucket.client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    return bucket


@pytest.fixture(params=[None, KEY], ids=["plain", "encrypted"])
def place(request: pytest.FixtureRequest, tmp_path: Path, versioned: Bucket) -> Place:
    need_machine_id()
    more = {"encryption_key": request.param} if request.param else {}
    return Place(tmp_path, **spec(versioned, versioned.rw), **more)


def spec(bucket: Bucket, key: Key) -> dict[str, Any]:
    return {
        "type": "s3",
        "bucket": bucket.name,
        "prefix": "some/where",
        "endpoint_url": bucket.endpoint,
        "region": bucket.region,
        "access_key": key.access_key,
        "secret_key": key.secret_key,
    }


def later(bucket: Bucket) -> str:
    """A time of the server's clock that comes after all so far; what follows comes after it. Its times are seconds."""
    reply = bucket.client.list_objects_v2(Bucket=bucket.name, MaxKeys=1)
    stamp = reply["ResponseMetadata"]["HTTPHeaders"]["date"]
    moment = datetime.datetime.strptime(stamp, "%a, %d %b %Y %H:%M:%S %Z").replace(tzinfo=datetime.timezone.utc)
    time.sleep(1.1)
    return iso_time(moment.timestamp())


def damage(bucket: Bucket, key: str) -> None:
    """What a key that may only put can do."""
    bucket.client.put_object(Bucket=bucket.name, Key=key, Body=b"x")


def test_what_was_overwritten_and_deleted_is_read_as_it_was(place: Place, versioned: Bucket) -> None:
    image = place.image(data=b"1" * MIB)
    full = place.one(image)["id"]
    place.write(image, 5, b"2")
    newest = place.one(image)
    assert newest["base"] == full, newest["reason"]
    then, content = later(versioned), Path(image).read_bytes()
    before = place.list(details=True)
    for key in versioned.keys("some/where/data/"):
        damage(versioned, key)
    for key in versioned.keys("some/where/backups/"):
        versioned.client.delete_object(Bucket=versioned.name, Key=key)
    place.write(image, 7, b"3")
    (failure,) = place.ship(image).failures
    assert failure["code"] == "remote_went_back", "that all of it is gone is told before anything is shipped"
    after = place.one(image, accept_lost=[newest["id"]])
    assert [each["id"] for each in place.list()] == [after["id"]]
    rescue = place.beside("rescue", **spec(versioned, versioned.rw))
    found = rescue.list(as_of=then, details=True)
    assert [{**each, "age": 0} for each in found] == [{**each, "age": 0} for each in before]
    assert all(-1 < each["age"] < 3600 for each in found)  # the server's times are whole seconds
    assert not rescue.verify(image, mode="data", as_of=then).failures
    target = str(place.root / "restored")
    outcome = rescue.fetch(image, target, as_of=then)
    assert not outcome.failures, outcome.failures
    assert Path(target).read_bytes() == content
    assert not rescue.fetch(image, target, as_of=then).changed
    pieces: list[bytes] = []
    there = {"remote_spec": rescue.options, "origin": "o", "as_of": then}
    cat.read(rescue.host, cat.Request(volume=image, offset=0, length=16, **there), pieces.append)
    assert b"".join(pieces) == content[:16]
    assert [each["id"] for each in place.list(as_of=later(versioned))] == [after["id"]]
    assert place.list(as_of="2020-01-01T00:00:00Z") == []


def test_a_verification_of_the_past_is_no_proof_of_today(place: Place, versioned: Bucket) -> None:
    image = place.image(data=b"1" * MIB)
    place.one(image)
    then = later(versioned)
    assert place.verify(image, mode="data", as_of=then).changed
    assert place.verify(image, mode="data", max_age="1d").changed
    with pytest.raises(UsageError, match="max_age and as_of"):
        place.verify(image, mode="data", max_age="1d", as_of=then)


def test_an_overwritten_manifest_is_read_in_its_oldest_intact_version(place: Place, versioned: Bucket) -> None:
    image = place.image(data=b"1" * MIB)
    backup_id = place.one(image)["id"]
    before = place.list(details=True)
    (key,) = versioned.keys("some/where/backups/")
    for _round in range(3):
        damage(versioned, key)
    found = place.list(details=True)
    assert [{**each, "age": 0} for each in found] == [{**each, "age": 0} for each in before]
    assert place.content(image, backup_id) == b"1" * MIB
    place.write(image, 5, b"2")
    assert place.one(image)["base"] == backup_id
    then = later(versioned)
    damage(versioned, key)
    assert place.list(as_of=then, id=backup_id)[0]["complete"]


def test_a_key_that_may_only_read_sees_the_past(place: Place, versioned: Bucket) -> None:
    image = place.image(data=b"1" * MIB)
    backup_id = place.one(image)["id"]
    then = later(versioned)
    for key in versioned.keys("some/where/"):
        versioned.client.delete_object(Bucket=versioned.name, Key=key)
    reader = place.beside("reader", **spec(versioned, versioned.ro))
    assert [each["id"] for each in reader.list(as_of=then)] == [backup_id]


def test_a_time_without_an_offset_is_utc_and_said_so(place: Place, versioned: Bucket) -> None:
    image = place.image(data=b"1")
    place.one(image)
    then = later(versioned).rstrip("Z")
    outcome = place.fetch(image, str(place.root / "restored"), as_of=then)
    assert [text for text in outcome.warnings if "as_of" in text and "UTC" in text]


@pytest.mark.parametrize("kind", ["directory", "s3"])
def test_where_there_is_no_past_it_is_refused(tmp_path: Path, bucket: Bucket, kind: str) -> None:
    need_machine_id()
    place = Place(tmp_path, **(spec(bucket, bucket.rw) if kind == "s3" else {}))
    image = place.image(data=b"1")
    place.one(image)
    asked = {"as_of": "2026-03-09T12:00:00Z"}
    with pytest.raises(UsageError, match="keeps no versions"):
        place.list(**asked)
    target = tmp_path / "restored"
    codes = [
        _refusal(lambda: place.verify(image, mode="data", **asked)),
        _refusal(lambda: place.fetch(image, str(target), **asked)),
    ]
    assert codes == ["no_versions"] * 2
    assert not target.exists()


def _refusal(work: Callable[[], Outcome]) -> str:
    """The code of the error, whether it stopped all or one volume."""
    try:
        (failure,) = work().failures
    except UsageError as error:
        return error.code
    return str(failure["code"])


def test_the_future_is_refused(place: Place) -> None:
    place.one(place.image(data=b"1"))
    with pytest.raises(UsageError, match="in the future"):
        place.list(as_of=iso_time(time.time() + 3600))


def test_the_past_can_only_be_read(place: Place, versioned: Bucket) -> None:
    place.one(place.image(data=b"1"))
    store = place.catalog().store.as_of(time.time())  # type: ignore[attr-defined]  # it is a bucket
    before = versioned.objects()
    for attempt in (
        lambda: store.put("a", b""),
        lambda: store.delete(["a"]),
        store.create,
        lambda: store.extend_lock(["a"], 0.0),
    ):
        with pytest.raises(RemoteError, match="as of .*: the past can't be changed"):
            attempt()
    assert versioned.objects() == before
