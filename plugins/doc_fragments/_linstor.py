# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The connection options of the modules for LINSTOR, and other options that several of them have."""

from __future__ import annotations

import textwrap
from typing import ClassVar

_CONNECTION = r"""
controllers:
  description:
    - Addresses of the cluster's controllers, as in V(linstor://ctrl1), V(linstor+ssl://ctrl2), V(https://ctrl3:3371) or
      a plain host name. They are tried in turn. A string is split at its commas.
    - By default, the environment variable E(LS_CONTROLLERS), then C(controllers) in the configuration of LINSTOR's
      client (see O(<config_file>)), then V(linstor://localhost).
  type: list
  elements: str
auth_token:
  description:
    - Token for a cluster that requires one, as clusters can from LINSTOR 1.34 on. It is sent over TLS only.
    - By default, C(auth-token) in the configuration of LINSTOR's client, then the satellite's token in
      C(/var/lib/linstor.d/auth.json).
  type: str
username:
  description:
    - User name for clusters with LDAP. Needs TLS and O(<password>).
  type: str
password:
  description:
    - Password of O(<username>).
  type: str
client_cert:
  description:
    - A file with the client's own certificate. By default, C(certfile) in the configuration of LINSTOR's client.
  type: path
client_key:
  description:
    - A file with the key of O(<client_cert>), if it is a separate file. By default, C(keyfile) in the configuration of
      LINSTOR's client.
  type: path
ca_path:
  description:
    - A file with the certificate authorities to trust. By default, C(cafile) in the configuration of LINSTOR's client,
      then the authorities of the system.
  type: path
validate_certs:
  description:
    - Whether to check the controller's certificate. Set O(<ca_path>) instead of disabling this.
  type: bool
  default: true
config_file:
  description:
    - Configuration file of LINSTOR's client. By default, C(~/.config/linstor/linstor-client.conf), or
      C(/etc/linstor/linstor-client.conf).
  type: path
timeout:
  description:
    - How long to wait for one answer of the controller, as in V(90s), V(5m).
  type: str
  default: 5m
"""

_NOTES = r"""
requirements:
  - python >= 3.9
  - python-linstor >= 1.28.1
notes:
  - The module talks to the controller over the network, so it can run on any host with python-linstor. With
    C(delegate_to=localhost), it runs beside Ansible.
  - If it runs on the local machine on behalf of another host, it ignores C(become) of the play.
attributes:
  action_group:
    description: >-
      Use C(group/snapship.dr.linstor), or C(group/snapship.dr.all), in C(module_defaults) to set defaults for this
      module.
    support: full
    membership:
      - snapship.dr.all
      - snapship.dr.linstor
"""


def _options(prefix: str, depth: int) -> str:
    """The connection options; ``<option>`` in their texts refers to another one of them."""
    text = _CONNECTION.replace("O(<", f"O({prefix}").replace(">)", ")")
    return textwrap.indent(text.strip("\n"), " " * depth)


class ModuleDocFragment:
    """The connection options of the cluster and of the target cluster, and other common options.

    The annotations tell ansible-test that these aren't literals whose lines it could check.
    """

    DOCUMENTATION: ClassVar[str] = "options:\n" + _options("", 2) + _NOTES

    TARGET: ClassVar[str] = (
        """
options:
  target:
    description:
      - How to reach the target cluster.
    type: dict
    suboptions:
"""
        + _options("target.", 6)
        + "\n"
    )

    TARGET_CLUSTER: ClassVar[str] = (
        """
options:
  target_cluster:
    description:
      - How to reach the cluster of a remote of type V(linstor). Set O(target_cluster.controllers) or
        O(target_cluster.config_file).
      - With it, the module also checks on the target cluster that the shipments have arrived. Without it, the module
        relies on the states that this cluster reports, unless the remote is this same cluster.
      - With it, the module also looks at the target's storage pools. A thin pool that fills up damages what arrives,
        and LINSTOR reports success. Without it, this isn't checked.
    type: dict
    suboptions:
"""
        + _options("target_cluster.", 6)
        + "\n"
    )

    PROMISES: ClassVar[str] = (
        """
options:
  remotes:
    description:
      - The remotes to check, with the promised RPO of each. By default, all remotes of the cluster.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Name of the remote.
        type: str
        required: true
      rpo:
        description:
          - The maximal age of the newest complete backup there. By default O(rpo).
        type: str
      resources:
        description:
          - The resources to which it applies, a list of names or one name. By default O(resources).
        type: raw
      target_cluster:
        description:
          - How to reach the cluster of a remote of type V(linstor), to check that the shipments have arrived there. Set
            O(remotes[].target_cluster.controllers) or O(remotes[].target_cluster.config_file).
          - Without it, the module relies on the states that this cluster reports, and can't tell whether a storage pool
            of the target was full.
        type: dict
        suboptions:
"""
        + _options("remotes[].target_cluster.", 10)
        + "\n"
    )

    WAIT = r"""
options:
  wait:
    description:
      - Wait until LINSTOR has finished. Otherwise, the task ends when LINSTOR has accepted all requests. Run the same
        task again to wait for the rest.
    type: bool
    default: true
  poll_interval:
    description:
      - The maximal interval between checks. The first checks come sooner. Each check is one request for all resources
        together.
    type: str
    default: 5s
"""

    RECEIVED = r"""
options:
  received_from:
    description:
      - Use the snapshots that this cluster has received, instead of O(remote). The value is the origin. It is the id of
        the cluster that ships (its property C(Cluster/LocalID)), or the name of this cluster's remote for it. V(any)
        means all origins.
      - Connect to the receiving cluster, not to the one that ships.
    type: str
"""
