import Martlet
import MartletAPI

extension LoadedModel {
    /// The grammar of a request, compiled for this model's vocabulary.
    func compile(_ source: ConstraintSource) throws -> any TokenConstraint {
        throw APIError.unsupported(source.parameter)
    }
}

extension ConstraintSource {
    fileprivate var parameter: String { "response_format" }
}
