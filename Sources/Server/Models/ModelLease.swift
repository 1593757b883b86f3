/// A model whose files could not be loaded. The reason names paths, which are for the log.
struct ModelLoadFailure: Error, CustomStringConvertible {
    let model: String
    let reason: String
    var description: String { "the model \"\(model)\" could not be loaded: \(reason)" }
}

/// Keeps a model in memory while it is held.
package final class ModelLease: Sendable {
    package let model: LoadedModel
    private let release: @Sendable () -> Void

    init(_ model: LoadedModel, release: @escaping @Sendable () -> Void) {
        self.model = model
        self.release = release
    }

    deinit { release() }
}
