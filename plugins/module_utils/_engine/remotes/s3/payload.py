# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The body of a PUT whose digest is known: it is neither copied nor hashed a second time."""

from __future__ import annotations

import time
from typing import Any

from ..store import Buffer, Throttle

# One send() of a socket has to end within the time-out of a connect. The first slice allows lines down to 26 kB/s. A
# line that took the last one fast gets larger ones, which cost the least CPU, and still allow down to 105 kB/s.
_SLICE = 256 << 10
_FAST_SLICE = 1 << 20
_FAST_SECONDS = 0.25
# Up to so many bytes go out at once. With larger bodies the server is asked first (Expect: 100-continue).
SMALL = 64 << 10
UNSIGNED = "UNSIGNED-PAYLOAD"  # in the place of a digest: the signature doesn't cover the body
_CONTEXT_KEY = "snapship_sha256"


class Payload:
    """A file-like view of ``data`` (kept, not copied) with its SHA-256 in hex, or :data:`UNSIGNED`.

    ``exclusive``: the server is to refuse it where the object exists.
    """

    def __init__(self, data: Buffer, sha256: str, throttle: Throttle | None = None, exclusive: bool = False) -> None:
        self._view = memoryview(data).cast("B")
        self._at = 0
        self._throttle = throttle
        self._sliced = 0.0  # when the last slice was taken
        self.sha256 = sha256
        self.exclusive = exclusive

    def __len__(self) -> int:
        return len(self._view)

    def read(self, amount: int | None = None) -> memoryview:
        """The next slice. It may be longer than asked for: http.client asks for 16 KiB, which would be slow."""
        size = self._next_size() if self._throttle is None or len(self) <= SMALL else self._throttle.slice
        piece = self._view[self._at : self._at + size]
        self._at += len(piece)
        if self._throttle is not None and piece:
            self._throttle.take(len(piece))
        return piece

    def _next_size(self) -> int:
        now = time.monotonic()
        fast = self._at > 0 and now - self._sliced < _FAST_SECONDS
        self._sliced = now
        return _FAST_SLICE if fast else _SLICE

    def seek(self, offset: int, whence: int = 0) -> int:
        """Like a file's: botocore measures the length with it, and rewinds before it sends again."""
        self._at = max(0, offset + (0, self._at, len(self._view))[whence])
        return self._at

    def tell(self) -> int:
        """Where the next read begins."""
        return self._at


def sign_known_digests(client: Any, credentials: Any) -> None:
    """Make ``client`` sign the PUT of a :class:`Payload` with the digest it carries.

    botocore can't be told a digest. So for these requests its own signer is switched off, and handlers of this one
    client make the same signature: other users of botocore in the process aren't affected.
    """
    import botocore
    from botocore.auth import S3SigV4Auth

    class KnownDigestAuth(S3SigV4Auth):  # type: ignore[misc,unused-ignore]  # untyped where there are no stubs
        def payload(self, request: Any) -> Any:
            return request.context[_CONTEXT_KEY]

    def remember(params: Any, context: Any, **_kwargs: Any) -> None:
        body = params.get("body")
        if not isinstance(body, Payload):
            return
        context[_CONTEXT_KEY] = body.sha256
        if body.exclusive:
            params["headers"]["If-None-Match"] = "*"  # botocore before 1.35 knows no parameter for it
        if len(body) <= SMALL:
            params["body"] = bytes(body.read())
            params["headers"].pop("Expect", None)

    def choose(context: Any, signature_version: Any, **_kwargs: Any) -> Any:
        # botocore itself signs anything but plain version 4 (S3 Express, a signature version set by the user).
        if _CONTEXT_KEY in context and signature_version in ("s3v4", "v4"):
            context[_CONTEXT_KEY + "_chosen"] = True
            return botocore.UNSIGNED
        return None

    def sign(request: Any, signing_name: str, region_name: str, **_kwargs: Any) -> None:
        if not request.context.get(_CONTEXT_KEY + "_chosen"):
            return
        signing = request.context.get("signing") or {}
        auth = KnownDigestAuth(
            credentials.get_frozen_credentials(),
            signing.get("signing_name") or signing_name,
            signing.get("region") or region_name,
        )
        auth.add_auth(request)

    events = client.meta.events
    events.register_last("before-call.s3.PutObject", remember)
    events.register_first("choose-signer.s3.PutObject", choose)
    events.register_last("before-sign.s3.PutObject", sign)
