# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""One connection to one controller through python-linstor. It tells the library's failures apart.

The library can't be shared between threads, raises any exception when it parses a bad answer, and returns errors like
results. Only this file knows about that.
"""

from __future__ import annotations

import functools
import http.client
import select
import sys
import zlib
from collections.abc import Mapping
from typing import Any, Callable
from urllib.parse import urlsplit

from ..._engine.common.errors import ConfigError, RemoteError
from .access import Access, authorities
from .replies import Replies, parse_all

#: seconds in which a controller must accept a connection and tell its version; after that, the next one is tried
CONNECT_TIMEOUT = 20.0
_HTTP_PORT = 3370
#: the cheap part of the metrics
_METRICS = "/metrics?resource=false&storage_pools=false&error_reports=false"
_MOVED = (301, 302, 303, 307, 308)
_MALFORMED = (ValueError, TypeError, KeyError, IndexError, AttributeError, zlib.error)


class Broken(Exception):
    """The connection broke; ``sent``: a request was sent before."""

    def __init__(self, text: str, sent: bool, timed_out: bool = False) -> None:
        super().__init__(text)
        self.text = text
        self.sent = sent
        self.timed_out = timed_out


class Garbled(Exception):
    """An answer that isn't LINSTOR's; ``status`` is the HTTP status, or ``None`` if no request was sent."""

    def __init__(self, text: str, status: int | None) -> None:
        super().__init__(text)
        self.text = text
        self.status = status


class Refused(Exception):
    """LINSTOR answered with an error."""

    def __init__(self, replies: Replies, status: int | None) -> None:
        super().__init__("; ".join(reply.text for reply in replies))
        self.replies = replies
        self.status = status


def library() -> Any:
    """Import python-linstor. It is imported here only, so that everything else runs without it."""
    try:
        import linstor
    except ImportError:
        raise ConfigError(
            f"The Python library python-linstor isn't installed for {sys.executable}.",
            "Install python-linstor >= 1.28.1 there, or run the task on a host that has it. To run it beside Ansible, "
            'set delegate_to: localhost and ansible_python_interpreter: "{{ ansible_playbook_python }}".',
            code="library",
        ) from None
    return linstor


class Client:
    """A connection to the controller at ``uri``; it calls ``counted`` for each request that it sends."""

    def __init__(self, uri: str, access: Access, counted: Callable[[], None]) -> None:
        self.uri = uri
        self._access = access
        self._counted = counted
        self._linstor = library()
        self._session: Any = None
        self._sent = False
        self._status: int | None = None
        self._errors: Any = None

    def connect(self) -> None:
        """Connect, and check that the other side is a LINSTOR controller. Raises like :meth:`call`."""
        uri = self.uri
        credentials = self._access.auth_token or self._access.username
        # A controller with TLS redirects plain connections to its other port. Ask for that first only if there are
        # credentials, as these mustn't be sent in the clear.
        if not is_secure(uri) and credentials:
            uri = self._redirected(uri) or uri
        try:
            self._open(uri)
        except Garbled as garbled:
            elsewhere = self._redirected(uri) if garbled.status in _MOVED and not is_secure(uri) else None
            if elsewhere is None:
                raise
            self._open(elsewhere)

    @property
    def version(self) -> tuple[str, str]:
        """The versions of the controller and of its REST API."""
        told = self._session._ctrl_version
        return str(told.version), str(told.rest_api_version)

    def call(self, method: str, *args: Any, **kwargs: Any) -> tuple[Any, Replies, int | None]:
        """Call a method of the library. Returns its result, the entries in it, and the HTTP status.

        Raises Broken, Garbled or Refused.
        """
        return self._guarded(functools.partial(getattr(self._session, method), *args, **kwargs))

    def metrics(self) -> tuple[Any, Replies, int | None]:
        """The controller's metrics for Prometheus, as text. Returns and raises like :meth:`call`."""

        def ask() -> Any:
            response = self._session._rest_request_base("metrics", "GET", _METRICS)
            return self._session._decode_response_data(response)

        return self._guarded(ask)

    def is_stale(self) -> bool:
        """Whether the controller has closed the idle connection."""
        connection = getattr(self._session, "_rest_conn", None)
        sock = getattr(connection, "sock", None)
        if sock is None:
            return False  # the next request connects
        try:
            return bool(select.select([sock], [], [], 0)[0])
        except (OSError, ValueError):
            return True

    def close(self) -> None:
        """Close the connection."""
        if self._session is not None:
            self._session.disconnect()

    def _open(self, uri: str) -> None:
        session = self._linstor.Linstor(
            uri,
            timeout=min(CONNECT_TIMEOUT, self._access.timeout),
            agent_info="snapship.dr",
            auth_token="none",  # otherwise the library looks for a token itself
        )
        session._auth_token = self._access.auth_token if is_secure(uri) else None
        session.has_linstor_https = _no_redirect
        self._identify(session, is_secure(uri))
        self._watch(session)
        self._guarded(session.connect)
        self._session = session
        session._timeout = session._rest_conn.timeout = self._access.timeout
        if session._rest_conn.sock is not None:
            session._rest_conn.sock.settimeout(self._access.timeout)

    def _identify(self, session: Any, secure: bool) -> None:
        access = self._access
        if access.username:
            if not secure:
                raise ConfigError(
                    f"{self.uri}: a password is never sent without TLS.",
                    "Write the address as linstor+ssl://HOST.",
                    code="insecure",
                )
            session.username, session.password = access.username, access.password
        if secure:
            session.certfile, session.keyfile = access.client_cert, access.client_key
            session.cafile = authorities(access)

    def _watch(self, session: Any) -> None:
        """Note each request of the session, the status of its answer, and the errors in it."""
        send = session._rest_request_base

        def noted(*args: Any, **kwargs: Any) -> Any:
            self._sent = True
            self._counted()
            response = send(*args, **kwargs)
            self._status = response.status
            return response

        handle = session._handle_response_error

        def heard(*args: Any, **kwargs: Any) -> Any:
            self._errors = handle(*args, **kwargs)
            return self._errors

        session._rest_request_base = noted
        session._handle_response_error = heard

    def _redirected(self, uri: str) -> str | None:
        """Where a controller with TLS sends those who come to ``uri`` without it."""
        parts = urlsplit(uri)
        host = parts.hostname or ""
        self._counted()
        try:
            port = self._linstor.Linstor.has_linstor_https(host, parts.port or _HTTP_PORT)
        except (OSError, http.client.HTTPException):
            return None
        if not port:
            return None
        return f"linstor+ssl://[{host}]:{port}" if ":" in host else f"linstor+ssl://{host}:{port}"

    def _guarded(self, ask: Callable[[], Any]) -> tuple[Any, Replies, int | None]:
        self._sent, self._status, self._errors = False, None, None
        errors = self._linstor
        try:
            result = ask()
            replies = entries(result)
        except errors.LinstorApiCallError as error:
            raise self._refused(error.all_errors(), error.message) from None
        except errors.LinstorTimeoutError as error:
            raise Broken(error.message, self._sent, timed_out=True) from None
        except errors.LinstorNetworkError as error:
            raise Broken(error.message, self._sent, "timed out" in error.message) from None
        except errors.LinstorError as error:
            raise Garbled(error.message, self._status) from None
        except TimeoutError as error:
            raise Broken(str(error) or "timed out", self._sent, timed_out=True) from None
        except (OSError, http.client.HTTPException) as error:
            raise Broken(f"{type(error).__name__}: {error}", self._sent) from None
        except _MALFORMED as error:
            # It may be a refusal that the library can't parse: it expects the controller's version here.
            raise self._refused(self._errors, f"an answer that isn't LINSTOR's ({type(error).__name__})") from None
        if replies.errors or (self._status or 0) >= 400:
            raise Refused(replies, self._status)
        return result, replies, self._status

    def _refused(self, errors: Any, text: str) -> Refused | Garbled:
        """The error for these entries, or for an answer without readable ones."""
        try:
            replies = entries(errors)
        except _MALFORMED:
            replies = Replies()
        return Refused(replies, self._status) if replies else Garbled(text, self._status)


def without_entries(result: Any) -> Any:
    """The library's result without the controller's messages that may be mixed into it."""
    if isinstance(result, list):
        alone = [type(each).__name__ == "ApiCallResponse" for each in result]
        return [without_entries(each) for each, one in zip(result, alone) if one or not _is_entry(_data(each))]
    data = _data(result)
    if isinstance(data, list):
        data[:] = [inner for inner in data if not _is_entry(inner)]
    return result


def _data(answer: Any) -> Any:
    return getattr(answer, "data_v1", None)


def _is_entry(item: Any) -> bool:
    return isinstance(item, Mapping) and "ret_code" in item


def entries(result: Any) -> Replies:
    """The entries in the library's result, which may be a list of entries or an object that holds such a list."""
    found: list[Mapping[str, Any]] = []
    for each in result if isinstance(result, list) else [result]:
        data = _data(each)
        if type(each).__name__ == "ApiCallResponse" and not isinstance(data, Mapping):
            raise ValueError("not an entry")
        for inner in data if isinstance(data, list) else [data]:
            if _is_entry(inner):
                found.append(inner)
    return parse_all(found)


def is_secure(uri: str) -> bool:
    """Whether the address uses TLS."""
    return urlsplit(uri).scheme in ("linstor+ssl", "https")


def _no_redirect(_host: str, _port: int) -> int:
    return 0


def failure(where: str, error: Broken | Garbled) -> RemoteError:
    """The user's error for a connection that can't be opened, or breaks."""
    text = " ".join(error.text.split())[:300].rstrip(".") + "."
    if isinstance(error, Garbled):
        code = {401: "unauthorized", 403: "denied"}.get(error.status or 0, "bad_reply")
        status = f" (HTTP {error.status})" if error.status else ""
        return RemoteError(f"{where} answered{status}, but isn't a LINSTOR controller: {text}", "", code)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        hint = "Set ca_path to a file with the authority that signed the certificate."
        return RemoteError(f"{where}: the controller's certificate isn't trusted: {text}", hint, "tls")
    if "[SSL" in text or "SSL:" in text:
        asks = "CERTIFICATE_REQUIRED" in text
        hint = "The controller asks for a certificate: set client_cert." if asks else ""
        return RemoteError(f"{where}: the TLS connection failed: {text}", hint, "tls")
    if error.timed_out:
        return RemoteError(f"{where} didn't answer in time: {text}", "", "timeout")
    hint = (
        "Check that a controller runs there and that controllers has its address. With TLS, write linstor+ssl://HOST."
    )
    return RemoteError(f"{where} can't be reached: {text}", hint, "unreachable")
