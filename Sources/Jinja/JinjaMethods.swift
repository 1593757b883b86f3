/// The methods of strings, dictionaries, lists and loops that templates may call.
package enum JinjaMethods {
    package static let ofString: Set<JinjaText> = [
        "strip", "lstrip", "rstrip", "split", "rsplit", "splitlines", "startswith", "endswith", "replace", "upper",
        "lower", "title", "capitalize", "swapcase", "casefold", "format", "format_map", "join", "find", "rfind",
        "index", "rindex", "count", "isalpha", "isdigit", "isdecimal", "isnumeric", "isalnum", "isspace", "isascii",
        "isupper", "islower", "istitle", "isidentifier", "isprintable", "center", "ljust", "rjust", "zfill",
        "partition", "rpartition", "removeprefix", "removesuffix", "expandtabs",
    ]
    /// Longer names are not methods.
    static let longestName = 16
    static let ofDictionary: [JinjaText] = ["get", "items", "keys", "values", "copy"]
    static let ofSequence: [JinjaText] = ["index", "count"]

    static func call(
        _ name: String, on receiver: JinjaValue, _ arguments: JinjaArguments, _ renderer: JinjaRenderer
    ) throws(JinjaError) -> JinjaValue {
        let meter = renderer.meter
        switch receiver {
        case .string(let text): return try call(name, on: text, arguments, renderer)
        case .dict(let dictionary):
            if let text = dictionary.spelling, !ofDictionary.contains(JinjaText(name)) {
                return try call(name, on: text, arguments, renderer)
            }
            return try call(name, on: dictionary, arguments, meter)
        case .loop(let loop): return try call(name, on: loop, arguments, meter)
        case .callable(let callable):
            guard case .cycler(let values) = callable.kind else { break }
            let value = values[callable.position]
            callable.position = name == "next" ? (callable.position + 1) % values.count : 0
            return name == "next" ? value : .none
        default:
            if let text = receiver.asText, !ofSequence.contains(JinjaText(name)) {
                return try call(name, on: text, arguments, renderer)
            }
            guard let items = receiver.items() else { break }
            guard arguments.named.isEmpty, let wanted = arguments.positional.first else {
                throw .type("\(name)() takes a value")
            }
            try meter.step(items.count / 8)
            var count: Int64 = 0
            for (index, item) in items.enumerated() where try item.equals(wanted, meter) {
                if name == "index" { return .int(Int64(index)) }
                count += 1
            }
            guard name == "count" else { throw .value("the value is not in the \(receiver.typeName)") }
            return .int(count)
        }
        throw .type("'\(receiver.typeName)' object has no method '\(name)'")
    }

    private static func call(
        _ name: String, on dictionary: JinjaDictionary, _ arguments: JinjaArguments, _ meter: JinjaMeter
    ) throws(JinjaError) -> JinjaValue {
        guard arguments.named.isEmpty else { throw .type("\(name)() takes no keyword arguments") }
        if name == "get" {
            let bound = try arguments.bind("get", ["key", "default"], required: 1)
            return try dictionary.value(for: bound[0] ?? .none, meter) ?? bound[1] ?? .none
        }
        guard arguments.positional.isEmpty else { throw .type("\(name)() takes no arguments") }
        if name == "items" { try meter.make(texts: dictionary.count) } else { try meter.step(dictionary.count / 4) }
        switch name {
        case "items": return .view("dict_items", JinjaList(dictionary.entries.map { .tuple([$0.key, $0.value]) }))
        case "keys": return .view("dict_keys", JinjaList(dictionary.keys))
        case "values": return .view("dict_values", JinjaList(dictionary.values))
        default: return .dict(dictionary)
        }
    }

    private static func call(
        _ name: String, on loop: JinjaLoop, _ arguments: JinjaArguments, _ meter: JinjaMeter
    ) throws(JinjaError) -> JinjaValue {
        let values = JinjaList(arguments.positional)
        if name == "cycle" {
            guard !values.isEmpty else { throw .type("no items for cycling given") }
            return values[loop.index0 % values.count]
        }
        var isSame = false
        if let last = loop.lastChanged { isSame = try JinjaValue.tuple(last).equals(.tuple(values), meter) }
        loop.lastChanged = values
        return .bool(!isSame)
    }

    static func text(_ value: JinjaValue?, _ function: String) throws(JinjaError) -> JinjaText {
        guard let text = value?.asText else {
            throw .type("\(function) argument must be str, not \(value?.typeName ?? "missing")")
        }
        return text
    }

    static func integer(_ value: JinjaValue?, _ fallback: Int64, _ function: String) throws(JinjaError) -> Int64 {
        guard let value else { return fallback }
        guard let index = value.index else {
            throw .type("\(function): '\(value.typeName)' object cannot be interpreted as an integer")
        }
        return index
    }

    private static func call(
        _ name: String, on text: JinjaText, _ arguments: JinjaArguments, _ renderer: JinjaRenderer
    ) throws(JinjaError) -> JinjaValue {
        let meter = renderer.meter
        try meter.touch(text.weight)
        for case .string(let argument) in arguments.positional { try meter.touch(argument.bytes.count) }
        switch name {
        case "strip", "lstrip", "rstrip":
            let bound = try arguments.bind(name, ["chars"])
            var characters: JinjaText?
            if let value = bound[0], !value.isNone { characters = try self.text(value, name) }
            return .string(text.trimmed(characters, start: name != "rstrip", end: name != "lstrip"))
        case "split", "rsplit":
            let bound = try arguments.bind(name, ["sep", "maxsplit"])
            var separator: JinjaText?
            if let value = bound[0], !value.isNone { separator = try self.text(value, name) }
            let limit = try integer(bound[1], -1, name)
            let parts =
                name == "split"
                ? try text.split(separator, limit: limit, meter) : try text.splitFromEnd(separator, limit: limit, meter)
            return .list(JinjaList(parts.map { .string($0) }))
        case "splitlines":
            let bound = try arguments.bind(name, ["keepends"])
            return .list(JinjaList(try text.lines(keepingEnds: bound[0]?.isTrue ?? false, meter).map { .string($0) }))
        case "startswith", "endswith": return .bool(try matches(text, arguments, atStart: name == "startswith"))
        case "replace":
            let bound = try arguments.bind(name, ["old", "new", "count"], required: 2)
            let old = try self.text(bound[0], name)
            return .string(
                try text.replacing(
                    old, with: try self.text(bound[1], name), limit: try integer(bound[2], -1, name), meter))
        case "format": return .string(try text.formatted(arguments, meter))
        case "format_map":
            guard case .dict(let members)? = arguments.positional.first else {
                throw .type("format_map() takes a mapping")
            }
            return .string(try text.formatted(JinjaFormatArguments(members: members, meter: meter)))
        case "join":
            guard let iterable = arguments.positional.first else { throw .type("join() takes exactly one argument") }
            var builder = JinjaTextBuilder(meter)
            for (index, item) in try renderer.items(iterable).enumerated() {
                if index > 0 { try builder.append(text) }
                try builder.append(try self.text(item, "join() item"))
            }
            return .string(builder.finish())
        case "find", "rfind", "index", "rindex", "count": return try search(name, text, arguments)
        case "partition", "rpartition":
            let separator = try self.text(arguments.positional.first, name)
            guard !separator.isEmpty else { throw .value("empty separator") }
            let found = name == "partition" ? text.find(separator) : text.findLast(separator, before: text.bytes.count)
            guard let found else {
                let empty = JinjaValue.string(.empty)
                let parts = [JinjaValue.string(text), empty, empty]
                return .tuple(JinjaList(name == "partition" ? parts : parts.reversed()))
            }
            let end = found + separator.bytes.count
            return .tuple([
                .string(text[0..<found]), .string(text[found..<end]), .string(text[end..<text.bytes.count]),
            ])
        case "removeprefix", "removesuffix":
            let part = try self.text(arguments.positional.first, name)
            let count = text.bytes.count
            if name == "removeprefix" {
                return .string(text.hasPrefix(part) ? text[part.bytes.count..<count] : text)
            }
            return .string(text.hasSuffix(part) ? text[0..<count - part.bytes.count] : text)
        case "center", "ljust", "rjust", "zfill", "expandtabs": return .string(try pad(name, text, arguments, meter))
        default: break
        }
        guard arguments.positional.isEmpty, arguments.named.isEmpty else { throw .type("\(name)() takes no arguments") }
        switch name {
        case "upper": return .string(try text.uppercased(meter))
        case "lower", "casefold": return .string(try text.lowercased(meter))
        case "title": return .string(try text.titled(meter))
        case "capitalize": return .string(try text.capitalized(meter))
        case "swapcase": return .string(try text.swappedCase(meter))
        default:
            guard let result = try text.isAll(name, meter) else { throw .type("'str' object has no method '\(name)'") }
            return .bool(result)
        }
    }

    private static func matches(
        _ text: JinjaText, _ arguments: JinjaArguments, atStart: Bool
    ) throws(JinjaError) -> Bool {
        let bound = try arguments.bind("startswith", ["prefix", "start", "end"], required: 1)
        let part = try range(text, bound[1], bound[2]).map { text[$0] }
        guard let part else { return false }
        func test(_ affix: JinjaText) -> Bool { atStart ? part.hasPrefix(affix) : part.hasSuffix(affix) }
        if case .tuple(let affixes)? = bound[0] {
            for affix in affixes where test(try self.text(affix, "startswith")) { return true }
            return false
        }
        return test(try self.text(bound[0], "startswith first"))
    }

    /// The bytes between two optional scalar indices; nil if the start is beyond the end.
    private static func range(
        _ text: JinjaText, _ start: JinjaValue?, _ end: JinjaValue?
    ) throws(JinjaError) -> Range<Int>? {
        let isWhole = (start?.isNone ?? true) && (end?.isNone ?? true)
        if isWhole { return 0..<text.bytes.count }
        let count = Int64(text.count)
        func clamp(_ value: JinjaValue?, _ fallback: Int64) throws(JinjaError) -> Int64 {
            guard let value, !value.isNone else { return fallback }
            let index = try integer(value, fallback, "slice")
            return index < 0 ? max(0, index + count) : index
        }
        let low = try clamp(start, 0)
        let high = min(try clamp(end, count), count)
        guard low <= count, low <= high else { return nil }
        return text.offset(ofScalar: Int(low))..<text.offset(ofScalar: Int(high))
    }

    private static func search(
        _ name: String, _ text: JinjaText, _ arguments: JinjaArguments
    ) throws(JinjaError) -> JinjaValue {
        let bound = try arguments.bind(name, ["sub", "start", "end"], required: 1)
        let needle = try self.text(bound[0], name)
        let range = try range(text, bound[1], bound[2])
        if name == "count" {
            guard let range else { return .int(0) }
            let part = text[range]
            if needle.isEmpty { return .int(Int64(part.count + 1)) }
            var count: Int64 = 0
            var start = 0
            while let found = part.find(needle, from: start) {
                count += 1
                start = found + needle.bytes.count
            }
            return .int(count)
        }
        var found: Int?
        if let range {
            let part = text[range]
            let local =
                name.hasPrefix("r") ? part.findLast(needle, before: part.bytes.count) : part.find(needle)
            found = local.map { text[0..<$0 + range.lowerBound].count }
        }
        if let found { return .int(Int64(found)) }
        if name.hasSuffix("index") { throw .value("substring not found") }
        return .int(-1)
    }

    private static func pad(
        _ name: String, _ text: JinjaText, _ arguments: JinjaArguments, _ meter: JinjaMeter
    ) throws(JinjaError) -> JinjaText {
        if name == "expandtabs" {
            guard arguments.positional.isEmpty, arguments.named.isEmpty else { throw .type("expandtabs() with a size") }
            return try expandTabs(text, meter)
        }
        let bound = try arguments.bind(name, ["width", "fillchar"], required: 1)
        let width = try integer(bound[0], 0, name)
        guard width <= Int64(JinjaLimits.textBytes) else { throw .limit("a width of \(width)") }
        let count = Int64(text.count)
        guard width > count else { return text }
        let fill = try bound[1].map { (value) throws(JinjaError) in try self.text(value, name) } ?? " "
        guard fill.count == 1 else { throw .type("The fill character must be exactly one character long") }
        let missing = width - count
        var before: Int64
        switch name {
        case "ljust": before = 0
        case "center": before = missing / 2 + (missing & width & 1)
        default: before = missing
        }
        var builder = JinjaTextBuilder(meter)
        var body = text
        if name == "zfill" {
            if let sign = text.bytes.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") {
                try builder.append(text[0..<1])
                body = text[1..<text.bytes.count]
            }
            try builder.append(try JinjaText("0").repeated(before, meter))
            before = 0
            try builder.append(body)
            return builder.finish()
        }
        try builder.append(try fill.repeated(before, meter))
        try builder.append(body)
        try builder.append(try fill.repeated(missing - before, meter))
        return builder.finish()
    }

    private static func expandTabs(_ text: JinjaText, _ meter: JinjaMeter) throws(JinjaError) -> JinjaText {
        var column = 0
        return try text.mapping(meter) { scalar in
            switch scalar {
            case "\t":
                let spaces = 8 - column % 8
                column += spaces
                return String(repeating: " ", count: spaces)
            case "\n", "\r":
                column = 0
            default: column += 1
            }
            return String(scalar)
        }
    }
}
