# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server that means harm gets a bounded time and bounded memory, and no message repeats what it was sent.

``SNAPSHIP_HOSTILE`` says how many random rounds there are.
"""

from __future__ import annotations

import itertools
import os
import random
import resource
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import RemoteError, SnapshipError
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.units import iso_time
from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.registry import open_store, parse_remote
from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.s3 import limits, page_trail, requests
from ansible_collections.snapship.dr.tests.support.hostile_s3 import HARM, HostileS3

ROUNDS = int(os.environ.get("SNAPSHIP_HOSTILE", "200"))
PEAK_KIB = 400 << 10
ACCESS, SECRET, TOKEN = "AKIACANARY7Q2ZX9WKLM", "canarySecret/Xy+0123456789abcdefABCDEF", "canaryToken" + "7Gq/+=" * 40
ACTIONS: dict[str, Callable[[Any], object]] = {
    "list": lambda store: [iso_time(entry.modified) + "x" * min(entry.size, 9) for entry in store.list("data/")],
    "folders": lambda store: store.folders("data/"),
    "get": lambda store: store.get("data/a", 1000),
    "range": lambda store: store.get_range("data/a", 5, 10),
    "earlier": lambda store: list(store.earlier("data/a", 1000)),
    "put": lambda store: store.put("data/a", b"x"),
    "put-large": lambda store: store.put("data/a", bytes(200_000)),
    "put-exclusive": lambda store: store.put("backups/a", b"x", exclusive=True),
    "delete": lambda store: store.delete(["data/a", "data/b"]),
    "now": lambda store: store.now(),
    "exists": lambda store: store.exists(),
    "probe": lambda store: store.probe(True, True),
    "lock": lambda store: store.extend_lock(["data/a"], 1e12),
}


class Jumping:
    """A clock that says that each look at it is half a minute later: a drip lasts long without a test that does."""

    def __init__(self) -> None:
        self._now = itertools.count(0.0, 30.0)

    def monotonic(self) -> float:
        return next(self._now)


class Hurry:
    """The pauses between tries, without the waiting."""

    def __getattr__(self, name: str) -> Any:
        return getattr(__import__("time"), name)

    def sleep(self, _seconds: float) -> None:
        """At once."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    import botocore.endpoint

    monkeypatch.setattr(requests, "time", Hurry())
    monkeypatch.setattr(botocore.endpoint, "time", Hurry())
    monkeypatch.setattr(page_trail, "PAGES", 50, raising=True)
    monkeypatch.setattr(page_trail, "EMPTY", 20, raising=True)
    monkeypatch.setattr(limits, "BODY", 4 << 20)


class Scene:
    """A server with a store on it, for all tests: to open one takes a good part of a second."""

    def __init__(self, server: HostileS3) -> None:
        self.server = server
        self._store: Any = None

    @property
    def store(self) -> Any:
        if self._store is None:
            options = {"type": "s3", "bucket": "b", "prefix": "p", "endpoint_url": self.server.endpoint}
            keys = {"access_key": ACCESS, "secret_key": SECRET, "session_token": TOKEN}
            self._store = open_store(parse_remote("r", {**options, **keys, "object_lock_days": 1}))
        return self._store

    @property
    def asked(self) -> int:
        """Requests since the last call of :meth:`tried`."""
        return len(self.server.asked)

    def tried(self, kinds: Iterator[str], action: str, first: int = 0) -> SnapshipError | None:
        """The error of an action, if it has one: that is a line, and quotes nothing. ``first``: number of requests."""
        self.server.begin(kinds, first)
        try:
            ACTIONS[action](self.store)
        except SnapshipError as error:
            said = str(error) + repr(error.as_dict())
            for secret in (ACCESS, SECRET, TOKEN):
                shared = [secret[at : at + 10] for at in range(len(secret) - 9) if secret[at : at + 10] in said]
                assert not shared, said
            assert "Signature" not in said, said
            assert "AWS4-" not in said, said
            assert str(error).isprintable()
            assert len(error.msg) < 1000, said
            return error.with_traceback(None)
        return None


@pytest.fixture(scope="module")
def shared() -> Iterator[Scene]:
    with HostileS3() as server:
        yield Scene(server)


@pytest.fixture
def scene(shared: Scene) -> Iterator[Scene]:
    """Checks that a test took no more memory than it may."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield shared
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < PEAK_KIB


@pytest.mark.parametrize("kind", ["same_token", "tokens_in_a_circle", "no_token", "empty_pages", "endless_pages"])
@pytest.mark.parametrize("action", ["list", "folders"])
def test_a_listing_that_leads_nowhere(scene: Scene, kind: str, action: str) -> None:
    error = scene.tried(itertools.repeat(kind), action)
    assert isinstance(error, RemoteError)
    assert "this isn't a listing of S3" in error.msg
    assert scene.asked <= 50


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("kind", ["absurd_sizes", "missing_parts"])
def test_entries_that_cannot_be(scene: Scene, kind: str, number: int) -> None:
    assert isinstance(scene.tried(itertools.repeat(kind), "list", number), RemoteError)


def test_times_that_no_calendar_has(scene: Scene) -> None:
    """Some servers say the year 1 where they know no time: that is no reason to see nothing."""
    refused = [scene.tried(itertools.repeat("absurd_times"), "list", number) for number in range(6)]
    assert len([each for each in refused if each is None]) >= 2
    assert all(each is None or isinstance(each, RemoteError) for each in refused)


@pytest.mark.parametrize("action", ["list", "get", "put", "put-large", "delete"])
@pytest.mark.parametrize("kind", [name for name in HARM if name.startswith("endless_") and name != "endless_pages"])
def test_what_has_no_end(scene: Scene, kind: str, action: str) -> None:
    assert isinstance(scene.tried(itertools.repeat(kind), action), SnapshipError)
    assert scene.asked <= 20


@pytest.mark.parametrize("kind", ["drip", "drip_of_headers"])
@pytest.mark.parametrize("action", ["list", "get", "put", "put-large", "delete"])
def test_a_byte_every_half_minute(scene: Scene, monkeypatch: pytest.MonkeyPatch, kind: str, action: str) -> None:
    monkeypatch.setattr(limits, "time", Jumping())
    error = scene.tried(itertools.repeat(kind), action)
    assert error is not None
    assert "the server sends too slowly" in error.msg
    assert scene.asked == 1, "it isn't asked again"


@pytest.mark.parametrize("action", ["list", "get", "put-large"])
def test_a_hundred_and_nothing_more(scene: Scene, action: str) -> None:
    """botocore itself looks for the end of these headers for ever."""
    error = scene.tried(itertools.repeat("continue_and_gone"), action)
    assert error is not None
    assert error.code == "unreachable"


@pytest.mark.parametrize("kind", ["growing_entities", "deep_xml", "many_elements"])
def test_xml_that_grows(scene: Scene, kind: str) -> None:
    assert scene.tried(itertools.repeat(kind), "list") is not None


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("kind", ["lengths", "two_lengths"])
def test_an_object_is_read_no_further_than_its_limit(scene: Scene, kind: str, number: int) -> None:
    scene.tried(itertools.repeat(kind), "get", number)
    assert scene.asked <= 16


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("kind", [name for name in HARM if name.startswith("echo_")])
def test_nothing_is_echoed(scene: Scene, kind: str, action: str) -> None:
    for number in range(3):
        scene.tried(itertools.repeat(kind), action, number)


def test_random_harm(scene: Scene) -> None:
    """Any mixture, any action: a result or a line, within bounds."""
    source = random.Random(1201)
    names = sorted(name for name in HARM if not name.startswith("drip"))  # these have a test with a clock of its own
    failed = 0
    for _round in range(ROUNDS):
        error = scene.tried(iter(lambda: source.choice([*names, "kind"]), None), source.choice(sorted(ACTIONS)))
        failed += error is not None
        assert scene.asked < 400
    assert failed > ROUNDS // 3
