import MartletTensor

/// Which experts process each token of a pass, as index lists for the operations of a mixture.
///
/// Every token has `width` places for its experts. Where experts are dropped, or tokens have different numbers of them,
/// some places are empty: they point to a row of zeros behind the results.
struct ExpertAssignment {
    /// Places of each token.
    let width: Int
    /// For each expert, its tokens in ascending order.
    private(set) var rowsOfExpert: [[Int32]]
    /// The flat indices of the probabilities of each token's first selected expert, then of its second, and so on.
    private(set) var likely: [Int32]
    /// The same with each token's experts in ascending order.
    private(set) var ascending: [Int32]
    /// For each token's experts in ascending order: the row of the result in the concatenated results of all experts.
    private(set) var places: [Int32]
    /// 1 for places whose expert was selected, dropped or not, and 0 for the others; nil if all were.
    private(set) var selected: [Float]?
    /// Whether any place points to the row of zeros.
    private(set) var hasEmptyPlaces = false
    /// For each expert, the number of tokens that selected it, those that were dropped included.
    private(set) var demand: [Int]

    /// Each token chooses.
    /// - Parameter capacity: the most tokens an expert takes; nil without a limit.
    init(_ selection: ExpertSelection, _ probabilities: [Float], tokens: Int, capacity: Int? = nil) {
        let spec = selection.spec
        width = spec.active
        demand = [Int](repeating: 0, count: spec.count)
        let empty = [Int32](repeating: 0, count: width * tokens)
        (likely, ascending, places) = (empty, empty, empty)
        rowsOfExpert = Array(repeating: [], count: spec.count)
        var orders: [[Int]] = []
        orders.reserveCapacity(tokens)
        for token in 0..<tokens {
            let first = token * spec.count
            let order = selection.experts(probabilities[first..<first + spec.count])
            for expert in order { demand[expert] += 1 }
            orders.append(order)
        }
        let kept = capacity.map { Self.kept(orders, spec, $0) }
        for (token, order) in orders.enumerated() {
            for (place, expert) in order.enumerated() {
                likely[place * tokens + token] = Int32(token * spec.count + expert)
            }
            for (place, expert) in order.sorted().enumerated() {
                let index = place * tokens + token
                ascending[index] = Int32(token * spec.count + expert)
                let isKept = kept.map { $0[token * spec.count + expert] } ?? true
                places[index] = isKept ? take(expert, token) : -1
            }
        }
        numberRows(experts: spec.count, tokens: tokens)
    }

    /// Each expert chooses `capacity` tokens: those with the highest probability of it. Between equal ones the earlier
    /// token is preferred.
    init(expertsOf spec: RouterSpec, _ probabilities: [Float], tokens: Int, capacity: Int) {
        var expertsOfToken = [[Int]](repeating: [], count: tokens)
        for expert in 0..<spec.count {
            let order = (0..<tokens).sorted {
                let first = probabilities[$0 * spec.count + expert], second = probabilities[$1 * spec.count + expert]
                return first != second ? first > second : $0 < $1
            }
            for token in order.prefix(capacity) { expertsOfToken[token].append(expert) }
        }
        width = max(1, expertsOfToken.reduce(0) { max($0, $1.count) })
        demand = [Int](repeating: min(capacity, tokens), count: spec.count)
        rowsOfExpert = Array(repeating: [], count: spec.count)
        ascending = [Int32](repeating: 0, count: width * tokens)
        places = [Int32](repeating: -1, count: width * tokens)
        likely = []
        var selected = [Float](repeating: 0, count: width * tokens)
        for (token, experts) in expertsOfToken.enumerated() {
            for place in 0..<width {
                let index = place * tokens + token
                ascending[index] = Int32(token * spec.count + (place < experts.count ? experts[place] : 0))
                guard place < experts.count else { continue }
                selected[index] = 1
                places[index] = take(experts[place], token)
            }
        }
        likely = ascending
        self.selected = selected
        numberRows(experts: spec.count, tokens: tokens)
    }

    /// The tokens each expert processes.
    var loads: [Int] { rowsOfExpert.map(\.count) }
    var rowCount: Int { rowsOfExpert.reduce(0) { $0 + $1.count } }

    /// Loads and demand of some rows only.
    func counts(of rows: [Int32], experts: Int) -> (loads: [Int], demand: [Int]) {
        var isCounted = [Bool](repeating: false, count: places.count / max(width, 1))
        for row in rows where isCounted.indices.contains(Int(row)) { isCounted[Int(row)] = true }
        let loads = rowsOfExpert.map { own in own.count { isCounted[Int($0)] } }
        guard selected == nil else { return (loads, loads) }
        var demand = [Int](repeating: 0, count: experts)
        for index in ascending where isCounted[Int(index) / experts] { demand[Int(index) % experts] += 1 }
        return (loads, demand)
    }

    /// Gives a token to an expert; its place among the expert's own rows.
    private mutating func take(_ expert: Int, _ token: Int) -> Int32 {
        rowsOfExpert[expert].append(Int32(token))
        return Int32(rowsOfExpert[expert].count - 1)
    }

    /// Makes places within an expert's rows places in the results of all experts.
    private mutating func numberRows(experts: Int, tokens: Int) {
        var start: [Int32] = [], next: Int32 = 0
        for rows in rowsOfExpert {
            start.append(next)
            next += Int32(rows.count)
        }
        for index in places.indices {
            guard places[index] >= 0 else {
                places[index] = next
                hasEmptyPlaces = true
                continue
            }
            places[index] += start[Int(ascending[index]) - index % tokens * experts]
        }
    }

    /// For each token and expert, whether the expert has room for it: best experts of all tokens first.
    private static func kept(_ orders: [[Int]], _ spec: RouterSpec, _ capacity: Int) -> [Bool] {
        var kept = [Bool](repeating: false, count: orders.count * spec.count)
        var taken = [Int](repeating: 0, count: spec.count)
        for place in 0..<spec.active {
            for (token, order) in orders.enumerated() where place < order.count && taken[order[place]] < capacity {
                taken[order[place]] += 1
                kept[token * spec.count + order[place]] = true
            }
        }
        return kept
    }
}
