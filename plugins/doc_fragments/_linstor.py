# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""How the modules for LINSTOR reach a cluster."""

from __future__ import annotations

import textwrap
from typing import ClassVar

_CONNECTION = r"""
controllers:
  description:
    - Addresses of the cluster's controllers, which are tried in turn, as V(linstor://ctrl1), V(linstor+ssl://ctrl2),
      V(https://ctrl3:3371) or a mere host name. A string is split at its commas.
    - Where it is not set, the environment variable E(LS_CONTROLLERS) counts, then C(controllers) in the configuration
      of LINSTOR's client (see O(<config_file>)), then it is V(linstor://localhost).
  type: list
  elements: str
auth_token:
  description:
    - Token for a cluster that asks for one. It is sent over TLS only.
    - Where it is not set, C(auth-token) in the configuration of LINSTOR's client counts, then the token that a
      satellite keeps in C(/var/lib/linstor.d/auth.json).
  type: str
username:
  description:
    - Name to log in with, on clusters that check it with LDAP. Needs TLS, and O(<password>).
  type: str
password:
  description:
    - Password that goes with O(<username>).
  type: str
client_cert:
  description:
    - A file with the certificate to identify oneself with. Where it is not set, C(certfile) in the configuration of
      LINSTOR's client counts.
  type: path
client_key:
  description:
    - The key of O(<client_cert>), where it is in a file of its own. Where it is not set, C(keyfile) in the
      configuration of LINSTOR's client counts.
  type: path
ca_path:
  description:
    - A file with the certificate authorities to trust. Where it is not set, C(cafile) in the configuration of
      LINSTOR's client counts, then those of the system.
  type: path
validate_certs:
  description:
    - Whether to check the controller's certificate. Use O(<ca_path>) rather than switching this off.
  type: bool
  default: true
config_file:
  description:
    - Configuration file of LINSTOR's client to use. Where it is not set, that is
      C(~/.config/linstor/linstor-client.conf), or C(/etc/linstor/linstor-client.conf).
  type: path
timeout:
  description:
    - How long the controller may take for one answer, as in V(90s), V(5m).
  type: str
  default: 5m
"""

_NOTES = r"""
requirements:
  - python >= 3.9
  - python-linstor >= 1.28.1
notes:
  - It talks to the controller over the network, so it can run anywhere. C(delegate_to=localhost) runs it beside
    Ansible, where python-linstor then has to be installed.
  - Where it runs on the local machine on behalf of another host, C(become) of the play is left out.
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
    """The connection's options; ``<option>`` refers to one of them, wherever they are."""
    text = _CONNECTION.replace("O(<", f"O({prefix}").replace(">)", ")")
    return textwrap.indent(text.strip("\n"), " " * depth)


class ModuleDocFragment:
    """The connection's options at the top, those of the cluster on the other side, and what several modules have.

    The annotations tell ansible-test that these are no literals whose lines it could check.
    """

    DOCUMENTATION: ClassVar[str] = "options:\n" + _options("", 2) + _NOTES

    TARGET: ClassVar[str] = (
        """
options:
  target:
    description:
      - How to reach the cluster on the other side.
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
      - How to reach the cluster that a remote of type V(linstor) stands for. O(target_cluster.controllers) or
        O(target_cluster.config_file) is needed.
      - With it, what was shipped is looked for there too. Without it, what this cluster says of its shipments is taken
        for true, except where the remote is this same cluster.
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
      - The remotes to look at, with what is promised for each. By default all that LINSTOR knows.
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
          - How old the newest complete backup there may be. By default O(rpo).
        type: str
      resources:
        description:
          - The resources that the promise is for, a list of names or one name. By default O(resources).
        type: raw
      target_cluster:
        description:
          - How to reach the cluster that a remote of type V(linstor) stands for, to look there for what was shipped.
            O(remotes[].target_cluster.controllers) or O(remotes[].target_cluster.config_file) is needed.
          - Without it, what this cluster says of its shipments is taken for true.
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
      - Wait for the end. Without it, the task ends when LINSTOR has accepted all, and another run of the same task
        takes over where it is then.
    type: bool
    default: true
  poll_interval:
    description:
      - How often to look, at most. What is small is looked at sooner. Each look is one request, for all resources
        together.
    type: str
    default: 5s
"""

    RECEIVED = r"""
options:
  received_from:
    description:
      - Instead of O(remote), what was received from there. It is the id of the cluster that ships (its property
        C(Cluster/LocalID)), or the name of a remote in this cluster that stands for it. V(any) is for whatever was
        received.
      - The task connects to the cluster that has received, not to the one that ships.
    type: str
"""
