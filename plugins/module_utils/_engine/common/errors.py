# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The one tree of errors: a stable code, what failed, what the state is now, what to do."""

from __future__ import annotations

from typing import Any, TypeVar


class SnapshipError(Exception):
    """An error that a user understands.

    ``code`` is stable and for programs, ``msg`` is the cause in one line, ``hint`` says what to do.
    :meth:`about` adds volume and remote where they are known.
    """

    code = "error"

    def __init__(
        self,
        msg: str,
        hint: str = "",
        code: str | None = None,
        volume: str | None = None,
        remote: str | None = None,
    ) -> None:
        super().__init__(msg)
        self.msg = msg
        self.hint = hint
        if code is not None:
            self.code = code
        self.volume = volume
        self.remote = remote

    def about(self, volume: str | None = None, remote: str | None = None) -> SnapshipError:
        """Add the volume and the remote, unless they are set."""
        self.volume = self.volume or volume
        self.remote = self.remote or remote
        return self

    def as_dict(self) -> dict[str, Any]:
        """The form in which failures are returned: volume, remote, code, msg, hint."""
        return {
            "volume": self.volume,
            "remote": self.remote,
            "code": self.code,
            "msg": self.msg,
            "hint": self.hint,
        }

    def __str__(self) -> str:
        return f"{self.msg} {self.hint}".strip() if self.hint else self.msg


class UsageError(SnapshipError):
    """An option that is wrong, missing, or doesn't go with another."""

    code = "usage"


class ConfigError(SnapshipError):
    """Something on this host is missing or unusable: a remote's definition, a key, a library."""

    code = "config"


class UnknownError(SnapshipError):
    """A remote, volume, snapshot or backup that doesn't exist; ``code`` says which."""

    code = "unknown"


class VolumeError(SnapshipError):
    """The volume, its snapshot or the restore target refuses."""

    code = "volume"


class RemoteError(SnapshipError):
    """The remote refuses or doesn't answer; see the codes in :mod:`.remotes.store`."""

    code = "remote"


class CorruptError(SnapshipError):
    """An object on the remote isn't what was put there. ``key`` is its key, where one object is at fault."""

    code = "corrupt"
    key: str | None = None


class BusyError(SnapshipError):
    """Another run is working on it; trying again later can succeed."""

    code = "busy"


class BaseLostError(SnapshipError):
    """The base of an incremental disappeared while it was being shipped."""

    code = "base_lost"


def of_system(error: OSError | MemoryError) -> SnapshipError:
    """What this host refuses, in words, where nothing nearer to it explained it: a file that can't be read, too little
    memory."""
    if isinstance(error, MemoryError):
        return ConfigError("this host has too little memory for that.", "Set a smaller parallel, or free memory.")
    why = error.strerror or type(error).__name__
    path = error.filename
    if isinstance(path, bytes):
        path = path.decode(errors="backslashreplace")
    where = f"{path}: " if isinstance(path, str) else ""
    return ConfigError(f"this host refuses something: {where}{why}.", "Check rights and space there.", code="system")


Found = TypeVar("Found")


def need(value: Found | None, why: str) -> Found:
    """The value, which is never missing here. ``why`` is for developers who change that."""
    if value is None:
        raise RuntimeError(why)
    return value
