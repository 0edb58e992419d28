# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Everything below some directories, and in a bucket under a prefix, a line each: to compare before and after.

What a directory's own time stamp tells is told by what is in it, too. ``--without`` leaves a directory out.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path


def directory(top: str, without: list[str]) -> Iterator[str]:
    yield _line(Path(top))
    for folder, subfolders, names in os.walk(top):
        subfolders[:] = sorted(each for each in subfolders if os.path.join(folder, each) not in without)
        for name in sorted(subfolders + names):
            yield _line(Path(folder, name))


def bucket(definition: str) -> Iterator[str]:
    import boto3  # only the tests on S3 need it
    from botocore.config import Config

    s3 = json.loads(Path(definition).read_text(encoding="utf-8"))
    client = boto3.client(
        "s3",
        endpoint_url=s3["endpoint_url"],
        region_name=s3["region"],
        aws_access_key_id=s3["access_key"],
        aws_secret_access_key=s3["secret_key"],
        config=Config(s3={"addressing_style": "path"}),
    )
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=s3["bucket"], Prefix=s3["prefix"]):
        for found in page.get("Contents", []):
            yield f"s3 {found['Key']!r} {found['Size']} {found['ETag']} {found['LastModified'].isoformat()}"


def _line(path: Path) -> str:
    if not os.path.lexists(path):
        return f"{str(path)!r} is not there"
    found = path.lstat()
    content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() and not path.is_symlink() else ""
    if path.is_dir():
        return f"{str(path)!r} {found.st_mode:o}"
    return f"{str(path)!r} {found.st_mode:o} {found.st_size} {found.st_mtime_ns} {found.st_ino} {content}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bucket", metavar="FILE", help="JSON with endpoint_url, region, bucket, prefix and keys")
    parser.add_argument("--without", metavar="DIRECTORY", action="append", default=[])
    parser.add_argument("directories", nargs="*")
    arguments = parser.parse_args()
    for top in arguments.directories:
        print(*directory(top, arguments.without), sep="\n")
    if arguments.bucket:
        print(*bucket(arguments.bucket), sep="\n")


if __name__ == "__main__":
    main()
