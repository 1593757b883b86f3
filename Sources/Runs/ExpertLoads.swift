import MartletJSON

/// How many tokens every expert of a step processed, by layer, and how many selections were dropped. A line of the run's
/// log:
///
///     {"kind": "experts", "step": 10, "loads": {"1": [130, 121, 140, 121]}, "dropped": {"1": 0}}
public struct ExpertLoads: Sendable, Equatable {
    /// For each layer with a router, the tokens of its experts.
    public var loads: [Int: [Int]]
    public var dropped: [Int: Int]

    public init(loads: [Int: [Int]], dropped: [Int: Int] = [:]) {
        self.loads = loads
        self.dropped = dropped
    }

    /// - Returns: nil for a line of another kind.
    package init?(_ line: JSON) {
        guard line["kind"]?.string == "experts", let layers = line["loads"]?.object else { return nil }
        loads = [:]
        dropped = [:]
        for member in layers {
            guard let layer = Int(member.key), let counts = member.value.array else { return nil }
            loads[layer] = counts.map { $0.integer ?? 0 }
        }
        for member in line["dropped"]?.object ?? JSONObject() {
            guard let layer = Int(member.key) else { continue }
            dropped[layer] = member.value.integer
        }
    }

    /// The largest load of an expert over the mean load of its layer: 1 when all are even.
    public var largest: Double {
        loads.values.reduce(0) { most, counts in
            let total = counts.reduce(0, +)
            return total == 0 ? most : max(most, Double((counts.max() ?? 0) * counts.count) / Double(total))
        }
    }

    /// The share of all selections that was dropped.
    public var droppedShare: Double {
        let lost = dropped.values.reduce(0, +), kept = loads.values.reduce(0) { $0 + $1.reduce(0, +) }
        return kept + lost == 0 ? 0 : Double(lost) / Double(kept + lost)
    }

    func json(step: Int) -> JSON {
        func object(_ pairs: [(String, JSON)]) -> JSON { .object(JSONObject(pairs)) }
        return [
            "kind": "experts", "step": .integer(Int64(step)),
            "loads": object(
                loads.sorted { $0.key < $1.key }
                    .map { ("\($0.key)", .array($0.value.map { .integer(Int64($0)) })) }),
            "dropped": object(dropped.sorted { $0.key < $1.key }.map { ("\($0.key)", .integer(Int64($0.value))) }),
        ]
    }
}
