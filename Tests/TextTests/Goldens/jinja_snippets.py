"""Small templates, each of which shows one rule of the language. Used by make_chat_template_goldens.py."""

CONTEXT = {
    "s": "Hello World",
    "empty": "",
    "u": "naïve 日本語 🙂 ÀÉ ß",
    "sp": "  padded\t\n",
    "n": 7,
    "neg": -7,
    "f": 2.5,
    "big": 9007199254740993,
    "t": True,
    "none_value": None,
    "xs": [3, 1, 2],
    "names": ["bob", "Alice", "carol", "alice"],
    "d": {"b": 1, "a": [1, 2], "items": "shadow", "k y": None},
    "users": [
        {"name": "bob", "age": 30, "address": {"city": "Rome"}},
        {"name": "Alice", "age": 25, "address": {"city": "oslo"}, "admin": True},
        {"name": "carol", "age": 30, "address": {"city": "Oslo"}},
    ],
    "tree": [{"v": 1, "c": [{"v": 2, "c": []}, {"v": 3, "c": [{"v": 4, "c": []}]}]}, {"v": 5, "c": []}],
    "html": "<a href=\"x\">&'</a>",
    "lines": "one\ntwo\n\nthree\r\nfour",
}

E_ = []


def e(text):
    """One expression a line, each as an output."""
    E_.extend("{{ " + line.strip() + " }}" for line in text.strip().split("\n") if line.strip())


def t(*texts):
    E_.extend(texts)


# Arithmetic, comparison, precedence
e("""
1 + 2 * 3
(1 + 2) * 3
7 // 2
-7 // 2
7 % 3
-7 % 3
7 % -3
7 / 2
6 / 2
2 ** 3
2 ** 3 ** 2
-2 ** 2
2 ** -1
2 ** 0.5
7.5 // 2
-7.5 // 2
7.5 % 2
-7.5 % 2
7.5 % -2
1 / 0
1 // 0
1 % 0
1.0 / 0
0 ** -1
1 + 1.0
1 + true
true + true
'a' + 'b'
'a' * 3
3 * 'a'
'a' * -1
[1] + [2]
[1, 2] * 2
(1,) + (2, 3)
'a' + 1
1 + 'a'
[1] + (2,)
none + 1
1 ~ 2 ~ 'x'
1 ~ none ~ true ~ 1.5
'a' ~ [1, 'b'] ~ {'k': 'v'}
1 + 2 ~ 3 + 4
2 * 3 ~ 4
1 < 2 < 3
1 < 3 < 2
1 < 2 == 2
1 == 1.0
1 == true
'1' == 1
none == none
none == false
[1, 2] == [1, 2]
[1, 2] == (1, 2)
[1, 2] < [1, 3]
(1, 2) < (1, 2, 0)
'a' < 'b'
'a' < 1
none < 1
[1] < 'a'
{'a': 1} == {'a': 1.0}
{'a': 1, 'b': 2} == {'b': 2, 'a': 1}
{'a': 1} < {'a': 2}
1 in [1, 2]
'1' in [1, 2]
'a' in 'cat'
1 in 'cat'
'b' in d
'z' not in d
not 1 in [2]
1 not in [2] and true
1 in 5
x in undefined_thing
'x' in undefined_thing
not true
not not 1
not ''
true and 0
0 or 'x'
'' or none or []
1 and 2 or 3
1 or 2 and 3
1 if true else 2
1 if false else 2
(1 if false) is defined
1 if false
'a' if 0 else 'b' if 0 else 'c'
-3 | abs
(-3) | abs
-n | abs
+n
-f
- - 3
-'a'
not -1
2 - -2
1.5e3
1e100
1e-7
123456789.123
0.1 + 0.2
1e16
1e15
123456789012345680.0
0.0001
0.00001
5e-324
1.7976931348623157e308
-0.0
1.0
100.0
1_000 + 1
0x1F + 0b11 + 0o17
9223372036854775807
big + 1
3.14 | string
1e22
1.5e300 * 1e10
true
True
false
none
None
True ~ False ~ None
'\\n\\t\\\\\\'\\"' | length
'\\x41\\u00e9\\U0001F642'
'\\101\\q'
"a" "b" 'c'
'é日'
""")

# Literals, subscripts, slices
e("""
[]
[1, 2, 'a', none, true, 1.5]
[1, 2,]
()
(1,)
(1, 2)
1, 2
{}
{'a': 1, 'b': [1, {'c': 2}], 3: 4, 'x': none}
{'a': 1, 'a': 2}
{1: 'a', true: 'b', 1.0: 'c'}
{(1, 2): 3}
{[1]: 2}
{'it\\'s': "say \\"hi\\"", 'both': "'\\""}
['a\\nb', 'é', '\\x00', '\\\\']
xs[0]
xs[-1]
xs[9]
xs[9] is defined
xs['0']
xs[1.0] is defined
xs[true]
xs[1:]
xs[:1]
xs[::-1]
xs[-2:]
xs[5:]
xs[0:3:2]
xs[::0]
xs[:-1]
xs[none:2]
xs[-100:100]
s[0]
s[-1]
s[0:5]
s[::-1]
s[::2]
s[20]
u[1]
u[6:9]
u[-4]
u[::-1]
u | length
u[10]
(1, 2, 3)[1:]
range(10)[2:5] | list
range(10)[-1]
range(3)
range(1, 10, 3) | list
range(10, 0, -3) | list
range(0)|list
range(2, 5) | length
5 in range(10)
range(0, 10, 0)
range(1000000)
range('a')
d.b
d['b']
d.a[1]
d.a.0
d['k y']
d.zzz
d.zzz is defined
d['zzz'].foo
d.zzz.foo
d.items
d['items']
d.get('b')
d.get('zzz')
d.get('zzz', 5)
d.get('zzz', default=5)
d.keys() | list
d.values() | list
d.items() | list
{'a': 1}.items()
{'a': 1}.keys()
{'a': 1}.copy()
d.pop('b')
d.update({'x': 1})
xs.append(4)
xs.index(1)
xs.index(99)
xs.count(3)
none.foo
none.foo is defined
n.foo
s.foo is defined
s.__class__
s['__class__']
''.__class__.__mro__
d.__class__
d._x
missing
missing is defined
missing.foo
missing['a']
missing()
missing + 1
missing ~ 'x'
missing | default('d')
missing == none
missing == other_missing
missing < 1
[missing]
missing | length
missing | list
missing | upper
missing | join(',')
missing | first
missing | last
missing | int
missing | tojson
missing | trim
missing | sum
missing | items | list
missing | replace('a', 'b')
missing | round
missing | sort
missing | map('upper') | list
missing | reverse | list
missing | dictsort
missing | string
missing | capitalize
missing | indent
missing | truncate
missing | e
missing[1:]
not missing
-missing
missing if missing else 'none'
""")

# String methods
e("""
s.upper()
s.lower()
s.title()
'hello wORLD foo-bar it\\'s'.title()
s.swapcase()
'hELLO'.capitalize()
u.upper()
u.lower()
u.title()
'ΑΣ ΣΑ Σ'.lower()
'İ'.lower() | length
'ß'.upper()
'ǆ'.capitalize()
sp.strip()
sp.strip() | length
sp.lstrip() | length
sp.rstrip() | length
'xxhixx'.strip('x')
'xyhiyx'.lstrip('xy')
'xyhiyx'.rstrip('xy')
'abc'.strip(none)
'\\u3000a\\u00a0'.strip()
'a,b,,c'.split(',')
'a,b,,c'.split(',', 1)
'a,b,,c'.rsplit(',', 1)
'a,b,,c'.split(',', maxsplit=2)
' a  b c '.split()
' a  b c '.split(none, 1)
' a  b c '.rsplit(none, 1)
' a  b c '.split(maxsplit=0)
''.split()
''.split(',')
'abc'.split('')
'<think>x</think>y'.split('</think>')[0].split('<think>')[-1]
lines.splitlines()
lines.splitlines(true)
'a\\u2028b\\x0bc\\n'.splitlines()
s.startswith('Hell')
s.startswith(('x', 'H'))
s.startswith('World', 6)
s.endswith('ld')
s.endswith('lo', 0, 5)
s.startswith('')
s.startswith(1)
s.replace('l', 'L')
s.replace('l', 'L', 1)
'aaa'.replace('', '-')
'日本'.replace('', '-')
'aaa'.replace('', '-', 2)
s.replace('zz', 'y')
','.join(['a', 'b'])
','.join(names)
'-'.join('abc')
','.join([1])
s.find('o')
s.find('o', 5)
s.find('zz')
s.find('o', -4)
u.find('本')
u.find('🙂')
s.rfind('o')
s.index('W')
s.index('zz')
s.count('l')
s.count('')
s.count('l', 4)
'123'.isdigit()
'1a'.isdigit()
'²'.isdigit()
'²'.isdecimal()
'½'.isnumeric()
'abc'.isalpha()
'日本'.isalpha()
'a1'.isalnum()
''.isalpha()
' \\t'.isspace()
'ABC1'.isupper()
'abc1'.islower()
'123'.isupper()
'Ab Cd'.istitle()
'Ab cd'.istitle()
'é'.isascii()
'x_1'.isidentifier()
'1x'.isidentifier()
'a\\n'.isprintable()
'ab'.center(7, '*')
'abc'.center(6) ~ '|'
'ab'.ljust(5, '.')
'ab'.rjust(5)
'-42'.zfill(6)
'a-b-c'.partition('-')
'a-b-c'.rpartition('-')
'abc'.partition('x')
'abc'.rpartition('x')
'prefix-x'.removeprefix('prefix-')
'x.txt'.removesuffix('.txt')
'a\\tb'.expandtabs()
s.casefold()
s.nope()
s.upper(1)
s.encode
'{} {}'.format('a', 1)
'{1} {0}'.format('a', 'b')
'{x} {y[0]} {z.k}'.format(x=1, y=[2], z={'k': 3})
'{:>5}|{:<5}|{:^5}|'.format('a', 'b', 'c')
'{:05d} {:+d} {:,} {:x} {:b} {:o} {:#x}'.format(42, 42, 1234567, 255, 5, 8, 255)
'{:.2f} {:8.3f} {:e} {:g} {:%}'.format(3.14159, 2.5, 12345.678, 0.00001, 0.25)
'{:.3} {:*^9}'.format('abcdef', 'mid')
'{!r} {!s}'.format('a', 'b')
'{{}} {}'.format(1)
'{'.format(1)
'{} {}'.format(1)
'{nope}'.format(a=1)
'{0.__class__}'.format('a')
'{:{w}}|'.format('a', w=4)
'{:d}'.format('a')
'{}'.format(1.0)
'{:.1f}'.format(0.25)
'{:.0f}'.format(2.5)
'{:10}|{:<10}|'.format(42, 42)
'{:_}'.format(1234567)
'{a}'.format_map({'a': 1})
""")

# printf formatting
e("""
'%s' % 'a'
'%s and %s' % ('a', 1)
'%d' % 42
'%d' % 3.9
'%5d|%-5d|%05d|%+d' % (42, 42, 42, 42)
'%.2f %8.3f %e %g' % (3.14159, 2.5, 12345.678, 0.0001)
'%x %X %o %#x' % (255, 255, 8, 255)
'%r' % 'a'
'%5s|%-5s|' % ('a', 'b')
'%.2s' % 'abc'
'%%' % ()
'%c%c' % (65, 'b')
'%(a)s %(b)d' % {'a': 'x', 'b': 2}
'%s' % [1, 2]
'%s' % (1, 2)
'%s %s' % 'a'
'%d' % 'a'
'%q' % 1
'%' % 1
'%*d' % (5, 42)
'%.3d' % 5
'%s' % none
'%i' % true
'%s' | format('x')
'%s-%s' | format('x', 'y')
'%(a)s' | format(a=1)
'no args' | format
'no args' | format(1)
'%5.1f|' % 2.25
'%s' % missing
'% d' % 5
""")

# Filters
e("""
-5 | abs
-5.5 | abs
'a' | abs
users[0] | attr('name')
s | attr('upper') is defined
[1,2,3,4,5] | batch(2) | list
[1,2,3] | batch(2, 'x') | list
[1,2,3,4,5] | slice(3) | list
[1,2,3,4,5] | slice(3, 'x') | list
'hELLO wORLD' | capitalize
'' | capitalize
'ab' | center(6) ~ '|'
xs | count
s | length
d | length
5 | length
none | length
none | default('x')
none | default('x', true)
'' | default('x')
'' | d('x', boolean=true)
missing | default
{'b': 1, 'A': 2, 'c': 0} | dictsort
{'b': 1, 'A': 2, 'c': 0} | dictsort(true)
{'b': 1, 'A': 2, 'c': 0} | dictsort(false, 'value')
{'b': 1, 'A': 2} | dictsort(reverse=true)
{'b': 1} | dictsort(by='zz')
{'b': 1, 2: 3} | dictsort
html | e
html | escape
html | forceescape
1000 | filesizeformat
1 | filesizeformat
0 | filesizeformat
123456789 | filesizeformat
123456789 | filesizeformat(true)
1024 | filesizeformat(binary=true)
'4096' | filesizeformat
xs | first
[] | first is defined
s | first
d | first
'3.5' | float
'abc' | float
'abc' | float(1.5)
'1e3' | float
' 2.5 ' | float
'inf' | float
'nan' | float
'1_0.5' | float
3 | float
none | float
[1] | float(2)
users | groupby('age') | list
users | groupby('address.city') | map('first') | list
users | groupby('address.city', case_sensitive=true) | map('first') | list
users | groupby('admin', default=false) | map(attribute='grouper') | list
users | groupby('age') | map(attribute='list') | map('length') | list
lines | indent
lines | indent(2, true)
lines | indent(2, false, true)
lines | indent('> ')
lines | indent(width=2, first=true, blank=true)
'' | indent
'a' | indent
'42' | int
'42.7' | int
42.9 | int
-42.9 | int
'abc' | int
'abc' | int(5)
'ff' | int(base=16)
'0xff' | int(0, 16)
'0b11' | int(base=2)
'0o17' | int(base=8)
'12' | int(base=0)
'z' | int(base=36)
' 12 ' | int
'1_000' | int
'-5' | int
'+5' | int
'1e3' | int
true | int
none | int
[1] | int
'٣' | int
d | items | list
{'a': 1} | items | first
5 | items
xs | items
xs | join
xs | join(', ')
xs | join(', ') | length
users | join(', ', attribute='name')
users | join(attribute='age')
s | join('-')
[none, true, 1.5, missing] | join('|')
5 | join
[] | join
xs | last
s | last
[] | last is defined
d | last
range(3) | last
xs | list
s | list
d | list
5 | list
'ABC' | lower
5 | lower
none | lower
users | map(attribute='name') | list
users | map(attribute='address.city') | join(',')
users | map(attribute='admin', default='no') | list
users | map(attribute='admin') | list
names | map('upper') | list
names | map('replace', 'a', 'b') | list
['1', '2'] | map('int') | sum
names | map('nosuch') | list
names | map | list
names | map('upper') | length
[[1, 2], [3]] | map('first') | list
[[1, 2], [3]] | map(attribute=0) | list
xs | max
xs | min
names | max
names | min
names | max(case_sensitive=true)
users | max(attribute='age')
users | min(attribute='age') | items | first
[] | max is defined
[1, 'a'] | max
['b', 'a'] | pprint
'a' | pprint
xs | reject('odd') | list
xs | reject('equalto', 3) | list
users | rejectattr('admin') | map(attribute='name') | list
users | rejectattr('age', 'gt', 26) | map(attribute='name') | list
'hello' | replace('l', 'L')
'hello' | replace('l', 'L', 1)
'a1' | replace(1, 2)
5 | replace('5', '6')
xs | reverse | list
s | reverse
u | reverse
d | reverse | list
5 | reverse
xs | reverse
2.5 | round
3.5 | round
2.567 | round(2)
2.567 | round(1, 'floor')
2.561 | round(1, 'ceil')
-2.5 | round
5 | round
1234 | round(-2)
1250 | round(-2)
1234.5 | round(-2)
2.675 | round(2)
1e20 | round
0.5 | round | int
'a' | round
2.5 | round(method='nope')
html | safe
xs | select('odd') | list
[0, 1, '', 'a', none] | select | list
xs | select('gt', 1) | list
xs | select('in', [1, 2]) | list
xs | select('nosuch') | list
users | selectattr('admin') | map(attribute='name') | list
users | selectattr('name', 'equalto', 'bob') | list | length
users | selectattr('age', '==', 30) | map(attribute='name') | list
users | selectattr('admin', 'defined') | list | length
users | selectattr('address.city', 'eq', 'Rome') | list | length
users | selectattr
xs | sort
xs | sort(reverse=true)
xs | sort(true)
names | sort
names | sort(case_sensitive=true)
names | sort(reverse=true)
users | sort(attribute='age') | map(attribute='name') | list
users | sort(attribute='age', reverse=true) | map(attribute='name') | list
users | sort(attribute='age,name') | map(attribute='name') | list
users | sort(attribute='address.city') | map(attribute='name') | list
[1, 'a'] | sort
[[2, 1], [1, 2]] | sort
[true, 0, 2.5, -1] | sort
d | sort
5 | string
none | string
1.0 | string
[1, 'a'] | string
xs | sum
[1, 2.5] | sum
users | sum(attribute='age')
xs | sum(start=10)
['a'] | sum
[[1], [2]] | sum(start=[])
'hello world-foo (bar) [baz] it\\'s' | title
u | title
'' | title
d | tojson
{'a': [1, 2.5, none, true, 'é"\\n\\\\/<>&\\u0001\\x7f'], 'b': {}, 'c': [], 1: 2, none: 3, true: 4, 1.5: 5} | tojson
d | tojson(indent=2)
[] | tojson(indent=2)
[[], {}, [1]] | tojson(indent=1)
[1, 2] | tojson(indent='\\t')
d | tojson(sort_keys=true)
{'b': 1, 'a': 2} | tojson(sort_keys=true, indent=2)
{'b': [1, 2]} | tojson(separators=(',', ':'))
'é🙂' | tojson(ensure_ascii=true)
'é🙂' | tojson(true)
(1, 2) | tojson
1e16 | tojson
1.0 | tojson
(1e300 * 1e10) | tojson
'x' | tojson
none | tojson
range(3) | tojson
xs | map('abs') | tojson
d.items() | tojson
'\\u2028' | tojson
sp | trim
sp | trim | length
'xxaxx' | trim('x')
5 | trim
'hello world foo bar' | truncate(11)
'hello world foo bar' | truncate(11, true)
'hello world foo bar' | truncate(11, false, '~')
'hello world foo bar' | truncate(11, leeway=0)
'hello world' | truncate(10, leeway=0, killwords=true)
'hello' | truncate(2)
'日本語日本語日本語' | truncate(5, true, '…', 0)
'nospaces_here_at_all' | truncate(8, leeway=0)
[1, 2, 1, 'a', 'A', true] | unique | list
names | unique | list
names | unique(case_sensitive=true) | list
users | unique(attribute='age') | map(attribute='name') | list
'abc' | upper
'a b&c=d/é' | urlencode
{'a b': 'c&d', 'e': 1} | urlencode
[('a', 1), ('b', '/')] | urlencode
5 | urlencode
'one two-three, four_five' | wordcount
'日本語 x' | wordcount
{'class': 'a', 'id': none, 'x': '<'} | xmlattr
{'class': 'a'} | xmlattr(false)
{'a b': 1} | xmlattr
xs | nosuchfilter
xs | sort | first | string | upper
'a' | upper | lower ~ 'B'
1 + 2 | string
(1 + 2) | string
-1 | string
xs|join(',')|replace(',', ';')
1.5|int + 1
s | upper is upper
not xs | length > 2
xs | length > 2 and true
""")

# Tests
e("""
true is boolean
1 is boolean
s.upper is callable
range is callable
s is callable
s is defined
missing is defined
missing is undefined
missing is not defined
6 is divisibleby 3
6 is divisibleby(4)
6 is divisibleby 0
1 is eq 1
1 is equalto 2
1 is ne 2
1 is lt 2
1 is le 1
1 is gt 2
1 is ge 1
2 is lessthan 3
2 is greaterthan 3
1 is == 1
4 is even
3 is odd
-3 is odd
2.0 is even
'a' is even
false is false
0 is false
true is true
1 is true
1.0 is float
1 is float
1 is integer
true is integer
1 is in [1, 2]
'a' is in 'abc'
1 is not in [2]
xs is iterable
s is iterable
5 is iterable
d is iterable
none is iterable
missing is iterable
'abc' is lower
'Abc' is lower
'ABC' is upper
d is mapping
xs is mapping
none is none
0 is none
missing is none
1 is number
true is number
'1' is number
none_value is sameas none
1 is sameas true
false is sameas false
xs is sequence
s is sequence
d is sequence
5 is sequence
(1, 2) is sequence
range(2) is sequence
d.items() is sequence
(xs | map('abs')) is sequence
(xs | map('abs')) is iterable
s is string
5 is string
'upper' is filter
'nope' is filter
'odd' is test
'nope' is test
s is escaped
1 is nosuchtest
not 1 is odd
1 is odd and 2 is even
xs | length is odd
1 is odd is true
'x' is string and 'y'
d.zzz is defined and d.zzz.y
d.b is defined and d.b == 1
users[0].name is string
users[9] is defined
users[9].name is defined
namespace is callable
""")

# Functions and calls
e("""
dict(a=1, b=2)
dict({'a': 1}, b=2)
dict([('a', 1), ('b', 2)])
dict(a=1).a
namespace(a=1).a
namespace(a=1).b is defined
namespace({'a': 2}).a
namespace(_a=1)
raise_exception('boom')
raise_exception()
range(*[1, 4]) | list
dict(**{'x': 1})
'{} {}'.format(*['a', 'b'])
'{a}'.format(**{'a': 1})
s.replace(*('l', 'x'))
none()
5()
'a'()
d.b()
range(1, 2, 3, 4)
range()
dict(1)
dict([1])
cycler('a', 'b').next()
joiner(',')() ~ 'x'
cycler()
loop is defined
caller is defined
strftime_now('%Y-%m-%d')
(xs | map('abs') | list)[0]
(s)
((1))
[[[1]]][0][0][0]
{'a': {'b': [10, 20]}}.a.b[1]
{'a': 1}['a']
'abc'[1]
[1, 2, 3][1:][0]
s.split(' ')[0].upper()
d['a'][0] + d.a[1]
users[0]['address']['city'][0]
'a' in ['a'] and 'b' in 'abc'
""")

# Syntax errors and odd tokens
t(
    "{{ }}", "{{ 1 + }}", "{{ (1 }}", "{{ [1 }}", "{{ {1:2 }}", "{{ 'abc }}", "{{ 1 2 }}", "{% if %}x{% endif %}",
    "{% if 1 %}x", "{% endif %}", "{% for %}{% endfor %}", "{% for x in %}{% endfor %}", "{% for x xs %}{% endfor %}",
    "{% set %}", "{% set 1 = 2 %}", "{% set a.b.c = 2 %}", "{% unknown %}", "{% include 'x' %}", "{% extends 'x' %}",
    "{% import 'x' as y %}", "{% from 'x' import y %}", "{% break %}", "{% macro %}{% endmacro %}",
    "{% macro m(a=1, b) %}{% endmacro %}", "{{ a b }}", "{{ @ }}", "{{ $ }}", "{{ 1 is }}", "{{ 1 | }}", "{{ a. }}",
    "{{ a[ }}", "{# unclosed", "{{ unclosed", "{% raw %}x", "{{ ) }}", "{{ (] }}", "{% if 1 %}{% else %}{% else %}{% endif %}",
    "{% elif 1 %}", "{% for x in xs %}{% endif %}", "{{ f(a=1, 2) }}", "{{ f(*a, *b) }}", "{{ f(**a, *b) }}", "{% set true = 1 %}",
    "{{ 'a' 'b' 1 }}", "{{ 1.2.3 }}", "{{ 01 }}", "{{ 1__0 }}", "{{ ! }}", "{{ a ! b }}", "{{ not }}", "{{ is }}", "{{ in }}",
    "{{ '\\x4' }}", "{{ '\\u12' }}", "{% call f %}{% endcall %}", "{% filter %}{% endfilter %}", "{% filter nosuch %}{% endfilter %}",
    "{{ x = 1 }}", "{{ {1} }}", "{{ {**a} }}", "{{ [*a] }}", "{{ a if }}", "{{ lambda: 1 }}", "{% set x += 1 %}", "{{ a := 1 }}",
)

# Text, whitespace, comments, raw
t(
    "", "plain", "plain\n", "plain\n\n", "\n", "\n\n", "a\r\nb\rc\n", "{", "}", "{ {", "}}", "%}", "#}", "{ { x } }", "a { b } c",
    "{{ 1 }}\n", "{{ 1 }}\n\nx", "{% if 1 %}\nx\n{% endif %}\ny", "{% if 1 %}x\n{% endif %}\n\ny", "  {% if 1 %}x{% endif %}",
    "a  {% if 1 %}x{% endif %}", "a\n  {% if 1 %}\n  x\n  {% endif %}\nb", "\t{% if 1 %}\tx\t{% endif %}\t", "  {{ 1 }}  ",
    "a\n  {{ 1 }}\n  b", "a  {{- 1 }}", "{{ 1 -}}  b", "a\n\n{{- 1 -}}\n\nb", "a \n {%- if 1 -%} \n x \n {%- endif -%} \n b",
    "a\n  {%+ if 1 %}x{% endif %}", "{% if 1 +%}\nx{% endif +%}\ny", "a\n  {#- c -#}\n  b", "a\n  {# c #}\n  b", "a {# c #} b",
    "a\n{# c #}\n\nb", "a\n  {#+ c +#}\n  b", "{# {{ x }} {% if %} #}y", "{# a #}{# b #}", "{#\nmulti\nline\n#}z", "{##}x", "{#-#}x",
    "{#- -#} x", "x {#-#} y", "{% raw %}{{ x }} {% if %} {# #}{% endraw %}", "a\n  {% raw %}\n  {{ x }}\n  {% endraw %}\nb",
    "a {%- raw -%}  x  {%- endraw -%} b", "a {% raw -%}\n x {% endraw %}\n b", "{% raw %}{% raw %}{% endraw %}", "{%raw%}x{%endraw%}",
    "{%- raw %} x {% endraw -%} y", "{% raw %} {% endra %} {% endraw %}", "{%if 1%}x{%endif%}", "{%-if 1-%} x {%-endif-%}",
    "{{1}}{{2}}", "{{ 'a' }}\n{{ 'b' }}\n", "  {% set x = 1 %}  \n{{ x }}", "  {% set x = 1 -%}  \n{{ x }}", "x\n{% set y = 1 %}\nz",
    "x {% set y = 1 %}\nz", "x\n\n  {% set y = 1 %}\n\nz", "{% for i in xs %}\n{{ i }}\n{% endfor %}\n", "{% for i in xs -%}\n{{ i }}\n{%- endfor %}\n",
    "{% for i in xs %}{{ i }} {% endfor %}\nend", "{{ '}}' }}", "{{ '%}' }}", "{% if '%}' %}x{% endif %}", "{{ {'a': {'b': 1}}['a'] }}",
    "{{ {'a': {'b': 1}} }}", "{{{'a': 1}}}", "{{ {'a': 1}}}", "{{-1}}", "{{- 1}}", "{{ -1 }}", "{{--1}}", "a {{-1}}", "{{1-}} b", "{{+1}}", "{%+ if 1 %}x{%+ endif %}",
    "\u00a0{% if 1 %}x{% endif %}", "a\u00a0\n \u00a0 {%- if 1 %}x{% endif %}", "日本{{ '語' }}\n", "{{ 'a\nb' }}", "{{ 1\n+\n2 }}", "{%\nif 1\n%}x{%\nendif\n%}",
    "a\n{% if 1 %}{% endif %}\nb", "a\n {% if 1 %} {% endif %} \nb", "  x {%- if 0 %} y {%- else %} z {%- endif %} w  ",
    "{% if 1 %}\n\n\nx{% endif %}", "{{ 1 }}{% if 1 %}\n{% endif %}x", "a\n    {%- for i in [1,2] %}\n    {{- i }}\n    {%- endfor %}\nb", "\n\n{%- if 1 %}x{% endif %}",
    "x\n \t {% if 1 %}y\n \t {% endif %}z", "{% if 1 %}  {% endif %}", "\n  {% if 1 %}x{% endif %}", "{{ x }}  {% if 1 %}y{% endif %}", "{{ 1 }}  {# c #}y",
)

# Statements
t(
    "{% if n > 5 %}big{% elif n > 3 %}mid{% else %}small{% endif %}", "{% if 0 %}a{% elif 1 %}b{% elif 1 %}c{% endif %}", "{% if missing %}a{% endif %}",
    "{% if missing.x %}a{% endif %}", "{% if not missing %}a{% endif %}", "{% if xs: %}a{% endif %}", "{% if 1, %}a{% endif %}", "{% if 1 if 1 else 0 %}x{% endif %}",
    "{% for x in xs %}{{ x }},{% endfor %}", "{% for x in [] %}a{% else %}empty{% endfor %}", "{% for x in missing %}a{% else %}empty{% endfor %}",
    "{% for x in none %}a{% endfor %}", "{% for x in 5 %}a{% endfor %}", "{% for c in 'añ🙂' %}[{{ c }}]{% endfor %}", "{% for k in d %}{{ k }};{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k, v in d %}{% endfor %}", "{% for a, b in [[1, 2], (3, 4), 'xy'] %}{{ a }}-{{ b }};{% endfor %}",
    "{% for a, b in [[1, 2, 3]] %}{% endfor %}", "{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "{% for a, in [[1]] %}{{ a }}{% endfor %}",
    "{% for x in xs if x > 1 %}{{ x }}{% else %}none{% endfor %}", "{% for x in xs if x > 9 %}{{ x }}{% else %}none{% endfor %}",
    "{% for x in xs if x > 1 %}{{ loop.index }}/{{ loop.length }}:{{ x }} {% endfor %}", "{% for x in xs %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }} {% endfor %}",
    "{% for x in xs %}{{ loop.previtem | default('-') }}<{{ x }}>{{ loop.nextitem | default('-') }} {% endfor %}", "{% for x in [1,1,2,2,1] %}{{ loop.changed(x) }} {% endfor %}",
    "{% for x in range(5) %}{{ loop.cycle('a', 'b', 'c') }}{% endfor %}", "{% for x in xs %}{{ loop.cycle() }}{% endfor %}", "{% for x in xs %}{{ loop.depth }}{{ loop.depth0 }}{% endfor %}",
    "{% for x in xs %}{{ loop }}{% endfor %}", "{% for x in xs %}{% for y in xs %}{{ loop.index }}{% endfor %}{{ loop.index }};{% endfor %}", "{{ loop }}", "{% for x in xs %}{% endfor %}{{ loop }}", "{% for x in xs %}{% endfor %}{{ x }}",
    "{% for x in xs %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}", "{% for x in xs %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% else %}e{% endfor %}",
    "{% for x in xs %}{% break %}{% else %}e{% endfor %}", "{% for x in xs %}{% for y in xs %}{% if y == 1 %}{% break %}{% endif %}{{ y }}{% endfor %}|{% endfor %}",
    "{% for i in tree recursive %}{{ i.v }}{% if i.c %}({{ loop(i.c) }}){% endif %}{% endfor %}", "{% for i in tree recursive %}{{ loop.depth }}{{ loop.index }}{{ loop(i.c) }}{% endfor %}",
    "{% for i in tree %}{{ loop(i.c) }}{% endfor %}", "{% set x = 0 %}{% for i in xs %}{% set x = x + i %}{{ x }};{% endfor %}{{ x }}", "{% set ns = namespace(x=0) %}{% for i in xs %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}",
    "{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}", "{% for i in [1] %}{% if true %}{% set y = 2 %}{% endif %}{{ y }}{% endfor %}{{ y }}", "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set a, b = [1] %}",
    "{% set a = 1, 2 %}{{ a }}", "{% set (a, b) = 'xy' %}{{ a }}{{ b }}", "{% set ns = namespace() %}{% set ns.a, b = 1, 2 %}{{ ns.a }}{{ b }}", "{% set d.x = 1 %}", "{% set nope.x = 1 %}", "{% set ns = namespace() %}{% set ns._x = 1 %}", "{% set ns = namespace(a=1) %}{{ ns }}", "{% set ns = namespace() %}{{ ns.x }}", "{% set ns = namespace() %}{{ ns['x'] is defined }}{% set ns.x = 1 %}{{ ns['x'] }}",
    "{% set x %}a{{ 1 }}b{% endset %}[{{ x }}]", "{% set x | upper %}abc{% endset %}{{ x }}", "{% set x | upper | replace('A', 'z') %}abc{% endset %}{{ x }}", "{% set x %}{% set y = 1 %}{% endset %}{{ y is defined }}", "{% set ns = namespace() %}{% set ns.x %}blk{% endset %}{{ ns.x }}", "{% set x = 1 %}{% set x %}{{ x }}2{% endset %}{{ x }}",
    "{% filter upper %}abc{{ s }}{% endfilter %}", "{% filter upper | replace('A', 'q') %}abc{% endfilter %}", "{% filter indent(2) %}a\nb{% endfilter %}",
    "{% with %}{% set x = 1 %}{{ x }}{% endwith %}{{ x }}", "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}", "{% set a = 5 %}{% with a = 1, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}",
    "{% macro m() %}x{% endmacro %}{{ m() }}{{ m() }}", "{% macro m(a, b=2) %}{{ a }}-{{ b }};{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(b=1, a=2) }}{{ m() }}", "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{% endmacro %}{{ m(z=2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, a=2) }}",
    "{% macro m(a, b=a) %}{{ b }}{% endmacro %}{{ m(3) }}", "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }}", "{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}", "{% macro m() %}{{ s }}{% endmacro %}{{ m() }}",
    "{% set x = 1 %}{% macro m() %}{{ x }}{% endmacro %}{% set x = 2 %}{{ m() }}", "{% macro m() %}{{ x }}{% endmacro %}{% set x = 2 %}{{ m() }}", "{% macro m() %}{% set z = 1 %}{% endmacro %}{{ m() }}{{ z is defined }}", "{% for i in xs %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}", "{% macro m() %}{{ loop is defined }}{% endmacro %}{% for i in [1] %}{{ m() }}{% endfor %}",
    "{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}body{% endcall %}", "{% macro m() %}[{{ caller(1, 2) }}]{% endmacro %}{% call(a, b) m() %}{{ a }}{{ b }}{% endcall %}", "{% macro m() %}[{{ caller() }}]{% endmacro %}{{ m() }}", "{% macro m() %}x{% endmacro %}{% call m() %}y{% endcall %}", "{% macro m(a) %}{{ a }}{{ caller() }}{% endmacro %}{% call m('p') %}{{ n }}{% endcall %}", "{{ m() }}{% macro m() %}x{% endmacro %}",
    "{% macro m(a, b=1) %}{% endmacro %}{{ m.name }}{{ m.arguments }}{{ m.catch_kwargs }}{{ m.catch_varargs }}{{ m.caller }}", "{% macro m() %}  x\n{% endmacro %}[{{ m() }}]", "{% macro m() -%}  x\n{%- endmacro %}[{{ m() | upper }}]", "{% macro outer() %}{% macro inner() %}i{% endmacro %}{{ inner() }}{% endmacro %}{{ outer() }}{{ inner is defined }}",
    "{% print 1, 2 %}", "{% generation %}a{{ n }}{% endgeneration %}", "{% generation %}{% set q = 1 %}{{ q }}{% endgeneration %}{{ q is defined }}", "{%- generation -%} x {%- endgeneration -%} y", "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.current }}{{ c.next() }}{{ c.next() }}{% set _ = c.reset() %}{{ c.current }}", "{% set j = joiner('; ') %}{% for x in xs %}{{ j() }}{{ x }}{% endfor %}", "{% set g = xs | map('string') %}{{ g | list }}{{ g | list }}", "{% if xs | select('gt', 100) %}y{% else %}n{% endif %}", "{% if xs | select('gt', 100) | list %}y{% else %}n{% endif %}", "{% for a in xs | sort %}{{ a }}{% endfor %}", "{% for a in xs | map('string') %}{{ loop.last }}{{ loop.length }}{% endfor %}", "{% for x in 1, 2 %}{{ x }}{% endfor %}", "{% for x in (1, 2) if x %}{{ x }}{% endfor %}", "{% for x in xs[::-1] %}{{ x }}{% endfor %}", "{% for x in xs | reverse %}{{ x }}{% endfor %}",
    "{% set messages = users[1:] %}{{ messages | length }}{{ messages[0].name }}", "{% for m in users %}{% if loop.index0 == 0 %}{% set c = m.name %}{% else %}{% set c = 'o' %}{% endif %}{{ c }}{% endfor %}", "{% set x = x | default(5) %}{{ x }}", "{% for x in [1,2,3] %}{% set y = y | default(0) + x %}{{ y }}{% endfor %}", "{% if (n > 3) != (xs[0] % 2 == 0) %}odd{% endif %}", "{%- for k, v in d | dictsort %}{{ k }}:{{ v }};{% endfor %}", "{% set ns = namespace(found=false) %}{% for x in xs if not ns.found %}{{ x }}{% set ns.found = true %}{% endfor %}", "{% for x in xs %}{% set loop = 5 %}{{ loop }}{% endfor %}", "{% set range = 5 %}{{ range }}", "{% set dict = 1 %}{{ dict }}", "{% macro m(loop) %}{{ loop }}{% endmacro %}{{ m(4) }}", "{% set a = b = 1 %}",
    "{{ 'a' if n == 7 }}{{ 'b' if n == 8 }}", "{{ ('x' if n == 8) ~ 'y' }}", "{{ namespace }}", "{{ d | tojson | length }}", "{{ users | tojson }}", "{{ users }}", "{{ tree | string }}", "{{ users[0].items() | list }}", "{% for k, v in users[0] | items %}{{ loop.index }}{{ k }}{% endfor %}", "{{ xs is sequence and xs is not string and xs is not mapping }}", "{% for i in range(3) %}{{ i }}{{ ',' if not loop.last }}{% endfor %}", "{{- s -}}", "{{ bos_token }}", "{{ (n, s) }}", "{{ [1, 2] | length ~ 'x' }}", "{% set x = {'a': 1} %}{{ x.a }}{% set x = dict(x, b=2) %}{{ x }}", "{% set l = [] %}{% set l = l + [1] %}{{ l }}", "{% set _ = d.update({'z': 1}) %}", "{% do 1 %}",
)

SNIPPETS = E_
