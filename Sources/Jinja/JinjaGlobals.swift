#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The global functions.
enum JinjaGlobals {
    static func call(
        _ name: String, _ arguments: JinjaArguments, _ renderer: JinjaRenderer
    ) throws(JinjaError) -> JinjaValue {
        switch name {
        case "range": return .range(try range(arguments))
        case "dict", "namespace":
            let members = try dictionary(arguments, renderer)
            guard name == "namespace" else { return .dict(members) }
            for key in members.keys {
                guard case .string(let text) = key, text.bytes.first == UInt8(ascii: "_") else { continue }
                throw JinjaError(.unsupported, "a namespace attribute that starts with an underscore")
            }
            let namespace = JinjaNamespace()
            namespace.members = members
            renderer.namespaces.append(namespace)
            return .namespace(namespace)
        case "raise_exception":
            let message = try arguments.bind(name, ["message"], required: 1)[0] ?? .none
            throw JinjaError(.raised, Self.message(try message.text(renderer.meter)))
        case "strftime_now":
            let format = try JinjaMethods.text(try arguments.bind(name, ["format"], required: 1)[0], name)
            return .text(try time(renderer.now(), format.string))
        case "cycler":
            guard !arguments.positional.isEmpty else { throw .type("at least one item has to be provided") }
            return .callable(JinjaCallable(.cycler(JinjaList(arguments.positional))))
        case "joiner":
            let separator = try arguments.bind(name, ["sep"])[0]
            return .callable(JinjaCallable(.joiner(try separator?.text(renderer.meter) ?? ", ")))
        default: throw .type("no function '\(name)'")
        }
    }

    /// Shortens a message: errors go into replies and logs, and a template may put a whole conversation into one.
    private static func message(_ text: JinjaText) -> String {
        let most = 2000
        guard text.bytes.count > most else { return text.string }
        return String(String(decoding: text.bytes.prefix(4 * most), as: UTF8.self).prefix(most)) + "…"
    }

    static func call(_ callable: JinjaCallable, _ arguments: JinjaArguments) throws(JinjaError) -> JinjaValue {
        guard case .joiner(let separator) = callable.kind else { throw .type("a cycler is not callable") }
        guard arguments.positional.isEmpty, arguments.named.isEmpty else { throw .type("a joiner takes no arguments") }
        defer { callable.position = 1 }
        return .string(callable.position == 0 ? .empty : separator)
    }

    private static func range(_ arguments: JinjaArguments) throws(JinjaError) -> JinjaRange {
        guard arguments.named.isEmpty else { throw .type("range() takes no keyword arguments") }
        var bounds: [Int64] = []
        for argument in arguments.positional {
            if case .undefined(let what) = argument { throw JinjaError(.undefined, what) }
            bounds.append(try JinjaMethods.integer(argument, 0, "range()"))
        }
        switch bounds.count {
        case 1: return try JinjaRange(start: 0, stop: bounds[0], step: 1)
        case 2: return try JinjaRange(start: bounds[0], stop: bounds[1], step: 1)
        case 3: return try JinjaRange(start: bounds[0], stop: bounds[1], step: bounds[2])
        default: throw .type("range expected 1 to 3 arguments, got \(bounds.count)")
        }
    }

    /// `dict(mapping or pairs, **more)`
    private static func dictionary(
        _ arguments: JinjaArguments, _ renderer: JinjaRenderer
    ) throws(JinjaError) -> JinjaDictionary {
        guard arguments.positional.count <= 1 else { throw .type("dict expected at most 1 argument") }
        var result = JinjaDictionary()
        switch arguments.positional.first {
        case nil: break
        case .dict(let dictionary)?: result = dictionary
        case .namespace(let namespace)?: result = namespace.members
        case let iterable?:
            for item in try renderer.items(iterable) {
                try renderer.meter.make(texts: 1)
                let pair = try renderer.items(item)
                guard pair.count == 2 else { throw .value("a dictionary item of \(pair.count) values; 2 is required") }
                try result.set(pair[0], pair[1], renderer.meter)
            }
        }
        for argument in arguments.named { result.set(JinjaText(argument.name), argument.value) }
        return result
    }

    /// Local time of `seconds` since 1970 in a format of `strftime`.
    private static func time(_ seconds: Int, _ format: String) throws(JinjaError) -> String {
        guard format.utf8.count <= 256 else { throw .limit("a time format longer than 256 bytes") }
        guard !format.isEmpty else { return "" }
        var instant = time_t(seconds)
        var parts = tm()
        guard localtime_r(&instant, &parts) != nil else { throw .value("a time beyond the calendar") }
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = strftime(&buffer, buffer.count, format, &parts)
        return String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
