# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Why LINSTOR has shipped a full one where an increment was expected. It rarely says so itself."""

from __future__ import annotations

from .api.replies import Replies
from .state.backups import Backup
from .state.snapshots import Snap

_TELLING = ("incremental", "full backup", "common snapshot")


def instead_of_increment(base: Backup | None, snaps: list[Snap], made: Snap | None, replies: Replies) -> str:
    """The reason, as far as it can be told: in the controller's words, or from what has changed."""
    said = [reply.text for reply in replies if any(word in reply.message.lower() for word in _TELLING)]
    if said:
        return "; ".join(dict.fromkeys(text.rstrip(".") for text in said))
    if base is None:
        return "there was nothing to build on"
    there = next((snap for snap in snaps if snap.name == base.snapshot), None)
    if there is None:
        return f"the snapshot {base.snapshot} of the last backup is gone"
    if made is not None and dict(there.sizes) != dict(made.sizes):
        return f"the size of its volumes has changed since {base.snapshot}"
    return f"LINSTOR didn't take {base.snapshot} as the base, and only its controller's log says why"
