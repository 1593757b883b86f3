import MartletJSON
import MartletNN
import MartletSystem
import MartletTensor

/// Training with matrices rounded (`WeightRounding`), to 16 bits with their gradients or to a grid of fewer, while the
/// optimiser works on float32 masters (Micikevicius et al. 2018). Norms and biases stay as they are, and so do activations:
/// every product is computed in float32 from rounded weights, so the model that is saved is exactly the one that was
/// trained.
package final class MixedPrecision {
    let rounding: WeightRounding
    /// The master parameters, in the order of the decoder's parameters; those that are not rounded are the decoder's
    /// own.
    let masters: [Parameter]
    /// The loss scale of float16, whose range is too small for small gradients.
    package var scaler: LossScaler?
    private let working: [Parameter]

    init(_ parameters: [Parameter], _ rounding: WeightRounding) throws {
        // In 16 bits, what has no matrices is trained as it is.
        let isGrid = if case .type = rounding { false } else { true }
        guard !isGrid || parameters.contains(where: rounding.applies) else {
            throw TrainingError(
                .configuration, "qat rounds the matrices of a decoder's layers, and none of them is trained here")
        }
        self.rounding = rounding
        working = parameters
        masters = try parameters.map { parameter in
            guard rounding.applies(to: parameter) else { return parameter }
            let master = try parameter.tensor.detach().copied().requiringGrad()
            return Parameter(name: parameter.name, role: parameter.role, tensor: master)
        }
        scaler = rounding == .type(.float16) ? LossScaler() : nil
        try roundMasters()
    }

    private var rounded: [(working: Tensor, master: Tensor)] {
        zip(working, masters).filter { rounding.applies(to: $0.0) }.map { ($0.0.tensor, $0.1.tensor) }
    }

    /// Copies the masters' values, rounded, to the decoder.
    func roundMasters() throws {
        try noGrad {
            for (tensor, master) in rounded { try tensor.copy(from: rounding.rounded(master.detach())) }
        }
    }

    /// Moves the decoder's gradients to the masters, rounded to 16 bits where the weights are.
    func collectGradients() throws {
        for (tensor, master) in rounded {
            master.gradient = try tensor.gradient.map { try rounding.passed($0) }
            tensor.gradient = nil
        }
    }

    /// The model as it is saved: matrices rounded.
    func model() throws -> [(String, Tensor)] {
        try masters.map { master in
            let tensor = master.tensor.detach()
            return (master.name, rounding.applies(to: master) ? try rounding.rounded(tensor) : tensor)
        }
    }
}

/// Dynamic loss scaling, which keeps gradients within the range of float16: the factor is halved when a gradient
/// overflows, and that step is skipped; it is doubled after a series of steps without overflow.
package struct LossScaler: Equatable {
    package static let patience = 200, highest = 0x1p24
    package private(set) var scale = 0x1p16
    package private(set) var goodSteps = 0

    package init() {}

    /// - Throws: `TrainingError` when gradients overflow even without a factor.
    package mutating func overflowed(step: Int) throws(TrainingError) {
        scale /= 2
        goodSteps = 0
        guard scale >= 1 else {
            throw TrainingError(
                .numbers, "step \(step): gradients overflow float16 even unscaled; use precision bf16 or fp32")
        }
    }

    package mutating func succeeded() {
        goodSteps += 1
        guard goodSteps >= Self.patience else { return }
        scale = min(Self.highest, scale * 2)
        goodSteps = 0
    }

    /// For trainer_state.json.
    package var state: JSON { ["scale": .number(scale), "good_steps": .integer(Int64(goodSteps))] }

    package init(_ state: JSON) {
        if let stored = state["scale"]?.double, (1...Self.highest).contains(stored) { scale = stored }
        goodSteps = state["good_steps"]?.integer?.narrowed(to: 0...Self.patience) ?? 0
    }
}
