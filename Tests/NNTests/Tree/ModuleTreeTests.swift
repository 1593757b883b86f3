import MartletNN
import MartletTensor
import Synchronization
import Testing

struct ModuleTreeTests {
    /// Two layers of two projections and a norm, over an embedding that the head shares.
    private final class Model {
        let tree: ModuleTree
        let embedding: Embedding
        let up, down: [Linear]
        let norm: Norm
        let head: Linear

        init() {
            let source = ModuleTree.Builder(Initializer(.normal(deviation: 0.2, layers: 2), seed: 1))
            embedding = Embedding(source, "model.embed_tokens", count: 10, size: 8)
            up = (0..<2).map { Linear(source, "model.layers.\($0).mlp.up_proj", from: 8, to: 12, bias: true) }
            down = (0..<2).map { Linear(source, "model.layers.\($0).mlp.down_proj", from: 12, to: 8) }
            norm = Norm(source, "model.norm", size: 8, epsilon: 1e-5)
            head = Linear(source, "lm_head", sharing: embedding)
            tree = source.tree
        }

        func callAsFunction(_ ids: [Int32]) throws -> Tensor {
            var x = try embedding(ids)
            for (up, down) in zip(up, down) { x = try down(up(x)) }
            return try head(norm(x))
        }
    }

    @Test(arguments: [
        ("up_proj", 2), ("layers.0", 2), ("layers.*.mlp.down_proj", 2), ("*_proj", 4), ("model.norm", 1),
        ("all-linear", 4), ("lm_head", 1), ("*", 7), ("m*l.l*.1", 2),
    ]) func patternsNameConsecutiveComponents(pattern: String, count: Int) throws {
        #expect(try Model().tree.find(pattern).count == count)
    }

    @Test(arguments: ["layer", "layers.2", "up", "proj", "", "layers..0", "model.layers.0.mlp.up_proj.weight"])
    func aPatternThatMatchesNothingNamesWhatIsNear(pattern: String) throws {
        let error = #expect(throws: ModuleError.self) { try Model().tree.find(pattern) }
        #expect(error?.description.contains("no module matches \"\(pattern)\"; near names are ") == true)
    }

    @Test func aMistypedNameIsRecognised() throws {
        let error = #expect(throws: ModuleError.self) { try Model().tree.freeze("up_prj") }
        guard case .nothingMatches(_, let near)? = error else { return }
        #expect(near.first == "up_proj")
    }

    @Test func everyParameterStandsOnceUnderItsPath() throws {
        let paths = Model().tree.parameters.map(\.path)
        #expect(paths.count == 8 && Set(paths).count == 8 && !paths.contains("lm_head.weight"))
        #expect(paths.contains("model.layers.1.mlp.up_proj.bias"))
        let count = Model().tree.parameters.reduce(0) { $0 + $1.count }
        #expect(count == 496, "a table of 80, two layers of 96 + 12 + 96, a norm of 8")
    }

    @Test func onlyWhatIsTrainedGetsGradients() throws {
        let model = Model()
        #expect(model.tree.trained.isEmpty)
        try model.tree.train("down_proj")
        try model.tree.train("norm")
        try model.tree.freeze("layers.0")
        #expect(model.tree.trained.map(\.name) == ["model.layers.1.mlp.down_proj.weight", "model.norm.weight"])
        try model([1, 2, 3]).square().sum(axes: []).backward()
        #expect(model.tree.trained.allSatisfy { $0.tensor.gradient != nil })
    }

    @Test func aTiedHeadFollowsTheTable() throws {
        let model = Model()
        try model.tree.train("embed_tokens")
        try model([4]).sum(axes: []).backward()
        let table = try #require(model.tree.trained.first).tensor
        #expect(model.head.matrix.dense?.storage === table.storage && table.gradient != nil)
        #expect(throws: ModuleError.self) { try model.tree.replace("lm_head") { _ in try Tensor.zeros([10, 8]) } }
    }

    @Test func hooksSeeAndReplaceResults() throws {
        let model = Model(), plain = try model([1, 2]).toArray(as: Float.self)
        let seen = Mutex<[String]>([])
        let watching = try model.tree.hook("mlp") { path, _ in
            seen.withLock { $0.append(path) }
            return nil
        }
        #expect(try model([1, 2]).toArray(as: Float.self) == plain, "hooks that only look change no bit")
        #expect(seen.withLock { $0.count } == 4)
        watching.remove()
        let zeroing = try model.tree.hook("layers.1.mlp.down_proj") { _, result in try Tensor.zeros(result.shape) }
        #expect(try model([1, 2]).toArray(as: Float.self).allSatisfy { $0 == 0 })
        zeroing.remove()
        #expect(try model([1, 2]).toArray(as: Float.self) == plain && seen.withLock { $0.count } == 4)
        try model.tree.hook("norm") { _, result in try Tensor.zeros([1, 1]) }
        let error = #expect(throws: ModuleError.self) { try model([1, 2]) }
        #expect(error?.description == "a hook on model.norm returned F32 [1, 1] in place of F32 [2, 8]")
    }

    @Test func replacedMatricesAreUsedAndMustFit() throws {
        let model = Model()
        try model.tree.replace("up_proj") { try $0.matrix.float32Matrix().to(.bfloat16) }
        #expect(model.up[0].matrix.storedType == "BF16" && model.up[1].matrix.byteCount == 192)
        #expect(throws: ModuleError.self) { try model.tree.replace("up_proj") { _ in try Tensor.zeros([8, 12]) } }
        try model.tree.train("norm")
        try model([1]).sum(axes: []).backward()
        #expect(model.tree.trained[0].tensor.gradient != nil)
    }

    @Test func anAdapterBeginsWithoutEffectAndLearns() throws {
        let model = Model(), plain = try model([1, 2]).toArray(as: Float.self)
        for case let layer as Linear in try model.tree.find("all-linear") {
            layer.adapters.append(try LowRankAdapter(of: layer, rank: 2, scale: 2, seed: 3))
        }
        #expect(try model([1, 2]).detach().toArray(as: Float.self) == plain)
        let trained = model.tree.trained
        #expect(trained.count == 8 && trained[0].name == "model.layers.0.mlp.up_proj.lora_A.weight")
        // With the model as it is, only B has a slope; after a step of it, the result is that of W + s B A.
        try model([1, 2]).square().sum(axes: []).backward()
        for parameter in trained where parameter.name.hasSuffix("lora_B.weight") {
            let slope = try #require(parameter.tensor.gradient)
            #expect(try slope.abs().sum(axes: []).item(as: Float.self) > 0)
            try noGrad { try parameter.tensor.copy(from: slope * -0.01) }
        }
        let adapted = try model([1, 2]).detach().toArray(as: Float.self)
        for layer in model.up + model.down {
            let adapter = try #require(layer.adapters.first as? LowRankAdapter)
            let change = try adapter.up.detach().matmul(adapter.down.detach()) * Double(adapter.scale)
            layer.adapters = []
            try layer.replaceMatrix(layer.matrix.float32Matrix().detach() + change)
        }
        for (found, wanted) in zip(try model([1, 2]).toArray(as: Float.self), adapted) {
            #expect(abs(found - wanted) <= 1e-4 * max(1, abs(wanted)))
        }
        #expect(adapted != plain)
    }

    @Test func gradientsAreAskedForByPath() throws {
        let model = Model()
        try model.tree.train("layers")
        #expect(try model.tree.gradient("model.layers.0.mlp.up_proj.weight")?.shape == nil)
        try model([1, 2]).sum().backward()
        #expect(try model.tree.gradient("model.layers.0.mlp.up_proj.weight")?.shape == [12, 8])
        #expect(throws: ModuleError.isFrozen(path: "model.norm.weight")) {
            try model.tree.gradient("model.norm.weight")
        }
        #expect { try model.tree.gradient("model.norm.wight") } throws: { "\($0)".contains("model.norm.weight") }
    }
}
