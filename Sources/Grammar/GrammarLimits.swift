/// Bounds on what a grammar from outside may ask for. All work is counted, so that the same grammar is refused on every
/// machine; with these bounds a compilation ends within about a second.
public struct GrammarLimits: Sendable, Hashable {
    /// Bytes of the source text.
    public var sourceLength = 1 << 20
    /// Schemas within schemas, groups within groups.
    public var depth = 64
    /// Rules of the compiled grammar.
    public var rules = 10_000
    /// States of all automata together, before and after they are made deterministic.
    public var states = 200_000
    /// States and edges that may be made, and edges that making automata deterministic may look at.
    public var work = 12_000_000
    /// Alternatives that one schema may fall into.
    public var alternatives = 512
    /// Places at which a text may be at once: what an ambiguous grammar costs.
    public var ambiguity = 512
    /// Bytes that masks and memorised steps of one grammar may take, with all stacks, before they are dropped and made anew.
    public var cacheBytes = 64 << 20
    /// The same for a grammar that no reply under way uses.
    public var idleBytes = 16 << 20
    /// Steps and stacks that may be looked at to find which tokens may come at one place.
    public var maskWork = 64_000_000

    public init() {}
}
