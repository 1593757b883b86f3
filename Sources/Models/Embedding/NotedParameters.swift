import MartletNN
import MartletTensor

/// Makes the chosen parameters of a model trainable and notes all of them, so that a folder can be written of the whole model
/// whatever part of it is trained.
///
/// Parameters that lie in one place of the files are one: a model whose layers share theirs (ALBERT) trains them as one.
final class NotedParameters: ParameterSource {
    private let source: TrainableParameters
    private let places: (String) -> [WeightPlace]
    private var known: [String: Tensor] = [:]
    /// Every parameter by the model's name, in order of construction.
    private(set) var all: [(name: String, tensor: Tensor)] = []

    init(
        _ source: ParameterSource, places: @escaping (String) -> [WeightPlace],
        where isTrained: @escaping (String) -> Bool
    ) {
        self.source = TrainableParameters(source, where: isTrained)
        self.places = places
    }

    func parameter(_ name: String, shape: Shape, role: ParameterRole) -> Tensor {
        var place: String?
        if case .tensor(let stored)? = places(name).first { place = stored }
        if let place, let shared = known[place], shared.shape == shape { return shared }
        let tensor = source.parameter(name, shape: shape, role: role)
        if let place { known[place] = tensor }
        all.append((name, tensor))
        return tensor
    }

    /// What is trained.
    func finish() throws -> [Parameter] {
        try source.finish()
        return source.parameters
    }
}

/// Gives the head of a classifier initial values where the files have none that fit, everything else as they have it.
final class HeadParameters: ParameterSource {
    private let stored: CheckpointParameters
    private let initial: Initializer
    private let isNew: (_ name: String, _ shape: Shape) -> Bool
    /// The names of those that were made.
    private(set) var made: [String] = []

    init(
        _ stored: CheckpointParameters, seed: UInt64, isNew: @escaping (_ name: String, _ shape: Shape) -> Bool
    ) {
        self.stored = stored
        // As transformers begins the head of every encoder.
        initial = Initializer(.normal(deviation: 0.02, layers: 1), seed: seed)
        self.isNew = isNew
    }

    func parameter(_ name: String, shape: Shape, role: ParameterRole) -> Tensor {
        guard isNew(name, shape) else { return stored.parameter(name, shape: shape, role: role) }
        made.append(name)
        return initial.parameter(name, shape: shape, role: role)
    }
}

/// A model opened for training: what is trained, and all that its folder holds.
package struct TrainableEncoder<Model> {
    package let model: Model
    /// What is trained, by the model's names.
    package let trained: [Parameter]
    /// Every parameter, trained or not, by the model's names.
    package let all: [(name: String, tensor: Tensor)]
    /// Parameters of a head that the files do not have.
    package let made: [String]
}
