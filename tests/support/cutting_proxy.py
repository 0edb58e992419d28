# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A line that breaks: relays TCP to a server on loopback and cuts connections at chosen places."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

BUFFER = 1 << 16


class CuttingProxy:
    """Relays a free port of 127.0.0.1 to ``port`` there.

    ``reply_limits``: for each new connection the first entry is taken off; so many bytes of what the server says get
    through, then the connection breaks. Without an entry it holds. ``bytes_per_second`` slows what the client sends.
    ``requests_without_bodies``: only the headers of a connection's first request arrive, then the client is gone.
    """

    def __init__(self, port: int) -> None:
        self.reply_limits: list[int] = []
        self.bytes_per_second = 0
        self.requests_without_bodies = False
        self.connections = 0
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> CuttingProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_exc: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                outer, _peer = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            limit = self.reply_limits.pop(0) if self.reply_limits else None
            threading.Thread(target=self._serve, args=(outer, limit), daemon=True).start()

    def _serve(self, outer: socket.socket, limit: int | None) -> None:
        with contextlib.suppress(OSError), outer, socket.create_connection(self._target) as inner:
            back = threading.Thread(target=self._replies, args=(inner, outer, limit), daemon=True)
            back.start()
            with contextlib.suppress(OSError):
                while data := outer.recv(BUFFER):
                    if self.requests_without_bodies:
                        inner.sendall(data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
                        break
                    inner.sendall(data)
                    if self.bytes_per_second:
                        time.sleep(len(data) / self.bytes_per_second)
            _shut(inner)
            back.join()

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
        _shut(outer)


def _shut(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
