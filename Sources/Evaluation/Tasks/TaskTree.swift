import MartletJSON

/// The tasks of an evaluation and the groups they are counted in.
public struct TaskTree: Sendable {
    /// A group's number: the mean of its tasks'.
    package struct GroupMetric: Sendable {
        var metric: String
        /// Nil for all there are.
        var filters: [String]?
        /// Each task counts as much as it has rows; otherwise all count the same.
        var weighsBySize = true
        /// What guessing gives, by task: numbers are then (x − baseline) / (1 − baseline).
        var baselines: [String: Double] = [:]
    }

    package indirect enum Node: Sendable {
        case task(String)
        case group(name: String, alias: String, version: JSON, metrics: [GroupMetric], members: [Node])
    }

    public package(set) var tasks: [TaskDefinition] = []
    package var roots: [Node] = []

    public init() {}

    /// Takes out tasks whose files are not there.
    /// - Returns: their names.
    public mutating func removeTasksWithoutData(dataFolder: String?) -> [String] {
        let missing = tasks.filter { task in
            guard let split = task.data.testSplit ?? task.data.validationSplit else { return false }
            return (try? task.data.paths(split, dataFolder)) == nil
        }.map(\.name)
        tasks.removeAll { missing.contains($0.name) }
        return missing
    }

    /// Results in the order of the tree, groups before their members.
    func results(_ found: [String: TaskResult]) -> [TaskResult] {
        roots.flatMap { flattened($0, found, depth: 0) }
    }

    private func flattened(_ node: Node, _ found: [String: TaskResult], depth: Int) -> [TaskResult] {
        switch node {
        case .task(let name):
            guard var result = found[name] else { return [] }
            result.depth = depth
            return [result]
        case .group(let name, let alias, let version, let metrics, let members):
            let below = members.flatMap { flattened($0, found, depth: depth + 1) }
            var seen: Set<String> = []
            let leaves = below.filter { !$0.isGroup && seen.insert($0.name).inserted }
            var group = TaskResult(
                name: name, alias: alias, version: version,
                shotCount: Set(leaves.map(\.shotCount)).count == 1 ? leaves[0].shotCount : 0,
                scores: [], samples: [], rowCount: leaves.reduce(0) { $0 + $1.rowCount },
                totalRowCount: leaves.reduce(0) { $0 + $1.totalRowCount }, configuration: [:], hash: "")
            group.isGroup = true
            group.depth = depth
            for metric in metrics {
                let known = Set(leaves.flatMap { $0.scores.filter { $0.metric == metric.metric }.map(\.filter) })
                for filter in metric.filters ?? known.sorted() {
                    if let score = Self.mean(leaves, metric, filter) { group.scores.append(score) }
                }
            }
            return [group] + below
        }
    }

    /// With weights n: x̄ = Σ n x / Σ n, and the pooled error √(Σ (n − 1) n s² / (Σ n − k) / Σ n); without: the mean of k
    /// numbers, and √(Σ s²) / k.
    private static func mean(_ leaves: [TaskResult], _ metric: GroupMetric, _ filter: String) -> TaskResult.Score? {
        let members = leaves.compactMap { leaf in
            leaf.scores.first { $0.metric == metric.metric && $0.filter == filter }.map { score in
                var score = score
                if let baseline = metric.baselines[leaf.name] {
                    score.value = (score.value - baseline) / (1 - baseline)
                    score.standardError = score.standardError.map { $0 / (1 - baseline) }
                }
                return (leaf, score)
            }
        }
        guard !members.isEmpty else { return nil }
        let sizes = members.map { metric.weighsBySize ? Double($0.0.rowCount) : 1 }, all = sizes.reduce(0, +)
        let value = zip(members, sizes).reduce(0) { $0 + $1.0.1.value * $1.1 } / all
        var error: Double?
        let errors = members.compactMap(\.1.standardError)
        if errors.count == members.count {
            if !metric.weighsBySize {
                error = errors.reduce(0) { $0 + $1 * $1 }.squareRoot() / Double(errors.count)
            } else if all > Double(errors.count) {
                let pooled = zip(errors, sizes).reduce(0) { $0 + ($1.1 - 1) * $1.0 * $1.0 * $1.1 }
                error = (pooled / (all - Double(errors.count)) / all).squareRoot()
            }
        }
        return TaskResult.Score(
            metric: metric.baselines.isEmpty ? metric.metric : "centered_\(metric.metric)", filter: filter,
            value: value,
            standardError: error,
            isHigherBetter: members[0].1.isHigherBetter)
    }
}
