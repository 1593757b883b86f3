import MartletSystem

extension JinjaFilters {
    static func applyToSequence(
        _ name: String, _ value: JinjaValue, _ arguments: JinjaArguments, _ renderer: JinjaRenderer
    ) throws(JinjaError) -> JinjaValue {
        let meter = renderer.meter
        switch name {
        case "join":
            let bound = try arguments.bind(name, ["d", "attribute"])
            let separator = try bound[0]?.text(meter) ?? .empty
            let attribute = try JinjaPath(bound[1], meter)
            var builder = JinjaTextBuilder(meter)
            for (index, item) in try renderer.items(value).enumerated() {
                if index > 0 { try builder.append(separator) }
                try builder.append(try attribute.value(of: item, meter).text(meter))
            }
            return .string(builder.finish())
        case "list":
            try none(name, arguments)
            return .list(JinjaList(try renderer.items(value)))
        case "first":
            try none(name, arguments)
            if case .iterator(let iterator) = value {
                return iterator.next() ?? .undefined("No first item, sequence was empty.")
            }
            if case .string = value { return try value.item(.int(0), meter) }
            return try renderer.items(value).first ?? .undefined("No first item, sequence was empty.")
        case "last":
            try none(name, arguments)
            return try reversible(value, renderer).last ?? .undefined("No last item, sequence was empty.")
        case "reverse":
            try none(name, arguments)
            if case .string(let text) = value { return .string(try text.reversedScalars(meter)) }
            if case .iterator(let iterator) = value { return .list(JinjaList(iterator.drain().reversed())) }
            return .iterator(JinjaIterator(try renderer.items(value).reversed()))
        case "items":
            try none(name, arguments)
            if value.isUndefined { return .iterator(JinjaIterator([])) }
            guard case .dict(let dictionary) = value else { throw .type("Can only get item pairs from a mapping.") }
            try meter.make(texts: dictionary.count)
            return .iterator(JinjaIterator(dictionary.entries.map { .tuple([$0.key, $0.value]) }))
        case "map": return .iterator(JinjaIterator(try map(value, arguments, renderer)))
        case "select", "reject", "selectattr", "rejectattr":
            return .iterator(JinjaIterator(try select(name, value, arguments, renderer)))
        case "sort":
            let bound = try arguments.bind(name, ["reverse", "case_sensitive", "attribute"])
            let key = try JinjaSortKey(bound[2], isCaseSensitive: bound[1]?.isTrue ?? false, splits: true, meter)
            let items = try renderer.items(value)
            try meter.step(items.count)
            return .list(
                JinjaList(try JinjaSort.sorted(items, by: key.value, reverse: bound[0]?.isTrue ?? false, meter)))
        case "dictsort": return .list(JinjaList(try sortDictionary(value, arguments, meter)))
        case "unique": return .iterator(JinjaIterator(try unique(value, arguments, renderer)))
        case "min", "max": return try extreme(name, value, arguments, renderer)
        case "sum":
            let bound = try arguments.bind(name, ["attribute", "start"])
            let attribute = try JinjaPath(bound[0], meter)
            var total = bound[1] ?? .int(0)
            if case .string = total { throw .type("sum() can't sum strings") }
            for item in try renderer.items(value) {
                let part = try attribute.value(of: item, meter)
                total = try renderer.charge(try JinjaValue.apply(.add, total, part, meter))
            }
            return total
        case "groupby": return .list(JinjaList(try group(value, arguments, renderer)))
        case "batch": return .iterator(JinjaIterator(try batch(value, arguments, renderer)))
        case "slice": return .iterator(JinjaIterator(try slice(value, arguments, renderer)))
        case "xmlattr": return .string(try attributes(value, arguments, renderer))
        default: throw .type("no filter named '\(name)'")
        }
    }

    private static func reversible(_ value: JinjaValue, _ renderer: JinjaRenderer) throws(JinjaError) -> [JinjaValue] {
        if case .iterator = value { throw .type("'generator' object is not reversible") }
        return try renderer.items(value)
    }

    private static func map(
        _ value: JinjaValue, _ arguments: JinjaArguments, _ renderer: JinjaRenderer
    ) throws(JinjaError) -> [JinjaValue] {
        guard value.isTrue else { return [] }
        let meter = renderer.meter
        let items = try renderer.items(value)
        var result: [JinjaValue] = []
        if arguments.positional.isEmpty, arguments.named.contains(where: { $0.name == "attribute" }) {
            let bound = try arguments.bind("map", ["attribute", "default"])
            var path = try JinjaPath(bound[0], meter)
            if let fallback = bound[1], !fallback.isNone { path.fallback = fallback }
            for item in items { result.append(try path.value(of: item, meter)) }
            return result
        }
        guard let first = arguments.positional.first else { throw .type("map requires a filter argument") }
        let name = try JinjaMethods.text(first, "map").string
        guard names.contains(name) else { throw .value("no filter named '\(JinjaQuote.short(name))'") }
        var rest = arguments
        rest.positional.removeFirst()
        for item in items {
            try renderer.meter.step()
            result.append(try renderer.charge(try apply(name, item, rest, renderer)))
        }
        return result
    }

    private static func select(
        _ name: String, _ value: JinjaValue, _ arguments: JinjaArguments, _ renderer: JinjaRenderer
    ) throws(JinjaError) -> [JinjaValue] {
        guard value.isTrue else { return [] }
        let meter = renderer.meter
        var rest = arguments
        var path = try JinjaPath(nil, meter)
        if name.hasSuffix("attr") {
            guard !rest.positional.isEmpty else { throw .type("Missing parameter for attribute name") }
            path = try JinjaPath(rest.positional.removeFirst(), meter)
        }
        var test: String?
        if !rest.positional.isEmpty {
            let name = try JinjaMethods.text(rest.positional.removeFirst(), "select").string
            guard JinjaTests.names.contains(name) else { throw .value("no test named '\(JinjaQuote.short(name))'") }
            test = name
        }
        let keeps = name.hasPrefix("select")
        var result: [JinjaValue] = []
        for item in try renderer.items(value) {
            try renderer.meter.step()
            let subject = try path.value(of: item, meter)
            let passes = if let test { try JinjaTests.apply(test, subject, rest, meter) } else { subject.isTrue }
            if passes == keeps { result.append(item) }
        }
        return result
    }

    private static func sortDictionary(
        _ value: JinjaValue, _ arguments: JinjaArguments, _ meter: JinjaMeter
    ) throws(JinjaError) -> [JinjaValue] {
        let bound = try arguments.bind("dictsort", ["case_sensitive", "by", "reverse"])
        let by = try bound[1].map { (value) throws(JinjaError) in try value.text(meter).string } ?? "key"
        guard by == "key" || by == "value" else { throw .value("You can only sort by either \"key\" or \"value\"") }
        if case .undefined(let what) = value { throw JinjaError(.undefined, what) }
        guard case .dict(let dictionary) = value else { throw .type("dictsort needs a mapping, not \(value.typeName)") }
        let key = try JinjaSortKey(nil, isCaseSensitive: bound[0]?.isTrue ?? false, meter)
        let sorted = try JinjaSort.sorted(
            dictionary.entries,
            by: { (entry) throws(JinjaError) in try key.value(of: by == "key" ? entry.key : entry.value) },
            reverse: bound[2]?.isTrue ?? false, meter)
        return sorted.map { .tuple([$0.key, $0.value]) }
    }

    private static func unique(
        _ value: JinjaValue, _ arguments: JinjaArguments, _ renderer: JinjaRenderer
    ) throws(JinjaError) -> [JinjaValue] {
        let bound = try arguments.bind("unique", ["case_sensitive", "attribute"])
        let meter = renderer.meter
        let key = try JinjaSortKey(bound[1], isCaseSensitive: bound[0]?.isTrue ?? false, meter)
        var seen: Set<JinjaKey> = []
        var result: [JinjaValue] = []
        for item in try renderer.items(value) {
            let mark = try key.value(of: item)
            try meter.step()
            try meter.touch(mark.weight.multiplied(clampedBy: 2))
            try JinjaDictionary.checkHashable(mark)
            if seen.insert(JinjaKey(mark)).inserted { result.append(item) }
        }
        return result
    }

    private static func extreme(
        _ name: String, _ value: JinjaValue, _ arguments: JinjaArguments, _ renderer: JinjaRenderer
    ) throws(JinjaError) -> JinjaValue {
        let bound = try arguments.bind(name, ["case_sensitive", "attribute"])
        let meter = renderer.meter
        let key = try JinjaSortKey(bound[1], isCaseSensitive: bound[0]?.isTrue ?? false, meter)
        let items = try renderer.items(value)
        guard var best = items.first else { return .undefined("No aggregated item, sequence was empty.") }
        var bestKey = try key.value(of: best)
        for item in items.dropFirst() {
            try meter.step()
            let candidate = try key.value(of: item)
            let isBetter =
                name == "min"
                ? try candidate.order(bestKey, "<", meter) == .less
                : try candidate.order(bestKey, ">", meter) == .greater
            if isBetter { (best, bestKey) = (item, candidate) }
        }
        return best
    }

    private static func group(
        _ value: JinjaValue, _ arguments: JinjaArguments, _ renderer: JinjaRenderer
    ) throws(JinjaError) -> [JinjaValue] {
        let bound = try arguments.bind("groupby", ["attribute", "default", "case_sensitive"], required: 1)
        let meter = renderer.meter
        var key = try JinjaSortKey(bound[0], isCaseSensitive: bound[2]?.isTrue ?? false, meter)
        if let fallback = bound[1], !fallback.isNone { key.paths[0].fallback = fallback }
        let items = try renderer.items(value)
        try meter.step(items.count)
        let sorted = try JinjaSort.sorted(items, by: key.value, reverse: false, meter)
        var groups: [(key: JinjaValue, name: JinjaValue, items: [JinjaValue])] = []
        for item in sorted {
            let mark = try key.value(of: item)
            try meter.step()
            if let last = groups.indices.last, try groups[last].key.equals(mark, meter) {
                groups[last].items.append(item)
            } else {
                groups.append((mark, try key.paths[0].value(of: item, meter), [item]))
            }
        }
        return groups.map { .tuple([$0.name, .list(JinjaList($0.items))]) }
    }

    private static func batch(
        _ value: JinjaValue, _ arguments: JinjaArguments, _ renderer: JinjaRenderer
    ) throws(JinjaError) -> [JinjaValue] {
        let bound = try arguments.bind("batch", ["linecount", "fill_with"], required: 1)
        let size = try JinjaMethods.integer(bound[0], 1, "batch")
        let most = Int64(JinjaLimits.listCount)
        guard let size = size.narrowed(to: -most...most) else { throw .limit("batches of \(size)") }
        let meter = renderer.meter
        var batches: [[JinjaValue]] = []
        for item in try renderer.items(value) {
            try meter.step()
            if let last = batches.indices.last, batches[last].count != Int(size) {
                batches[last].append(item)
            } else {
                if batches.isEmpty, size == 0 { batches.append([]) }
                batches.append([item])
            }
        }
        if let fill = bound[1], !fill.isNone, let last = batches.indices.last {
            try meter.step(Int(max(0, size)) / 2)
            while batches[last].count < Int(size) { batches[last].append(fill) }
        }
        return batches.map { .list(JinjaList($0)) }
    }

    private static func slice(
        _ value: JinjaValue, _ arguments: JinjaArguments, _ renderer: JinjaRenderer
    ) throws(JinjaError) -> [JinjaValue] {
        let bound = try arguments.bind("slice", ["slices", "fill_with"], required: 1)
        let slices = try JinjaMethods.integer(bound[0], 1, "slice")
        guard slices != 0 else { throw .value("integer division or modulo by zero") }
        guard slices <= Int64(JinjaLimits.listCount) else { throw .limit("\(slices) slices") }
        let items = try renderer.items(value)
        guard slices > 0 else { return [] }
        try renderer.meter.step(items.count / 2)
        try renderer.meter.step(Int(slices) * 2)
        let (size, extra) = items.count.quotientAndRemainder(dividingBy: Int(slices))
        var result: [JinjaValue] = []
        var start = 0
        for index in 0..<Int(slices) {
            let end = start + size + (index < extra ? 1 : 0)
            var part = Array(items[start..<end])
            if let fill = bound[1], !fill.isNone, index >= extra { part.append(fill) }
            result.append(.list(JinjaList(part)))
            start = end
        }
        return result
    }

    private static func attributes(
        _ value: JinjaValue, _ arguments: JinjaArguments, _ renderer: JinjaRenderer
    ) throws(JinjaError) -> JinjaText {
        let bound = try arguments.bind("xmlattr", ["autospace"])
        guard case .dict(let dictionary) = value else { throw .type("xmlattr needs a mapping") }
        let meter = renderer.meter
        var builder = JinjaTextBuilder(meter)
        let leads = bound[0]?.isTrue ?? true
        for entry in dictionary.entries where !entry.value.isNone && !entry.value.isUndefined {
            let key = try JinjaMethods.text(entry.key, "xmlattr")
            try meter.scan(key.bytes.count)
            guard !key.string.contains(where: { $0.isWhitespace || "/>=".contains($0) }) else {
                throw .value("Invalid character in attribute name: '\(JinjaQuote.short(key))'")
            }
            if leads || !builder.bytes.isEmpty { try builder.append(" ") }
            try builder.append(try apply("e", entry.key, JinjaArguments(), renderer).text(meter))
            try builder.append("=\"")
            try builder.append(try apply("e", entry.value, JinjaArguments(), renderer).text(meter))
            try builder.append("\"")
        }
        return builder.finish()
    }
}

/// An attribute path such as `address.city` or `items.0`.
struct JinjaPath {
    private let parts: [JinjaValue]
    private static let longest = 4096
    var fallback: JinjaValue?

    init(_ path: JinjaValue?, _ meter: JinjaMeter) throws(JinjaError) {
        switch path {
        case nil, JinjaValue.none?: parts = []
        case .string(let text)?:
            guard text.bytes.count <= Self.longest else { throw .limit("a path of \(text.bytes.count) bytes") }
            parts = try text.split(".", limit: -1, meter).map { part in
                part.string.unicodeScalars.allSatisfy(\.isPythonDigit)
                    ? Int64(part.string).map { .int($0) } ?? .string(part) : .string(part)
            }
        case let index?: parts = [index]
        }
    }

    func value(of item: JinjaValue, _ meter: JinjaMeter) throws(JinjaError) -> JinjaValue {
        var value = item
        for part in parts {
            try meter.step()
            value = try value.item(part, meter)
            if let fallback, value.isUndefined { value = fallback }
        }
        return value
    }
}

/// The sort key of `sort`, `min`, `unique` and `groupby`: one or more attributes, by default case-insensitive.
struct JinjaSortKey {
    var paths: [JinjaPath]
    let isCaseSensitive: Bool
    private let isList: Bool
    private let meter: JinjaMeter

    init(
        _ attribute: JinjaValue?, isCaseSensitive: Bool, splits: Bool = false, _ meter: JinjaMeter
    ) throws(JinjaError) {
        self.meter = meter
        self.isCaseSensitive = isCaseSensitive
        paths = []
        if splits, case .string(let text)? = attribute {
            for part in try text.split(",", limit: -1, meter) { paths.append(try JinjaPath(.string(part), meter)) }
        } else {
            paths.append(try JinjaPath(attribute, meter))
        }
        isList = paths.count > 1
    }

    func value(of item: JinjaValue) throws(JinjaError) -> JinjaValue {
        var values: [JinjaValue] = []
        for path in paths {
            let value = try path.value(of: item, meter)
            if !isCaseSensitive, case .string(let text) = value {
                values.append(.string(try text.lowercased(meter)))
            } else {
                values.append(value)
            }
        }
        return isList ? .list(JinjaList(values)) : values[0]
    }
}
