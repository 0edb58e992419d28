# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a test needs of the machine. Where it is missing, the test is skipped and the reason says what brings it.

With ``CI=true`` that is a failure, so that a pipeline never passes by leaving tests out.
"""

from __future__ import annotations

import os
import shutil

import pytest

# Debian keeps some programs where an ordinary PATH doesn't look.
SEARCH = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"


def unavailable(reason: str) -> None:
    """Skips the test, or fails it where everything must be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"with CI=true nothing may be skipped: {reason}", pytrace=False)
    pytest.skip(reason)


def need_root(what: str) -> None:
    if os.geteuid() != 0:
        unavailable(f"{what} needs root")


def need_program(program: str, package: str) -> None:
    """``package`` is Debian's."""
    if shutil.which(program, path=SEARCH) is None:
        unavailable(f"{program} is not installed; on Debian: apt-get install {package}")


def need_machine_id() -> None:
    """Without one, each configuration directory counts as a machine of its own."""
    if not any(os.path.exists(path) for path in ("/etc/machine-id", "/var/lib/dbus/machine-id")):
        unavailable("this machine has no /etc/machine-id; as root: systemd-machine-id-setup")
