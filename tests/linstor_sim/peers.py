# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""One controller calling another. LINSTOR asks for no sign-in there."""

from __future__ import annotations

import http.client
import json
import ssl
from typing import Any
from urllib.parse import urlsplit

_SECONDS = 600  # only ends what hangs


class PeerUnreachable(Exception):
    """The other controller can't be reached, or its answer makes no sense."""


def call(url: str, path: str, body: Any) -> tuple[int, Any]:
    """POSTs JSON, or bytes as they are, and gives status and answer. Never called with a lock held."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
    connection = _connection(url)
    try:
        connection.request("POST", path, raw, {"Content-Type": kind})
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read() or b"null")
    except (OSError, http.client.HTTPException) as error:
        where = f"{connection.host}:{connection.port}"
        raise PeerUnreachable(f"Connect to {where} [/{connection.host}] failed: {_reason(error)}") from error
    except ValueError as error:
        raise PeerUnreachable(f"Unrecognized token in the answer of {url}: {error}") from error
    finally:
        connection.close()


def _connection(url: str) -> http.client.HTTPConnection:
    split = urlsplit(url)
    if split.scheme != "https":
        return http.client.HTTPConnection(split.hostname or "", split.port or 3370, timeout=_SECONDS)
    # LINSTOR takes trusted authorities from the Java keystore; the double has none.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(split.hostname or "", split.port or 3371, timeout=_SECONDS, context=context)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
