import MartletFormats
import MartletTensor

/// What a model gives on the tokens of a debug state of llm.c, against what the state holds: logits, loss and gradients.
///
/// Source: llm.c, test_gpt2.c, whose limits these are.
///
/// ```swift
/// let export = try LLMCExport(ModelFiles(path: "gpt2_124M.bin"))
/// let state = try LLMCState(path: "gpt2_124M_debug_state.bin", of: export.sizes)
/// print(try StateComparison(export, state).isClose)
/// ```
public struct StateComparison: Sendable {
    /// Logits, the loss, or the gradient of one tensor.
    public struct Part: Sendable {
        public let name: String
        /// max |own − the state's|; infinite where one of them is no number.
        public let largest: Float
        public let limit: Float
        public var isClose: Bool { largest <= limit }
    }

    /// Logits and the loss first, then gradients by the names of their tensors, in the order of the file.
    public let parts: [Part]
    public let loss, expectedLoss: Float
    public var isClose: Bool { parts.allSatisfy(\.isClose) }

    /// Computes the model's own state, in float32.
    public init(_ export: LLMCExport, _ state: LLMCState) throws {
        let own = try export.state(
            tokens: state.tokens.toArray(as: Int32.self), targets: state.targets.toArray(as: Int32.self),
            batch: state.tokens.shape[0])
        var parts = [
            Part(name: "logits", largest: try Self.largest(own.logits, state.logits), limit: 0.01),
            Part(name: "loss", largest: Self.largest([own.loss], [state.loss]), limit: 0.01),
        ]
        for (name, _) in export.sizes.tensors {
            guard let found = own.gradients[name], let expected = state.gradients[name] else { continue }
            parts.append(Part(name: name, largest: try Self.largest(found, expected), limit: 0.02))
        }
        self.parts = parts
        loss = own.loss
        expectedLoss = state.loss
    }

    private static func largest(_ found: Tensor, _ expected: Tensor) throws -> Float {
        try largest(found.toArray(as: Float.self), expected.toArray(as: Float.self))
    }

    private static func largest(_ found: [Float], _ expected: [Float]) -> Float {
        guard found.count == expected.count else { return .infinity }
        var largest: Float = 0
        for (own, other) in zip(found, expected) {
            let difference = abs(own - other)
            guard difference.isFinite else { return .infinity }
            largest = max(largest, difference)
        }
        return largest
    }
}
