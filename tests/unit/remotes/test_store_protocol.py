# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every store keeps to, on a real bucket and on a real directory."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import CorruptError, RemoteError
from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes import store
from ansible_collections.snapship.dr.tests.support.standing_time import StandingTime

LARGE = 3 << 20
MISSING = "data/web1/tank%2Fdb/1/00000000"


def keys(store: Any, prefix: str = "") -> list[str]:
    return [entry.key for entry in store.list(prefix)]


@pytest.mark.parametrize("size", [0, 1, 65536, 65537, LARGE])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_what_was_put_is_got(store: Any, size: int, kind: type) -> None:
    content = os.urandom(size)
    store.put("data/web1/tank%2Fdb/1/00000000", kind(content), sha256=hashlib.sha256(content).hexdigest())
    assert store.get("data/web1/tank%2Fdb/1/00000000", size) == content


def test_a_memoryview_of_larger_items_is_put_whole(store: Any) -> None:
    store.put("data/words", memoryview(bytes(range(80))).cast("Q"))
    assert store.get("data/words", 80) == bytes(range(80))


def test_a_put_replaces(store: Any) -> None:
    store.put("inflight/a", b"one")
    store.put("inflight/a", b"two")
    assert store.get("inflight/a", 3) == b"two"


def test_what_is_missing_is_none(store: Any) -> None:
    assert store.get(MISSING, 10) is None


def test_a_longer_object_than_the_limit_is_refused(store: Any) -> None:
    store.put("data/a", b"12345")
    assert store.get("data/a", 5) == b"12345"
    with pytest.raises(CorruptError, match="data/a: .* 5 bytes"):
        store.get("data/a", 4)


def test_an_exclusive_put_of_the_same_bytes_is_success(store: Any) -> None:
    content = os.urandom(LARGE)
    store.put("backups/a", content, exclusive=True)
    store.put("backups/a", content, exclusive=True)
    assert store.get("backups/a", LARGE) == content


@pytest.mark.parametrize("other", [b"other", b"longer than what is there", b""])
def test_an_exclusive_put_of_other_bytes_is_refused(store: Any, other: bytes) -> None:
    store.put("backups/a", b"first", exclusive=True)
    with pytest.raises(RemoteError, match="backups/a exists already with another content") as caught:
        store.put("backups/a", other, exclusive=True)
    assert caught.value.code == "exists"
    assert store.get("backups/a", 5) == b"first"


def test_of_many_exclusive_writers_one_wins(store: Any) -> None:
    outcomes: list[str] = []

    def write(number: int) -> None:
        try:
            store.put("backups/a", str(number).encode(), exclusive=True)
            outcomes.append(str(number))
        except RemoteError as error:
            outcomes.append(error.code)

    run_all(write, 8)
    assert outcomes.count("exists") == 7
    winner = next(each for each in outcomes if each != "exists")
    assert store.get("backups/a", 10) == winner.encode()


def test_listing_is_below_the_prefix_only(store: Any) -> None:
    for key in ("backups/a/1", "backups/a/2", "backups/ab/1", "data/a/1"):
        store.put(key, b"x")
    assert sorted(keys(store, "backups/a/")) == ["backups/a/1", "backups/a/2"]
    assert sorted(keys(store, "backups/a")) == ["backups/a/1", "backups/a/2", "backups/ab/1"]
    assert keys(store, "backups/a/2") == ["backups/a/2"]
    assert len(keys(store)) == 4
    assert keys(store, "backups/nothing/") == []


def test_an_entry_has_size_and_time(store: Any) -> None:
    store.put("data/a", b"12345")
    (entry,) = store.list("data/")
    assert entry.size == 5
    assert abs(entry.modified - store.now()) < 5


def test_folders_are_the_next_components(store: Any) -> None:
    for key in ("backups/a/1", "backups/a/2", "backups/b/c/1", "backups/loose"):
        store.put(key, b"x")
    assert sorted(store.folders("backups/")) == ["a", "b"]
    assert store.folders("nothing/") == []
    assert store.folders("") == ["backups"]


def test_names_come_back_as_they_were(store: Any) -> None:
    names = ["a b", "%20", "a'b\"c", "$(id);ls", "-rf", "ünïcode", "a+b&c=d", "~", "x" * 200]
    for name in names:
        store.put(f"data/{name}/1", name.encode())
    assert sorted(store.folders("data/")) == sorted(names)
    assert sorted(keys(store)) == sorted(f"data/{name}/1" for name in names)
    assert store.get("data/$(id);ls/1", 100) == b"$(id);ls"
    store.delete([f"data/{name}/1" for name in names])
    assert keys(store) == []


def test_deleting_tolerates_what_is_missing(store: Any) -> None:
    store.put("data/a", b"x")
    store.put("data/b", b"x")
    store.delete(["data/a", MISSING])
    store.delete([])
    assert keys(store) == ["data/b"]


@pytest.fixture
def slowed(monkeypatch: pytest.MonkeyPatch) -> StandingTime:
    """The waits that a bandwidth limit asks for, from when it began."""
    standing = StandingTime()
    monkeypatch.setattr(store, "time", standing)
    return standing


def test_the_clock_is_about_right(store: Any) -> None:
    before = time.time()
    assert before - 60 < store.now() < time.time() + 60


def test_probing_finds_everything_and_leaves_nothing(store: Any) -> None:
    found = store.probe(write=True, delete=True)
    assert found == (True, True, True, True, True, False)
    assert keys(store) == []


def test_probing_for_reading_writes_nothing(store: Any) -> None:
    found = store.probe(write=False, delete=False)
    assert (found.list, found.read, found.write, found.delete) == (True, True, None, None)
    assert store.requests["put"] == store.requests["delete"] == 0


def test_probing_an_append_only_remote_deletes_nothing(opened: Any) -> None:
    store = opened(append_only=True)
    found = store.probe(write=True, delete=False)
    assert (found.write, found.delete) == (True, None)
    assert store.requests["delete"] == 0
    assert len(keys(store, "probe/")) == 1


def test_requests_are_counted(store: Any) -> None:
    store.put("data/a", b"x")
    store.get("data/a", 1)
    store.delete(["data/a"])
    keys(store)
    assert store.requests == {"list": 1, "get": 1, "put": 1, "delete": 1, "head": 0}


def test_it_is_there_and_not_made_again(store: Any) -> None:
    assert store.exists()
    assert not store.create()


def test_many_threads_share_a_store(store: Any) -> None:
    contents = [os.urandom(1 << 20) for _index in range(16)]

    def work(number: int) -> None:
        for part in range(3):
            store.put(f"data/{number}/{part}", contents[number])
        for part in range(3):
            assert store.get(f"data/{number}/{part}", 1 << 20) == contents[number]
        store.delete([f"data/{number}/1"])

    run_all(work, len(contents))
    store.sync()
    assert len(keys(store)) == 32


def test_the_bandwidth_limit_counts_for_all_threads_together(opened: Any, slowed: StandingTime) -> None:
    store = opened(bandwidth_limit="2M")
    run_all(lambda number: store.put(f"data/{number}", bytes(1 << 20)), 3)
    sent = max(slowed.asked)
    assert 1.2 < sent < 1.7
    assert store.get("data/1", 1 << 20) == bytes(1 << 20)
    assert max(slowed.asked) > sent + 0.3


def run_all(work: Any, count: int) -> None:
    failures: list[BaseException] = []

    def one(number: int) -> None:
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001 - the assertion below shows it
            failures.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_part_of_an_object(store: Any) -> None:
    content = os.urandom(LARGE)
    store.put("data/large", content)
    for offset, length in ((0, 1), (0, LARGE), (5, 70_000), (LARGE - 1, 1)):
        assert store.get_range("data/large", offset, length) == content[offset : offset + length]
    assert store.get_range(MISSING, 0, 10) is None


def test_a_part_that_is_not_there_whole_is_refused(store: Any) -> None:
    store.put("data/a", b"12345")
    for offset, length in ((0, 6), (4, 2), (5, 1), (100, 10)):
        with pytest.raises(CorruptError, match="data/a: .* shorter"):
            store.get_range("data/a", offset, length)


def test_a_part_is_read_as_slowly_as_all_else(opened: Any, slowed: StandingTime) -> None:
    content = os.urandom(300_000)
    opened().put("data/a", content)
    slow = opened(bandwidth_limit="200K")
    assert slow.get_range("data/a", 100_000, 200_000) == content[100_000:]
    assert max(slowed.asked) > 0.6
