import ArgumentParser
import Martlet
import MartletVerbs

/// The tasks of `martlet compare --tasks`, asked of a reference and of models.
struct ComparedTasks {
    private let tree: TaskTree
    private let options: HarnessOptions

    init(_ names: String, limit: Double?, dataFolder: String?) throws {
        var options = HarnessOptions()
        (options.limit, options.dataFolder) = (limit, dataFolder)
        self.options = options
        tree = try TaskLibrary { try YAMLValue.read($0) }.tasks(
            names.split(separator: ",").map { String($0.filter { $0 != " " }) })
    }

    /// Opens a model and asks it everything.
    func answers(
        _ path: String, name: String, precision: Precision, cache: KVCacheType = .f16, isInterrupted: () -> Bool
    ) throws -> [TaskResult] {
        let model = LocalModel(
            try LanguageModel(ModelFiles(path: path), precision: precision, cache: cache), name: name)
        var line = StatusLine()
        defer { line.end() }
        do {
            return try Evaluator(model, cache: nil, options).run(tree, isCancelled: isInterrupted) { done, total in
                line.show("\(name): \(done) of \(total) requests", isDue: done == 0 || done % 100 == 0)
            }
        } catch is CancellationError { throw ExitCode(130) }
    }

    /// - Parameter reference: answers to the same questions, whose numbers are taken away row by row.
    static func scores(
        _ results: [TaskResult], against reference: [TaskResult]? = nil
    ) -> [ComparisonPage.TaskScore] {
        let pairs = reference.map { PairedComparison([("model", results), ("reference", $0)]).pairs } ?? []
        return results.flatMap { result in
            result.scores.map { score in
                let pair = pairs.first {
                    !result.isGroup && ($0.task, $0.metric, $0.filter) == (result.name, score.metric, score.filter)
                }
                let isPlain = score.filter == "none"
                return ComparisonPage.TaskScore(
                    task: result.name, metric: isPlain ? score.metric : "\(score.metric), \(score.filter)",
                    value: score.value, standardError: score.standardError,
                    difference: pair.map { ($0.difference, $0.standardError, $0.p) })
            }
        }
    }
}
