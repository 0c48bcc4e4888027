# -*- coding: utf-8 -*-
# Copyright: vipkit.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import pytest
from ansible_collections.vipkit.ha.plugins.plugin_utils._nginx_tokens import Fault, arguments, check_lines, quoted


@pytest.mark.parametrize('text, words', [
    ('', []),
    ('a', ['a']),
    (' a\tb ', ['a', 'b']),
    (r'~ \.php$', ['~', r'\.php$']),
    ('"a; b" \'c } d\'', ['"a; b"', "'c } d'"]),
    (r'"a \" b"', [r'"a \" b"']),
    ('"a\nb"', ['"a\nb"']),
    ('${a}b$c', ['${a}b$c']),
    ('$a', ['$a']),
    (r'a\ b', [r'a\ b']),
    (r'a\;', [r'a\;']),
    ('it"s', ['it"s']),
    ('a#b', ['a#b']),
    ('""', ['""']),
    ('($a = "b")', ['($a', '=', '"b"', ')']),
    ('x' * 4095, ['x' * 4095]),
])
def test_arguments_are_divided_as_nginx_does(text, words):
    assert arguments(text) == words


@pytest.mark.parametrize('text, problem', [
    ('a; b', "a ';' stands outside of quotes"),
    ('a {', "a '{' stands outside of quotes"),
    ('a }', "a '}' stands outside of quotes"),
    ('~ ^/a{2}$', "a '{' stands outside of quotes"),
    ('${a', "a '{' stands outside of quotes"),
    ('"a" ; x', "a ';' stands outside of quotes"),
    ('a\nb', 'a newline stands outside of quotes'),
    ('a\r\nb', 'a newline stands outside of quotes'),
    ('a # b', "a '#' begins an argument"),
    ('"a', 'a quote is not closed'),
    ("b 'a\"", 'a quote is not closed'),
    ('"a"b', 'a quote is not closed, or something stands right after one that is'),
    (r'"a\"', 'a quote is not closed'),
    ('a\\', 'it ends with a backslash'),
    ('x' * 4096, 'longer than the 4095 bytes'),
    ('ä' * 2048, 'longer than the 4095 bytes'),
])
def test_what_would_end_an_argument_elsewhere_is_refused(text, problem):
    with pytest.raises(Fault, match=problem):
        arguments(text)


@pytest.mark.parametrize('text', [
    'a;', 'a b; c "}";', 'a { b; }', 'a {\n  b { c; }\n}\nd;', '# only } a comment', 'a; # { more', 'a {}', '\n',
])
def test_whole_lines_are_taken(text):
    check_lines(text)


@pytest.mark.parametrize('text, problem', [
    ('a', "its end is missing: a ';' or a block"),
    ('a; b', "its end is missing: a ';' or a block"),
    ('a; # b;\nc', "its end is missing: a ';' or a block"),
    ('a {', 'its braces do not balance'),
    ('a; }', 'its braces do not balance'),
    ('} a {', 'its braces do not balance'),
    ('a { b }', "a ';' is missing before a '}'"),
    ('a "b;', 'a quote is not closed'),
    ('a; # {\nb {', 'its braces do not balance'),
])
def test_text_that_would_reach_beyond_its_end_is_refused(text, problem):
    with pytest.raises(Fault, match=problem):
        check_lines(text)


@pytest.mark.parametrize('given, text', [
    ('a', 'a'),
    (200, '200'),
    ('', '""'),
    ('a b', '"a b"'),
    ('$host:$server_port', '$host:$server_port'),
    ('${a}b', '"${a}b"'),
    ('a;b', '"a;b"'),
    ('#a', '"#a"'),
    ('{"a": "$b"}', '\'{"a": "$b"}\''),
    ("it's", '"it\'s"'),
    ('"it\'s"', '"\\"it\'s\\""'),
    (r'\.php$', r'"\.php$"'),
    (r'a\nb', r'"a\\nb"'),
    ('a\nb', '"a\nb"'),
    (r'a\\b', r'"a\\\b"'),
    ('a\\', r'"a\\"'),
    ('\\"', '\'\\\\"\''),
])
def test_an_argument_is_put_in_quotes_where_it_needs_them(given, text):
    assert quoted(given) == text
    assert arguments(text) == [text]
