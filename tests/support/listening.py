# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands in front of a server on loopback: it has a port of its own, and a thread for each connection."""

from __future__ import annotations

import contextlib
import socket
import threading

BUFFER = 1 << 16


class Front:
    """Listens on a free port of 127.0.0.1 for ``port`` there; ``endpoint`` is its own address."""

    def __init__(self, port: int, scheme: str) -> None:
        self.target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"

    def accepted(self) -> int | None:
        """Called for each connection, one after the other; what it returns is given to ``serve``."""
        return None

    def serve(self, outer: socket.socket, told: int | None) -> None:
        """What becomes of a connection. The socket is closed afterwards; an OSError means that somebody hung up."""
        raise NotImplementedError

    def _accept(self) -> None:
        while True:
            try:
                outer, _peer = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(outer, self.accepted()), daemon=True).start()

    def _serve(self, outer: socket.socket, told: int | None) -> None:
        with contextlib.suppress(OSError), outer:
            self.serve(outer, told)

    def start(self) -> None:
        threading.Thread(target=self._accept, daemon=True).start()

    def __exit__(self, *_exc: object) -> None:
        with contextlib.suppress(OSError):
            # close() alone would leave the accepting thread waiting.
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def shut(each: socket.socket) -> None:
    """Nothing more comes or goes, whatever the other side thinks of it."""
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
