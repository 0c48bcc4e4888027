# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: shelved_artifacts
short_description: Tell which artefacts lie on the controller's shelf, and whether they are whole
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Reads the manifests that the role P(vipkit.ha.source_build#role) has put on its shelf, and compares each artefact with the checksum in its manifest.
  - A manifest that is not there is left out, since nobody has built that yet.
options:
  _terms:
    description: The paths of manifests, as P(vipkit.ha.build_requests#filter) gives them.
    type: list
    elements: path
    required: true
"""

EXAMPLES = r"""
- name: Show what lies on the shelf
  ansible.builtin.debug:
    msg: "{{ query('vipkit.ha.shelved_artifacts', *(requests | map(attribute='manifest'))) | map(attribute='artifact') }}"
"""

RETURN = r"""
_list:
  description: The artefacts, in the order of their manifests.
  type: list
  elements: dict
  contains:
    path:
      description: The manifest.
      type: path
    manifest:
      description: What it says of the artefact - program, version, fingerprint and all that it was made from.
      type: dict
    artifact:
      description: The artefact, which lies beside it.
      type: path
    artifact_sha256:
      description: The checksum of what was built.
      type: str
    whole:
      description: Whether the artefact is there and has that checksum.
      type: bool
"""

import hashlib
import json
import pathlib

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase


def shelved(path):
    """What a manifest and its artefact are."""
    said = json.loads(path.read_text())
    artifact = path.with_name(said['artifact'])
    whole = artifact.is_file() and hashlib.sha256(artifact.read_bytes()).hexdigest() == said['artifact_sha256']
    return {'path': str(path), 'manifest': said['manifest'], 'artifact': str(artifact), 'artifact_sha256': said['artifact_sha256'],
            'whole': whole}


class LookupModule(LookupBase):
    """Ansible's entry point."""

    def run(self, terms, variables=None, **kwargs):
        """All that are there."""
        try:
            return [shelved(path) for path in (pathlib.Path(term).expanduser() for term in terms) if path.is_file()]
        except (OSError, ValueError, KeyError) as error:
            raise AnsibleLookupError(f'shelved_artifacts: {error} in what was put on the shelf; remove it there, and it is built anew') from error
