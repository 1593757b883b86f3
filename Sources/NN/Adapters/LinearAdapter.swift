import MartletTensor

/// A small change to what a linear layer computes, with parameters of its own: the layer stays as it is.
///
/// A new kind is one file: what it adds, and what it trains.
public protocol LinearAdapter: AnyObject {
    /// "default", as PEFT names the one that has no name.
    var name: String { get }
    var isEnabled: Bool { get set }
    /// What an optimiser works on.
    var parameters: [Parameter] { get }

    /// The layer's result with the adapter's part. `y` is used up.
    /// - Parameters:
    ///   - x: what the layer was given, `[tokens, in]`.
    ///   - y: what it computed, `[tokens, out]`.
    func callAsFunction(_ x: Tensor, _ y: Tensor) throws -> Tensor
}
