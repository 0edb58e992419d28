# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The action of all LINSTOR modules (see meta/runtime.yml): a task for another host runs without ``become``."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action.normal import ActionModule as NormalAction

LOCAL = ("local", "ansible.builtin.local")
SELF = ("localhost", "127.0.0.1", "::1")


class ActionModule(NormalAction):
    """Like any module's action, but a play's ``become`` for storage hosts doesn't apply to the machine Ansible runs on.

    There, ``become`` would only ask for a sudo password. In a play for localhost, ``become`` applies as usual.
    """

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        if self._is_errand(task_vars or {}):
            self._task.become = False
            self._play_context.become = False
            # The connection already holds the become plugin that wraps commands.
            self._connection.become = None
        result: dict[str, Any] = super().run(tmp, task_vars)
        return result

    def _is_errand(self, task_vars: dict[str, Any]) -> bool:
        """Whether the task runs on this machine for another host."""
        if getattr(self._connection, "transport", None) not in LOCAL:
            return False
        return bool(self._task.delegate_to) or task_vars.get("inventory_hostname") not in SELF
