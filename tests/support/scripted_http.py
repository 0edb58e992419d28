# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server that says what it is told to: for replies that the real S3 server of the tests never gives."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """``headers`` come beside Content-Length and Date, or replace them; an empty value leaves one out."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def error(cls, status: int, code: str, message: str = "as the test wants it", **more: str) -> Reply:
        """An error as S3 words it; ``more`` are further elements of it."""
        inner = "".join(f"<{name}>{value}</{name}>" for name, value in more.items())
        xml = f"<Error><Code>{code}</Code><Message>{message}</Message>{inner}</Error>"
        return cls(status, xml.encode(), {"Content-Type": "application/xml"})


class ScriptedHttp:
    """Answers each request on a free port of 127.0.0.1 with ``answer(request)``; keeps the ``requests`` it got."""

    def __init__(self, answer: Callable[[Request], Reply]) -> None:
        self.requests: list[Request] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(answer, self.requests))
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> ScriptedHttp:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(answer: Callable[[Request], Reply], seen: list[Request]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = Request(self.command, self.path, self.headers, body)
            seen.append(request)
            reply = answer(request)
            self.send_response_only(reply.status)
            usual = {"Content-Length": str(len(reply.body)), "Date": self.date_time_string()}
            for name, value in {**usual, **reply.headers}.items():
                if value:
                    self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                with contextlib.suppress(OSError):  # the client may hang up early: some tests are about that
                    self.wfile.write(reply.body)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _any

        def log_message(self, *_arguments: object) -> None:
            """Nothing: the test tells what happened."""

    return Handler
