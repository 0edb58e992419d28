# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Pairs of source and target for restores: one pair, or a list of pairs.

A module that restores takes ``source`` and ``target`` for one volume, or a list of such pairs in an option of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .arguments import Spec


def pairs(several: str) -> Spec:
    """The argument spec of ``source``, ``target`` and of the list option named ``several``.

    Use it with :func:`either` and :data:`TOGETHER`.
    """
    one: Spec = {"source": {"type": "str"}, "target": {"type": "str"}}
    each = {option: dict(rules, required=True) for option, rules in one.items()}
    return {**one, several: {"type": "list", "elements": "dict", "options": each}}


def either(several: str) -> list[tuple[str, str]]:
    """The ``mutually_exclusive`` of a module with these options."""
    return [(several, "source"), (several, "target")]


#: The ``required_together`` of a module with these options.
#: for required_together of a module that takes :func:`pairs`
TOGETHER = [("source", "target")]


def given(params: Mapping[str, Any], several: str) -> list[dict[str, str]]:
    """The pairs of a task: ``[{"source": NAME, "target": NAME}, ...]``."""
    found: list[dict[str, str]] | None = params[several]
    return [{"source": params["source"], "target": params["target"]}] if found is None else found
