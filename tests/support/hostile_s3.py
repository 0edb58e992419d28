# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""An S3 server that means harm: replies that never end, lead nowhere, quote the request, or say what can't be.

``HARM`` has each kind by name: a function that writes to the client after its request was read. It stops when the
client hangs up.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

DATE = b"Date: Mon, 09 Mar 2026 14:30:00 GMT\r\n"
OK = b"HTTP/1.1 200 OK\r\n" + DATE
_BLOCK = b"x" * 65536


@dataclass
class Asked:
    """A request: its first line, and all of its head as text."""

    method: str
    target: str
    head: str


Harm = Callable[["socket.socket", Asked, int], None]
HARM: dict[str, Harm] = {}


def harm(function: Harm) -> Harm:
    HARM[function.__name__] = function
    return function


def whole(peer: socket.socket, body: str | bytes, status: str = "200 OK", more: str = "", date: bytes = DATE) -> None:
    """A reply as HTTP wants it."""
    data = body if isinstance(body, bytes) else body.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(data)}\r\n{more}".encode()
    peer.sendall(head + date + b"\r\n" + data)


def for_ever(peer: socket.socket, head: bytes, piece: bytes) -> None:
    """Goes on until the client has had enough."""
    peer.sendall(head)
    while True:
        peer.sendall(piece)


def page(inner: str = "", truncated: bool = False) -> str:
    return f"<ListBucketResult><IsTruncated>{str(truncated).lower()}</IsTruncated>{inner}</ListBucketResult>"


def entry(key: str = "p/data/a", size: str = "1", modified: str = "2026-01-01T00:00:00Z") -> str:
    """One object of a listing."""
    return f"<Contents><Key>{key}</Key><LastModified>{modified}</LastModified><Size>{size}</Size></Contents>"


def error(code: str, message: str, more: str = "") -> str:
    return f"<Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>"


# --- listings


@harm
def same_token(peer: socket.socket, _asked: Asked, _number: int) -> None:
    whole(peer, page(entry() + "<NextContinuationToken>again</NextContinuationToken>", True))


@harm
def tokens_in_a_circle(peer: socket.socket, _asked: Asked, number: int) -> None:
    whole(peer, page(f"{entry()}<NextContinuationToken>{number % 3}</NextContinuationToken>", True))


@harm
def no_token(peer: socket.socket, _asked: Asked, _number: int) -> None:
    whole(peer, page(entry(), True))


@harm
def empty_pages(peer: socket.socket, _asked: Asked, number: int) -> None:
    whole(peer, page(f"<NextContinuationToken>{number}</NextContinuationToken>", True))


@harm
def endless_pages(peer: socket.socket, _asked: Asked, number: int) -> None:
    inner = entry(f"p/data/{number}") + f"<NextContinuationToken>{number}</NextContinuationToken>"
    whole(peer, page(inner, True))


@harm
def absurd_sizes(peer: socket.socket, _asked: Asked, number: int) -> None:
    whole(peer, page(entry(size=("9" * 30, "-1", str(1 << 63), "1e3", "")[number % 5])))


@harm
def absurd_times(peer: socket.socket, _asked: Asked, number: int) -> None:
    stamps = (
        "99999-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "never",
        "9999-12-31T23:59:59-23:59",
        "-1",
        "9" * 30,
    )
    whole(peer, page(entry(modified=stamps[number % 6])))


@harm
def missing_parts(peer: socket.socket, _asked: Asked, number: int) -> None:
    time = "<LastModified>2026-01-01T00:00:00Z</LastModified>"
    parts = ("<Key>p/a</Key>", "<Size>1</Size>", "", f"<Size>1</Size>{time}")
    whole(peer, page(f"<Contents>{parts[number % 4]}</Contents><CommonPrefixes/>"))


@harm
def absurd_keys(peer: socket.socket, _asked: Asked, number: int) -> None:
    keys = ("p/", "p/%00", "p/../../etc", "p/a%0Ab", "p/" + "k" * 5000, "p/repository/" + "0" * 32)
    whole(peer, page("".join(entry(key) for key in keys[number % 3 :])))


@harm
def growing_entities(peer: socket.socket, _asked: Asked, _number: int) -> None:
    levels = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 9))
    whole(peer, f'<!DOCTYPE x [<!ENTITY l0 "0123456789">{levels}]>' + page(entry("&l8;")))


@harm
def deep_xml(peer: socket.socket, _asked: Asked, _number: int) -> None:
    whole(peer, "<a>" * 40_000 + "</a>" * 40_000)


@harm
def many_elements(peer: socket.socket, _asked: Asked, _number: int) -> None:
    whole(peer, page("<Contents/>" * 600_000))


# --- without an end


@harm
def endless_xml(peer: socket.socket, _asked: Asked, _number: int) -> None:
    for_ever(peer, OK + b"\r\n<ListBucketResult>", entry().encode() * 500)


@harm
def endless_error(peer: socket.socket, _asked: Asked, _number: int) -> None:
    for_ever(peer, b"HTTP/1.1 403 Forbidden\r\n" + DATE + b"\r\n<Error><Message>", _BLOCK)


@harm
def endless_chunks(peer: socket.socket, _asked: Asked, _number: int) -> None:
    for_ever(peer, OK + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + _BLOCK + b"\r\n")


@harm
def endless_chunk_size(peer: socket.socket, _asked: Asked, _number: int) -> None:
    for_ever(peer, OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0" * 65536)


@harm
def endless_trailers(peer: socket.socket, _asked: Asked, _number: int) -> None:
    for_ever(peer, OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"a: b\r\n" * 10000)


@harm
def endless_status(peer: socket.socket, _asked: Asked, _number: int) -> None:
    for_ever(peer, b"HTTP/1.1 200 ", _BLOCK)


@harm
def endless_headers(peer: socket.socket, _asked: Asked, _number: int) -> None:
    for_ever(peer, OK, b"x-a: b\r\n" * 10000)


@harm
def endless_continue(peer: socket.socket, _asked: Asked, _number: int) -> None:
    for_ever(peer, b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)


@harm
def continue_and_gone(peer: socket.socket, _asked: Asked, _number: int) -> None:
    peer.sendall(b"HTTP/1.1 100 Continue\r\nx-a: b")
    peer.shutdown(socket.SHUT_WR)


@harm
def drip(peer: socket.socket, _asked: Asked, _number: int) -> None:
    """A byte every now and then; what counts is the client's clock."""
    reply = OK + b"Content-Length: 1000000\r\n\r\n"
    for byte in itertools.chain(reply, itertools.repeat(ord("x"))):
        peer.sendall(bytes([byte]))
        time.sleep(0.001)


@harm
def drip_of_headers(peer: socket.socket, _asked: Asked, _number: int) -> None:
    for byte in itertools.chain(OK, itertools.cycle(b"x-a: b\r\n")):
        peer.sendall(bytes([byte]))
        time.sleep(0.001)


# --- lengths that aren't


@harm
def lengths(peer: socket.socket, _asked: Asked, number: int) -> None:
    told = ("-1", "9" * 30, "1_0", "x", "5, 9", "")[number % 6]
    for_ever(peer, OK + f"Content-Length: {told}\r\n\r\n".encode(), _BLOCK)


@harm
def two_lengths(peer: socket.socket, _asked: Asked, _number: int) -> None:
    head = OK + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
    for_ever(peer, head, b"10000\r\n" + _BLOCK + b"\r\n")


@harm
def absurd_clock(peer: socket.socket, _asked: Asked, number: int) -> None:
    stamps = (b"Fri, 31 Dec 99999 23:59:59 GMT", b"Mon, 01 Jan 0001 00:00:00 +2359", b"Fri, 31 Dec 9999 23:59:59 -0000",
              b"Mon, 01 Jan 0001 00:00:00 -0000")  # fmt: skip
    whole(peer, page(), date=b"Date: " + stamps[number % 4] + b"\r\n")


# --- echoes


@harm
def echo_in_message(peer: socket.socket, asked: Asked, _number: int) -> None:
    text = asked.head.replace("&", "&amp;").replace("<", "&lt;")
    whole(peer, error("AccessDenied", text), "403 Forbidden")


@harm
def echo_in_code(peer: socket.socket, asked: Asked, number: int) -> None:
    text = " ".join(asked.head.replace("&", "&amp;").split())
    status = ("403 Forbidden", "400 Bad Request", "500 Failed")[number % 3]
    whole(peer, error(text, "no", f"<Region>{text}</Region><ServerTime>{text}</ServerTime>"), status)


@harm
def echo_of_a_part(peer: socket.socket, asked: Asked, _number: int) -> None:
    """Not the whole header: a few characters of the key and of the token, which nobody could look for as a whole."""
    credential = asked.head.partition("Credential=")[2][:12]
    token = asked.head.partition("x-amz-security-token: ")[2][:40]
    whole(peer, error("RequestTimeTooSkewed", f"you are {credential} and {token}"), "403 Forbidden")


@harm
def echo_as_text(peer: socket.socket, asked: Asked, number: int) -> None:
    whole(peer, asked.head, ("403 Forbidden", "200 OK", "501 No")[number % 3])


@harm
def echo_in_headers(peer: socket.socket, asked: Asked, _number: int) -> None:
    text = " ".join(asked.head.split())
    more = f"Location: https://x/{text}\r\nx-amz-bucket-region: {text}\r\n"
    whole(peer, error("PermanentRedirect", text.replace("&", "&amp;")), "301 Moved", more)


@harm
def echo_of_deletions(peer: socket.socket, asked: Asked, _number: int) -> None:
    text = " ".join(asked.head.replace("&", "&amp;").split())
    inner = f"<Key>p/{text}</Key><Code>{text}</Code><Message>{text}</Message>"
    whole(peer, f"<DeleteResult><Error>{inner}</Error></DeleteResult>")


@harm
def noise(peer: socket.socket, _asked: Asked, number: int) -> None:
    peer.sendall(random.Random(number).randbytes(500))
    peer.shutdown(socket.SHUT_WR)


@harm
def kind(peer: socket.socket, _asked: Asked, _number: int) -> None:
    """Nothing wrong, so that a client gets further."""
    whole(peer, page())


@dataclass
class HostileS3:
    """Runs on a free port of 127.0.0.1. ``asked``: the requests since the last :meth:`begin`."""

    asked: list[Asked] = field(default_factory=list)

    def begin(self, kinds: Iterator[str], first: int = 0) -> None:
        """``kinds`` gives the harm of each request from now on, ``first`` the number of the next one."""
        with self._lock:
            self._kinds, self._first = kinds, first
            self.asked.clear()

    def __enter__(self) -> HostileS3:
        self._lock = threading.Lock()
        self.begin(itertools.repeat("kind"))
        self._server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.endpoint = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _address = self._server.accept()
                threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        """One request a connection: most replies have no end that a client could go on after."""
        with contextlib.suppress(OSError), peer:
            stream = peer.makefile("rb")
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                line = stream.readline(65536)
                if not line:
                    return
                head += line
            words = head.decode("latin-1")
            method, target, _version = words.split(" ", 2)
            asked = Asked(method, target, words)
            with self._lock:
                self.asked.append(asked)
                number, name = self._first + len(self.asked), next(self._kinds)
            # By lines: a header may repeat what this server said.
            headers = dict(line.lower().partition(": ")[::2] for line in words.split("\r\n")[1:])
            if headers.get("expect") != "100-continue":
                stream.read(int(headers.get("content-length", "0")))
            HARM[name](peer, asked, number)
            peer.shutdown(socket.SHUT_WR)
