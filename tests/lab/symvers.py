# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads from a Linux kernel binary which symbols it exports to modules, in the form of a build's Module.symvers.

A module can only be linked for a kernel with that list, which Debian doesn't ship for User Mode Linux. The binary has
no symbol table either, but its ``__ksymtab`` sections must be there for the kernel's own loader: entries of three
addresses (the symbol, its name, its namespace or 0). There are no checksums: the kernel is built without
CONFIG_MODVERSIONS.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_KINDS = {"__ksymtab": "EXPORT_SYMBOL", "__ksymtab_gpl": "EXPORT_SYMBOL_GPL"}
_NOBITS = 8  # a section that takes no room in the file
_ENTRY = struct.Struct("<QQQ")


@dataclass(frozen=True)
class _Section:
    name_at: int
    kind: int
    address: int
    offset: int
    size: int


class _Elf:
    """As much of a 64-bit little-endian ELF file as is needed to follow addresses."""

    def __init__(self, data: bytes) -> None:
        if data[:6] != b"\x7fELF\x02\x01":
            raise ValueError("not a 64-bit little-endian ELF file")
        self.data = data
        (table,) = struct.unpack_from("<Q", data, 0x28)
        size, count, names = struct.unpack_from("<HHH", data, 0x3A)
        sections = []
        for index in range(count):
            name_at, kind, _flags, address, offset, length = struct.unpack_from("<IIQQQQ", data, table + size * index)
            sections.append(_Section(name_at, kind, address, offset, length))
        self.sections = {self._string(sections[names].offset + each.name_at): each for each in sections}
        self._loaded = [each for each in sections if each.kind != _NOBITS and each.address]

    def string(self, address: int) -> str:
        for each in self._loaded:
            if each.address <= address < each.address + each.size:
                return self._string(address - each.address + each.offset)
        raise ValueError(f"nothing is loaded at {address:#x}")

    def _string(self, offset: int) -> str:
        return self.data[offset : self.data.index(b"\0", offset)].decode("ascii")


def symvers(kernel: Path) -> Iterator[str]:
    """The lines of Module.symvers for ``kernel``."""
    elf = _Elf(kernel.read_bytes())
    for section, kind in _KINDS.items():
        table = elf.sections[section]
        for _symbol, name, namespace in _ENTRY.iter_unpack(elf.data[table.offset : table.offset + table.size]):
            yield f"0x00000000\t{elf.string(name)}\tvmlinux\t{kind}\t{elf.string(namespace) if namespace else ''}"
