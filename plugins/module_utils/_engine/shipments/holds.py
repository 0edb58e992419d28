# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Keeps the snapshots that are the base of a remote's next incremental, and removes older ones of ours."""

from __future__ import annotations

import dataclasses
import time

from ..common.errors import BusyError
from ..local.host import Host
from ..volumes.provider import Provider, Snapshot
from ..volumes.registry import provider_for

FORSAKEN = 7 * 86400.0  # seconds after which another machine's hold on a snapshot no longer counts


@dataclasses.dataclass
class Holding:
    """The holds of one remote and origin on one provider's snapshots."""

    host: Host
    provider: Provider
    location: str
    holder: str

    def move(self, snapshot: Snapshot, backup_id: str) -> None:
        """Hold the shipped snapshot; release the others, and remove those that were taken for shipping only."""
        with self.provider.looking_at([snapshot.volume]):
            self.provider.hold(snapshot, self.holder, backup_id)
            self.host.note_held(self.location, self.holder, self.provider.name, snapshot.volume)
            self.release(snapshot.volume, besides=snapshot.state_id)

    def release(self, volume: str, besides: str = "") -> None:
        """Release this holder's snapshots of a volume."""
        for each in self.provider.snapshots(volume):
            if each.state_id == besides:
                continue
            spent = self._over(each)
            if each.made_by == "snapship" and set(each.holds) <= set(spent) and self._removed(each):
                continue
            for holder in spent:
                self.provider.hold(each, holder, None)

    def _removed(self, snapshot: Snapshot) -> bool:
        try:
            self.provider.remove(snapshot)
        except BusyError:
            return False  # another run reads it; the next run removes it
        return True

    def _over(self, snapshot: Snapshot) -> list[str]:
        """Holds that are no longer needed: this holder's, and very old ones of the same remote and origin.

        Old holds come from another machine that sees this volume, or from a configuration that is gone.
        """
        same = self.holder.rpartition(" ")[0] + " "
        old = time.time() - snapshot.created > FORSAKEN
        return [name for name in snapshot.holds if name == self.holder or old and name.startswith(same)]


def release_all(host: Host, location: str) -> None:
    """Release every snapshot held for a remote that is no longer defined here (writes)."""
    for holder, provider, volume in host.held(location):
        each = provider_for(volume, provider)
        Holding(host, each, location, holder).release(volume)
        each.forget(volume, holder)
    host.forget_held(location)
