# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Schedules, and where they are enabled."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.snapship.dr.tests.linstor_sim import codes, schedules
from ansible_collections.snapship.dr.tests.linstor_sim.cluster import CONTROLLER, Cluster
from ansible_collections.snapship.dr.tests.linstor_sim.cron import Cron, CronError
from ansible_collections.snapship.dr.tests.linstor_sim.replies import Entries, Refused, entry, within
from ansible_collections.snapship.dr.tests.linstor_sim.routing import Call, route
from ansible_collections.snapship.dr.tests.linstor_sim.schedules import Schedule
from ansible_collections.snapship.dr.tests.linstor_sim.state import Definition, Props

_CRT, _MOD, _DEL = (codes.MASK_SCHEDULE | each for each in (codes.MASK_CRT, codes.MASK_MOD, codes.MASK_DEL))


@route("GET", "/v1/schedules")
def all_schedules(cluster: Cluster, _call: Call) -> Any:
    return {
        "data": [
            {
                "schedule_name": each.name,
                "full_cron": each.full.text,
                "inc_cron": each.incremental.text if each.incremental else None,
                "keep_local": each.keep_local,
                "keep_remote": each.keep_remote,
                "on_failure": each.on_failure,
                "max_retries": each.max_retries,
            }
            for each in sorted(cluster.schedules.values(), key=lambda each: each.name)
        ]
    }


@route("POST", "/v1/schedules")
def create(cluster: Cluster, call: Call) -> Entries:
    name = call.field("schedule_name", "")
    with within(_CRT, f"Schedule: {name}", {"Remote": name}):
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{1,254}", name):
            raise Refused(codes.FAIL_INVLD_SCHEDULE_NAME, f"The given schedule name '{name}' is invalid.", report=True)
        if name.lower() in [each.lower() for each in cluster.schedules]:
            message = (
                f"A schedule with the name '{name}' already exists. Please use a different name or try to modify the "
                "schedule instead."
            )
            raise Refused(codes.FAIL_EXISTS_SCHEDULE, message)
        if not call.field("full_cron"):
            _unhandled("Creation", name, "NullPointerException. Expression must not be null")
        made = Schedule(name, _cron(call.field("full_cron")))
        _take(made, call, "Creation")
        cluster.schedules[name] = made
    return _said(made, codes.CREATED | _CRT, "created", call)


@route("PUT", "/v1/schedules/{schedule}")
def modify(cluster: Cluster, call: Call) -> Entries:
    name = call.names["schedule"]
    with within(_MOD, f"Schedule: {name}", {"Remote": name}):
        found = _find(cluster, name)
        try:
            full = Cron(call.field("full_cron")) if call.field("full_cron") else found.full
        except CronError as error:
            _unhandled("Modification", name, f"ApiException. Error parsing full-cron: {error}")
        found.full = full
        _take(found, call, "Modification")
        for key in [each for each in cluster.tasks if each[2] == found.name]:
            del cluster.tasks[key]
    return _said(found, codes.MODIFIED | _MOD, "modified", call)


@route("DELETE", "/v1/schedules/{schedule}")
def delete(cluster: Cluster, call: Call) -> Entries:
    name, references = call.names["schedule"], {"Remote": call.names["schedule"]}
    found = next((each for each in cluster.schedules.values() if each.name.lower() == name.lower()), None)
    if found is None:
        details = f"Schedule: {name}"
        return [entry(codes.WARN_NOT_FOUND | _DEL, f"{details} not found.", details=details, references=references)]
    del cluster.schedules[found.name]
    for props in cluster.all_props():
        for key in [each for each in props if re.match(rf"Schedule/[^/]+/{re.escape(found.name)}/", each)]:
            del props[key]
    what = f"Schedule: {found.name}"
    marked = entry(codes.DELETED | _DEL, f"{what} marked for deletion.", references=references)
    return [marked, entry(codes.DELETED | _MOD, f"{what} deleted.", references=references)]


def _find(cluster: Cluster, name: str) -> Schedule:
    for each in cluster.schedules.values():
        if each.name.lower() == name.lower():
            return each
    cause = f"The specified schedule '{name}' could not be found in the database"
    correction = f"Create a schedule with the name '{name}' first."
    message = f"Schedule '{name}' not registered."
    raise Refused(codes.FAIL_NOT_FOUND_SCHEDULE, message, cause=cause, correction=correction)


def _cron(text: str) -> Cron:
    try:
        return Cron(text)
    except CronError as error:
        raise Refused(codes.MASK_ERROR, f'Error parsing full-cron "{text}": {error}') from error


def _unhandled(what: str, name: str, how: str) -> None:
    message = f"{what} of schedule '{name}' failed due to an unhandled exception of type {how}"
    raise Refused(codes.FAIL_UNKNOWN_ERROR, message, report=True)


def _take(schedule: Schedule, call: Call, what: str) -> None:
    """Negative numbers and an empty expression remove a setting."""
    increment = call.body.get("inc_cron") if isinstance(call.body, dict) else None
    if increment is not None:
        schedule.incremental = _cron(increment) if increment else None
    failure = str(call.field("on_failure", schedule.on_failure)).upper()
    if failure not in ("SKIP", "RETRY"):
        constant = f"com.linbit.linstor.core.objects.Schedule.OnFailure.{failure}"
        _unhandled(what, schedule.name, f"IllegalArgumentException. No enum constant {constant}")
    schedule.on_failure = failure
    for name in ("keep_local", "keep_remote", "max_retries"):
        value = call.field(name)
        if value is not None:
            setattr(schedule, name, value if value >= 0 else None)


def _said(schedule: Schedule, code: int, verb: str, call: Call) -> Entries:
    what = f"Schedule: {schedule.name}"
    if call.field("full_cron"):
        what += f", FullCron: {schedule.full.text}"
    if call.field("inc_cron"):
        what += f", IncCron: {schedule.incremental.text if schedule.incremental else ''}"
    details, references = f"{what} UUID is: {schedule.uuid}", {"Remote": schedule.name}
    return [entry(code, f"{what} {verb} sucessfully.", details=details, references=references)]


@route("PUT", "/v1/remotes/{remote}/backups/schedule/{schedule}/enable")
def enable(cluster: Cluster, call: Call) -> Entries:
    said, props, where, space = _enabling(cluster, call)
    on_definition = bool(call.field("rsc_name"))
    props[f"{space}/Enabled"] = "True"
    if call.field("node_name"):
        props[f"{space}/PrefNode"] = call.field("node_name")
    rename = dict(call.field("stor_pool_rename", {}))
    if call.field("dst_stor_pool"):
        rename["*"] = call.field("dst_stor_pool")
    props.update({f"{space}/RenameStorpoolMap/{old}": new for old, new in rename.items()})
    if call.field("force_restore"):
        props[f"{space}/ForceRestore"] = "True"
    if on_definition and call.field("dst_rsc_grp"):
        props[f"{space}/TargetResourceGroup"] = call.field("dst_rsc_grp")
        if call.field("force_mv_rsc_grp"):
            props[f"{space}/ForceResourceGroup"] = "True"
    if call.field("dst_rsc_name"):
        if on_definition:
            props[f"{space}/TargetResourceName"] = call.field("dst_rsc_name")
        else:
            level = "--rg" if call.field("grp_name") else "on controller level"
            message = (
                f"target resource definition is only usable in combiantion with --rd, but not {level}. Ignoring target "
                "resource definition parameter!"
            )
            said.append(entry(codes.WARN_INVLD_CONF, message))
    schedules.step(cluster)
    return [*said, _done(call, codes.MODIFIED, "enabled", where)]


@route("PUT", "/v1/remotes/{remote}/backups/schedule/{schedule}/disable")
def disable(cluster: Cluster, call: Call) -> Entries:
    said, props, where, space = _enabling(cluster, call)
    props[f"{space}/Enabled"] = "False"
    schedules.step(cluster)
    return [*said, _done(call, codes.MODIFIED, "disabled", where)]


@route("DELETE", "/v1/remotes/{remote}/backups/schedule/{schedule}/delete")
def delete_enabling(cluster: Cluster, call: Call) -> Entries:
    """The map of storage pools stays, as in LINSTOR."""
    remote, schedule = cluster.remote(call.names["remote"]), _find(cluster, call.names["schedule"])
    resource, group = call.one("rsc_dfn_name"), call.one("rsc_grp_name")
    holder: Any = cluster.definition(resource) if resource else cluster.group(group) if group else cluster
    space = f"Schedule/{remote.name}/{schedule.name}"
    for name in ("Enabled", "PrefNode", "ForceRestore", "TargetResourceName", "TargetResourceGroup"):
        holder.props.pop(f"{space}/{name}", None)
    schedules.step(cluster)
    where = f"for resource definition '{resource}'" if resource or group else "on controller"
    return [_done(call, codes.DELETED, "deleted", where)]


def _enabling(cluster: Cluster, call: Call) -> tuple[Entries, Props, str, str]:
    """The start of the message, the properties to set, their place, and their namespace."""
    remote, schedule = cluster.remote(call.names["remote"]), _find(cluster, call.names["schedule"])
    space = f"Schedule/{remote.name}/{schedule.name}"
    if call.field("rsc_name"):
        definition = cluster.definition(call.field("rsc_name"))
        return [], definition.props, f"for resource definition '{definition.name}'", space
    if call.field("grp_name"):
        group = cluster.group(call.field("grp_name"))
        return [], group.props, f"for resource group '{group.name}'", space
    return [], cluster.props, f"on {CONTROLLER.lower()}", space


def _done(call: Call, code: int, verb: str, where: str) -> dict[str, Any]:
    name, remote = call.names["schedule"], call.names["remote"]
    return entry(code, f"Backup shipping schedule '{name}' sucessfully {verb} {where} to remote '{remote}'.")


@route("GET", "/v1/view/schedules-by-resource")
def by_resource(cluster: Cluster, call: Call) -> Any:
    resource, remote, schedule = call.one("rsc"), call.one("remote"), call.one("schedule")
    schedules.step(cluster)
    data: list[dict[str, Any]] = []
    for definition in cluster.definitions.values():
        if resource and definition.name.lower() != resource.lower():
            continue
        running = [key for key in sorted(cluster.tasks) if key[0] == definition.name]
        data += [_running(cluster, *key) for key in running if remote in ("", key[1]) and schedule in ("", key[2])]
        if not running and not call.flag("active-only"):
            data += _not_running(cluster, definition)
    return {"data": data}


def _running(cluster: Cluster, resource: str, remote: str, schedule: str) -> dict[str, Any]:
    task, found, now = cluster.tasks[resource, remote, schedule], cluster.schedules[schedule], cluster.clock.now
    props, space = cluster.definitions[resource].props, f"Schedule/{remote}/{schedule}"
    full = Schedule(found.name, found.full).next(now)[0]
    increment = Schedule(found.name, found.incremental).next(now)[0] if found.incremental else -1
    return {
        "rsc_name": resource,
        "remote_name": remote,
        "schedule_name": schedule,
        "last_snap_time": int(props.get(f"{space}/LastBackupTime", -1)),
        "last_snap_inc": props.get(f"{space}/LastBackupInc") == "True",
        "next_exec_time": task.next,
        "next_exec_inc": task.incremental,
        "next_planned_full": full,
        "next_planned_inc": increment,
    }


def _not_running(cluster: Cluster, definition: Definition) -> list[dict[str, Any]]:
    never = {"last_snap_time": -1, "last_snap_inc": False, "next_exec_time": -1, "next_exec_inc": False}
    never.update({"next_planned_full": -1, "next_planned_inc": -1})
    spoken = schedules.pairs(cluster, definition)
    if any(enabled for _remote, _schedule, enabled in spoken):
        return [{"rsc_name": definition.name, "reason": "undeployed", **never}]
    if not spoken:
        return [{"rsc_name": definition.name, "reason": "none set", **never}]
    return [
        {"rsc_name": definition.name, "remote_name": remote, "schedule_name": name, "reason": "disabled", **never}
        for remote, name, _enabled in spoken
    ]


@route("GET", "/v1/view/schedules-by-resource/{resource}")
def details(cluster: Cluster, call: Call) -> Any:
    definition = cluster.definition(call.names["resource"])
    names = ("rsc_dfn", "rsc_grp", "ctrl")
    data = []
    for remote, schedule, _enabled in schedules.pairs(cluster, definition):
        key = f"Schedule/{remote}/{schedule}/Enabled"
        said = zip(names, schedules.levels(cluster, definition))
        levels = {name: props[key] == "True" for name, props in said if key in props}
        data.append({"remote_name": remote, "schedule_name": schedule, **levels})
    return {"data": data}
