# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Quiesces applications for a snapshot: runs hooks (pre_command, post_command), or freezes filesystems.

A watchdog process thaws a frozen filesystem when the time is up or when this process ends, even if it is killed.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

from ..common import processes
from ..common.errors import SnapshipError, UsageError, VolumeError, need

FIFREEZE, FITHAW = 0xC0045877, 0xC0045878
METHODS = ("none", "fsfreeze")
_KEPT_OUTPUT = 2000


class Hooks:
    """The hooks and the freezing of one snapshot."""

    def __init__(
        self, quiesce: str, pre_command: list[str] | None, post_command: list[str] | None, timeout: float
    ) -> None:
        if quiesce not in METHODS:
            raise UsageError(f"quiesce {quiesce!r} is unknown.", f"Set one of {', '.join(METHODS)}.")
        for name, command in (("pre_command", pre_command), ("post_command", post_command)):
            if command is not None and (not isinstance(command, list) or not command or not str(command[0])):
                raise UsageError(f"{name} must be a list: a program and its arguments.", "It isn't run by a shell.")
        if timeout <= 0:
            raise UsageError("hook_timeout must be more than 0s.")
        self._quiesce = quiesce
        self._pre = pre_command
        self._post = post_command
        self._timeout = timeout

    @property
    def consistency(self) -> dict[str, Any]:
        """For the manifest: how the application was quiesced. :meth:`around` adds the results."""
        if self._quiesce != "none":
            return {"method": self._quiesce}
        return {"method": "hook" if self._pre else "none"}

    @contextlib.contextmanager
    def around(self, volumes: list[str], name: str, mounts: list[str], result: dict[str, Any]) -> Iterator[None]:
        """Inside, the application is quiesced: pre_command and freeze before, thaw and post_command after, in any case.

        Raises VolumeError if a command fails or a filesystem can't be frozen.
        """
        environment = dict(
            processes.without_secrets(),
            SNAPSHIP_VOLUMES=json.dumps(volumes),
            SNAPSHIP_VOLUME=volumes[0],
            SNAPSHIP_SNAPSHOT=name,
        )
        if self._quiesce == "fsfreeze" and not mounts:
            raise VolumeError(
                f"quiesce: fsfreeze: {', '.join(volumes)} has no filesystem that is mounted on this host.",
                "Use pre_command and post_command to quiesce the application.",
                code="quiesce",
            )
        inside = [volume for volume in volumes for mount in mounts if volume.startswith(mount.rstrip("/") + "/")]
        if inside:
            raise VolumeError(
                f"quiesce: fsfreeze: {inside[0]} is itself on a filesystem that would be frozen.",
                "Use pre_command and post_command to quiesce the application.",
                code="quiesce",
            )
        failed: SnapshipError | None = None
        try:
            if self._pre:
                result["pre_command"] = self._run("pre_command", self._pre, environment)
            with _frozen(mounts if self._quiesce == "fsfreeze" else [], self._timeout):
                yield
        except SnapshipError as error:
            failed = error
            raise
        finally:
            if self._post:
                try:
                    result["post_command"] = self._run("post_command", self._post, environment)
                except SnapshipError:
                    if failed is None:
                        raise

    def _run(self, name: str, command: list[str], environment: dict[str, str]) -> dict[str, Any]:
        started = time.monotonic()
        try:
            run = processes.complete([str(word) for word in command], env=environment, timeout=self._timeout)
        except processes.Expired:
            raise VolumeError(
                f"{name} {command[0]!r} was killed: it ran longer than hook_timeout.",
                "No snapshot was kept.",
                code="hook",
            ) from None
        except SnapshipError as error:
            raise VolumeError(f"{name}: {error.msg}", "No snapshot was kept.", code="hook") from error
        if run.status != 0:
            said = (run.said or run.output).decode(errors="replace").strip()[-_KEPT_OUTPUT:]
            raise VolumeError(
                f"{name} {command[0]!r} failed with {run.status}: {said}", "No snapshot was kept.", code="hook"
            )
        # A whole number: manifests have no other numbers, so that all programs write the same canonical text.
        return {"rc": run.status, "milliseconds": round((time.monotonic() - started) * 1000)}


@contextlib.contextmanager
def _frozen(mounts: list[str], timeout: float) -> Iterator[None]:
    """Freeze filesystems. A watchdog process thaws them after ``timeout`` seconds or when this process dies."""
    if not mounts:
        yield
        return
    if "/" in mounts:
        raise VolumeError(
            "quiesce: fsfreeze: the root filesystem can't be frozen.",
            "Use pre_command and post_command.",
            code="quiesce",
        )
    descriptors = [os.open(mount, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) for mount in mounts]
    try:
        watchdog = _start_watchdog(descriptors, timeout)
        try:
            for mount, descriptor in zip(mounts, descriptors):
                _freeze(mount, descriptor, watchdog)
            yield
            late = [mount for mount, descriptor in zip(mounts, descriptors) if not _thaw(descriptor)]
        finally:
            watchdog.communicate()  # closes its input: it thaws what is still frozen and exits
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    if late:
        raise VolumeError(
            f"{', '.join(late)}: the freeze ended before the snapshot was complete: it took longer than hook_timeout.",
            "No snapshot was kept. Set a longer hook_timeout.",
            code="quiesce",
        )


# Its own program in its own session: a kill of this process, or of its group, doesn't reach it. It is told of each
# filesystem before that is frozen (+), and again if freezing failed (-): we don't thaw what somebody else has frozen.
# When the time is up it keeps trying until this process ends, since freezing a busy filesystem may take longer.
_WATCHDOG = """
import fcntl, os, select, sys, time
end, thaw, files = time.monotonic() + float(sys.argv[1]), int(sys.argv[2]), [int(word) for word in sys.argv[3:]]
count, thawed = 0, set()

def thaw_all():
    for each in set(files[:count]) - thawed:
        try:
            fcntl.ioctl(each, thaw, 0)
            thawed.add(each)
        except OSError:
            pass

os.write(1, b"ready")
while True:
    left = end - time.monotonic()
    if left <= 0:
        thaw_all()
    if select.select([0], [], [], left if left > 0 else 0.1)[0]:
        said = os.read(0, 1)
        if not said:
            break
        count += 1 if said == b"+" else -1
thaw_all()
"""


def _start_watchdog(descriptors: list[int], timeout: float) -> processes.Process:
    words = [str(timeout), str(FITHAW), *(str(descriptor) for descriptor in descriptors)]
    watchdog = processes.start(
        [sys.executable, "-I", "-c", _WATCHDOG, *words], stdin=processes.PIPE, session=True, keep=descriptors
    )
    if watchdog.stdout is None or watchdog.stdout.read(5) != b"ready":
        watchdog.kill()
        watchdog.communicate()
        raise VolumeError(
            "can't start the watchdog process that thaws filesystems.", "Nothing was frozen.", code="quiesce"
        )
    return watchdog


def _freeze(mount: str, descriptor: int, watchdog: processes.Process) -> None:
    _tell(watchdog, b"+", mount)
    try:
        fcntl.ioctl(descriptor, FIFREEZE, 0)
    except OSError as error:
        _tell(watchdog, b"-", mount)
        why = "it is already frozen" if error.errno == errno.EBUSY else error.strerror
        raise VolumeError(f"can't freeze {mount}: {why}.", "fsfreeze needs root.", code="quiesce") from error


def _tell(watchdog: processes.Process, word: bytes, mount: str) -> None:
    try:
        need(watchdog.stdin, "it was started with a pipe").write(word)
    except BrokenPipeError:
        raise VolumeError(
            f"can't freeze {mount}: the watchdog process that thaws it has died.", "Run it again.", code="quiesce"
        ) from None


def _thaw(descriptor: int) -> bool:
    try:
        fcntl.ioctl(descriptor, FITHAW, 0)
    except OSError:
        return False
    return True
