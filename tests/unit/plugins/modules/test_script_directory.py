# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Real directories; the last tests run the module as Ansible does, in a process, and one runs a script while it is replaced."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import grp
import json
import os
import pwd
import stat
import subprocess
import sys
import threading

import pytest

from ansible_collections.vipkit.ha.plugins.module_utils import _files
from ansible_collections.vipkit.ha.plugins.module_utils._artifact import ArtifactError
from ansible_collections.vipkit.ha.plugins.modules import script_directory

UNIT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
USER = pwd.getpwuid(os.geteuid()).pw_name
GROUP = grp.getgrgid(os.getegid()).gr_name
as_root = pytest.mark.skipif(os.geteuid() != 0, reason='only root can give files away')


def script(name, content=u'#!/bin/sh\nexit 0\n', mode='0755'):
    return {'name': name, 'content': content, 'mode': mode}


class Killed(BaseException):
    """What a run that is killed in the middle looks like from within."""


class Scripts(object):
    """A directory of scripts and what the module makes of it."""

    def __init__(self, tmpdir):
        self.directory = tmpdir.join('libexec', 'checks')
        self.path = str(self.directory)
        self.labelled = []

    def run(self, *scripts, **more):
        options = {'path': self.path, 'owner': USER, 'group': GROUP, 'obsolete': 'keep', 'check_mode': False,
                   'label': lambda path, name: self.labelled.append((os.path.basename(path), os.path.basename(name)))}
        return script_directory.keep_equal(scripts=list(scripts), **dict(options, **more))

    def remove(self, *scripts, **more):
        return self.run(*scripts, obsolete='remove', **more)

    def failure(self, *scripts, **more):
        with pytest.raises(ArtifactError) as caught:
            self.run(*scripts, **more)
        return str(caught.value)

    def names(self):
        return sorted(os.listdir(self.path))

    def record(self):
        return json.loads(self.directory.join('.managed').read())

    def state(self):
        """Return everything about the directory and what it holds."""
        found = [self.path] + [os.path.join(self.path, name) for name in self.names()]
        return [(path, os.lstat(path)[:6], os.lstat(path).st_mtime, None if os.path.isdir(path) else open(path).read()) for path in found]


@pytest.fixture
def scripts(tmpdir):
    os.chmod(str(tmpdir), 0o755)
    return Scripts(tmpdir)


def mode_of(path):
    return stat.S_IMODE(os.lstat(str(path)).st_mode)


# --- writing ---

def test_everything_is_made(scripts):
    old = os.umask(0o077)
    try:
        outcome = scripts.run(script('web'), script('notify', mode='0700'))
    finally:
        os.umask(old)
    assert outcome.written == ['notify', 'web'] and outcome.removed == [] and outcome.warnings == []
    assert scripts.names() == ['.managed', 'notify', 'web']
    assert [mode_of(path) for path in (scripts.directory.dirpath(), scripts.directory)] == [0o755, 0o755]
    assert [mode_of(scripts.directory.join(name)) for name in scripts.names()] == [0o644, 0o700, 0o755]
    assert sorted(scripts.record()) == ['notify', 'web']
    assert [one['before_header'] for one in outcome.diff] == [os.path.join(scripts.path, name).rstrip('/')
                                                              for name in ('', '.managed', 'notify', 'web')]


def test_the_second_run_changes_nothing(scripts):
    scripts.run(script('web'), script('notify'))
    before = scripts.state()
    for obsolete in ('keep', 'remove'):
        outcome = scripts.run(script('notify'), script('web'), obsolete=obsolete)
        assert outcome == script_directory.Outcome([], [], [], [], [])
    assert scripts.state() == before


def test_text_is_utf_8_to_the_byte(scripts):
    scripts.run(script('web', u'#!/bin/sh\r\necho \xfc\u2713'))
    assert scripts.directory.join('web').read_binary() == b'#!/bin/sh\r\necho \xc3\xbc\xe2\x9c\x93'
    assert scripts.run(script('web', u'#!/bin/sh\r\necho \xfc\u2713')).diff == []


def test_only_what_differs_is_written(scripts):
    scripts.run(script('a'), script('b'), script('c'))
    inode = scripts.directory.join('a').stat().ino
    scripts.directory.join('c').chmod(0o777)
    outcome = scripts.run(script('a'), script('b', u'new\n'), script('c'))
    assert outcome.written == ['b', 'c']
    assert scripts.directory.join('a').stat().ino == inode
    assert scripts.directory.join('b').read() == 'new\n'
    assert mode_of(scripts.directory.join('c')) == 0o755
    texts = dict((os.path.basename(one['after_header']), (one['before'], one['after'])) for one in outcome.diff)
    assert texts['b'] == ('#!/bin/sh\nexit 0\n', 'new\n')
    assert [text.splitlines()[-1] for text in texts['c']] == ['mode: 0777', 'mode: 0755']
    assert sorted(texts) == ['.managed', 'b', 'c']


def test_a_new_mode_comes_with_the_new_text(scripts):
    scripts.run(script('a', mode='0700'))
    scripts.run(script('a', u'new\n', mode='0555'))
    assert mode_of(scripts.directory.join('a')) == 0o555


def test_a_script_of_somebody_else_is_taken_over(scripts):
    scripts.directory.ensure(dir=True)
    scripts.directory.join('web').write('his')
    assert scripts.run(script('web')).written == ['web']
    assert scripts.remove().removed == ['web']


def test_a_link_becomes_a_file_and_its_target_stays_as_it_is(scripts, tmpdir):
    target = tmpdir.join('target')
    target.write('his')
    target.chmod(0o600)
    scripts.directory.ensure(dir=True)
    scripts.directory.join('web').mksymlinkto(target)
    assert scripts.run(script('web')).written == ['web']
    assert not scripts.directory.join('web').islink()
    assert (target.read(), mode_of(target)) == ('his', 0o600)


def test_labels_go_to_the_temporary_file_for_the_name_that_it_will_have(scripts):
    scripts.run(script('web'))
    assert [name for dummy, name in scripts.labelled] == ['libexec', 'checks', '.managed', 'web']
    assert all(path.startswith('.' + name + '.vipkit-') for path, name in scripts.labelled[2:])


@as_root
def test_owner_and_group_of_everything(scripts):
    scripts.run(script('web'), owner='65534', group='65533')
    owners = set((os.stat(path).st_uid, os.stat(path).st_gid) for path in [scripts.path, str(scripts.directory.dirpath())] + [
        os.path.join(scripts.path, name) for name in scripts.names()])
    assert owners == set([(65534, 65533)])
    assert scripts.run(script('web'), owner='65534', group='65533').diff == []
    outcome = scripts.run(script('web'), owner='root', group='root')
    assert outcome.written == ['web']
    assert os.stat(scripts.path).st_uid == os.stat(os.path.join(scripts.path, 'web')).st_uid == 0


@as_root
def test_the_name_never_leads_to_a_file_without_its_owner_and_mode(scripts, monkeypatch):
    scripts.run(script('web', u'old', mode='0700'), owner='0')
    seen, rename = [], os.rename

    def watched(source, target):
        status = os.lstat(source)
        seen.append((os.path.basename(target), status.st_uid, stat.S_IMODE(status.st_mode)))
        rename(source, target)

    monkeypatch.setattr(script_directory.os, 'rename', watched)
    scripts.run(script('web', u'new', mode='0755'), owner='65534')
    assert ('web', 65534, 0o755) in seen


def test_whoever_runs_a_script_meets_a_whole_one(scripts):
    texts = [u'#!/bin/sh\n' + u'# {0}\n'.format(letter) * 20000 + u'exit 0\n' for letter in u'ab']
    scripts.run(script('web', texts[0]))
    path, stop, seen = os.path.join(scripts.path, 'web'), threading.Event(), []

    def look():
        while not stop.is_set():
            with open(path, 'rb') as handle:
                seen.append((handle.read().decode('utf-8') in texts, stat.S_IMODE(os.fstat(handle.fileno()).st_mode)))

    thread = threading.Thread(target=look)
    thread.start()
    for turn in range(40):
        scripts.run(script('web', texts[turn % 2]))
    stop.set()
    thread.join()
    assert set(seen) == set([(True, 0o755)])


# --- the directory ---

@pytest.mark.parametrize('mode, expected', [(0o777, 0o755), (0o775, 0o755), (0o772, 0o750), (0o700, 0o700), (0o755, 0o755)])
def test_nobody_else_may_write_to_the_directory(scripts, mode, expected):
    scripts.run()
    scripts.directory.chmod(mode)
    outcome = scripts.run()
    assert mode_of(scripts.path) == expected
    assert [one['after_header'] for one in outcome.diff] == ([scripts.path] if mode != expected else [])


def test_a_shared_directory_is_refused(scripts):
    scripts.directory.ensure(dir=True)
    scripts.directory.chmod(0o1777)
    assert scripts.failure(script('web')) == (
        '{0} has the sticky bit, so it is shared with others; name a directory that is for these scripts only'.format(scripts.path))
    assert mode_of(scripts.path) == 0o1777 and scripts.names() == []


def test_a_link_to_a_directory_is_followed(scripts, tmpdir):
    tmpdir.join('real').ensure(dir=True)
    tmpdir.join('link').mksymlinkto(tmpdir.join('real'))
    scripts.run(script('web'), path=str(tmpdir.join('link')))
    assert tmpdir.join('real', 'web').check() and tmpdir.join('link').islink()


@pytest.mark.parametrize('trouble', ['relative', 'file', 'directory', 'record'])
def test_obstacles_are_named_before_anything_is_written(scripts, trouble):
    if trouble == 'relative':
        assert scripts.failure(script('web'), path='checks') == 'checks is a relative path; give an absolute one'
        return
    if trouble == 'file':
        scripts.directory.dirpath().ensure(dir=True)
        scripts.directory.write('a file')
        assert scripts.path in scripts.failure(script('web'))
        assert scripts.directory.read() == 'a file'
        return
    name = 'web' if trouble == 'directory' else '.managed'
    scripts.directory.join(name).ensure(dir=True)
    assert scripts.failure(script('also'), script('web')) == (
        '{0} is a directory, where a file is to be; move it away, nothing has been changed'.format(scripts.directory.join(name)))
    assert scripts.names() == [name]


# --- obsolete scripts ---

def test_obsolete_scripts_are_kept_or_removed(scripts):
    scripts.run(script('a'), script('b'), script('c'))
    outcome = scripts.run(script('a'))
    assert outcome.removed == [] and outcome.diff == [] and scripts.names() == ['.managed', 'a', 'b', 'c']
    assert outcome.obsolete == ['b', 'c']
    outcome = scripts.remove(script('a'))
    assert outcome.removed == ['b', 'c'] and outcome.written == [] and outcome.warnings == []
    assert scripts.names() == ['.managed', 'a'] and sorted(scripts.record()) == ['a'] and outcome.obsolete == []
    assert [(os.path.basename(one['before_header']), one['after']) for one in outcome.diff[1:]] == [('b', ''), ('c', '')]
    assert scripts.remove(script('a')).diff == []


def test_what_somebody_else_put_there_is_left(scripts):
    scripts.run(script('a'))
    scripts.directory.join('his').write('his')
    assert scripts.remove().removed == ['a']
    assert scripts.names() == ['.managed', 'his']


@pytest.mark.parametrize('by', ['content', 'link'])
def test_what_was_changed_by_hand_is_left_with_a_warning(scripts, by):
    scripts.run(script('a'), script('b'))
    changed = scripts.directory.join('a')
    if by == 'content':
        changed.write('by hand')
    else:
        changed.remove()
        changed.mksymlinkto(scripts.directory.join('b'))
    warning = ('{0} is no longer described, but somebody changed it since it was written, so it is left; remove it by hand if nobody '
               'needs it'.format(changed))
    assert scripts.remove(script('b')).warnings == [warning]
    again = scripts.remove(script('b'))
    assert (again.warnings, again.diff, again.removed) == ([warning], [], [])
    assert scripts.run(script('b')).warnings == []
    changed.remove()
    assert scripts.remove(script('b')).warnings == []
    assert sorted(scripts.record()) == ['b']


def test_mode_and_owner_alone_are_not_a_change_by_hand(scripts):
    scripts.run(script('a'))
    scripts.directory.join('a').chmod(0o600)
    assert scripts.remove().removed == ['a']


def test_a_script_that_is_gone_already(scripts):
    scripts.run(script('a'), script('b'))
    scripts.directory.join('a').remove()
    assert scripts.run(script('b'), check_mode=True).obsolete == []
    outcome = scripts.remove(script('b'))
    assert outcome.removed == [] and [os.path.basename(one['after_header']) for one in outcome.diff] == ['.managed']


# --- the record ---

@pytest.mark.parametrize('text', ['', 'no json', '[]', '{"../../etc/passwd": "' + 'a' * 64 + '"}', '{"a": "short"}', '{"a": 5}', '\xff'])
def test_an_unusable_record_counts_as_absent(scripts, text):
    scripts.run(script('a'), script('b'))
    scripts.directory.join('.managed').write_binary(text.encode('latin-1') if str is not bytes else text)
    outcome = scripts.remove(script('a'))
    assert outcome.removed == [] and scripts.names() == ['.managed', 'a', 'b']
    assert len(outcome.warnings) == 1 and 'the record {0} cannot be used'.format(scripts.directory.join('.managed')) in outcome.warnings[0]
    assert sorted(scripts.record()) == ['a']
    assert scripts.remove(script('a')).warnings == []


def test_a_record_that_others_can_write_is_mended(scripts):
    scripts.run(script('a'))
    scripts.directory.join('.managed').chmod(0o666)
    assert len(scripts.run(script('a')).diff) == 1
    assert mode_of(scripts.directory.join('.managed')) == 0o644


@pytest.mark.parametrize('function, after', [(name, count) for name in ('rename', 'unlink', 'fchmod') for count in range(6)])
def test_an_interrupted_run_is_finished_by_the_next(scripts, monkeypatch, function, after):
    scripts.run(script('a'), script('b'), script('c'), script('d'))
    wanted = [script('a', u'new a'), script('e')]
    real, calls = getattr(os, function), []

    def mortal(*args):
        calls.append(args)
        if len(calls) > after:
            raise Killed()
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(script_directory.os, function, mortal)
        patch.setattr(_files, 'discard', lambda path: None)  # who is killed does not clean up
        try:
            scripts.remove(*wanted)
        except Killed:
            pass
    for name in ('a', 'e'):
        assert not scripts.directory.join(name).check() or scripts.directory.join(name).read() in (script('a')['content'], 'new a')
    scripts.remove(*wanted)
    assert scripts.names() == ['.managed', 'a', 'e']
    assert sorted(scripts.record()) == ['a', 'e']
    assert scripts.remove(*wanted).diff == []


def test_the_record_lists_obsolete_scripts_until_they_are_gone(scripts, monkeypatch):
    scripts.run(script('old'))
    seen, unlink = [], os.unlink

    def watched(path):
        if os.path.basename(path) == 'old':
            seen.append((sorted(scripts.record()), scripts.names()))
        unlink(path)

    monkeypatch.setattr(script_directory.os, 'unlink', watched)
    scripts.remove(script('new'))
    assert seen == [(['new', 'old'], ['.managed', 'new', 'old'])]
    assert sorted(scripts.record()) == ['new']


# --- check mode ---

def test_check_mode_foretells_and_changes_nothing(scripts, tmpdir):
    foretold = scripts.run(script('a'), script('b'), check_mode=True)
    assert not scripts.directory.dirpath().check() and scripts.labelled == []
    assert scripts.run(script('a'), script('b')) == foretold

    scripts.directory.chmod(0o777)
    scripts.directory.join('a').write('by hand')
    wanted = [script('b', u'new'), script('c')]
    before = scripts.state()
    foretold = scripts.remove(*wanted, check_mode=True)
    assert scripts.state() == before
    assert foretold.written == ['b', 'c'] and len(foretold.warnings) == 1
    assert scripts.remove(*wanted) == foretold
    foretold = scripts.remove(check_mode=True)
    assert foretold.removed == ['b', 'c']
    assert scripts.remove() == foretold


# --- options ---

@pytest.mark.parametrize('name', ['', '.hidden', '.managed', '..', 'a/b', 'a b', 'a\n', '\xfc', 'a' * 201])
def test_names_that_are_refused(scripts, name):
    assert 'cannot have that name; use letters' in scripts.failure(script(name))
    assert not scripts.directory.check()


@pytest.mark.parametrize('mode', ['', '75', '0855', '04755', 'u+x', '493', '0755\n'])
def test_modes_that_are_refused(scripts, mode):
    assert scripts.failure(script('web', mode=mode)) == (
        "the mode '{0}' of the script web is not one; write it as in '0755', with the quotes".format(mode))


def test_a_name_twice_and_unknown_owners(scripts):
    assert scripts.failure(script('web'), script('web')) == 'the script web is described twice; give each its own name'
    assert scripts.failure(owner='no-such-user') == 'the user no-such-user does not exist; create it or name another'
    assert scripts.failure(group='no-such-group') == 'the group no-such-group does not exist; create it or name another'


# --- as Ansible runs it ---

def run_module(arguments):
    """Run the module in a process of its own, and return what it answers."""
    code = ('import sys; sys.path.insert(0, {0!r}); import conftest\n'
            'from ansible.module_utils import basic\n'
            'basic._ANSIBLE_PROFILE = "legacy"\n'
            'basic._ANSIBLE_ARGS = {1!r}.encode()\n'
            'from ansible_collections.vipkit.ha.plugins.modules import script_directory\n'
            'script_directory.main()\n').format(UNIT, json.dumps({'ANSIBLE_MODULE_ARGS': arguments}))
    process = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    output, errors = process.communicate()
    assert output, errors
    return json.loads(output.decode('utf-8'))


def test_the_module(scripts):
    arguments = {'path': scripts.path, 'scripts': [{'name': 'web', 'content': u'#!/bin/sh\n# \xfc\n'}], 'owner': USER, 'group': GROUP}
    quiet = run_module(arguments)
    assert quiet['changed'] is True and quiet['written'] == ['web'] and 'diff' not in quiet
    again = run_module(dict(arguments, _ansible_diff=True))
    assert (again['changed'], again['written'], again['removed'], again['diff']) == (False, [], [], [])
    assert os.access(os.path.join(scripts.path, 'web'), os.X_OK)

    scripts.directory.join('web').write('by hand')
    warned = run_module(dict(arguments, scripts=[], obsolete='remove', _ansible_check_mode=True))
    assert warned['changed'] is False and 'somebody changed it' in warned['warnings'][0]
    shown = run_module(dict(arguments, _ansible_check_mode=True, _ansible_diff=True))
    assert shown['changed'] is True and [one['before'] for one in shown['diff']] == ['by hand']
    assert scripts.directory.join('web').read() == 'by hand'
    assert 'described twice' in run_module(dict(arguments, scripts=arguments['scripts'] * 2))['msg']
