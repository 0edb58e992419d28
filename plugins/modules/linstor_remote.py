#!/usr/bin/python
# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Define a remote to which a LINSTOR cluster ships backups."""

from __future__ import annotations

DOCUMENTATION = r"""
module: linstor_remote
short_description: Define a remote to which a LINSTOR cluster ships backups
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Makes sure that a LINSTOR cluster has a remote. A remote is an S3 bucket, another LINSTOR cluster, or EBS.
  - LINSTOR never returns the secrets of a remote. To notice changed secrets, this module keeps a salted fingerprint of
    each in LINSTOR's key-value store (instance C(snapship-dr)).
  - Shipping between two clusters needs a remote on both of them, each with the other cluster's id. With O(target), the
    module defines both.
  - LINSTOR connects to the bucket when an S3 remote is created or modified. If the bucket doesn't answer, the remote
    isn't defined.
extends_documentation_fragment:
  - snapship.dr._linstor
  - snapship.dr._linstor.target
  - snapship.dr._attributes
attributes:
  check_mode:
    support: full
    details:
      - Check mode doesn't connect to the remote.
  diff_mode:
    support: full
    details:
      - The diff shows that a secret will be set, but never its value.
  idempotent:
    support: partial
    details:
      - With O(update_secret=always), the module sends the secrets at each run.
      - If another tool has created the remote, the first run sends the secrets, because their fingerprints aren't
        known.
options:
  name:
    description:
      - Name of the remote, at least two letters, digits and inner dashes. LINSTOR ignores upper and lower case.
    type: str
    required: true
  state:
    description:
      - Whether the cluster has the remote. V(absent) changes neither the backups on the remote nor the remote on the
        O(target).
      - Deleting a remote also disables all schedules for it.
    type: str
    choices: [present, absent]
    default: present
  type:
    description:
      - Type of the remote. If it isn't set, it follows from O(bucket), O(url), O(target) or O(availability_zone).
    type: str
    choices: [s3, linstor, ebs]
  endpoint:
    description:
      - Address of the S3 service, as in V(https://s3.example.com:9000), or of EBS.
    type: str
  bucket:
    description:
      - The bucket, for O(type=s3). It must exist.
    type: str
  region:
    description:
      - Region of the bucket, or of EBS.
    type: str
  access_key:
    description:
      - Access key id, for O(type=s3) and O(type=ebs). Needed to create the remote.
    type: str
  secret_key:
    description:
      - Secret access key for O(access_key). Needed to create the remote.
    type: str
  use_path_style:
    description:
      - Whether the bucket's name is in the path instead of the host name, for O(type=s3). Most services other than
        Amazon's need V(true). If it isn't set when the remote is created, it is V(false).
      - It can't be changed later. See O(recreate).
    type: bool
  url:
    description:
      - Address of the other cluster's controller as this cluster's controller can reach it, for O(type=linstor), as in
        V(http://ctrl.dr.example.com:3370).
      - With O(target), the default is the first of O(target.controllers).
    type: str
  cluster_id:
    description:
      - Id of the other cluster, which is its property C(Cluster/LocalID). With O(target), the module reads it there.
      - A remote with the cluster's own id points at the cluster itself. It ships to other nodes or storage pools of it.
    type: str
  passphrase:
    description:
      - The master passphrase of the other cluster, for O(type=linstor). Needed if LUKS volumes come from there.
    type: str
  availability_zone:
    description:
      - The availability zone, for O(type=ebs).
    type: str
  update_secret:
    description:
      - When to send O(access_key), O(secret_key) and O(passphrase) to an existing remote. V(on_change) sends a secret
        if it has changed.
    type: str
    choices: [on_change, always, never]
    default: on_change
  recreate:
    description:
      - Delete the remote and create it again, if its type or O(use_path_style) must change. LINSTOR can't modify these.
      - The backups on the remote stay. But schedules must be enabled for it again, and the next backup may be a full
        one.
    type: bool
    default: false
  target:
    description:
      - How to reach the other cluster from where the module runs, for O(type=linstor). The module then also creates or
        modifies the remote of that cluster that points back to this one, unless both are the same cluster.
      - A cluster that ships to itself answers through the first remote, by name, that has its own id. This may be
        C(local-remote-generated-by-linstor), which LINSTOR itself creates with the address C(localhost:3370). If O(url)
        has another port or scheme, the module changes that remote's address to O(url).
      - The module warns if the two clusters run different versions of LINSTOR. LINSTOR can't ship between them.
  reverse_name:
    description:
      - Name of the remote on the O(target) that points back. By default, the one that already points back, otherwise
        C(from-) and the beginning of this cluster's id.
    type: str
  reverse_url:
    description:
      - Address of this cluster's controller as the target's controller can reach it. The default is the first of
        O(controllers).
    type: str
  reverse_passphrase:
    description:
      - The master passphrase of this cluster. The O(target) needs it to receive LUKS volumes.
    type: str
seealso:
  - module: snapship.dr.linstor_remote_info
  - module: snapship.dr.linstor_encryption
"""

EXAMPLES = r"""
- name: Define a bucket as a remote
  snapship.dr.linstor_remote:
    controllers: "{{ linstor_controllers }}"
    name: offsite
    endpoint: "{{ s3_endpoint }}"
    bucket: dr-backups
    region: us-east-1
    use_path_style: true
    access_key: "{{ vault_s3_access_key }}"
    secret_key: "{{ vault_s3_secret_key }}"
  delegate_to: localhost
  run_once: true

- name: Define the cluster at the other site as a remote, and this one as its remote
  snapship.dr.linstor_remote:
    controllers: "{{ linstor_controllers }}"
    name: dr-site
    url: "{{ dr_url }}"
    target:
      controllers: "{{ dr_controllers }}"
    reverse_name: main-site
    reverse_url: "{{ main_url }}"
  delegate_to: localhost
  run_once: true

- name: Remove a remote, but keep its backups
  snapship.dr.linstor_remote:
    controllers: "{{ linstor_controllers }}"
    name: offsite
    state: absent
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
remotes:
  description: The remote as it is (or would be). Empty with O(state=absent).
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the remote.
      type: str
      returned: always
    type:
      description: Type of the remote.
      type: str
      returned: always
      sample: s3
    endpoint:
      description: Address of the service.
      type: str
      returned: for S3 and EBS
    bucket:
      description: The bucket.
      type: str
      returned: for S3
    region:
      description: The region.
      type: str
      returned: for S3 and EBS
    use_path_style:
      description: >-
        Whether the bucket's name is in the path, as recorded by M(snapship.dr.linstor_remote). V(null) if another tool
        created the remote, because LINSTOR doesn't tell it.
      type: bool
      returned: for S3
    availability_zone:
      description: The availability zone.
      type: str
      returned: for EBS
    url:
      description: Address of the other cluster's controller, as LINSTOR keeps it.
      type: str
      returned: for LINSTOR
      sample: http://ctrl.dr.example.com:3370
    cluster_id:
      description: >-
        The other cluster's id, as recorded by M(snapship.dr.linstor_remote). V(null) if another tool set it, because
        LINSTOR doesn't tell it.
      type: str
      returned: for LINSTOR
    access_key:
      description: Whether it was set, now or earlier.
      type: bool
      returned: for S3 and EBS
    secret_key:
      description: Whether it was set, now or earlier.
      type: bool
      returned: for S3 and EBS
    passphrase:
      description: Whether it was set, now or earlier.
      type: bool
      returned: for LINSTOR
    reverse:
      description: >-
        The remote on the O(target) that points back, in the same form, or V(null). If the target is the cluster itself,
        the remote that LINSTOR has created, if the cluster answers through that one.
      type: dict
      returned: always
    actions:
      description: What was (or would be) done.
      type: list
      elements: str
      returned: always
      sample: [create s3 remote offsite]
failures:
  description: What failed, and how. Empty if nothing failed.
  returned: always
  type: list
  elements: dict
  sample: []
  contains:
    volume:
      description: The resource, if the failure is about one.
      type: str
      returned: always
    remote:
      description: The remote, if the failure is about one.
      type: str
      returned: always
    code:
      description: A short word for programs. It stays the same in later releases.
      type: str
      returned: always
      sample: unreachable
    msg:
      description: What happened, in one line.
      type: str
      returned: always
    hint:
      description: What to do about it. It may be empty.
      type: str
      returned: always
"""

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.snapship.dr.plugins.module_utils._linstor.state.remotes import LINSTOR_TYPES
from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import remote
from ansible_collections.snapship.dr.plugins.module_utils._module import arguments, linstor

OPTIONS: arguments.Spec = {
    **{
        name: {"type": "bool" if name in each.booleans else "str"}
        for each in LINSTOR_TYPES.values()
        for name in each.public
    },
    **{name: {"type": "str", "no_log": True} for each in LINSTOR_TYPES.values() for name in each.secret},
}


def request(params: Mapping[str, Any]) -> remote.Request:
    """The request of the task."""
    return remote.Request(
        name=params["name"],
        state=params["state"],
        type=params["type"],
        options={name: params[name] for name in OPTIONS if params[name] is not None},
        update_secret=params["update_secret"],
        recreate=params["recreate"],
        target=linstor.access(params["target"]) if params["target"] else None,
        reverse_name=params["reverse_name"],
        reverse_url=params["reverse_url"],
        reverse_passphrase=params["reverse_passphrase"],
    )


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(
        argument_spec=arguments.merge(
            linstor.connection(),
            linstor.target(),
            OPTIONS,
            {
                "name": {"type": "str", "required": True},
                "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
                "type": {"type": "str", "choices": list(LINSTOR_TYPES)},
                "update_secret": {
                    "type": "str",
                    "choices": ["on_change", "always", "never"],
                    "default": "on_change",
                    "no_log": False,
                },
                "recreate": {"type": "bool", "default": False},
                "reverse_name": {"type": "str"},
                "reverse_url": {"type": "str"},
                "reverse_passphrase": {"type": "str", "no_log": True},
            },
        ),
        supports_check_mode=True,
        required_by={"reverse_name": "target", "reverse_url": "target", "reverse_passphrase": "target"},
    )
    linstor.carry_out(module, remote, request, "remotes")


if __name__ == "__main__":
    main()
