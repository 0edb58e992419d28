# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Chains of ZFS streams, sent and received through the provider, and what goes wrong on the way."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import VolumeError
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.provider import RestorePlace
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.zfs.provider import ZfsProvider
from ansible_collections.snapship.dr.tests.lab.guest.pools import Zpool, call
from ansible_collections.snapship.dr.tests.lab.guest.zfs_work import (
    MIB,
    digest,
    names,
    pour,
    prop,
    request,
    restore,
    scatter,
    sparse,
    stream,
    take,
)

PLAIN = ["-L", "-c"]


@pytest.fixture
def provider() -> ZfsProvider:
    return ZfsProvider()


def mount(dataset: str) -> Path:
    call("zfs", "mount", dataset)
    return Path(prop("mountpoint", dataset))


@pytest.mark.parametrize("kind", ["filesystem", "zvol"])
def test_each_state_of_a_chain_comes_back(provider: ZfsProvider, zpool: Zpool, second_zpool: Zpool, kind: str) -> None:
    volume = zpool.filesystem("", "-o", "recordsize=1M") if kind == "filesystem" else zpool.zvol(64)
    place = zpool.path(volume) / "data" if kind == "filesystem" else zpool.device(volume)
    chain, digests, base, flags = [], [], None, None
    for number in range(4):
        scatter(place)
        if kind == "zvol" and number == 2:
            call("zfs", "set", "volsize=96M", volume)
        (made,) = take(provider, volume, name="same name" if number % 2 else f"state {number}")
        digests.append(digest(place.parent if kind == "filesystem" else place))
        data, flags = stream(provider, base, made, flags)
        chain.append((made.state_id, data))
        if number % 2:  # names come again: only what they are counts
            call("zfs", "rename", made.path, f"{volume}@renamed {number}")
            made = next(each for each in provider.snapshots(volume) if each.state_id == made.state_id)
        base = made
    assert flags == PLAIN

    for number in (3, 2):
        target = f"{second_zpool.name}/restored{number}"
        assert restore(provider, target, chain[: number + 1]) is None
        assert prop("mounted", target) in ("no", "-")
        (left,) = provider.snapshots(target)
        assert left.state_id == chain[number][0]
        assert left.name == ("same name" if number % 2 else f"state {number}")
        found = mount(target) if kind == "filesystem" else second_zpool.device(target)
        assert digest(found) == digests[number]
    assert len(names(second_zpool.name)) == 3


def test_small_blocks_arrive_below_an_encrypted_parent(
    provider: ZfsProvider, zpool: Zpool, second_zpool: Zpool, tmp_path: Path
) -> None:
    """ZFS embeds blocks that compress to almost nothing; a stream with such blocks (-e) can't be received there."""
    key = tmp_path / "key"
    key.write_bytes(b"k" * 32)
    options = ("-o", "encryption=on", "-o", "keyformat=raw", "-o", f"keylocation=file://{key}")
    volume, parent = zpool.filesystem("", "-o", "compression=on"), second_zpool.filesystem("", *options)
    for number in range(20):
        (zpool.path(volume) / f"{number}").write_bytes(b"a" * 4096)
    (made,) = take(provider, volume)
    data, _flags = stream(provider, None, made)
    assert restore(provider, f"{parent}/restored", [(made.state_id, data)]) is None
    found = mount(f"{parent}/restored")
    assert all((found / f"{number}").read_bytes() == b"a" * 4096 for number in range(20))


def test_an_encrypted_dataset_is_sent_raw_and_restored_locked(
    provider: ZfsProvider, zpool: Zpool, second_zpool: Zpool, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"k" * 32)
    options = ("-o", "encryption=on", "-o", "keyformat=raw", "-o", f"keylocation=file://{key}")
    volume, plain = zpool.filesystem("", *options), zpool.filesystem()
    scatter(zpool.path(volume) / "data")
    (first,) = take(provider, volume, holds={"h": "pending"})
    full, flags = stream(provider, None, first)
    assert flags == ["-w"]
    scatter(zpool.path(volume) / "data")
    (second,) = take(provider, volume)
    provider.remove(first)
    increment, _flags = stream(provider, provider.bases(volume)[1], second, flags)  # from its bookmark
    with pytest.raises(VolumeError) as caught:
        stream(provider, None, second, PLAIN)
    assert caught.value.code == "flags_changed"
    with pytest.raises(VolumeError) as caught:
        stream(provider, None, take(provider, plain)[0], ["-w"])
    assert caught.value.code == "flags_changed"
    with pytest.raises(VolumeError):
        stream(provider, None, second, ["-w", "-R"])

    target = f"{second_zpool.name}/restored"
    restore(provider, target, [(first.state_id, full), (second.state_id, increment)])

    assert (prop("keystatus", target), prop("mounted", target)) == ("unavailable", "no")
    assert provider.properties(target)["encryption"] == "aes-256-gcm"
    before = digest(zpool.path(volume))
    call("zfs", "load-key", "-L", f"file://{key}", target)
    assert digest(mount(target)) == before


def test_a_sender_that_dies_is_never_an_end(provider: ZfsProvider, zpool: Zpool) -> None:
    volume = zpool.filesystem()
    scatter(zpool.path(volume) / "data", 24 * MIB)
    (made,) = take(provider, volume)
    buffer = memoryview(bytearray(MIB))
    with provider.send(None, made, None) as source:
        assert source.read_into(buffer) == MIB
        (sender,) = children("zfs send")
        os.kill(sender, signal.SIGKILL)
        with pytest.raises(VolumeError, match="signal 9"):
            while source.read_into(buffer) == MIB:
                pass
    with provider.send(None, made, None) as source:
        source.read_into(buffer)
    assert children("zfs send") == []
    provider.remove(made)


def children(command: str) -> list[int]:
    """Processes of this program that run a command."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            parent = (place / "stat").read_text().rpartition(")")[2].split()[1]
            if words.startswith(command) and parent == str(os.getpid()):
                found.append(int(place.name))
    return found


KILLED = """
import pickle, sys
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.zfs.provider import ZfsProvider
from ansible_collections.snapship.dr.tests.lab.guest.zfs_work import pour, request
target, chain = sys.argv[1], pickle.load(open(sys.argv[2], "rb"))
receiving = ZfsProvider().receive_streams(request(target))
print("has", receiving.has([state for state, _data in chain]), flush=True)
for state, data in chain[:-1]:
    pour(receiving, state, data)
with receiving.receiving(chain[-1][0]) as write:
    write(memoryview(chain[-1][1])[: len(chain[-1][1]) // 2])
    print("halfway", flush=True)
    sys.stdin.read()
"""


def test_a_restore_that_was_killed_goes_on_where_it_was(
    provider: ZfsProvider, zpool: Zpool, second_zpool: Zpool, tmp_path: Path
) -> None:
    volume, target = zpool.filesystem(), f"{second_zpool.name}/restored"
    chain = []
    base = None
    for _number in range(3):
        scatter(zpool.path(volume) / "data", 4 * MIB)
        (made,) = take(provider, volume)
        chain.append((made.state_id, stream(provider, base, made)[0]))
        base = made
    (tmp_path / "chain").write_bytes(pickle.dumps(chain))
    for count in (1, 3):  # in the full, and in an increment
        (tmp_path / "chain").write_bytes(pickle.dumps(chain[:count]))
        with subprocess.Popen(
            [sys.executable, "-c", KILLED, target, str(tmp_path / "chain")], stdin=-1, stdout=-1, text=True
        ) as run:
            lines = [run.stdout.readline() for _line in range(2)] if run.stdout else []
            assert lines == ["has 0\n", "halfway\n"]
            time.sleep(0.5)
            run.kill()

    assert not provider.target_state(RestorePlace(target)).exists
    receiving = provider.receive_streams(request(target))
    assert receiving.has([state for state, _data in chain]) == 2
    pour(receiving, *chain[2])
    receiving.commit(None)
    assert digest(mount(target)) == digest(zpool.path(volume))
    assert names(second_zpool.name) == [second_zpool.name, target]


def test_what_an_earlier_run_left_is_used_only_if_it_fits(
    provider: ZfsProvider, zpool: Zpool, second_zpool: Zpool
) -> None:
    volume, target = zpool.filesystem(), f"{second_zpool.name}/restored"
    (first,) = take(provider, volume)
    scatter(zpool.path(volume) / "data")
    (second,) = take(provider, volume)
    chain = [
        (first.state_id, stream(provider, None, first)[0]),
        (second.state_id, stream(provider, first, second)[0]),
    ]
    left = provider.receive_streams(request(target))
    assert left.has([first.state_id]) == 0
    pour(left, *chain[0])
    pour(left, *chain[1])

    assert provider.children(second_zpool.name) == []
    assert provider.receive_streams(request(target)).has([first.state_id, second.state_id, "1"]) == 2
    again = provider.receive_streams(request(target))
    assert again.has([second.state_id]) == 0
    assert names(second_zpool.name) == [second_zpool.name]
    call("zfs", "create", again.path)
    with pytest.raises(VolumeError) as caught:
        provider.receive_streams(request(target)).has([first.state_id])
    assert caught.value.code == "exists"
    again.abort()
    assert names(second_zpool.name) == [second_zpool.name, again.path]


def test_a_stream_that_isnt_the_one_meant_is_refused(provider: ZfsProvider, zpool: Zpool, second_zpool: Zpool) -> None:
    volume, target = zpool.filesystem(), f"{second_zpool.name}/restored"
    (first,) = take(provider, volume)
    scatter(zpool.path(volume) / "data")
    (second,) = take(provider, volume)
    full, increment = stream(provider, None, first)[0], stream(provider, first, second)[0]
    whole = stream(provider, None, second)[0]
    package = subprocess.run(["zfs", "send", "-R", second.path], capture_output=True, check=True).stdout
    cases = {
        "an increment first": ([], second.state_id, increment),
        "another state": ([], first.state_id, whole),
        "a full on top": ([(first.state_id, full)], second.state_id, whole),
        "a package": ([], second.state_id, package),
        "nothing": ([], first.state_id, b""),
        "a few bytes": ([], first.state_id, full[:100]),
        "half": ([], second.state_id, whole[: len(whole) // 2]),
        "all but the end": ([], second.state_id, whole[:-312]),
        "not a stream": ([], first.state_id, os.urandom(100_000)),
        "damaged": ([], second.state_id, whole[:20_000] + bytes(64) + whole[20_064:]),
        "more than one": ([], second.state_id, whole + whole * 20),
    }
    for what, (before, state, data) in cases.items():
        receiving = provider.receive_streams(request(target))
        for each in before:
            pour(receiving, *each)
        if what == "more than one":
            with contextlib.suppress(VolumeError):  # zfs receive reads to the end of the first and says nothing
                pour(receiving, state, data)
        else:
            with pytest.raises(VolumeError) as caught:
                pour(receiving, state, data)
            assert "\n" not in caught.value.msg and target in caught.value.msg or caught.value.code == "wrong_stream"
            assert names(second_zpool.name) == [second_zpool.name] + ([receiving.path] if before else []), what
        receiving.abort()
        assert names(second_zpool.name) == [second_zpool.name], what
        assert children("zfs receive") == []


def test_a_target_pool_that_is_too_small(
    provider: ZfsProvider, zpool: Zpool, make_zpool: Callable[..., Zpool], tmp_path: Path
) -> None:
    small = make_zpool(sparse(tmp_path / "pool.img", 80 * MIB))
    volume = zpool.filesystem()
    (zpool.path(volume) / "data").write_bytes(os.urandom(48 * MIB))
    (made,) = take(provider, volume)
    target = f"{small.name}/restored"
    free = provider.target_state(RestorePlace(target)).free
    assert 0 < free < 48 * MIB

    with pytest.raises(VolumeError) as caught:
        restore(provider, target, [(made.state_id, stream(provider, None, made)[0])])

    assert caught.value.code == "no_space"
    assert names(small.name) == [small.name]
    assert not provider.target_state(RestorePlace(target)).exists
