"""Whole templates: wrong syntax, text and the white space around tags, statements."""

# Syntax errors and odd tokens
ODD_SYNTAX = [
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
]

# Text, whitespace, comments, raw
TEXT = [
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
]

# Statements
STATEMENTS = [
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
]
