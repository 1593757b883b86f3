import Foundation
import MartletFormats
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor
import Testing
import TinyModels

/// Losses, noise, capacity and choice of a mixture's routers in training.
struct RouterTrainingTests {
    struct Case: Sendable, CustomStringConvertible {
        var name: String
        var choice = RouterTraining.Choice.tokens
        var capacity: Double?
        var balance = 0.0, z = 0.0
        var description: String { name }

        var routing: RouterTraining {
            var routing = RouterTraining()
            routing.choice = choice
            routing.capacityFactor = capacity
            return routing
        }
    }

    /// Those of make_routers.py.
    static let cases = [
        Case(name: "plain"), Case(name: "balance", balance: 0.1), Case(name: "z", z: 0.01),
        Case(name: "capacity", capacity: 0.75, balance: 0.05, z: 0.01), Case(name: "tight", capacity: 0.3),
        Case(name: "experts", choice: .experts, z: 0.01), Case(name: "experts-few", choice: .experts, capacity: 0.6),
    ]

    /// The loss of next tokens with those of routers, as training adds them up.
    private static func loss(
        _ decoder: Decoder, _ tokens: [Int32], _ one: Case, _ routing: RouterTraining, _ record: PassRecord
    ) throws -> Tensor {
        let pass = Pass(.whole([0..<tokens.count]), record: record, routing: routing)
        let hidden = try decoder.hiddenStates(tokens, pass)
        let logits = try decoder.logits(hidden.narrow(0, from: 0, length: tokens.count - 1))
        var loss = try Loss.crossEntropy(logits, targets: Array(tokens.dropFirst()))
        func add(_ losses: [Tensor], _ weight: Double) throws {
            guard weight > 0 else { return }
            for each in losses { loss = try loss + each * (weight / Double(losses.count)) }
        }
        try add(record.auxiliaryLosses, one.balance)
        try add(record.routerZLosses, one.z)
        return loss
    }

    private static func mean(_ losses: [Tensor]) throws -> Double {
        try losses.reduce(0) { try $0 + $1.detach().item(as: Double.self) } / Double(max(losses.count, 1))
    }

    @Test(arguments: cases, [false, true]) func lossAndGradientsAreThoseWrittenOutInTorch(
        _ one: Case, recomputes: Bool
    ) throws {
        let path = "\(FamilyTests.goldens)/routers.json"
        let all = try JSON(parsing: [UInt8](Data(contentsOf: URL(filePath: path))))
        let wanted = try #require(all[one.name]), golden = try FamilyGolden("qwen3_moe")
        func number(_ key: String) throws -> Double { try #require(wanted[key]?.double) }
        try golden.withFolder { folder in
            let (decoder, parameters) = try Checkpoint(path: folder).trainableDecoder()
            decoder.recomputesLayers = recomputes
            let record = PassRecord(auxiliaryLosses: true, routerZLosses: true)
            let loss = try Self.loss(decoder, golden.tokens, one, one.routing, record)
            func expect(_ found: Double, _ key: String) throws {
                let wanted = try number(key)
                #expect(abs(found - wanted) < 1e-4 * wanted, "\(key): \(found) against \(wanted)")
            }
            try expect(loss.item(as: Double.self), "loss")
            try expect(Self.mean(record.routerZLosses), "z_loss")
            if one.choice == .tokens { try expect(Self.mean(record.auxiliaryLosses), "balance_loss") }
            #expect(record.dropped.values.reduce(0, +) == wanted["dropped"]?.integer)
            let loads = record.routerLoads.sorted { $0.key < $1.key }.map(\.value)
            #expect(loads == wanted["loads"]?.array?.map { ($0.array ?? []).compactMap(\.integer) })
            try loss.backward()
            try expect(parameters.gradientNorm(), "gradient_norm")
        }
    }

    /// Of formulas in float64, against central differences of the loss, in a router and an expert.
    @Test(arguments: cases + [Case(name: "noise", balance: 0.1, z: 0.05)], [Float(1), 2])
    func gradientsAreThoseOfCentralDifferences(_ one: Case, layer: Float) throws {
        let golden = try FamilyGolden("qwen3_moe"), index = layer == 1 ? 0 : 2
        try golden.withFolder { folder in
            let decoder = try Checkpoint(path: folder).decoder()
            try decoder.tree.convert(to: .float64, trained: true)
            var routing = one.routing
            if one.name == "noise" { (routing.noise, routing.seed) = (0.5, 3) }
            func loss() throws -> Tensor {
                try Self.loss(
                    decoder, golden.tokens, one, routing, PassRecord(auxiliaryLosses: true, routerZLosses: true))
            }
            try loss().backward()
            for path in ["layers.\(index).mlp.gate", "layers.\(index).mlp.experts.1.up_proj"] {
                let leaf = try #require(decoder.tree.trained.first { $0.name.hasSuffix(path + ".weight") })
                let matrix = leaf.tensor, gradient = try #require(matrix.gradient)
                var stream = RandomStream(seed: 5)
                let direction = try Tensor.normal(matrix.shape, using: &stream).to(.float64)
                let kept = matrix.detach().copied(), step = 1e-5
                func moved(_ by: Double) throws -> Double {
                    try noGrad {
                        try matrix.detach().copy(from: kept + direction * by)
                        return try loss().item(as: Double.self)
                    }
                }
                let slope = try (moved(step) - moved(-step)) / (2 * step)
                _ = try moved(0)
                let found = try (gradient * direction).sum().item(as: Double.self)
                #expect(abs(found - slope) < 1e-5 * max(1, abs(slope)), "\(path): \(found) against \(slope)")
            }
        }
    }

    /// Noise is a function of seed, step and place: the same again, and the same where a step is cut elsewhere.
    @Test func noiseIsDrawnByPlace() throws {
        let golden = try FamilyGolden("qwen3_moe")
        try golden.withFolder { folder in
            let decoder = try Checkpoint(path: folder).decoder(), tokens = golden.tokens, half = 6
            func states(_ tokens: [Int32], _ rows: [Range<Int>], step: Int = 1, first: Int = 0) throws -> [Float] {
                var routing = RouterTraining(seed: 1, step: step, firstToken: first)
                routing.noise = 2
                return FamilyTests.floats(try decoder.hiddenStates(tokens, Pass(.whole(rows), routing: routing)))
            }
            let whole = try states(tokens, [0..<half, half..<tokens.count])
            #expect(whole == (try states(tokens, [0..<half, half..<tokens.count])))
            #expect(whole != (try states(tokens, [0..<half, half..<tokens.count], step: 2)))
            let width = decoder.configuration.hiddenSize
            let second = try states(Array(tokens[half...]), [0..<tokens.count - half], first: half)
            #expect(Array(whole[(half * width)...]) == second)
        }
    }

    /// Rows that are padding count in no load and in no loss.
    @Test func paddingCountsNowhere() throws {
        let golden = try FamilyGolden("qwen3_moe")
        try golden.withFolder { folder in
            let (decoder, _) = try Checkpoint(path: folder).trainableDecoder()
            let tokens = golden.tokens, count = tokens.count
            let alone = PassRecord(auxiliaryLosses: true, routerZLosses: true)
            _ = try decoder.hiddenStates(tokens, Pass(.whole([0..<count]), record: alone))
            let padded = PassRecord(auxiliaryLosses: true, routerZLosses: true, of: (0..<Int32(count)).map { $0 })
            _ = try decoder.hiddenStates(
                tokens + [0, 0, 0], Pass(.whole([0..<count, count..<count + 3]), record: padded))
            #expect(alone.routerLoads == padded.routerLoads)
            let balance = try (Self.mean(alone.auxiliaryLosses), Self.mean(padded.auxiliaryLosses))
            let square = try (Self.mean(alone.routerZLosses), Self.mean(padded.routerZLosses))
            #expect(abs(balance.0 - balance.1) < 1e-6 && abs(square.0 - square.1) < 1e-5)
        }
    }

    /// Where a token's choice has groups or a bias, experts cannot choose.
    @Test func expertsDoNotChooseInGroups() throws {
        let golden = try FamilyGolden("deepseek_v3")
        try golden.withFolder { folder in
            let decoder = try Checkpoint(path: folder).decoder()
            var routing = RouterTraining()
            routing.choice = .experts
            #expect(throws: TensorError.self) {
                try decoder.hiddenStates(
                    golden.tokens, Pass(.whole([0..<golden.tokens.count]), routing: routing))
            }
        }
    }

    /// A new model of every family with mixtures: its configuration is read as it was meant.
    @Test(arguments: ["qwen3_moe", "mixtral", "olmoe", "deepseek_v2", "deepseek_v3"])
    func newMixturesAreReadAsTheyWereMeant(_ family: String) throws {
        var shape = ModelShape()
        shape.family = family
        (shape.vocabularySize, shape.contextLength, shape.layers, shape.hiddenSize) = (64, 32, 3, 32)
        (shape.heads, shape.keyValueHeads, shape.intermediateSize) = (4, 4, 64)
        (shape.mixture.experts, shape.mixture.active, shape.mixture.expertSize) = (8, 2, 16)
        let form = try #require(shape.form.mixture)
        if form.shared != nil { shape.mixture.shared = 1 }
        if form.denseLayers != nil { shape.mixture.denseLayers = 1 }
        if form.isGrouped { (shape.mixture.groups, shape.mixture.activeGroups) = (4, 2) }
        if shape.form.isLatent {
            (shape.latent.rank, shape.latent.rotated, shape.latent.plain, shape.latent.values) = (16, 4, 8, 8)
        }
        let spec = try shape.decoderConfiguration()
        let routers = spec.layers.compactMap(\.feedForward.experts)
        #expect(routers.count == (form.denseLayers == nil ? 3 : 2))
        for router in routers {
            #expect(router.count == 8 && router.active == 2)
            #expect(router.shared?.size == (form.shared == nil ? nil : 16))
            #expect(router.hasSelectionBias == form.isBalancedByBias)
            #expect(router.groups?.count == (form.isGrouped ? 4 : nil))
        }
        #expect(spec.layers.last?.feedForward.size == 16)
        #expect((spec.attention.latent != nil) == shape.form.isLatent)
        let counts = spec.parameterCounts
        #expect(counts.all - counts.active == routers.count * 6 * 3 * 32 * 16)
        // Every name has a place in the family's files.
        let source = TrainableParameters(Initializer(.normal(deviation: 0.02, layers: 3), seed: 1))
        let decoder = Decoder(source, spec)
        #expect(source.parameters.allSatisfy { spec.publishedName($0.name) != nil })
        #expect(try decoder([1, 2, 3]).shape == [3, 64])
    }
}
