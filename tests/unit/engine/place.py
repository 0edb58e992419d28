# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host, a remote and images of a test's own, and the use cases in one line each."""

from __future__ import annotations

import ctypes
import ctypes.util
import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.outcome import Outcome
from ansible_collections.snapship.dr.plugins.module_utils._engine.local.host import Host
from ansible_collections.snapship.dr.plugins.module_utils._engine.repository.snapship_catalog import SnapshipCatalog
from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import (
    backup,
    backup_delete,
    backup_info,
    remote,
    restore,
    snapshot,
    verify,
)

KIB, MIB = 1 << 10, 1 << 20
KEY = "0f" * 32
_libc = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)
_KEEP_SIZE, _PUNCH_HOLE = 1, 2


class Place:
    """Everything below one folder: ``cfg``, ``remote`` and images."""

    def __init__(self, root: Path, **options: Any) -> None:
        self.root = root
        self.remote = root / "remote"
        directory = {} if options.get("type") == "s3" else {"type": "directory", "path": str(self.remote)}
        self.options: dict[str, Any] = {**directory, **options}
        self.host = Host(str(root / "cfg"))

    def beside(self, name: str, **options: Any) -> Place:
        """Another host (configuration) with the same images and remote."""
        other = Place(self.root, **dict(self.options, **options))
        other.host = Host(str(self.root / name))
        return other

    # --- images

    def image(self, name: str = "db.img", size: int = 0, data: bytes = b"") -> str:
        path = self.root / name
        path.write_bytes(data)
        os.truncate(path, max(size, len(data)))
        return str(path)

    @staticmethod
    def write(path: str, offset: int, data: bytes) -> None:
        with open(path, "r+b") as image:
            image.seek(offset)
            image.write(data)

    @staticmethod
    def punch(path: str, offset: int, length: int) -> None:
        """Make a hole."""
        with open(path, "r+b") as image:
            arguments = (ctypes.c_longlong(offset), ctypes.c_longlong(length))
            if _libc.fallocate(image.fileno(), _KEEP_SIZE | _PUNCH_HOLE, *arguments):
                raise OSError(ctypes.get_errno(), "fallocate")

    # --- use cases

    def ship(self, *volumes: str, check: bool = False, **options: Any) -> Outcome:
        """Back up, or say what would be."""
        if "snapshot" not in options:
            options.setdefault("max_age", "0s")
        options = {"remote_spec": self.options, "origin": "o", **options}
        return _run(backup, self.host, backup.Request(volumes=list(volumes), **options), check)

    def one(self, volume: str, **options: Any) -> dict[str, Any]:
        """Back up one volume; its item."""
        outcome = self.ship(volume, **options)
        assert not outcome.failures, outcome.failures
        (item,) = outcome.items
        return item

    def fetch(self, source: str, target: str, check: bool = False, **options: Any) -> Outcome:
        """Restore."""
        volumes = [{"source": source, "target": target}]
        options = {"remote_spec": self.options, "origin": "o", "volumes": volumes, **options}
        return _run(restore, self.host, restore.Request(**options), check)

    def content(self, source: str, backup_id: str) -> bytes:
        """What a backup restores to."""
        target = str(self.root / f"restored-{backup_id}")
        outcome = self.fetch(source, target, backup=backup_id)
        assert not outcome.failures, outcome.failures
        data = Path(target).read_bytes()
        os.unlink(target)
        return data

    def verify(self, *volumes: str, mode: str, check: bool = False, **options: Any) -> Outcome:
        options = {"remote_spec": self.options, "origin": "o", **options}
        return _run(verify, self.host, verify.Request(volumes=list(volumes), mode=mode, **options), check)

    def remove(self, backup_id: str, check: bool = False, **options: Any) -> Outcome:
        options = {"remote_spec": self.options, "origin": "o", **options}
        return _run(backup_delete, self.host, backup_delete.Request(id=backup_id, **options), check)

    def list(self, *volumes: str, **options: Any) -> list[dict[str, Any]]:
        options = {"remote_spec": self.options, "origin": "o", **options}
        return backup_info.listing(self.host, backup_info.Request(volumes=list(volumes), **options))

    def snap(self, *volumes: str, check: bool = False, **options: Any) -> Outcome:
        return _run(snapshot, self.host, snapshot.Request(volumes=list(volumes), **options), check)

    def define(
        self, name: str = "off", check: bool = False, probe: str = "on_change", state: str = "present"
    ) -> Outcome:
        options = self.options if state == "present" else {}
        return _run(remote, self.host, remote.Request(name, state, options, probe), check)

    def catalog(self) -> SnapshipCatalog:
        return SnapshipCatalog.open(self.host.remote(None, self.options), self.host)

    @staticmethod
    def killed(work: Callable[[], object]) -> None:
        """Do it in a process of its own, which has to die of it (by ``os._exit(9)``)."""
        child = os.fork()
        if not child:
            try:
                work()
            finally:
                os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9

    # --- looking

    def tree(self) -> dict[str, tuple[int, int, str]]:
        """Every path below the root: mode, change of content (ns) and digest."""
        found = {}
        for folder, names, files in os.walk(self.root):
            for each in (*names, *files):
                path = os.path.join(folder, each)
                status = os.lstat(path)
                regular = stat.S_ISREG(status.st_mode)
                digest = hashlib.sha256(Path(path).read_bytes()).hexdigest() if regular else ""
                found[path] = (status.st_mode, status.st_mtime_ns, digest)
        return found

    def stored(self, under: str = "") -> list[str]:
        """Keys on the remote, but for its identity."""
        start = self.remote / under
        keys = (str(path.relative_to(self.remote)) for path in start.rglob("*") if path.is_file())
        return sorted(key for key in keys if not key.startswith("repository/"))

    def records(self) -> list[str]:
        """Keys of shipments under way; marks of those that were taken for dead aren't among them."""
        return [key for key in self.stored("inflight") if "~" not in key.rsplit("/", 1)[1]]


def _run(use_case: Any, host: Host, request: Any, check: bool) -> Outcome:
    plan = use_case.plan(host, request)
    outcome: Outcome = plan.preview() if check else use_case.apply(host, plan)
    return outcome
