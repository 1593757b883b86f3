import MartletTensor
import Testing

/// What a gradient computes again instead of keeping it: the same bits, and nothing behind the tape's back.
struct KeptValueTests {
    private static func random(_ shape: Shape, _ stream: inout RandomStream) throws -> Tensor {
        try Tensor((0..<shape.elementCount).map { _ in Float(stream.nextNormal()) }, shape: shape)
    }

    /// A norm or gate, then a frozen product with a term of low rank. A factor of 1 between them hides that the value can
    /// be computed again.
    private func gradients(
        trains weight: Bool, hides: Bool, _ make: (Tensor, Tensor) throws -> Tensor
    ) throws -> [[Float]] {
        var stream = RandomStream(seed: 9)
        let x = try Self.random([20, 24], &stream).requiringGrad(), y = try Self.random([20, 24], &stream)
        let w = try Self.random([30, 24], &stream), a = try Self.random([3, 24], &stream).requiringGrad()
        let b = try Self.random([30, 3], &stream).requiringGrad()
        var inner = try make(x, y)
        if hides { inner = try inner * 1 }
        let term = LowRankTerm(down: a, up: b, scale: 0.7)
        let result = try Fused.linear(inner, [(weight ? w.requiringGrad() : w, nil)], terms: [term])[0]
        try result.square().sum().backward()
        return try [x, a, b].map { try #require($0.gradient).toArray(as: Float.self) }
    }

    @Test(arguments: [false, true]) func remadeValuesHaveTheBitsOfKeptOnes(trainsWeight: Bool) throws {
        let ones = try Tensor.ones([24]), zeros = try Tensor.zeros([24])
        let makes: [(Tensor, Tensor) throws -> Tensor] = [
            { x, _ in try Fused.rmsNorm(x, ones, offset: 0, epsilon: 1e-5) },
            { x, _ in try Fused.layerNorm(x, ones, zeros, epsilon: 1e-5) },
            { x, y in try Fused.gate(x, y, .silu) }, { x, y in try Fused.gate(x, y, .relu) },
            { x, _ in try Fused.activate(x, .gelu) },
        ]
        for make in makes {
            let found = try gradients(trains: trainsWeight, hides: false, make)
            #expect(try found == gradients(trains: trainsWeight, hides: true, make))
        }
    }

    /// Results that are wanted for their gradients alone: the gradients are those of results that are computed.
    @Test func gradientsNeedNoValues() throws {
        var stream = RandomStream(seed: 6)
        let w = try Self.random([30, 24], &stream), slopes = try Self.random([20, 30], &stream)
        let x = try Self.random([20, 24], &stream), a = try Self.random([3, 24], &stream)
        let b = try Self.random([30, 3], &stream)
        func gradients(_ values: Bool, hasTerm: Bool) throws -> [[Float]] {
            let leaves = try [x, a, b].map { try $0.requiringGrad() }
            let term = LowRankTerm(down: leaves[1], up: leaves[2], scale: 0.5)
            let y =
                try hasTerm
                ? Fused.linear(leaves[0], [(w, nil)], terms: [term], values: values)[0]
                : Fused.linear(leaves[0], [(w, nil)], values: values)[0]
            try y.backward(gradient: slopes)
            return try leaves.prefix(hasTerm ? 3 : 1).map { try #require($0.gradient).toArray(as: Float.self) }
        }
        for hasTerm in [true, false] {
            #expect(try gradients(false, hasTerm: hasTerm) == gradients(true, hasTerm: hasTerm))
        }
    }

    @Test func gradientsOfTheSameGraphTwice() throws {
        var stream = RandomStream(seed: 2)
        let x = try Self.random([9, 8], &stream).requiringGrad(), a = try Self.random([2, 8], &stream).requiringGrad()
        let w = try Self.random([8, 8], &stream), b = try Self.random([8, 2], &stream)
        let normed = try Fused.rmsNorm(x, Tensor.ones([8]), offset: 0, epsilon: 1e-5)
        let loss = try Fused.linear(normed, [(w, nil)], terms: [LowRankTerm(down: a, up: b, scale: 1)])[0].sum()
        try loss.backward(retainGraph: true)
        let once = try #require(a.gradient).toArray(as: Float.self)
        try loss.backward()
        // Sums go on from what is there, so they are rounded otherwise.
        let twice = try #require(a.gradient).toArray(as: Float.self)
        #expect(zip(once, twice).allSatisfy { abs($1 - 2 * $0) <= 1e-5 * max(1, abs($1)) })
    }

    @Test func changedOperandIsAnError() throws {
        var stream = RandomStream(seed: 4)
        let x = try Self.random([9, 8], &stream), a = try Self.random([2, 8], &stream).requiringGrad()
        let w = try Self.random([8, 8], &stream), b = try Self.random([8, 2], &stream)
        let scale = try Tensor.ones([8]).requiringGrad()
        let normed = try Fused.rmsNorm(x, scale, offset: 0, epsilon: 1e-5)
        let loss = try Fused.linear(normed, [(w, nil)], terms: [LowRankTerm(down: a, up: b, scale: 1)])[0].sum()
        try x.fill(1)
        let error = #expect(throws: TensorError.self) { try loss.backward() }
        #expect(error?.kind == .gradient && "\(error.map { "\($0)" } ?? "")".contains("rmsNorm"))
    }

    /// What only a frozen weight would need is not kept: the buffer is reused at once.
    @Test func frozenProductsKeepNoInput() throws {
        let w = try Tensor.ones([64, 64])
        weak var storage: AnyObject?
        func product(_ x: Tensor) throws -> Tensor {
            let own = try x * 2
            storage = own.storage
            return try Fused.linear(own, [(w, nil)])[0]
        }
        let x = try Tensor.ones([64, 64]).requiringGrad()
        let y = try product(x)
        #expect(storage == nil)
        try y.sum().backward()
        #expect(try #require(x.gradient).toArray(as: Float.self).allSatisfy { $0 == 128 })
    }
}
