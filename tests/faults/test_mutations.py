# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A store is changed at random: what is restored or read is right, or it is refused in words; and work goes on.

``SNAPSHIP_MUTATIONS`` says how many changes of each kind of store.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import SnapshipError
from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import cat
from ansible_collections.snapship.dr.tests.faults.places import KEY, ORIGIN, Place, directory_options

MUTATIONS = int(os.environ.get("SNAPSHIP_MUTATIONS", "60"))
SIZE = 2 << 20
SEED = 1109
PEAK_KIB = 400 << 10  # that reading may add, whatever lies there
KINDS = {
    "plain": {"compression": "none"},
    "zstd": {},
    "encrypted": {"encryption_key": KEY},
}
Change = Callable[[random.Random, bytes], bytes]


def _flip(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def _noise(rng: random.Random, data: bytes) -> bytes:
    at, length = rng.randrange(len(data)), rng.randrange(1, 200)
    return (data[:at] + rng.randbytes(length) + data[at + length :])[: len(data)]


def _number(rng: random.Random, data: bytes) -> bytes:
    """One aligned field becomes an extreme."""
    width = rng.choice((2, 4, 8))
    at = rng.randrange(max(len(data) // width, 1)) * width
    value = rng.choice((0, 1, (1 << 8 * width) - 1, 1 << (8 * width - 1), 4096)) % (1 << 8 * width)
    return (data[:at] + value.to_bytes(width, "big") + data[at + width :])[: max(len(data), width)]


def _cut(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def _grow(rng: random.Random, data: bytes) -> bytes:
    return data + rng.choice((b"\0", data, rng.randbytes(5000), bytes(1 << 20)))


def _forge(rng: random.Random, data: bytes) -> bytes:
    """A member of a manifest is another, and the digest is right again. Anybody can do that who has no key."""
    try:
        fields = json.loads(data.partition(b"\n")[2])
    except ValueError:
        return _flip(rng, data)
    extremes = (
        0,
        -1,
        (1 << 53) - 1,
        1 << 63,
        1e300,
        None,
        "",
        "x" * 1000,
        [],
        {},
        [[[[]]]],
        True,
        dict(fields["index"]),
    )
    holder = rng.choice([fields, *(value for value in fields.values() if isinstance(value, dict) and value)])
    holder[rng.choice(sorted(holder))] = rng.choice(extremes)
    body = json.dumps(fields).encode()
    return b"snapship 1 sha256:" + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


RAW: list[Change] = [_flip, _noise, _number, _cut, _grow]


class Mutated:
    """A chain of three on a store, and what its newest backup holds."""

    def __init__(self, root: Path, **options: Any) -> None:
        self.place = Place(root, directory_options(root, **options))
        rng = random.Random(SEED)
        self.place.write(0, rng.randbytes(SIZE))
        for _each in range(3):
            self.newest = self.place.ship()
            before = self.place.image.read_bytes()
            self.place.scribble(rng, SIZE, 3, 30_000)
        self.content = before
        self.store = Path(self.place.options["path"])
        self.keys = [key for key in self.place.stored() if not key.startswith("tmp/")]

    def look(self, forged: bool) -> int:
        """Everything that reads: right, or refused in words. Returns how often it was refused."""
        refused = 0
        target = self.place.root / "restored.img"
        target.unlink(missing_ok=True)
        self.place.listing()
        outcome = self.place.restore(target, self.newest)
        if outcome.failures:
            refused += 1
            assert all(each["msg"] and each["code"] for each in outcome.failures)
            assert not target.exists()
        else:
            assert forged or target.read_bytes() == self.content
        refused += bool(self.place.verify("data").failures)
        found = bytearray()
        request = cat.Request(remote_spec=self.place.options, origin=ORIGIN, volume=str(self.place.image))
        request.backup = self.newest
        try:
            cat.read(self.place.host("r"), request, found.extend)
            assert forged or bytes(found) == self.content
        except SnapshipError:
            refused += 1
            assert forged or self.content.startswith(bytes(found))
        return refused


@pytest.mark.parametrize("kind", list(KINDS))
def test_right_bytes_or_a_clean_refusal(memory_path: Path, small_segments: None, kind: str) -> None:
    mutated = Mutated(memory_path, **KINDS[kind])
    rng = random.Random(SEED + len(kind))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused = 0
    for number in range(MUTATIONS):
        key = rng.choice(mutated.keys)
        path = mutated.store / key
        whole = path.read_bytes()
        forged = number % 4 == 3 and key.startswith("backups/")
        change = _forge if forged else rng.choice(RAW)
        path.chmod(0o600)
        if rng.random() < 0.1:
            other = mutated.store / rng.choice(mutated.keys)
            path.write_bytes(other.read_bytes())
        else:
            path.write_bytes(change(rng, whole or b"\0"))
        try:
            refused += bool(mutated.look(forged and kind != "encrypted"))
        except BaseException:
            print(f"change {number} of {key}: {change.__name__}")
            raise
        path.write_bytes(whole)
    assert refused > MUTATIONS // 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < PEAK_KIB
    assert mutated.look(False) == 0


@pytest.mark.parametrize("name", ["00000000", "segments", "index", "index-00000000"])
def test_the_next_backup_stands_on_what_is_good(memory_path: Path, small_segments: None, name: str) -> None:
    """An object of the newest backup is lost: the next one restores, as it isn't based on that."""
    mutated = Mutated(memory_path)
    place = mutated.place
    (key,) = (key for key in mutated.keys if key.endswith(f"/{mutated.newest}/{name}"))
    (mutated.store / key).unlink()
    outcome = place.backup()
    assert not outcome.failures
    assert outcome.items[0]["base"] != mutated.newest
    place.learn()
    (made,) = (item for item in place.listing() if item["id"] == outcome.items[0]["id"])
    place.check_one(made)
