import MartletJSON
import MartletModels
import MartletTensor

/// A deeper model that computes the same: behind every few blocks stands a copy of the last of them whose results are zeros, so
/// that it adds nothing until it is trained (LLaMA Pro, Wu et al. 2024). The copies alone are tuned then:
/// `martlet sft DEEPER --adapter freeze --adapter-layers …`.
public struct BlockExpansion {
    /// The tensors, by the names of the family's folders.
    public let tensors: [(String, Tensor)]
    /// The numbers of the added layers.
    public let added: [Int]

    /// - Parameters:
    ///   - decoder: opened in the form of folders.
    ///   - count: blocks to add, a divisor of those there are.
    /// - Throws: `AdapterError` for models whose results go through a norm before they are added: zeros do not stay zeros there.
    public init(_ decoder: Decoder, blocks count: Int) throws {
        let layers = decoder.configuration.layerCount
        guard count > 0, layers % count == 0 else {
            let divisors = (1...layers).filter { layers % $0 == 0 }.map(String.init).joined(separator: ", ")
            throw AdapterError(
                .configuration, "\(count) blocks cannot be spread evenly over \(layers): one of \(divisors) can")
        }
        guard decoder.configuration.layers.allSatisfy({ $0.feedForward.experts == nil }),
            decoder.configuration.layers.allSatisfy({ $0.normPlacement == .before || $0.normPlacement == .parallel })
        else {
            throw AdapterError(
                .unsupported,
                "blocks of \(decoder.configuration.family) have experts, or norms behind their results: copies of them are "
                    + "not silent")
        }
        let group = layers / count
        let places = (0..<layers).map { $0 + $0 / group }
        added = (0..<count).map { ($0 + 1) * group + $0 }
        var result: [(String, Tensor)] = []
        // What a block ends in, as its family calls it.
        let ends = ["o_proj", "down_proj", "c_proj"]
        for (name, tensor) in try PublishedModel.tensors(decoder) {
            guard let layer = ModuleNameMatcher.layer(of: name) else {
                result.append((name, tensor))
                continue
            }
            result.append((Self.renamed(name, to: places[layer]), tensor))
            guard layer % group == group - 1 else { continue }
            let isEnd = name.split(separator: ".").contains { ends.contains(String($0)) }
            result.append((Self.renamed(name, to: places[layer] + 1), isEnd ? try Tensor.zeros(tensor.shape) : tensor))
        }
        tensors = result
    }

    private static func renamed(_ name: String, to layer: Int) -> String {
        var parts = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        if let index = parts.indices.dropFirst().first(where: { Int(parts[$0]) != nil }) { parts[index] = "\(layer)" }
        return parts.joined(separator: ".")
    }

    /// `config.json` of the deeper model.
    public func configuration(_ config: JSON) -> JSON {
        guard var members = config.object else { return config }
        for key in ["num_hidden_layers", "n_layer"] {
            if let count = members[key]?.integer { members[key] = .integer(Int64(count + added.count)) }
        }
        if let types = members["layer_types"]?.array {
            var whole = types
            for place in added where place > 0 && place <= whole.count { whole.insert(whole[place - 1], at: place) }
            members["layer_types"] = .array(whole)
        }
        return .object(members)
    }
}
