# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Options about the cluster on the other side, which several modules share."""

from __future__ import annotations


class ModuleDocFragment:
    """The target cluster's connection."""

    DOCUMENTATION = r"""
options:
  target_cluster:
    description:
      - How to reach the cluster that a remote of type V(linstor) stands for, with the same options as this cluster's.
      - With it, what was shipped is looked for there too, and the versions of both are compared before shipping.
        Without it, what this cluster says of its shipments is taken for true.
    type: dict
    suboptions:
      controllers:
        description:
          - The controllers, tried in turn.
        type: list
        elements: str
        required: true
      auth_token:
        description:
          - The token to sign in with. It is sent over TLS only.
        type: str
      username:
        description:
          - The user to sign in as, with O(target_cluster.password).
        type: str
      password:
        description:
          - Its password. It is sent over TLS only.
        type: str
      client_cert:
        description:
          - A file with the client's certificate.
        type: path
      client_key:
        description:
          - A file with its key, where it isn't in O(target_cluster.client_cert) too.
        type: path
      ca_path:
        description:
          - A file with the authorities that may have signed the controllers' certificates.
        type: path
      validate_certs:
        description:
          - Whether certificates are checked.
        type: bool
        default: true
      config_file:
        description:
          - A configuration file of LINSTOR's client.
        type: path
      timeout:
        description:
          - How long to wait for an answer.
        type: str
        default: 5m
"""
