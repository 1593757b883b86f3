import MartletSystem

extension JinjaText {
    /// Python's `format % values`.
    func formatted(with values: JinjaValue, _ meter: JinjaMeter) throws(JinjaError) -> JinjaText {
        try meter.touch(weight)
        var arguments: [JinjaValue] = [values]
        if case .tuple(let list) = values { arguments = list.items }
        var used = 0
        var builder = JinjaTextBuilder(meter)
        var position = 0
        while let percent = find("%", from: position) {
            try builder.append(self[position..<percent])
            position = percent + 1
            var value: JinjaValue?
            if position < bytes.count, bytes[position] == UInt8(ascii: "(") {
                guard let close = find(")", from: position) else { throw .value("incomplete format key") }
                guard case .dict(let members) = values else { throw .type("format requires a mapping") }
                let key = self[position + 1..<close]
                try meter.step(1 + key.bytes.count / 64)
                guard let member = members[key] else {
                    throw .value("no key '\(JinjaQuote.short(key))' for the format")
                }
                value = member
                used = arguments.count
                position = close + 1
            }
            let start = position
            while position < bytes.count, !Self.conversions.contains(bytes[position]) { position += 1 }
            guard position < bytes.count else { throw .value("incomplete format") }
            let conversion = Character(Unicode.Scalar(bytes[position]))
            var reader = JinjaFormatReader(self[start..<position].string)
            position += 1
            func next() throws(JinjaError) -> JinjaValue {
                guard used < arguments.count else { throw .type("not enough arguments for format string") }
                used += 1
                return arguments[used - 1]
            }
            var spec = try reader.printfSpec(next)
            if conversion == "%" {
                try builder.append("%")
                continue
            }
            spec.type = conversion
            let argument = if let value { value } else { try next() }
            try meter.step(1 + spec.cost)
            try builder.append(try spec.printf(argument, meter))
        }
        try builder.append(self[position..<bytes.count])
        if used < arguments.count {
            if case .dict = values { return builder.finish() }
            if case .list = values { return builder.finish() }
            throw .type("not all arguments converted during string formatting")
        }
        return builder.finish()
    }

    private static let conversions = Set("diouxXeEfFgGcrsa%".utf8)

    /// Python's `str.format`, without attributes that start with an underscore.
    func formatted(_ arguments: JinjaArguments, _ meter: JinjaMeter) throws(JinjaError) -> JinjaText {
        var members = JinjaDictionary()
        for argument in arguments.named { members.set(JinjaText(argument.name), argument.value) }
        return try formatted(JinjaFormatArguments(positional: arguments.positional, members: members, meter: meter))
    }

    func formatted(_ arguments: JinjaFormatArguments) throws(JinjaError) -> JinjaText {
        try arguments.meter.touch(weight)
        var builder = JinjaTextBuilder(arguments.meter)
        var automatic = 0
        try format(arguments, &automatic, into: &builder, depth: 0)
        return builder.finish()
    }

    private func format(
        _ arguments: JinjaFormatArguments, _ automatic: inout Int, into builder: inout JinjaTextBuilder, depth: Int
    ) throws(JinjaError) {
        guard depth < 2 else { throw .value("Max string recursion exceeded") }
        var position = 0
        while position < bytes.count {
            let byte = bytes[position]
            guard byte == UInt8(ascii: "{") || byte == UInt8(ascii: "}") else {
                var end = position
                while end < bytes.count, bytes[end] != UInt8(ascii: "{"), bytes[end] != UInt8(ascii: "}") { end += 1 }
                try builder.append(self[position..<end])
                position = end
                continue
            }
            if position + 1 < bytes.count, bytes[position + 1] == byte {
                try builder.append(self[position..<position + 1])
                position += 2
                continue
            }
            guard byte == UInt8(ascii: "{") else { throw .value("Single '}' encountered in format string") }
            var level = 1
            var end = position + 1
            while end < bytes.count {
                if bytes[end] == UInt8(ascii: "{") { level += 1 }
                if bytes[end] == UInt8(ascii: "}") { level -= 1 }
                if level == 0 { break }
                end += 1
            }
            guard level == 0 else { throw .value("expected '}' before end of string") }
            let field = self[position + 1..<end]
            position = end + 1
            try field.formatField(arguments, &automatic, into: &builder, depth: depth)
        }
    }

    private func formatField(
        _ arguments: JinjaFormatArguments, _ automatic: inout Int, into builder: inout JinjaTextBuilder, depth: Int
    ) throws(JinjaError) {
        let colon = find(":") ?? bytes.count
        let bang = find("!").flatMap { $0 < colon ? $0 : nil }
        let name = self[0..<(bang ?? colon)]
        var value = try name.lookUp(arguments, &automatic)
        if let bang {
            switch self[bang + 1..<colon].string {
            case "s": value = .string(try value.text(arguments.meter))
            case "r":
                var represented = JinjaTextBuilder(arguments.meter)
                try value.represent(into: &represented)
                value = .string(represented.finish())
            default: throw .value("Unknown conversion specifier")
            }
        }
        let specText = colon < bytes.count ? self[colon + 1..<bytes.count] : .empty
        guard !specText.isEmpty else { return try builder.append(try value.text(arguments.meter)) }
        var specBuilder = JinjaTextBuilder(arguments.meter)
        try specText.format(arguments, &automatic, into: &specBuilder, depth: depth + 1)
        var reader = JinjaFormatReader(specBuilder.finish().string)
        let spec = try reader.spec()
        try arguments.meter.step(1 + spec.cost)
        try builder.append(try spec.format(value, arguments.meter))
    }

    /// `name`, `0`, `name.attribute`, `0[key]`, or nothing for the next argument.
    private func lookUp(_ arguments: JinjaFormatArguments, _ automatic: inout Int) throws(JinjaError) -> JinjaValue {
        let meter = arguments.meter
        try meter.step()
        let end = bytes.firstIndex { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "[") } ?? bytes.count
        let first = self[0..<end].string
        var value: JinjaValue
        if first.isEmpty || first.utf8.allSatisfy({ (48...57).contains($0) }) {
            let index = first.isEmpty ? automatic : Int(first) ?? Int.max
            if first.isEmpty { automatic += 1 }
            guard index < arguments.positional.count else {
                throw .value("Replacement index \(index) out of range for positional args tuple")
            }
            value = arguments.positional[index]
        } else {
            guard let named = arguments.members[self[0..<end]] else {
                throw .value("no argument '\(JinjaQuote.short(first))' for the format")
            }
            value = named
        }
        var position = end
        while position < bytes.count {
            if bytes[position] == UInt8(ascii: ".") {
                let stop = bytes[(position + 1)...].firstIndex { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "[") }
                let name = self[position + 1..<(stop ?? bytes.count)]
                value = try value.attribute(name)
                position = stop ?? bytes.count
            } else {
                guard let close = find("]", from: position) else { throw .value("Missing ']' in format string") }
                let key = self[position + 1..<close]
                value = try value.item(Int64(key.string).map { .int($0) } ?? .string(key), meter)
                position = close + 1
            }
        }
        return value
    }
}

/// The arguments that fields of `str.format` and `format_map` can refer to.
struct JinjaFormatArguments {
    var positional: [JinjaValue] = []
    var members = JinjaDictionary()
    let meter: JinjaMeter
}

extension JinjaFormatReader {
    /// `[flags][width][.precision]` of a `%` conversion; `*` takes the next argument.
    mutating func printfSpec(_ next: () throws(JinjaError) -> JinjaValue) throws(JinjaError) -> JinjaFormatSpec {
        var spec = JinjaFormatSpec()
        while let scalar = current {
            switch scalar {
            case "-": spec.alignment = "<"
            case "+": spec.sign = "+"
            case " ": if spec.sign != "+" { spec.sign = " " }
            case "#": spec.isAlternate = true
            case "0": spec.isZeroPadded = true
            default: break
            }
            guard ["-", "+", " ", "#", "0"].contains(scalar) else { break }
            position += 1
        }
        func star() throws(JinjaError) -> Int {
            let limit = Int64(JinjaFormatSpec.limit)
            guard let index = try next().index?.narrowed(to: -limit...limit) else {
                throw .value("* wants an integer up to \(limit)")
            }
            return Int(index)
        }
        if take("*") {
            let width = try star()
            if width < 0 { spec.alignment = "<" }
            spec.width = abs(width)
        } else {
            spec.width = try integer() ?? 0
        }
        if take(".") { spec.precision = take("*") ? max(0, try star()) : try integer() ?? 0 }
        while let scalar = current, ["l", "h", "L"].contains(scalar) { position += 1 }
        guard current == nil else { throw .value("unsupported format character") }
        if spec.alignment != nil { spec.isZeroPadded = false }
        return spec
    }
}

extension JinjaFormatSpec {
    func printf(_ value: JinjaValue, _ meter: JinjaMeter) throws(JinjaError) -> JinjaText {
        var spec = self
        switch type {
        case "s", "r", "a":
            var text = try value.text(meter)
            if type != "s" {
                var builder = JinjaTextBuilder(meter)
                try value.represent(into: &builder)
                text = builder.finish()
            }
            spec.type = "s"
            if spec.alignment == nil { spec.alignment = ">" }
            return try spec.format(.string(text), meter)
        case "c":
            if case .string(let text) = value {
                try meter.touch(text.bytes.count)
                guard text.count == 1 else { throw .type("%c requires int or char") }
                spec.type = "s"
                if spec.alignment == nil { spec.alignment = ">" }
                return try spec.format(value, meter)
            }
            return try spec.format(value, meter)
        case "d", "i", "u":
            guard value.number != nil else {
                if case .undefined(let what) = value { throw JinjaError(.undefined, what) }
                throw .type("%d format: a real number is required, not \(value.typeName)")
            }
            spec.type = "d"
            return try spec.integral(try JinjaFilters.integer(value), meter)
        case "x", "X", "o":
            guard let index = value.index else {
                throw .type("%\(type ?? "x") format: an integer is required, not \(value.typeName)")
            }
            return try spec.integral(.int(index), meter)
        default:
            guard let number = value.number else {
                throw .type("must be real number, not \(value.typeName)")
            }
            return try spec.format(.float(number), meter)
        }
    }

    /// In `%` formats the precision of an integer is its minimum number of digits.
    private func integral(_ value: JinjaValue, _ meter: JinjaMeter) throws(JinjaError) -> JinjaText {
        var spec = self
        spec.precision = nil
        guard let precision, let number = value.index else { return try spec.format(value, meter) }
        let radix = type == "d" ? 10 : type == "o" ? 8 : 16
        let digits = String(number.magnitude, radix: radix, uppercase: type == "X")
        let zeros = String(repeating: "0", count: max(0, precision - digits.count))
        return JinjaText(spec.number(digits: zeros + digits, isNegative: number < 0))
    }
}
