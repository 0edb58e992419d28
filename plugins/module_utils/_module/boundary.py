# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The one boundary between modules and the engine: requests go in, results and errors come out.

A task that fails returns each text for two readers: ``msg`` is for people and has everything, one failure a line;
``code``, ``hint`` and ``failures`` are for programs. Ansible prints ``msg`` by itself and then the whole result.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Any, Callable, NoReturn

from ansible.module_utils.basic import AnsibleModule

from .._engine.common.errors import SnapshipError, of_system
from .._engine.common.outcome import Outcome
from .._engine.local.host import Host
from .._engine.remotes.registry import is_definition
from .failure_lines import lines
from .secrets import end, warn

Params = Mapping[str, Any]


def carry_out(module: AnsibleModule, use_case: Any, request: Callable[[Params], Any], returns: str) -> NoReturn:
    """Plan, then preview the plan (check mode) or apply it; exits the module. ``returns`` is the key of the results."""

    def work() -> Outcome:
        host = Host(module.params["config_dir"])
        plan = use_case.plan(host, request(module.params))
        return plan.preview() if module.check_mode else use_case.apply(host, plan)

    finish(module, work, returns)


def finish(module: AnsibleModule, work: Callable[[], Outcome], returns: str, things: str = "volumes") -> NoReturn:
    """Do the work of a module that can change something, and exit with its result.

    ``things``: what the module's results are about, in the plural.
    """
    outcome = _guarded(module, work, returns)
    for warning in outcome.warnings:
        warn(module, warning)
    result: dict[str, Any] = {"changed": outcome.changed, returns: outcome.items, "failures": outcome.failures}
    if module._diff:  # AnsibleModule has no public name for it
        result["diff"] = {"before": outcome.before, "after": outcome.after}
    if outcome.failures:
        end(module.fail_json, module, msg=_summary(outcome.failures, outcome.items, things), **result)
    end(module.exit_json, module, **result)


def answer(module: AnsibleModule, listing: Callable[[Host, Params], Outcome], returns: str) -> NoReturn:
    """Do the work of a module that only reads; exits the module. ``returns`` is the key of the results."""
    tell(module, lambda: listing(Host(module.params["config_dir"]), module.params), returns)


def tell(
    module: AnsibleModule, work: Callable[[], Outcome], returns: str, more: Mapping[str, Any] | None = None
) -> NoReturn:
    """Do the work of a module that only reads, and exit with its result. The work may add return values to ``more``."""
    outcome = _guarded(module, work, returns)
    for warning in outcome.warnings:
        warn(module, warning)
    end(module.exit_json, module, changed=False, **{returns: outcome.items, **(more or {})})


def _guarded(module: AnsibleModule, work: Callable[[], Any], returns: str) -> Any:
    for name in ("remote", "name"):
        text = module.params.get(name)
        if isinstance(text, str) and is_definition(text):  # its secrets are in no option that hides them
            module.no_log_values.add(text)
    failure: dict[str, Any] | None = None
    result = None
    try:
        result = work()
    except SnapshipError as error:
        failure = _result(str(error), error.as_dict())
    except (OSError, MemoryError) as error:
        told = of_system(error)
        failure = _result(str(told), told.as_dict())
    except Exception as error:  # noqa: BLE001 - whatever it is, the user gets a line and not a crashed module
        bug = SnapshipError(
            f"Internal error in snapship.dr: {type(error).__name__}: {error}",
            "Run the task again with -vvv, and report its output as a bug.",
            code="internal",
        )
        failure = {**_result(f"{bug.msg}. {bug.hint}", bug.as_dict()), "exception": traceback.format_exc()}
    # Outside of the except clauses: fail_json would add the traceback of an error that explains itself.
    if failure is not None:
        end(module.fail_json, module, **{returns: []}, **failure)
    return result


def _result(msg: str, failure: dict[str, Any]) -> dict[str, Any]:
    """What a task returns that could do nothing at all. ``failures`` is never empty: conditions of tasks look there."""
    return {"msg": msg, "code": failure["code"], "hint": failure["hint"], "failures": [failure]}


def _summary(failures: list[dict[str, Any]], items: list[dict[str, Any]], things: str) -> str:
    """The message for people: cause and cure of each failure, one failure a line.

    Things are counted, not results: one of them can have several results, or both a failure and a result.
    """
    told = lines(failures)
    failed = {_name(each) or f"nameless {number}" for number, each in enumerate(failures)}
    every = failed | {_name(each) or f"result {number}" for number, each in enumerate(items)}
    if len(every) == 1:
        return "\n".join(told)
    return "\n".join([f"{len(failed)} of {len(every)} {things} failed:", *told])


def _name(told: Mapping[str, Any]) -> str:
    """The volume or resource that a failure or a result is about."""
    return str(told.get("source") or told.get("volume") or "")
