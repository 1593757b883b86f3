import Synchronization

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Ctrl-C asks for an end at the next good place; a second one ends the process as usual.
struct StopRequest {
    private static let flag = Atomic(false)

    init() {
        let handler: @convention(c) (Int32) -> Void = { _ in
            StopRequest.flag.store(true, ordering: .relaxed)
            signal(SIGINT, SIG_DFL)
            signal(SIGTERM, SIG_DFL)
        }
        signal(SIGINT, handler)
        signal(SIGTERM, handler)
    }

    var isRequested: Bool { Self.flag.load(ordering: .relaxed) }
}
