# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Which provider a volume belongs to."""

from __future__ import annotations

from ..common.errors import UsageError
from .file.provider import FileProvider
from .lvm.provider import LvmThinProvider
from .provider import Provider
from .zfs.provider import ZfsProvider

PROVIDERS: dict[str, Provider] = {"file": FileProvider(), "lvm_thin": LvmThinProvider(), "zfs": ZfsProvider()}


def provider_for(volume: str, given: str | None = None) -> Provider:
    """The provider asked for, or the only one that the volume's name fits. Raises UsageError that names the choices."""
    choices = ", ".join(sorted(PROVIDERS))
    if given is not None:
        if given not in PROVIDERS:
            raise UsageError(f"provider {given!r} isn't known.", f"There is {choices}.")
        return PROVIDERS[given]
    if not volume:
        raise UsageError("an empty volume name.")
    claiming = [provider for provider in PROVIDERS.values() if provider.claims(volume)]
    if len(claiming) == 1:
        return claiming[0]
    names = " and ".join(sorted(provider.name for provider in claiming))
    why = f"fits providers {names}" if claiming else "fits no provider that is at work on this host"
    raise UsageError(
        f"volume {volume!r} {why}.",
        "An image file is named by its absolute path, a ZFS dataset by pool/dataset of a pool that is imported here, "
        "an LVM-thin volume by vg/lv of a volume group that is here. "
        f"Where that isn't enough, say provider ({choices}).",
        code="provider",
    )
