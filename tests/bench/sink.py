# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""An S3 endpoint that throws bodies away: what a client itself costs shows against it.

It knows sizes of all objects and the content of small ones, no signatures, no errors. ``with Sink() as sink`` runs it
in a process of its own; ``sink.endpoint`` is its address.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import subprocess
import sys
import threading
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

SMALL = 1 << 20
_STAMP = "2026-01-01T00:00:00.000Z"


class Sink:
    """The process. ``certificate``: a file with key and certificate, for https."""

    def __init__(self, certificate: str | None = None) -> None:
        self._certificate = certificate

    def __enter__(self) -> Sink:
        command = [sys.executable, __file__, *([self._certificate] if self._certificate else [])]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        scheme = "https" if self._certificate else "http"
        self.endpoint = f"{scheme}://127.0.0.1:{int(self._process.stdout.readline())}"
        return self

    def __exit__(self, *_exc: object) -> None:
        self._process.kill()
        self._process.wait()


class Objects:
    """Sizes by key, and content where it is small."""

    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}
        self.small: dict[str, bytes] = {}
        self.lock = threading.Lock()

    def put(self, key: str, size: int, body: bytes) -> None:
        with self.lock:
            self.sizes[key] = size
            if size <= SMALL:
                self.small[key] = body

    def delete(self, body: bytes) -> None:
        for key in re.findall(r"<Key>(.*?)</Key>", body.decode()):
            self.sizes.pop(key, None)

    def listing(self, query: dict[str, list[str]]) -> bytes:
        prefix = query.get("prefix", [""])[0]
        with self.lock:
            found = sorted((key, size) for key, size in self.sizes.items() if key.startswith(prefix))
        rows = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>{_STAMP}</LastModified><Size>{size}</Size></Contents>"
            for key, size in found
        )
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>".encode()


class Connection:
    """One connection, request after request."""

    def __init__(self, peer: socket.socket, objects: Objects) -> None:
        self._peer = peer
        self._objects = objects
        self._stream = peer.makefile("rb", buffering=1 << 16)
        self._scrap = bytearray(1 << 20)

    def serve(self) -> None:
        with contextlib.suppress(ConnectionError), self._peer:
            while line := self._stream.readline():
                method, target, _version = line.decode().split(" ")
                headers = {}
                while (header := self._stream.readline().strip()) != b"":
                    name, _colon, value = header.decode("latin-1").partition(":")
                    headers[name.lower()] = value.strip()
                if headers.get("expect") == "100-continue":
                    self._peer.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                self._answer(method, target, int(headers.get("content-length", 0)))

    def _answer(self, method: str, target: str, length: int) -> None:
        parts = urlsplit(target)
        query = parse_qs(parts.query, keep_blank_values=True)
        key = unquote(parts.path).lstrip("/").partition("/")[2]
        body = self._body(length)
        status, reply = 200, b""
        if method == "PUT" and "partNumber" not in query:
            self._objects.put(key, length, body)
        elif method == "POST" and "uploads" in query:
            reply = b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
        elif method == "POST" and "uploadId" in query:
            reply = b"<CompleteMultipartUploadResult><ETag>1</ETag></CompleteMultipartUploadResult>"
        elif method == "POST":
            self._objects.delete(body)
            reply = b"<DeleteResult></DeleteResult>"
        elif method == "GET" and not key:
            reply = self._objects.listing(query)
        elif method == "GET":
            status, reply = (200, self._objects.small[key]) if key in self._objects.small else (404, b"")
        date = formatdate(usegmt=True)
        head = f'HTTP/1.1 {status} -\r\nDate: {date}\r\nETag: "1"\r\nContent-Length: {len(reply)}\r\n\r\n'
        self._peer.sendall(head.encode() + reply)

    def _body(self, length: int) -> bytes:
        if length <= SMALL:
            return self._stream.read(length)
        left = length
        while left:  # readinto takes what is buffered, then reads straight from the socket
            count = self._stream.readinto1(memoryview(self._scrap)[: min(left, SMALL)])  # type: ignore[attr-defined]  # buffered
            if not count:
                raise ConnectionError
            left -= count
        return b""


def main() -> None:
    """Serve until killed; the port is the first line of output."""
    server = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(server.getsockname()[1], flush=True)
    objects: Any = Objects()
    context = None
    if len(sys.argv) > 1:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1])
    while True:
        peer, _address = server.accept()
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_serve, args=(peer, context, objects), daemon=True).start()


def _serve(peer: socket.socket, context: ssl.SSLContext | None, objects: Objects) -> None:
    if context is not None:
        peer = context.wrap_socket(peer, server_side=True)
    Connection(peer, objects).serve()


if __name__ == "__main__":
    main()
