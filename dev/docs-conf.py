# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sphinx configuration of the documentation that `make docs` builds."""

from __future__ import annotations

project = "snapship.dr"
copyright = "the snapship.dr authors"
html_title = "snapship.dr"
html_theme = "alabaster"
extensions = ["sphinx_antsibull_ext"]
html_copy_source = False
# Labels of Ansible's own documentation, which only a network could resolve; our own the docs gate checks.
suppress_warnings = ["ref.ref"]
