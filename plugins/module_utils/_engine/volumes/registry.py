# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The one list of providers. Whatever offers, checks or names a provider asks here."""

from __future__ import annotations

from ..common.errors import UsageError
from .file.provider import FileProvider
from .lvm.provider import LvmThinProvider
from .provider import Provider
from .zfs.provider import ZfsProvider

_ALL: tuple[Provider, ...] = (FileProvider(), LvmThinProvider(), ZfsProvider())
#: By name. A new provider joins the tuple above; tests/unit/engine/test_provider_registry.py lists the documents.
PROVIDERS: dict[str, Provider] = {provider.name: provider for provider in _ALL}


def provider_names() -> list[str]:
    """The choices of an option ``provider``, sorted."""
    return sorted(PROVIDERS)


def provider_for(volume: str, given: str | None = None) -> Provider:
    """The provider ``given``, or the only one that the volume's name fits.

    Raises UsageError, which lists the choices; code ``provider`` if the name fits none or several.
    """
    choices = ", ".join(provider_names())
    if given is not None:
        if given not in PROVIDERS:
            raise UsageError(f"provider {given!r} is unknown.", f"Set one of {choices}.")
        return PROVIDERS[given]
    if not volume:
        raise UsageError("a volume name is empty.")
    fitting = [name for name in provider_names() if PROVIDERS[name].claims(volume)]
    if len(fitting) == 1:
        return PROVIDERS[fitting[0]]
    found = f"several providers: {', '.join(fitting)}" if fitting else "no provider on this host"
    ways = ", ".join(PROVIDERS[name].naming for name in provider_names())
    raise UsageError(
        f"the name of volume {volume!r} fits {found}.",
        f"Name {ways}. If a name fits several, set provider ({choices}).",
        code="provider",
    )
