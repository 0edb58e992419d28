# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""LINSTOR's error reports, as python-linstor returns them: what one says in one line, and whose it is."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

#: characters of a report's message that errors show
SHOWN = 400
#: exceptions of the S3 client, and words in its messages
_BUCKET = re.compile(r"\b(SdkClientException|AmazonS3Exception|AmazonServiceException|S3Exception|Amazon S3)\b")
_REQUEST = "Unable to execute HTTP request"


@dataclasses.dataclass(frozen=True)
class ErrorReport:
    """``number`` is its id, ``time`` in seconds since the epoch, ``message`` the exception's, ``text`` the whole."""

    number: str
    node: str
    time: float
    message: str
    text: str

    @property
    def said(self) -> str:
        """Its message with its cause, bounded and in one line: several reports may have the same message."""
        said = self.message
        causes = (
            re.search(r"^\s*Cause:\s*(\S.*)$", self.text, re.MULTILINE),
            re.search(r"^Caused by:.*?^\s*Error message:\s*(\S.*?)\s*$", self.text, re.MULTILINE | re.DOTALL),
        )
        for cause in causes:
            if cause and cause.group(1) not in said:
                said = f"{said.rstrip('.')}: {cause.group(1)}"
        return said[:SHOWN].rstrip(". ")

    @property
    def about_bucket(self) -> bool:
        """Whether the S3 client raised it: the bucket can't be reached, or has answered with an error."""
        return is_about_bucket(self.text) or is_about_bucket(self.message)


def is_about_bucket(text: str) -> bool:
    """Whether a text is from the S3 client."""
    return _REQUEST in text or bool(_BUCKET.search(text))


def parse(answer: Any) -> list[ErrorReport]:
    """The reports in the library's answer; what isn't one is left out."""
    found = (getattr(each, "data_v1", None) for each in (answer if isinstance(answer, list) else [answer]))
    return [_report(each) for each in found if isinstance(each, Mapping) and "filename" in each]


def bare(name: str) -> str:
    """A report's id from the name of its file, or from itself."""
    return name.removeprefix("ErrorReport-").removesuffix(".log")


def _report(data: Mapping[str, Any]) -> ErrorReport:
    text = str(data.get("text") or "")
    return ErrorReport(
        number=bare(str(data["filename"])),
        node=str(data.get("node_name") or ""),
        time=(data.get("error_time") or 0) / 1000,
        message=" ".join(str(data.get("exception_message") or _message(text)).split()),
        text=text,
    )


def _message(text: str) -> str:
    """The message in a report's text."""
    match = re.search(r"^\s*Error message:\s*(.+)$", text, re.MULTILINE)
    return match.group(1) if match else next((line for line in text.splitlines() if line.strip()), "(nothing)")
