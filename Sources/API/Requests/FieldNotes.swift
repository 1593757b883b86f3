import Synchronization

/// Records the members that decoding reads, whether or not they exist: for the comparison with the OpenAPI schemas.
package final class FieldNotes: Sendable {
    /// Set in tests only.
    @TaskLocal package static var current: FieldNotes?

    private let names = Mutex<Set<String>>([])

    package init() {}

    func add(_ path: String) { names.withLock { _ = $0.insert(path) } }

    /// By their paths, `messages[].content[].text`.
    package var paths: Set<String> {
        Set(names.withLock { $0 }.map { $0.replacing(/\[[0-9]+\]/, with: "[]") })
    }
}
