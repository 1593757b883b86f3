import MartletTensor

/// Adapters of some layers of a model, by the layers' paths: what one sequence of a batch is computed with, and its
/// neighbours are not.
///
/// ```swift
/// let set = try decoder.tree.adapterSet(["model.layers.0.self_attn.q_proj": adapter])
/// let hidden = try decoder.hiddenStates(tokens, Pass(.cached(sequences), adapters: [set, nil]))
/// ```
public struct AdapterSet {
    fileprivate let layers: [String: any LinearAdapter]
}

extension ModuleTree {
    /// - Throws: `ModuleError.nothingMatches` for a path that is no linear layer of the model.
    public func adapterSet(_ adapters: [String: any LinearAdapter]) throws(ModuleError) -> AdapterSet {
        let paths = Set(linears.map(\.path))
        for path in adapters.keys.sorted() where !paths.contains(path) {
            throw .nothingMatches(pattern: path, near: ModulePattern(path).near(Array(paths)))
        }
        return AdapterSet(layers: adapters)
    }
}

/// Which rows of a pass are computed with which adapters. Mostly none are, and that costs a test.
package struct RowAdapters {
    private var parts: [(rows: Range<Int>, set: AdapterSet)] = []

    package init() {}

    /// - Parameter parts: in the order of their rows; rows in none have no adapters.
    package init(_ parts: [(rows: Range<Int>, set: AdapterSet)]) { self.parts = parts.filter { !$0.rows.isEmpty } }

    package var isEmpty: Bool { parts.isEmpty }

    /// The adapters of the rows of a part of the pass, which are named in ascending order.
    package func narrowed(to rows: [Int32]) -> RowAdapters {
        guard !isEmpty else { return self }
        return RowAdapters(
            parts.map { part in
                let first = rows.firstIndex { part.rows.lowerBound <= Int($0) } ?? rows.count
                let end = rows.firstIndex { part.rows.upperBound <= Int($0) } ?? rows.count
                return (first..<max(first, end), part.set)
            })
    }

    /// A layer's result for x, after the adapters that its rows have: `[tokens, out]`.
    func callAsFunction(_ x: Tensor, _ result: Tensor, of path: String) throws -> Tensor {
        guard parts.contains(where: { $0.set.layers[path] != nil }) else { return result }
        var pieces: [Tensor] = [], next = 0
        func keep(upTo end: Int) throws {
            if end > next { pieces.append(try result.slice(0, from: next, to: end)) }
            next = end
        }
        for (rows, set) in parts {
            guard let adapter = set.layers[path], adapter.isEnabled else { continue }
            try keep(upTo: rows.lowerBound)
            let own = try result.slice(0, from: rows.lowerBound, to: rows.upperBound).copied()
            pieces.append(try adapter(x.slice(0, from: rows.lowerBound, to: rows.upperBound).contiguous(), own))
            next = rows.upperBound
        }
        try keep(upTo: result.shape[0])
        return try Tensor.concatenate(pieces)
    }
}
