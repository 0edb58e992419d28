#!/usr/bin/python
# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Define a place that a LINSTOR cluster ships backups to."""

from __future__ import annotations

DOCUMENTATION = r"""
module: linstor_remote
short_description: Define a place that a LINSTOR cluster ships backups to
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Sees to it that a LINSTOR cluster knows a remote, which is a bucket in S3, another LINSTOR cluster, or EBS.
  - LINSTOR never tells the secrets of a remote. This module keeps a salted fingerprint of each in LINSTOR's key-value
    store (instance C(snapship-dr)), so that it can tell whether one has changed.
  - Shipping from one cluster to another needs a remote on both of them, each with the other's id. With O(target) both
    are looked after.
  - LINSTOR looks into the bucket when a remote in S3 is made or modified. One that does not answer is not defined.
extends_documentation_fragment:
  - snapship.dr._linstor
  - snapship.dr._linstor.target
  - snapship.dr._attributes
attributes:
  check_mode:
    support: full
    details:
      - Whether the remote answers is not tried then.
  diff_mode:
    support: full
    details:
      - Of a secret it shows that it is to be set, but never what it is.
  idempotent:
    support: partial
    details:
      - With O(update_secret=always) secrets are sent at each run.
      - The first run on a remote that was made by something else sends the secrets, as their fingerprints are not
        known.
options:
  name:
    description:
      - Name of the remote, at least two letters, digits and inner dashes. LINSTOR does not distinguish upper and lower
        case.
    type: str
    required: true
  state:
    description:
      - Whether the cluster knows the remote. What lies on it is not touched by V(absent), and neither is the remote on
        the O(target).
      - A schedule that is enabled for the remote ends with it.
    type: str
    choices: [present, absent]
    default: present
  type:
    description:
      - What kind of place it is. Where it is not set, it follows from O(bucket), O(url), O(target) or
        O(availability_zone).
    type: str
    choices: [s3, linstor, ebs]
  endpoint:
    description:
      - Address of the S3 service, as in V(https://s3.example.com:9000), or of EBS.
    type: str
  bucket:
    description:
      - The bucket, for O(type=s3). It has to be there.
    type: str
  region:
    description:
      - Region of the bucket, or of EBS.
    type: str
  access_key:
    description:
      - Access key id, for O(type=s3) and O(type=ebs). Needed to make the remote.
    type: str
  secret_key:
    description:
      - Secret access key that goes with O(access_key). Needed to make the remote.
    type: str
  use_path_style:
    description:
      - Whether the bucket is part of the path rather than of the host name, for O(type=s3). Mostly needed with services
        other than Amazon's. It is V(false) where it is not set when the remote is made.
      - It can not be changed later. See O(recreate).
    type: bool
  url:
    description:
      - Address at which this cluster's controller reaches the other cluster's, for O(type=linstor), as in
        V(http://ctrl.dr.example.com:3370).
      - With O(target) the default is the first of O(target.controllers).
    type: str
  cluster_id:
    description:
      - Id of the other cluster, which is its property C(Cluster/LocalID). With O(target) it is read from there.
      - A remote with the cluster's own id points at the cluster itself, for shipping to another node or pool of it.
    type: str
  passphrase:
    description:
      - The master passphrase of the other cluster, for O(type=linstor), needed where volumes with LUKS come from there.
    type: str
  availability_zone:
    description:
      - The availability zone, for O(type=ebs).
    type: str
  update_secret:
    description:
      - When to send O(access_key), O(secret_key) and O(passphrase) to a remote that is there already, V(on_change) of
        the secret, V(always) or V(never).
    type: str
    choices: [on_change, always, never]
    default: on_change
  recreate:
    description:
      - Delete the remote and make it anew where what has to change can not be modified, which is its type and
        O(use_path_style).
      - What lies on it stays, but schedules have to be enabled for it again, and the next backup may be a full one.
    type: bool
    default: false
  target:
    description:
      - How to reach the other cluster from where the module runs, for O(type=linstor). The remote over there that
        points back to this cluster is then made, too, or modified, unless both are the same cluster.
      - A cluster that ships to itself answers through the first remote, by name, that has its own id. That may be the
        one that LINSTOR has made itself, C(local-remote-generated-by-linstor), which says C(localhost:3370). Where
        O(url) names another port or scheme, it is given that address.
      - There is a warning where the two do not run the same version of LINSTOR, as they do not ship to each other
        then.
  reverse_name:
    description:
      - Name of the remote on the O(target) that points back. The default is the one that is known to do so, otherwise
        C(from-) and the beginning of this cluster's id.
    type: str
  reverse_url:
    description:
      - Address at which the target's controller reaches this cluster's. The default is the first of O(controllers).
    type: str
  reverse_passphrase:
    description:
      - The master passphrase of this cluster, which the O(target) needs to receive volumes with LUKS.
    type: str
seealso:
  - module: snapship.dr.linstor_remote_info
  - module: snapship.dr.linstor_encryption
"""

EXAMPLES = r"""
- name: Ship to a bucket
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

- name: Ship to the cluster at the other site, and let it know this one
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

- name: Forget a remote, leaving its backups where they are
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
      description: What kind of place it is.
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
        Whether the bucket is part of the path, as kept by M(snapship.dr.linstor_remote). V(null) where it was made by
        something else, as LINSTOR does not tell it.
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
        The other cluster's id, as kept by M(snapship.dr.linstor_remote). V(null) where it was set by something else,
        as LINSTOR does not tell it.
      type: str
      returned: for LINSTOR
    access_key:
      description: Whether it was given, now or earlier.
      type: bool
      returned: for S3 and EBS
    secret_key:
      description: Whether it was given, now or earlier.
      type: bool
      returned: for S3 and EBS
    passphrase:
      description: Whether it was given, now or earlier.
      type: bool
      returned: for LINSTOR
    reverse:
      description: >-
        The remote on the O(target) that points back, in the same form, or V(null). Where the target is the cluster
        itself, the one that LINSTOR has made, if it is what the cluster answers through.
      type: dict
      returned: always
    actions:
      description: What was (or would be) done.
      type: list
      elements: str
      returned: always
      sample: [create s3 remote offsite]
failures:
  description: What failed, and how. Empty where nothing did.
  returned: always
  type: list
  elements: dict
  sample: []
  contains:
    volume:
      description: The resource, where it is about one.
      type: str
      returned: always
    remote:
      description: The remote, where it is about one.
      type: str
      returned: always
    code:
      description: A short word for programs, which stays the same from release to release.
      type: str
      returned: always
      sample: unreachable
    msg:
      description: What happened, in one line.
      type: str
      returned: always
    hint:
      description: What to do about it. Can be empty.
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
    """What the task asks for."""
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
