import Synchronization

/// The members that decoding asked for, whether or not they were there: what a description of requests is held against.
package final class FieldNotes: Sendable {
    /// Whoever sets it is told; nobody does while serving.
    @TaskLocal package static var current: FieldNotes?

    private let names = Mutex<Set<String>>([])

    package init() {}

    func add(_ path: String) { names.withLock { _ = $0.insert(path) } }

    /// By their paths, `messages[].content[].text`.
    package var paths: Set<String> {
        Set(names.withLock { $0 }.map { $0.replacing(/\[[0-9]+\]/, with: "[]") })
    }
}
