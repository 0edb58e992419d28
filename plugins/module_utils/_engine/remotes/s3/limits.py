# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""What a server may take of time and memory with one reply, whatever it sends.

The libraries below give up when nothing comes for a minute. A byte every second, headers without an end, or a listing
of gigabytes they would read for ever. So all that is read from a connection passes through here.
"""

from __future__ import annotations

import io
import threading
import time
from typing import Any
from xml.parsers import expat

from ...common.errors import RemoteError
from ...common.units import show_bytes

HEAD = 256 << 10  # bytes of a status line and headers, and of what botocore reads before it sends a body
WORDS = 8 << 20  # of a reply to read at once: a listing has at most a thousand keys
BODY = 256 << 20  # of a reply with an object, whose own limit is checked where it is read
PATIENCE = 120.0  # seconds of waiting for bytes of one reply
RATE = 1024  # bytes that allow for one more second
_ENDS = 100  # how often a reader may ask for more after the end
_PIECE = 1024
_TAGS = 100_000  # a thousand entries have about 20,000


class UnfitReply(RemoteError):
    """A reply that is never asked for again: the server sends too much, too slowly, or what S3 never sends."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what}.", "Check endpoint_url: is it an S3 server, or a proxy in between? Look at its log.", "remote"
        )


class _Reader(io.RawIOBase):
    """The bytes of one reply, as they come."""

    def __init__(self, source: Any) -> None:
        super().__init__()
        self._source = source
        self._got = 0
        self._waited = 0.0
        self._ends = 0
        self.most = HEAD

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        started = time.monotonic()
        count = int(self._source.readinto(buffer) or 0)
        self._waited += time.monotonic() - started
        self._got += count
        if not count:
            self._ends += 1
            if self._ends > _ENDS:  # botocore asks for the rest of headers for ever
                raise ConnectionResetError("the connection broke")
        if self._got > self.most:
            raise UnfitReply(f"the server sends a reply of more than {show_bytes(self.most)} where S3 sends less")
        if self._waited > PATIENCE + self._got / RATE:
            raise UnfitReply(f"the server sends too slowly: {self._got} bytes in {self._waited:.0f} seconds")
        return count

    def close(self) -> None:
        self._source.close()
        super().close()


class _Socket:
    """A socket whose replies are read with limits."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self.newest: _Reader | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def makefile(self, mode: str = "r", buffering: int = -1, **options: Any) -> Any:
        """http.client and botocore read through such a file, one for each reply."""
        if mode != "rb":
            return self._real.makefile(mode, buffering, **options)
        self.newest = reader = _Reader(self._real.makefile("rb", 0))
        return reader if buffering == 0 else io.BufferedReader(reader, 64 << 10)


def limit_replies(client: Any) -> None:
    """Make a botocore client read replies with these limits. Its requests raise UnfitReply, and aren't repeated then.

    Other clients of the process aren't affected.
    """
    from botocore import awsrequest

    session = client._endpoint.http_session  # botocore has no public way to its connections
    pools: dict[str, Any] = session._pool_classes_by_scheme
    asked = threading.local()

    class Limited:
        """The connections of this client."""

        sock: Any

        def connect(self) -> Any:
            done = super().connect()  # type: ignore[misc]  # a mixin
            self.sock = _Socket(self.sock)
            return done

        def getresponse(self, *args: Any, **options: Any) -> Any:
            sock = self.sock
            reply = super().getresponse(*args, **options)  # type: ignore[misc]  # a mixin
            if sock.newest is not None:
                sock.newest.most = BODY if asked.streams and reply.status < 300 else WORDS
            return reply

    class Plain(Limited, awsrequest.AWSHTTPConnection):  # type: ignore[misc,unused-ignore]  # untyped where there are no stubs
        pass

    class Secure(Limited, awsrequest.AWSHTTPSConnection):  # type: ignore[misc,unused-ignore]  # as above
        pass

    for scheme, connection in (("http", Plain), ("https", Secure)):
        pools[scheme] = type("Pool", (pools[scheme],), {"ConnectionCls": connection})

    def send(request: Any, **_kwargs: Any) -> Any:
        asked.streams = request.stream_output
        reply = session.send(request)
        if not request.stream_output or reply.status_code >= 300:
            _check_xml(reply.content)
        return reply

    def give_up(caught_exception: BaseException | None = None, **_kwargs: Any) -> None:
        error: Any = caught_exception
        while error is not None:
            if isinstance(error, UnfitReply):
                raise error
            error = getattr(error, "kwargs", {}).get("error")

    client.meta.events.register_last("before-send.s3", send)
    client.meta.events.register_first("needs-retry.s3", give_up)


def _check_xml(data: bytes) -> None:
    """Raises UnfitReply for XML with far too many elements, or a document type: that can define entities which grow
    without an end."""
    if data.count(b"<") > _TAGS:
        raise UnfitReply("the server sends XML with more elements than S3 ever does")
    parser = expat.ParserCreate()
    begun: list[bool] = []

    def refuse(*_args: Any) -> None:
        raise UnfitReply("the server sends XML with definitions of its own, which S3 never does")

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = lambda *_args: begun.append(True)
    try:
        for at in range(0, len(data), _PIECE):
            parser.Parse(data[at : at + _PIECE], False)
            if begun:
                return
    except expat.ExpatError:
        return  # botocore's own parser says what is wrong
