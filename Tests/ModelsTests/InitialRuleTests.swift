import Foundation
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor
import Testing
import TinyModels

/// Decays, steps and short convolutions begin as in transformers (Goldens/make_initial.py): the same distributions, drawn
/// from other random numbers.
struct InitialRuleTests {
    private static func golden() throws -> JSON {
        try JSON(parsing: [UInt8](Data(contentsOf: URL(filePath: FamilyTests.goldens + "/initial.json"))))
    }

    @Test(arguments: ["mamba", "mamba2", "granitemoehybrid", "qwen3_5_text", "lfm2"])
    func recurrentLayersBeginAsInTransformers(_ family: String) throws {
        let golden = try #require(try Self.golden()[family]), config = try #require(golden["config"])
        let spec = try Family.configuration(ConfigurationReader(file: family, json: config)).1
        let source = TrainableParameters(Initializer(.normal(deviation: 0.02, layers: 1), seed: 3))
        _ = Decoder(source, spec)
        let expected = try #require(golden["parameters"]?.object)
        #expect(expected.count >= (family == "lfm2" ? 1 : 3))
        for (name, numbers) in expected {
            let parameter = try #require(
                source.parameters.first { $0.name == "model.layers.0.mixer." + name }, "\(family) has no \(name)")
            #expect(Array(parameter.tensor.shape) == (numbers["shape"]?.array ?? []).compactMap(\.integer))
            let values = try parameter.tensor.toArray(as: Double.self), count = Double(values.count)
            func number(_ key: String) -> Double { numbers[key]?.double ?? .nan }
            let mean = values.reduce(0, +) / count
            let deviation = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count).squareRoot()
            // Two samples of one distribution: their means differ by some √(2 / count) deviations.
            let error = number("deviation") * (2 / count).squareRoot()
            #expect(abs(mean - number("mean")) <= 4 * error + 1e-6, "\(name): \(mean) and \(number("mean"))")
            #expect(abs(deviation - number("deviation")) <= 4 * error + 1e-6, "\(name): \(deviation)")
            let width = number("largest") - number("least")
            #expect(values.min() ?? 0 >= number("least") - 0.3 * width - 1e-6, "\(name)")
            #expect(values.max() ?? 0 <= number("largest") + 0.3 * width + 1e-6, "\(name)")
            // Only matrices decay.
            #expect(parameter.role.isDecayed == name.hasSuffix(".weight"), "\(name)")
            #expect(parameter.role == parameter.role.plain)
        }
    }

    /// Steps begin between a thousandth and a tenth of a unit, evenly by their logarithms; decays are −1, −2, ….
    @Test func rulesAreWhatTheySay() throws {
        let source = Initializer(.xavierUniform, seed: 1)
        func values(_ rule: InitialRule, _ shape: Shape) throws -> [Double] {
            try source.parameter("x", shape: shape, role: .ruled(rule, as: .bias)).toArray(as: Double.self)
        }
        let steps = try values(.steps(0.001...0.1, floor: 1e-4), [4000]).map { log(1 + exp($0)) }
        #expect(steps.allSatisfy { (0.00099...0.1001).contains($0) })
        #expect(abs(Double(steps.count { $0 < 0.01 }) / 4000 - 0.5) < 0.04)
        let floored = try values(.steps(0.001...0.1, floor: 0.05), [1000]).map { log(1 + exp($0)) }
        #expect(floored.allSatisfy { $0 > 0.0499 })
        #expect(try values(.logarithms, [2, 3]).map { exp($0).rounded() } == [1, 2, 3, 1, 2, 3])
        #expect(try values(.constant(1), [3]) == [1, 1, 1])
        let decays = try values(.logOfUniform(0.01...16), [4000]).map { exp($0) }
        #expect(decays.allSatisfy { (0.0099...16.01).contains($0) })
        let mean: Double = decays.reduce(0, +) / 4000
        #expect(abs(mean - 8) < 0.4)
        #expect(try values(.uniform(bound: 0.5), [1000]).allSatisfy { abs($0) <= 0.5 })
    }
}
