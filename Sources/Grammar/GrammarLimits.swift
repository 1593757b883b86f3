/// Limits on grammars from untrusted sources. Work is counted in steps instead of time, so that the same grammar is
/// refused on every machine; with these limits a compilation ends within about a second.
public struct GrammarLimits: Sendable, Hashable {
    /// Bytes of the source text.
    public var sourceLength = 1 << 20
    /// Nesting depth of schemas and groups.
    public var depth = 64
    /// Rules of the compiled grammar.
    public var rules = 10_000
    /// States of all automata together, before and after determinisation.
    public var states = 200_000
    /// States and edges created, and edges examined in determinisation.
    public var work = 12_000_000
    /// Alternatives of one schema.
    public var alternatives = 512
    /// The maximum number of simultaneous parses of a text: the cost of an ambiguous grammar.
    public var ambiguity = 512
    /// Bytes of the masks, memoised steps and stacks of one grammar, before they are evicted and recomputed.
    public var cacheBytes = 64 << 20
    /// The same for a grammar that no running reply uses.
    public var idleBytes = 16 << 20
    /// Steps and stacks examined to compute the allowed tokens at one position.
    public var maskWork = 64_000_000

    public init() {}
}
