import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Ctrl-C, SIGTERM, or the end of the terminal (SIGHUP) requests a stop at the next safe point, where the work is
/// saved; a second one terminates the process as usual.
package struct StopRequest {
    private static let flag = Atomic(false)

    package init() {
        let handler: @convention(c) (Int32) -> Void = { _ in
            StopRequest.flag.store(true, ordering: .relaxed)
            signal(SIGINT, SIG_DFL)
            signal(SIGTERM, SIG_DFL)
            signal(SIGHUP, SIG_DFL)
        }
        signal(SIGINT, handler)
        signal(SIGTERM, handler)
        // A process under nohup ignores SIGHUP, and continues to.
        var before = sigaction()
        if sigaction(SIGHUP, nil, &before) == 0, !before.isIgnored { signal(SIGHUP, handler) }
    }

    package var isRequested: Bool { Self.flag.load(ordering: .relaxed) }
}

extension sigaction {
    fileprivate var isIgnored: Bool {
        #if canImport(Darwin)
        let handler = __sigaction_u.__sa_handler
        #elseif canImport(Musl)
        let handler = __sa_handler.sa_handler
        #else
        let handler = __sigaction_handler.sa_handler
        #endif
        return unsafeBitCast(handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
    }
}
