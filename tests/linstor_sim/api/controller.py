# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller itself: version, properties, the encryption passphrase, error reports."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.snapship.dr.tests.linstor_sim import codes
from ansible_collections.snapship.dr.tests.linstor_sim.cluster import CONTROLLER, Cluster
from ansible_collections.snapship.dr.tests.linstor_sim.replies import Entries, Entry, Refused, Reply, entry
from ansible_collections.snapship.dr.tests.linstor_sim.routing import Call, route
from ansible_collections.snapship.dr.tests.linstor_sim.state import Props, Report

_CONF_CRT = codes.MASK_CTRL_CONF | codes.MASK_CRT
_CONF_MOD = codes.MASK_CTRL_CONF | codes.MASK_MOD
_KNOWN = (
    "Aux/",
    "AutoSnapshot/",
    "BackupShipping/",
    "Cluster/",
    "DrbdOptions/",
    "FileSystem/",
    "NetCom/",
    "Schedule/",
    "Snapshot/",
    "SnapshotShipping/",
    "StorDriver/",
    "StorPoolName",
    "PrefNic",
    "CopyAllSnaps",
)
_NUMBERS = (
    "BackupShipping/MaxConcurrentBackupsPerNode",
    "BackupShipping/BackupTimeout",
    "AutoSnapshot/RunEvery",
    "AutoSnapshot/Keep",
    "BackupShipping/RecvTimeoutInMs",
)


@route("GET", "/v1/controller/version")
def version(cluster: Cluster, _call: Call) -> Any:
    return {
        "version": cluster.options.version,
        "git_hash": "0" * 40,
        "build_time": "2026-03-01T12:00:00+00:00",
        "rest_api_version": cluster.options.api_version,
    }


@route("GET", "/metrics")
def metrics(cluster: Cluster, _call: Call) -> Any:
    """For Prometheus: of the many lines those about the controller's own process."""
    started = cluster.begun[CONTROLLER] / 1000
    lines = (
        "# HELP process_start_time_seconds Start time of the process since unix epoch in seconds.",
        "# TYPE process_start_time_seconds gauge",
        f"process_start_time_seconds {started:.12E}",
        "",
    )
    return Reply(200, raw="\n".join(lines).encode(), headers={"Content-Type": "text/plain;version=0.0.4"})


@route("GET", "/v1/controller/properties")
def properties(cluster: Cluster, _call: Call) -> Any:
    return cluster.props


@route("POST", "/v1/controller/properties", 201)
def modify(cluster: Cluster, call: Call) -> Entries:
    check_props(call.field("override_props", {}), codes.MASK_CTRL_CONF | codes.MASK_CRT, "Controller")
    entries = []
    for name, value in call.field("override_props", {}).items():
        cluster.props[name] = value
        message = f"Successfully set property '{name}' to value '{value}'"
        entries.append(entry(codes.CREATED | codes.MASK_CTRL_CONF | codes.MASK_CRT, message))
    deleted = call.field("delete_props", [])
    for space in call.field("delete_namespaces", []):
        deleted += [each for each in cluster.props if each.startswith(space.strip("/") + "/")]
    check_props(dict.fromkeys(deleted, "0"), codes.MASK_CTRL_CONF | codes.MASK_DEL, "Controller")
    for name in deleted:
        cluster.props.pop(name, None)
        entries.append(_property_deleted(name))
    return entries


@route("DELETE", "/v1/controller/properties/{key}")
def delete(cluster: Cluster, call: Call) -> Entries:
    cluster.props.pop(call.names["key"], None)
    return [_property_deleted(call.names["key"])]


def _property_deleted(name: str) -> Entry:
    code = codes.DELETED | codes.MASK_CTRL_CONF | codes.MASK_DEL
    return entry(code, f"Successfully deleted property '{name}'")


def check_props(props: Props, mask: int, what: str) -> None:
    """Refuse properties that LINSTOR doesn't know, and values of the wrong kind."""
    for name, value in props.items():
        if not name.startswith(_KNOWN):
            raise Refused(codes.FAIL_INVLD_PROP | mask, f"The key '{name}' is not whitelisted", details=what)
        if name in _NUMBERS and not re.fullmatch(r"-?\d+", value):
            details = f"This value has to be of type Long.\n{what}"
            raise Refused(codes.FAIL_INVLD_PROP | mask, f"The value '{value}' is not valid.", details=details)


def changed(props: Props, call: Call, mask: int, what: str) -> Entries:
    """Apply a *Modify body to ``props``."""
    override = call.field("override_props", {})
    check_props(override, mask | codes.MASK_MOD, what)
    props.update(override)
    for name in call.field("delete_props", []):
        props.pop(name, None)
    for name in call.field("delete_namespaces", []):
        for key in [each for each in props if each.startswith(name.strip("/") + "/")]:
            del props[key]
    return [entry(codes.MODIFIED | mask | codes.MASK_MOD, f"{what} updated.")]


@route("GET", "/v1/encryption/passphrase")
def passphrase_status(cluster: Cluster, _call: Call) -> Any:
    return Reply(200, {"status": cluster.passphrase_status}, headers={"Content-Type": "text/plain"})


@route("POST", "/v1/encryption/passphrase", 201)
def create_passphrase(cluster: Cluster, call: Call) -> Entries:
    if cluster.passphrase is not None:
        raise Refused(
            codes.FAIL_EXISTS_CRYPT_PASSPHRASE | _CONF_CRT,
            "Could not create new crypt passphrase as it already exists",
            cause="A passphrase was already defined",
            correction="Use the crypt-modify-passphrase command instead of crypt-create-passphrase",
        )
    cluster.passphrase, cluster.unlocked_by_passphrase = call.field("new_passphrase"), True
    return [entry(codes.CREATED | _CONF_CRT, "Crypt passphrase created.")]


@route("PUT", "/v1/encryption/passphrase")
def modify_passphrase(cluster: Cluster, call: Call) -> Entries:
    if cluster.passphrase is None:
        raise Refused(
            codes.FAIL_EXISTS_CRYPT_PASSPHRASE | _CONF_MOD,
            "Could not modify crypt passphrase as it does not exist",
            cause="No passphrase was defined yet",
            correction="Use the crypt-create-passphrase command instead of crypt-modify-passphrase",
        )
    _need_right(cluster, call.field("old_passphrase"))
    # A locked cluster stays locked: the new passphrase must be entered.
    cluster.passphrase = call.field("new_passphrase")
    return [entry(codes.MODIFIED | _CONF_MOD, "Crypt passphrase updated")]


@route("PATCH", "/v1/encryption/passphrase")
def enter_passphrase(cluster: Cluster, call: Call) -> Entries:
    if cluster.passphrase is None:
        message = "encrypted namespace is empty, you need to set a passphrase first"
        raise Refused(codes.FAIL_MISSING_PROPS | _CONF_MOD, message)
    _need_right(cluster, call.body)
    cluster.unlocked_by_passphrase = True
    return [entry(codes.PASSPHRASE_ACCEPTED | _CONF_MOD, "Passphrase accepted")]


def _need_right(cluster: Cluster, given: Any) -> None:
    if given != cluster.passphrase:
        raise Refused(
            codes.FAIL_MISSING_PROPS | _CONF_MOD,
            "Could not restore master passphrase as the given old passphrase was incorrect",
            cause="Wrong passphrase",
            correction="Enter the correct passphrase",
        )


@route("GET", "/v1/error-reports")
def error_reports(cluster: Cluster, call: Call) -> Any:
    since, until = int(call.one("since") or 0), int(call.one("to") or 1 << 62)
    nodes = call.many("node")
    chosen = [r for r in cluster.reports if since <= r.time <= until and (not nodes or r.node in nodes)]
    return [_report(cluster, each, call.flag("withcontent")) for each in chosen]


@route("GET", "/v1/error-reports/{report}")
def error_report(cluster: Cluster, call: Call) -> Any:
    return [_report(cluster, each, True) for each in cluster.reports if call.names["report"] in each.name]


@route("PATCH", "/v1/error-reports")
def delete_error_reports(cluster: Cluster, call: Call) -> Entries:
    ids, nodes = call.field("ids", []), call.field("nodes", [])
    since, until = call.field("since", 0), call.field("to", 1 << 62)
    before = len(cluster.reports)
    cluster.reports = [
        each
        for each in cluster.reports
        if (ids and not any(name in each.name for name in ids))
        or (nodes and each.node not in nodes)
        or not since <= each.time <= until
    ]
    return [entry(codes.DELETED, f"Deleted {before - len(cluster.reports)} error-report(s)")]


def _report(cluster: Cluster, report: Report, with_content: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "node_name": report.node,
        "error_time": report.time,
        "filename": report.name,
        "module": "CONTROLLER" if report.node == CONTROLLER else "SATELLITE",
        "version": cluster.options.version,
        "exception": report.kind,
        "exception_message": report.message,
        "origin_file": "AbsBackupShippingService.java",
        "origin_method": "postShipping",
        "origin_line": 1,
    }
    if with_content:
        shown["text"] = report.text
    return shown
