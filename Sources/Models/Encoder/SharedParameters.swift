import MartletNN
import MartletTensor

/// Gives several places of a model one parameter: those that `owner` gives one name get the same tensor, so that a step of
/// training changes it for all, and its gradient is the sum over them.
final class SharedParameters: ParameterSource {
    private let source: any ParameterSource
    private let owner: (String) -> String
    private var tensors: [String: Tensor] = [:]
    private var matrices: [String: any WeightMatrix] = [:]

    init(_ source: any ParameterSource, owner: @escaping (String) -> String) {
        self.source = source
        self.owner = owner
    }

    func parameter(_ name: String, shape: Shape, role: ParameterRole) -> Tensor {
        let own = owner(name)
        if let given = tensors[own] { return given }
        let given = source.parameter(own, shape: shape, role: role)
        tensors[own] = given
        return given
    }

    func matrix(_ name: String, shape: Shape, role: ParameterRole) -> any WeightMatrix {
        let own = owner(name)
        if let given = matrices[own] { return given }
        let given = source.matrix(own, shape: shape, role: role)
        matrices[own] = given
        return given
    }

    func register(_ leaf: any ModuleLeaf) { source.register(leaf) }

    /// The layer whose parameters all layers use (ALBERT, Lan et al. 2020, section 3.1): "model.layers.7.mlp.up_proj.weight"
    /// is "model.layers.0.mlp.up_proj.weight".
    static func firstLayer(_ name: String) -> String {
        guard name.hasPrefix("model.layers.") else { return name }
        return "model.layers.0" + name.dropFirst("model.layers.".count).drop { $0 != "." }
    }
}

/// The parameters of a model that is a part of another, under names with a prefix.
final class PrefixedParameters: ParameterSource {
    private let source: any ParameterSource
    private let prefix: String

    init(_ source: any ParameterSource, _ prefix: String) { (self.source, self.prefix) = (source, prefix) }

    func parameter(_ name: String, shape: Shape, role: ParameterRole) -> Tensor {
        source.parameter(prefix + name, shape: shape, role: role)
    }

    func matrix(_ name: String, shape: Shape, role: ParameterRole) -> any WeightMatrix {
        source.matrix(prefix + name, shape: shape, role: role)
    }

    func register(_ leaf: any ModuleLeaf) { source.register(leaf) }
}
