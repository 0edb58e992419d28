# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""One timed piece of work on real volumes, in a process of its own: ``lab_contenders.py NAME PLAN``.

PLAN is a JSON object: volume, name of its snapshot, snapshot (what LVM calls that), extent (bytes that hold data),
size, pool and target (of a new LV), store (a directory), compression, parallel, config_dir, endpoint (of an S3 server
that throws away). Prints, as JSON, seconds and CPU seconds: own (the process and those it started) and machine
(everybody, the kernel's threads too). References hash with the same library, through a pipe as large as ours.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from discarding import DiscardingStore

from ansible_collections.snapship.dr.plugins.module_utils._engine.local.host import Host
from ansible_collections.snapship.dr.plugins.module_utils._engine.repository import snapship_catalog
from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import backup, restore

MIB = 1 << 20
SETPIPE_SZ = 1031
Plan = dict[str, Any]


# --- references


def hashed(*command: str, twice: bool = False) -> None:
    """A program's output through SHA-256, in this process; ``twice``: each piece of at most 1 MiB by itself as well."""
    digest, buffer = hashlib.sha256(), bytearray(MIB)
    view = memoryview(buffer)
    with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0) as source:
        assert source.stdout is not None
        pipe = source.stdout.fileno()
        fcntl.fcntl(pipe, SETPIPE_SZ, MIB)
        while count := os.readv(pipe, [buffer]):
            digest.update(view[:count])
            if twice:
                hashlib.sha256(view[:count]).digest()
    if source.returncode:
        raise SystemExit(f"{command[0]} failed")


def sha256sum(*command: str) -> None:
    """A program's output through the program ``sha256sum``, as one types it."""
    with subprocess.Popen(command, stdout=subprocess.PIPE) as source:
        subprocess.run(["sha256sum"], stdin=source.stdout, stdout=subprocess.DEVNULL, check=True)
    if source.returncode:
        raise SystemExit(f"{command[0]} failed")


def dd_of(plan: Plan) -> list[str]:
    count = plan["extent"] // MIB
    return ["dd", f"if=/dev/{plan['snapshot']}", "bs=1M", "iflag=direct", f"count={count}", "status=none"]


def zfs_send(plan: Plan) -> list[str]:
    return ["zfs", "send", "-L", "-c", f"{plan['volume']}@{plan['name']}"]


def dd_hash(plan: Plan) -> None:
    """``dd`` into SHA-256."""
    hashed(*dd_of(plan))


def dd_hash_twice(plan: Plan) -> None:
    """``dd`` into SHA-256 of all and of each piece, as the format has it."""
    hashed(*dd_of(plan), twice=True)


def dd_sha256sum(plan: Plan) -> None:
    """``dd | sha256sum``."""
    sha256sum(*dd_of(plan))


def thin_send_hash(plan: Plan) -> None:
    """``thin_send`` into SHA-256."""
    hashed("thin_send", plan["snapshot"])


def thin_send_sha256sum(plan: Plan) -> None:
    """``thin_send | sha256sum``."""
    sha256sum("thin_send", plan["snapshot"])


def zfs_hash(plan: Plan) -> None:
    """``zfs send`` into SHA-256."""
    hashed(*zfs_send(plan))


def zfs_sha256sum(plan: Plan) -> None:
    """``zfs send | sha256sum``."""
    sha256sum(*zfs_send(plan))


def write_hash(plan: Plan) -> None:
    """The stored objects, read and hashed here, by ``dd`` with fsync onto a new LV."""
    group, _slash, name = plan["target"].partition("/")
    create = ["lvcreate", "-q", "-y", "-V", f"{plan['size']}b", "-T", plan["pool"], "-n", name]
    subprocess.run(create, check=True, capture_output=True)
    command = ["dd", f"of=/dev/{group}/{name}", "bs=1M", "iflag=fullblock", "conv=fsync", "status=none"]
    command += ["oflag=direct"] if plan.get("direct") else []
    digest, buffer = hashlib.sha256(), bytearray(MIB)
    with subprocess.Popen(command, stdin=subprocess.PIPE, bufsize=0) as sink:
        assert sink.stdin is not None
        fcntl.fcntl(sink.stdin.fileno(), SETPIPE_SZ, MIB)
        for path in sorted(Path(plan["store"]).glob("data/*/*/*/0*")):
            with path.open("rb", buffering=0) as source:
                while count := source.readinto(buffer):
                    view = memoryview(buffer)[:count]
                    digest.update(view)
                    while len(view):
                        view = view[os.write(sink.stdin.fileno(), view) :]
    if sink.returncode:
        raise SystemExit("dd failed")


def write_hash_direct(plan: Plan) -> None:
    """The same, ``dd`` writing past the page cache."""
    write_hash(dict(plan, direct=True))


# --- ours


def ship(plan: Plan, remote: dict[str, Any]) -> None:
    """A full of the snapshot that is there."""
    request = backup.Request(
        remote_spec=dict(remote, compression=plan["compression"]),
        origin="bench",
        volumes=[plan["volume"]],
        snapshot=plan["name"],
        parallel=plan["parallel"],
    )
    host = Host(plan["config_dir"])
    outcome = backup.apply(host, backup.plan(host, request))
    if not outcome.changed or outcome.failures:
        raise SystemExit(f"backup: {outcome}")


def our_full(plan: Plan) -> None:
    """A full, thrown away in this process."""
    store = DiscardingStore()
    snapship_catalog.open_store = lambda _spec: store  # type: ignore[attr-defined,assignment]  # for this process only
    ship(plan, {"type": "directory", "path": "/nowhere"})


def our_full_http(plan: Plan) -> None:
    """A full to an S3 server, in a process of its own, that throws away."""
    keys = {"access_key": "access", "secret_key": "secret"}
    ship(plan, {"type": "s3", "bucket": "bench", "endpoint_url": plan["endpoint"], **keys})


def our_store(plan: Plan) -> None:
    """A full into the directory."""
    ship(plan, {"type": "directory", "path": plan["store"]})


def our_restore(plan: Plan) -> None:
    """The backup in the directory onto a new LV."""
    request = restore.Request(
        remote_spec={"type": "directory", "path": plan["store"]},
        origin="bench",
        volumes=[{"source": plan["volume"], "target": plan["target"]}],
        parallel=plan["parallel"],
    )
    host = Host(plan["config_dir"])
    outcome = restore.apply(host, restore.plan(host, request))
    if not outcome.changed or outcome.failures:
        raise SystemExit(f"restore: {outcome}")


# --- measuring


def own_cpu() -> float:
    """Of this process and of those it waited for."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def machine_cpu() -> float:
    """Of everybody, the kernel's own threads among them."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    return (sum(fields[:8]) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Run one of the functions above by name."""
    work: Callable[[Plan], None] = globals()[sys.argv[1]]
    plan = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    own, machine, started = own_cpu(), machine_cpu(), time.perf_counter()
    work(plan)
    done = {
        "seconds": time.perf_counter() - started,
        "own": own_cpu() - own,
        "machine": machine_cpu() - machine,
    }
    json.dump(done, sys.stdout)


if __name__ == "__main__":
    main()
