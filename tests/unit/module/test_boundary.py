# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import RemoteError, UsageError
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.outcome import Outcome
from ansible_collections.snapship.dr.plugins.module_utils._module.boundary import answer, carry_out, finish

FAILURE = {"volume": "/srv/b.img", "remote": "nas", "code": "full", "msg": "no space on nas.", "hint": "Make room."}


class Ended(Exception):
    """What exit_json and fail_json of the module below end with."""


class Module:
    """The part of AnsibleModule that the boundary uses."""

    def __init__(self, check_mode: bool = False, diff: bool = False) -> None:
        self.params = {"config_dir": "/nowhere"}
        self.no_log_values: set[str] = set()
        self.check_mode = check_mode
        self._diff = diff
        self.warnings: list[str] = []
        self.result: dict[str, Any] = {}

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def exit_json(self, **result: Any) -> None:
        self.result = result
        raise Ended

    def fail_json(self, msg: str, **result: Any) -> None:
        self.exit_json(failed=True, msg=msg, **result)


def run(module: Module, applied: Any) -> dict[str, Any]:
    """The result with a use case whose apply returns, or raises, ``applied``."""

    def apply(_host: object, _plan: object) -> Outcome:
        if isinstance(applied, Exception):
            raise applied
        return applied

    plan = SimpleNamespace(preview=lambda: Outcome(changed=True, items=[{"id": "planned"}]))
    use_case = SimpleNamespace(plan=lambda _host, _request: plan, apply=apply)
    with pytest.raises(Ended):
        carry_out(module, use_case, lambda params: params, "backups")  # type: ignore[arg-type]  # only what it uses
    return module.result


def test_a_result() -> None:
    module = Module()
    result = run(module, Outcome(changed=True, items=[{"id": "1"}], warnings=["slow"]))
    assert result == {"changed": True, "backups": [{"id": "1"}], "failures": []}
    assert module.warnings == ["slow"]


def test_check_mode_is_the_plan_and_nothing_else() -> None:
    assert run(Module(check_mode=True), RuntimeError("applied"))["backups"] == [{"id": "planned"}]


def test_a_diff_only_where_it_is_asked_for() -> None:
    outcome = Outcome(before={"a": 1}, after={"a": 2})
    assert "diff" not in run(Module(), outcome)
    assert run(Module(diff=True), outcome)["diff"] == {"before": {"a": 1}, "after": {"a": 2}}


def test_some_volumes_failed() -> None:
    result = run(Module(), Outcome(changed=True, items=[{"id": "1"}], failures=[FAILURE]))
    assert result["failed"] is True
    assert result["changed"] is True
    assert result["backups"] == [{"id": "1"}]
    assert result["failures"] == [FAILURE]
    assert result["msg"] == "1 of 2 volumes failed:\n/srv/b.img on nas: no space on nas. Make room."


def test_what_failed_is_counted_and_not_its_results() -> None:
    # a restore that failed after it had begun, and a second backup of a volume
    begun = {"source": "/srv/b.img", "target": "/srv/new.img", "state": "failed"}
    message = "/srv/b.img on nas: no space on nas. Make room."
    assert run(Module(), Outcome(items=[begun], failures=[FAILURE]))["msg"] == message
    others = [{"volume": "/srv/a.img", "id": number} for number in range(3)]
    assert run(Module(), Outcome(items=others, failures=[FAILURE]))["msg"] == f"1 of 2 volumes failed:\n{message}"


def test_what_linstor_keeps_are_resources() -> None:
    module = Module()
    failed = {"volume": "db", "remote": "offsite", "code": "full", "msg": "no space.", "hint": ""}
    begun = {"source": "db", "target": "db-copy", "state": "failed"}
    whole = {"source": "web", "target": "web-copy", "state": "success"}
    with pytest.raises(Ended):
        outcome = Outcome(items=[begun, whole], failures=[failed])
        finish(module, lambda: outcome, "restores", "resources")  # type: ignore[arg-type]  # only what it uses
    assert module.result["msg"] == "1 of 2 resources failed:\ndb on offsite: no space."


def test_several_failures_stand_one_a_line_and_each_text_once() -> None:
    gone = {"volume": "/srv/c.img", "remote": "nas", "code": "c", "msg": "volume '/srv/c.img': no file.", "hint": ""}
    same = {**FAILURE, "volume": "/srv/d.img"}
    assert run(Module(), Outcome(failures=[FAILURE, gone, same]))["msg"].splitlines() == [
        "3 of 3 volumes failed:",
        "/srv/b.img, /srv/d.img on nas: no space on nas. Make room.",
        "/srv/c.img on nas: no file.",
    ]


def test_the_only_volume_failed() -> None:
    assert run(Module(), Outcome(failures=[FAILURE]))["msg"] == "/srv/b.img on nas: no space on nas. Make room."


def test_the_engine_refuses() -> None:
    result = run(Module(), RemoteError("nas isn't there.", "Mount it.", code="missing", remote="nas"))
    assert result["msg"] == "nas isn't there. Mount it."
    assert (result["code"], result["hint"]) == ("missing", "Mount it.")
    assert result["failures"][0]["remote"] == "nas"
    assert result["backups"] == []
    assert "exception" not in result


def test_a_mistake_of_ours_is_one_line_and_a_traceback_aside() -> None:
    result = run(Module(), KeyError("oops"))
    assert result["msg"].startswith("Internal error in snapship.dr: KeyError: 'oops'. ")
    assert "\n" not in result["msg"]
    assert [failure["code"] for failure in result["failures"]] == ["internal"]
    assert "Traceback" in result["exception"]


def test_an_answer_never_changes() -> None:
    module = Module()
    with pytest.raises(Ended):
        outcome = Outcome(items=[{"name": "nas"}], warnings=["slow"])
        answer(module, lambda _host, _params: outcome, "remotes")  # type: ignore[arg-type]  # only what it uses
    assert module.result == {"changed": False, "remotes": [{"name": "nas"}]}
    assert module.warnings == ["slow"]


def test_an_answer_can_be_refused() -> None:
    def refuse(_host: object, _params: object) -> Outcome:
        raise UsageError("no.")

    module = Module()
    with pytest.raises(Ended):
        answer(module, refuse, "remotes")  # type: ignore[arg-type]  # only what it uses
    assert module.result["msg"] == "no."
