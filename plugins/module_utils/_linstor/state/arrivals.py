# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Whether a received copy can be trusted: a property of its snapshot, and the storage pools as they are now.

A thin pool of LVM that fills while a copy arrives loses what is written to it, and LINSTOR reports Success.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..._engine.policy import chains
from ..api.cluster import Cluster
from .snapshots import SOURCE, Snap
from .storage_pools import Pool

#: the property of a received snapshot: ``sound <its UUID>``, or ``doubtful: <reason>``. LINSTOR carries it along
#: when it ships the snapshot on: a doubtful copy's copy is doubtful, a sound copy's copy is to be checked itself.
MARK = "Aux/snapship.dr/arrival"
_SOUND, _DOUBTFUL = "sound ", "doubtful: "
_BASE = "BackupLastSnapshot"


def recorded_doubt(snap: Snap) -> str | None:
    """Why a received copy can't be trusted, if that was recorded."""
    told = snap.props.get(MARK, "")
    return told[len(_DOUBTFUL) :] if told.startswith(_DOUBTFUL) else None


def is_unchecked(snap: Snap) -> bool:
    """Whether it was received completely, and nobody has recorded whether it can be trusted."""
    arrival = snap.received
    if arrival is None or arrival.state != "success":
        return False
    return recorded_doubt(snap) is None and snap.props.get(MARK) != f"{_SOUND}{snap.uuid}"


def record(cluster: Cluster, snap: Snap, doubt: str | None) -> None:
    """Record that a received copy is sound or, with the reason, doubtful. A doubtful one never becomes sound."""
    if doubt is None and recorded_doubt(snap) is not None:
        return
    value = f"{_SOUND}{snap.uuid}" if doubt is None else f"{_DOUBTFUL}{doubt}"
    what = f"recording whether snapshot {snap.name} of {snap.resource} can be trusted"
    cluster.change("snapshot_dfn_modify", snap.resource, snap.name, {MARK: value}, what=what)


def doubts(snaps: Iterable[Snap], pools: Sequence[Pool] = ()) -> dict[str, str]:
    """Why received copies can't be trusted, by the name of the snapshot. ``snaps``: those of one resource.

    With ``pools``, a copy that nobody has checked is doubtful, too, while a pool of its node is full. An increment on
    a doubtful copy is doubtful.
    """
    received = {snap.name: snap for snap in snaps if snap.received is not None}
    own = {name: reason for name, snap in received.items() if (reason := _own_doubt(snap, pools))}
    bases: Mapping[str, str | None] = {name: base_of(snap) for name, snap in received.items()}
    found = dict(own)
    for name in bases if own else ():
        cause = next((each for each in chains.descend(bases, name)[0] if each in own), None)
        if cause is not None and cause != name and name not in found:
            found[name] = f"its base {cause} can't be trusted: {own[cause]}"
    return found


def base_of(snap: Snap) -> str | None:
    """The received snapshot on which a received increment was built; ``None`` for a full one."""
    # The target's own property is set even for a full one; the source's property is set for increments only.
    built = any(key.startswith(SOURCE) and key.endswith(f"/{_BASE}") for key in snap.props)
    return snap.shipping(None).get(_BASE) if built else None


def _own_doubt(snap: Snap, pools: Sequence[Pool]) -> str | None:
    reason = recorded_doubt(snap)
    if reason is not None or not is_unchecked(snap):
        return reason
    full = next((pool for pool in pools if pool.is_full and pool.is_on(snap.nodes)), None)
    if full is None:
        return None
    return f"{full.title} is full, and it wasn't checked whether it was full when the copy arrived"
