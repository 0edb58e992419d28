# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Starts programs: every program, never through a shell. Errors contain what a failed program printed."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from typing import IO, NamedTuple, Union

from .errors import UnknownError, VolumeError

Process = subprocess.Popen[bytes]
Expired = subprocess.TimeoutExpired
PIPE, NOWHERE = subprocess.PIPE, subprocess.DEVNULL
End = Union[int, IO[bytes]]  # where a program reads from or writes to: PIPE, NOWHERE or a file

_KEPT = 2000  # characters of what a failed program said
# Administrators' programs, which an ordinary PATH may lack.
_PLACES = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")

_SECRET = re.compile(r"(SNAPSHIP|AWS)_(.*_)?(KEY|KEYS|KEY_ID|TOKEN|SECRET|PASSWORD|PASSPHRASE)")


class Completed(NamedTuple):
    """A program that has ended, whatever its exit status."""

    status: int
    output: bytes
    said: bytes  # on its standard error


class ProgramError(VolumeError):
    """A program failed. ``said`` is the end of what it wrote to standard error."""

    def __init__(self, command: Sequence[str], status: int, said: str) -> None:
        self.said = said.strip()[-_KEPT:]
        self.status = status
        super().__init__(f"{command[0]} failed with {status}: {self.said or 'it printed nothing'}", code="program")


def without_secrets() -> dict[str, str]:
    """This process's environment without keys, tokens and passphrases that were meant for us."""
    return {name: value for name, value in os.environ.items() if not _SECRET.fullmatch(name)}


def environment() -> dict[str, str]:
    """The environment of programs: messages in English, numbers with points, and a PATH with all usual places. None of
    our secrets."""
    path = os.environ.get("PATH", "")
    known = path.split(":") if path else []
    return dict(
        without_secrets(), LC_ALL="C", PATH=":".join(known + [place for place in _PLACES if place not in known])
    )


def missing(program: str) -> UnknownError:
    """The error for a program that isn't installed."""
    return UnknownError(
        f"the program {program} isn't installed on this host.", "Install it, or check PATH.", code="program_missing"
    )


def start(
    command: Sequence[str],
    *,
    stdin: End = NOWHERE,
    stdout: End = PIPE,
    stderr: End = NOWHERE,
    buffered: bool = False,
    session: bool = False,
    keep: Sequence[int] = (),
) -> Process:
    """Start a program. The caller waits for it, and bounds what it prints (a file for ``stderr``).

    ``session``: in a session of its own, where neither Ctrl-C nor a kill of this process's group reaches it.
    ``keep``: descriptors it inherits. Raises UnknownError where it isn't installed, VolumeError where it can't run.
    """
    try:
        return subprocess.Popen(  # pylint: disable=ansible-bad-function
            list(command),
            env=environment(),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            bufsize=-1 if buffered else 0,
            start_new_session=session,
            pass_fds=tuple(keep),
        )
    except OSError as error:
        raise _not_started(command, error) from None


def complete(
    command: Sequence[str],
    data: bytes | bytearray | memoryview | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> Completed:
    """Run a program to its end on ``data``, whatever its exit status.

    ``timeout``: seconds after which it is killed and Expired raised. Other errors as :func:`start`'s.
    """
    try:
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            list(command),
            env=environment() if env is None else env,
            stdin=NOWHERE if data is None else None,
            input=data,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except OSError as error:
        raise _not_started(command, error) from None
    return Completed(done.returncode, done.stdout, done.stderr)


def run(command: Sequence[str]) -> str:
    """Run a program; returns its standard output. Raises ProgramError if it fails, other errors as :func:`start`.

    It runs in a session of its own and is always waited for: a program that is killed in the middle of its work may
    leave a device suspended.
    """
    with start(command, stderr=PIPE, buffered=True, session=True) as process:  # waits, whatever happens inside
        output, said = process.communicate()
    if process.returncode != 0:
        raise ProgramError(command, process.returncode, said.decode(errors="replace"))
    return output.decode(errors="surrogateescape")


def _not_started(command: Sequence[str], error: OSError) -> UnknownError | VolumeError:
    if isinstance(error, FileNotFoundError):
        return missing(command[0])
    return VolumeError(f"{command[0]} can't be run: {error.strerror}.", code="program")
