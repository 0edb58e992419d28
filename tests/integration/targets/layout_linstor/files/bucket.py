# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes images, and a bucket as LINSTOR would have shipped them to it: ``bucket.py IMAGES DIRECTORY [DEFINITION]``.

With a definition (JSON, as setup_places keeps it) the objects are put into S3 instead of the directory.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

from ansible_collections.snapship.dr.tests.support.linstor_bucket import LinstorBucket, changes, full, thin_stream

MIB = 1 << 20


def main() -> None:
    images, directory = Path(sys.argv[1]), Path(sys.argv[2])
    rng, bucket = random.Random(4), LinstorBucket()
    first = rng.randbytes(MIB) + bytes(3 * MIB)
    second = bytes(MIB // 2) + first[MIB // 2 : 2 * MIB] + rng.randbytes(MIB) + bytes(MIB)
    log, sizes = rng.randbytes(MIB), {0: len(first), 1: MIB}
    streams = {0: thin_stream(full(first)), 1: thin_stream(full(log))}
    base = bucket.ship("db", streams, sizes, "20260309_143000")
    streams = {0: thin_stream(changes(first, second)), 1: thin_stream([])}
    bucket.ship("db", streams, sizes, "20260309_153000", base=base, snapshot="nightly", suffix="-s")
    bucket.ship("secret", {0: thin_stream(full(log))}, {0: MIB}, "20260309_143000", layers=("luks",))
    bucket.objects.update({"README": b"not LINSTOR's", "db_00000_back_20260401_000000": b"not finished"})
    for name, data in (("first", first), ("second", second), ("log", log)):
        (images / f"{name}.img").write_bytes(data)
    if len(sys.argv) == 3:
        bucket.write_files(directory)
        return
    import boto3  # only the tests on S3 need it
    from botocore.config import Config

    s3 = json.loads(Path(sys.argv[3]).read_text(encoding="utf-8"))
    client = boto3.client(
        "s3",
        endpoint_url=s3["endpoint_url"],
        region_name=s3["region"],
        aws_access_key_id=s3["access_key"],
        aws_secret_access_key=s3["secret_key"],
        config=Config(s3={"addressing_style": "path"}),
    )
    bucket.put_into(client, s3["bucket"], s3["prefix"] + "/")


if __name__ == "__main__":
    main()
