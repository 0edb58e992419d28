# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The HTTP side: connections, sign-in, faults, and the log of requests."""

from __future__ import annotations

import base64
import contextlib
import json
import select
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ansible_collections.snapship.dr.tests.linstor_sim import codes, routing
from ansible_collections.snapship.dr.tests.linstor_sim.api.everything import EVERY
from ansible_collections.snapship.dr.tests.linstor_sim.cluster import CONTROLLER, Cluster
from ansible_collections.snapship.dr.tests.linstor_sim.faults import RequestFault
from ansible_collections.snapship.dr.tests.linstor_sim.journal import Logged
from ansible_collections.snapship.dr.tests.linstor_sim.replies import Reply, entry
from ansible_collections.snapship.dr.tests.linstor_sim.shipments import progress
from ansible_collections.snapship.dr.tests.linstor_sim.validation import Document

_TICK = 0.02
_PRIVATE = ("/sim/", "/v1/internal/")
_NOT_IN_DOCUMENT = (*_PRIVATE, "/metrics")


class Server:
    """One controller on a port of 127.0.0.1; with ``tls`` it speaks https there.

    Several may serve one cluster: LINSTOR's are then one that answers and others that don't.
    """

    def __init__(
        self,
        cluster: Cluster,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        document: Document | None = None,
        redirect_to: int | None = None,
    ) -> None:
        self.cluster = cluster
        self.document = document
        self.redirect_to = redirect_to
        self._tls = tls
        self._port = port
        self._http: _Listener | None = None
        self._stopped = threading.Event()
        self.start()
        if not cluster.url:
            cluster.url = self.url

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}"

    @property
    def uri(self) -> str:
        """As python-linstor spells it."""
        return f"{'linstor+ssl' if self._tls else 'linstor'}://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Also after ``stop``: on the same port."""
        self._stopped.clear()
        self._http = _Listener(("127.0.0.1", self._port), self, self._tls)
        self._port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        threading.Thread(target=self._tick, daemon=True).start()

    def stop(self) -> None:
        """The controller is down: connections are refused, and those that are open break."""
        self._stopped.set()
        if self._http:
            self._http.shutdown()
            self._http.server_close()
            self._http.cut()
            self._http = None

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def _tick(self) -> None:
        """Continue shipments, also without requests."""
        while not self._stopped.wait(_TICK):
            if self.cluster.is_busy:
                progress(self.cluster)


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], server: Server, tls: ssl.SSLContext | None) -> None:
        self.server_of = server
        self.tls = tls
        self.open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        if self.tls:
            connection = self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self.open.add(connection)
        return connection, address

    def close_request(self, request: Any) -> None:
        self.open.discard(request)
        super().close_request(request)

    def cut(self) -> None:
        for connection in list(self.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, _request: Any, _address: Any) -> None:
        """Ignore clients that hang up or don't trust the certificate: tests do this on purpose."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Listener

    def setup(self) -> None:
        super().setup()
        self.connection.settimeout(self.server.server_of.cluster.options.idle_seconds)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)

    def _any(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        serving = self.server.server_of
        cluster = serving.cluster
        private = self.path.startswith(_PRIVATE)
        fault = None if private else cluster.faults.of_request(self.command, self.path.split("?")[0])
        if fault and fault.how == "refuse":
            self._cut()
            return
        if fault and fault.how == "hold":
            select.select([self.connection], [], [])
            self._cut()
            return
        found, names, query = routing.find(EVERY, self.command, self.path)
        body, reply = self._parse(raw)
        if serving.redirect_to and not private:
            reply = Reply(302, raw=b"", headers={"Location": f"https://127.0.0.1:{serving.redirect_to}{self.path}"})
        elif fault and fault.how == "reply":
            reply = Reply(fault.status, raw=fault.body.encode(), headers={"Content-Type": fault.content_type})
        elif fault and fault.how == "report":
            reply = _only_reported(cluster, fault)
        elif not private and not self._signed_in():
            reply = self._unauthorised()
        elif reply is None:
            cluster.clock.request()
            progress(cluster)
            reply = routing.answer(cluster, found, routing.Call(self.command, names, query, body), self.path)
            reply = self._checked(found, body, reply)
            reply = _added(reply, fault)
        if not private:
            route = found.path if found else self.path
            cluster.journal.add(Logged(self.command, self.path, route, reply.status, body))
        if fault and fault.how == "drop":
            self._cut()
            return
        self._send(reply)

    do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = _any

    def _parse(self, raw: bytes) -> tuple[Any, Reply | None]:
        if self.headers.get("Content-Type") == "application/octet-stream":
            return raw, None
        if not raw and (self.command in ("GET", "DELETE", "HEAD") or self.path.startswith(_PRIVATE)):
            return None, None
        try:
            return json.loads(raw), None
        except ValueError as error:
            entries = [entry(codes.API_CALL_PARSE_ERROR, "Unable to parse input json.", details=str(error))]
            return None, Reply(500, entries)

    def _signed_in(self) -> bool:
        cluster = self.server.server_of.cluster
        options = cluster.options
        if not cluster.tokens and not options.users:
            return True
        kind, _space, given = self.headers.get("Authorization", "").partition(" ")
        if kind == "Bearer":
            return any(each.secret == given and each.active and each.deleted is None for each in cluster.tokens)
        if kind == "Basic":
            with contextlib.suppress(ValueError):
                user, _colon, password = base64.b64decode(given).decode().partition(":")
                return options.users.get(user) == password
        return False

    def _unauthorised(self) -> Reply:
        if self.server.server_of.cluster.tokens:
            said = [entry(codes.FAIL_ACC_DENIED_COMMAND, "Unauthorized: token invalid or not provided")]
            return Reply(401, said, headers={"WWW-Authenticate": 'Bearer realm="linstor-controller"'})
        if self.headers.get("Authorization"):
            return Reply(403, [entry(codes.FAIL_SIGN_IN, "Authentication failed")])
        missing = [entry(codes.FAIL_SIGN_IN_MISSING_CREDENTIALS, "Missing credentials")]
        return Reply(401, missing, headers={"WWW-Authenticate": 'Basic realm="Linstor"'})

    def _checked(self, found: routing.Route | None, body: Any, reply: Reply) -> Reply:
        serving = self.server.server_of
        if serving.document is None or found is None or self.path.startswith(_NOT_IN_DOCUMENT):
            return reply
        violations = serving.document.check(found.method, found.path, self.path, body, reply)
        if not violations:
            return reply
        serving.cluster.journal.violations += violations
        return Reply(599, raw="\n".join(violations).encode(), headers={"Content-Type": "text/plain"})

    def _send(self, reply: Reply) -> None:
        body = json.dumps(reply.payload).encode() if reply.raw is None else reply.raw
        self.send_response_only(reply.status)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **reply.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            with contextlib.suppress(OSError):
                self.wfile.write(body)
        with contextlib.suppress(OSError):
            self.connection.settimeout(self.server.server_of.cluster.options.idle_seconds)  # as it is by now

    def _cut(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_arguments: object) -> None:
        """Log nothing: the journal has each request."""


def _only_reported(cluster: Cluster, fault: RequestFault) -> Reply:
    """The reason is in the error report alone."""
    with cluster.lock:
        number = cluster.report(CONTROLLER, fault.body)
    said = entry(codes.FAIL_UNKNOWN_ERROR, "An error report was generated", error_report_ids=[number])
    return Reply(500, [said])


def _added(reply: Reply, fault: RequestFault | None) -> Reply:
    if not fault or fault.how != "add" or not isinstance(reply.payload, list):
        return reply
    return Reply(reply.status, [*reply.payload, *fault.entries], headers=reply.headers)
