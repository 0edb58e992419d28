# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The form of a reply: a list of entries, and the HTTP status that follows from them."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.snapship.dr.tests.linstor_sim import codes

Entry = dict[str, Any]
Entries = list[Entry]
Texts = Mapping[str, str]


@dataclass(frozen=True)
class Reply:
    """A reply on the wire. ``payload`` is sent as JSON unless ``raw`` is set."""

    status: int
    payload: Any = None
    raw: bytes | None = None
    headers: Texts = field(default_factory=dict)


@dataclass(frozen=True)
class Reason:
    """What an error report says: the exception's message and class, and the message of its cause."""

    message: str
    kind: str = "StorageException"
    root: str = ""


class Refused(Exception):
    """A request that the controller answers with an error. With ``report`` it writes an error report too.

    ``reason``: what that report says, if it isn't the message.
    """

    def __init__(
        self, code: int, message: str, report: bool = False, reason: Reason | None = None, **more: Any
    ) -> None:
        super().__init__(message)
        self.code, self.report, self.more = code, report, more
        self.reason = reason or Reason(message)
        self.references: dict[str, str] = {}

    def entries(self, report: str | None) -> Entries:
        reports = [report] if report else None
        return [entry(self.code, str(self), references=self.references, error_report_ids=reports, **self.more)]

    def within(self, mask: int, details: str, references: Texts) -> None:
        """Add the objects of the call, if the error doesn't name them."""
        for part in (codes.MASK_OPERATION, codes.MASK_OBJECT):
            if not self.code & part:
                self.code |= mask & part
        if details:
            self.more["details"] = "\n".join(filter(None, (self.more.get("details"), details)))
        self.references = {**references, **self.references}


@contextlib.contextmanager
def within(mask: int, details: str = "", references: Texts | None = None) -> Iterator[None]:
    """Errors inside say what the call was about: ``mask`` is the sum of operation and object."""
    try:
        yield
    except Refused as refused:
        refused.within(mask, details, references or {})
        raise


def signed(code: int) -> int:
    """``code`` as the signed 64-bit number that JSON carries."""
    code &= (1 << 64) - 1
    return code - (1 << 64) if code >> 63 else code


def unsigned(code: int) -> int:
    """The reverse of it."""
    return code & (1 << 64) - 1


def entry(code: int, message: str, *, references: Texts | None = None, **more: Any) -> Entry:
    """``references`` becomes obj_refs; ``more``: cause, details, correction, error_report_ids."""
    made: Entry = {"ret_code": signed(code), "message": message}
    made.update({name: value for name, value in more.items() if value})
    if references:
        made["obj_refs"] = dict(references)
    now = datetime.datetime.now(datetime.timezone.utc)
    made["created_at"] = now.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return made


def is_error(code: int) -> bool:
    return code & codes.MASK_TYPE == codes.MASK_ERROR


def status_of(entries: Sequence[Entry], success: int) -> int:
    """The first error decides: 404 for what isn't found, 401 and 403 for access, else 500."""
    for code in (unsigned(each["ret_code"]) for each in entries):
        if is_error(code):
            return _status_of_error(code)
    return success


def _status_of_error(code: int) -> int:
    bare = code & codes.MASK_CODE
    if 300 <= bare < 400:
        return 404
    if code == codes.FAIL_SIGN_IN or 400 <= bare < 500:
        return 403
    if code == codes.FAIL_SIGN_IN_MISSING_CREDENTIALS:
        return 401
    return 500


def lean(value: Any) -> Any:
    """The value without null and empty ones, which LINSTOR leaves out of its JSON. Properties keep empty values."""
    if isinstance(value, dict):
        kept = ((name, each if name.endswith("props") else lean(each)) for name, each in value.items())
        return {name: each for name, each in kept if each is not None and each != "" and each != [] and each != {}}
    if isinstance(value, (list, tuple)):
        return [lean(each) for each in value]
    return value
