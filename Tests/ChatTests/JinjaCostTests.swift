import Foundation
import MartletJSON
import MartletJinja
import Synchronization
import Testing

/// Every operation over large values, made by doubling: it ends within the bounds, with a value or an error, soon.
@Suite(.serialized) struct JinjaCostTests {
    /// Values that grow fast for few steps. `X` and `Y` are two of equal content and separate storage.
    private static let values: [(name: String, setup: String)] = [
        ("text", doubling("'ab c\\u00e9'", "V ~ V", 18)),
        ("ASCII", doubling("'ab,c'", "V ~ V", 19)),
        ("one letter", doubling("'aaaa'", "V ~ V", 19)),
        ("mixed", doubling("'a' ~ d", "V ~ V", 15)),
        ("list", doubling("[1]", "V + V", 16)),
        ("list of texts", doubling("['a' * 1000]", "V + V", 14)),
        ("nested", doubling("[1]", "[V, V]", 90)),
        ("tuples", doubling("(1,)", "(V, V)", 90)),
        ("dictionaries", doubling("{'a': 1}", "{'a': V, 'b': V}", 90)),
        ("dictionary", "{% set X = dict(range(20000)|batch(2)|list) %}{% set Y = dict(range(20000)|batch(2)|list) %}"),
        ("big key", "{% set k = 'a' * 1000000 %}{% set X = {k: 1} %}{% set Y = {'a' * 1000000: 1} %}"),
        ("big texts", "{% set X = ['a' * 1000000] * 1000 %}{% set Y = ['a' * 1000000] * 1000 %}"),
        ("view", "{% set e = dict(range(20000)|batch(2)|list) %}{% set X = e.items() %}{% set Y = e.items() %}"),
        ("range", "{% set X = range(100000) %}{% set Y = range(1, 100001) %}"),
        ("not numbers", "{% set X = ['nan'|float] * 20000 %}{% set Y = X %}"),
        ("large integers", "{% set X = range(2 ** 62, 2 ** 62 + 20000)|list %}{% set Y = X %}"),
        ("functions", "{% set X = [cycler, cycler(1), namespace()] * 20000 %}{% set Y = X %}"),
    ]

    private static func doubling(_ start: String, _ double: String, _ times: Int) -> String {
        ["X", "Y"].map { name in
            let grown = double.replacing("V", with: "n.v")
            return
                "{% set n = namespace(v=\(start)) %}{% for i in range(\(times)) %}{% set n.v = \(grown) %}{% endfor %}"
                + "{% set \(name) = n.v %}"
        }.joined()
    }

    private static let uses = [
        "X == Y", "X != Y", "X < Y", "X in Y", "X in [Y, Y, X]", "X[0] in Y", "X + Y", "X * 3", "X ~ Y", "X % Y",
        "'%s' % X",
        "'%r' % [X]", "X[::-1]", "X[1:]", "X[::2]", "X[:-1][-1]", "X[7]", "X[X]", "X.foo", "{X: 1}", "{X: 1}[Y]",
        "[X, Y] | unique",
        "[X, Y, X] | sort", "X | sort", "X | sort(case_sensitive=true)", "X | sort(attribute='0')", "X | unique | list",
        "X | groupby('0')", "X | groupby(0)", "X | min", "X | max", "X | sum", "X | sum(start=[])", "X | join",
        "X | join(Y|string)", "X | join('ab')", "X | list", "X | reverse | list", "X | first", "X | last", "X | length",
        "X | batch(2) | list", "X | slice(3) | list", "X | map('upper') | list", "X | map('string') | join",
        "X | map('length') | list", "X | map(attribute='a') | list", "X | select('eq', Y) | list",
        "X | select('in', Y) | list",
        "X | selectattr('a') | list", "X | reject | list", "X | tojson", "X | tojson(indent=8)", "X | pprint",
        "X | string",
        "X | escape", "X | upper", "X | lower", "X | title", "X | capitalize", "X | trim", "X | trim(Y)",
        "X | replace('a', 'bb')",
        "X | replace(Y, '')", "X | replace('', 'x')", "X | indent", "X | truncate(100000)", "X | wordcount",
        "X | urlencode",
        "X | int", "X | float", "X | format(Y)", "X | center(16000000)", "X | dictsort", "X | dictsort(by='value')",
        "X | items | list", "X | xmlattr", "X | default(Y)", "X | attr('x')", "X | filesizeformat", "X | count",
        "X is sameas Y",
        "X is eq Y", "X is lower", "X is upper", "X is in Y", "X is iterable", "X.split('a') | length",
        "X.split() | length",
        "X.split(Y) | length", "X.rsplit('a', 1000000) | length", "X.rsplit(Y, 5) | length", "X.splitlines() | length",
        "X.replace('a', '')", "X.find('zzz')", "X.find(Y)", "X.rfind('zzzzzzzzzzzzzzzzzzzzzzz')", "X.count('a')",
        "X.index(Y)",
        "X.startswith(Y)", "X.endswith(Y)", "X.upper()", "X.title()", "X.swapcase()", "X.strip('ab')", "X.isalpha()",
        "X.isprintable()", "X.istitle()", "X.partition(Y)", "X.rpartition('zz')", "X.expandtabs()", "X.format(Y)",
        "X.join(Y)", "'ab'.join(X)", "X.zfill(16000000)", "X.removeprefix(Y)", "X.keys() | list", "X.items() | list",
        "X.values() == Y.values()", "X.items() == Y.items()", "X.keys() == Y.keys()", "X.get(Y)", "X.copy()",
        "X.get(0)",
        "'{}'.format(X)", "'{!r}'.format(X)", "'{0[a]}'.format(X)", "'{a}'.format_map(X)", "dict(X)", "namespace(X)",
        "cycler(X, Y).next()", "raise_exception(X)", "strftime_now(X)", "range(X)", "X and Y", "not X",
    ]

    private static let loops = [
        "{% for c in X %}{{ c }}{% endfor %}", "{% for c in X %}{% if c == Y %}{% endif %}{% endfor %}",
        "{% for c in X %}{% if c in Y %}{% endif %}{% endfor %}",
        "{% for i in range(99999) %}{% if X == Y %}{% endif %}{% endfor %}",
        "{% for i in range(99999) %}{% set a = X[1:] %}{% endfor %}",
        "{% for i in range(99999) %}{% set a = X | length %}{% endfor %}",
        "{% for i in range(99999) %}{% set a = X[-1] %}{% endfor %}",
        "{% for c in X[::-1] %}{{ loop.changed(Y) }}{% endfor %}",
        "{% for i in range(99999) %}{% set a = {X: 1} %}{% endfor %}",
        "{% set n = namespace(a=[]) %}{% for i in range(99999) %}"
            + "{% set n.a = n.a + [X ~ i] %}{% endfor %}",
        "{% macro f(x) %}{{ x }}{% endmacro %}{% for i in range(9999) %}{% set a = f(X) %}{% endfor %}",
        "{% for i in range(9999) %}{% filter upper %}{{ X }}{% endfilter %}{% endfor %}",
        "{% for a, b in X.items() %}{{ a == Y }}{% endfor %}", "{% for a in X recursive %}{{ loop(a) }}{% endfor %}",
    ]

    @Test(arguments: values.indices) func operationsEndWithinTheBounds(_ index: Int) throws {
        let (name, setup) = Self.values[index]
        let variables = JSONObject([("d", "x")])
        var limits = JinjaLimits()
        limits.seconds = 0.05
        var slowest = (0.0, "")
        for use in Self.uses.map({ "{% set r = " + $0 + " %}" }) + Self.loops {
            let start = processorSeconds
            do throws(JinjaError) { _ = try JinjaTemplate(setup + use, limits: limits).render(variables) } catch {
                #expect(!error.description.isEmpty)
            }
            let taken = processorSeconds - start
            if taken > slowest.0 { slowest = (taken, use) }
        }
        // Without the bounds many of these take minutes or all memory.
        #expect(slowest.0 < 3, "\(name): \(slowest.1) took \(slowest.0) s")
    }

    @Test func cancellingTheTaskEndsTheRendering() async throws {
        var limits = JinjaLimits()
        limits.seconds = 1000
        limits.steps = .max
        let template = try JinjaTemplate(
            "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", limits: limits)
        let task = Task.detached { () -> JinjaError? in
            do throws(JinjaError) {
                _ = try template.render(JSONObject())
                return nil
            } catch { return error }
        }
        try await Task.sleep(for: .milliseconds(50))
        task.cancel()
        #expect(await task.value?.kind == .cancelled)
    }

    @Test func aCheckOfTheCallersEndsTheRendering() throws {
        let asked = Mutex(0)
        var limits = JinjaLimits()
        limits.isCancelled = {
            asked.withLock {
                $0 += 1; return $0 > 3
            }
        }
        let template = try JinjaTemplate("{% for a in range(99999) %}{% endfor %}", limits: limits)
        #expect(throws: JinjaError.self) { try template.render(JSONObject()) }
        #expect(asked.withLock { $0 } == 4)
    }

    @Test func compilingEndsSoon() {
        let parts: [(String, String, String)] = [
            ("", "{{1}}", ""), ("{{ f(", "aaaa=1,", ") }}"), ("", "{% macro N() %}{% endmacro %}", ""),
            ("{{ [", "1,", "] }}"),
            ("{{ {", "1:1,", "} }}"), ("{{ '", "\\x41", "' }}"), ("", "{#", ""), ("", "{% raw %}", ""),
            ("{{ ", "'a' ", "}}"),
            ("", "{% if 1 %}a{% endif %}\n", ""), ("{% set x = 1 %}", "{% set N = x %}", ""),
            ("{{ 1", " if 1 else 1", "}}"),
        ]
        for (open, part, close) in parts {
            var body = ""
            var count = 0
            while body.utf8.count < 400_000 {
                count += 1
                body += part.replacing("N", with: "n\(count)").replacing("aaaa", with: "a\(count)")
            }
            let start = processorSeconds
            _ = try? JinjaTemplate(open + body + close).render(JSONObject())
            let taken = processorSeconds - start
            #expect(taken < 5, "\(part) took \(taken) s")
        }
    }

    @Test func quotedInputIsShortAndPlain() throws {
        let escape = "\u{1B}[31m"
        let long = String(repeating: "x", count: 100_000)
        for source in [
            "{{ raise_exception('\\x1b[31m' * 1000) }}", "{{ raise_exception(d) }}", "{{ \(long) | foo }}",
            "{{ x is \(long) }}",
            "{% \(long) %}", "{{ \(long)() }}", "{{ {}[d].x }}", "{{ none[d].y }}", "{{ '%(k)s' % {} }}",
            "{{ '{k}'.format() }}",
            "{{ {d: 1} | xmlattr }}", "{{ f(\(long)=1) }}", "{{ [1] | map(d) | list }}",
            "{{ dict(**{d: 1}, x=d)[d ~ 1].a }}",
            "{{ trim(\(long)=1) }}", "{{ '' | trim(\(long)=1) }}", "{{ \u{1B} }}", "{{ '{\(escape)}'.format() }}",
        ] {
            let variables = JSONObject([("d", .string(escape + long))])
            do throws(JinjaError) { _ = try JinjaTemplate(source).render(variables) } catch {
                let text = error.description
                #expect(text.utf8.count < 2100, "\(text.prefix(100))")
                #expect(
                    text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }, "\(text.debugDescription)")
                if error.kind != .raised { #expect(error.reason.utf8.count < 400, "\(error.reason.prefix(100))") }
            }
        }
    }
}
