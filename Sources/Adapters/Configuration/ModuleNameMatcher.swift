import MartletPatterns
import MartletSystem

/// Which module names an adapter's configuration matches, by PEFT's rules.
struct ModuleNameMatcher {
    private enum Rule {
        case any
        case ends([String])
        case expression(RegularExpression)
    }
    private let targets: Rule
    private let excluded: Rule?
    private let saved: [String]
    private let layers: Set<Int>?
    private let layersPattern: [String]

    init(_ configuration: AdapterConfiguration) throws(AdapterError) {
        targets = try Self.rule(configuration.targets)
        excluded = try configuration.excluded.map { (excluded) throws(AdapterError) in try Self.rule(excluded) }
        saved = configuration.savedModules
        layers = configuration.layers.map(Set.init)
        layersPattern = configuration.layersPattern
    }

    private static func rule(_ targets: AdapterConfiguration.Targets) throws(AdapterError) -> Rule {
        switch targets {
        case .allLinear: .any
        case .names(let names): .ends(names)
        case .expression(let text): .expression(try expression("\\A(?:\(text))\\z", text))
        }
    }

    static func expression(_ whole: String, _ text: String) throws(AdapterError) -> RegularExpression {
        do throws(PatternError) { return try RegularExpression(whole, .tiktoken) } catch {
            throw AdapterError(.configuration, "the expression \(text.quoted()) cannot be read: \(error)")
        }
    }

    /// Whether a module's published name is a target.
    func isTarget(_ name: String) -> Bool {
        if let excluded, Self.fits(excluded, name) { return false }
        if saved.contains(where: { Self.isWithin(name, $0) }) { return false }
        guard Self.fits(targets, name) else { return false }
        guard let layers else { return true }
        if case .expression = targets { return true }
        return Self.layer(of: name, after: layersPattern).map { layers.contains($0) } ?? false
    }

    private static func fits(_ rule: Rule, _ name: String) -> Bool {
        switch rule {
        case .any: name != "lm_head" && !name.hasSuffix(".lm_head")
        case .ends(let names): names.contains { Self.ends(name, with: $0) }
        case .expression(let expression): Self.matches(expression, name)
        }
    }

    /// Whether a name is another, or ends in it as whole components.
    static func ends(_ name: String, with end: String) -> Bool { name == end || name.hasSuffix("." + end) }

    /// Whether a module is one of that name, or part of one.
    static func isWithin(_ name: String, _ module: String) -> Bool {
        ends(name, with: module) || name.hasPrefix(module + ".") || name.contains("." + module + ".")
    }

    static func matches(_ expression: RegularExpression, _ name: String) -> Bool {
        var found = false
        var bytes = Array(name.utf8)
        bytes.withUnsafeMutableBufferPointer { buffer in
            _ = expression.forEachMatch(in: UnsafeBufferPointer(buffer)) {
                if $0.count == buffer.count { found = true }
            }
        }
        return found
    }

    /// The first number in a name, after one of `patterns` if any are given.
    static func layer(of name: String, after patterns: [String] = []) -> Int? {
        let parts = name.split(separator: ".")
        for index in parts.indices.dropFirst() {
            guard let number = Int(parts[index]) else { continue }
            if patterns.isEmpty || patterns.contains(String(parts[index - 1])) { return number }
        }
        return nil
    }
}

extension [String] {
    /// What the first of the names that has something has.
    func firstNonNil<Value>(_ value: (String) -> Value?) -> Value? {
        for name in self { if let found = value(name) { return found } }
        return nil
    }
}

/// Ranks or alphas by expression: the first that matches the end of a name counts.
struct NameOverrides<Value: Sendable & Equatable> {
    private let entries: [(expression: RegularExpression, value: Value)]

    init(_ overrides: [AdapterConfiguration.Override<Value>]) throws(AdapterError) {
        var entries: [(RegularExpression, Value)] = []
        for one in overrides {
            let expression = try ModuleNameMatcher.expression("\\A(?:.*\\.)?(?:\(one.expression))\\z", one.expression)
            entries.append((expression, one.value))
        }
        self.entries = entries
    }

    func value(of name: String) -> Value? {
        entries.first { ModuleNameMatcher.matches($0.expression, name) }?.value
    }
}
