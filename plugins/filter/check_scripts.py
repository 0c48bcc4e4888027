# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: check_scripts
short_description: Write the scripts that keepalived runs to check a host
version_added: 1.0.0
author: vipkit.ha contributors (@vipkit)
description:
  - Gives the text of a bash script for each check that has a C(check).
  - A script ends with 0 when the host may hold virtual IPs. It brings its own time limit, since keepalived 2.0.7 never notices one that hangs.
positional: _input
options:
  _input:
    description: The C(vrrp_script) blocks, each with a C(name) and a C(check). Those without a C(check) are left out.
    type: list
    elements: dict
    required: true
  log_file:
    description: Where checks with C(log) write their results, one line each.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Put the checks on the host
  vipkit.ha.script_directory:
    path: /apps/keepalived/scripts
    scripts: "{{ checks | vipkit.ha.check_scripts }}"
  vars:
    checks:
      - name: check_nginx
        check: {kind: http, url: 'http://127.0.0.1:8081/healthz'}
"""

RETURN = r"""
_value:
  description: For each script its C(name) and its C(content).
  type: list
  elements: dict
"""

import shlex
from urllib.parse import urlsplit

from ansible.errors import AnsibleFilterError
from ansible_collections.vipkit.ha.plugins.plugin_utils._checks import LIMIT

_SCRIPT = """\
#!/usr/bin/env bash
# Written by the Ansible collection vipkit.ha: what is changed here by hand is lost at the next run.
# Exit code 0: this host may hold virtual IPs. It brings its own time limit, since keepalived 2.0.7 never notices a hung script.

check() {{
{check}
}}

if [ "$1" = limited ]; then
    check 2>/dev/null
    exit
fi
timeout -s KILL {limit} "$0" limited
code=$?
{log}exit "$code"
"""

_HTTP = """\
    local version status rest
    exec 3<>/dev/tcp/{host}/{port} || return 1
    printf 'GET %s HTTP/1.0\\r\\nHost: %s\\r\\n\\r\\n' {target} {netloc} >&3
    read -r version status rest <&3 && [ "$status" = {status} ]"""

_PATTERN = """\
    local pid
    for pid in $(pgrep -f -- {pattern}); do
        # this script's own command line may fit the pattern too
        tr '\\0' ' ' <"/proc/$pid/cmdline" | grep -qF -- "$0" || return 0
    done
    return 1"""

_LOG = """\
printf '%(%Y-%m-%dT%H:%M:%S%z)T %s\\n' -1 "$code" >>{log_file}
"""


def _http(check):
    url = urlsplit(check['url'])
    target = (url.path or '/') + ('?' + url.query if url.query else '')
    return _HTTP.format(host=url.hostname, port=url.port or 80, target=shlex.quote(target), netloc=shlex.quote(url.netloc),
                        status=check.get('status') or 200)


def _tcp(check):
    return f"    exec 3<>/dev/tcp/{shlex.quote(str(check.get('host') or '127.0.0.1'))}/{shlex.quote(str(check['port']))}"


def _process(check):
    if check.get('pattern'):
        return _PATTERN.format(pattern=shlex.quote(check['pattern']))
    return f"    pgrep -x -- {shlex.quote(check['process'])} >/dev/null"


def _command(check):
    return f"    {check['command']}"


_KINDS = {'http': _http, 'tcp': _tcp, 'process': _process, 'command': _command}


def check_scripts(scripts, log_file=''):
    """Name and text of the script of each check."""
    written = []
    for script in scripts:
        check = script.get('check')
        if not check:
            continue
        if check.get('kind') not in _KINDS:
            raise AnsibleFilterError(f"{script['name']}: there is no check of the kind '{check.get('kind')}'; there are {', '.join(_KINDS)}")
        log = _LOG.format(log_file=shlex.quote(log_file)) if check.get('log') else ''
        written.append({'name': script['name'], 'content': _SCRIPT.format(check=_KINDS[check['kind']](check), limit=check.get('limit') or LIMIT, log=log)})
    return written


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        """The filters of this file."""
        return {'check_scripts': check_scripts}
