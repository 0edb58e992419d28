# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Which provider a volume belongs to."""

from __future__ import annotations

from ..errors import UsageError
from .file import FileProvider
from .volume import Provider

PROVIDERS: dict[str, Provider] = {"file": FileProvider()}


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
    raise UsageError(
        f"volume {volume!r}: no provider fits its name for certain.",
        f"An image file is named by its absolute path; else say provider ({choices}).",
        code="provider",
    )
