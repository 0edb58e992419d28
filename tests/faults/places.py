# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A machine's point of view for tests that break things: an image, a remote, what is on it and whether it restores.

A place remembers the digest of every state (by state id) that was ever snapshot, so that whatever is listed later
can be restored and compared bit for bit.
"""

from __future__ import annotations

import hashlib
import os
import random
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.outcome import Outcome
from ansible_collections.snapship.dr.plugins.module_utils._engine.local.host import Host
from ansible_collections.snapship.dr.plugins.module_utils._engine.repository.snapship_catalog import SnapshipCatalog
from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import (
    backup,
    backup_delete,
    backup_info,
    restore,
    verify,
)
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.file.provider import FileProvider
from ansible_collections.snapship.dr.tests.support.s3_fixtures import Bucket

ORIGIN = "here"
KEY = "5a" * 32


def digest_of(path: Path | str) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def directory_options(root: Path, **more: Any) -> dict[str, Any]:
    """The definition of a remote in ``root``/remote, which is made."""
    (root / "remote").mkdir(exist_ok=True)
    return {"type": "directory", "path": str(root / "remote"), "grace_period": "0s", **more}


def s3_options(bucket: Bucket, **more: Any) -> dict[str, Any]:
    """The definition of a remote under a prefix of the bucket."""
    return {
        "type": "s3",
        "bucket": bucket.name,
        "prefix": "some/where",
        "endpoint_url": bucket.endpoint,
        "region": bucket.region,
        "access_key": bucket.rw.access_key,
        "secret_key": bucket.rw.secret_key,
        "grace_period": "0s",
        **more,
    }


class Place:
    """An image below ``root`` and a remote. Configurations are named; each is a machine of its own to the engine."""

    def __init__(self, root: Path, options: dict[str, Any], image: str = "db.img") -> None:
        self.root = root
        self.options = options
        self.image = root / image
        self.states: dict[str, str] = {}  # state id -> SHA-256 of the image at that time
        self._lock = threading.Lock()

    # --- the image

    def write(self, offset: int, data: bytes) -> None:
        descriptor = os.open(self.image, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            os.pwrite(descriptor, data, offset)
        finally:
            os.close(descriptor)

    def scribble(self, rng: random.Random, size: int, count: int = 4, length: int = 70_000) -> None:
        """Some random bytes at random places of an image of this size."""
        for _each in range(count):
            self.write(rng.randrange(size - length), rng.randbytes(length))

    # --- doing

    def host(self, name: str = "a") -> Host:
        return Host(str(self.root / f"config-{name}"))

    def backup(self, config: str = "a", **options: Any) -> Outcome:
        """As a user asks for it; what is new here is remembered."""
        options.setdefault("max_age", None if options.get("snapshot") else "0s")
        options.setdefault("parallel", 2)
        options.setdefault("origin", ORIGIN)
        options.setdefault("volumes", [str(self.image)])
        options.setdefault("provider", "file")
        host = self.host(config)
        request = backup.Request(remote_spec=self.options, **options)
        return backup.apply(host, backup.plan(host, request))

    def ship(self, config: str = "a", **options: Any) -> str:
        """A backup that must work; its id."""
        outcome = self.backup(config, **options)
        assert not outcome.failures, outcome.failures
        self.learn()
        return str(outcome.items[0]["id"])

    def delete(self, backup_id: str, config: str = "a", cascade: bool = False) -> Outcome:
        host = self.host(config)
        request = backup_delete.Request(remote_spec=self.options, origin=ORIGIN, id=backup_id, cascade=cascade)
        return backup_delete.apply(host, backup_delete.plan(host, request))

    def restore(self, target: Path | str, backup_id: str = "latest", config: str = "r", **options: Any) -> Outcome:
        host = self.host(config)
        volumes = [{"source": str(self.image), "target": str(target)}]
        options.setdefault("origin", ORIGIN)
        options.setdefault("provider", "file")
        request = restore.Request(remote_spec=self.options, volumes=volumes, backup=backup_id, **options)
        return restore.apply(host, restore.plan(host, request))

    def verify(self, mode: str, config: str = "r") -> Outcome:
        host = self.host(config)
        request = verify.Request(remote_spec=self.options, origin=ORIGIN, volumes=[str(self.image)], mode=mode)
        return verify.apply(host, verify.plan(host, request))

    # --- looking

    def learn(self) -> None:
        """Remember the digest of every snapshot that is there now."""
        for snapshot in FileProvider().snapshots(str(self.image)):
            if snapshot.flaw is None and snapshot.state_id not in self.states:
                with self._lock:
                    self.states[snapshot.state_id] = digest_of(snapshot.path)

    def listing(self, details: bool = True, config: str = "r") -> list[dict[str, Any]]:
        """Backups of the image, newest first."""
        volumes = [str(self.image)]
        request = backup_info.Request(remote_spec=self.options, origin=ORIGIN, volumes=volumes, details=details)
        return backup_info.listing(self.host(config), request)

    def catalog(self) -> SnapshipCatalog:
        return SnapshipCatalog.open(self.host("r").remote(None, self.options), self.host("r"))

    def stored(self) -> list[str]:
        """Every key on the remote; of a directory every file in it."""
        if self.options["type"] == "directory":
            found = [path for path in Path(self.options["path"]).rglob("*") if not path.is_dir()]
            return sorted(str(path.relative_to(self.options["path"])) for path in found)
        store = self.catalog().store
        try:
            return sorted(entry.key for entry in store.list(""))
        finally:
            store.close()

    def check(self, listed: Iterable[dict[str, Any]] | None = None) -> int:
        """Restore every backup that is listed, bit for bit; how many. All that is listed must be complete."""
        count = 0
        for item in self.listing() if listed is None else listed:
            assert item["complete"], f"{item['id']} is listed: {item['problem']}"
            self.check_one(item)
            count += 1
        return count

    def check_one(self, item: dict[str, Any]) -> None:
        target = self.root / f"restored-{item['id']}.img"
        outcome = self.restore(target, item["id"], origin=ORIGIN)
        assert not outcome.failures, f"{item['id']} is listed and can't be restored: {outcome.failures}"
        assert digest_of(target) == self.states[item["state_id"]], f"{item['id']} was restored to something else"
        target.unlink()

    def intact(self) -> None:
        """All that is listed is complete and has all its data: less than :meth:`check`, and quicker."""
        catalog = self.catalog()
        try:
            chains = catalog.chains(ORIGIN, str(self.image))
            for key in chains.keys:
                assert chains.problem(key) is None, f"{key.id} is listed: {chains.problem(key)}"
                assert catalog.missing(catalog.manifest(key)) == [], f"{key.id} is listed and lacks data"
        finally:
            catalog.store.close()

    def leftovers(self) -> list[str]:
        """What has no business to be there when nothing runs: on the remote, beside the image, or as a journal."""
        listed = {item["id"] for item in self.listing(details=False)}
        found = []
        for key in self.stored():
            kind, *rest = key.split("/")
            owner = rest[2].partition("~")[0] if len(rest) >= 3 else ""
            if kind == "deleted" and rest[2:] == [owner] and owner > max(listed, default=""):
                continue  # the mark that says that the newest one was removed
            if kind != "repository" and (kind not in ("backups", "data") or owner not in listed):
                found.append(key)
        for path in self.root.rglob("*"):
            if path.name.startswith((".snapship-restore-", ".taking-", ".new-")) or path.parent.name == "shipments":
                found.append(str(path))
        snapshots = [path for path in (self.root / ".snapship").rglob("*") if path.is_file()]
        images = {path.stem for path in snapshots if path.suffix == ".img"}
        records = {path.stem for path in snapshots if path.suffix == ".json"}
        return found + sorted(images ^ records)
