/// An expression of the syntax tree.
package indirect enum JinjaExpression: Sendable {
    case none
    case bool(Bool)
    case int(Int64)
    case float(Double)
    case string(JinjaText)
    /// A variable, by its index in the template's table of names.
    case name(Int)
    case list([JinjaExpression])
    case tuple([JinjaExpression])
    case dict([(key: JinjaExpression, value: JinjaExpression)])
    case attribute(JinjaExpression, JinjaText)
    case item(JinjaExpression, JinjaExpression)
    case slice(JinjaExpression, start: JinjaExpression?, stop: JinjaExpression?, step: JinjaExpression?)
    case call(JinjaExpression, JinjaCallArguments)
    case filter(JinjaExpression?, name: String, JinjaCallArguments)
    case test(JinjaExpression, name: String, JinjaCallArguments)
    case not(JinjaExpression)
    case negate(JinjaExpression, isNegative: Bool)
    case binary(JinjaOperator, JinjaExpression, JinjaExpression)
    case concatenate([JinjaExpression])
    case compare(JinjaExpression, [(symbol: JinjaComparison, operand: JinjaExpression)])
    case and(JinjaExpression, JinjaExpression)
    case or(JinjaExpression, JinjaExpression)
    case conditional(test: JinjaExpression, then: JinjaExpression, otherwise: JinjaExpression?)
}

package enum JinjaComparison: String, Sendable {
    case equal = "=="
    case notEqual = "!="
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="
    case isIn = "in"
    case isNotIn = "not in"
}

/// The unevaluated arguments of a call.
package final class JinjaCallArguments: Sendable {
    package let positional: [JinjaExpression]
    package let named: [(name: String, value: JinjaExpression)]
    package let spread: JinjaExpression?
    package let namedSpread: JinjaExpression?

    package init(
        positional: [JinjaExpression] = [], named: [(name: String, value: JinjaExpression)] = [],
        spread: JinjaExpression? = nil, namedSpread: JinjaExpression? = nil
    ) {
        self.positional = positional
        self.named = named
        self.spread = spread
        self.namedSpread = namedSpread
    }

    package static let none = JinjaCallArguments()
}

/// The target of `set` and `for`.
package indirect enum JinjaTarget: Sendable {
    case name(Int)
    case member(namespace: Int, JinjaText)
    case tuple([JinjaTarget])
}

package struct JinjaStatement: Sendable {
    package var line: Int
    package var kind: Kind

    package indirect enum Kind: Sendable {
        case text(JinjaText)
        case output(JinjaExpression)
        case conditional([(test: JinjaExpression, body: [JinjaStatement])], otherwise: [JinjaStatement])
        case loop(JinjaForLoop)
        case set(JinjaTarget, JinjaExpression)
        case setBlock(JinjaTarget, filter: JinjaExpression?, body: [JinjaStatement])
        case macro(JinjaMacro)
        case callBlock(JinjaMacro, call: JinjaExpression)
        case filterBlock(JinjaExpression, body: [JinjaStatement])
        case with([(target: JinjaTarget, value: JinjaExpression)], body: [JinjaStatement])
        case generation([JinjaStatement])
        case breakLoop
        case continueLoop
    }
}

package final class JinjaForLoop: Sendable {
    package let target: JinjaTarget
    package let iterable: JinjaExpression
    package let filter: JinjaExpression?
    package let isRecursive: Bool
    package let body: [JinjaStatement]
    package let otherwise: [JinjaStatement]

    package init(
        target: JinjaTarget, iterable: JinjaExpression, filter: JinjaExpression?, isRecursive: Bool,
        body: [JinjaStatement], otherwise: [JinjaStatement]
    ) {
        self.target = target
        self.iterable = iterable
        self.filter = filter
        self.isRecursive = isRecursive
        self.body = body
        self.otherwise = otherwise
    }
}

/// A macro, or the body of a call block in the form of a macro.
package final class JinjaMacro: Sendable {
    package struct Parameter: Sendable {
        package var name: Int
        package var label: String
        package var fallback: JinjaExpression?
    }

    package let name: String
    package let nameIndex: Int
    package let parameters: [Parameter]
    package let body: [JinjaStatement]
    /// Which of the special names the body reads; only then a macro accepts extra arguments.
    package let readsPositional: Bool
    package let readsNamed: Bool
    package let readsCaller: Bool

    package init(
        name: String, nameIndex: Int, parameters: [Parameter], body: [JinjaStatement],
        readsPositional: Bool, readsNamed: Bool, readsCaller: Bool
    ) {
        self.name = name
        self.nameIndex = nameIndex
        self.parameters = parameters
        self.body = body
        self.readsPositional = readsPositional
        self.readsNamed = readsNamed
        self.readsCaller = readsCaller
    }
}

/// The names in a template, numbered.
package struct JinjaNames: Sendable {
    package private(set) var list: [String] = []
    private var numbers: [String: Int] = [:]

    package static let loop = 0, caller = 1, varargs = 2, kwargs = 3

    package init() {
        for name in ["loop", "caller", "varargs", "kwargs"] { _ = number(of: name) }
    }

    mutating func number(of name: String) -> Int {
        if let number = numbers[name] { return number }
        list.append(name)
        numbers[name] = list.count - 1
        return list.count - 1
    }

    package func existing(_ name: String) -> Int? { numbers[name] }
}
