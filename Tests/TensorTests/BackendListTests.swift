import MartletTensor
import Testing

/// What a backend that lacks operations does.
struct BackendListTests {
    /// Storage and nothing else.
    private enum Bare: PrimitiveOperations {
        static var name: String { "bare" }
        static func copy(_ x: Tensor, to destination: Tensor) {}
        static func cast(_ x: Tensor, to destination: Tensor) {}
    }

    /// No kernels at all.
    private enum Composing: FusedOperations {}

    @Test func aMissingPrimitiveIsNamed() throws {
        let x = try Tensor.ones([2, 2]), y = x.copied()
        let calls: [(String, () throws -> Void)] = [
            ("exp", { try Bare.unary(.exp, x, into: y) }), ("add", { try Bare.binary(.add, x, x, into: y) }),
            ("less", { try Bare.compare(.less, x, x, into: y) }), ("select", { try Bare.select(x, x, x, into: y) }),
            ("sum", { try Bare.reduce(.sum, x, over: [true, true], into: y) }),
            ("gather", { try Bare.gather(x, 0, x, into: y) }),
            ("gatherSlices", { try Bare.gatherSlices(x, 0, x, into: y) }),
            ("scatterAdd", { try Bare.scatter(.scatterAdd, x, 0, x, into: y) }),
            ("matmul", { try Bare.matmul(x, x, into: y) }), ("scanRows", { try Bare.scanRows(.sum, x, into: y) }),
            ("extremeOfRows", { try Bare.extremeOfRows(x, largest: true, into: y) }),
            ("orderRows", { try Bare.orderRows(x, descending: true, count: 1, into: y) }),
            ("softmaxRows", { try Bare.softmaxRows(x, logarithm: false, into: y) }),
        ]
        for (name, call) in calls {
            #expect { try call() } throws: { error in
                let error = error as? TensorError
                return error?.kind == .missing && error?.operation == name && "\(error!)".contains("the bare backend")
            }
        }
    }

    @Test func aMissingFusedOperationIsItsComposition() throws {
        var stream = RandomStream(seed: 9)
        let x = try Tensor((0..<24).map { _ in Float(stream.nextNormal()) }, shape: [4, 6])
        let weight = try Tensor((0..<6).map { _ in Float(stream.nextNormal()) })
        let composed = try Composing.rmsNorm(x, weight, offset: 0, epsilon: 1e-5)
        let fused = try Fused.rmsNorm(x, weight, offset: 0, epsilon: 1e-5)
        #expect(try (composed - fused).abs().max(axes: []).item(as: Double.self) < 1e-5)
        let w = x.copied(), other = x.copied(), step = OptimizerStep(learningRate: 0.1)
        try Composing.sgd(w, gradient: x, momentum: nil, step)
        try Fused.sgd(other, gradient: x, momentum: nil, step)
        #expect(try (w - other).abs().max(axes: []).item(as: Double.self) < 1e-6)
    }

    @Test func withoutACacheWholeSequencesAreAskedFor() throws {
        let x = try Tensor.ones([1, 8]), layout = KVLayout(heads: 1, headDimension: 8, valueDimension: 8, offset: 0)
        #expect { try Composing.appendToPages(x, x, rows: 0..<1, to: [], at: 0, layout, .float32) } throws: {
            "\($0)".contains("compute whole sequences")
        }
    }
}
