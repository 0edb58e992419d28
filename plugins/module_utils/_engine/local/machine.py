# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""What tells this machine from a copy of it: the firmware's id of the machine, and the system's own."""

from __future__ import annotations

import contextlib
import hashlib
from typing import NamedTuple

#: by name, the file with an id; a copied disk has the same machine id until somebody makes a new one
SOURCES = {"product_uuid": "/sys/class/dmi/id/product_uuid", "machine_id": "/etc/machine-id"}
_LINE = 4096


class Binding(NamedTuple):
    """The file ``host``: the instance's random id, the machine's id at that time, and hashes of what told it."""

    instance: str
    machine: str | None
    facts: dict[str, str]

    def text(self) -> bytes:
        """Its lines."""
        facts = [f"{name} {value}" for name, value in sorted(self.facts.items())]
        return "".join(f"{line}\n" for line in (self.instance, f"machine {self.machine}", *facts)).encode()

    def elsewhere(self) -> bool:
        """Whether this is another machine now, by whatever was and is readable."""
        now = facts(self.instance)
        return any(now[name] != value for name, value in self.facts.items() if name in now)


def bind(instance: str, machine: str) -> Binding:
    """An instance on this machine."""
    return Binding(instance, machine, facts(instance))


def parse(text: str) -> Binding:
    """A binding from its lines; unknown lines are passed over."""
    instance, *lines = text.split("\n")
    pairs = dict(line.split(" ", 1) for line in lines if " " in line)
    return Binding(instance, pairs.get("machine"), {name: pairs[name] for name in SOURCES if name in pairs})


def facts(instance: str) -> dict[str, str]:
    """Hashes of this machine's ids, as far as this user can read them."""
    found = {}
    for name, path in SOURCES.items():
        with contextlib.suppress(OSError, UnicodeError):
            with open(path, encoding="ascii") as source:
                text = source.read(_LINE).strip().lower()
            if text and text != "uninitialized":
                found[name] = hashlib.sha256(f"snapship {name} {instance} {text}".encode()).hexdigest()[:32]
    return found
