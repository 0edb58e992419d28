# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The pages of a listing: each gets on, and has what pages have."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from ...common.units import LAST_TIME
from .limits import UnfitReply

PAGES = 20_000  # of one listing: 20 million keys
EMPTY = 100  # in a row: some servers give empty pages while they pass over what was deleted
_LARGEST = 1 << 63  # bytes of an object


class PageTrail:
    """What is known of a listing so far. ``where``: the place and what is listed, for messages."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._seen: set[int] = set()  # hashes of tokens
        self._pages = 0
        self._empty = 0

    def check(self, page: Mapping[str, Any], kinds: tuple[str, ...]) -> None:
        """Raises UnfitReply for a page whose entries lack a part, or say what can't be."""
        items = [item for kind in kinds for item in page.get(kind, ())]
        self._pages += 1
        self._empty = 0 if items else self._empty + 1
        for item in items:
            self._check_item(item)
        if not page.get("IsTruncated"):
            return
        if self._pages >= PAGES:
            raise self._unfit(f"it has more than {PAGES} pages")
        if self._empty >= EMPTY:
            raise self._unfit(f"{EMPTY} pages in a row are empty")

    def next(self, *token: str | None) -> str:
        """Where the next page begins. Raises UnfitReply where there is no token, or it was there before."""
        if not token[0]:
            raise self._unfit("the server says that there is more, and not where")
        mark = hash(token)
        if mark in self._seen:
            raise self._unfit("the server repeats itself: the next page is one that was there before")
        self._seen.add(mark)
        return token[0]

    def _check_item(self, item: Mapping[str, Any]) -> None:
        if "Prefix" in item and "Key" not in item:
            return
        size, stamp = item.get("Size", 0), item.get("LastModified")
        if not item.get("Key") or not isinstance(stamp, datetime.datetime):
            raise self._unfit("an entry has no key or no time")
        if not 0 <= size < _LARGEST:
            raise self._unfit(f"an object's size is {str(size)[:40]} bytes")

    def _unfit(self, why: str) -> UnfitReply:
        return UnfitReply(f"{self._where}: this isn't a listing of S3: {why}")


def modified(item: Mapping[str, Any]) -> float:
    """When an object of a listing was put, in seconds since the epoch. Some servers say the year 1 where they don't
    know it: what is before 1970 becomes that."""
    stamp: datetime.datetime = item["LastModified"]
    if stamp.tzinfo is None:  # of the calendar's first or last days, which have no other form
        stamp = stamp.replace(tzinfo=datetime.timezone.utc)
    return max(0.0, min(stamp.timestamp(), LAST_TIME))
