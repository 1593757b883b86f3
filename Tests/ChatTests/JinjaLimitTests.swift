import MartletJSON
import MartletJinja
import Testing

/// Hostile templates: each gives a typed error, soon.
struct JinjaLimitTests {
    private func failure(_ source: String, _ variables: JSONObject = JSONObject()) -> JinjaError? {
        do {
            _ = try JinjaTemplate(source).render(variables)
            return nil
        } catch {
            return error
        }
    }

    @Test(arguments: [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{{ 'x' * 10 ** 9 }}", "{{ [0] * 10 ** 9 }}", "{{ (1, 2) * 10 ** 15 }}", "{{ 'x'.center(10 ** 12) }}",
        "{{ 'x' | center(10 ** 12) }}", "{{ 'x'.zfill(10 ** 12) }}", "{{ '%999999999d' % 1 }}",
        "{{ '%.999999999f' % 1 }}",
        "{{ '{:999999999}'.format(1) }}", "{{ '%*d' % (99999999, 1) }}", "{{ [1] | batch(10 ** 12, 'x') | list }}",
        "{{ [1] | slice(10 ** 12) | list }}", "{{ [1] | tojson(indent=10 ** 9) }}", "{{ 'a\nb' | indent(10 ** 12) }}",
        "{% set ns = namespace(x='aaaaaaaaaaaaaaaa') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x | tojson }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{% macro a() %}{{ caller() }}{% endmacro %}{% macro b() %}{% call a() %}{{ b() }}{% endcall %}{% endmacro %}{{ b() }}",
        "{% for a in range(99999) %}{{ 'yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy' * 99 }}{% endfor %}",
        "{% set s = 'ab' * 4000000 %}{% for a in range(99999) %}{{ s | replace('a', 'bb') | length }}{% endfor %}",
        "{% set s = 'a' * 4000000 %}{% for a in range(99999) %}{{ s.rsplit(s ~ 'b', 1) | length }}{% endfor %}",
        "{{ '{0:{0:{0}}}'.format(1) }}",
    ])
    func boundsHold(_ source: String) throws {
        let start = processorSeconds
        let error = try #require(failure(source))
        #expect(error.kind == .limit || error.kind == .value, "\(error)")
        #expect(error.line > 0)
        #expect(processorSeconds - start < 20)
    }

    @Test(arguments: [
        "{{ 2 ** 10 ** 9 }}", "{{ 9223372036854775807 + 1 }}", "{{ -9223372036854775807 - 2 }}",
        "{{ 4611686018427387904 * 2 }}", "{{ (-9223372036854775807 - 1) // -1 }}", "{{ -(-9223372036854775807 - 1) }}",
        "{{ (-9223372036854775807 - 1) | abs }}", "{{ 1e300 | int }}", "{{ range(10 ** 12) }}",
        "{{ range(-9223372036854775807, 9223372036854775807) }}", "{{ '99999999999999999999' | int }}",
        "{{ 10.0 ** 400 }}", "{{ 99999999999999999999 }}",
    ])
    func integersOverflowAsErrors(_ source: String) throws {
        let error = try #require(failure(source))
        #expect(error.kind == .value || error.kind == .syntax, "\(error)")
    }

    @Test(arguments: [
        ("(", ")"), ("[", "]"), ("{1:", "}"), ("not ", ""), ("-", ""), ("1 if 1 else ", ""), ("f(", ")"), ("x|d(", ")"),
    ])
    func deepNestingIsRefused(_ open: String, _ close: String) throws {
        for count in [1000, 100_000] {
            let source =
                "{{ " + String(repeating: open, count: count) + "1" + String(repeating: close, count: count) + " }}"
            let error = try #require(failure(source))
            #expect(error.kind == .limit, "\(error)")
        }
    }

    @Test func longChainsAreRefusedOrRun() {
        for part in ["+1", ".a", "[0]", "|d(1)", "**1", " and 1", " if 1 else 2", "()"] {
            let source = "{{ x" + String(repeating: part, count: 50_000) + " }}"
            #expect(failure(source) != nil, "\(part)")
        }
        #expect(failure("{{ 1" + String(repeating: "~1", count: 50_000) + " }}") == nil)
        #expect(failure("{{ 1" + String(repeating: "==1", count: 50_000) + " }}") == nil)
    }

    @Test func deepStatementsAreRefused() throws {
        for (open, close) in [("{% if 1 %}", "{% endif %}"), ("{% for x in [1] %}", "{% endfor %}")] {
            let source = String(repeating: open, count: 50_000) + String(repeating: close, count: 50_000)
            #expect(try #require(failure(source)).kind == .limit)
        }
    }

    @Test(arguments: ["include 'x'", "import 'x' as y", "from 'x' import y", "extends 'x'", "do 1", "autoescape true"])
    func otherTemplatesAreRefusedByName(_ tag: String) throws {
        let error = try #require(failure("line one\n{% \(tag) %}"))
        #expect(error.kind == .unsupported)
        #expect(error.line == 2)
        #expect(error.reason.contains(tag.split(separator: " ")[0]))
    }

    @Test func errorsNameLineAndReason() throws {
        let raised = try #require(failure("a\nb\n{{ raise_exception('no ' ~ 'way') }}"))
        #expect(raised == JinjaError(.raised, "no way", line: 3))
        let undefined = try #require(failure("a\n{% if 1 %}\n{{ m.role }}{% endif %}"))
        #expect(undefined.kind == .undefined && undefined.line == 3 && undefined.reason.contains("'m'"))
    }

    /// Templates cut, doubled and overwritten at random give a text or an error, never a crash.
    @Test func mutatedTemplatesNeverCrash() throws {
        let seeds = [
            "{% for m in messages if m.role %}{{ loop.index ~ m['content'][1:-1] | trim }}{% else %}{{ x }}{% endfor %}",
            "{% macro f(a, b=1) %}{{ a * b }}{{ caller() }}{% endmacro %}{% call f(2) %}{{ '%5.2f' % 1.5 }}{% endcall %}",
            "{%- set ns = namespace(a=1) -%}{% set ns.a = ns.a + 2 ** 3 // 4 %}{{ {'a': [1, (2,), none]} | tojson(indent=2) }}",
            "{# c #}{% raw %}{{ }}{% endraw %}{{ 'a\\u00e9' 'b' }}{{ '{:>{w}}'.format(1, w=3) }}{% filter upper %}é{% endfilter %}",
        ]
        let pieces = [
            "{{", "}}", "{%", "%}", "-", "'", "\"", "(", ")", "[", "]", "{", "}", "|", ".", ",", "~", "**", "1e9", "é",
            "\u{1F642}",
            " if ", " for ", " in ", "endfor", "is ", "not ", "%s", "\\", "\n", "range(9)", "loop", "(f)", ":", "-1",
            "9223372036854775807",
        ].map { Array($0.utf8) }
        let variables = JSONObject([
            ("messages", [["role": "user", "content": "añ🙂"], ["role": "tool", "content": nil]]), ("x", 5),
        ])
        var limits = JinjaLimits()
        limits.steps = 20_000
        limits.seconds = 0.2
        var state: UInt64 = 42
        func random(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((state >> 33) % UInt64(max(1, bound)))
        }
        var rendered = 0
        for _ in 0..<20_000 {
            var bytes = Array(seeds[random(seeds.count)].utf8)
            for _ in 0...random(4) {
                let place = random(bytes.count)
                switch random(4) {
                case 0: bytes.removeSubrange(place..<min(bytes.count, place + 1 + random(6)))
                case 1: bytes.insert(contentsOf: pieces[random(pieces.count)], at: place)
                case 2:
                    bytes.insert(
                        contentsOf: bytes[place..<min(bytes.count, place + random(30))], at: random(bytes.count))
                default: if place < bytes.count { bytes[place] = UInt8(random(256)) }
                }
            }
            let source = String(decoding: bytes, as: UTF8.self)
            guard let template = try? JinjaTemplate(source, limits: limits) else { continue }
            if (try? template.render(variables)) != nil { rendered += 1 }
        }
        #expect(rendered > 500)
    }
}
