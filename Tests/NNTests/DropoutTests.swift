import MartletNN
import MartletTensor
import Testing

struct DropoutTests {
    @Test(arguments: [0.1, 0.5, 0.9])
    func shareIsDroppedAndTheRestScaled(probability: Double) throws {
        let x = try Tensor.ones([200, 100])
        let values: [Float] = try x.dropout(probability, stream: RandomStream(seed: 1)).toArray()
        let kept = values.filter { $0 != 0 }
        #expect(abs(Double(kept.count) / 20_000 - (1 - probability)) < 0.02)
        #expect(kept.allSatisfy { abs(Double($0) - 1 / (1 - probability)) < 1e-5 })
    }

    @Test func gradientFlowsThroughTheSameMask() throws {
        let x = try Tensor.full([50, 33], 2.0, dtype: .float32).requiringGrad()
        let y = try x.dropout(0.3, stream: RandomStream(seed: 4, stream: 9))
        try y.sum().backward()
        let out: [Float] = try y.detach().toArray(), gradient: [Float] = try #require(x.gradient).toArray()
        for (a, b) in zip(out, gradient) { #expect(a == 2 * b) }
    }

    @Test func recomputationDrawsTheSameMask() throws {
        let x = try Tensor.full([9, 40], 0.5, dtype: .float32).requiringGrad()
        let stream = RandomStream(seed: 4)
        func body(_ x: Tensor) throws -> Tensor { try (x * x).dropout(0.5, stream: stream).tanh() }
        let plain = try body(x)
        try plain.sum().backward()
        let wanted: [Float] = try #require(x.gradient).toArray()
        x.gradient = nil
        let again = try checkpointed([x]) { [try body($0[0])] }[0]
        try again.sum().backward()
        #expect(try again.toArray(as: Float.self) == plain.toArray(as: Float.self))
        #expect(try #require(x.gradient).toArray(as: Float.self) == wanted)
    }

    @Test func layerTakesANewMaskEachTimeAndRepeatsFromItsPosition() throws {
        let layer = Dropout(0.5, stream: RandomStream(seed: 2, stream: 5))
        let x = try Tensor.ones([7, 9])
        let start = layer.stream
        let first: [Float] = try layer(x).toArray(), second: [Float] = try layer(x).toArray()
        #expect(first != second)
        layer.stream = start
        #expect(try layer(x).toArray(as: Float.self) == first)
        #expect(try layer(x).toArray(as: Float.self) == second)
        layer.isTraining = false
        #expect(try layer(x).toArray(as: Float.self) == Array(repeating: 1, count: 63))
    }

    @Test func probabilityOutsideItsRangeIsAnError() throws {
        let x = try Tensor.ones([2])
        #expect(throws: TensorError.self) { try x.dropout(1, stream: RandomStream(seed: 0)) }
        #expect(throws: TensorError.self) { try x.dropout(-0.1, stream: RandomStream(seed: 0)) }
    }
}
