# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""An https front for a plain server on loopback, with a certificate signed by a CA made for the occasion."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path

from ansible_collections.snapship.dr.tests.support.certificates import Authority
from ansible_collections.snapship.dr.tests.support.listening import BUFFER, Front, shut


class TlsFront(Front):
    """Terminates TLS and relays the bytes to ``port``.

    ``ca_path`` is the certificate to trust; nothing on the machine trusts it by itself.
    """

    def __init__(self, directory: Path, port: int) -> None:
        super().__init__(port, "https")
        authority = Authority(directory)
        self.ca_path = authority.ca_path
        self._context = authority.server()

    def __enter__(self) -> TlsFront:
        self.start()
        return self

    def serve(self, outer: socket.socket, told: int | None) -> None:
        # A client that doesn't trust the certificate hangs up in the handshake: that is a test's purpose, no error.
        with (
            self._context.wrap_socket(outer, server_side=True) as plain,
            socket.create_connection(self.target) as inner,
        ):
            back = threading.Thread(target=_relay, args=(inner, plain), daemon=True)
            back.start()
            _relay(plain, inner)
            back.join()


def _relay(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(BUFFER):
            target.sendall(data)
    shut(source)
    shut(target)
