# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sphinx configuration of the documentation that `make docs` builds."""

from __future__ import annotations

project = "snapship.dr"
copyright = "the snapship.dr authors"
html_title = "snapship.dr"
html_theme = "furo"
html_static_path = ["docs.css"]
html_css_files = ["docs.css"]
html_copy_source = False
extensions = ["myst_parser", "sphinx_antsibull_ext"]
# Sections can be linked to as a repository's host names them: page.md#its-heading.
myst_heading_anchors = 3
include_patterns = ["index.md", "*.md", "docs/*.md", "roles/*/README.md", "tests/lab/README.md", "reference/**"]
# Labels of Ansible's own documentation, which only a network could resolve; our own the docs gate checks.
suppress_warnings = ["ref.ref"]
