# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The content of a volume: chunks of 64 KiB, generated on first read, shared by copies until a write."""

from __future__ import annotations

import random
from collections.abc import Iterator

CHUNK = 1 << 16


class Content:
    """A thin volume of ``size`` bytes. The first ``filled`` chunks hold bytes that follow from ``seed``; what isn't
    allocated reads as zeros."""

    def __init__(self, size: int, seed: str = "", filled: int = 0) -> None:
        self.size = size
        self._seed = seed
        self._chunks: dict[int, bytes | None] = dict.fromkeys(range(min(filled, size // CHUNK)))

    def copy(self) -> Content:
        """As it is now; costs no memory for the bytes."""
        made = Content(self.size, self._seed)
        made._chunks = dict(self._chunks)
        return made

    @property
    def allocated(self) -> int:
        """The allocated bytes."""
        return len(self._chunks) * CHUNK

    def chunk(self, index: int) -> bytes:
        found = self._chunks.get(index, b"")
        if found is None:
            # Compresses to about half, as data does.
            source = random.Random(f"{self._seed}/{index}")
            found = source.randbytes(CHUNK // 2) + bytes(CHUNK // 2)
        return found or bytes(CHUNK)

    def indices(self) -> Iterator[int]:
        return iter(sorted(self._chunks))

    def write(self, offset: int, data: bytes) -> None:
        """Anywhere within the size; ValueError beyond."""
        if offset < 0 or offset + len(data) > self.size:
            raise ValueError(f"{len(data)} bytes at {offset} don't fit into a volume of {self.size}.")
        at = 0
        while at < len(data):
            index, start = divmod(offset + at, CHUNK)
            part = data[at : at + CHUNK - start]
            old = self.chunk(index)
            self._chunks[index] = old[:start] + part + old[start + len(part) :]
            at += len(part)

    def unmap(self, offset: int, length: int) -> None:
        """Whole chunks only, as a pool does."""
        for index in range(-(-offset // CHUNK), (offset + length) // CHUNK):
            self._chunks.pop(index, None)

    def resize(self, size: int) -> None:
        self.size = size
        self._chunks = {index: data for index, data in self._chunks.items() if index < -(-size // CHUNK)}

    def read(self) -> bytes:
        """All of it."""
        return b"".join(self.chunk(index) for index in range(-(-self.size // CHUNK)))[: self.size]

    def shares(self) -> set[tuple[int, object]]:
        """The chunks as a pool counts them: those that a copy still shares are equal."""
        return {(index, self._seed if data is None else id(data)) for index, data in self._chunks.items()}

    def lose(self, base: Content, kept: int) -> int:
        """Of the chunks written since ``base`` only the first ``kept`` have found room. Returns how many are lost."""
        lost = self.changed_since(base)[0][max(kept, 0) :]
        for index in lost:
            if index in base._chunks:
                self._chunks[index] = base._chunks[index]
            else:
                del self._chunks[index]
        return len(lost)

    def changed_since(self, base: Content) -> tuple[list[int], list[int]]:
        """Chunks that differ from ``base``, and chunks that are no longer allocated."""
        ours, theirs = self._chunks, base._chunks
        same_seed = self._seed == base._seed
        written = [
            index
            for index, data in ours.items()
            if index not in theirs
            or not (data is theirs[index] if data is not None else same_seed and theirs[index] is None)
        ]
        return sorted(written), sorted(theirs.keys() - ours.keys())
