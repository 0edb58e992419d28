# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""An object store inside the process that throws bodies away: what is left of a backup's cost is our own."""

from __future__ import annotations

import builtins
import threading
import time
from collections.abc import Iterator

from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.store import Buffer, Capabilities, Entry

SMALL = 1 << 20  # bytes of the largest object that is kept: manifests, records, parts of the index


class DiscardingStore:
    """Knows the size of every object, and the content of small ones."""

    label = location = "nowhere"

    def __init__(self) -> None:
        self.requests = {"list": 0, "get": 0, "put": 0, "delete": 0, "head": 0}
        self._entries: dict[str, Entry] = {}
        self._small: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def list(self, prefix: str) -> Iterator[Entry]:
        self.requests["list"] += 1
        with self._lock:
            found = sorted(entry for key, entry in self._entries.items() if key.startswith(prefix))
        return iter(found)

    def folders(self, prefix: str) -> builtins.list[str]:
        return sorted({entry.key[len(prefix) :].partition("/")[0] for entry in self.list(prefix)})

    def get(self, key: str, limit: int) -> bytes | None:
        self.requests["get"] += 1
        return self._small.get(key)

    def put(self, key: str, data: Buffer, sha256: str | None = None, exclusive: bool = False) -> None:
        size = memoryview(data).nbytes
        with self._lock:
            self.requests["put"] += 1
            self._entries[key] = Entry(key, size, time.time())
            if size <= SMALL:
                self._small[key] = bytes(data)

    def sync(self) -> None:
        pass

    def delete(self, keys: builtins.list[str]) -> None:
        with self._lock:
            self.requests["delete"] += 1
            for key in keys:
                self._entries.pop(key, None)
                self._small.pop(key, None)

    def now(self, write: bool = False) -> float:
        return time.time()

    def probe(self, write: bool, delete: bool) -> Capabilities:
        return Capabilities(True, True, write, delete, None, None)

    def exists(self) -> bool:
        return True

    def create(self) -> bool:
        return False

    def extend_lock(self, keys: builtins.list[str], until: float) -> None:
        pass

    def close(self) -> None:
        pass
