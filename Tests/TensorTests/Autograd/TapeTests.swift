import MartletTensor
import Synchronization
import Testing

/// The rules of the tape. Serialised, since it counts the nodes alive.
@Suite(.serialized) struct TapeTests {
    private func leaf(_ values: [Double]) throws -> Tensor { try Tensor(values).requiringGrad() }
    private func gradient(_ x: Tensor) throws -> [Double]? { try x.gradient?.toArray() }

    @Test func gradientsOfSeveralUsesAndSeveralPassesAddUp() throws {
        let x = try leaf([1, 2])
        let y = try x * 3
        try (y * x + y).sum().backward()
        #expect(try gradient(x) == [9, 15])
        try x.sum().backward()
        #expect(try gradient(x) == [10, 16])
        x.gradient = nil
        #expect(x.gradient == nil)
    }

    @Test func secondPassIsRefusedUnlessTheGraphIsRetained() throws {
        let x = try leaf([2])
        let y = try (x * x).sum()
        try y.backward(retainGraph: true)
        try y.backward()
        #expect(try gradient(x) == [8])
        #expect(throws: TensorError.self) { try y.backward() }
    }

    @Test func changeInPlaceOfWhatIsNeededIsNoticed() throws {
        let x = try leaf([1, 2]), factor = try Tensor([3.0, 4])
        let y = try (x * factor).sum()
        try factor += 1.0
        #expect { try y.backward() } throws: { "\($0)".contains("multiply") && "\($0)".contains("in place") }
        // Addition needs none of its operands.
        let z = try (x + factor).sum()
        try factor += 1.0
        try z.backward()
        #expect(try gradient(x) == [1, 1])
    }

    @Test func changingATensorOnTheTapeIsRefusedOutsideNoGrad() throws {
        let x = try leaf([1, 2])
        #expect(throws: TensorError.self) { try x += 1.0 }
        #expect(throws: TensorError.self) { try x[0].fill(0) }
        try noGrad { try x += 1.0 }
        #expect(try x.toArray(as: Double.self) == [2, 3])
    }

    @Test func noGradAndDetachLeaveTheTapeAlone() throws {
        let x = try leaf([1])
        #expect(try !noGrad { try x * 2 }.requiresGrad)
        #expect(try noGrad { try enableGrad { try x * 2 } }.requiresGrad)
        let y = try x.detach() * x
        try y.sum().backward()
        #expect(try gradient(x) == [1])
        #expect(throws: TensorError.self) { try x.detach().sum().backward() }
    }

    @Test func onlyScalarsStartWithoutAGradient() throws {
        let x = try leaf([1, 2])
        let y = try x * 2
        #expect(throws: TensorError.self) { try y.backward() }
        try y.backward(gradient: Tensor([1.0, 10]))
        #expect(try gradient(x) == [2, 20])
        #expect(throws: TensorError.self) { try Tensor([Int64(1)]).requiringGrad() }
    }

    @Test func hooksSeeAndReplaceGradients() throws {
        let x = try leaf([1, 2])
        let y = try x * 2
        nonisolated(unsafe) var seen: [Double] = []
        let hook = y.addGradientHook {
            seen = try $0.toArray()
            return try $0 * 10
        }
        x.addGradientHook { try $0 + 1 }
        try y.sum().backward(retainGraph: true)
        #expect(seen == [1, 1])
        #expect(try gradient(x) == [21, 21])
        hook?.remove()
        try y.sum().backward()
        #expect(try gradient(x) == [24, 24])
    }

    @Test func resultsKeepTheirGradientWhenAsked() throws {
        let x = try leaf([1, 2])
        let y = try x * 2
        y.retainGradient()
        try (y * y).sum().backward()
        #expect(try gradient(y) == [4, 8])
    }

    @Test func ownFunctionsTakePart() throws {
        let x = try leaf([1, 2]), w = try leaf([3, 4])
        let y = try differentiable("product", [x, w]) {
            [try $0[0] * $0[1]]
        } backward: { gradients, inputs, _ in
            [try gradients[0].map { try $0 * inputs[1] }, nil]
        }
        try y[0].sum().backward()
        #expect(try gradient(x) == [3, 4])
        #expect(w.gradient == nil)
        let wrong = try differentiable("wrong", [x]) {
            $0
        } backward: { _, _, _ in
            [try Tensor([1.0])]
        }
        #expect { try wrong[0].sum().backward() } throws: { "\($0)".contains("wrong") }
    }

    @Test func checkpointedEqualsPlainAndReachesParameters() throws {
        let w = try leaf([0.5, -1, 2])
        func body(_ x: Tensor) throws -> Tensor { try (x * w).tanh() * x }
        let a = try leaf([1, 2, 3]), b = try leaf([1, 2, 3])
        let plain = try body(body(a))
        try plain.sum().backward()
        let wanted = try gradient(w)
        w.gradient = nil
        let again = try checkpointed([checkpointed([b]) { [try body($0[0])] }[0]]) { [try body($0[0])] }[0]
        #expect(try again.toArray(as: Double.self) == plain.toArray())
        try again.sum().backward()
        #expect(try gradient(a) == gradient(b))
        #expect(try gradient(w) == wanted)
    }

    @Test func leafGradientsBelongToTheirLeaf() throws {
        let x = try leaf([1, 2]), y = try leaf([3, 4])
        try (x + y).sum().backward()
        let before = x.gradient
        try (x + y).sum().backward()
        #expect(try gradient(x) == [2, 2])
        #expect(try before?.toArray(as: Double.self) == [1, 1])
        try x.gradient? += 1.0
        #expect(try gradient(y) == [2, 2])
    }

    @Test func longGraphsAreWalkedAndFreedWithoutRecursion() throws {
        let before = GradientNode.liveCount.load(ordering: .relaxed)
        do {
            let x = try leaf([1])
            var y = x
            for _ in 0..<200_000 { y = try y + 0.5 }
            // Dropped without a backward pass.
            y = x
            for _ in 0..<200_000 { y = try y + 0.5 }
            try y.sum().backward()
            #expect(try gradient(x) == [1])
        }
        #expect(GradientNode.liveCount.load(ordering: .relaxed) == before)
    }
}
