# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a bad disk or a bug would do.

``damage.py segment BACKUP PLACE`` changes a byte of the first segment of a backup on a remote: a directory, or the
bucket that a JSON file tells of. ``damage.py snapshot IMAGE`` changes a byte of each snapshot of an image, and its
record so that it seems untouched.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def segment(backup: str, place: str) -> None:
    if Path(place).is_dir():
        (path,) = Path(place).glob(f"data/*/*/{backup}/00000000")
        path.chmod(0o600)
        path.write_bytes(changed(path.read_bytes()))
        return
    import boto3  # only the tests on S3 need it
    from botocore.config import Config

    s3 = json.loads(Path(place).read_text(encoding="utf-8"))
    client = boto3.client(
        "s3",
        endpoint_url=s3["endpoint_url"],
        region_name=s3["region"],
        aws_access_key_id=s3["access_key"],
        aws_secret_access_key=s3["secret_key"],
        config=Config(s3={"addressing_style": "path"}),
    )
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=s3["bucket"], Prefix=f"{s3['prefix']}/data/")
    keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
    (key,) = [each for each in keys if each.endswith(f"/{backup}/00000000")]
    body = client.get_object(Bucket=s3["bucket"], Key=key)["Body"].read()
    client.put_object(Bucket=s3["bucket"], Key=key, Body=changed(body))


def snapshot(image: str) -> None:
    folder = Path(image).parent / ".snapship" / Path(image).name
    for record in folder.glob("*.json"):
        path = record.with_suffix(".img")
        path.chmod(0o600)
        with path.open("r+b") as opened:
            first = opened.read(1)
            opened.seek(0)
            opened.write(changed(first))
            os.fsync(opened.fileno())
        said = json.loads(record.read_text(encoding="utf-8"))
        said["witness"]["ctime"] = path.stat().st_ctime_ns
        record.write_text(json.dumps(said), encoding="utf-8")


def changed(data: bytes) -> bytes:
    """The same with another last byte."""
    return data[:-1] + bytes([data[-1] ^ 1])


if __name__ == "__main__":
    {"segment": segment, "snapshot": snapshot}[sys.argv[1]](*sys.argv[2:])
