# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""One timed piece of work in a process of its own: ``contenders.py NAME PLAN``. Prints seconds, CPU and memory as JSON.

PLAN is a JSON object: source, target, config_dir, remote (its definition), threads, name (of the snapshot).
The references do what a careful script would: the same file, the same hash, the same bytes, as many threads.
"""

from __future__ import annotations

import concurrent.futures
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

import boto3
from botocore.config import Config

from ansible_collections.snapship.dr.plugins.module_utils._engine.local.host import Host
from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import backup, backup_info, restore

PIECE = 32 << 20
BUCKET = "bench"


def client(plan: dict[str, Any], **options: Any) -> Any:
    """A boto3 client; ``options`` are those of botocore's Config."""
    return boto3.client(
        "s3",
        endpoint_url=plan["remote"]["endpoint_url"],
        aws_access_key_id=plan["remote"]["access_key"],
        aws_secret_access_key=plan["remote"]["secret_key"],
        region_name="us-east-1",
        verify=plan["remote"].get("ca_path"),
        config=Config(s3={"addressing_style": "path"}, **options),
    )


def tuned(plan: dict[str, Any]) -> Any:
    """The client set up as well as one can."""
    when = "when_required"
    return client(plan, max_pool_connections=16, request_checksum_calculation=when, response_checksum_validation=when)


def each(count: int, threads: int, work: Callable[[int], None]) -> None:
    """Do ``work`` for 0 to count - 1."""
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(count)))


def put_reference(plan: dict[str, Any]) -> None:
    """Read, SHA-256, PUT: pieces of 32 MiB, in parallel."""
    s3 = tuned(plan)
    size = os.stat(plan["source"]).st_size
    source = os.open(plan["source"], os.O_RDONLY)

    def work(number: int) -> None:
        data = os.pread(source, PIECE, number * PIECE)
        hashlib.sha256(data).hexdigest()
        s3.put_object(Bucket=BUCKET, Key=f"reference/{number:08d}", Body=data)

    each(-(-size // PIECE), plan["threads"], work)


def upload_fileobj(plan: dict[str, Any]) -> None:
    """What scripts do: a pipe into upload_fileobj of a client as it comes."""
    with subprocess.Popen(["cat", plan["source"]], stdout=subprocess.PIPE) as cat:
        client(plan).upload_fileobj(cat.stdout, BUCKET, "pipe/object")


def get_reference(plan: dict[str, Any]) -> None:
    """GET, SHA-256, write, fsync: the objects of :func:`put_reference`, in parallel."""
    s3 = tuned(plan)
    size = os.stat(plan["source"]).st_size
    target = os.open(plan["target"], os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    os.ftruncate(target, size)

    def work(number: int) -> None:
        data = s3.get_object(Bucket=BUCKET, Key=f"reference/{number:08d}")["Body"].read()
        hashlib.sha256(data).hexdigest()
        os.pwrite(target, data, number * PIECE)

    each(-(-size // PIECE), plan["threads"], work)
    os.fsync(target)


def copy_reference(plan: dict[str, Any]) -> None:
    """``cp`` and ``sha256sum`` side by side."""
    copy = subprocess.Popen(["cp", "--reflink=never", plan["source"], plan["target"]])
    digest = subprocess.Popen(["sha256sum", plan["source"]], stdout=subprocess.DEVNULL)
    if copy.wait() or digest.wait():
        raise SystemExit("cp or sha256sum failed")


def our_backup(plan: dict[str, Any]) -> None:
    """A full of a snapshot that is there."""
    request = backup.Request(
        remote_spec=plan["remote"],
        origin="bench",
        volumes=[plan["source"]],
        snapshot=plan["name"],
        parallel=plan["threads"],
    )
    host = Host(plan["config_dir"])
    outcome = backup.apply(host, backup.plan(host, request))
    if not outcome.changed or outcome.failures:
        raise SystemExit(f"backup: {outcome}")


def our_restore(plan: dict[str, Any]) -> None:
    """The latest backup into a new file."""
    request = restore.Request(
        remote_spec=plan["remote"],
        origin="bench",
        volumes=[{"source": plan["source"], "target": plan["target"]}],
        parallel=plan["threads"],
    )
    host = Host(plan["config_dir"])
    outcome = restore.apply(host, restore.plan(host, request))
    if not outcome.changed or outcome.failures:
        raise SystemExit(f"restore: {outcome}")


def our_listing(plan: dict[str, Any]) -> None:
    """All backups of an origin."""
    backup_info.listing(Host(plan["config_dir"]), backup_info.Request(remote_spec=plan["remote"], origin="bench"))


def main() -> None:
    """Run one of the functions above by name."""
    work: Callable[[dict[str, Any]], None] = globals()[sys.argv[1]]
    plan = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    before = usage.ru_utime + usage.ru_stime
    started = time.perf_counter()
    work(plan)
    seconds = time.perf_counter() - started
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu = usage.ru_utime + usage.ru_stime - before
    json.dump({"seconds": seconds, "peak_mib": usage.ru_maxrss / 1024, "cpu_seconds": cpu}, sys.stdout)


if __name__ == "__main__":
    main()
