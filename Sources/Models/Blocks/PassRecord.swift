import MartletTensor

/// What a pass records besides its hidden states.
///
/// The losses of routers are scalars on the tape, one for each layer with a router, in order. They are over the tokens of
/// one pass: cut into more passes, a step has the mean of other numbers.
public final class PassRecord {
    /// For each layer with a router, the number of tokens that each expert processes. Passes of one step add up.
    public private(set) var routerLoads: [Int: [Int]] = [:]
    /// For each layer with a router, the selections of experts that were dropped since the expert was full.
    public private(set) var dropped: [Int: Int] = [:]
    /// For each layer with a router and each of its experts the rows that the expert processes, in ascending order; where
    /// they are asked for, of one pass.
    public private(set) var rowsOfExperts: [Int: [[Int32]]] = [:]
    /// The load-balancing loss: experts · Σ f P over the experts, with f the number of selections of an expert by the
    /// number of tokens and P the mean of its probability (Fedus et al. 2021, eq. 4). It is least, and as large as the
    /// number of experts of a token, when loads are even.
    public private(set) var auxiliaryLosses: [Tensor] = []
    /// The mean over the tokens of (log Σ exp of the router's logits)² (Zoph et al. 2022, "ST-MoE", eq. 5).
    public private(set) var routerZLosses: [Tensor] = []
    /// The residual stream after each of the requested layers, `[tokens, hidden]`, on the tape.
    public private(set) var residuals: [Int: Tensor] = [:]
    let wantsAuxiliaryLosses: Bool
    private let wantsZLosses, wantsRows: Bool
    private let layers: Set<Int>
    /// The rows that count; nil for all.
    private let given: [Int32]?
    /// The same as rows of the pass, which may have more.
    private var rows: [Int32]?

    /// - Parameters:
    ///   - auxiliaryLosses: whether balance losses are recorded.
    ///   - routerZLosses: whether z-losses are.
    ///   - rowsOfExperts: whether the rows of each expert are.
    ///   - rows: the rows that loads and losses are of, without padding; all where left out.
    public init(
        auxiliaryLosses: Bool = false, routerZLosses: Bool = false, rowsOfExperts: Bool = false,
        residualsAfter layers: Set<Int> = [], of rows: [Int32]? = nil
    ) {
        wantsRows = rowsOfExperts
        wantsAuxiliaryLosses = auxiliaryLosses
        wantsZLosses = routerZLosses
        self.layers = layers
        (given, self.rows) = (rows, rows)
    }

    /// Of a pass with rows put between: where each given row is in it.
    func place(_ places: [Int32]) { rows = given.map { $0.map { places[Int($0)] } } ?? places }

    /// The logits of a router, `[tokens, experts]`, without noise.
    func add(logits: Tensor) throws {
        guard wantsZLosses else { return }
        try routerZLosses.append(counted(logits).logSumExp(axes: [1]).square().mean())
    }

    func add(_ choice: ExpertAssignment, probabilities: Tensor, layer: Int) throws {
        let counts: (loads: [Int], demand: [Int]) =
            rows.map { choice.counts(of: $0, experts: probabilities.shape[1]) } ?? (choice.loads, choice.demand)
        routerLoads[layer] = routerLoads[layer].map { zip($0, counts.loads).map(+) } ?? counts.loads
        let lost = zip(counts.demand, counts.loads).reduce(0) { $0 + $1.0 - $1.1 }
        dropped[layer, default: 0] += lost
        if wantsRows { rowsOfExperts[layer] = numbered(choice.rowsOfExpert) }
        guard wantsAuxiliaryLosses else { return }
        let known = try counted(probabilities), tokens = Double(max(known.shape[0], 1))
        let share = try Tensor(counts.demand.map { Double($0) / tokens }).to(probabilities.dtype)  // [experts]
        try auxiliaryLosses.append((known.mean(axes: [0]) * share).sum() * Double(counts.demand.count))
    }

    /// Rows of the pass as the caller counts them.
    private func numbered(_ lists: [[Int32]]) -> [[Int32]] {
        guard let rows else { return lists }
        let places = Dictionary(zip(rows, rows.indices.map(Int32.init)), uniquingKeysWith: { first, _ in first })
        return lists.map { $0.compactMap { places[$0] } }
    }

    /// The rows that count: `[counted, experts]`.
    private func counted(_ x: Tensor) throws -> Tensor {
        try rows.map { try x.indexSelect(0, Tensor($0.map(Int64.init))) } ?? x
    }

    func see(residual x: Tensor, after layer: Int) {
        if layers.contains(layer) { residuals[layer] = x.copied() }
    }

    // MARK: - Layers that are computed again

    /// A record of one layer with the same wishes.
    func ofOneLayer() -> PassRecord {
        PassRecord(
            auxiliaryLosses: wantsAuxiliaryLosses, routerZLosses: wantsZLosses, rowsOfExperts: wantsRows, of: rows)
    }

    /// What of a layer's record is on the tape.
    var losses: [Tensor] { auxiliaryLosses + routerZLosses }

    /// A record of other layers with the same wishes.
    package func ofMoreLayers() -> PassRecord { ofOneLayer() }

    /// Takes what another record has of layers that are numbered from `first` on.
    package func take(_ other: PassRecord, numberedFrom first: Int) {
        take(other, losses: other.losses[...], numberedFrom: first)
    }

    /// Takes the counts of a layer's record, and its losses as they come back from the tape.
    func take(_ layer: PassRecord, losses: ArraySlice<Tensor>, numberedFrom first: Int = 0) {
        for (own, loads) in layer.routerLoads {
            routerLoads[first + own] = routerLoads[first + own].map { zip($0, loads).map(+) } ?? loads
        }
        for (own, rows) in layer.rowsOfExperts { rowsOfExperts[first + own] = rows }
        for (own, count) in layer.dropped { dropped[first + own, default: 0] += count }
        auxiliaryLosses += losses.prefix(layer.auxiliaryLosses.count)
        routerZLosses += losses.dropFirst(layer.auxiliaryLosses.count)
    }
}
