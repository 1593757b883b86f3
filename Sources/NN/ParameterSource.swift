import MartletTensor

/// Where the parameters of a model under construction come from: a checkpoint, or an initialiser.
///
/// A source does not throw for a parameter it cannot give: it notes the fact and answers with a placeholder, so that
/// one error at the end names everything that is missing.
public protocol ParameterSource: AnyObject {
    func parameter(_ name: String, shape: Shape) -> Tensor
}
