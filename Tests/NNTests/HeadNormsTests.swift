import MartletNN
import MartletTensor
import Testing

/// What is kept from call to call is what would be made anew.
struct HeadNormsTests {
    private static func formula(_ x: [Float], _ weights: [[Float]], epsilon: Double) -> [Double] {
        let size = weights[0].count, width = size * weights.count
        return stride(from: 0, to: x.count, by: size).flatMap { start -> [Double] in
            let head = x[start..<start + size].map(Double.init), own = weights[start % width / size]
            let mean = head.reduce(0, +) / Double(size)
            let variance = head.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(size)
            return zip(head, own).map { ($0 - mean) / (variance + epsilon).squareRoot() * Double($1) }
        }
    }

    @Test func theWeightsAreThoseOfNow() throws {
        let norms = HeadNorms(
            Initializer(.normal(deviation: 1, layers: 1), seed: 1), "q_norm", heads: 2, size: 4, epsilon: 1e-5)
        let x = try Tensor((0..<16).map { Float($0 * $0 % 7) }, shape: [2, 8])
        func compare() throws {
            let found: [Float] = try norms(x).toArray()
            let expected = Self.formula(try x.toArray(), try norms.weights.map { try $0.toArray() }, epsilon: 1e-5)
            #expect(zip(found, expected).allSatisfy { abs(Double($0) - $1) < 1e-5 }, "\(found)")
        }
        try compare()
        try compare()
        // Written over.
        try norms.weights[1].copy(from: Tensor([2, 3, 4, 5] as [Float]))
        try compare()
        // Others in their place.
        try norms.replaceParameters { _, weight in try weight * 3 }
        try compare()
        // Trained, each with its own gradient.
        try norms.replaceParameters { _, weight in try weight.requiringGrad() }
        try compare()
        try norms(x).square().sum(axes: []).backward()
        #expect(norms.weights.allSatisfy { $0.gradient != nil })
    }
}
