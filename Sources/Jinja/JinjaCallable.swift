/// The evaluated arguments of a call.
package struct JinjaArguments {
    var positional: [JinjaValue] = []
    var named: [(name: String, value: JinjaValue)] = []

    /// The arguments in the order of `parameters`; nil for those not given.
    func bind(_ function: String, _ parameters: [String], required: Int = 0) throws(JinjaError) -> [JinjaValue?] {
        guard positional.count <= parameters.count else {
            throw .type("\(function)() takes at most \(parameters.count) arguments (\(positional.count) given)")
        }
        var bound: [JinjaValue?] = positional
        while bound.count < parameters.count { bound.append(nil) }
        for argument in named {
            guard let index = parameters.firstIndex(of: argument.name) else {
                let name = JinjaQuote.short(argument.name)
                throw .type("\(function)() got an unexpected keyword argument '\(name)'")
            }
            guard bound[index] == nil else {
                throw .type("\(function)() got multiple values for argument '\(argument.name)'")
            }
            bound[index] = argument.value
        }
        for index in 0..<required where bound[index] == nil {
            throw .type("\(function)() missing required argument '\(parameters[index])'")
        }
        return bound
    }
}

/// A callable value.
package final class JinjaCallable {
    enum Kind {
        case global(String)
        case macro(JinjaMacro, scope: JinjaScope)
        case method(JinjaValue, String)
        /// `cycler(…)` and `joiner(…)` with their state.
        case cycler(JinjaList)
        case joiner(JinjaText)
    }

    let kind: Kind
    var position = 0

    let depth: Int

    init(_ kind: Kind) {
        self.kind = kind
        depth =
            switch kind {
            case .method(let receiver, _): receiver.depth + 1
            case .cycler(let values): values.depth
            default: 0
            }
    }

    static let globals: Set<String> = [
        "range", "dict", "namespace", "cycler", "joiner", "raise_exception", "strftime_now",
    ]
}

/// The variables of one scope. Lookup proceeds to enclosing scopes; assignment stays in this scope.
final class JinjaScope {
    let parent: JinjaScope?
    private var names: [Int] = []
    private var values: [JinjaValue] = []

    init(parent: JinjaScope?) { self.parent = parent }

    subscript(name: Int) -> JinjaValue? {
        var scope: JinjaScope? = self
        while let current = scope {
            if let index = current.names.firstIndex(of: name) { return current.values[index] }
            scope = current.parent
        }
        return nil
    }

    func removeAll() {
        names = []
        values = []
    }

    func set(_ name: Int, _ value: JinjaValue) {
        if let index = names.firstIndex(of: name) {
            values[index] = value
        } else {
            names.append(name)
            values.append(value)
        }
    }
}

/// The variable `loop`.
package final class JinjaLoop {
    let items: JinjaList
    var index0 = 0
    let depth0: Int
    let definition: JinjaForLoop
    /// The scope of a recursive call; nil once the loop has ended, so that a stored loop value keeps nothing alive.
    var scope: JinjaScope?
    var lastChanged: JinjaList?

    init(items: JinjaList, depth0: Int, definition: JinjaForLoop, scope: JinjaScope) {
        self.items = items
        self.depth0 = depth0
        self.definition = definition
        self.scope = scope
    }

    var count: Int { items.count }

    func attribute(_ name: String, _ whole: JinjaValue) -> JinjaValue? {
        switch name {
        case "index": .int(Int64(index0 + 1))
        case "index0": .int(Int64(index0))
        case "revindex": .int(Int64(items.count - index0))
        case "revindex0": .int(Int64(items.count - index0 - 1))
        case "first": .bool(index0 == 0)
        case "last": .bool(index0 == items.count - 1)
        case "length": .int(Int64(items.count))
        case "depth": .int(Int64(depth0 + 1))
        case "depth0": .int(Int64(depth0))
        case "previtem": index0 > 0 ? items[index0 - 1] : .undefined("there is no previous item")
        case "nextitem": index0 + 1 < items.count ? items[index0 + 1] : .undefined("there is no next item")
        case "cycle", "changed": .callable(JinjaCallable(.method(whole, name)))
        default: nil
        }
    }
}
