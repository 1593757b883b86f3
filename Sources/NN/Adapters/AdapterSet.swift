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
/// keeps copies, with the scale and `isEnabled` that they had when it was made; of layers that are prepared for products that
/// are not exact, as codes of 8 bits. It does not keep the model in memory.
public final class AdapterSet: @unchecked Sendable {
    fileprivate let layers: [String: [any LinearAdapter]]
    /// The low-rank terms of all layers, in the order of the layers.
    fileprivate let packed: PackedLowRankTerms?
    /// Which of them are a layer's, for layers where there are no other adapters.
    private let terms: [String: Range<Int>]
    /// The same by the places of the layers in the tree that the set was made for: no path is hashed for every layer of every
    /// token.
    private let termsByPlace: [Range<Int>]
    /// The identity of that tree.
    private let tree: Int
    /// Whether there is nothing but such terms.
    fileprivate let hasTermsAlone: Bool
    /// Bytes of its parameters.
    public let byteCount: Int

    fileprivate init(_ given: [String: [any LinearAdapter]], _ tree: ModuleTree) {
        var own: [LowRankTerm] = [], areCoded: [Bool] = [], ranges: [String: Range<Int>] = [:]
        // A layer's own terms, and where among all terms each is.
        var places: [String: [Int?]] = [:]
        for layer in tree.linears where ranges[layer.path] == nil {
            let start = own.count
            places[layer.path] = (given[layer.path] ?? []).map { adapter in
                guard let term = ServedTerm.term(of: adapter) else { return nil }
                own.append(term)
                areCoded.append(!layer.precision.isExact)
                return own.count - 1
            }
            ranges[layer.path] = start..<own.count
        }
        // A and B of an adapter fit each other.
        let packed = own.isEmpty ? nil : try? noGrad { try PackedLowRankTerms(own, areCoded: areCoded) }
        var layers = given
        if let packed {
            for (path, adapters) in given {
                layers[path] = zip(adapters, places[path] ?? []).map { adapter, place in
                    place.map { ServedTerm(adapter, packed, $0) } ?? adapter
                }
            }
        }
        let terms = layers.filter { $0.value.allSatisfy { $0 is ServedTerm || !$0.isEnabled } }
        (self.layers, self.packed, self.tree) = (layers, packed, tree.identity)
        self.terms = Dictionary(uniqueKeysWithValues: terms.keys.map { ($0, ranges[$0] ?? 0..<0) })
        hasTermsAlone = terms.count == layers.count
        var byPlace = [Range<Int>](repeating: 0..<0, count: tree.linearCount)
        for layer in tree.linears {
            if let place = layer.place, place.tree == tree.identity {
                byPlace[place.index] = self.terms[layer.path] ?? 0..<0
            }
        }
        termsByPlace = byPlace
        byteCount = layers.values.joined().reduce(packed?.byteCount ?? 0) { sum, adapter in
            sum + adapter.parameters.reduce(0) { $0 + $1.tensor.byteCount }
        }
    }

    /// What is added to a layer, where all of its adapters are low-rank terms.
    fileprivate func terms(of layer: Linear) -> Range<Int>? {
        // Layers of another model than the set was made for are known by their paths.
        guard hasTermsAlone, let place = layer.place, place.tree == tree else { return terms[layer.path] }
        return termsByPlace[place.index]
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
        return AdapterSet(adapters, self)
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
        // Those of one set follow each other, as they lie in memory.
        for (rows, set) in parts {
            for (index, layer) in layers.enumerated() {
                if let own = set.terms(of: layer) {
                    guard let packed = set.packed else { continue }
                    for term in own { terms.append(LowRankPart(rows: rows, output: index, .packed(packed, term))) }
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
                forms.append(.packed(served.packed, served.index))
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
