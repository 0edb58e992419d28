# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Helpers for tests of connections."""

from __future__ import annotations

import json
from collections.abc import Callable

from ansible_collections.snapship.dr.plugins.module_utils._linstor.api.cluster import Access, Cluster
from ansible_collections.snapship.dr.tests.support.scripted_http import Reply, Request, ScriptedHttp

VERSION = {"version": "1.33.3", "git_hash": "x", "build_time": "y", "rest_api_version": "1.27.0"}
JSON = {"Content-Type": "application/json"}
HTML = {"Content-Type": "text/html"}


def reach(*controllers: str, **options: object) -> Cluster:
    return Cluster(Access(controllers=controllers, timeout=120, **options), pauses=(0.02, 0.02))  # type: ignore[arg-type]


def answering(answer: Callable[[Request], Reply]) -> ScriptedHttp:
    """A controller that tells its version, and otherwise answers so."""

    def both(request: Request) -> Reply:
        if request.path == "/v1/controller/version":
            return Reply(200, json.dumps(VERSION).encode(), JSON)
        return answer(request)

    return ScriptedHttp(both)
