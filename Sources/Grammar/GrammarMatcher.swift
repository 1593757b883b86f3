import Synchronization

/// The state of one text in a grammar. An allowed token is accepted at once; its effect is computed together with the
/// next mask, which may be done in slices (`find`).
package struct GrammarMatcher: TokenMatcher {
    /// A root of the shared space; removed with the last copy.
    private final class Standpoint: Sendable {
        let shared: SharedSpace
        let slot: Int

        init(_ shared: SharedSpace, like other: Int? = nil) {
            self.shared = shared
            slot = shared.addRoot(like: other)
        }

        deinit { shared.removeRoot(slot) }
    }

    private let grammar: CompiledGrammar
    private var standpoint: Standpoint
    /// Accepted tokens whose effect is not computed yet.
    private var chosen: [Int32] = []
    /// The mask for the last accepted tokens.
    private var known: TokenMask?
    private var hasEnded = false

    init(_ grammar: CompiledGrammar) {
        self.grammar = grammar
        standpoint = Standpoint(grammar.shared)
    }

    // MARK: Masks

    package mutating func prepare(until end: ContinuousClock.Instant) throws -> Bool { try find(until: end) }

    package mutating func allowedTokens() throws -> TokenMask { try mask() }

    /// - Throws: `GrammarError.noToken` when nothing can follow, `tooLarge` when the text has too many parses.
    package mutating func mask() throws(GrammarError) -> TokenMask {
        if let known { return known }
        if hasEnded { return TokenMask(words: grammar.tree.words(ending: true)) }
        _ = try find(until: nil)
        guard let known else { throw .noToken }
        return known
    }

    /// Works towards the next mask; returns false if `end` comes first.
    /// - Parameter givesWay: whether matchers of running replies have priority.
    mutating func find(
        until end: ContinuousClock.Instant?, givesWay: Bool = false
    ) throws(GrammarError) -> Bool {
        if known != nil || hasEnded { return true }
        ownStandpoint()
        let tree = grammar.tree, slot = standpoint.slot
        var chosen = chosen
        let result = standpoint.shared.withSpace(givesWay: givesWay) { space in
            Result { () throws(GrammarError) -> TokenMask? in
                while let token = chosen.first {
                    let ways = tree.ways(of: token)
                    guard let isTaken = try space.advance(slot, by: ways, until: end) else { return nil }
                    guard isTaken else { throw .tokenNotAllowed(token) }
                    chosen.removeFirst()
                }
                return try space.mask(of: slot, tree, until: end)
            }
        }
        self.chosen = chosen
        guard let mask = try result.get() else { return false }
        guard mask.words.contains(where: { $0 != 0 }) else { throw .noToken }
        known = mask
        return true
    }

    // MARK: Going on

    package mutating func accept(_ token: Int32) throws {
        let tree = grammar.tree
        guard !hasEnded else { throw GrammarError.tokenNotAllowed(token) }
        if let mask = known {
            guard mask.allows(token) else { throw GrammarError.tokenNotAllowed(token) }
            known = nil
            if tree.isEnd(token) { hasEnded = true } else { chosen.append(token) }
        } else if tree.isEnd(token) {
            guard mayEnd else { throw GrammarError.tokenNotAllowed(token) }
            hasEnded = true
        } else {
            let ways = tree.ways(of: token)
            guard !ways.isEmpty, try accept(ways) else { throw GrammarError.tokenNotAllowed(token) }
        }
    }

    /// Advances by bytes; returns false, without a change, if they are not allowed.
    package mutating func accept(bytes: some Sequence<UInt8>) throws(GrammarError) -> Bool {
        try accept([Array(bytes)])
    }

    /// Advances by any of these byte strings.
    private mutating func accept(_ ways: [[UInt8]]) throws(GrammarError) -> Bool {
        try catchUp()
        let slot = standpoint.slot
        let result = standpoint.shared.withSpace { space in
            Result { () throws(GrammarError) in try space.advance(slot, by: ways, until: nil) ?? false }
        }
        guard try result.get() else { return false }
        known = nil
        return true
    }

    /// Advances by the accepted tokens.
    private mutating func catchUp() throws(GrammarError) {
        ownStandpoint()
        let waiting = chosen
        chosen = []
        for token in waiting {
            guard try accept(grammar.tree.ways(of: token)) else { throw .tokenNotAllowed(token) }
        }
    }

    private mutating func ownStandpoint() {
        guard !isKnownUniquelyReferenced(&standpoint) else { return }
        standpoint = Standpoint(standpoint.shared, like: standpoint.slot)
    }

    // MARK: The end

    /// Whether the text so far is complete according to the grammar.
    package var mayEnd: Bool { hasEnded || place?.mayEnd ?? false }

    package var isComplete: Bool { hasEnded || place.map { $0.mayEnd && $0.stackCount == 0 } ?? false }

    /// Nil if the accepted tokens lead nowhere.
    private var place: StackSpace.Place? {
        var copy = self
        do throws(GrammarError) { try copy.catchUp() } catch { return nil }
        let slot = copy.standpoint.slot
        return copy.standpoint.shared.withSpace { $0.places[Int($0.roots[slot].place)] }
    }
}

extension TokenTree {
    /// The byte strings of a token in a grammar; none for a token that is never allowed.
    func ways(of token: Int32) -> [[UInt8]] {
        let bytes = Array(bytes(of: token))
        return (bytes.isEmpty ? [] : [bytes]) + (hasTerminals ? [Self.terminal(token)] : [])
    }
}
