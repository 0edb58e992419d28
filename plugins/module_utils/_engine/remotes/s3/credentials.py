# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Credentials stay out of messages, also where a server or a library quotes them; and can be sent at all."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

from ...common.errors import RemoteError

_SHARED = 8  # characters in a row that are no accident
_SHOWN = 300  # characters of what a server or a library says
_LOOKED_AT = 20_000
# Parts of a signed request. Nobody but us has a reason to write them.
_SIGNED = re.compile(r"AWS4-|Signature=|SignedHeaders=|x-amz-security-token|\bAuthorization:|\bBasic \S", re.IGNORECASE)
_LEFT_OUT = "its words quote the request and are left out"


class Hidden:
    """Texts that no message may quote, not even in part."""

    def __init__(self, texts: Iterable[str | None], more: Callable[[], Iterable[str | None]] | None = None) -> None:
        """``more`` gives those of the moment: temporary credentials change."""
        self._texts = {text for text in texts if text}
        self._more = more

    def __repr__(self) -> str:
        return "Hidden()"

    @classmethod
    def of(cls, credentials: Any) -> Hidden:
        """Those of botocore's credentials."""

        def current() -> Iterable[str | None]:
            with contextlib.suppress(Exception):  # an instance role that can't be asked now
                found = credentials.get_frozen_credentials()
                return found.access_key, found.secret_key, found.token
            return ()

        return cls((), current)

    def cleaned(self, words: object) -> str:
        """What a server or a library said, in one line of at most 300 printable characters; nothing of it where it
        quotes a secret or a part of a signed request."""
        text = " ".join(str(words)[:_LOOKED_AT].split())
        self._texts.update(each for each in (self._more() if self._more else ()) if each)
        if _SIGNED.search(text) or any(_share(text, each) for each in self._texts):
            return _LEFT_OUT
        text = "".join(each if each.isprintable() else "?" for each in text)
        return text[:_SHOWN].rstrip(".")


def _share(text: str, secret: str) -> bool:
    """Whether a part of the secret, or all of a short one, is in the text."""
    for form in (secret, quote(secret, safe="")):
        length = min(_SHARED, len(form))
        if any(form[at : at + length] in text for at in range(len(form) - length + 1)):
            return True
    return False


def unusable(credentials: Any) -> None:
    """Raises RemoteError with code ``access_key`` for credentials of the environment that no request can carry."""
    if getattr(credentials, "refresh_needed", None) is not None:
        return  # a role's: asked for when they are needed
    names = (("access_key", "access_key"), ("secret_key", "secret_key"), ("session_token", "token"))
    for name, attribute in names:
        value = getattr(credentials, attribute, None)
        if value and not sendable(value):
            raise RemoteError(
                f"the {name} in this host's AWS configuration contains a line break, a space or another character that "
                "no key has.",
                "Correct the environment (AWS_ACCESS_KEY_ID and so on) or the profile.",
                code=name if name != "session_token" else "access_key",
            )


def sendable(value: str) -> bool:
    """Whether a key can stand in a header: printable characters of ASCII without spaces."""
    return value.isascii() and value.isprintable() and " " not in value
