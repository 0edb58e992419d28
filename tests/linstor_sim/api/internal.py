# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests between controllers, and the data that satellites send each other."""

from __future__ import annotations

from typing import Any

import zstandard

from ansible_collections.snapship.dr.tests.linstor_sim import codes, receiving
from ansible_collections.snapship.dr.tests.linstor_sim.cluster import CONTROLLER, GENERATED_URL, Cluster
from ansible_collections.snapship.dr.tests.linstor_sim.l2l import stand_in
from ansible_collections.snapship.dr.tests.linstor_sim.receiving import SOURCE_UUID, Reception, Terms
from ansible_collections.snapship.dr.tests.linstor_sim.replies import Entries, Refused, Reply, entry
from ansible_collections.snapship.dr.tests.linstor_sim.routing import Call, route
from ansible_collections.snapship.dr.tests.linstor_sim.state import FAILED, Remote, Snapshot

_UNUSABLE = (FAILED, "Prepare Abort", "Aborting", "Aborted")


@route("POST", "/v1/internal/backups/requestPrevSnap")
def previous_snapshot(cluster: Cluster, call: Call) -> Any:
    refused = _contact(cluster, call)[1]
    if refused:
        return Reply(200, {"canReceive": False, "responses": refused})
    said: Entries = []
    wanted = call.field("dstNodeName", "")
    if wanted and wanted not in cluster.nodes:
        message = "Preferred target node does not exist, choosing different node instead"
        said.append(entry(codes.WARN_NOT_FOUND, message))
        wanted = ""
    definition = cluster.find_definition(call.field("dstRscName"))
    found = None
    for each in definition.snapshots.values() if definition else []:
        usable = each.props.get(SOURCE_UUID) in call.field("srcSnapDfnUuids", []) and each.target() not in _UNUSABLE
        if usable and (not wanted or wanted in each.nodes) and (found is None or _started(each) > _started(found)):
            found = each
    answer = {"canReceive": True, "resetData": not definition or not definition.resources, "responses": said}
    if found is not None:
        node = wanted or next(iter(found.nodes))
        answer.update(prevSnapUuid=found.props[SOURCE_UUID], dstBaseSnapName=found.name, dstActualNodeName=node)
    return Reply(200, answer)


def _started(snapshot: Snapshot) -> int:
    return int(snapshot.target("BackupStartTimestamp") or 0)


def _contact(cluster: Cluster, call: Call) -> tuple[Remote | None, Entries]:
    """The remote of the calling cluster, or the refusal."""
    theirs = ".".join(map(str, call.field("srcVersion", [])))
    asking = call.field("srcClusterId", "")
    ours = ".".join(map(str, cluster.options.numbers))
    if theirs != ours:
        message = f"Incompatible versions. Source version: {theirs}. Destination (local) version: {ours}"
        return None, [entry(codes.FAIL_BACKUP_INCOMPATIBLE_VERSION, message)]
    in_order = sorted(cluster.remotes.values(), key=lambda each: each.name.upper())
    known = next((each for each in in_order if each.cluster_id == asking), None)
    if known is None and asking == cluster.id:
        known = cluster.generate_remote()
    if known is None:
        message = f"Unknown Cluster. Source Cluster ID: {asking}"
        return None, [entry(codes.FAIL_BACKUP_UNKNOWN_CLUSTER, message)]
    return known, []


@route("POST", "/v1/internal/backups/requestShip")
def start_receiving(cluster: Cluster, call: Call) -> Any:
    known, refused = _contact(cluster, call)
    if known is None:
        return Reply(200, {"canReceive": False, "responses": refused})
    said: Entries = []
    try:
        made = _prepared(cluster, call, known, said)
    except Refused as error:
        cause = f"ErrorReport id on target cluster: {cluster.report(CONTROLLER, str(error))}"
        refused = [entry(codes.FAIL_UNKNOWN_ERROR, str(error), cause=cause)]
        return Reply(500, {"canReceive": False, "responses": refused})
    answers = known.fields["url"] != GENERATED_URL
    return Reply(200, {"canReceive": True, "responses": said, "snapshot": made.name, "answers": answers})


def _prepared(cluster: Cluster, call: Call, known: Remote, said: Entries) -> Snapshot:
    terms = Terms(
        call.field("dstRscName"),
        call.field("layers"),
        call.field("provider"),
        call.field("pool"),
        {int(number): size for number, size in call.field("sizes", {}).items()},
        call.field("dstNodeName", ""),
        call.field("dstStorPool", ""),
        call.field("storPoolRenameMap", {}),
        call.field("dstRscGrp", ""),
        call.field("forceRscGrp", False),
        call.field("downloadOnly", False),
        call.field("forceRestore", False),
        call.field("snapDfnProps", {}),
        call.field("rscDfnProps", {}),
    )
    _need_luks(cluster, terms, known)
    there = cluster.find_definition(terms.resource)
    base = there.snapshots.get(call.field("dstBaseSnapName", "")) if there else None
    pool = receiving.place(cluster, terms, base)
    definition = receiving.definition_for(cluster, terms, said)
    name, origin = call.field("srcBackupName"), call.field("srcClusterId")
    part_props = {"Backup/FromClusterUUID": origin, "Backup/FromClusterName": ""}
    if origin != cluster.id:
        part_props["Backup/FromClusterName"] = cluster.short_id(origin)
        name += f"_{cluster.short_id(origin)}"
    if name in definition.snapshots:
        of = f"of the resource '{definition.name}' on '{pool.node}'"
        raise Refused(codes.FAIL_UNKNOWN_ERROR, f"A snapshot with the name '{name}' {of} already exists.")
    stands_in = stand_in(definition.name, name)
    made = receiving.prepare(cluster, definition, name, terms, pool, call.field("startTimestamp"), stands_in, said)
    made.flags = ["SUCCESSFUL", *made.flags]
    made.props[SOURCE_UUID] = call.field("srcSnapDfnUuid")
    made.props["BackupShipping/Target/BackupToRestore"] = f"{definition.name}_{name}"
    if base is not None:
        # Also for a full one.
        part_props["BackupShipping/Target/BackupLastSnapshot"] = base.name
        made.props["BackupShipping/Target/BackupLastSnapshot"] = base.name
    made.nodes[pool.node].props = part_props
    if not call.field("incremental", False):
        base = None
    cluster.receptions.append(Reception(definition, made, known.name, base, receiving.deadline(cluster), True))
    return made


def _need_luks(cluster: Cluster, terms: Terms, known: Remote) -> None:
    if "LUKS" in terms.layers and (not known.secrets.get("passphrase") or cluster.passphrase_status != "unlocked"):
        message = "Source cluster master key could not be restored. Is the passphrase correct?"
        raise Refused(codes.FAIL_IMPL_ERROR, message)


@route("POST", "/sim/receive/{resource}/{snapshot}/{number}")
def receive(cluster: Cluster, call: Call) -> Any:
    """The data of one volume. Real satellites send it to each other directly."""
    reception = _reception(cluster, call.names["resource"], call.names["snapshot"])
    if reception is None:
        return Reply(410, "nothing listens for it")
    receiving.receive(cluster, reception, int(call.names["number"]), zstandard.decompress(call.body))
    return Reply(200, {})


@route("POST", "/sim/received")
def received(cluster: Cluster, call: Call) -> Any:
    """The other side has sent everything, ``late`` milliseconds ago by its clock, or has given up."""
    reception = _reception(cluster, call.field("dstRscName"), call.field("snapshot"))
    if reception is not None:
        reception.ends = cluster.clock.now - call.field("late", 0)
        receiving.finish(cluster, reception, call.field("success", False))
        receiving.restore_step(cluster)
    return Reply(200, {})


def _reception(cluster: Cluster, resource: str, snapshot: str) -> Reception | None:
    for each in cluster.receptions:
        if (each.definition.name.lower(), each.snapshot.name) == (resource.lower(), snapshot):
            return each
    return None
