import MartletJSON
import MartletJinja
import Testing

/// Every operator, filter, method and function over numbers at the edges of their types: a value or a typed error.
struct JinjaExtremeTests {
    private static let numbers = [
        "0", "1", "-1", "(-9223372036854775807-1)", "9223372036854775807", "9223372036854775806", "4611686018427387904",
        "(-4611686018427387904)", "2147483648", "(-2147483648)", "4294967296", "9007199254740993", "65536", "65537",
        "1e308", "(-1e308)", "5e-324", "('nan'|float)", "('inf'|float)", "('-inf'|float)", "0.5", "(-0.0)", "true",
    ]

    /// `A` and `B` stand for numbers.
    private static let binary = [
        "A + B", "A - B", "A * B", "A / B", "A // B", "A % B", "A ** B", "A == B", "A < B", "A in [B]",
        "A is divisibleby B",
        "A in range(B)", "range(A, B)", "range(A, B) | list | length", "range(0, A, B)",
        "range(A, B)[1:] | list | length",
        "range(0, A, B)[2:]", "range(0, A, B)[::-1]", "range(A, B, 4611686018427387904)[1::2] | list",
        "A in range(0, B, 4611686018427387904)", "A in range(0, -5, B)", "A in range(B, 9223372036854775807, 2 ** 61)",
        "range(A, B)[-1]", "'abcdef'[A:B]", "'abc\u{e9}f'[A:B]", "[1, 2, 3][A:B]", "(1, 2, 3)[A::B]",
        "'abcdef'[::A][B:]",
        "[1, 2, 3][A:B:A]", "[1] | batch(A, B) | list", "[1, 2, 3] | slice(A, B) | list", "A | round(B)",
        "A | round(B, 'ceil')", "A | round(B, 'floor')", "'%*d' % (A, B)", "'%.*f' % (A, B)", "'%*.*e' % (A, B, 1)",
        "'%-*s|' % (A, B)", "'%+0*d' % (A, B)", "'a b c' | truncate(A, leeway=B)", "'a b c' | truncate(A, true, '', B)",
        "'a b'.split(' ', A)", "'abc'.find('b', A, B)", "'abc'.count('', A, B)", "'abc'.startswith('b', A, B)",
        "'ab'.replace('', 'x', A)", "[A, B] | sum", "[A, B] | max", "[A, B] | min", "[A, B, A] | unique | list",
        "[A, B, A] | sort", "{A: 1, B: 2}[A]", "{A: B} | tojson", "[A, B] | tojson(indent=A)", "A ~ B",
        "'{:{w}}'.format(A, w=B)", "'{:.{p}f}'.format(A, p=B)", "[A, B] | groupby(0)", "namespace(a=A).a + B",
        "dict([[A, B]])", "[[A, B]] | map(attribute=A) | list", "[A].index(B)", "(A, B) < (B, A)", "A | default(B)",
    ]

    private static let unary = [
        "-A", "+A", "not A", "A | abs", "A | int", "A | float", "A | string", "A | round", "A | filesizeformat",
        "A | filesizeformat(true)", "A is even", "A is odd", "'x' * A", "A * 'x'", "[1] * A", "(1,) * A",
        "'x' | center(A)",
        "'x'.center(A)", "'x'.ljust(A)", "'x'.rjust(A, 'y')", "'7'.zfill(A)", "'a\\nb' | indent(A)",
        "'x' | indent(A, true)",
        "'ff' | int(0, A)", "'12' | int(A)", "[1, 2][A]", "'ab'[A]", "range(3)[A]", "{1: 2}[A]",
        "[1] | tojson(indent=A)",
        "'%d' % A", "'%5d' % A", "'%x' % A", "'%o' % A", "'%c' % A", "'%e' % A", "'%g' % A", "'%.0f' % A", "'%s' % A",
        "'%.20d' % A", "'{}'.format(A)", "'{:d}'.format(A)", "'{:c}'.format(A)", "'{:b}'.format(A)", "'{:,}'.format(A)",
        "'{:%}'.format(A)", "'{:n}'.format(A)", "'{:e}'.format(A)", "'{:030}'.format(A)", "'{0[5]}'.format(A)",
        "'a'.splitlines(A)", "'a b'.rsplit(none, A)", "'a' | replace('a', 'b', A)", "[3, 1] | sort(A)", "[1] | first",
        "cycler(A).next()", "A | urlencode", "A | tojson", "A | pprint", "A | wordcount", "A | upper", "A | list",
        "A | length", "A | items | list", "A | escape", "A | attr('x')", "[A] | join(A)", "[1, 2] | sum(start=A)",
        "[[1]] | map('first') | list", "[[A]] | map('batch', A) | list", "A | xmlattr", "A | dictsort", "A | trim(A)",
        "strftime_now('%Y') | int + A", "[1, 2, 3] | batch(A) | list", "[1, 2, 3] | slice(A) | list",
    ]

    @Test func numbersAtTheEdgesNeverTrap() throws {
        var limits = JinjaLimits()
        limits.seconds = 5
        var values = 0
        var errors = 0
        func run(_ expression: String) throws {
            do {
                let text = try JinjaTemplate("{{ " + expression + " }}", limits: limits).render(JSONObject())
                values += 1
                #expect(text.utf8.count < 1 << 24)
            } catch {
                errors += 1
                #expect(error.kind != .limit || !error.reason.hasPrefix("took longer"), "\(expression): \(error)")
            }
        }
        for a in Self.numbers {
            for form in Self.unary { try run(form.replacing("A", with: a)) }
            for b in Self.numbers {
                for form in Self.binary {
                    try run(
                        form.split(separator: "B", omittingEmptySubsequences: false)
                            .map { $0.replacing("A", with: a) }.joined(separator: b))
                }
            }
        }
        #expect(values > 5000 && errors > 5000, "\(values) values, \(errors) errors")
    }

    @Test(
        arguments: [
            ("[1]|batch(9223372036854775807)|list", nil), ("[1]|batch(-9223372036854775807-1)|list", nil),
            ("'%*d' % (-9223372036854775807-1, 1)", nil), ("'%.*f' % (-9223372036854775807-1, 1.0)", nil),
            ("range(0, 9223372036854775807, 2**62)|list", "[0, 4611686018427387904]"),
            ("range(0, 9223372036854775807, 2**62)[2:]|list", "[]"),
            ("range(0, 9223372036854775807, 2**62)[1:]|list", "[4611686018427387904]"),
            ("range(-9223372036854775807-1, 9223372036854775807, 2**62)|length", "4"),
            ("range(-9223372036854775807-1, 9223372036854775807, 2**62)|last", "4611686018427387904"),
            ("9223372036854775807 in range(0, -5, -1)", "False"),
            ("-9223372036854775807-1 in range(0, -5, -1)", "False"),
            ("-4 in range(0, -5, -1)", "True"), ("-5 in range(0, -5, -1)", "False"), ("2.0 in range(3)", "True"),
            ("4611686018427387904 in range(-9223372036854775807-1, 9223372036854775807, 2**62)", "True"),
            ("range(10)[8:1:-3]|list", "[8, 5, 2]"), ("range(10)[::-4]", "range(9, -3, -4)"),
            ("range(3)[5:]|list", "[]"),
            ("(-9223372036854775807-1) % -1", "0"), ("(-9223372036854775807-1) // -1", nil),
            ("('nan'|float) in {('nan'|float): 1}", "True"), ("[range(2), range(0, 2)]|unique|list|length", "1"),
            ("'a\u{e9}bc'[::-2]", "c\u{e9}"), ("'a\u{e9}bc'[1:]", "\u{e9}bc"), ("'a\u{e9}b'|reverse", "b\u{e9}a"),
        ] as [(String, String?)])
    func edgesAreAsInPython(_ expression: String, _ expected: String?) throws {
        let found = try? JinjaTemplate("{{ " + expression + " }}").render(JSONObject())
        #expect(found == expected)
    }
}
