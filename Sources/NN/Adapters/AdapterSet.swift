import MartletTensor

/// Adapters of some layers of a model, by the paths of the layers. One sequence of a batch is computed with a set; the
/// other sequences of the batch may have other sets or none.
///
/// ```swift
/// let set = try decoder.tree.adapterSet(["model.layers.0.self_attn.q_proj": adapter])
/// let hidden = try decoder.hiddenStates(tokens, Pass(.cached(sequences), adapters: [set, nil]))
/// ```
///
/// Sequences with the same set are computed together. A set is constant: of low-rank adapters that are not trained it
/// keeps copies, with the scale and `isEnabled` that they had when it was made.
public final class AdapterSet: @unchecked Sendable {
    fileprivate let layers: [String: [any LinearAdapter]]
    /// The terms of layers where all adapters are low-rank terms.
    private let terms: [String: [PackedLowRank]]
    /// The same by the layers of the model that the set was made for: no path is hashed for every layer of every token.
    private let termsOfLayers: [ObjectIdentifier: [PackedLowRank]]
    /// These layers.
    private let known: [Linear]
    /// Whether there is nothing but such terms.
    fileprivate let hasTermsAlone: Bool
    /// Bytes of its parameters.
    public let byteCount: Int

    fileprivate init(_ given: [String: [any LinearAdapter]], _ linears: [Linear]) {
        let layers = given.mapValues { $0.map { ServedTerm($0) ?? $0 } }
        self.layers = layers
        let terms: [String: [PackedLowRank]] = layers.compactMapValues { adapters in
            let own = adapters.compactMap { $0 as? ServedTerm }
            return own.count == adapters.count ? own.filter(\.isEnabled).map(\.packed) : nil
        }
        self.terms = terms
        known = linears
        termsOfLayers = Dictionary(
            linears.map { (ObjectIdentifier($0), terms[$0.path] ?? []) }, uniquingKeysWith: { first, _ in first })
        hasTermsAlone = terms.count == layers.count
        byteCount = layers.values.joined().reduce(0) { sum, adapter in
            guard let served = adapter as? ServedTerm else {
                return sum + adapter.parameters.reduce(0) { $0 + $1.tensor.byteCount }
            }
            return sum + served.packed.byteCount
        }
    }

    /// What is added to a layer, where all of its adapters are low-rank terms.
    fileprivate func terms(of layer: Linear) -> [PackedLowRank]? {
        // Of another model than the set was made for, layers are known by their paths.
        hasTermsAlone ? termsOfLayers[ObjectIdentifier(layer)] ?? terms[layer.path] : terms[layer.path]
    }
}

extension ModuleTree {
    /// - Throws: `ModuleError.nothingMatches` for a path that does not name a linear layer of the model.
    public func adapterSet(_ adapters: [String: any LinearAdapter]) throws(ModuleError) -> AdapterSet {
        try adapterSet(adapters.mapValues { [$0] })
    }

    /// The same for several adapters on a layer, which are applied in order.
    public func adapterSet(_ adapters: [String: [any LinearAdapter]]) throws(ModuleError) -> AdapterSet {
        let paths = Set(linears.map(\.path))
        for path in adapters.keys.sorted() where !paths.contains(path) {
            throw .nothingMatches(pattern: path, near: ModulePattern(path).near(Array(paths)))
        }
        return AdapterSet(adapters, linears)
    }
}

/// The adapters of the rows of a pass. Usually there are none; then each layer only tests `isEmpty`.
package struct RowAdapters {
    /// In ascending order of rows; neighbouring rows with the same adapters are one part.
    private var parts: [(rows: Range<Int>, set: AdapterSet)] = []
    /// The key of the dropout of the layers' own adapters, in training.
    package var draw: AdapterDraw?
    /// Whether no part has anything but low-rank terms.
    private(set) var haveTermsAlone = true

    package init() {}

    /// - Parameter parts: in ascending order of rows; rows outside of all parts have no adapters.
    package init(_ parts: [(rows: Range<Int>, set: AdapterSet)], draw: AdapterDraw? = nil) {
        for part in parts where !part.rows.isEmpty {
            if let last = self.parts.last, last.set === part.set, last.rows.upperBound == part.rows.lowerBound {
                self.parts[self.parts.count - 1].rows = last.rows.lowerBound..<part.rows.upperBound
            } else {
                self.parts.append(part)
            }
        }
        self.draw = draw
        haveTermsAlone = self.parts.allSatisfy(\.set.hasTermsAlone)
    }

    package var isEmpty: Bool { parts.isEmpty }

    /// The adapters of a subset of the rows, whose numbers are in ascending order.
    package func narrowed(to rows: [Int32]) -> RowAdapters {
        guard !isEmpty else { return self }
        return RowAdapters(
            parts.map { part in
                let first = rows.firstIndex { part.rows.lowerBound <= Int($0) } ?? rows.count
                let end = rows.firstIndex { part.rows.upperBound <= Int($0) } ?? rows.count
                return (first..<max(first, end), part.set)
            }, draw: draw)
    }

    private func adapters(of path: String) -> [(rows: Range<Int>, adapters: [any LinearAdapter])] {
        parts.compactMap { part in
            part.set.layers[path].map { (part.rows, $0.filter(\.isEnabled)) }
        }
    }

    /// Whether some rows have adapters of this layer.
    package func adapts(_ path: String) -> Bool { !isEmpty && adapters(of: path).contains { !$0.adapters.isEmpty } }

    func changesInput(of path: String) -> Bool {
        !haveTermsAlone && adapters(of: path).contains { $0.adapters.contains(where: \.changesInput) }
    }

    /// The input of the layer, `[tokens, in]`, with the rows replaced whose adapters change the input.
    func input(_ x: Tensor, of path: String) throws -> Tensor {
        guard changesInput(of: path) else { return x }
        return try replacing(x, adapters(of: path)) { adapters, own in
            try adapters.reduce(own) { try $1.input($0) }
        }
    }

    /// The result of the layer, `[tokens, out]`, with those adapters applied that cannot be added as low-rank terms.
    func slowly(_ x: Tensor, _ result: Tensor, of path: String, isNoted: Bool) throws -> Tensor {
        guard isNoted || !haveTermsAlone else { return result }
        let slow = try adapters(of: path).filter { try Self.forms($0.adapters, isNoted) == nil }
        guard !slow.isEmpty else { return result }
        var rest = slow[...]
        return try replacing(result, slow) { adapters, own in
            let rows = rest.removeFirst().rows
            let input = try x.slice(0, from: rows.lowerBound, to: rows.upperBound).contiguous()
            return try adapters.reduce(own) { try $1(input, $0) }
        }
    }

    /// Adds the low-rank terms of all other rows, in one call for all layers.
    /// - Parameter areNoted: whether the results are recorded on the tape.
    func addTerms(_ x: Tensor, to results: [Tensor], of layers: [Linear], areNoted: Bool) throws {
        guard !areNoted else { return }
        var terms: [LowRankPart] = []
        terms.reserveCapacity(parts.count * layers.count)
        for (index, layer) in layers.enumerated() {
            for (rows, set) in parts {
                if let own = set.terms(of: layer) {
                    for term in own { terms.append(LowRankPart(rows: rows, output: index, .packed(term))) }
                } else if let adapters = set.layers[layer.path] {
                    let forms = try Self.forms(adapters.filter(\.isEnabled), areNoted) ?? []
                    for form in forms { terms.append(LowRankPart(rows: rows, output: index, form)) }
                }
            }
        }
        if !terms.isEmpty { try Fused.addLowRank(x, terms, to: results) }
    }

    /// The adapters as low-rank terms that need no gradients, which are added in place; nil where one is none.
    private static func forms(_ adapters: [any LinearAdapter], _ isNoted: Bool) throws -> [LowRankPart.Form]? {
        guard !isNoted else { return nil }
        var forms: [LowRankPart.Form] = []
        for adapter in adapters {
            if let served = adapter as? ServedTerm {
                forms.append(.packed(served.packed))
                continue
            }
            guard let term = try adapter.term(nil), !Tensor.isRecording([term.down, term.up]) else { return nil }
            forms.append(.plain(term))
        }
        return forms
    }

    /// x with some of its rows replaced.
    private func replacing(
        _ x: Tensor, _ parts: [(rows: Range<Int>, adapters: [any LinearAdapter])],
        _ change: ([any LinearAdapter], Tensor) throws -> Tensor
    ) throws -> Tensor {
        var pieces: [Tensor] = [], next = 0
        func keep(upTo end: Int) throws {
            if end > next { pieces.append(try x.slice(0, from: next, to: end)) }
            next = end
        }
        for (rows, adapters) in parts {
            try keep(upTo: rows.lowerBound)
            pieces.append(try change(adapters, x.slice(0, from: rows.lowerBound, to: rows.upperBound).copied()))
            next = rows.upperBound
        }
        try keep(upTo: x.shape[0])
        return pieces.count == 1 ? pieces[0] : try Tensor.concatenate(pieces)
    }
}
