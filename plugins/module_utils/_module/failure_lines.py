# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Failures as lines for people: the place once, then cause and cure. Used by modules and by the filter of the roles."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

#: The engine's name for a remote that a task gives by ``remote_spec``; a user has not chosen it.
INLINE = "inline"


def lines(failures: Iterable[Mapping[str, Any]], label: str = "") -> list[str]:
    """One line for each failure; volumes that fail for the same reason share a line.

    ``failures`` have volume, remote, code, msg and hint. ``label`` names the task's turn of a loop; it stands for a
    remote that has no name of its own.
    """
    volumes: dict[tuple[str, str], list[str]] = {}
    for failure in failures:
        volume, remote = failure.get("volume") or "", failure.get("remote") or ""
        text = one_line(f"{failure.get('msg') or ''} {failure.get('hint') or ''}")
        text = _without_name(_without_name(text, volume), remote)
        shared = volumes.setdefault((_remote(remote, label), text), [])
        if volume and volume not in shared:
            shared.append(volume)
    return [_line(", ".join(names), remote, label, text) for (remote, text), names in volumes.items()]


def one_line(text: Any) -> str:
    """A text without line breaks."""
    return " ".join(str(text or "").split()) or "no reason was given"


def about(place: str, text: str) -> str:
    """A text with its place before it, unless the text starts with it."""
    return f"{place}: {text}" if place and not text.startswith(f"{place}: ") else text


def _remote(name: str, label: str) -> str:
    return label if name == INLINE else name


def _line(volumes: str, remote: str, label: str, text: str) -> str:
    if volumes and remote:
        return about(f"{volumes} ({remote})" if remote == label else f"{volumes} on {remote}", text)
    return about(volumes or label or remote, text)


def _without_name(text: str, name: str) -> str:
    """The text without ``volume 'NAME': `` at its start."""
    return re.sub(rf"^(?:(?:volume|resource|remote) )?'?{re.escape(name)}'?: ", "", text) if name else text
