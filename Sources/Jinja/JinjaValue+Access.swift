extension JinjaValue {
    /// `value.name`: first the type's own attributes, then the item of that name.
    func attribute(_ name: JinjaText) throws(JinjaError) -> JinjaValue {
        switch self {
        case .undefined(let what): throw JinjaError(.undefined, what)
        case .namespace(let namespace):
            if let value = namespace.members[name] { return value }
        case .loop(let loop):
            if let value = loop.attribute(name.string, self) { return value }
        case .dict(let dictionary):
            if hasMethod(name) { return .callable(JinjaCallable(.method(self, name.string))) }
            if let forbidden = Self.forbidden(name, of: self) { return forbidden }
            if let value = dictionary[name] { return value }
        case .callable(let callable):
            if let value = callable.attribute(name.string, self) { return value }
        case .tuple(let values) where values.count == 2 && (name == "grouper" || name == "list"):
            return values[name == "list" ? 1 : 0]
        default: if hasMethod(name) { return .callable(JinjaCallable(.method(self, name.string))) }
        }
        return Self.forbidden(name, of: self)
            ?? .undefined("'\(typeName) object' has no attribute '\(JinjaQuote.short(name))'")
    }

    /// `value[index]`: first the item, then the attribute of that name.
    func item(_ index: JinjaValue, _ meter: JinjaMeter) throws(JinjaError) -> JinjaValue {
        switch self {
        case .undefined(let what): throw JinjaError(.undefined, what)
        case .dict(let dictionary):
            try meter.touch(index.weight)
            if case .string(let name) = index {
                if let value = dictionary[name] { return value }
            } else if let value = try? dictionary.value(for: index, meter) {
                return value
            }
        case .list(let values), .tuple(let values):
            if let position = Self.position(index, count: values.count) { return values[position] }
        case .range(let range):
            if let position = Self.position(index, count: range.count) { return .int(range.item(position)) }
        case .string(let text):
            try meter.touch(text.bytes.count)
            if let position = Self.position(index, count: text.count) {
                let start = text.isASCII ? position : text.offset(ofScalar: position)
                return .string(text[start..<text.endOfScalar(at: start)])
            }
        default: break
        }
        if case .string(let name) = index {
            if case .dict = self, !hasMethod(name) {
                return .undefined("'dict object' has no attribute '\(JinjaQuote.short(name))'")
            }
            return try attribute(name)
        }
        return .undefined("'\(typeName) object' has no such element")
    }

    /// `value[start:stop:step]`
    func slice(
        _ start: JinjaValue, _ stop: JinjaValue, _ step: JinjaValue, _ meter: JinjaMeter
    ) throws(JinjaError) -> JinjaValue {
        if case .undefined(let what) = self { throw JinjaError(.undefined, what) }
        for bound in [start, stop, step] where !bound.isNone && bound.index == nil {
            return .undefined("slice indices must be integers or None")
        }
        switch self {
        case .string(let text):
            try meter.touch(text.bytes.count)
            let count = text.count
            let positions = try Self.positions(start, stop, step, count: count)
            if positions.step == 1 {
                guard positions.count > 0 else { return .string(.empty) }
                let isASCII = count == text.bytes.count
                let low = isASCII ? positions.start : text.offset(ofScalar: positions.start)
                let high = positions.start + positions.count
                return .string(text[low..<(isASCII ? high : text.offset(ofScalar: high))])
            }
            return .string(try text.picked(positions.indices, of: count, meter))
        case .list(let values): return .list(try Self.pick(values, start, stop, step, meter))
        case .tuple(let values): return .tuple(try Self.pick(values, start, stop, step, meter))
        case .range(let range):
            let positions = try Self.positions(start, stop, step, count: range.count)
            return .range(try range.slice(first: positions.start, count: positions.count, by: positions.step))
        default: return .undefined("'\(typeName)' object is not subscriptable")
        }
    }

    private static func pick(
        _ values: JinjaList, _ start: JinjaValue, _ stop: JinjaValue, _ step: JinjaValue, _ meter: JinjaMeter
    ) throws(JinjaError) -> JinjaList {
        let positions = try positions(start, stop, step, count: values.count)
        try meter.step(positions.count / 2)
        return JinjaList(positions.indices.map { values[$0] })
    }

    private static func position(_ index: JinjaValue, count: Int) -> Int? {
        guard let index = index.index else { return nil }
        let position = index < 0 ? index + Int64(count) : index
        return (0..<Int64(count)).contains(position) ? Int(position) : nil
    }

    private struct Positions {
        var start: Int
        var count: Int
        var step: Int
        var indices: some Sequence<Int> {
            let (start, step) = (start, step)
            return (0..<count).lazy.map { start + $0 * step }
        }
    }

    private static func positions(
        _ start: JinjaValue, _ stop: JinjaValue, _ step: JinjaValue, count: Int
    ) throws(JinjaError) -> Positions {
        let by = step.index ?? 1
        guard by != 0 else { throw .value("slice step cannot be zero") }
        let length = Int64(count)
        func clamp(_ bound: JinjaValue, _ fallback: Int64) -> Int64 {
            guard var value = bound.index else { return fallback }
            if value < 0 { value += length }
            return by > 0 ? min(max(value, 0), length) : min(max(value, -1), length - 1)
        }
        let low = clamp(start, by > 0 ? 0 : length - 1)
        let high = clamp(stop, by > 0 ? length : -1)
        let distance = by > 0 ? high - low : low - high
        guard distance > 0 else { return Positions(start: Int(max(low, 0)), count: 0, step: 1) }
        let items = (distance.magnitude - 1) / by.magnitude + 1
        return Positions(start: Int(low), count: Int(items), step: items == 1 ? 1 : Int(by))
    }

    /// Attributes hidden by the sandbox: names with two leading underscores, and methods that modify a value.
    private static func forbidden(_ name: JinjaText, of value: JinjaValue) -> JinjaValue? {
        let text = name.string
        let isMutator =
            switch value {
            case .dict: ["clear", "pop", "popitem", "setdefault", "update"].contains(text)
            case .list:
                ["append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"].contains(text)
            default: false
            }
        guard isMutator || text.hasPrefix("__") else { return nil }
        return .undefined("access to attribute '\(JinjaQuote.short(text))' of '\(value.typeName)' object is unsafe")
    }

    func hasMethod(_ name: JinjaText) -> Bool {
        guard name.bytes.count <= JinjaMethods.longestName else { return false }
        return switch self {
        case .string: JinjaMethods.ofString.contains(name)
        case .dict(let members):
            JinjaMethods.ofDictionary.contains(name)
                || (members.spelling != nil && members[name] == nil && JinjaMethods.ofString.contains(name))
        case .list(let values):
            JinjaMethods.ofSequence.contains(name)
                || (values.spelling != nil && JinjaMethods.ofString.contains(name))
        case .tuple, .range: JinjaMethods.ofSequence.contains(name)
        case .loop: name == "cycle" || name == "changed"
        case .callable(let callable):
            if case .cycler = callable.kind { name == "next" || name == "reset" } else { false }
        default: false
        }
    }
}

extension JinjaCallable {
    func attribute(_ name: String, _ whole: JinjaValue) -> JinjaValue? {
        switch (kind, name) {
        case (.macro(let macro, _), "name"): .text(macro.name)
        case (.macro(let macro, _), "arguments"): .tuple(JinjaList(macro.parameters.map { .text($0.label) }))
        case (.macro(let macro, _), "catch_kwargs"): .bool(macro.readsNamed)
        case (.macro(let macro, _), "catch_varargs"): .bool(macro.readsPositional)
        case (.macro(let macro, _), "caller"): .bool(macro.readsCaller)
        case (.cycler(let values), "current"): values[position]
        case (.cycler, "next"), (.cycler, "reset"): .callable(JinjaCallable(.method(whole, name)))
        default: nil
        }
    }
}
