#!/usr/bin/python
# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""List the remotes of a LINSTOR cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: linstor_remote_info
short_description: List the remotes of a LINSTOR cluster
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Returns the remotes of a LINSTOR cluster, and the cluster's own id and version, which the cluster at the other end
    of a remote needs. It only reads.
  - Secrets are never returned.
extends_documentation_fragment:
  - snapship.dr._linstor
  - snapship.dr._attributes
  - snapship.dr._attributes.info
options:
  name:
    description:
      - Return this remote only. If it doesn't exist, the result is empty.
    type: str
seealso:
  - module: snapship.dr.linstor_remote
"""

EXAMPLES = r"""
- name: List the remotes
  snapship.dr.linstor_remote_info:
    controllers: "{{ linstor_controllers }}"
  delegate_to: localhost
  run_once: true
  register: known

- name: Show their names
  ansible.builtin.debug:
    msg: "Cluster {{ known.cluster.id }} has the remotes {{ known.remotes | map(attribute='name') | join(', ') }}."
  run_once: true
"""

RETURN = r"""
remotes:
  description: The remotes.
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
    fingerprints:
      description: For each secret, whether M(snapship.dr.linstor_remote) keeps a fingerprint of it.
      type: dict
      returned: always
      sample: {access_key: true, secret_key: true}
cluster:
  description: The cluster itself.
  returned: success
  type: dict
  contains:
    id:
      description: Its id. A remote that points at it needs this O(snapship.dr.linstor_remote#module:cluster_id).
      type: str
      returned: always
    version:
      description: Version of its controller. LINSTOR ships only between clusters of the same version.
      type: str
      returned: always
      sample: 1.33.3
    rest_version:
      description: Version of its REST API.
      type: str
      returned: always
      sample: 1.28.0
    encryption:
      description: State of its master passphrase, V(unset), V(locked) or V(unlocked).
      type: str
      returned: always
"""

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.outcome import Outcome
from ansible_collections.snapship.dr.plugins.module_utils._linstor.api.cluster import Cluster
from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import remote
from ansible_collections.snapship.dr.plugins.module_utils._module import arguments, linstor


def listing(cluster: Cluster, params: Mapping[str, Any]) -> Outcome:
    """The remotes that the task asks for."""
    return Outcome(items=remote.describe(cluster, params["name"]))


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(
        argument_spec=arguments.merge(linstor.connection(), {"name": {"type": "str"}}),
        supports_check_mode=True,
    )
    linstor.answer(module, listing, "remotes", about=remote.about)


if __name__ == "__main__":
    main()
