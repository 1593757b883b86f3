import ArgumentParser
import Martlet
import MartletVerbs

/// A model against a debug state of llm.c: `martlet compare MODEL --state FILE`.
struct ComparedState {
    let path: String
    let state: LLMCState
    let result: StateComparison

    init(_ path: String, of model: String) throws {
        self.path = path
        let export = try LLMCExport(ModelFiles(path: ModelLocator.locate(model) { Terminal.note($0) }))
        state = try LLMCState(path: path, of: export.sizes)
        result = try StateComparison(export, state)
    }

    private var gradients: ArraySlice<StateComparison.Part> { result.parts.dropFirst(2) }

    func show() {
        let close = gradients.filter(\.isClose).count, logits = result.parts[0]
        print("\(path): \(state.tokens.shape[0]) × \(state.tokens.shape[1]) tokens")
        var rows = [
            ("logits", "largest difference \(Self.text(logits)), limit \(logits.limit)"),
            ("loss", "\(result.loss), expected \(result.expectedLoss)"),
        ]
        if let worst = gradients.max(by: { $0.largest < $1.largest }) {
            rows.append(
                (
                    "gradients",
                    "largest difference \(Self.text(worst)) in \(worst.name); "
                        + "\(close) of \(gradients.count) within \(worst.limit)"
                ))
        }
        for (name, value) in rows { print("  " + name.padding(14) + value) }
    }

    private static func text(_ part: StateComparison.Part) -> String {
        part.largest.isFinite ? Terminal.significant(Double(part.largest), 3) : "without bound (no number)"
    }

    private static func number(_ value: Float) -> JSON { value.isFinite ? .number(Double(value)) : .null }

    var json: JSON {
        [
            "state": .string(path), "texts": .integer(Int64(state.tokens.shape[0])),
            "length": .integer(Int64(state.tokens.shape[1])), "loss": Self.number(result.loss),
            "expected_loss": Self.number(result.expectedLoss), "close": .bool(result.isClose),
            "parts": .array(
                result.parts.map { part in
                    [
                        "name": .string(part.name), "largest": Self.number(part.largest),
                        "limit": Self.number(part.limit), "close": .bool(part.isClose),
                    ]
                }),
        ]
    }

    /// - Throws: `ExitCode` 1 where something is out of its limit, as test_gpt2 ends.
    func check() throws {
        let far = result.parts.filter { !$0.isClose }
        guard let first = far.first else { return }
        Terminal.note(
            "\(far.count) of \(result.parts.count) are not what the state says: \(first.name)"
                + (far.count > 1 ? ", …" : ""))
        throw ExitCode(1)
    }
}
