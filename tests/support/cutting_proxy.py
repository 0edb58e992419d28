# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A line that breaks: relays TCP to a server on loopback and cuts connections at chosen places."""

from __future__ import annotations

import contextlib
import socket
import threading

from ansible_collections.snapship.dr.tests.support.listening import BUFFER, Front, shut


class CuttingProxy(Front):
    """Relays to ``port``.

    ``reply_limits``: for each new connection the first entry is taken off; so many bytes of what the server says get
    through, then the connection breaks. Without an entry it holds.
    ``requests_without_bodies``: only the headers of a connection's first request arrive, then the client is gone;
    ``wait_for_the_server`` returns when the server has done with all that it got this way.
    """

    def __init__(self, port: int) -> None:
        super().__init__(port, "http")
        self.reply_limits: list[int] = []
        self.requests_without_bodies = False
        self.connections = 0
        self._over: list[threading.Event] = []

    def __enter__(self) -> CuttingProxy:
        self.start()
        return self

    def accepted(self) -> int | None:
        self.connections += 1
        return self.reply_limits.pop(0) if self.reply_limits else None

    def serve(self, outer: socket.socket, told: int | None) -> None:
        with socket.create_connection(self.target) as inner:
            back = threading.Thread(target=self._replies, args=(inner, outer, told), daemon=True)
            back.start()
            with contextlib.suppress(OSError):
                while data := outer.recv(BUFFER):
                    if self.requests_without_bodies:
                        self._without_body(inner, outer, data)
                        break
                    inner.sendall(data)
            shut(inner)
            back.join()

    def wait_for_the_server(self) -> None:
        for each in self._over:
            assert each.wait(600), "the server keeps a connection open"

    def _without_body(self, inner: socket.socket, outer: socket.socket, data: bytes) -> None:
        over = threading.Event()
        self._over.append(over)
        shut(outer)  # before the server can answer
        inner.sendall(data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
        inner.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while inner.recv(BUFFER):
                pass
        over.set()

    def _replies(self, inner: socket.socket, outer: socket.socket, limit: int | None) -> None:
        with contextlib.suppress(OSError):
            while data := inner.recv(BUFFER):
                if limit is not None:
                    outer.sendall(data[:limit])
                    limit -= min(limit, len(data))
                    if not limit:
                        break
                    continue
                outer.sendall(data)
        shut(outer)
