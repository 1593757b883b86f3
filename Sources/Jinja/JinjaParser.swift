/// Parses statements of a template into the syntax tree. Expressions are in the other file.
struct JinjaParser {
    private let tokens: [(token: JinjaToken, line: Int)]
    private var position = 0
    /// Current nesting depth of brackets and statements.
    var depth = 0
    static let bracketLimit = 100

    private(set) var names = JinjaNames()
    /// Names read so far: a macro compares them before and after its body.
    private var mentioned: Set<Int> = []
    var mentionsLoop: Bool { mentioned.contains(JinjaNames.loop) }
    /// Whether there is a `generation` block.
    private(set) var marksGeneration = false
    private var loopDepth = 0
    /// The number of enclosing loops, including those around the current macro.
    private var enclosingLoops = 0

    /// Limits the time of compilation.
    let meter: JinjaMeter

    init(_ source: String, limits: JinjaLimits = JinjaLimits(), style: JinjaStyle = .chat) throws(JinjaError) {
        meter = JinjaMeter(limits)
        var lexer = try JinjaLexer(source, style)
        tokens = try lexer.tokenize()
    }

    // MARK: Tokens

    var current: JinjaToken { tokens[position].token }
    var next: JinjaToken { tokens[min(position + 1, tokens.count - 1)].token }
    var line: Int { tokens[position].line }

    func failure(_ reason: String) -> JinjaError { JinjaError(.syntax, reason, line: line) }

    mutating func advance() { if position < tokens.count - 1 { position += 1 } }

    mutating func skip(_ symbol: String) -> Bool {
        guard case .symbol(let text) = current, text == symbol else { return false }
        advance()
        return true
    }

    mutating func skip(name: String) -> Bool {
        guard case .name(let text) = current, text == name else { return false }
        advance()
        return true
    }

    mutating func expect(_ symbol: String) throws(JinjaError) {
        guard skip(symbol) else { throw failure("expected '\(symbol)', got \(current.description)") }
    }

    mutating func expectName() throws(JinjaError) -> String {
        guard case .name(let name) = current else { throw failure("expected a name, got \(current.description)") }
        advance()
        return name
    }

    mutating func number(of name: String) -> Int {
        let number = names.number(of: name)
        mentioned.insert(number)
        return number
    }

    // MARK: Statements

    mutating func template() throws(JinjaError) -> [JinjaStatement] {
        let body = try statements(until: [])
        guard current == .end else { throw failure("unexpected \(current.description)") }
        return body
    }

    /// Statements up to a tag in `ends`, whose name becomes the current token.
    private mutating func statements(until ends: [String]) throws(JinjaError) -> [JinjaStatement] {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.bracketLimit else {
            throw JinjaError(.limit, "statements nested deeper than \(Self.bracketLimit)", line: line)
        }
        var body: [JinjaStatement] = []
        while true {
            try meter.step()
            let line = line
            switch current {
            case .data(let text):
                advance()
                body.append(JinjaStatement(line: line, kind: .text(text)))
            case .variableBegin:
                advance()
                let value = try tuple()
                guard current == .variableEnd else {
                    throw failure("expected '}}', got \(current.description)")
                }
                advance()
                body.append(JinjaStatement(line: line, kind: .output(value.expression)))
            case .blockBegin:
                advance()
                if case .name(let name) = current, ends.contains(name) { return body }
                body += try statement().map { JinjaStatement(line: line, kind: $0) }
                try endOfBlock()
            case .end:
                guard ends.isEmpty else {
                    throw failure("unexpected end of template, expected '\(ends.joined(separator: "' or '"))'")
                }
                return body
            default: throw failure("unexpected \(current.description)")
            }
        }
    }

    private mutating func endOfBlock() throws(JinjaError) {
        guard current == .blockEnd else { throw failure("expected '%}', got \(current.description)") }
        advance()
    }

    /// The body of a block statement: from the end of its tag to one of the tags in `ends`.
    private mutating func body(until ends: String...) throws(JinjaError) -> [JinjaStatement] {
        _ = skip(":")
        try endOfBlock()
        return try statements(until: ends)
    }

    private mutating func statement() throws(JinjaError) -> [JinjaStatement.Kind] {
        guard case .name(let name) = current else { throw failure("tag name expected") }
        let start = failure("")
        advance()
        switch name {
        case "if": return [try conditional()]
        case "for": return [try forLoop()]
        case "set": return [try assignment()]
        case "macro": return [.macro(try macro())]
        case "call": return [try callBlock()]
        case "filter":
            let filter = try filter(nil, startsInline: true).expression
            let body = try body(until: "endfilter")
            advance()
            return [.filterBlock(filter, body: body)]
        case "with": return [try with()]
        case "generation":
            let body = try body(until: "endgeneration")
            advance()
            marksGeneration = true
            return [.generation(body)]
        case "print":
            var values: [JinjaStatement.Kind] = []
            while current != .blockEnd {
                if !values.isEmpty { try expect(",") }
                values.append(.output(try expression().expression))
            }
            return values
        case "break", "continue":
            guard loopDepth > 0 else { throw JinjaError(.syntax, "'\(name)' outside a loop", line: start.line) }
            return [name == "break" ? .breakLoop : .continueLoop]
        case "include", "import", "from", "extends", "block", "do", "autoescape", "trans", "debug":
            throw JinjaError(.unsupported, "the tag '\(name)' is not allowed in a chat template", line: start.line)
        default: throw JinjaError(.syntax, "encountered unknown tag '\(JinjaQuote.short(name))'", line: start.line)
        }
    }

    private mutating func conditional() throws(JinjaError) -> JinjaStatement.Kind {
        var branches: [(test: JinjaExpression, body: [JinjaStatement])] = []
        while true {
            let test = try tuple(withConditional: false).expression
            branches.append((test, try body(until: "elif", "else", "endif")))
            if skip(name: "elif") { continue }
            var otherwise: [JinjaStatement] = []
            if skip(name: "else") { otherwise = try body(until: "endif") }
            advance()
            return .conditional(branches, otherwise: otherwise)
        }
    }

    private mutating func forLoop() throws(JinjaError) -> JinjaStatement.Kind {
        enclosingLoops += 1
        defer { enclosingLoops -= 1 }
        let target = try target()
        guard skip(name: "in") else { throw failure("expected 'in', got \(current.description)") }
        let iterable = try tuple(withConditional: false).expression
        let filter = skip(name: "if") ? try expression().expression : nil
        let isRecursive = skip(name: "recursive")
        loopDepth += 1
        let content = try body(until: "endfor", "else")
        loopDepth -= 1
        var otherwise: [JinjaStatement] = []
        if skip(name: "else") { otherwise = try body(until: "endfor") }
        advance()
        return .loop(
            JinjaForLoop(
                target: target, iterable: iterable, filter: filter, isRecursive: isRecursive, body: content,
                otherwise: otherwise))
    }

    private mutating func assignment() throws(JinjaError) -> JinjaStatement.Kind {
        let target = try target(withMembers: true)
        if skip("=") { return .set(target, try tuple().expression) }
        let filter = current == .symbol("|") ? try filter(JinjaNode(expression: .none)).expression : nil
        let body = try body(until: "endset")
        advance()
        return .setBlock(target, filter: filter, body: body)
    }

    private mutating func with() throws(JinjaError) -> JinjaStatement.Kind {
        var values: [(target: JinjaTarget, value: JinjaExpression)] = []
        while current != .blockEnd {
            if !values.isEmpty { try expect(",") }
            let target = try target()
            try expect("=")
            values.append((target, try expression().expression))
        }
        let body = try body(until: "endwith")
        advance()
        return .with(values, body: body)
    }

    // MARK: Targets and macros

    private mutating func target(withMembers: Bool = false) throws(JinjaError) -> JinjaTarget {
        var targets: [JinjaTarget] = []
        var isTuple = false
        while true {
            if !targets.isEmpty { try expect(",") }
            if isTupleEnd { break }
            targets.append(try singleTarget(withMembers: withMembers))
            guard current == .symbol(",") else { break }
            isTuple = true
        }
        if !isTuple, let only = targets.first { return only }
        guard isTuple else { throw failure("expected a name to assign to, got \(current.description)") }
        return .tuple(targets)
    }

    private mutating func singleTarget(withMembers: Bool) throws(JinjaError) -> JinjaTarget {
        if skip("(") {
            depth += 1
            defer { depth -= 1 }
            guard depth <= Self.bracketLimit else {
                throw JinjaError(.limit, "brackets nested deeper than \(Self.bracketLimit)", line: line)
            }
            let inner = try target(withMembers: withMembers)
            try expect(")")
            return inner
        }
        let start = failure("")
        let name = try expectName()
        guard !["true", "false", "none", "True", "False", "None"].contains(name) else {
            throw JinjaError(.syntax, "can't assign to '\(name)'", line: start.line)
        }
        if name == "loop", enclosingLoops > 0 {
            throw JinjaError(.syntax, "can't assign to special loop variable in for-loop", line: start.line)
        }
        if withMembers, skip(".") {
            return .member(namespace: number(of: name), JinjaText(try expectName()))
        }
        return .name(number(of: name))
    }

    /// `(a, b=1)`
    private mutating func parameters() throws(JinjaError) -> [JinjaMacro.Parameter] {
        var parameters: [JinjaMacro.Parameter] = []
        try expect("(")
        while current != .symbol(")") {
            if !parameters.isEmpty { try expect(",") }
            guard parameters.count < JinjaLimits.argumentCount else {
                throw JinjaError(.limit, "more than \(JinjaLimits.argumentCount) parameters", line: line)
            }
            let label = try expectName()
            guard !["true", "false", "none", "True", "False", "None"].contains(label) else {
                throw failure("can't assign to '\(JinjaQuote.short(label))'")
            }
            let fallback: JinjaExpression? = skip("=") ? try expression().expression : nil
            if fallback == nil, parameters.last?.fallback != nil {
                throw failure("non-default argument follows default argument")
            }
            parameters.append(
                JinjaMacro.Parameter(name: names.number(of: label), label: label, fallback: fallback))
        }
        try expect(")")
        return parameters
    }

    private mutating func macro() throws(JinjaError) -> JinjaMacro {
        let name = try expectName()
        return try macro(name, try parameters(), end: "endmacro")
    }

    private mutating func macro(
        _ name: String, _ parameters: [JinjaMacro.Parameter], end: String
    ) throws(JinjaError) -> JinjaMacro {
        var outer = mentioned
        let outerLoops = loopDepth
        mentioned = []
        loopDepth = 0
        let content = try body(until: end)
        advance()
        let inner = mentioned
        outer.formUnion(inner)
        mentioned = outer
        loopDepth = outerLoops
        let declared = Set(parameters.map(\.name))
        func reads(_ special: Int) -> Bool { inner.contains(special) && !declared.contains(special) }
        return JinjaMacro(
            name: name, nameIndex: names.number(of: name), parameters: parameters, body: content,
            readsPositional: reads(JinjaNames.varargs), readsNamed: reads(JinjaNames.kwargs),
            readsCaller: inner.contains(JinjaNames.caller))
    }

    private mutating func callBlock() throws(JinjaError) -> JinjaStatement.Kind {
        let parameters = current == .symbol("(") ? try parameters() : []
        let call = try expression().expression
        guard case .call = call else { throw failure("expected call") }
        let macro = try macro("caller", parameters, end: "endcall")
        return .callBlock(macro, call: call)
    }
}
