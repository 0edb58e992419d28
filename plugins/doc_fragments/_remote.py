# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The options that define a remote, and the options that name the remote to use."""

from __future__ import annotations

import re
import textwrap
from typing import ClassVar

_DEFINITION = r"""
type:
  description:
    - The type of the remote. V(s3) is a bucket. V(directory) is a directory, such as a mounted NFS export or a second
      disk.
    - The default follows from O(<bucket>) or O(<path>).
    - The environment variable E(SNAPSHIP_TYPE) sets it if the option is not set.
  type: str
  choices: [s3, directory]
layout:
  description:
    - Who writes the backups there. V(linstor) is a bucket that LINSTOR ships backups to, or a directory with a copy of
      its objects. They can be listed, verified and restored without LINSTOR. The remote is read-only.
    - With V(linstor) the name of a volume is its resource, V(db), and for further volumes their number follows,
      V(db/1). The origin is the id of a cluster. It is only needed if several clusters ship to one bucket.
    - The environment variable E(SNAPSHIP_LAYOUT) sets it if the option is not set.
  type: str
  choices: [snapship, linstor]
  default: snapship
path:
  description:
    - The directory for O(<type>=directory), an absolute path. It is created when the remote is defined or
      first used. If it is missing later, or another one, because a filesystem is not mounted, nothing is done.
    - The environment variable E(SNAPSHIP_PATH) sets it if the option is not set.
  type: path
mount_point:
  description:
    - Where a filesystem must be mounted, such as V(/mnt/nas), for O(<type>=directory). O(<path>) must lie in it. Where
      nothing is mounted there, everything is refused with the code C(not_mounted), also before the first backup.
    - The environment variable E(SNAPSHIP_MOUNT_POINT) sets it if the option is not set.
  type: path
bucket:
  description:
    - The name of the bucket, for O(<type>=s3). It is neither part of O(<endpoint_url>) nor followed by the
      O(<prefix>).
    - The environment variable E(SNAPSHIP_BUCKET) sets it if the option is not set.
  type: str
prefix:
  description:
    - The prefix of all keys, so that others can use the bucket, too. Objects outside of it are never listed or changed.
    - The environment variable E(SNAPSHIP_PREFIX) sets it if the option is not set.
  type: str
endpoint_url:
  description:
    - The address of an S3-compatible service, such as V(https://s3.example.com:9000). The default is Amazon's.
    - An address with a user name, a password or parameters is refused.
    - The environment variable E(SNAPSHIP_ENDPOINT_URL) sets it if the option is not set.
  type: str
region:
  description:
    - The region of the bucket. The default is that of the usual AWS configuration.
    - The environment variable E(SNAPSHIP_REGION) sets it if the option is not set.
  type: str
access_key:
  description:
    - The access key id. Without keys the usual AWS chain applies, that is C(AWS_*) variables on the host, O(<profile>),
      or the instance role.
    - The environment variable E(SNAPSHIP_ACCESS_KEY) sets it if the option is not set.
  type: str
secret_key:
  description:
    - The secret access key of O(<access_key>).
    - The environment variable E(SNAPSHIP_SECRET_KEY) sets it if the option is not set.
  type: str
session_token:
  description:
    - The session token of temporary keys.
    - The environment variable E(SNAPSHIP_SESSION_TOKEN) sets it if the option is not set.
  type: str
profile:
  description:
    - The profile in the AWS configuration files of the user who runs the module.
    - The environment variable E(SNAPSHIP_PROFILE) sets it if the option is not set.
  type: str
addressing_style:
  description:
    - Whether the bucket's name is part of the path or of the host name. V(auto) lets boto3 choose.
    - The environment variable E(SNAPSHIP_ADDRESSING_STYLE) sets it if the option is not set.
  type: str
  choices: [auto, path, virtual]
  default: auto
ca_path:
  description:
    - A file with the certificate authorities to trust, for an endpoint with a private certificate.
    - The environment variable E(SNAPSHIP_CA_PATH) sets it if the option is not set.
  type: path
validate_certs:
  description:
    - Whether to check the endpoint's certificate. Use O(<ca_path>) instead of switching this off.
    - The environment variable E(SNAPSHIP_VALIDATE_CERTS) sets it if the option is not set.
  type: bool
  default: true
create_bucket:
  description:
    - Create the bucket if it is missing.
    - The environment variable E(SNAPSHIP_CREATE_BUCKET) sets it if the option is not set.
  type: bool
  default: false
object_lock_days:
  description:
    - Lock each object for this many days, in a bucket with object lock. V(0) locks nothing.
    - A new incremental extends the locks of its chain.
    - The environment variable E(SNAPSHIP_OBJECT_LOCK_DAYS) sets it if the option is not set.
  type: int
  default: 0
storage_class:
  description:
    - The storage class of new objects, such as V(STANDARD_IA). Archive classes, which need a restore before they can be
      read, do not work.
    - The environment variable E(SNAPSHIP_STORAGE_CLASS) sets it if the option is not set.
  type: str
encryption_key:
  description:
    - Encrypt backups with AES-256-GCM under this key, 32 random bytes in base64 or hexadecimal (C(openssl rand -base64
      32)).
    - Names of origins and volumes, sizes and times stay readable on the remote.
    - Keep a copy of the key elsewhere. Without the key no backup can be restored.
    - The environment variable E(SNAPSHIP_ENCRYPTION_KEY) sets it if the option is not set.
  type: str
old_encryption_keys:
  description:
    - Earlier keys, to decrypt older backups.
    - The environment variable E(SNAPSHIP_OLD_ENCRYPTION_KEYS), separated by commas, sets it if the option is not set.
  type: list
  elements: str
accept_unencrypted:
  description:
    - With an O(<encryption_key>), also read backups made without one. By default they are refused, as anybody who can
      write to the remote could have made them.
    - The environment variable E(SNAPSHIP_ACCEPT_UNENCRYPTED) sets it if the option is not set.
  type: bool
  default: false
compression:
  description:
    - The compression of segments.
    - The environment variable E(SNAPSHIP_COMPRESSION) sets it if the option is not set.
  type: str
  choices: [zstd, none]
  default: zstd
bandwidth_limit:
  description:
    - The limit of a run in bytes a second, for both directions and all its workers, such as V(20M). The default is no
      limit.
    - The environment variable E(SNAPSHIP_BANDWIDTH_LIMIT) sets it if the option is not set.
  type: str
append_only:
  description:
    - The access key can add and read objects, but not delete them. Nothing is ever deleted there, not even the test
      object of the probe.
    - The environment variable E(SNAPSHIP_APPEND_ONLY) sets it if the option is not set.
  type: bool
  default: false
repository_id:
  description:
    - The id of the repository that must be there, 32 hexadecimal digits. Each repository has one, as the name of an
      object under C(repository/).
    - A host notes it when it first ships or defines the remote, so this option is seldom needed. A place with another
      id, or without one, is refused with the code C(repository), because its filesystem may not be mounted.
    - Set it to take another repository at this place from now on. The message of the refusal tells its id.
    - The environment variable E(SNAPSHIP_REPOSITORY_ID) sets it if the option is not set.
  type: str
grace_period:
  description:
    - How long the data of deleted backups stays, by the store's clock.
    - The environment variable E(SNAPSHIP_GRACE_PERIOD) sets it if the option is not set.
  type: str
  default: 1d
"""

_REMOTE = r"""
options:
  remote:
    description:
      - The name of a remote that M(snapship.dr.remote) has defined on this host.
      - Set exactly one of O(remote) and O(remote_spec).
    type: str
  remote_spec:
    description:
      - An inline definition of a remote, which is not stored on the host. The options are those of
        M(snapship.dr.remote).
    type: dict
    suboptions:
@suboptions@
  origin:
    description:
      - The name under which this host's volumes appear on remotes.
      - The default is the name that the host has kept since its first backup, or else the host name.
      - For M(snapship.dr.backup_info) and M(snapship.dr.restore) it is the name of the host that made the backups. For
        M(snapship.dr.backup_info), V(*) means all origins.
    type: str
requirements:
  - boto3 (for a remote in S3)
  - cryptography (for a remote with an encryption key)
  - libzstd.so.1 or the Python library zstandard; the program C(zstd) can only read (unless the remote's compression is
    V(none))
"""


_AS_OF = r"""
options:
  as_of:
    description:
      - Read the remote as it was at this time by the clock of its server, such as V(2026-03-09T14:30:00+01:00). A time
        without an offset is UTC. Objects that came later do not count. Objects that were deleted or overwritten later
        are read in the version of that time.
      - It requires a bucket with versioning, and an access key with the rights C(s3:GetBucketVersioning),
        C(s3:ListBucketVersions) and C(s3:GetObjectVersion). With another remote the task fails.
      - Put quotes around it. Otherwise YAML can change it.
    type: str
"""


def _indented(text: str, depth: int) -> str:
    return textwrap.indent(text.strip("\n"), " " * depth)


def _under(prefix: str) -> str:
    """The documentation of the options. ``<option>`` refers to one of them, whatever they are nested in."""
    return re.sub(r"<(\w+)>", prefix + r"\1", _DEFINITION)


class ModuleDocFragment:
    """The remote to use; and the same options at the top level, for the module that defines remotes.

    The annotations tell ansible-test that these texts aren't literals whose lines it could check.
    """

    DOCUMENTATION: ClassVar[str] = _REMOTE.replace("@suboptions@", _indented(_under("remote_spec."), 6))

    AS_OF: ClassVar[str] = _AS_OF

    DEFINITION: ClassVar[str] = "options:\n" + _indented(_under(""), 2) + "\n"
