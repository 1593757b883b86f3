import MartletFormats
import MartletNN
import MartletTensor
import Testing

/// Layers against torch.nn: outputs, gradients of input and parameters (Goldens/make_layer_goldens.py).
struct LayerGoldenTests {
    private static let goldens = #filePath.replacing("LayerGoldenTests.swift", with: "Goldens/layers.safetensors")

    /// Parameters of one case of the file.
    private final class GoldenParameters: ParameterSource {
        let file: SafetensorsFile
        let name: String
        private(set) var missing: [String] = []

        init(_ file: SafetensorsFile, _ name: String) {
            self.file = file
            self.name = name
        }

        func parameter(_ key: String, shape: Shape, role: ParameterRole) -> Tensor {
            // Layers write "x.weight"; a torch module by itself says "weight".
            let short = String(key.drop { $0 == "." })
            guard let tensor = try? file.tensor("\(name).p.\(short)"), tensor.shape == shape else {
                missing.append("\(short) \(shape)")
                return Tensor(uninitialized: shape)
            }
            return tensor
        }
    }

    struct Case: Sendable, CustomStringConvertible {
        let name: String
        let layer: @Sendable (_ source: any ParameterSource, _ x: Tensor) throws -> Tensor
        var description: String { name }

        init(_ name: String, _ layer: @escaping @Sendable (any ParameterSource, Tensor) throws -> Tensor) {
            self.name = name
            self.layer = layer
        }
    }

    private static func flat(_ result: (output: Tensor, states: [Recurrent.State])) throws -> Tensor {
        var parts = try [result.output.reshape(-1)] + result.states.map { try $0.hidden.reshape(-1) }
        parts += try result.states.compactMap { try $0.cell?.reshape(-1) }
        return try Tensor.concatenate(parts)
    }

    static let cases = [
        Case("linear") { try Linear($0, "", from: 5, to: 7, bias: true)($1) },
        Case("linear-plain") { try Linear($0, "", from: 5, to: 7)($1) },
        Case("layer-norm") { try Norm($0, "", size: 9, epsilon: 1e-5, bias: true)($1) },
        Case("rms-norm") { try Norm($0, "", size: 9, epsilon: 1e-5)($1) },
        Case("rnn") { try flat(Recurrent($0, "", .plain(.tanh), from: 3, hidden: 4)($1)) },
        Case("rnn-relu") { try flat(Recurrent($0, "", .plain(.relu), from: 3, hidden: 4, bias: false)($1)) },
        Case("lstm") { try flat(Recurrent($0, "", .lstm, from: 3, hidden: 4)($1)) },
        Case("lstm-deep") {
            try flat(Recurrent($0, "", .lstm, from: 3, hidden: 4, layers: 2, isBidirectional: true)($1))
        },
        Case("gru") { try flat(Recurrent($0, "", .gru, from: 3, hidden: 4)($1)) },
        Case("gru-deep") {
            try flat(Recurrent($0, "", .gru, from: 3, hidden: 4, layers: 2, isBidirectional: true)($1))
        },
        Case("conv1") { try Convolution($0, "", from: 3, to: 4, size: [3], padding: [1])($1) },
        Case("conv1-strided") {
            try Convolution($0, "", from: 4, to: 6, size: [3], stride: [2], dilation: [2], groups: 2)($1)
        },
        Case("conv2") { try Convolution($0, "", from: 3, to: 4, size: [3, 3], padding: [1, 1])($1) },
        Case("conv2-strided") {
            try Convolution($0, "", from: 2, to: 3, size: [3, 2], stride: [2, 1], padding: [1, 0], bias: false)($1)
        },
        Case("conv2-depthwise") {
            try Convolution($0, "", from: 4, to: 4, size: [3, 3], padding: [1, 1], groups: 4)($1)
        },
        Case("max1") { try Pooling(.maximum, Windows([3], stride: [2]))($1) },
        Case("max2") { try Pooling(.maximum, Windows([3, 3], stride: [2, 2], padding: [1, 1]))($1) },
        Case("average1") { try Pooling(.average(countsPadding: true), Windows([2]))($1) },
        Case("average2") {
            try Pooling(.average(countsPadding: true), Windows([3, 3], stride: [2, 2], padding: [1, 1]))($1)
        },
        Case("average2-inside") {
            try Pooling(.average(countsPadding: false), Windows([3, 3], stride: [2, 2], padding: [1, 1]))($1)
        },
    ]

    @Test(arguments: cases)
    func outputAndGradientsEqualPyTorchs(test: Case) throws {
        let file = try SafetensorsFile(path: Self.goldens)
        let goldens = GoldenParameters(file, test.name)
        let source = TrainableParameters(goldens)
        let x = try file.tensor(test.name + ".in").copied().requiringGrad()
        let result = try test.layer(source, x)
        #expect(goldens.missing.isEmpty, "no golden of \(goldens.missing)")
        try compare("output", result, file.tensor(test.name + ".out"))
        try result.backward(gradient: file.tensor(test.name + ".gradient"))
        try compare("gradient of the input", #require(x.gradient), file.tensor(test.name + ".gradient.in"))
        for parameter in source.parameters {
            let short = String(parameter.name.drop { $0 == "." })
            try compare(
                "gradient of \(short)", #require(parameter.tensor.gradient),
                file.tensor("\(test.name).gradient.\(short)"))
        }
    }

    private func compare(_ what: String, _ found: Tensor, _ wanted: Tensor) throws {
        #expect(found.shape == wanted.shape, "\(what)")
        guard found.shape == wanted.shape else { return }
        let a: [Double] = try found.detach().toArray(), b: [Double] = try wanted.toArray()
        let scale = max(1, b.reduce(0) { max($0, abs($1)) })
        let error = zip(a, b).reduce(0.0) { max($0, abs($1.0 - $1.1)) }
        #expect(error <= 3e-6 * scale, "\(what): off by \(error) of \(scale)")
    }

    @Test func recurrentLayerContinuesFromItsStates() throws {
        let file = try SafetensorsFile(path: Self.goldens)
        let lstm = Recurrent(GoldenParameters(file, "lstm"), "", .lstm, from: 3, hidden: 4)
        let x = try file.tensor("lstm.in")
        let whole = try lstm(x)
        let first = try lstm(x.slice(1, to: 2)), second = try lstm(x.slice(1, from: 2), first.states)
        let joined = try Tensor.concatenate([first.output, second.output], axis: 1)
        #expect(try joined.toArray(as: Float.self) == whole.output.toArray(as: Float.self))
    }

    @Test func whatDoesNotFitIsAnError() throws {
        let source = Initializer(.xavierUniform, seed: 1)
        let x = try Tensor.zeros([1, 2, 3])
        #expect(throws: TensorError.self) { try Convolution(source, "", from: 2, to: 2, size: [4])(x) }
        #expect(throws: TensorError.self) { try Convolution(source, "", from: 3, to: 2, size: [2])(x) }
        #expect(throws: TensorError.self) { try Pooling(.maximum, Windows([2, 2]))(x) }
        #expect(throws: TensorError.self) { try Recurrent(source, "", .gru, from: 2, hidden: 2)(Tensor.zeros([2, 2])) }
        #expect(throws: TensorError.self) { try Embedding(source, "e", count: 3, size: 2)([3]) }
    }

    @Test func embeddingGivesTheRowsOfItsTable() throws {
        let table = Embedding(Initializer(.xavierUniform, seed: 1), "e", count: 5, size: 3)
        let rows: [Float] = try table([4, 0, 4]).toArray(), all: [Float] = try table.weight.toArray()
        let first = Array(all[..<3]), last = Array(all[12...])
        #expect(rows == last + first + last)
    }

    /// Convolution weights begin as PyTorch's initialisers scale them: by the numbers a window sees and feeds.
    @Test func initialiserCountsTheWindowOfAConvolution() throws {
        let weight = Initializer(.kaimingNormal, seed: 3).parameter("w", shape: [64, 16, 3, 3], role: .weight)
        let deviation: Double = try weight.std(axes: []).item()
        #expect(abs(deviation / (2.0 / (16 * 9)).squareRoot() - 1) < 0.03)
        let uniform = Initializer(.xavierUniform, seed: 3).parameter("w", shape: [64, 16, 3, 3], role: .weight)
        let largest: Double = try uniform.abs().max(axes: []).item()
        #expect(abs(largest / (6.0 / (80 * 9)).squareRoot() - 1) < 0.01)
    }
}
