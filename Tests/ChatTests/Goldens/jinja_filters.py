"""What expressions call, one a line: filters, tests, functions."""

# Filters
FILTERS = """
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
"""

# Tests
TESTS = """
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
"""

# Functions and calls
FUNCTIONS = """
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
"""
