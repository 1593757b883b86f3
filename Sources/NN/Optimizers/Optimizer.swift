import MartletTensor

/// Updates parameters along their gradients.
///
/// ```swift
/// let optimizer: any Optimizer = AdamW(ParameterGroup.decaying(parameters, weightDecay: 0.1))
/// try loss.backward()
/// try optimizer.step(learningRate: 3e-4, gradientScale: 1)
/// parameters.clearGradients()
/// ```
public protocol Optimizer: AnyObject {
    /// Number of steps taken.
    var stepCount: Int { get }
    /// Takes one step with the accumulated gradients; parameters without a gradient do not change.
    /// - Parameters:
    ///   - learningRate: the schedule's value; groups may scale it.
    ///   - gradientScale: a factor on every gradient, for clipping.
    func step(learningRate: Double, gradientScale: Double) throws
    /// The optimiser state: everything except the parameters that the next step depends on, by name.
    func state() throws -> [(name: String, tensor: Tensor)]
    /// Restores a saved state.
    /// - Throws: `OptimizerError` that names what is missing or does not fit.
    func restore(stepCount: Int, state: (String) throws -> Tensor?) throws
}

/// Parameters with common hyperparameters.
public struct ParameterGroup: Sendable {
    public var parameters: [Parameter]
    public var weightDecay: Double
    /// The factor on the learning rate.
    public var rate: Double

    public init(_ parameters: [Parameter], weightDecay: Double = 0, rate: Double = 1) {
        self.parameters = parameters
        self.weightDecay = weightDecay
        self.rate = rate
    }

    /// The usual two groups: weight decay for matrices, none for scales and biases.
    public static func decaying(_ parameters: [Parameter], weightDecay: Double) -> [ParameterGroup] {
        [
            ParameterGroup(parameters.filter { $0.role.isDecayed }, weightDecay: weightDecay),
            ParameterGroup(parameters.filter { !$0.role.isDecayed }),
        ]
    }
}

/// Why an optimiser's state could not be restored.
public struct OptimizerError: Error, Equatable, CustomStringConvertible {
    public var description: String
    public init(_ description: String) { self.description = description }
}

/// One buffer per parameter, created with zeros on first use.
struct OptimizerBuffers {
    let suffix: String
    private var buffers: [String: Tensor] = [:]

    init(_ suffix: String) { self.suffix = suffix }

    mutating func of(_ parameter: Parameter, shape: Shape? = nil) throws -> Tensor {
        if let known = buffers[parameter.name] {
            OperationSpan.count(bytes: 2 * known.elementBytes)
            return known
        }
        let made = try Tensor.zeros(shape ?? parameter.tensor.shape, dtype: parameter.tensor.dtype)
        buffers[parameter.name] = made
        return made
    }

    func all() -> [(name: String, tensor: Tensor)] {
        buffers.sorted { $0.key < $1.key }.map { ($0.key + "." + suffix, $0.value) }
    }

    mutating func restore(
        _ parameters: [Parameter], shape: (Parameter) -> Shape = { $0.tensor.shape },
        from state: (String) throws -> Tensor?
    ) throws {
        buffers = [:]
        for parameter in parameters {
            let name = parameter.name + "." + suffix
            guard let stored = try state(name) else { continue }
            guard stored.shape == shape(parameter) else {
                throw OptimizerError("\(name) has shape \(stored.shape), the parameter needs \(shape(parameter))")
            }
            buffers[parameter.name] = try stored.to(parameter.tensor.dtype).copied()
        }
    }
}

extension Array<Parameter> {
    /// Drops every gradient.
    public func clearGradients() {
        let span = OperationSpan("clearGradients", .update)
        defer { span.end() }
        for parameter in self { parameter.tensor.gradient = nil }
    }

    /// Sets missing gradients to zero, for parameters that received none in a step, such as an expert that no token was
    /// routed to. The optimiser then steps them: their moments and weights decay as PyTorch's do for zero gradients.
    public func zeroMissingGradients() throws {
        for parameter in self where parameter.tensor.gradient == nil {
            parameter.tensor.gradient = try Tensor.zeros(parameter.tensor.shape)
        }
    }

    /// The name of the first parameter with a value that is NaN, infinite, or so large that its square is infinite.
    public func firstNotFinite() throws -> String? {
        try first { try !Fused.sumOfSquares([$0.tensor.detach()]).isFinite }?.name
    }

    /// The global gradient norm √(Σ g²) over all gradients; it does not depend on the number of threads.
    public func gradientNorm() throws -> Double {
        let span = OperationSpan("gradientNorm", .update)
        defer { span.end() }
        return try Fused.sumOfSquares(compactMap { $0.tensor.gradient?.contiguous() }).squareRoot()
    }
}

extension [ParameterGroup] {
    /// Calls `body` for every parameter that has a gradient, with the contiguous gradient.
    func forEachGradient(_ body: (Parameter, Tensor, ParameterGroup) throws -> Void) throws {
        for group in self {
            for parameter in group.parameters {
                guard let gradient = parameter.tensor.gradient?.contiguous() else { continue }
                // The gradient is read; the parameter is read and written.
                OperationSpan.count(bytes: 3 * gradient.elementBytes)
                try body(parameter, gradient, group)
            }
        }
    }

    var parameters: [Parameter] { flatMap(\.parameters) }
}
