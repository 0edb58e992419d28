# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.snapship.dr.plugins.filter.what_failed import what_failed


def test_volumes_that_failed_are_told_one_by_one() -> None:
    failures = [
        {"volume": "/srv/a", "remote": "nas", "code": "c", "msg": "it is gone.", "hint": "Find it."},
        {"volume": None, "remote": "nas", "code": "c", "msg": "it is down.", "hint": ""},
    ]
    loop = {"results": [{"failed": True, "failures": failures}, {"changed": True, "backups": []}]}
    assert what_failed([loop]) == ["/srv/a on nas: it is gone. Find it.", "nas: it is down."]


def test_a_task_that_failed_as_a_whole_is_told_by_its_turn_of_the_loop() -> None:
    job = {"ansible_loop_var": "job", "job": {"label": "db -> nas"}, "failed": True, "msg": "No such\nlibrary."}
    name = {"ansible_loop_var": "name", "name": "nas", "failed": True, "msg": "nas: it is down."}
    assert what_failed([{"results": [job, name]}]) == ["db -> nas: No such library.", "nas: it is down."]


def test_a_remote_that_the_host_does_not_keep_is_told_by_its_name() -> None:
    failure = {"volume": "/srv/a", "remote": "inline", "msg": "it is gone.", "hint": ""}
    job = {"ansible_loop_var": "job", "job": {"label": "nas -> /srv/b"}, "failed": True, "failures": [failure]}
    assert what_failed([job]) == ["/srv/a (nas -> /srv/b): it is gone."]


def test_volumes_with_the_same_failure_share_a_line_without_their_names_said_twice() -> None:
    failures = [
        {"volume": name, "remote": "nas", "msg": f"volume '{name}': remote 'nas': it is down.", "hint": "Start it."}
        for name in ("/srv/a", "/srv/b")
    ]
    assert what_failed([{"failed": True, "failures": failures}]) == ["/srv/a, /srv/b on nas: it is down. Start it."]


def test_a_host_that_cannot_be_reached() -> None:
    assert what_failed([{"unreachable": True, "msg": "no route"}, {}, {}]) == ["The host can't be reached: no route"]


def test_what_went_well_was_skipped_or_never_ran_is_no_failure() -> None:
    assert what_failed([{}, None, {"skipped": True}, {"results": []}, {"changed": True, "failures": []}]) == []
