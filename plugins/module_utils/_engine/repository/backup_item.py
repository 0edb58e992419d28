# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Backups as modules and the command line return them."""

from __future__ import annotations

from typing import Any

from .manifest import Manifest


def from_manifest(manifest: Manifest, remote: str) -> dict[str, Any]:
    """An existing backup; nothing was sent for it."""
    fields = manifest.fields
    return {
        "id": manifest.id,
        "group": manifest.group,
        "provider": fields.get("provider"),
        "volume": fields["volume"],
        "origin": fields["origin"],
        "remote": remote,
        "snapshot": fields.get("snapshot"),
        "state_id": fields.get("state_id"),
        "type": "incremental" if manifest.key.base else "full",
        "base": manifest.key.base,
        "reason": fields.get("reason"),
        "created": fields["created"],
        "bytes_logical": manifest.size,
        "bytes_changed": fields.get("bytes", {}).get("changed"),
        "bytes_stored": fields.get("bytes", {}).get("stored"),
        "bytes_sent": 0,
        "seconds": 0.0,
        "segments": manifest.segments,
        "resumed": 0,
        "encrypted": manifest.encryption is not None,
        "actions": [],
    }
