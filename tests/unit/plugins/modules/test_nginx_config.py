# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Real files. A shell script stands in for nginx: a fake, which looks at how it is called and at the tree that it is to test.

Some tests ask a real nginx, if there is one on this machine and they run as root; else they are skipped. The last ones run the module as
Ansible does, in a process.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time

import pytest

from ansible_collections.vipkit.ha.plugins.module_utils import _files
from ansible_collections.vipkit.ha.plugins.module_utils._artifact import ArtifactError, locked
from ansible_collections.vipkit.ha.plugins.module_utils._keepalived import Outcome
from ansible_collections.vipkit.ha.plugins.modules import nginx_config

UNIT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OLD = u'events {}\nhttp { include snippets/*.conf; }\n'
NEW = OLD + u'# new\n'
KEY = u'-----hush-----\n'
UID, GID = (0, 0) if os.geteuid() == 0 else (os.geteuid(), os.getegid())


def one(path, content=u'gzip on;\n', mode='0644', secret=False):
    return {'path': path, 'content': content, 'mode': mode, 'secret': secret}


class Host(object):
    """A directory for the configuration, and a script that stands in for nginx."""

    def __init__(self, tmpdir):
        self.tmpdir = tmpdir
        self.etc = tmpdir.mkdir('etc')
        self.conf = self.etc.join('nginx.conf')
        self.binary = tmpdir.join('nginx')
        self.labelled = []
        self.says('exit 0')

    def says(self, script, version='1.9.9'):
        self.binary.write('\n'.join([
            '#!/bin/sh', 'cd {0}'.format(self.tmpdir),
            'if [ "$1" = -V ]; then echo "nginx version: nginx/{0}" >&2; echo "configure arguments: --prefix={1} --with-x" >&2; exit 0; fi'
            .format(version, self.tmpdir.join('prefix')),
            'stage=${4%/}',
            '[ "$1 $2 $3 $5 $7" = "-t -q -p -c -g" ] && [ "$6" = "$stage/nginx.conf" ] && [ -f "$6" ] || { echo "bad call: $*"; exit 9; }',
            script, '']))
        self.binary.chmod(0o755)

    def site(self):
        return nginx_config.Site(str(self.etc), 'nginx.conf', lambda path, name: self.labelled.append((path, name)))

    def tree(self, content, files):
        return nginx_config.described('nginx.conf', content, list(files))

    def test(self, *files, **more):
        options = dict({'content': NEW, 'test_content': None, 'timeout': 20, 'sbin_path': str(self.binary)}, **more)
        tree = self.tree(options.pop('content'), files)
        return nginx_config.tested(self.site(), tree, **options)

    def run(self, *files, **more):
        """Return what the module answers, and its warnings."""
        options = dict({'content': NEW, 'test_content': None, 'timeout': 20, 'sbin_path': str(self.binary)}, **more)
        tree = self.tree(options.pop('content'), files)
        return nginx_config.present(self.site(), tree, **options)

    def present(self, *files, **more):
        return self.run(*files, **more)[0]

    def restored(self, **more):
        return nginx_config.restored(self.site(), **more)

    def relative(self, paths):
        return [os.path.relpath(path, str(self.etc)) for path in paths]

    def texts(self, hidden=False):
        """Content of the files by their names, with those of the module itself only if they are asked for."""
        names = [(os.path.relpath(str(path), str(self.etc)), path) for path in self.etc.visit() if not path.check(dir=True)]
        return dict((name, path.read()) for name, path in names if hidden or not ('/' + name).count('/.'))

    def state(self):
        """Everything about the files, without the times of access, and owner and mode of the directories."""
        paths = sorted(str(path) for path in self.etc.visit())
        return [(path, os.lstat(path)[:6], os.path.isdir(path) or (os.lstat(path).st_size, os.lstat(path).st_mtime)) for path in paths]


@pytest.fixture
def host(tmpdir):
    os.chmod(str(tmpdir), 0o755)
    return Host(tmpdir)


def failure(call, *args, **more):
    with pytest.raises(ArtifactError) as caught:
        call(*args, **more)
    return str(caught.value)


def mode_of(path):
    return stat.S_IMODE(os.lstat(str(path)).st_mode)


# --- what is described ---

@pytest.mark.parametrize('path', [
    '', '/etc/a', '../a', 'a/../b', 'a//b', 'a/', './a', '.hidden', 'a/.b', 'a b', 'a\nb', 'a\n', '~/a', '$HOME', '\xfc'])
def test_paths_that_are_refused(path):
    assert 'cannot have that path; give it relative to the directory of nginx.conf' in failure(
        nginx_config.described, 'nginx.conf', NEW, [one(path)])


@pytest.mark.parametrize('path', ['a', 'snippets/gzip.conf', 'tls/_.shop.example+1@x-y.crt', 'a/b/c'])
def test_paths_that_are_taken(path):
    assert sorted(nginx_config.described('nginx.conf', NEW, [one(path)]).files) == sorted([path, 'nginx.conf'])


@pytest.mark.parametrize('files, words', [
    ([one('nginx.conf')], 'nginx.conf is described by content'),
    ([one('nginx.conf.failed')], 'is not one of the other files'),
    ([one('a'), one('a')], 'the file a is described twice'),
    ([one('a/b'), one('a')], 'a is described as a file, and as the directory of a/b'),
    ([one('nginx.conf/b')], 'nginx.conf is described as a file, and as the directory of nginx.conf/b'),
    ([one('a', mode='644')], "the mode '644' of the file a is not one"),
])
def test_descriptions_that_are_refused(files, words):
    assert words in failure(nginx_config.described, 'nginx.conf', NEW, files)


def test_description():
    tree = nginx_config.described('nginx.conf', u'\xfc', [one('a', KEY, '0600', True), one('b')])
    assert tree.secrets == set(['a'])
    assert tree.files['nginx.conf'] == _files.File(stat.S_IFREG, b'\xc3\xbc', 0o644, UID, GID)
    assert (tree.files['a'].mode, tree.files['b'].mode) == (0o600, 0o644)


def test_parents():
    assert nginx_config.parents('a') == ['']
    assert nginx_config.parents('a/b/c') == ['', 'a', 'a/b']


# --- records ---

def test_record_tells_what_it_was_told():
    tree = nginx_config.described('nginx.conf', NEW, [one('a', KEY, '0600', True)])
    entries = nginx_config.entries_of(nginx_config.Tree(dict(tree.files, gone=None), tree.secrets))
    assert nginx_config.recorded(nginx_config.record(entries).content) == entries
    assert nginx_config.secrets_of(entries) == set(['a'])
    assert (entries['gone'], entries['a']['mode']) == (None, '0600')


@pytest.mark.parametrize('text', [
    '', '[]', '{', '{"/etc/passwd": null}', '{"../a": null}', '{".previous": null}', '{"a": "x"}', '{"a": {"sha256": "0"}}', '\xff'])
def test_record_that_says_nothing(text):
    with pytest.raises(ValueError):
        nginx_config.recorded(text.encode('latin-1') if not isinstance(text, bytes) else text)


# --- how nginx is asked, and what it says ---

@pytest.mark.parametrize('said, version, prefix', [
    ('nginx version: nginx/1.9.9\nconfigure arguments: --prefix=/opt/nginx --with-x', (1, 9, 9), '/opt/nginx'),
    ('nginx version: nginx/1.22.1 (Ubuntu)\nconfigure arguments: --with-x', (1, 22, 1), '/usr/local/nginx'),
    ('nginx version: openresty/1.21.4.1', (1, 21, 4, 1), '/usr/local/nginx'),
    ('', (), '/usr/local/nginx'),
])
def test_build(said, version, prefix):
    assert nginx_config.build(said) == (version, prefix)


def test_command():
    short = ['nginx', '-t', '-q', '-p', '/etc/.staged/', '-c', '/etc/.staged/x.conf', '-g', 'pid "/etc/.staged/.pid";']
    assert nginx_config.command('nginx', '/etc/.staged', 'x.conf', (1, 19, 4)) == short
    assert nginx_config.command('nginx', '/etc/.staged', 'x.conf', ()) == short
    assert nginx_config.command('nginx', '/etc/.staged', 'x.conf', (1, 19, 5)) == short + ['-e', '/etc/.staged/logs/error.log']


@pytest.mark.parametrize('text, left', [
    ('user www;\npid /run/nginx.pid;\nevents {}\n', 'user www;\n\nevents {}\n'),
    ('  pid\t/run/nginx.pid; user www;', '   user www;'),
    ('# pid x;\nstupid x;\nset $pid 1;', '# pid x;\nstupid x;\nset $pid 1;'),
])
def test_without_pid(text, left):
    assert nginx_config.without_pid(text) == left


def verdict(rc, output, timed_out=False, secrets=()):
    return nginx_config.judged(Outcome(rc, output, timed_out), 0.5, ('/etc/.staged/', '/etc/'), list(secrets))


@pytest.mark.parametrize('rc, output, timed_out, words', [
    (0, '', False, ''),
    (0, ' nginx: [warn] x \n\n', False, 'nginx: [warn] x'),
    (1, 'a in /etc/.staged/a.conf:1\na in /etc/.staged/a.conf:1\nb', False, 'a in /etc/a.conf:1 | b'),
    (1, '', False, 'nginx -t gave no reason (exit code 1)'),
    (-11, 'a', False, 'a | nginx -t was ended by signal 11'),
    (None, 'a', True, 'a | nginx -t did not end within 0.5 s and was killed'),
])
def test_judged(rc, output, timed_out, words):
    assert verdict(rc, output, timed_out) == (rc == 0, words, rc)


def test_what_is_quoted_of_a_secret_is_hidden():
    words = 'unknown directive "hunter2" in /etc/a:1 | "proxy_set_header" directive is not allowed | unexpected "}" | host "shop"'
    assert verdict(1, words, secrets=['proxy_set_header X "hunter2"; }\n']).words == words.replace('hunter2', '****')


@pytest.mark.parametrize('secret, found, wanted, shown', [
    (False, u'a\n', u'b\n', ('a', 'b')),
    (True, u'a\n', u'b\n', ('(secret)', '(another secret)')),
    (True, None, u'b\n', ('', '(secret)')),
    (True, u'a\n', None, ('(secret)', '')),
])
def test_differences(secret, found, wanted, shown):
    found, wanted = [text and nginx_config.regular(text.encode(), 0o644) for text in (found, wanted)]
    diff = nginx_config.differences(nginx_config.Site('/etc', 'nginx.conf', None), [nginx_config.Change('a', found, wanted)],
                                    set(['a'] if secret else []))
    assert diff == [{'before_header': '/etc/a', 'after_header': '/etc/a', 'before': shown[0], 'after': shown[1]}]


def test_order_of_changes():
    found = {'z.conf': None, 'nginx.conf': None, 'gone': 1, '.managed': 1, 'same': 1}
    wanted = {'nginx.conf': 2, 'z.conf': 2, '.managed': 2, 'gone': None, 'same': 1}
    order = [change.path for change in nginx_config.changes_between(found, wanted, 'nginx.conf')]
    assert order == ['z.conf', 'nginx.conf', 'gone', '.managed']


def test_what_stands_beside_the_configuration(host):
    for name in ('mime.types', 'conf.d/a.conf', 'snippets/his.conf', 'snippets/ours.conf', 'logs/error.log', 'proxy_temp/1', 'nginx.pid',
                 'x.log', '.previous/a', '.previous.old/a', '.managed', '.htpasswd', 'nginx.conf'):
        host.etc.join(name).ensure()
    assert nginx_config.links(str(host.etc), ['nginx.conf', 'snippets/ours.conf', 'new/a']) == [
        '.htpasswd', 'conf.d', 'mime.types', 'snippets/his.conf']


# --- state=tested ---

def test_the_staged_tree_is_the_one_that_will_be(host):
    host.present(one('snippets/old.conf'), one('tls/shop.crt'), content=OLD)
    host.etc.join('mime.types').write('types')
    host.etc.join('snippets/his.conf').write('his')
    host.tmpdir.join('prefix/modules/x.so').ensure()
    before = host.state()
    host.says('echo "$@" >arguments; stat -c "%a %U" $stage >listing; cp -rL $stage seen; touch $stage/.pid $stage/logs/error.log')
    result = host.test(one('snippets/new.conf', u'new\n'), one('tls/shop.key', KEY, '0600', True))
    assert result == {'changed': False, 'differs': True, 'accepted': True, 'refusal': '', 'remarks': '', 'exit_code': 0}
    assert host.tmpdir.join('arguments').read() == '-t -q -p {0}/ -c {0}/nginx.conf -g pid "{0}/.pid";\n'.format(host.etc.join('.staged'))
    assert host.tmpdir.join('listing').read().startswith('700 ')
    seen = host.tmpdir.join('seen')
    assert sorted(path.relto(seen) for path in seen.visit() if not path.check(dir=True)) == [
        'mime.types', 'modules/x.so', 'nginx.conf', 'snippets/his.conf', 'snippets/new.conf', 'tls/shop.key']
    assert (seen.join('nginx.conf').read(), seen.join('tls/shop.key').read(), seen.join('logs').check(dir=True)) == (NEW, KEY, True)
    assert host.state() == before


def test_another_text_for_the_test(host):
    host.says('cp $stage/nginx.conf seen')
    host.present()
    assert not host.test(test_content=u'pid /run/x;\nerror_log logs/x;\n')['differs']
    assert host.tmpdir.join('seen').read() == '\nerror_log logs/x;\n'


def test_refused(host):
    host.says('echo "nginx: [emerg] unknown directive \\"hush\\" in $stage/tls/a:3" >&2; exit 1')
    result = host.test(one('tls/a', u'hush;\n', secret=True))
    assert (result['accepted'], result['exit_code'], result['remarks']) == (False, 1, '')
    assert result['refusal'] == 'nginx: [emerg] unknown directive "****" in {0}/tls/a:3'.format(host.etc)
    assert host.texts(hidden=True) == {}


def test_remarks(host):
    host.says('echo "nginx: [warn] x in $stage/nginx.conf:1"')
    assert host.test()['remarks'] == 'nginx: [warn] x in {0}:1'.format(host.conf)


def test_a_test_that_does_not_end(host):
    host.says('sleep 60')
    start = time.time()
    result = host.test(timeout=0.5)
    assert time.time() - start < 20
    assert (result['accepted'], result['exit_code']) == (False, None)
    assert host.state() == []


def test_the_error_log_of_newer_versions_is_staged(host):
    host.says('[ "$9" = -e ] && [ "${10}" = $stage/logs/error.log ] || exit 3', version='1.19.5')
    assert host.test()['accepted']
    host.says('[ $# = 8 ] || exit 3', version='1.19.4')
    assert host.test()['accepted']


def test_differs(host):
    assert host.test()['differs']
    host.present(one('a'))
    assert not host.test(one('a'))['differs']
    assert host.test(one('a', mode='0600'))['differs']
    assert host.test(one('a', u'new\n'))['differs']
    assert host.test(one('a'), one('b'))['differs']
    assert host.test()['differs']
    host.etc.join('.managed').remove()
    assert host.test(one('a'))['differs']


def test_what_a_killed_run_has_left_is_replaced_and_links_never_followed(host):
    victim = host.tmpdir.join('victim')
    victim.ensure('precious')
    host.etc.join('.staged').mksymlinkto(victim)
    assert host.test()['accepted']
    host.etc.join('.staged').ensure('old/key')
    host.etc.join('.staged/link').mksymlinkto(victim)
    host.says('[ ! -e $stage/old ]')
    assert host.test()['accepted']
    assert victim.join('precious').check() and host.state() == []


def test_staged_tree_is_removed_when_the_test_breaks_off(host, monkeypatch):
    real = nginx_config._keepalived.run

    def interrupted(command, timeout):
        if '-V' in command:
            return real(command, timeout)
        assert os.path.exists(command[6])
        raise KeyboardInterrupt()

    monkeypatch.setattr(nginx_config._keepalived, 'run', interrupted)
    with pytest.raises(KeyboardInterrupt):
        host.test()
    assert host.state() == []


def test_errors_of_a_test(host):
    host.binary.remove()
    words = failure(host.test)
    assert words.startswith('cannot have {0} test a configuration in {1} ('.format(host.binary, host.etc))
    assert words.endswith('; nothing has been changed: see that nginx is installed and the directory is there, and run again')
    host.says('exit 0')
    host.conf.mkdir()
    assert failure(host.test) == ('{0} is a directory or a device, where a file is meant; move it away, nothing has been changed'
                                  .format(host.conf))
    host.conf.remove()
    host.etc.join('a').write('his')
    assert 'cannot look at what is in {0} ('.format(host.etc) in failure(host.test, one('a/b'))
    assert host.texts(hidden=True) == {'a': 'his'}


# --- state=present ---

def test_first_tree(host):
    old = os.umask(0o077)
    try:
        result = host.present(one('snippets/gzip.conf'), one('tls/a/shop.key', KEY, '0600', True))
    finally:
        os.umask(old)
    assert (result['changed'], result['previous'], result['removed']) == (True, None, [])
    assert host.relative(result['written']) == ['snippets/gzip.conf', 'tls/a/shop.key', 'nginx.conf']
    assert host.texts() == {'nginx.conf': NEW, 'snippets/gzip.conf': 'gzip on;\n', 'tls/a/shop.key': KEY}
    modes = dict((name, mode_of(host.etc.join(name))) for name in ('nginx.conf', 'snippets', 'tls/a', 'tls/a/shop.key', '.managed'))
    assert modes == {'nginx.conf': 0o644, 'snippets': 0o755, 'tls/a': 0o755, 'tls/a/shop.key': 0o600, '.managed': 0o600}
    assert sorted(nginx_config.recorded(host.etc.join('.managed').read_binary())) == ['snippets/gzip.conf', 'tls/a/shop.key']


def test_second_run_changes_nothing_and_tests_nothing(host):
    host.present(one('a'), content=OLD)
    files = [one('b', u'new\n'), one('snippets/c')]
    assert host.present(*files)['previous'] == str(host.etc.join('.previous'))
    before = host.state()
    host.says('exit 1')
    assert host.run(*files) == ({'changed': False, 'written': [], 'removed': [], 'diff': [], 'previous': None}, [])
    assert host.state() == before


def test_former_tree_is_kept_whole(host):
    host.present(one('a', mode='0640'), one('tls/key', KEY, '0600', True), one('gone'), content=OLD)
    result = host.present(one('a', u'new\n'), one('b'), one('tls/key', KEY, '0600', True))
    assert host.relative(result['written']) == ['a', 'b', 'nginx.conf']
    assert host.relative(result['removed']) == ['gone']
    previous = host.etc.join('.previous')
    assert dict((name, previous.join(name).read()) for name in ('nginx.conf', 'a', 'gone', 'tls/key')) == {
        'nginx.conf': OLD, 'a': 'gzip on;\n', 'gone': 'gzip on;\n', 'tls/key': KEY}
    assert [mode_of(previous), mode_of(previous.join('a')), mode_of(previous.join('tls/key'))] == [0o700, 0o640, 0o600]
    assert sorted(name for name in host.texts(hidden=True) if name.startswith('.')) == [
        '.managed', '.previous/.managed', '.previous/.record', '.previous/a', '.previous/gone', '.previous/nginx.conf', '.previous/tls/key']
    assert host.texts() == {'nginx.conf': NEW, 'a': 'new\n', 'b': 'gzip on;\n', 'tls/key': KEY}


def test_only_what_differs_is_written(host):
    host.present(one('a'), one('b'))
    inodes = [host.etc.join(name).stat().ino for name in ('a', 'nginx.conf')]
    assert host.relative(host.present(one('a'), one('b', u'new\n'))['written']) == ['b']
    assert [host.etc.join(name).stat().ino for name in ('a', 'nginx.conf')] == inodes


def test_a_mode_alone_is_put_right_and_the_way_back_stays(host):
    host.present(content=OLD)
    host.present(one('a'))
    host.etc.join('a').chmod(0o666)
    result = host.present(one('a'))
    assert (host.relative(result['written']), result['previous'], mode_of(host.etc.join('a'))) == (['a'], None, 0o644)
    assert result['diff'][0]['after'].endswith('mode: 0644\n')
    assert host.etc.join('.previous/nginx.conf').read() == OLD


@pytest.mark.skipif(os.geteuid() != 0, reason='only root can give a file away')
def test_owner_is_put_right_and_given_back(host):
    host.conf.write(OLD)
    os.chown(str(host.conf), 65534, 65533)
    host.present()
    assert (host.conf.stat().uid, host.conf.stat().gid) == (0, 0)
    host.restored()
    assert (host.conf.stat().uid, host.conf.stat().gid) == (65534, 65533)


def test_a_refused_tree_leaves_everything_as_it_was(host):
    host.present(one('a'), content=OLD)
    before = host.state()
    host.says('echo "nginx: [emerg] no"; exit 1')
    assert failure(host.run, one('b')) == (
        '{0} refuses the new configuration: nginx: [emerg] no; no file has been changed: correct it and run again'.format(host.binary))
    assert host.state() == before


def test_obsolete_files_that_somebody_changed_are_left(host):
    host.present(one('a'), one('b'), one('c'), one('d'))
    host.etc.join('a').write('his')
    host.etc.join('b').remove()
    host.etc.join('d').remove()
    host.etc.join('d').mksymlinkto('c')
    for dummy in range(2):
        result, warnings = host.run()
        assert [re.sub(' is no longer.*', '', warning) for warning in warnings] == [str(host.etc.join('a')), str(host.etc.join('d'))]
    assert (result['changed'], sorted(os.listdir(str(host.etc)))) == (False, ['.managed', '.previous', 'a', 'd', 'nginx.conf'])
    host.present(one('a'))
    assert host.relative(host.present()['removed']) == ['a']


def test_the_test_finds_a_changed_file_that_is_left(host):
    host.present(one('a'))
    host.etc.join('a').write('his')
    host.says('[ "$(cat $stage/a)" = his ]')
    assert host.test()['accepted']


def test_what_it_did_not_write_is_never_removed(host):
    host.etc.join('his.conf').write('his')
    host.present(one('a'))
    host.present()
    assert host.texts() == {'nginx.conf': NEW, 'his.conf': 'his'}


def test_a_file_of_somebody_else_is_taken_over_and_given_back(host):
    host.etc.join('a').write('his')
    host.conf.write(OLD)
    host.present(one('a'))
    host.restored()
    assert host.texts() == {'nginx.conf': OLD, 'a': 'his', 'nginx.conf.failed': NEW}
    assert not host.etc.join('.managed').check()


@pytest.mark.parametrize('content', ['', '[]', '{"../a": null}'])
def test_a_record_that_cannot_be_used(host, content):
    host.present(one('a'))
    host.etc.join('.managed').write(content)
    result, warnings = host.run()
    assert (result['changed'], len(warnings), host.etc.join('a').check()) == (True, 1, True)
    assert warnings[0].startswith('the record {0} cannot be used ('.format(host.etc.join('.managed')))
    assert host.run()[1] == []


def test_links_become_files_and_their_targets_stay(host):
    target = host.tmpdir.join('target')
    target.write(OLD)
    host.conf.mksymlinkto(target)
    host.etc.join('a').mksymlinkto('nowhere')
    host.etc.join('b').mksymlinkto(host.tmpdir)
    host.present(one('a'), one('b'))
    assert not [path for path in host.etc.listdir() if path.islink()] and target.read() == OLD
    host.restored()
    assert host.texts() == {'nginx.conf': OLD, 'nginx.conf.failed': NEW} and not host.conf.islink()


def test_old_or_new_and_nothing_between(host):
    host.present(content=OLD)
    with open(str(host.conf)) as handle:
        host.present()
        assert handle.read() == OLD


def test_labels_come_before_the_names(host):
    host.present(one('snippets/a'))
    assert host.relative(path for path, name in host.labelled if path == name) == ['snippets']  # a directory that was empty
    names = host.relative(name for dummy, name in host.labelled)
    assert names[:3] == ['snippets', 'snippets/a', 'nginx.conf'] and '.previous' in names and names[-1] == '.managed'


@pytest.mark.parametrize('count', range(1, 5))
def test_a_run_that_cannot_write_cleans_up(host, monkeypatch, count):
    host.present(one('a'), one('b'), content=OLD)
    host.etc.join('snippets').mkdir()
    before, real, calls = host.state(), os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) == count:
            raise OSError(28, 'No space left on device')
        real(descriptor)

    monkeypatch.setattr(os, 'fsync', full)
    message = failure(host.run, one('a', u'new\n'), one('snippets/c'))
    assert 'No space left' in message and 'no file of the configuration has been changed' in message
    assert host.state() == before


# --- runs that are killed ---

FORMER = [one('a'), one('gone'), one('tls/key', KEY, '0600', True)]
NEXT = [one('a', u'new\n'), one('b'), one('tls/key', KEY + KEY, '0600', True)]
OLDER = {'nginx.conf': OLD, 'a': 'gzip on;\n', 'gone': 'gzip on;\n', 'tls/key': KEY}
NEWER = {'nginx.conf': NEW, 'a': 'new\n', 'b': 'gzip on;\n', 'tls/key': KEY + KEY}
STEPS = ('rename', 'unlink', 'rmdir', 'mkdir', 'fchmod', 'fsync', 'symlink')


def killed(after, call, *args, **more):
    """Have a call die, in a process of its own, when it has changed the disk so many times; tell whether it did."""
    child = os.fork()
    if child:
        return os.WEXITSTATUS(os.waitpid(child, 0)[1]) == 77
    steps = []

    def mortal(function):
        def step(*args, **more):
            steps.append(function)
            if len(steps) > after:
                os._exit(77)
            return function(*args, **more)
        return step

    try:
        for name in STEPS:
            setattr(os, name, mortal(getattr(os, name)))
        call(*args, **more)
        os._exit(0)
    finally:
        os._exit(1)


def killed_everywhere(tmpdir, prepare, run, pace=3):
    """Yield a host for each point at which a run can be killed, the last one for a run that ends."""
    after, dying, prepared = 0, True, Host(tmpdir.mkdir('prepared'))
    prepare(prepared)
    while dying:
        host = Host(tmpdir.mkdir(str(after)))
        host.etc.remove()
        shutil.copytree(str(prepared.etc), str(host.etc))
        dying = killed(after, run, host)
        yield host
        after += pace


def older(host):
    host.present(*FORMER, content=OLD + u'# before\n')
    host.present(*FORMER, content=OLD)  # what the interrupted run must not go back past


def newer(host):
    host.present(*NEXT)


def without_failed(host):
    return dict((name, text) for name, text in host.texts().items() if name != 'nginx.conf.failed')


def assert_old_or_new(host):
    for name, text in without_failed(host).items():
        assert text in (OLDER.get(name), NEWER.get(name))


def assert_tidy(host):
    """Nothing is left of a run that was killed."""
    assert [path for path in host.texts(hidden=True) if re.search(r'vipkit|\.staged|unfinished|\.(new|old)\b', path)] == []
    assert set(os.listdir(str(host.etc))) <= set(['.managed', '.previous', 'nginx.conf', 'nginx.conf.failed', 'a', 'b', 'gone', 'tls'])


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(os, 'fsync', lambda descriptor: None)


def test_an_interrupted_run_is_finished_by_the_next(tmpdir, quick):
    for host in killed_everywhere(tmpdir, older, newer):
        assert_old_or_new(host)
        host.present(*NEXT)
        assert host.texts() == NEWER
        assert not host.present(*NEXT)['changed']
        assert_tidy(host)
        host.restored()
        assert without_failed(host) == OLDER


def test_an_interrupted_run_is_taken_back(tmpdir, quick):
    mixed = 0
    for host in killed_everywhere(tmpdir, older, newer, pace=2):
        if host.texts() == OLDER:
            continue  # nothing has changed yet, and nothing would be taken back
        mixed += host.texts() != NEWER
        host.restored()
        host.restored()
        assert without_failed(host) == OLDER
        assert_tidy(host)
    assert mixed > 1


def test_an_interrupted_way_back_is_finished_by_the_next(tmpdir, quick):
    def both(host):
        older(host)
        newer(host)

    for host in killed_everywhere(tmpdir, both, lambda host: host.restored()):
        assert_old_or_new(host)
        host.restored()
        assert host.texts() == dict(OLDER, **{'nginx.conf.failed': NEW})
        assert not host.restored()['changed']
        assert_tidy(host)


def test_the_way_back_of_an_interrupted_run_stays_when_the_next_one_describes_something_else(tmpdir, quick):
    mixed = 0
    for host in killed_everywhere(tmpdir, older, newer, pace=2):
        if host.texts() in (OLDER, NEWER):
            continue
        mixed += 1
        host.present(one('other'), content=u'events {}\n')
        host.restored()
        assert without_failed(host) == OLDER
    assert mixed > 1


# --- state=restored ---

def test_taken_back(host):
    host.present(*FORMER, content=OLD)
    managed = host.etc.join('.managed').read()
    host.present(*NEXT)
    host.etc.join('b').write('changed by hand')
    result = host.restored()
    assert (host.relative(result['written']), host.relative(result['removed'])) == (['a', 'gone', 'tls/key', 'nginx.conf'], ['b'])
    assert result['set_aside'] == str(host.conf) + '.failed'
    assert host.texts() == dict(OLDER, **{'nginx.conf.failed': NEW})
    assert mode_of(host.conf + '.failed') == 0o600 and mode_of(host.etc.join('tls/key')) == 0o600
    assert host.etc.join('.managed').read() == managed
    before = host.state()
    assert host.restored() == {'changed': False, 'written': [], 'removed': [], 'diff': [], 'set_aside': None}
    assert host.state() == before
    assert host.present(*FORMER, content=OLD)['changed'] is False


def test_after_the_way_back_there_is_one_again(host):
    host.present(*FORMER, content=OLD)
    host.present(*NEXT)
    host.restored()
    host.present(*NEXT)
    host.restored()
    assert host.texts() == dict(OLDER, **{'nginx.conf.failed': NEW})


def test_taken_back_to_where_nothing_is(host):
    host.present(*FORMER, content=OLD)
    host.present(*NEXT)
    for name in ('nginx.conf', 'a', '.managed'):
        host.etc.join(name).remove()
    assert host.restored()['set_aside'] is None
    assert host.texts() == OLDER


def test_nothing_to_go_back_to(host):
    for dummy in range(2):
        for check_mode in (True, False):
            words = failure(host.restored, check_mode=check_mode)
            assert words.startswith('{0}/.previous holds no nginx.conf to go back to; {1} is as it was: '.format(host.etc, host.conf))
        host.present(one('a'))  # there was none before this one either
    assert host.texts() == {'nginx.conf': NEW, 'a': 'gzip on;\n'}


@pytest.mark.parametrize('name, content', [('nginx.conf', 'x'), ('a', None), ('.record', '{'), ('.record', '{"a": {"sha256": 1}}')])
def test_a_damaged_way_back(host, name, content):
    host.present(*FORMER, content=OLD)
    host.present(*NEXT)
    damaged = host.etc.join('.previous', name)
    damaged.remove()
    if content:
        damaged.write(content)
    before = host.state()
    assert '{0} is damaged, so nobody can go back to it'.format(host.etc.join('.previous')) in failure(host.restored)
    assert host.state() == before


# --- check mode ---

def test_check_mode_foretells_and_changes_nothing(host):
    host.present(*FORMER, content=OLD)
    before = host.state()
    host.says('exit 1')
    foretold = host.run(*NEXT, check_mode=True)
    assert host.state() == before and foretold[0]['changed'] is True
    host.says('exit 0')
    assert host.run(*NEXT) == foretold
    before = host.state()
    foretold = host.restored(check_mode=True)
    assert host.state() == before
    assert host.restored() == foretold


# --- a real nginx ---

NGINX = next((path for path in [os.path.join(directory, 'nginx') for directory in os.environ.get('PATH', '').split(':') + ['/usr/sbin']]
              if os.access(path, os.X_OK)), None)
real = pytest.mark.skipif(not NGINX or os.geteuid() != 0, reason='no nginx on this machine, or not root')

SERVER = u"""error_log LOGS/error.log;
pid PID;
events {}
http {
    include mime.types;
    access_log LOGS/access.log;
    include snippets/*.conf;
    server {
        listen 127.0.0.1:PORT ssl;
        ssl_certificate tls/shop.crt;
        ssl_certificate_key tls/shop.key;
        location / { return 200 "ok"; }
    }
}
"""


@pytest.fixture
def nginx(host):
    """A host with a real nginx, and a certificate for it."""
    host.binary = NGINX
    host.live = host.tmpdir.mkdir('live')
    host.etc.join('mime.types').write('types { text/html html; }\n')
    try:
        subprocess.check_output(
            'openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=shop -days 1 -keyout key -out crt'.split(),
            cwd=str(host.tmpdir), stderr=subprocess.STDOUT)
    except OSError:
        pytest.skip('no openssl on this machine')
    pid_path = re.search(r'--pid-path=(\S+)', subprocess.check_output([NGINX, '-V'], stderr=subprocess.STDOUT).decode() + ' --pid-path=/')
    was_there = os.path.exists(pid_path.group(1))
    yield host
    assert os.path.exists(pid_path.group(1)) == was_there  # a test makes an empty one, unless it has one of its own


def served(host, port=18443):
    """Return options for a server with live logs, and with staged ones for the test."""
    text = SERVER.replace('PORT', str(port))
    certificate, key = [host.tmpdir.join(name).read() for name in ('crt', 'key')]
    files = [one('snippets/gzip.conf'), one('tls/shop.crt', certificate), one('tls/shop.key', key, '0600', True)]
    content = text.replace('LOGS', str(host.live)).replace('PID', str(host.live.join('pid')))
    return files, {'content': content, 'test_content': text.replace('LOGS', 'logs').replace('PID', str(host.live.join('pid')))}


@real
def test_real_nginx_from_the_test_to_taking_back(nginx):
    files, texts = served(nginx)
    result = nginx.test(*files, **texts)
    assert (result['accepted'], result['differs'], result['refusal']) == (True, True, '')
    assert sorted(os.listdir(str(nginx.etc))) == ['mime.types']
    nginx.present(*files, **texts)
    assert mode_of(nginx.etc.join('tls/shop.key')) == 0o600
    files[0]['content'] = u'gzip off;\n'
    assert nginx.present(one('snippets/more.conf', u'tcp_nodelay on;\n'), *files, **texts)['previous']
    nginx.restored()
    assert nginx.etc.join('snippets/gzip.conf').read() == 'gzip on;\n' and not nginx.etc.join('snippets/more.conf').check()
    assert nginx.test(*files, **texts)['accepted']
    assert nginx.live.listdir() == []  # nginx would have made what it opens


@real
@pytest.mark.parametrize('path, content, words', [
    ('snippets/gzip.conf', u'gzipp on;\n', 'unknown directive "gzipp" in {0}/snippets/gzip.conf:1'),
    ('tls/shop.key', u'no key\n', '{0}/tls/shop.key'),
    ('snippets/gzip.conf', u'server { listen unix:/no/such/socket; }\n', 'bind() to unix:/no/such/socket failed'),
    ('snippets/secret.conf', u'hunter2 x;\n', 'unknown directive "****" in {0}/snippets/secret.conf:1'),
])
def test_real_nginx_refuses_and_live_logs_and_pid_stay(nginx, path, content, words):
    files, texts = served(nginx)
    nginx.present(*files, **texts)
    for name in ('pid', 'access.log', 'error.log'):
        nginx.live.join(name).write('')
    logs = [(name, os.stat(str(nginx.live.join(name)))) for name in sorted(os.listdir(str(nginx.live)))]
    before = nginx.state()
    files = [each for each in files if each['path'] != path] + [one(path, content, '0600', 'gzip' not in path)]
    result = nginx.test(*files, **texts)
    assert (result['accepted'], result['exit_code']) == (False, 1)
    assert words.format(nginx.etc) in result['refusal']
    assert '.staged' not in result['refusal'] and 'hunter2' not in result['refusal']
    assert words.format(nginx.etc) in failure(nginx.run, *files, **texts)
    assert nginx.state() == before
    assert [(name, os.stat(str(nginx.live.join(name)))) for name in sorted(os.listdir(str(nginx.live)))] == logs


@real
def test_real_nginx_needs_no_file_that_is_obsolete(nginx):
    files, texts = served(nginx)
    nginx.present(*files, **texts)
    result = nginx.test(*files[:2], **texts)
    assert not result['accepted'] and '{0}/tls/shop.key'.format(nginx.etc) in result['refusal']


@real
def test_real_nginx_that_runs_is_not_disturbed(nginx):
    files, texts = served(nginx)
    nginx.present(*files, **texts)
    master = subprocess.Popen([NGINX, '-p', str(nginx.live) + '/', '-c', str(nginx.conf), '-g', 'daemon off;'])
    try:
        deadline = time.time() + 10
        while not (nginx.live.join('pid').check() and nginx.live.join('pid').read()) and time.time() < deadline:
            time.sleep(0.05)
        pid, log = nginx.live.join('pid').read(), nginx.live.join('error.log').read()
        assert pid.strip() == str(master.pid)
        files[0]['content'] = u'gzipp on;\n'
        assert not nginx.test(*files, **texts)['accepted']
        files[0]['content'] = u'gzip off;\n'
        assert nginx.test(*files, **texts)['accepted']  # though its port is in use
        assert (nginx.live.join('pid').read(), nginx.live.join('error.log').read(), master.poll()) == (pid, log, None)
    finally:
        master.send_signal(signal.SIGTERM)
        master.wait()


# --- the module as a process ---

# Newer releases of ansible-core want to know how arguments and results are encoded; older ones have no such name.
RUN = """
import runpy, sys
sys.path.insert(0, sys.argv[1])
import conftest
from ansible.module_utils import basic
basic._ANSIBLE_PROFILE = 'legacy'
sys.argv = ['nginx_config']
runpy.run_module('ansible_collections.vipkit.ha.plugins.modules.nginx_config', run_name='__main__')
"""


def run_module(**arguments):
    process = subprocess.Popen([sys.executable, '-c', RUN, UNIT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               close_fds=True)  # a lock of this test is not for the child
    output, errors = process.communicate(json.dumps({'ANSIBLE_MODULE_ARGS': arguments}).encode())
    assert not errors.strip(), errors.decode()
    return process.returncode, output.decode(), json.loads(output.decode())


def test_module_from_the_test_to_taking_back(host):
    common = {'conf_path': str(host.conf), '_ansible_diff': True}
    wanted = {'content': NEW, 'sbin_path': str(host.binary), 'files': [one('a'), one('tls/key', u'geheim12\n', '0600', True)]}
    run_module(state='present', **dict(common, **dict(wanted, content=OLD, files=[one('tls/key', u'geheim11\n', '0600', True)])))
    answers = []
    for state, check_mode, changed in (
            ('tested', True, False), ('present', True, True), ('present', False, True), ('present', False, False),
            ('restored', True, True), ('restored', False, True), ('restored', False, False)):
        options = dict(common, **({} if state == 'restored' else wanted))
        status, text, result = run_module(state=state, _ansible_check_mode=check_mode, **options)
        assert (state, check_mode, status, result['changed']) == (state, check_mode, 0, changed)
        assert ('diff' in result) == (state != 'tested')
        assert 'geheim' not in text
        answers.append(result)
    assert (answers[0]['accepted'], answers[0]['exit_code'], answers[0]['differs']) == (True, 0, True)
    assert [answer['previous'] for answer in answers[1:4]] == [str(host.etc.join('.previous'))] * 2 + [None]
    assert [answer['set_aside'] for answer in answers[4:]] == [str(host.conf) + '.failed'] * 2 + [None]
    for answer in answers[1:3]:
        assert dict((os.path.basename(each['after_header']), (each['before'], each['after'])) for each in answer['diff']) == {
            'a': ('', 'gzip on;'), 'key': ('(secret)', '(another secret)'), 'nginx.conf': (OLD.rstrip('\n'), NEW.rstrip('\n'))}


def test_module_warns_and_tells_nothing_without_diff(host):
    common = {'conf_path': str(host.conf), 'sbin_path': str(host.binary), 'content': NEW, 'state': 'present'}
    dummy, text, result = run_module(files=[one('a', u'geheim\n')], **common)
    assert 'diff' not in result and 'geheim' not in text
    host.etc.join('a').write('his')
    assert 'somebody changed it' in run_module(**common)[2]['warnings'][0]


def test_a_secret_that_is_no_longer_described_stays_one(host):
    common = {'conf_path': str(host.conf), 'sbin_path': str(host.binary), 'content': NEW, '_ansible_diff': True}
    run_module(state='present', files=[one('a', u'geheim\n', secret=True)], **common)
    for state, shown in (('present', ['(secret)', '']), ('restored', ['', '(secret)'])):
        dummy, text, result = run_module(state=state, **common)
        assert 'geheim' not in text
        assert [result['diff'][0]['before'], result['diff'][0]['after']] == shown


def test_runs_wait_for_each_other(host):
    ended = []

    def run():
        ended.append(run_module(conf_path=str(host.conf), sbin_path=str(host.binary), content=NEW, state='present')[0])

    with locked(str(host.etc)):
        other = threading.Thread(target=run)
        other.start()
        other.join(2)
        assert not host.conf.check()
    other.join()
    assert ended == [0] and host.conf.check()


@pytest.mark.parametrize('arguments, text', [
    ({'state': 'tested', 'content': NEW}, 'state is tested but all of the following are missing: sbin_path'),
    ({'state': 'present', 'sbin_path': '/x'}, 'state is present but all of the following are missing: content'),
    ({'state': 'present', 'sbin_path': '/x', 'content': NEW, 'files': [one('/a')]}, "the file '/a' cannot have that path"),
    ({'state': 'tested', 'sbin_path': '/no/such', 'content': NEW}, 'cannot have /no/such test a configuration in'),
    ({'state': 'restored'}, 'to go back to'),
    ({'state': 'restored', 'conf_path': '/no/such/nginx.conf'}, 'cannot have /no/such for itself'),
    ({'state': 'absent'}, 'value of state must be one of'),
])
def test_module_refuses(host, arguments, text):
    status, dummy, result = run_module(**dict({'conf_path': str(host.conf)}, **arguments))
    assert (status, result['failed']) == (1, True)
    assert text in result['msg']
