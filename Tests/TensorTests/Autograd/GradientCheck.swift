import MartletTensor
import Testing

/// Compares `backward` with central differences, (f(x + h) - f(x - h)) / 2h in float64, on random inputs. The result
/// is weighted with random numbers, so that every element of it counts differently.
func expectGradients(
    _ name: String, shapes: [Shape], low: Double = -1, high: Double = 1, seed: UInt64 = 7,
    tolerance: Double = 1e-6, step: Double = 1e-5, sourceLocation: SourceLocation = #_sourceLocation,
    _ function: ([Tensor]) throws -> Tensor
) throws {
    var stream = RandomStream(seed: seed)
    let inputs = try shapes.map { shape in
        try Tensor((0..<shape.elementCount).map { _ in low + (high - low) * stream.nextUniform() }, shape: shape)
            .requiringGrad()
    }
    let result = try function(inputs)
    let weights = try Tensor((0..<result.elementCount).map { _ in stream.nextNormal() }, shape: result.shape)
    try (result * weights).sum().backward()
    func value(_ inputs: [Tensor]) throws -> Double {
        try noGrad { try (function(inputs) * weights).sum().item() }
    }
    for (index, input) in inputs.enumerated() {
        let gradient: [Double] = try input.gradient?.toArray() ?? Array(repeating: 0, count: input.elementCount)
        let values: [Double] = try input.toArray()
        for place in values.indices {
            func shifted(_ distance: Double) throws -> Double {
                var moved = values
                moved[place] += distance
                var all = inputs.map { $0.detach() }
                all[index] = try Tensor(moved, shape: input.shape)
                return try value(all)
            }
            let expected = try (shifted(step) - shifted(-step)) / (2 * step)
            let scale = max(1, abs(expected))
            guard abs(gradient[place] - expected) <= tolerance * scale else {
                Issue.record(
                    "\(name): input \(index), element \(place): \(gradient[place]), differences give \(expected)",
                    sourceLocation: sourceLocation)
                return
            }
        }
    }
}
