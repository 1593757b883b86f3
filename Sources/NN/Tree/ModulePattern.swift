import MartletSystem

/// Selects modules of a model by their paths.
///
/// | pattern | paths |
/// |---|---|
/// | `q_proj` | every module of this name |
/// | `layers.3` | all of the fourth layer |
/// | `layers.*.mlp` | the feed-forward parts of all layers |
/// | `*_proj` | every module whose name ends in `_proj` |
/// | `all-linear` | every linear layer except the output projection |
///
/// A pattern names consecutive components of a path, at any depth; `*` matches any characters within one component.
public struct ModulePattern: Sendable, Equatable, CustomStringConvertible {
    public let description: String
    private let components: [String]

    /// PEFT's name for this pattern.
    public static let allLinear = "all-linear"

    public init(_ text: String) {
        description = text
        components = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    }

    public func matches(_ path: String) -> Bool {
        let parts = path.split(separator: ".", omittingEmptySubsequences: false)
        guard components.count <= parts.count else { return false }
        return (0...(parts.count - components.count)).contains { first in
            zip(components, parts[first...]).allSatisfy { Self.matches($0.utf8[...], $1.utf8[...]) }
        }
    }

    public func matches(_ leaf: any ModuleLeaf) -> Bool {
        if description == Self.allLinear { return leaf is Linear && !leaf.path.hasSuffix("lm_head") }
        return matches(leaf.path)
    }

    /// Matches `*` with any run of characters. Backtracks to the last `*` only, so the time is at most the product of
    /// the lengths.
    private static func matches(_ pattern: Substring.UTF8View, _ text: Substring.UTF8View) -> Bool {
        var p = pattern.startIndex, t = text.startIndex
        var star: (pattern: Substring.UTF8View.Index, text: Substring.UTF8View.Index)?
        while t < text.endIndex {
            if p < pattern.endIndex, pattern[p] == UInt8(ascii: "*") {
                star = (pattern.index(after: p), t)
                p = pattern.index(after: p)
            } else if p < pattern.endIndex, pattern[p] == text[t] {
                p = pattern.index(after: p)
                t = text.index(after: t)
            } else if let last = star {
                let next = text.index(after: last.text)
                star = (last.pattern, next)
                (p, t) = (last.pattern, next)
            } else {
                return false
            }
        }
        while p < pattern.endIndex, pattern[p] == UInt8(ascii: "*") { p = pattern.index(after: p) }
        return p == pattern.endIndex
    }

    /// The four names among `paths` that are most similar to the pattern, the most similar first: for error messages.
    func near(_ paths: [String]) -> [String] {
        var seen: Set<String> = []
        var names: [(name: String, distance: Int)] = []
        let wanted = components.last ?? description
        for path in paths {
            for component in path.split(separator: ".").reversed() where Int(component) == nil {
                let name = String(component)
                guard seen.insert(name).inserted else { continue }
                names.append((name, Spelling.distance(wanted, name)))
            }
        }
        return names.sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }.prefix(4).map(\.name)
    }

    /// The same for names that are not paths of a tree.
    package func nearNames(_ names: [String]) -> [String] { near(names) }

    /// The four whole paths among `paths` that are most similar to the pattern, the most similar first.
    func nearPaths(_ paths: [String]) -> [String] {
        return paths.map { (name: $0, distance: Spelling.distance(description, $0)) }
            .sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }.prefix(4).map(\.name)
    }
}
