# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""One resource of a run of backups: what to do, its current state, and its result."""

from __future__ import annotations

import dataclasses

from ..._engine.common.errors import SnapshipError
from ..api.replies import Replies
from ..state.backups import RemoteBackup
from .choice import BaseChoice, History


@dataclasses.dataclass(eq=False)
class Unit:
    """One resource of a run. ``join``: the shipment to wait for; without one, ``choice`` says how to ship it.

    ``snapshot`` is known once the controller has named it. Times are by the pace's clock, except ``began``, which is in
    seconds since the epoch. ``again``: the joined shipment has ended and doesn't meet the demand, so another one is
    started. In the end there is ``result`` or ``error``.
    """

    history: History
    choice: BaseChoice | None = None
    join: RemoteBackup | None = None
    satisfied: RemoteBackup | None = None
    error: SnapshipError | None = None
    result: RemoteBackup | None = None
    snapshot: str | None = None
    started: bool = False
    joined: bool = False
    began: float | None = None
    watched: float = 0.0
    seconds: float | None = None
    missing: float | None = None
    aborting: float | None = None
    abort_at: float | None = None
    unsure: SnapshipError | None = None
    current: RemoteBackup | None = None
    judged: bool = False
    again: bool = False
    reason: str = ""
    replies: Replies = dataclasses.field(default_factory=Replies)
    actions: list[str] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)

    @property
    def resource(self) -> str:
        """The resource's name."""
        return self.history.resource

    @property
    def ended(self) -> bool:
        """Whether its result or error is known."""
        return self.satisfied is not None or self.result is not None or self.error is not None
