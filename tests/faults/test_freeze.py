# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""``quiesce: fsfreeze`` on images that are mounted here: what was written is in the snapshot, and all is thawed again.

A filesystem that stays frozen hangs its host, so whoever dies or hangs meanwhile must not leave it so.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import VolumeError
from ansible_collections.snapship.dr.plugins.module_utils._engine.local.host import Host
from ansible_collections.snapship.dr.plugins.module_utils._engine.snapshots.quiesce import FIFREEZE, FITHAW
from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import snapshot
from ansible_collections.snapship.dr.tests.faults.places import Place, directory_options
from ansible_collections.snapship.dr.tests.support.filesystems import MKFS, PACKAGES
from ansible_collections.snapship.dr.tests.support.needs import SEARCH, need_program, need_root, unavailable

SIZE = 320 << 20  # the least that mkfs.xfs takes
HANGS = 600  # seconds after which something that should go on is taken to hang
CHECKS = {
    "ext4": ["e2fsck", "-f", "-n"],  # which doesn't play back a journal: what was frozen needs none
    "btrfs": ["btrfs", "check", "--readonly"],
}
# Takes a snapshot, as far as the moment when everything is frozen; argv: image, configuration, hook_timeout.
CHILD = """
import sys, time
from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import snapshot
from ansible_collections.snapship.dr.plugins.module_utils._engine.local.host import Host
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.file.provider import FileProvider

take = FileProvider.take

def hang(self, request):
    print("frozen", flush=True)
    sys.stdin.readline()
    return take(self, request)

FileProvider.take = hang
image, config, timeout = sys.argv[1:]
request = snapshot.Request(volumes=[image], name="a", quiesce="fsfreeze", hook_timeout=timeout)
host = Host(config)
outcome = snapshot.apply(host, snapshot.plan(host, request))
print(outcome.failures[0]["code"] if outcome.failures else "made", flush=True)
"""


def run(*words: str | Path) -> None:
    done = subprocess.run(
        [str(word) for word in words], env={**os.environ, "PATH": SEARCH}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"


class Mounted:
    """A filesystem in an image, and where it is mounted."""

    def __init__(self, kind: str, image: Path, point: Path) -> None:
        self.kind = kind
        self.image = image
        self.point = point

    @property
    def frozen(self) -> bool:
        """Whether somebody has frozen it: then nobody else can."""
        try:
            self.ioctl(FIFREEZE)
        except OSError as error:
            assert error.errno == errno.EBUSY, error
            return True
        self.ioctl(FITHAW)
        return False

    def write(self) -> None:
        """Waits while it is frozen."""
        self.point.joinpath("probe").write_bytes(os.urandom(100))

    def ioctl(self, request: int) -> None:
        """Freezes or thaws it as somebody else would."""
        descriptor = os.open(self.point, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, request, 0)
        finally:
            os.close(descriptor)

    def unmount(self) -> None:
        run("umount", self.point)


@pytest.fixture(params=["ext4", "xfs", "btrfs"])
def mounted(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Mounted]:
    """An image beside which a place can put its remote, mounted by a loop device, never left frozen."""
    program = MKFS[request.param][0]
    need_program(program, PACKAGES[program])
    need_root("freezing a filesystem")
    made = Mounted(request.param, tmp_path / "db.img", tmp_path / "mounted here")
    with made.image.open("wb") as image:
        image.truncate(SIZE)
    made.point.mkdir()
    try:
        run(*MKFS[made.kind], made.image)
        run("mount", "-o", "loop", made.image, made.point)
    except (OSError, AssertionError) as error:
        unavailable(f"an image with {made.kind} can't be mounted: {error}")
    try:
        yield made
    finally:
        with contextlib.suppress(OSError):  # as it must be: it isn't frozen any more
            made.ioctl(FITHAW)
        made.unmount()


def take(image: Path, config: Path, **options: Any) -> Any:
    host = Host(str(config))
    request = snapshot.Request(volumes=[str(image)], name="a", quiesce="fsfreeze", **options)
    return snapshot.apply(host, snapshot.plan(host, request))


def test_what_was_written_before_is_in_the_backup(mounted: Mounted, tmp_path: Path) -> None:
    """Although nobody synced it, and although others go on writing all the time."""
    place = Place(tmp_path, directory_options(tmp_path))
    stop = threading.Event()
    rounds: list[None] = []

    def write_on() -> None:
        while not stop.is_set():
            mounted.point.joinpath(f"busy-{len(rounds) % 5}").write_bytes(os.urandom(50_000))
            rounds.append(None)

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        content = os.urandom(3 << 20)
        mounted.point.joinpath("unsynced").write_bytes(content)
        outcome = place.backup(quiesce="fsfreeze")
        assert not outcome.failures, outcome.failures
        assert not mounted.frozen
        before = len(rounds)
        until = time.monotonic() + HANGS
        while len(rounds) == before and time.monotonic() < until:
            time.sleep(0.01)
        assert len(rounds) > before, "the writer hangs"
    finally:
        stop.set()
        writer.join(HANGS)
    assert not place.restore(tmp_path / "restored.img").failures
    if mounted.kind in CHECKS:
        run(*CHECKS[mounted.kind], tmp_path / "restored.img")
    point = tmp_path / "restored"
    point.mkdir()
    if mounted.kind == "btrfs":  # which mounts no second one of the same id while the first is mounted
        run("btrfs", "restore", tmp_path / "restored.img", point)
        assert point.joinpath("unsynced").read_bytes() == content
        return
    run("mount", "-o", "loop,nouuid" if mounted.kind == "xfs" else "loop", tmp_path / "restored.img", point)
    try:
        assert point.joinpath("unsynced").read_bytes() == content
    finally:
        run("umount", point)


def child(mounted: Mounted, config: Path, timeout: str) -> subprocess.Popen[bytes]:
    """A run that hangs between freezing and its snapshot."""
    path = os.pathsep.join(each for each in sys.path if each)
    started = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(mounted.image), str(config), timeout],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert started.stdout is not None
    assert started.stdout.readline() == b"frozen\n"
    return started


def test_a_killed_run_leaves_nothing_frozen(mounted: Mounted, tmp_path: Path) -> None:
    """SIGKILL of the whole process group, long before hook_timeout is over."""
    run_ = child(mounted, tmp_path / "config", "1h")
    try:
        assert mounted.frozen
    finally:
        os.killpg(run_.pid, signal.SIGKILL)
        run_.communicate()
    mounted.write()
    assert not take(mounted.image, tmp_path / "config").failures
    assert not mounted.frozen


def test_a_run_that_hangs_is_thawed_in_time_and_keeps_no_snapshot(mounted: Mounted, tmp_path: Path) -> None:
    run_ = child(mounted, tmp_path / "config", "3s")
    try:
        mounted.write()
        said = run_.communicate(b"go on\n", timeout=HANGS)[0]
    finally:
        run_.kill()
        run_.wait()
    assert said == b"quiesce\n"
    assert not list((tmp_path / ".snapship").rglob("*.img"))


def test_what_somebody_else_froze_stays_frozen(mounted: Mounted, tmp_path: Path) -> None:
    mounted.ioctl(FIFREEZE)
    with pytest.raises(VolumeError) as caught:
        failed(take(mounted.image, tmp_path / "config"))
    assert caught.value.code == "quiesce"
    assert "already frozen" in caught.value.msg
    assert mounted.frozen
    mounted.ioctl(FITHAW)
    assert not mounted.frozen


def failed(outcome: Any) -> None:
    """Raises what failed for the one volume."""
    if outcome.failures:
        raise VolumeError(outcome.failures[0]["msg"], code=outcome.failures[0]["code"])


def test_all_that_is_frozen_is_thawed_when_one_is_not_to_be_had(mounted: Mounted, tmp_path: Path) -> None:
    """A group of two; the second one was frozen by somebody else."""
    image, point = tmp_path / "zz.img", tmp_path / "zz mounted"
    with image.open("wb") as empty:
        empty.truncate(SIZE)
    point.mkdir()
    run(*MKFS[mounted.kind], image)
    run("mount", "-o", "loop", image, point)
    other = Mounted(mounted.kind, image, point)
    try:
        other.ioctl(FIFREEZE)
        host = Host(str(tmp_path / "config"))
        request = snapshot.Request(
            volumes=[str(mounted.image), str(image)], name="a", quiesce="fsfreeze", consistent=True
        )
        with pytest.raises(VolumeError, match="already frozen"):
            failed(snapshot.apply(host, snapshot.plan(host, request)))
        assert not mounted.frozen
    finally:
        with contextlib.suppress(OSError):
            other.ioctl(FITHAW)
        other.unmount()


def test_an_image_that_is_not_mounted_can_not_be_frozen(tmp_path: Path) -> None:
    place = Place(tmp_path, directory_options(tmp_path))
    place.write(0, b"content")
    with pytest.raises(VolumeError, match="no filesystem that is mounted on this host"):
        failed(place.backup(quiesce="fsfreeze"))
    assert [key for key in place.stored() if not key.startswith("repository/")] == []
