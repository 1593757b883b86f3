extension JinjaRenderer {
    /// The value of an expression. `input` is the text that a filter block or set block passes to its first filter.
    func evaluate(_ expression: JinjaExpression, input: JinjaValue? = nil) throws(JinjaError) -> JinjaValue {
        frames += 1
        defer { frames -= 1 }
        guard frames <= JinjaLimits.frames else { throw .limit("nested too deeply") }
        try meter.step()
        switch expression {
        case .none: return input ?? .none
        case .bool(let value): return .bool(value)
        case .int(let value): return .int(value)
        case .float(let value): return .float(value)
        case .string(let text): return .string(text)
        case .name(let name): return lookUp(name)
        case .attribute(let base, let name): return try evaluate(base).attribute(name)
        case .item(let base, let index):
            let value = try evaluate(base)
            return try value.item(try evaluate(index), meter)
        case .binary(let symbol, let left, let right):
            let left = try evaluate(left)
            return try charge(try JinjaValue.apply(symbol, left, try evaluate(right), meter))
        case .compare(let first, let rest): return .bool(try compare(first, rest))
        case .and(let left, let right):
            let value = try evaluate(left)
            return value.isTrue ? try evaluate(right) : value
        case .or(let left, let right):
            let value = try evaluate(left)
            return value.isTrue ? value : try evaluate(right)
        case .not(let operand): return .bool(!(try evaluate(operand).isTrue))
        case .conditional(let test, let then, let otherwise):
            if try evaluate(test).isTrue { return try evaluate(then) }
            guard let otherwise else {
                return .undefined("the inline if-expression evaluated to false and no else section was defined")
            }
            return try evaluate(otherwise)
        case .call(let function, let arguments): return try charge(try evaluateCall(function, arguments))
        case .filter(let base, let name, let arguments):
            let value = if let base { try evaluate(base, input: input) } else { input ?? JinjaValue.none }
            return try charge(try JinjaFilters.apply(name, value, try evaluate(arguments), self))
        case .test(let base, let name, let arguments):
            let value = try evaluate(base)
            return .bool(try JinjaTests.apply(name, value, try evaluate(arguments), meter))
        default: return try evaluateRare(expression)
        }
    }

    /// Less common expressions, separated to keep the stack frame of `evaluate` small.
    private func evaluateRare(_ expression: JinjaExpression) throws(JinjaError) -> JinjaValue {
        switch expression {
        case .list(let items): return try charge(.list(JinjaList(try evaluate(items))))
        case .tuple(let items): return try charge(.tuple(JinjaList(try evaluate(items))))
        case .dict(let entries):
            var dictionary = JinjaDictionary()
            for (key, value) in entries {
                let key = try evaluate(key)
                try dictionary.set(key, try evaluate(value), meter)
            }
            return try charge(.dict(dictionary))
        case .concatenate(let parts):
            var builder = JinjaTextBuilder(meter)
            for part in parts { try builder.append(try evaluate(part).text(meter)) }
            return try charge(.string(builder.finish()))
        case .negate(let operand, let isNegative): return try evaluate(operand).negated(isNegative)
        case .slice(let base, let start, let stop, let step):
            let value = try evaluate(base)
            return try charge(try value.slice(try bound(start), try bound(stop), try bound(step), meter))
        default: return .none
        }
    }

    private func bound(_ expression: JinjaExpression?) throws(JinjaError) -> JinjaValue {
        guard let expression else { return .none }
        return try evaluate(expression)
    }

    private func evaluate(_ expressions: [JinjaExpression]) throws(JinjaError) -> [JinjaValue] {
        var values: [JinjaValue] = []
        values.reserveCapacity(expressions.count)
        for expression in expressions { values.append(try evaluate(expression)) }
        return values
    }

    func lookUp(_ name: Int) -> JinjaValue {
        if let value = scope[name] { return value }
        let name = names.list[name]
        if JinjaCallable.globals.contains(name) { return .callable(JinjaCallable(.global(name))) }
        return .undefined("'\(JinjaQuote.short(name))' is undefined")
    }

    private func compare(
        _ first: JinjaExpression, _ rest: [(symbol: JinjaComparison, operand: JinjaExpression)]
    ) throws(JinjaError) -> Bool {
        var left = try evaluate(first)
        for (symbol, operand) in rest {
            let right = try evaluate(operand)
            guard try Self.compare(symbol, left, right, meter) else { return false }
            left = right
        }
        return true
    }

    static func compare(
        _ symbol: JinjaComparison, _ left: JinjaValue, _ right: JinjaValue, _ meter: JinjaMeter
    ) throws(JinjaError) -> Bool {
        switch symbol {
        case .equal: return try left.equals(right, meter)
        case .notEqual: return !(try left.equals(right, meter))
        case .isIn: return try left.isIn(right, meter)
        case .isNotIn: return !(try left.isIn(right, meter))
        default:
            let order = try left.order(right, symbol.rawValue, meter)
            switch symbol {
            case .less: return order == .less
            case .lessOrEqual: return order == .less || order == .equal
            case .greater: return order == .greater
            default: return order == .greater || order == .equal
            }
        }
    }

    // MARK: Calls

    private static var tooManyArguments: JinjaError {
        .limit("a call with more than \(JinjaLimits.argumentCount) named arguments")
    }

    func evaluate(_ arguments: JinjaCallArguments) throws(JinjaError) -> JinjaArguments {
        var result = JinjaArguments()
        if !arguments.positional.isEmpty { result.positional = try evaluate(arguments.positional) }
        for argument in arguments.named { result.named.append((argument.name, try evaluate(argument.value))) }
        if let spread = arguments.spread {
            result.positional += try items(try evaluate(spread))
            guard result.positional.count <= JinjaLimits.listCount else { throw Self.tooManyArguments }
        }
        if let spread = arguments.namedSpread {
            guard case .dict(let members) = try evaluate(spread) else {
                throw .type("argument after ** must be a mapping")
            }
            for entry in members.entries {
                try meter.step()
                guard case .string(let name) = entry.key else { throw .type("keywords must be strings") }
                guard result.named.count < JinjaLimits.argumentCount else { throw Self.tooManyArguments }
                guard !result.named.contains(where: { $0.name == name.string }) else {
                    throw .type("multiple values for keyword argument '\(JinjaQuote.short(name))'")
                }
                result.named.append((name.string, entry.value))
            }
        }
        return result
    }

    func evaluateCall(
        _ function: JinjaExpression, _ arguments: JinjaCallArguments, caller: JinjaValue? = nil
    ) throws(JinjaError) -> JinjaValue {
        if case .attribute(let base, let name) = function, caller == nil {
            let receiver = try evaluate(base)
            if receiver.hasMethod(name) {
                return try JinjaMethods.call(name.string, on: receiver, try evaluate(arguments), self)
            }
            return try call(try receiver.attribute(name), try evaluate(arguments))
        }
        let callee = try evaluate(function)
        var arguments = try evaluate(arguments)
        if let caller { arguments.named.append(("caller", caller)) }
        return try call(callee, arguments)
    }

    func call(_ callee: JinjaValue, _ arguments: JinjaArguments) throws(JinjaError) -> JinjaValue {
        switch callee {
        case .callable(let callable):
            switch callable.kind {
            case .macro(let macro, let scope): return .string(try call(macro, arguments, in: scope))
            case .method(let receiver, let name):
                return try JinjaMethods.call(name, on: receiver, arguments, self)
            case .global(let name): return try JinjaGlobals.call(name, arguments, self)
            case .cycler, .joiner: return try JinjaGlobals.call(callable, arguments)
            }
        case .loop(let loop):
            guard loop.definition.isRecursive else {
                throw .type("the loop must have the 'recursive' marker to be called recursively")
            }
            guard let iterable = arguments.positional.first, arguments.positional.count == 1 else {
                throw .type("loop() takes one argument")
            }
            return .string(try recurse(loop, over: try items(iterable)))
        case .undefined(let what): throw JinjaError(.undefined, what)
        default: throw .type("'\(callee.typeName)' object is not callable")
        }
    }

    private func recurse(_ loop: JinjaLoop, over items: [JinjaValue]) throws(JinjaError) -> JinjaText {
        calls += 1
        guard let definition = loop.scope else { throw .type("the loop has ended") }
        let outer = scope
        scope = definition
        defer {
            calls -= 1
            scope = outer
        }
        guard calls <= limits.depth else { throw .limit("loops called more than \(limits.depth) deep") }
        return try capture { () throws(JinjaError) in
            try run(loop.definition, items: items, depth0: loop.depth0 + 1)
        }
    }
}
