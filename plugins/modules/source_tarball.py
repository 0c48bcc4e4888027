#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: source_tarball
short_description: Make sure that a verified source tarball is in a cache directory
version_added: 1.0.0
description:
  - Looks for a file in a cache directory, and otherwise downloads it from the first URL that serves it.
    In either case the file is used only when its SHA-256 checksum is the expected one.
  - It is meant to run on the controller with C(delegate_to=localhost), so that managed hosts need no way out.
  - It does not unpack anything, does not overwrite or delete a file in the cache, and does not accept a file without a checksum.
attributes:
  check_mode:
    support: full
    description: Can run in check mode and tell whether a file would be downloaded, without doing so.
    details:
      - Whether a URL can be reached is not tried.
  diff_mode:
    support: none
    description: Can show what has changed.
    details:
      - A tarball has no readable difference.
  idempotent:
    support: full
    description: A second run with the same options changes nothing.
    details:
      - It does not contact any server either.
options:
  name:
    description:
      - Name of the file in the cache, without a slash.
    type: str
    required: true
  dest:
    description:
      - The cache directory. It is made with mode V(0755) when it is missing.
    type: path
    required: true
  sha256:
    description:
      - SHA-256 checksum of the file, 64 hexadecimal digits.
    type: str
    required: true
  urls:
    description:
      - Where the file can be had, tried in this order.
      - With an empty list only the cache can serve.
      - The URLs are shown in results and messages, so do not put a password into them.
    type: list
    elements: str
    default: []
  timeout:
    description:
      - Seconds to wait for a server, both for the connection and for each further piece of the file.
    type: int
    default: 30
notes:
  - A URL that cannot be reached, answers with an error or breaks off is recorded in RV(attempts), and the next one is tried.
  - A URL that serves a whole file with another checksum stops the module at once. So does a file in the cache with another checksum.
  - A download is written under a hidden name and gets its own only when it is complete and verified.
    So two runs at the same time do no harm.
seealso:
  - module: ansible.builtin.get_url
  - module: vipkit.ha.artifact_build
author:
  - vipkit.ha contributors (@vipkit)
"""

EXAMPLES = r"""
- name: Have the nginx source on the controller
  vipkit.ha.source_tarball:
    name: nginx-1.9.9.tar.gz
    dest: "{{ playbook_dir }}/cache"
    sha256: de66bb2b11c82533aa5cb5ccc27cbce736ab87c9f2c761e5237cda0b00068d73
    urls:
      - https://nginx.org/download/nginx-1.9.9.tar.gz
      - http://192.0.2.10/mirror/nginx-1.9.9.tar.gz
  delegate_to: localhost
  run_once: true

- name: Accept only what the operator put into the cache
  vipkit.ha.source_tarball:
    name: keepalived-2.0.7.tar.gz
    dest: /srv/sources
    sha256: bce45d6d5cf3620bfd88472ec839a75b5a14a54fda12d09e890670244873b8ab
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
path:
  description: The file in the cache.
  returned: success
  type: str
  sample: /srv/sources/nginx-1.9.9.tar.gz
sha256:
  description: Its checksum, in lower case.
  returned: success
  type: str
  sample: de66bb2b11c82533aa5cb5ccc27cbce736ab87c9f2c761e5237cda0b00068d73
source:
  description:
    - V(cache), or the URL that served the file.
    - Null in check mode when the file would have to be downloaded.
  returned: success
  type: str
  sample: https://nginx.org/download/nginx-1.9.9.tar.gz
attempts:
  description: The URLs that did not serve the file, in the order in which they were tried.
  returned: always, except when an option is wrong or a checksum does not match
  type: list
  elements: dict
  contains:
    url:
      description: The URL.
      type: str
    error:
      description: Why it did not serve the file.
      type: str
  sample:
    - url: http://192.0.2.10/mirror/nginx-1.9.9.tar.gz
      error: 'HTTP Error 404: Not Found'
"""

import hashlib
import os

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_native
from ansible.module_utils.urls import open_url

from ansible_collections.vipkit.ha.plugins.module_utils._artifact import (
    ArtifactError,
    checked_sum,
    make_directories,
    replacing,
    reported,
    verify_sum,
)


class Unreachable(Exception):
    """A URL did not serve a whole file."""


def checked_name(name):
    """Refuse a name that is not one of a file in the cache directory itself."""
    if '/' in name or name in ('', '.', '..'):
        raise ArtifactError("name '{0}' is not a file name: give it without a directory, the directory is dest".format(name))
    return name


def opener_with(timeout):
    """Return opener(url) -> response; bytes that a server calls compressed stay as they are, for the checksum is theirs."""
    return lambda url: open_url(url, timeout=timeout, decompress=False, http_agent='vipkit.ha')


def chunks_of(url, opener):
    """Yield what a URL serves piece by piece; whatever keeps it from being whole is Unreachable."""
    received = 0
    try:
        response = opener(url)
        announced = response.headers.get('Content-Length')
        for chunk in iter(lambda: response.read(1 << 16), b''):
            received += len(chunk)
            yield chunk
        if announced is not None and received != int(announced):
            raise Unreachable('the connection was closed after {0} of {1} bytes'.format(received, announced))
    except Exception as error:  # urllib, ssl, http.client and sockets have no base class in common
        raise Unreachable(to_native(error) or error.__class__.__name__)


def download(url, path, sha256, opener):
    """Put what a URL serves at path, provided that it is the expected file."""
    digest = hashlib.sha256()
    make_directories(os.path.dirname(path))
    with reported('cannot write {0}'.format(path), 'make room or name another dest'):
        with replacing(path) as handle:
            for chunk in chunks_of(url, opener):
                digest.update(chunk)
                handle.write(chunk)
            if digest.hexdigest() != sha256:
                raise ArtifactError('{0} serves a file with sha256 {1}, expected {2}; correct the checksum or remove the URL'.format(
                    url, digest.hexdigest(), sha256))


def fetch(name, dest, sha256, urls, opener, check_mode=False):
    """Have the file in the cache, from the first of the URLs that serves it, and tell where it came from."""
    path = os.path.abspath(os.path.join(dest, checked_name(name)))
    result = {'path': path, 'sha256': checked_sum(sha256), 'source': 'cache', 'attempts': [], 'changed': False}
    if os.path.lexists(path):
        verify_sum(path, sha256, 'remove the file or correct the checksum')
        return result
    if check_mode and urls:
        return dict(result, source=None, changed=True)
    for url in urls:
        try:
            download(url, path, result['sha256'], opener)
        except Unreachable as error:
            result['attempts'].append({'url': url, 'error': to_native(error)})
        else:
            return dict(result, source=url, changed=True)
    raise ArtifactError(unavailable(name, dest, result['sha256'], result['attempts']), attempts=result['attempts'])


def unavailable(name, dest, sha256, attempts):
    """Return the message for a file that is neither in the cache nor to be had from a URL."""
    reasons = ''.join(', {0[url]} did not serve it: {0[error]}'.format(attempt) for attempt in attempts) or ' and no URL is given'
    return '{0} is not in {1}{2}; put the file (sha256 {3}) into {1} or name another URL'.format(name, dest, reasons, sha256)


def main():
    module = AnsibleModule(
        argument_spec=dict(
            name=dict(type='str', required=True),
            dest=dict(type='path', required=True),
            sha256=dict(type='str', required=True),
            urls=dict(type='list', elements='str', default=[]),
            timeout=dict(type='int', default=30),
        ),
        supports_check_mode=True,
    )
    options = dict(module.params)
    opener = opener_with(options.pop('timeout'))
    try:
        module.exit_json(**fetch(opener=opener, check_mode=module.check_mode, **options))
    except ArtifactError as error:
        module.fail_json(msg=to_native(error), **error.details)


if __name__ == '__main__':
    main()
