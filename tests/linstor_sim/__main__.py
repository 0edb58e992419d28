# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Simulated LINSTOR clusters as a program, for playbooks.

``python -m ansible_collections.snapship.dr.tests.linstor_sim --cluster home --cluster away`` prints one line of JSON
when it listens: for each cluster ``controllers`` (what LS_CONTROLLERS takes), ``url``, ``cluster_id`` and ``control``
(where ``/sim/...`` is, see api/control.py), and ``ca_path``, ``client_pem``, ``token`` where there are such. It ends at
SIGTERM or SIGINT, or when what ``--until`` names isn't there any more.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from ansible_collections.snapship.dr.tests.linstor_sim.options import Options
from ansible_collections.snapship.dr.tests.linstor_sim.serving import Server
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.linstor_sim.validation import Document
from ansible_collections.snapship.dr.tests.support.certificates import Authority

_ENDS = {signal.SIGTERM, signal.SIGINT}


def main() -> int:
    wanted = _parsed(sys.argv[1:])
    # Blocked before threads start, so that no thread takes the signal. A shell's background job inherits that SIGINT is
    # ignored, and an ignored signal can't be waited for.
    for end in _ENDS:
        signal.signal(end, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
    with contextlib.ExitStack() as stack:
        told = _start(stack, wanted)
        print(json.dumps(told), flush=True)
        while wanted.until is None or wanted.until.exists():
            if signal.sigtimedwait(_ENDS, 0.5):
                break
    return 0


def _start(stack: contextlib.ExitStack, wanted: argparse.Namespace) -> dict[str, Any]:
    """Start everything; yields the addresses and keys."""
    directory = wanted.directory or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="linstor-sim-")))
    authority = Authority(directory / "tls") if wanted.tls else None
    told: dict[str, Any] = {"pid": os.getpid(), "clusters": {}}
    if authority:
        told["ca_path"], told["client_pem"] = str(authority.ca_path), str(authority.issue("client"))
    if wanted.token:
        told["token"] = wanted.token
    if wanted.bucket:
        told["bucket_directory"] = str(directory / "buckets")
    simulations = [_started(stack, wanted, position, directory, authority) for position in range(len(wanted.cluster))]
    for one, other in itertools.combinations(simulations if wanted.peers else [], 2):
        one.peer_with(other, other.cluster.options.name, one.cluster.options.name)
    for each in simulations:
        told["clusters"][each.cluster.options.name] = _described(stack, each)
    return told


def _started(
    stack: contextlib.ExitStack, wanted: argparse.Namespace, position: int, directory: Path, authority: Authority | None
) -> Simulation:
    name = wanted.cluster[position]
    for bucket in wanted.bucket:
        (directory / "buckets" / bucket).mkdir(parents=True, exist_ok=True)
    options = Options(
        name=name,
        version=wanted.version,
        nodes=tuple(f"{name}-{number}" for number in range(1, wanted.nodes + 1)),
        pools=dict(each.split("=") for each in wanted.pool),
        ship_seconds=wanted.ship_seconds,
        young_seconds=wanted.young_seconds,
        token=wanted.token,
        users=dict([wanted.user.split(":", 1)]) if wanted.user else {},
        bucket_directory=directory / "buckets" if wanted.bucket else None,
    )
    tls = authority.server(wanted.client_certificate) if authority else None
    port = wanted.port[position] if position < len(wanted.port) else 0
    made = Simulation(options, tls=tls, port=port)
    made.forgive()  # the caller of the program reads /sim/violations
    stack.enter_context(made)
    if wanted.passphrase:
        made.unlock(wanted.passphrase)
    if position == 0:
        for number in range(1, wanted.resources + 1):
            made.add_resource(f"{wanted.prefix}{number}")
    return made


def _described(stack: contextlib.ExitStack, simulation: Simulation) -> dict[str, Any]:
    # Always plain HTTP, even if the API uses TLS.
    control = Server(simulation.cluster, document=Document.from_environment())
    stack.callback(control.stop)
    return {
        "controllers": simulation.uri,
        "url": simulation.url,
        "cluster_id": simulation.cluster.id,
        "nodes": list(simulation.cluster.nodes),
        "control": f"{control.url}/sim",
    }


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="linstor_sim", description="Simulated LINSTOR clusters.")
    parser.add_argument("--cluster", action="append", help="a cluster of this name; again for more")
    parser.add_argument("--port", action="append", type=int, default=[], help="of each cluster, else any that is free")
    parser.add_argument("--version", default="1.33.3")
    parser.add_argument("--nodes", type=int, default=3, help="per cluster: <name>-1, <name>-2, ...")
    parser.add_argument("--pool", action="append", help="NAME=KIND on each node (thinpool=LVM_THIN)")
    parser.add_argument("--resources", type=int, default=0, help="how many the first cluster has from the start")
    parser.add_argument("--prefix", default="vm", help="what their names begin with")
    parser.add_argument("--ship-seconds", type=float, default=0.2)
    parser.add_argument("--young-seconds", type=float, default=0.0, help="how long what was begun shows nothing")
    parser.add_argument("--passphrase", default="", help="set and entered")
    parser.add_argument("--peers", action="store_true", help="each cluster has a remote for each other, by its name")
    parser.add_argument("--bucket", action="append", default=[], help="S3 remotes write to directories; make this one")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--client-certificate", action="store_true", help="with --tls: ask for one")
    parser.add_argument("--token", default="", help="asked for, as bearer token")
    parser.add_argument("--user", default="", help="NAME:PASSWORD, asked for")
    parser.add_argument("--directory", type=Path, help="for buckets and certificates; else a temporary one")
    parser.add_argument("--until", type=Path, help="end when this file isn't there any more")
    wanted = parser.parse_args(arguments)
    wanted.cluster = wanted.cluster or ["home"]
    wanted.pool = wanted.pool or ["thinpool=LVM_THIN"]
    return wanted


if __name__ == "__main__":
    sys.exit(main())
