# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real S3 server on loopback: the SeaweedFS binary from .venv, its data in a directory of the caller's.

As a context manager::

    with S3Server(tmp_path) as server:
        server.client().create_bucket(Bucket="backups")

From the command line, for programs that take the coordinates from their environment::

    python tests/support/seaweed.py --run -- ansible-playbook snapship.dr.demo

The command sees ``SNAPSHIP_TEST_S3_ENDPOINT``, ``_REGION``, ``_BUCKET`` (made, empty), ``_ACCESS_KEY``,
``_SECRET_KEY``, ``_RO_ACCESS_KEY`` and ``_RO_SECRET_KEY`` (may only read and list), and with ``--tls`` also
``_TLS_ENDPOINT`` and ``_CA_PATH``. Its exit code is the exit code.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REGION = "us-east-1"
START_SECONDS = 600  # only ends what hangs: a busy machine takes long
PORTS = (
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "s3.port",
    "s3.port.grpc",
)


@dataclass(frozen=True)
class Key:
    """What one identity signs with; new at each start, so that a leak test can search for the very string."""

    access_key: str
    secret_key: str

    @classmethod
    def mint(cls, name: str) -> Key:
        return cls(f"{name.upper()}{secrets.token_hex(8).upper()}", secrets.token_hex(20))


class S3Server:
    """One server process. ``kill`` and ``start`` again keep ports, keys and data: a crash and its recovery."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.rw = Key.mint("rw")
        self.ro = Key.mint("ro")
        self.ports = dict(zip(PORTS, free_ports(len(PORTS))))
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.ports['s3.port']}"

    @property
    def log(self) -> Path:
        return self.directory / "weed.log"

    def __enter__(self) -> S3Server:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.kill()

    def start(self) -> None:
        """Returns when a signed PUT has worked; RuntimeError with the end of the server's log when none does."""
        data = self.directory / "data"
        data.mkdir(parents=True, exist_ok=True)
        config = self.directory / "s3.json"
        config.write_text(json.dumps({"identities": self._identities()}), encoding="utf-8")
        config.chmod(0o600)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                # The server must not outlive a killed test run.
                ["setpriv", "--pdeathsig", "KILL", "--", weed_binary(), *self._flags(data, config)],
                cwd=self.directory,
                # Few volumes for each bucket: a test has many buckets, a disk room for some dozen volumes.
                env={**os.environ, "WEED_MASTER_VOLUME_GROWTH_COPY_1": "2"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """SIGKILL: nothing acknowledged is lost by it, and the orderly way takes a quarter of a minute."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None
        for port in self.ports.values():
            for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                left.unlink(missing_ok=True)

    def client(self, key: Key | None = None, endpoint: str | None = None, **config: Any) -> Any:
        """A boto3 client of the server for ``key`` (read-write unless told); ``config`` goes to botocore's Config."""
        import boto3
        from botocore.config import Config

        key = key or self.rw
        return boto3.client(
            "s3",
            endpoint_url=endpoint or self.endpoint,
            region_name=REGION,
            aws_access_key_id=key.access_key,
            aws_secret_access_key=key.secret_key,
            config=Config(**{"s3": {"addressing_style": "path"}, **config}),
        )

    def drop_bucket(self, name: str) -> None:
        """Removes a bucket with all it holds, locked objects and unfinished uploads too, in one request."""
        url = f"http://127.0.0.1:{self.ports['filer.port']}/buckets/{name}?recursive=true&ignoreRecursiveError=true"
        urllib.request.urlopen(urllib.request.Request(url, method="DELETE"), timeout=600).close()

    def forbid_deleting(self, bucket: str) -> None:
        """Makes every key append-only on this bucket (``drop_bucket`` still works)."""
        statement = {
            "Effect": "Deny",
            "Principal": "*",
            "Action": ["s3:DeleteObject", "s3:DeleteObjectVersion"],
            "Resource": [f"arn:aws:s3:::{bucket}/*"],
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.client().put_bucket_policy(Bucket=bucket, Policy=policy)

    def _identities(self) -> list[dict[str, Any]]:
        def identity(name: str, key: Key, actions: list[str]) -> dict[str, Any]:
            credentials = [{"accessKey": key.access_key, "secretKey": key.secret_key}]
            return {"name": name, "credentials": credentials, "actions": actions}

        return [
            identity("rw", self.rw, ["Admin", "Read", "List", "Tagging", "Write"]),
            identity("ro", self.ro, ["Read", "List"]),
        ]

    def _flags(self, data: Path, config: Path) -> list[str]:
        flags: dict[str, object] = {
            "dir": data,
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "master.telemetry": "false",
            "master.electionTimeout": "1s",
            "master.volumeSizeLimitMB": 1024,
            "volume.max": 0,
            "volume.preStopSeconds": 0,
            "filer": "true",
            "s3": "true",
            "s3.config": config,
            "s3.iam": "false",
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "s3.allowDeleteBucketNotEmpty": "false",
            "s3.autoCreateBucket": "false",
            **self.ports,
        }
        return ["server", *(f"-{name}={value}" for name, value in flags.items())]

    def _wait_until_ready(self) -> None:
        client = self.client(retries={"max_attempts": 0}, connect_timeout=60, read_timeout=60)
        bucket = f"ready-{secrets.token_hex(4)}"
        deadline = time.monotonic() + START_SECONDS
        while True:
            assert self.process is not None
            code = self.process.poll()
            if code is not None:
                raise RuntimeError(f"weed ended with code {code}\n{self._log_end()}")
            try:
                client.create_bucket(Bucket=bucket)
                client.put_object(Bucket=bucket, Key="ready", Body=b"ready")
                self.drop_bucket(bucket)
                return
            except Exception as error:  # until it is ready it may fail in any way
                if time.monotonic() > deadline:
                    raise RuntimeError(f"no S3 server after {START_SECONDS} s: {error}\n{self._log_end()}") from error
            bucket = f"ready-{secrets.token_hex(4)}"
            time.sleep(0.2)

    def _log_end(self) -> str:
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])


def weed_binary() -> str:
    """The server's binary: beside this interpreter (.venv/bin), else on PATH."""
    beside = Path(sys.executable).parent / "weed"
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        raise RuntimeError("no S3 server: `weed` is missing; run `make venv` and use .venv/bin/python")
    return found


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on now, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _index in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextlib.contextmanager
def environment(directory: Path, tls: bool) -> Iterator[dict[str, str]]:
    """A running server as the variables the module's docstring lists."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(S3Server(directory))
        bucket = "snapship-test"
        server.client().create_bucket(Bucket=bucket)
        values = {
            "ENDPOINT": server.endpoint,
            "REGION": REGION,
            "BUCKET": bucket,
            "ACCESS_KEY": server.rw.access_key,
            "SECRET_KEY": server.rw.secret_key,
            "RO_ACCESS_KEY": server.ro.access_key,
            "RO_SECRET_KEY": server.ro.secret_key,
        }
        if tls:
            from ansible_collections.snapship.dr.tests.support.tls_front import TlsFront

            front = stack.enter_context(TlsFront(directory / "tls", server.ports["s3.port"]))
            values.update({"TLS_ENDPOINT": front.endpoint, "CA_PATH": str(front.ca_path)})
        yield {f"SNAPSHIP_TEST_S3_{name}": value for name, value in values.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description="run a command beside a real S3 server on loopback")
    parser.add_argument("--run", action="store_true", required=True, help="start, run the command, stop")
    parser.add_argument("--dir", type=Path, help="where the data lies (default: a temporary directory, removed)")
    parser.add_argument("--tls", action="store_true", help="also an https front with a certificate of its own CA")
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    # So that the finally clauses run: make and CI end a job with SIGTERM.
    signal.signal(signal.SIGTERM, lambda *_args: sys.exit(143))
    with contextlib.ExitStack() as stack:
        directory = arguments.dir or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="snapship-s3-")))
        variables = stack.enter_context(environment(directory, arguments.tls))
        return subprocess.run(arguments.command, env={**os.environ, **variables}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
