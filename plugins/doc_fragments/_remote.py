# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""What a remote is made of, and how a module is told which one to use."""

from __future__ import annotations

import re
import textwrap
from typing import ClassVar

_DEFINITION = r"""
type:
  description:
    - What kind of place it is, an S3 bucket (V(s3)) or a directory (V(directory)), such as a mounted NFS export or
      a second disk.
    - Where it is not set, it follows from O(<bucket>) or O(<path>).
    - The environment variable E(SNAPSHIP_TYPE) is used where the option is not set.
  type: str
  choices: [s3, directory]
layout:
  description:
    - Whose backups lie there. V(linstor) is a bucket, or a directory with a copy of its objects, that LINSTOR has
      shipped backups to. They can be listed, verified and restored without LINSTOR; nothing is ever written or deleted
      there.
    - A volume is then called by its resource, V(db), and further volumes of it with their number, V(db/1). An origin is
      the id of a cluster, and needed only where several clusters ship to one bucket.
    - The environment variable E(SNAPSHIP_LAYOUT) is used where the option is not set.
  type: str
  choices: [snapship, linstor]
  default: snapship
path:
  description:
    - The directory, an absolute path, for O(<type>=directory). It is made when the remote is defined. Where it is
      missing later, as when a filesystem is not mounted, nothing is shipped.
    - The environment variable E(SNAPSHIP_PATH) is used where the option is not set.
  type: path
bucket:
  description:
    - The bucket, for O(<type>=s3).
    - The environment variable E(SNAPSHIP_BUCKET) is used where the option is not set.
  type: str
prefix:
  description:
    - All keys begin with this, so that a bucket can be shared with others. What lies beside it is never listed or
      touched.
    - The environment variable E(SNAPSHIP_PREFIX) is used where the option is not set.
  type: str
endpoint_url:
  description:
    - Address of an S3-compatible service, as in V(https://s3.example.com:9000). Without it, it is Amazon's.
    - The environment variable E(SNAPSHIP_ENDPOINT_URL) is used where the option is not set.
  type: str
region:
  description:
    - Region of the bucket. Without it, the usual AWS configuration decides.
    - The environment variable E(SNAPSHIP_REGION) is used where the option is not set.
  type: str
access_key:
  description:
    - Access key id. Without keys the usual AWS chain is used, that is C(AWS_*) variables on the host, O(<profile>),
      or the instance's role.
    - The environment variable E(SNAPSHIP_ACCESS_KEY) is used where the option is not set.
  type: str
secret_key:
  description:
    - Secret access key that goes with O(<access_key>).
    - The environment variable E(SNAPSHIP_SECRET_KEY) is used where the option is not set.
  type: str
session_token:
  description:
    - Session token of temporary keys.
    - The environment variable E(SNAPSHIP_SESSION_TOKEN) is used where the option is not set.
  type: str
profile:
  description:
    - Profile in the AWS configuration files of the user that runs the module.
    - The environment variable E(SNAPSHIP_PROFILE) is used where the option is not set.
  type: str
addressing_style:
  description:
    - Whether the bucket is part of the path or of the host name. V(auto) lets boto3 choose.
    - The environment variable E(SNAPSHIP_ADDRESSING_STYLE) is used where the option is not set.
  type: str
  choices: [auto, path, virtual]
  default: auto
ca_path:
  description:
    - A file with the certificate authorities to trust, for an endpoint with a certificate of your own.
    - The environment variable E(SNAPSHIP_CA_PATH) is used where the option is not set.
  type: path
validate_certs:
  description:
    - Whether to check the endpoint's certificate. Use O(<ca_path>) rather than switching this off.
    - The environment variable E(SNAPSHIP_VALIDATE_CERTS) is used where the option is not set.
  type: bool
  default: true
create_bucket:
  description:
    - Create the bucket where it is missing.
    - The environment variable E(SNAPSHIP_CREATE_BUCKET) is used where the option is not set.
  type: bool
  default: false
object_lock_days:
  description:
    - Lock each object for this many days, in a bucket with object lock. V(0) locks nothing.
    - The lock of what a new incremental rests on is prolonged along with it.
    - The environment variable E(SNAPSHIP_OBJECT_LOCK_DAYS) is used where the option is not set.
  type: int
  default: 0
storage_class:
  description:
    - Storage class of new objects, as in V(STANDARD_IA). One that has to be thawed before it can be read does not
      work.
    - The environment variable E(SNAPSHIP_STORAGE_CLASS) is used where the option is not set.
  type: str
encryption_key:
  description:
    - Encrypt what is shipped with AES-256-GCM under this key, 32 random bytes in base64 or hexadecimal (C(openssl
      rand -base64 32)).
    - Names of origins and volumes, sizes and times stay readable on the remote.
    - Keep a copy elsewhere. Without it no backup can be restored.
    - The environment variable E(SNAPSHIP_ENCRYPTION_KEY) is used where the option is not set.
  type: str
old_encryption_keys:
  description:
    - Keys that were in use earlier, to read with.
    - The environment variable E(SNAPSHIP_OLD_ENCRYPTION_KEYS), separated by commas, is used where the option is not
      set.
  type: list
  elements: str
accept_unencrypted:
  description:
    - With an O(<encryption_key>), read backups that were made without one, too.
      Otherwise they are refused, as anybody who can write to the remote could have made them.
    - The environment variable E(SNAPSHIP_ACCEPT_UNENCRYPTED) is used where the option is not set.
  type: bool
  default: false
compression:
  description:
    - How segments are compressed.
    - The environment variable E(SNAPSHIP_COMPRESSION) is used where the option is not set.
  type: str
  choices: [zstd, none]
  default: zstd
bandwidth_limit:
  description:
    - Bytes a second that a run may use, in both directions and over all its workers, as in V(20M). Without it there
      is no limit.
    - The environment variable E(SNAPSHIP_BANDWIDTH_LIMIT) is used where the option is not set.
  type: str
append_only:
  description:
    - The keys in use may add and read but not delete. Nothing is ever deleted there, not even when the remote is
      tried out.
    - The environment variable E(SNAPSHIP_APPEND_ONLY) is used where the option is not set.
  type: bool
  default: false
grace_period:
  description:
    - How long the data of removed backups stays, by the store's clock.
    - The environment variable E(SNAPSHIP_GRACE_PERIOD) is used where the option is not set.
  type: str
  default: 1d
"""

_REMOTE = r"""
options:
  remote:
    description:
      - Name of a remote that M(snapship.dr.remote) has defined on this host.
      - Exactly one of O(remote) and O(remote_spec) is needed.
    type: str
  remote_spec:
    description:
      - The definition of a remote inline, so that nothing need be stored on the host. The options are those of
        M(snapship.dr.remote).
    type: dict
    suboptions:
@suboptions@
  origin:
    description:
      - The name under which this host's volumes appear on remotes.
      - The default is the name kept on the host at the first use, and before that the host's name.
      - With M(snapship.dr.backup_info) and M(snapship.dr.restore) it is the name of whichever host made the backups.
        For M(snapship.dr.backup_info), V(*) is all of them.
    type: str
requirements:
  - boto3 (for a remote in S3)
  - cryptography (for a remote with an encryption key)
  - the Python library zstandard or the program C(zstd) (unless the remote's compression is V(none))
"""


def _indented(text: str, depth: int) -> str:
    return textwrap.indent(text.strip("\n"), " " * depth)


def _under(prefix: str) -> str:
    """The options' documentation; ``<option>`` refers to one of them, wherever they are."""
    return re.sub(r"<(\w+)>", prefix + r"\1", _DEFINITION)


class ModuleDocFragment:
    """A remote to use; and, for the module that defines remotes, the same options at the top.

    The annotations tell ansible-test that these are no literals whose lines it could check.
    """

    DOCUMENTATION: ClassVar[str] = _REMOTE.replace("@suboptions@", _indented(_under("remote_spec."), 6))

    DEFINITION: ClassVar[str] = "options:\n" + _indented(_under(""), 2) + "\n"
