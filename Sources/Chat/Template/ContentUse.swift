import MartletJinja

/// How a template uses message content, according to its syntax tree: content may be a string or a list of parts, and
/// most templates support only one.
///
/// A data-flow analysis follows values by name, through assignments, loops, macros and filters, from `messages` to the
/// parts of a content, ignoring the order of statements.
struct ContentUse {
    /// Whether the template reads the parts: a member of an item of content, in a loop over it, by index or by a
    /// filter. A loop that reads no member may be one over the characters of a string.
    private(set) var readsParts = false
    /// Whether the template tests if content is a string, so that it handles strings separately.
    private(set) var testsForString = false
    /// Whether the template tests if content exists.
    private(set) var testsForNone = false

    /// What a value may be.
    private struct Kinds: OptionSet {
        let rawValue: UInt8
        static let messages = Kinds(rawValue: 1), message = Kinds(rawValue: 2)
        /// The contents of several messages.
        static let contents = Kinds(rawValue: 4)
        static let content = Kinds(rawValue: 8), part = Kinds(rawValue: 16)

        /// The kinds of an item of the value.
        var item: Kinds {
            var kinds: Kinds = []
            if contains(.messages) { kinds.insert(.message) }
            if contains(.contents) { kinds.insert(.content) }
            if contains(.content) { kinds.insert(.part) }
            return kinds
        }

        var lists: Kinds { intersection([.messages, .contents, .content]) }
    }

    private let names: JinjaNames
    private var kinds: [Int: Kinds] = [:]
    /// The kinds of namespace members, by their name only.
    private var members: [JinjaText: Kinds] = [:]
    private var macros: [Int: JinjaMacro] = [:]
    private var hasChanged = true

    init(_ template: JinjaTemplate) {
        names = template.names
        guard let messages = names.existing("messages") else { return }
        kinds[messages] = .messages
        // Each round propagates the kinds through one more assignment; templates need two or three rounds.
        for _ in 0..<16 where hasChanged {
            hasChanged = false
            visit(template.statements)
        }
    }

    // MARK: Statements

    private mutating func visit(_ statements: [JinjaStatement]) {
        for statement in statements { visit(statement.kind) }
    }

    private mutating func visit(_ statement: JinjaStatement.Kind) {
        switch statement {
        case .text, .breakLoop, .continueLoop: break
        case .output(let value): _ = visit(value)
        case .conditional(let branches, let otherwise):
            for branch in branches {
                _ = visit(branch.test)
                visit(branch.body)
            }
            visit(otherwise)
        case .loop(let loop):
            assign(visit(loop.iterable).item, to: loop.target)
            if let filter = loop.filter { _ = visit(filter) }
            visit(loop.body)
            visit(loop.otherwise)
        case .set(let target, let value): set(target, value)
        case .setBlock(_, let filter, let body):
            if let filter { _ = visit(filter) }
            visit(body)
        case .macro(let macro):
            if macros[macro.nameIndex] == nil {
                macros[macro.nameIndex] = macro
                hasChanged = true
            }
            visit(macro.body)
        case .callBlock(let macro, let call):
            _ = visit(call)
            visit(macro.body)
        case .filterBlock(let filter, let body):
            _ = visit(filter)
            visit(body)
        case .with(let values, let body):
            for (target, value) in values { set(target, value) }
            visit(body)
        case .generation(let body): visit(body)
        }
    }

    private mutating func set(_ target: JinjaTarget, _ value: JinjaExpression) {
        if case .call(.name(let function), let arguments) = value, names.list[function] == "namespace" {
            for argument in arguments.named { note(visit(argument.value), of: JinjaText(argument.name)) }
        }
        assign(visit(value), to: target)
    }

    private mutating func assign(_ new: Kinds, to target: JinjaTarget) {
        switch target {
        case .name(let name):
            guard !new.isSubset(of: kinds[name] ?? []) else { return }
            kinds[name, default: []].formUnion(new)
            hasChanged = true
        case .member(_, let member): note(new, of: member)
        case .tuple: break
        }
    }

    private mutating func note(_ new: Kinds, of member: JinjaText) {
        guard !new.isSubset(of: members[member] ?? []) else { return }
        members[member, default: []].formUnion(new)
        hasChanged = true
    }

    // MARK: Expressions

    private mutating func visit(_ expression: JinjaExpression) -> Kinds {
        switch expression {
        case .none, .bool, .int, .float, .string: return []
        case .name(let name): return kinds[name] ?? []
        case .list(let items), .tuple(let items):
            var found: Kinds = []
            for item in items { found.formUnion(visit(item)) }
            return found.contains(.message) ? .messages : []
        case .dict(let entries):
            for entry in entries {
                _ = visit(entry.key)
                _ = visit(entry.value)
            }
            return []
        case .attribute(let base, let name): return member(name, of: visit(base), base)
        case .item(let base, let index):
            let value = visit(base)
            if case .string(let name) = index { return member(name, of: value, base) }
            _ = visit(index)
            return value.item
        case .slice(let base, let start, let stop, let step):
            for bound in [start, stop, step] { if let bound { _ = visit(bound) } }
            return visit(base).lists
        case .call(let function, let arguments): return call(function, arguments)
        case .filter(let base, let name, let arguments):
            let value = base.map { visit($0) } ?? []
            return filter(name, value, arguments)
        case .test(let base, let name, let arguments):
            let value = visit(base)
            _ = visit(arguments)
            if value.contains(.content) {
                if name == "string" { testsForString = true }
                if name == "none" { testsForNone = true }
            }
            return []
        case .not(let operand), .negate(let operand, _):
            _ = visit(operand)
            return []
        case .binary(_, let left, let right):
            return visit(left).union(visit(right)).intersection([.messages, .contents])
        case .concatenate(let parts):
            for part in parts { _ = visit(part) }
            return []
        case .compare(let first, let rest):
            var operands = [first]
            operands += rest.map(\.operand)
            var found: Kinds = []
            var hasNone = false
            for operand in operands {
                if case .none = operand { hasNone = true }
                found.formUnion(visit(operand))
            }
            if hasNone, found.contains(.content) { testsForNone = true }
            return []
        case .and(let left, let right), .or(let left, let right): return visit(left).union(visit(right))
        case .conditional(let test, let then, let otherwise):
            _ = visit(test)
            return visit(then).union(otherwise.map { visit($0) } ?? [])
        }
    }

    private mutating func visit(_ arguments: JinjaCallArguments) -> [Kinds] {
        let positional = arguments.positional.map { visit($0) }
        for argument in arguments.named { _ = visit(argument.value) }
        if let spread = arguments.spread { _ = visit(spread) }
        if let spread = arguments.namedSpread { _ = visit(spread) }
        return positional
    }

    private mutating func member(_ name: JinjaText, of value: Kinds, _ base: JinjaExpression) -> Kinds {
        if value.contains(.part), !JinjaMethods.ofString.contains(name) { readsParts = true }
        if value.contains(.message), name == "content" { return .content }
        guard case .name(let object) = base else { return [] }
        if object == JinjaNames.loop, name == "previtem" || name == "nextitem" { return .message }
        return members[name] ?? []
    }

    private mutating func call(_ function: JinjaExpression, _ arguments: JinjaCallArguments) -> Kinds {
        let positional = visit(arguments)
        switch function {
        case .attribute(let base, let name):
            let value = visit(base)
            if name == "get", case .string(let key)? = arguments.positional.first {
                return member(key, of: value, base)
            }
            return name == "copy" ? value : []
        case .name(let name):
            guard let macro = macros[name] else { return names.list[name] == "dict" ? positional.first ?? [] : [] }
            for (parameter, value) in zip(macro.parameters, positional) { assign(value, to: .name(parameter.name)) }
            for argument in arguments.named {
                guard let parameter = macro.parameters.first(where: { $0.label == argument.name }) else { continue }
                assign(visit(argument.value), to: .name(parameter.name))
            }
            return []
        default:
            _ = visit(function)
            return []
        }
    }

    private mutating func filter(_ name: String, _ value: Kinds, _ arguments: JinjaCallArguments) -> Kinds {
        let positional = visit(arguments)
        func attribute() -> JinjaText? {
            guard case .string(let text)? = arguments.named.first(where: { $0.name == "attribute" })?.value else {
                return nil
            }
            return text
        }
        switch name {
        case "first", "last", "min", "max", "random": return value.item
        case "selectattr", "rejectattr":
            if value.contains(.content) { readsParts = true }
            return value.lists
        case "list", "reverse", "sort", "unique", "select", "reject", "batch", "slice":
            if value.contains(.content), attribute() != nil { readsParts = true }
            return value.lists
        case "map":
            if value.contains(.content) { readsParts = true }
            return value.contains(.messages) && attribute() == "content" ? .contents : []
        case "join", "groupby", "sum":
            if value.contains(.content), name == "groupby" || attribute() != nil { readsParts = true }
            return []
        case "default", "d": return value.union(positional.first ?? [])
        case "attr":
            guard case .string(let member)? = arguments.positional.first else { return [] }
            return self.member(member, of: value, .none)
        default: return []
        }
    }
}
