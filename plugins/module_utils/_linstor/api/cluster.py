# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""A cluster, reached through the first of its controllers that answers. Each kind of failure has its own error."""

from __future__ import annotations

import functools
import re
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any, Callable

from ..._engine.common.errors import RemoteError, SnapshipError
from . import error_report
from .access import Access, settle
from .client import Broken, Client, Garbled, Refused, failure, without_entries
from .replies import ControllerError, LostReply, Replies, scrub

__all__ = ["Access", "Cluster"]

#: seconds between tries to connect again to a cluster that has answered before: its controller may be restarting
PAUSES = (0.5, 2.0, 5.0)
_READS = 3
#: HTTP statuses with which a proxy says that it doesn't know whether the request was done
_UNKNOWN_OUTCOME = (500, 502, 504)
_Ask = Callable[[Client], "tuple[Any, Replies, int | None]"]


class Cluster:
    """A cluster's controllers, tried in turn.

    Each thread has its own connection. ``name`` is for messages; ``requests`` counts the requests sent, for tests.
    """

    def __init__(self, access: Access, pauses: Sequence[float] = PAUSES) -> None:
        self.access = settle(access)
        self.name = ", ".join(self.access.controllers)
        self.requests = 0
        self._pauses = tuple(pauses)
        self._answered: tuple[str, str] | None = None
        self._mine = threading.local()
        self._clients: list[Client] = []
        self._lock = threading.Lock()

    def read(self, method: str, *args: Any, what: str = "", explain: bool = True, **kwargs: Any) -> Any:
        """Call a method of python-linstor that only reads; it is tried again over a new connection if one breaks.

        Returns the library's result, without the list around a single object. ``explain``: read the error report of
        a refusal, too.
        Raises ControllerError if the controller refuses, RemoteError (unreachable, timeout, tls, ...) otherwise.
        """
        try:
            result = self._read(lambda client: client.call(method, *args, **kwargs), what or f"reading ({method})")
        except ControllerError as error:
            raise (self.explained(error) if explain else error) from None
        alone = isinstance(result, list) and len(result) == 1 and type(result[0]).__name__ != "ErrorReport"
        return result[0] if alone else result

    def change(self, method: str, *args: Any, what: str, hide: Iterable[str | None] = (), **kwargs: Any) -> Replies:
        """Call a method of python-linstor that changes something, once.

        ``what`` describes the request for messages; ``hide`` are secrets that no message may show.
        Raises ControllerError if the controller refuses, and LostReply if nobody knows whether it was done.
        """
        try:
            return self._change(lambda client: client.call(method, *args, **kwargs), what, hide)
        except ControllerError as error:
            raise self.explained(error, hide) from None

    def explained(self, error: ControllerError, hide: Iterable[str | None] = ()) -> ControllerError:
        """The same error with what its error report says. One request if there is one and its number tells nothing."""
        if error.code not in ("controller", "bucket") or not error.reports:
            return error
        try:
            ids = list(error.reports[:1])
            found = self.read("error_report_list", with_content=True, ids=ids, what="reading a report", explain=False)
        except RemoteError:
            return error  # it is told without the report
        for report in error_report.parse(found)[:1]:
            error.explain(report)
            self._hidden(error, hide)
        return error

    @property
    def version(self) -> tuple[int, ...]:
        """The controller's version as (1, 33, 3). LINSTOR, too, ignores what follows, as in 1.34.0-rc.1."""
        return _numbers(self._told()[0])

    @property
    def rest_version(self) -> tuple[int, ...]:
        """The version of the controller's REST API as (1, 28, 0)."""
        return _numbers(self._told()[1])

    @property
    def version_texts(self) -> tuple[str, str]:
        """The versions of the controller and of its REST API as it tells them."""
        return self._told()

    @functools.cached_property
    def cluster_id(self) -> str:
        """The cluster's id, which a remote of another cluster must have as cluster_id. Read once."""
        found = self.properties().get("Cluster/LocalID")
        if not found:
            raise RemoteError(f"{self.name} has no property Cluster/LocalID.", "Upgrade to LINSTOR 1.12 or newer.")
        return found

    def properties(self) -> dict[str, str]:
        """The controller's properties, read at each call. They may hold secrets: show none of them."""
        found = self.read("controller_props", what="reading the controller's properties").properties
        return {str(key): str(value) for key, value in found.items()}

    def started(self) -> float | None:
        """When the controller's process was started, in seconds since the epoch by its clock. One request.

        ``None`` if it doesn't tell. Raises RemoteError if it doesn't answer.
        """
        try:
            told = str(self._read(lambda client: client.metrics(), "reading metrics"))
        except ControllerError:
            return None
        found = re.search(r"^process_start_time_seconds\s+([0-9.eE+]+)\s*$", told, re.MULTILINE)
        return float(found.group(1)) if found else None

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._lock:
            clients, self._clients = self._clients, []
        for client in clients:
            client.close()
        self._mine = threading.local()

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def _told(self) -> tuple[str, str]:
        if self._answered is None:
            self._client()
        return self._answered or ("", "")

    def _read(self, ask: _Ask, what: str) -> Any:
        for last in (False,) * (_READS - 1) + (True,):
            client = self._client()
            try:
                return without_entries(ask(client)[0])
            except Refused as refused:
                raise self._refusal(what, refused, ()) from None
            except Broken as broken:
                self._drop(client)
                if last or broken.timed_out:
                    raise self._hidden(failure(client.uri, broken)) from None
            except Garbled as garbled:
                self._drop(client)
                if garbled.status is None:
                    raise self._unsupported(what, garbled) from None
                if last or garbled.status < 500:
                    raise self._hidden(failure(client.uri, garbled)) from None
        raise RuntimeError("the last try returns or raises")

    def _change(self, ask: _Ask, what: str, hide: Iterable[str | None]) -> Replies:
        client = self._client(usable=True)
        try:
            return ask(client)[1]
        except Refused as refused:
            raise self._refusal(what, refused, hide) from None
        except Broken as broken:
            self._drop(client)
            if not broken.sent:
                raise self._hidden(failure(client.uri, broken), hide) from None
            raise self._lost(what, client, broken.text, hide) from None
        except Garbled as garbled:
            self._drop(client)
            if garbled.status is None:
                raise self._unsupported(what, garbled) from None
            if garbled.status < 400 or garbled.status in _UNKNOWN_OUTCOME:
                raise self._lost(what, client, garbled.text, hide) from None
            raise self._hidden(failure(client.uri, garbled), hide) from None

    def _client(self, usable: bool = False) -> Client:
        """This thread's connection; ``usable`` replaces one that the controller has closed meanwhile."""
        client: Client | None = getattr(self._mine, "client", None)
        if client is not None and usable and client.is_stale():
            self._drop(client)
            client = None
        if client is None:
            client = self._mine.client = self._connected()
            with self._lock:
                self._clients.append(client)
        return client

    def _connected(self) -> Client:
        pauses = self._pauses if self._answered else ()
        for pause in (*pauses, None):
            try:
                return self._first_that_answers()
            except RemoteError as error:
                if pause is None or error.code != "unreachable":
                    raise
                time.sleep(pause)
        raise RuntimeError("the last try returns or raises")

    def _first_that_answers(self) -> Client:
        failures: list[RemoteError] = []
        for uri in self.access.controllers:
            client = Client(uri, self.access, self._count)
            try:
                client.connect()
            except Refused as refused:
                raise self._refusal(f"connecting to {uri}", refused, ()) from None
            except (Broken, Garbled) as error:
                failures.append(self._hidden(failure(uri, error)))
                continue
            self._answered = client.version
            return client
        if len(failures) == 1:
            raise failures[0]
        told = next((each for each in failures if each.code != "unreachable"), failures[0])
        raise RemoteError(
            "None of the controllers answers:\n" + "\n".join(each.msg for each in failures),
            told.hint,
            told.code,
        )

    def _drop(self, client: Client) -> None:
        client.close()
        self._mine.client = None
        with self._lock:
            if client in self._clients:
                self._clients.remove(client)

    def _count(self) -> None:
        with self._lock:
            self.requests += 1

    def _refusal(self, what: str, refused: Refused, hide: Iterable[str | None]) -> ControllerError:
        error = ControllerError(what, refused.replies, refused.status)
        self._hidden(error, hide)
        return error

    def _lost(self, what: str, client: Client, text: str, hide: Iterable[str | None]) -> LostReply:
        said = " ".join(text.split())[:300]
        error = LostReply(
            f"{what}: the answer of {client.uri} was lost ({said}). The change may have been made or not.",
            "Run the task again: it checks the current state first.",
        )
        self._hidden(error, hide)
        return error

    def _unsupported(self, what: str, garbled: Garbled) -> RemoteError:
        return RemoteError(
            f"{what}: {garbled.text}", "Upgrade the controller: this version doesn't support it.", "unsupported"
        )

    def _hidden(self, error: RemoteError, hide: Iterable[str | None] = ()) -> RemoteError:
        secrets = (*self.access.secrets, *hide)
        error.msg, error.hint = scrub(error.msg, secrets), scrub(error.hint, secrets)
        error.args = (error.msg,)
        return error


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def same_version(one: Cluster, other: Cluster) -> SnapshipError | None:
    """The error if the two clusters' versions differ: LINSTOR ships only between equal ones."""
    if one.version == other.version:
        return None
    mine, theirs = one.version_texts[0], other.version_texts[0]
    return RemoteError(
        f"{one.name} runs LINSTOR {mine}, {other.name} runs {theirs}: LINSTOR can't ship between different versions.",
        "Upgrade the older cluster.",
        "version",
    )
