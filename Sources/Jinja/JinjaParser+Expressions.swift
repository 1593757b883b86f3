/// An expression with the depth of its tree, which is limited so that evaluation cannot overflow the stack.
struct JinjaNode {
    var expression: JinjaExpression
    var depth = 1
}

extension JinjaParser {
    /// A node with `children`; throws if the tree becomes too deep.
    private func node(_ expression: JinjaExpression, _ children: Int...) throws(JinjaError) -> JinjaNode {
        try meter.step()
        let depth = 1 + (children.max() ?? 0)
        guard depth <= JinjaLimits.nesting else { throw tooDeep }
        return JinjaNode(expression: expression, depth: depth)
    }

    private var tooManyArguments: JinjaError {
        JinjaError(.limit, "more than \(JinjaLimits.argumentCount) named arguments", line: line)
    }

    private var tooDeep: JinjaError {
        JinjaError(.limit, "an expression nested deeper than \(JinjaLimits.nesting)", line: line)
    }

    mutating func expression(withConditional: Bool = true) throws(JinjaError) -> JinjaNode {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.bracketLimit else { throw tooDeep }
        guard withConditional else { return try or() }
        var result = try or()
        while skip(name: "if") {
            let test = try or()
            let otherwise: JinjaNode? = skip(name: "else") ? try expression() : nil
            result = try node(
                .conditional(test: test.expression, then: result.expression, otherwise: otherwise?.expression),
                result.depth, test.depth, otherwise?.depth ?? 0)
        }
        return result
    }

    private mutating func or() throws(JinjaError) -> JinjaNode {
        var left = try and()
        while skip(name: "or") {
            let right = try and()
            left = try node(.or(left.expression, right.expression), left.depth, right.depth)
        }
        return left
    }

    private mutating func and() throws(JinjaError) -> JinjaNode {
        var left = try not()
        while skip(name: "and") {
            let right = try not()
            left = try node(.and(left.expression, right.expression), left.depth, right.depth)
        }
        return left
    }

    private mutating func not() throws(JinjaError) -> JinjaNode {
        var count = 0
        while skip(name: "not") { count += 1 }
        var result = try comparison()
        for _ in 0..<count { result = try node(.not(result.expression), result.depth) }
        return result
    }

    private mutating func comparison() throws(JinjaError) -> JinjaNode {
        let first = try sum()
        var rest: [(symbol: JinjaComparison, operand: JinjaExpression)] = []
        var deepest = first.depth
        while true {
            let symbol: JinjaComparison
            if case .symbol(let text) = current, let comparison = JinjaComparison(rawValue: text) {
                symbol = comparison
                advance()
            } else if skip(name: "in") {
                symbol = .isIn
            } else if current == .name("not"), next == .name("in") {
                symbol = .isNotIn
                advance()
                advance()
            } else {
                break
            }
            let operand = try sum()
            deepest = max(deepest, operand.depth)
            rest.append((symbol, operand.expression))
        }
        return rest.isEmpty ? first : try node(.compare(first.expression, rest), deepest)
    }

    private mutating func sum() throws(JinjaError) -> JinjaNode {
        var left = try concatenation()
        while let symbol = binaryOperator(["+", "-"]) {
            let right = try concatenation()
            left = try node(.binary(symbol, left.expression, right.expression), left.depth, right.depth)
        }
        return left
    }

    private mutating func concatenation() throws(JinjaError) -> JinjaNode {
        let first = try product()
        var parts = [first.expression]
        var deepest = first.depth
        while skip("~") {
            let part = try product()
            parts.append(part.expression)
            deepest = max(deepest, part.depth)
        }
        return parts.count == 1 ? first : try node(.concatenate(parts), deepest)
    }

    private mutating func product() throws(JinjaError) -> JinjaNode {
        var left = try power()
        while let symbol = binaryOperator(["*", "/", "//", "%"]) {
            let right = try power()
            left = try node(.binary(symbol, left.expression, right.expression), left.depth, right.depth)
        }
        return left
    }

    /// `a ** b ** c`, which is left-associative in Jinja.
    private mutating func power() throws(JinjaError) -> JinjaNode {
        var left = try unary()
        while skip("**") {
            let right = try unary()
            left = try node(.binary(.power, left.expression, right.expression), left.depth, right.depth)
        }
        return left
    }

    private mutating func binaryOperator(_ symbols: [String]) -> JinjaOperator? {
        guard case .symbol(let text) = current, symbols.contains(text) else { return nil }
        advance()
        return JinjaOperator(rawValue: text)
    }

    private mutating func unary(withFilter: Bool = true) throws(JinjaError) -> JinjaNode {
        var signs: [Bool] = []
        while true {
            if skip("-") { signs.append(true) } else if skip("+") { signs.append(false) } else { break }
            guard signs.count <= JinjaLimits.nesting else { throw tooDeep }
        }
        var result = try postfix(try primary())
        for isNegative in signs.reversed() {
            result = try postfix(try node(.negate(result.expression, isNegative: isNegative), result.depth))
        }
        return withFilter ? try filters(result) : result
    }

    func primaryStarts(_ token: JinjaToken) -> Bool {
        switch token {
        case .name, .string, .integer, .float, .symbol("["), .symbol("{"): true
        default: false
        }
    }

    mutating func primary() throws(JinjaError) -> JinjaNode {
        let token = current
        switch token {
        case .name(let name):
            advance()
            switch name {
            case "true", "True": return JinjaNode(expression: .bool(true))
            case "false", "False": return JinjaNode(expression: .bool(false))
            case "none", "None": return JinjaNode(expression: .none)
            default: return JinjaNode(expression: .name(number(of: name)))
            }
        case .string(var text):
            advance()
            while case .string(let more) = current {
                text = try text.joined(with: more, meter)
                advance()
            }
            return JinjaNode(expression: .string(text))
        case .integer(let value):
            advance()
            return JinjaNode(expression: .int(value))
        case .float(let value):
            advance()
            return JinjaNode(expression: .float(value))
        case .symbol("("):
            advance()
            let result = try tuple(isParenthesized: true)
            try expect(")")
            return result
        case .symbol("["): return try list()
        case .symbol("{"): return try dictionary()
        default: throw failure("unexpected \(token.description)")
        }
    }

    /// An expression, or several separated by commas as a tuple.
    mutating func tuple(
        isParenthesized: Bool = false, withConditional: Bool = true
    ) throws(JinjaError) -> JinjaNode {
        var items: [JinjaExpression] = []
        var deepest = 0
        var isTuple = false
        while true {
            if !items.isEmpty { try expect(",") }
            if isTupleEnd { break }
            let item = try expression(withConditional: withConditional)
            items.append(item.expression)
            deepest = max(deepest, item.depth)
            guard current == .symbol(",") else { break }
            isTuple = true
        }
        if !isTuple {
            if let only = items.first { return JinjaNode(expression: only, depth: deepest) }
            guard isParenthesized else { throw failure("expected an expression, got \(current.description)") }
        }
        return try node(.tuple(items), deepest)
    }

    var isTupleEnd: Bool {
        switch current {
        case .variableEnd, .blockEnd, .symbol(")"): true
        default: false
        }
    }

    private mutating func list() throws(JinjaError) -> JinjaNode {
        try expect("[")
        var items: [JinjaExpression] = []
        var deepest = 0
        while current != .symbol("]") {
            if !items.isEmpty { try expect(",") }
            if current == .symbol("]") { break }
            let item = try expression()
            items.append(item.expression)
            deepest = max(deepest, item.depth)
        }
        try expect("]")
        return try node(.list(items), deepest)
    }

    private mutating func dictionary() throws(JinjaError) -> JinjaNode {
        try expect("{")
        var entries: [(key: JinjaExpression, value: JinjaExpression)] = []
        var deepest = 0
        while current != .symbol("}") {
            if !entries.isEmpty { try expect(",") }
            if current == .symbol("}") { break }
            let key = try expression()
            try expect(":")
            let value = try expression()
            entries.append((key.expression, value.expression))
            deepest = max(deepest, key.depth, value.depth)
        }
        try expect("}")
        return try node(.dict(entries), deepest)
    }

    mutating func postfix(_ base: JinjaNode) throws(JinjaError) -> JinjaNode {
        var result = base
        while true {
            if skip(".") {
                switch current {
                case .name(let name):
                    result = try node(.attribute(result.expression, JinjaText(name)), result.depth)
                case .integer(let index):
                    result = try node(.item(result.expression, .int(index)), result.depth)
                default: throw failure("expected name or number")
                }
                advance()
            } else if skip("[") {
                result = try subscripted(result)
            } else if current == .symbol("(") {
                let (arguments, depth) = try callArguments()
                result = try node(.call(result.expression, arguments), result.depth, depth)
            } else {
                return result
            }
        }
    }

    private mutating func subscripted(_ base: JinjaNode) throws(JinjaError) -> JinjaNode {
        func isBoundEnd(_ token: JinjaToken) -> Bool { token == .symbol("]") || token == .symbol(",") }
        var start: JinjaNode?
        if current != .symbol(":") {
            let first = try expression()
            if current == .symbol(",") {
                var items = [first.expression]
                while skip(",") { items.append(try expression().expression) }
                try expect("]")
                return try node(.item(base.expression, .tuple(items)), base.depth, JinjaLimits.nesting / 2)
            }
            if skip("]") {
                return try node(.item(base.expression, first.expression), base.depth, first.depth)
            }
            start = first
        }
        try expect(":")
        var stop: JinjaNode?
        var step: JinjaNode?
        if current != .symbol(":"), !isBoundEnd(current) { stop = try expression() }
        if skip(":"), !isBoundEnd(current) { step = try expression() }
        try expect("]")
        return try node(
            .slice(base.expression, start: start?.expression, stop: stop?.expression, step: step?.expression),
            base.depth, start?.depth ?? 0, stop?.depth ?? 0, step?.depth ?? 0)
    }

    mutating func callArguments() throws(JinjaError) -> (arguments: JinjaCallArguments, depth: Int) {
        try expect("(")
        var positional: [JinjaExpression] = []
        var named: [(name: String, value: JinjaExpression)] = []
        var spread: JinjaExpression?
        var namedSpread: JinjaExpression?
        var deepest = 0
        var isFirst = true
        func ensure(_ condition: Bool) throws(JinjaError) {
            guard condition else { throw failure("invalid syntax for function call expression") }
        }
        while current != .symbol(")") {
            if !isFirst {
                try expect(",")
                if current == .symbol(")") { break }
            }
            isFirst = false
            let value: JinjaNode
            if skip("*") {
                try ensure(spread == nil && namedSpread == nil)
                value = try expression()
                spread = value.expression
            } else if skip("**") {
                try ensure(namedSpread == nil)
                value = try expression()
                namedSpread = value.expression
            } else if case .name(let name) = current, next == .symbol("=") {
                try ensure(namedSpread == nil && !named.contains { $0.name == name })
                guard named.count < JinjaLimits.argumentCount else { throw tooManyArguments }
                advance()
                advance()
                value = try expression()
                named.append((name, value.expression))
            } else {
                try ensure(spread == nil && namedSpread == nil && named.isEmpty)
                value = try expression()
                positional.append(value.expression)
            }
            deepest = max(deepest, value.depth)
        }
        try expect(")")
        let arguments = JinjaCallArguments(
            positional: positional, named: named, spread: spread, namedSpread: namedSpread)
        return (arguments, deepest)
    }

    private mutating func filters(_ base: JinjaNode) throws(JinjaError) -> JinjaNode {
        var result = base
        while true {
            if current == .symbol("|") {
                result = try filter(result)
            } else if skip(name: "is") {
                result = try test(result)
            } else if current == .symbol("(") {
                let (arguments, depth) = try callArguments()
                result = try node(.call(result.expression, arguments), result.depth, depth)
            } else {
                return result
            }
        }
    }

    private mutating func dottedName() throws(JinjaError) -> String {
        var name = try expectName()
        while skip(".") { name += "." + (try expectName()) }
        return name
    }

    /// One or more `| name(…)`; without `base`, as in a filter block, the first one has no bar.
    mutating func filter(_ base: JinjaNode?, startsInline: Bool = false) throws(JinjaError) -> JinjaNode {
        var result = base
        var isFirst = startsInline
        while isFirst || skip("|") {
            isFirst = false
            let name = try dottedName()
            guard JinjaFilters.names.contains(name) else {
                throw failure("no filter named '\(JinjaQuote.short(name))'")
            }
            var arguments = JinjaCallArguments.none
            var depth = 0
            if current == .symbol("(") { (arguments, depth) = try callArguments() }
            result = try node(.filter(result?.expression, name: name, arguments), result?.depth ?? 0, depth)
        }
        guard let result else { throw failure("expected a filter") }
        return result
    }

    private mutating func test(_ base: JinjaNode) throws(JinjaError) -> JinjaNode {
        let isNegated = skip(name: "not")
        let name = try dottedName()
        guard JinjaTests.names.contains(name) else { throw failure("no test named '\(JinjaQuote.short(name))'") }
        var arguments = JinjaCallArguments.none
        var depth = 0
        if current == .symbol("(") {
            (arguments, depth) = try callArguments()
        } else if primaryStarts(current), ![.name("else"), .name("or"), .name("and")].contains(current) {
            if current == .name("is") { throw failure("You cannot chain multiple tests with is") }
            let argument = try postfix(try primary())
            arguments = JinjaCallArguments(positional: [argument.expression])
            depth = argument.depth
        }
        let result = try node(.test(base.expression, name: name, arguments), base.depth, depth)
        return isNegated ? try node(.not(result.expression), result.depth) : result
    }
}
