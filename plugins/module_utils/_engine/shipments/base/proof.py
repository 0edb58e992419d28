# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Proves before an incremental is built on a chain that the chain's objects are there and that nobody found them bad.

The objects of the newest backup of the chain are looked for by each run, those of the whole chain from time to time.
Both take one listing, however long the chain is. Flags are claims of other runs (see :mod:`...repository.flags`): one
counts if two runs claim the same, or if this run reads the object again and finds it bad, too.
"""

from __future__ import annotations

import random
import time

from ...common.errors import CorruptError, RemoteError
from ...common.keys import encode, shown
from ...local.host import Host
from ...repository.data.examination import examine, has_object
from ...repository.data.inventory import Inventory
from ...repository.flags import MANIFEST, Flag, Place, confirmed, read_flags
from ...repository.manifest import DataSource, Manifest
from ...repository.snapship_catalog import SnapshipCatalog

READS = 16  # flagged objects that one run reads again, of each volume


class BaseProof:
    """What one run knows about the backups of one volume. Each is looked at once in a run."""

    def __init__(self, host: Host, catalog: SnapshipCatalog, origin: str, volume: str, every: float) -> None:
        """``every``: seconds after which the whole chain is looked at again."""
        self._host, self._catalog = host, catalog
        self._origin, self._volume, self._every = origin, volume, every
        self._absent: dict[str, str | None] = {}  # by id: which object is missing, in words
        self._flags: dict[str, list[Flag]] = {}  # by id
        self._verdicts: dict[Place, str | None] = {}
        self._reads = READS
        self._whole: str | None = None  # the newest backup of a chain that was found to be whole
        self.warnings: list[str] = []

    def flaw(self, chain: list[Manifest]) -> str | None:
        """Why an incremental can't be built on this chain, the full first; ``None`` where it can. Reads only."""
        newest = chain[-1]
        due = self._whole != newest.id and self._due(chain)
        unseen = [backup for backup in (chain if due else [newest]) if backup.id not in self._absent]
        if unseen:
            self._look_for(unseen)
        flaw = next((self._absent[each.id] for each in chain if self._absent.get(each.id)), None)
        if flaw is None:
            if due:
                self._whole = newest.id
            flaw = self._flagged(chain)
        return flaw

    def keep(self) -> None:
        """Note on this host that a whole chain was found (writes)."""
        if self._whole is not None:
            location = self._catalog.store.location
            self._host.note_whole(location, self._origin, self._volume, self._whole, time.time())

    def _due(self, chain: list[Manifest]) -> bool:
        noted = self._host.found_whole(self._catalog.store.location, self._origin, self._volume)
        if noted is None or all(backup.id != noted[0] for backup in chain):
            return True
        return not 0 <= time.time() - noted[1] < self._every

    def _look_for(self, backups: list[Manifest]) -> None:
        inventory = Inventory(self._catalog.store, backups)
        inventory.compare()
        for backup in backups:
            try:
                key = next(inventory.missing(backup), None)
            except CorruptError as error:
                self._absent[backup.id] = error.msg.rstrip(".")
            else:
                self._absent[backup.id] = key and f"{shown(key)} is missing or has the wrong size"

    # --- flags

    def _flagged(self, chain: list[Manifest]) -> str | None:
        sources = {source.id: (backup, source) for backup in chain for source in backup.sources}
        sources.update({backup.id: (backup, backup.sources[0]) for backup in chain})
        self._read_flags([each for each in sources if each not in self._flags])
        by_place: dict[Place, list[Flag]] = {}
        for backup_id in sources:
            for flag in self._flags[backup_id]:
                by_place.setdefault(flag.place, []).append(flag)
        places = list(by_place)
        random.shuffle(places)  # so that useless flags can't hide one that is right for ever
        for place in sorted(places, key=lambda each: not confirmed(by_place[each])):
            if place not in self._verdicts:
                self._verdicts[place] = self._judge(by_place[place], *sources[place.id])
            if self._verdicts[place] is not None:
                return self._verdicts[place]
        return None

    def _read_flags(self, backups: list[str]) -> None:
        if not backups:
            return
        self._flags.update({backup_id: [] for backup_id in backups})
        for flag in read_flags(self._catalog, encode(self._origin), encode(self._volume), backups):
            self._flags[flag.place.id].append(flag)

    def _judge(self, flags: list[Flag], backup: Manifest, source: DataSource) -> str | None:
        """What is wrong with a flagged object, or ``None``."""
        place, newest = flags[0].place, flags[0]
        if place.name == MANIFEST:
            return None  # it was read and checked by now
        what = shown(place.key)
        if confirmed(flags) and has_object(self._catalog.store, backup, source, place.name):
            both = next(flag for flag in flags if confirmed(other for other in flags if other.digest == flag.digest))
            found = f"it has the SHA-256 {both.digest}" if both.digest else "it was missing or couldn't be read"
            return f"{what} is bad: two verifications found that {found}"
        if not self._reads:
            self.warnings.append(
                f"{what}: a verification found it bad; this run read {READS} other flagged objects and leaves it out."
            )
            return None
        self._reads -= 1
        try:
            finding = examine(self._catalog.store, backup, source, place.name)
        except RemoteError as error:
            if error.code != "denied":
                raise
            self.warnings.append(
                f"{what}: host {newest.host} found it bad at {newest.created}, and this host may not read it. "
                "Verify the backup with mode: data, where its data can be read."
            )
            return None
        if finding is None:
            return None  # there is no such object
        if finding.flaw is None:
            self.warnings.append(
                f"{what}: host {newest.host} found it bad at {newest.created}, but it reads as it should. "
                "Verify the backup again with mode: data."
            )
            return None
        found = f" (SHA-256 {finding.digest})" if finding.digest else ""
        return f"{finding.flaw.rstrip('.')}{found}; a verification on host {newest.host} found that, too"
