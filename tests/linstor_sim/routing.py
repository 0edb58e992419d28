# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The handlers of the routes."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from ansible_collections.snapship.dr.tests.linstor_sim import codes
from ansible_collections.snapship.dr.tests.linstor_sim.cluster import CONTROLLER, Cluster
from ansible_collections.snapship.dr.tests.linstor_sim.replies import Refused, Reply, entry, lean, status_of


@dataclass(frozen=True)
class Call:
    """A request as a handler sees it. ``names``: what the braces in the route stand for."""

    method: str
    names: Mapping[str, str]
    query: Mapping[str, list[str]]
    body: Any

    def many(self, name: str) -> list[str]:
        """A list parameter. Its case is ignored, as the document and the clients differ."""
        return [value for key, values in self.query.items() if key.lower() == name for value in values if value]

    def one(self, name: str) -> str:
        """The parameter's value, or an empty text."""
        return (self.many(name) or [""])[0]

    def flag(self, name: str) -> bool:
        return self.one(name).lower() == "true"

    def field(self, name: str, default: Any = None) -> Any:
        """A field of the body; null counts as absent."""
        value = self.body.get(name) if isinstance(self.body, dict) else None
        return default if value is None else value


Handler = Callable[[Cluster, Call], Any]


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    pattern: re.Pattern[str]
    success: int
    handler: Handler
    since: tuple[int, int] = (1, 0)  # of the API


ROUTES: list[Route] = []


def route(method: str, path: str, success: int = 200, since: tuple[int, int] = (1, 0)) -> Callable[[Handler], Handler]:
    """The handler gives a Reply, or what is to be sent as JSON; a list of entries decides over the status itself."""
    pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))

    def register(handler: Handler) -> Handler:
        ROUTES.append(Route(method, path, pattern, success, handler, since))
        return handler

    return register


def find(
    routes: Sequence[Route], method: str, target: str
) -> tuple[Route | None, dict[str, str], dict[str, list[str]]]:
    """The route of a request's target, what its braces are, and the query."""
    split = urlsplit(target)
    for each in routes:
        found = each.pattern.fullmatch(split.path.rstrip("/")) if each.method == method else None
        if found:
            names = {name: unquote(value) for name, value in found.groupdict().items()}
            return each, names, parse_qs(split.query)
    return None, {}, {}


def _nowhere(method: str, path: str, unknown: bool = False) -> Reply:
    if not unknown and any(each.pattern.fullmatch(path.rstrip("/")) for each in ROUTES):
        message, details = f"Method '{method}' not allowed on path '{path}'.", "HTTP 405 Method Not Allowed"
        return Reply(405, [entry(codes.FAIL_UNKNOWN_ERROR, message, details=details)])
    message = f"Path '{path}' not found on server."
    return Reply(404, [entry(codes.FAIL_UNKNOWN_ERROR, message, details="HTTP 404 Not Found")])


def answer(cluster: Cluster, found: Route | None, call: Call, target: str) -> Reply:
    """Runs the handler under the cluster's lock."""
    if found is None or cluster.options.api < found.since:
        return _nowhere(call.method, target.split("?")[0], found is not None)
    with cluster.lock:
        try:
            given = found.handler(cluster, call)
        except Refused as refused:
            why = refused.reason
            number = cluster.report(CONTROLLER, why.message, why.kind, why.root) if refused.report else None
            given = refused.entries(number)
        if isinstance(given, Reply):
            return given
        # Copied under the lock: what is sent must not change while it is written.
        given = copy.deepcopy(lean(given))
    if isinstance(given, list) and given and all(isinstance(each, dict) and "ret_code" in each for each in given):
        return Reply(status_of(given, found.success), given)
    return Reply(found.success, given)
