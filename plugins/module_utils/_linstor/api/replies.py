# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""A controller's replies: entries with a number, a kind and a text, and the errors made from them."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable, Mapping
from typing import Any

from ..._engine.common.errors import RemoteError
from .error_report import SHOWN, ErrorReport, is_about_bucket

#: Two bits of the signed 64-bit ``ret_code`` are the kind of an entry. ERROR has the bits of both WARN and INFO, so
#: compare both bits at once.
MASK_TYPE = 0xC000000000000000
MASK_CODE = 0x7FFF

#: reply numbers that decide what to do next, from linstor-common's consts.json
DELETED = 2
MODIFIED = 3
FAIL_INVALID_PASSPHRASE = 216
FAIL_NOT_FOUND_CRYPT_KEY = 312
FAIL_UNKNOWN_CLUSTER = 976
FAIL_DEPENDENT_BACKUP = 977
FAIL_INCOMPATIBLE_VERSION = 978
FAIL_SHIPPING_IN_PROGRESS = 984
FAIL_RESOURCE_BUSY = 992
FAIL_IN_USE = 997
FAIL_SIGN_IN = 10000
FAIL_SIGN_IN_MISSING_CREDENTIALS = 10001

_CODES = {
    FAIL_INVALID_PASSPHRASE: "locked",
    FAIL_NOT_FOUND_CRYPT_KEY: "locked",
    FAIL_UNKNOWN_CLUSTER: "unknown_cluster",
    FAIL_INCOMPATIBLE_VERSION: "version",
    FAIL_SHIPPING_IN_PROGRESS: "in_use",
    FAIL_RESOURCE_BUSY: "in_use",
    FAIL_IN_USE: "in_use",
    FAIL_SIGN_IN: "unauthorized",
    FAIL_SIGN_IN_MISSING_CREDENTIALS: "unauthorized",
}
_RANGES = {3: "not_found", 4: "denied", 5: "exists"}  # by hundreds

_HINTS = {
    "locked": "The cluster's master passphrase isn't set, wasn't entered after the controller started, or is wrong. "
    "Set or enter it with snapship.dr.linstor_encryption.",
    "unauthorized": "Set auth_token, or username and password, to what this cluster expects. A token is sent over TLS "
    "only.",
    "version": "LINSTOR ships only between clusters of the same version: upgrade the older cluster.",
    "unknown_cluster": "The target cluster needs a LINSTOR remote with this cluster's id. snapship.dr.linstor_remote "
    "creates it if its option target is set.",
    "in_use": "Something else uses it, or it is mounted. Try again when that has ended.",
    "bucket": "Check that the endpoint answers where the controller and the satellites run, and that the bucket exists"
    " and the remote's keys open it.",
}
#: messages that say nothing: the reason is in the details, or in the error report alone
_EMPTY = ("exception thrown", "an error report was generated")
_BUCKET = "the controller can't reach the bucket, or got an error from it: "


class Kind(enum.Enum):
    """The kind of an entry."""

    ERROR = 0xC000000000000000
    WARN = 0x8000000000000000
    INFO = 0x4000000000000000
    SUCCESS = 0


def kind_of(ret_code: int) -> Kind:
    """The kind of an entry from its ``ret_code``, signed or unsigned."""
    return Kind(ret_code & MASK_TYPE)


@dataclasses.dataclass(frozen=True)
class Reply:
    """One entry. ``code`` is its number (976, 1019), ``refs`` has the names of the objects that it is about."""

    code: int
    kind: Kind
    message: str
    cause: str = ""
    correction: str = ""
    details: str = ""
    report_ids: tuple[str, ...] = ()
    refs: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @classmethod
    def parse(cls, entry: Mapping[str, Any]) -> Reply:
        """From an entry decoded from JSON."""
        ret_code = int(entry["ret_code"])
        return cls(
            code=ret_code & MASK_CODE,
            kind=kind_of(ret_code),
            message=str(entry.get("message") or "").strip(),
            cause=str(entry.get("cause") or "").strip(),
            correction=str(entry.get("correction") or "").strip(),
            details=str(entry.get("details") or "").strip(),
            report_ids=tuple(str(report) for report in entry.get("error_report_ids") or ()),
            refs={str(key): str(value) for key, value in (entry.get("obj_refs") or {}).items()},
        )

    @property
    def text(self) -> str:
        """The message in one line, with its cause if that says more, or the details if it says nothing."""
        if self.is_empty and (self.cause or self.details):
            return " ".join((self.cause or self.details).split())[:SHOWN]
        said = [self.message] + ([self.cause] if self.cause and self.cause not in self.message else [])
        return " ".join(" ".join(said).split())

    @property
    def is_empty(self) -> bool:
        """Whether the message has no reason in it."""
        return self.message.lower().strip(" .") in _EMPTY


class Replies(list[Reply]):
    """The entries of one answer, in the controller's order."""

    @property
    def errors(self) -> list[Reply]:
        """The entries that report an error."""
        return [reply for reply in self if reply.kind is Kind.ERROR]

    @property
    def warnings(self) -> list[str]:
        """The controller's warnings, each once."""
        return list(dict.fromkeys(reply.text for reply in self if reply.kind is Kind.WARN))

    def ref(self, name: str) -> str | None:
        """The first object of a kind that any entry names, as in ``ref("Snapshot")``."""
        return next((reply.refs[name] for reply in self if name in reply.refs), None)

    def has(self, code: int) -> bool:
        """Whether an entry has this number."""
        return any(reply.code == code for reply in self)


class ControllerError(RemoteError):
    """The controller refused a request.

    ``code`` is one of not_found, exists, unauthorized, denied, locked, version, unknown_cluster, in_use, bucket,
    controller; ``numbers`` are the controller's own numbers, ``replies`` all its entries, ``reports`` the ids of its
    error reports.
    """

    code = "controller"

    def __init__(self, what: str, replies: Iterable[Reply], status: int | None = None) -> None:
        self.replies = Replies(replies)
        errors = self.replies.errors or list(self.replies)
        self._what, self._errors = what, errors
        self.reports = tuple(dict.fromkeys(report for reply in errors for report in reply.report_ids))
        self.numbers = tuple(reply.code for reply in errors)
        code = next((_code(number) for number in self.numbers if _code(number)), "denied" if status == 403 else None)
        if status == 401:  # the entry has the number of the request that was refused
            code = "unauthorized"
        nothing = "the controller gave no reason" + (f" (HTTP {status})" if status else "")
        texts = list(dict.fromkeys(reply.text for reply in errors if reply.text)) or [nothing]
        said = "; ".join(texts)
        if code is None and is_about_bucket(said):
            code, said = "bucket", f"{_BUCKET}{said}"
        super().__init__(_sentence(f"{what}: {said}"), _hint(code, errors), code)

    def explain(self, report: ErrorReport) -> None:
        """Add what its error report says, in place of a message that says nothing."""
        told = report.said
        if report.about_bucket and self.code == "controller":
            self.code = "bucket"
            self.hint = _hint("bucket", self._errors)
        if all(reply.is_empty for reply in self._errors):
            said = f"{_BUCKET if self.code == 'bucket' else ''}{told}"
            self.msg = _sentence(f"{self._what}: {said}")
        elif told.lower() not in self.msg.lower():
            self.msg = f"{self.msg} {report.node or 'LINSTOR'} reports: {_sentence(told)}"
        self.args = (self.msg,)


class LostReply(RemoteError):
    """The connection broke after a changing request was sent. The change may have been made or not.

    The caller reads the state and decides; it never just repeats the request.
    """

    code = "lost_reply"


def parse_all(entries: Iterable[Mapping[str, Any]]) -> Replies:
    """The entries of one answer."""
    return Replies(Reply.parse(entry) for entry in entries)


def scrub(text: str, secrets: Iterable[str | None]) -> str:
    """``text`` with each secret replaced by asterisks."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "********")
    return text


def _sentence(text: str) -> str:
    return text if text[-1] in ".!?" else f"{text}."


def _code(number: int) -> str | None:
    return _CODES.get(number) or _RANGES.get(number // 100)


def _hint(code: str | None, errors: Iterable[Reply]) -> str:
    corrections = [" ".join(reply.correction.split()) for reply in errors if reply.correction]
    said = list(dict.fromkeys(corrections)) or [_HINTS.get(code or "", "")]
    reports = sorted({report for reply in errors for report in reply.report_ids})
    if reports:
        said.append(f"LINSTOR's error report: {', '.join(reports)}.")
    return " ".join(part for part in said if part)
