import MartletFormats
import MartletNN
import MartletTensor
import Testing

/// Losses against torch.nn.functional (Goldens/make_layer_goldens.py) and against central differences.
struct LossTests {
    private static let goldens = #filePath.replacing("LossTests.swift", with: "Goldens/losses.safetensors")
    private static let targets: [Int32] = [2, -100, 0, 6, 3]

    struct Case: Sendable, CustomStringConvertible {
        let name: String
        let loss: @Sendable (_ x: Tensor, _ targets: Tensor) throws -> Tensor
        var description: String { name }

        init(_ name: String, _ loss: @escaping @Sendable (Tensor, Tensor) throws -> Tensor) {
            self.name = name
            self.loss = loss
        }
    }

    static let cases = [
        Case("cross-entropy") { x, _ in try Loss.crossEntropy(x, targets: targets) },
        Case("cross-entropy-sum") { x, _ in try Loss.crossEntropy(x, targets: targets, reduction: .sum) },
        Case("cross-entropy-smoothed") { x, _ in
            try Loss.crossEntropy(x, targets: targets, CrossEntropyOptions(smoothing: 0.1))
        },
        Case("cross-entropy-weighted") { x, _ in
            let weights = try Tensor.linspace(0.5, 2, count: 7).to(x.dtype)
            return try Loss.crossEntropy(
                x, targets: targets, classWeights: weights, CrossEntropyOptions(smoothing: 0.2))
        },
        Case("cross-entropy-z") { x, _ in
            try Loss.crossEntropy(x, targets: targets, CrossEntropyOptions(zLoss: 0.01))
        },
        Case("binary") { try Loss.binaryCrossEntropy($0, targets: $1) },
        Case("binary-positive") {
            try Loss.binaryCrossEntropy($0, targets: $1, positiveWeight: 3, reduction: .sum)
        },
        Case("squared") { try Loss.meanSquaredError($0, targets: $1) },
        Case("divergence") { try Loss.divergence(logProbabilities: $0.logSoftmax(axis: -1), from: $1) },
        Case("divergence-sum") {
            try Loss.divergence(logProbabilities: $0.logSoftmax(axis: -1), from: $1, reduction: .sum)
        },
    ]

    @Test(arguments: cases)
    func valueAndGradientEqualPyTorchs(test: Case) throws {
        let file = try SafetensorsFile(path: Self.goldens)
        let x = try file.tensor(test.name + ".in").copied().requiringGrad()
        let targets = file.entry(test.name + ".targets") == nil ? x : try file.tensor(test.name + ".targets")
        let loss = try test.loss(x, targets)
        let found: Double = try loss.item(), wanted: Double = try file.tensor(test.name + ".out").item()
        #expect(abs(found - wanted) <= 2e-6 * max(1, abs(wanted)), "\(found), PyTorch \(wanted)")
        try loss.backward()
        let gradient: [Double] = try #require(x.gradient).toArray()
        let expected: [Double] = try file.tensor(test.name + ".gradient").toArray()
        for (a, b) in zip(gradient, expected) { #expect(abs(a - b) <= 2e-6 * max(1, abs(b))) }
    }

    /// In float64, where differences are sharp.
    @Test(arguments: cases)
    func gradientEqualsDifferences(test: Case) throws {
        let file = try SafetensorsFile(path: Self.goldens)
        let start = try file.tensor(test.name + ".in").to(.float64)
        let hasTargets = file.entry(test.name + ".targets") != nil
        let targets = hasTargets ? try file.tensor(test.name + ".targets").to(.float64) : start
        let x = try start.copied().requiringGrad()
        try test.loss(x, targets).backward()
        let gradient: [Double] = try #require(x.gradient).toArray()
        let values: [Double] = try start.toArray()
        for place in values.indices {
            func moved(_ distance: Double) throws -> Double {
                var moved = values
                moved[place] += distance
                return try test.loss(Tensor(moved, shape: start.shape), targets).item()
            }
            let wanted = try (moved(1e-5) - moved(-1e-5)) / 2e-5
            #expect(abs(gradient[place] - wanted) <= 1e-7 * max(1, abs(wanted)), "element \(place)")
        }
    }

    @Test func withoutReductionEveryElementHasItsLoss() throws {
        let file = try SafetensorsFile(path: Self.goldens)
        let x = try file.tensor("cross-entropy.in")
        let each: [Double] = try Loss.crossEntropy(x, targets: Self.targets, reduction: .none).toArray()
        #expect(each.count == 5 && each[1] == 0)
        let total: Double = try Loss.crossEntropy(x, targets: Self.targets, reduction: .sum).item()
        #expect(abs(each.reduce(0, +) - total) < 1e-5)
        #expect(try Loss.meanSquaredError(x, targets: x, reduction: .none).shape == x.shape)
    }

    @Test func largeLogitsDoNotOverflow() throws {
        let z = try Tensor([1e4, -1e4] as [Float])
        let each: [Float] = try Loss.binaryCrossEntropy(z, targets: Tensor([0, 1] as [Float]), reduction: .none)
            .toArray()
        #expect(each == [1e4, 1e4])
        let right: Float = try Loss.binaryCrossEntropy(z, targets: Tensor([1, 0] as [Float])).item()
        #expect(right == 0)
    }

    @Test func whatDoesNotFitIsNamed() throws {
        let x = try Tensor.zeros([2, 3])
        #expect { try Loss.crossEntropy(x, targets: [0, 3]) } throws: { "\($0)".contains("target 3 of row 1") }
        #expect { try Loss.crossEntropy(x, targets: [0]) } throws: { "\($0)".contains("1 targets") }
        #expect { try Loss.meanSquaredError(x, targets: Tensor.zeros([3, 2])) } throws: { "\($0)".contains("[3, 2]") }
    }
}
