"""Expressions, one a line: operators, literals, subscripts, methods of strings, printf formatting."""

# Arithmetic, comparison, precedence
ARITHMETIC = """
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
"""

# Literals, subscripts, slices
LITERALS = """
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
"""

# String methods
STRING_METHODS = """
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
"""

# printf formatting
PRINTF = """
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
"""
