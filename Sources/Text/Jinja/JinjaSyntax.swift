/// An expression of the syntax tree.
indirect enum JinjaExpression: Sendable {
    case none
    case bool(Bool)
    case int(Int64)
    case float(Double)
    case string(JinjaText)
    /// A variable by its number in the template's table of names.
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

enum JinjaComparison: String, Sendable {
    case equal = "=="
    case notEqual = "!="
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="
    case isIn = "in"
    case isNotIn = "not in"
}

/// The arguments of a call as written.
final class JinjaCallArguments: Sendable {
    let positional: [JinjaExpression]
    let named: [(name: String, value: JinjaExpression)]
    let spread: JinjaExpression?
    let namedSpread: JinjaExpression?

    init(
        positional: [JinjaExpression] = [], named: [(name: String, value: JinjaExpression)] = [],
        spread: JinjaExpression? = nil, namedSpread: JinjaExpression? = nil
    ) {
        self.positional = positional
        self.named = named
        self.spread = spread
        self.namedSpread = namedSpread
    }

    static let none = JinjaCallArguments()
}

/// What `set` and `for` assign to.
indirect enum JinjaTarget: Sendable {
    case name(Int)
    case member(namespace: Int, JinjaText)
    case tuple([JinjaTarget])
}

struct JinjaStatement: Sendable {
    var line: Int
    var kind: Kind

    indirect enum Kind: Sendable {
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

final class JinjaForLoop: Sendable {
    let target: JinjaTarget
    let iterable: JinjaExpression
    let filter: JinjaExpression?
    let isRecursive: Bool
    let body: [JinjaStatement]
    let otherwise: [JinjaStatement]

    init(
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

/// A macro, or the body of a call block as one.
final class JinjaMacro: Sendable {
    struct Parameter: Sendable {
        var name: Int
        var label: String
        var fallback: JinjaExpression?
    }

    let name: String
    let nameIndex: Int
    let parameters: [Parameter]
    let body: [JinjaStatement]
    /// Which of the special names the body reads; a macro takes extra arguments only if it does.
    let readsPositional: Bool
    let readsNamed: Bool
    let readsCaller: Bool

    init(
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

/// The names a template mentions, numbered.
struct JinjaNames: Sendable {
    private(set) var list: [String] = []
    private var numbers: [String: Int] = [:]

    static let loop = 0, caller = 1, varargs = 2, kwargs = 3

    init() {
        for name in ["loop", "caller", "varargs", "kwargs"] { _ = number(of: name) }
    }

    mutating func number(of name: String) -> Int {
        if let number = numbers[name] { return number }
        list.append(name)
        numbers[name] = list.count - 1
        return list.count - 1
    }

    func existing(_ name: String) -> Int? { numbers[name] }
}
