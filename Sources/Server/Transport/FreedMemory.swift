import Dispatch
import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Returns memory that large requests have freed to the system. glibc keeps it unless asked by functions that Swift's
/// Glibc module does not have; other C libraries return it themselves.
enum FreedMemory {
    private static let trimming = function("malloc_trim", (@Sendable @convention(c) (Int) -> Int32).self)
    private static let setting = function("mallopt", (@Sendable @convention(c) (Int32, Int32) -> Int32).self)

    private static func function<Function>(_ name: String, _: Function.Type) -> Function? {
        #if canImport(Glibc)
        return dlsym(nil, name).map { unsafeBitCast($0, to: Function.self) }
        #else
        return nil
        #endif
    }

    /// From now on, blocks of one megabyte or more are returned when they are freed. By default glibc raises this
    /// threshold when large blocks are freed.
    static func returnBlocks() {
        let largeBlock: Int32 = -3
        _ = setting?(largeBlock, 1 << 20)
    }

    private static let isPlanned = Atomic(false)

    /// Returns free memory after half a second, once for all calls until then: the search takes a while, during which
    /// allocations may wait.
    static func trimSoon() {
        guard !isPlanned.exchange(true, ordering: .relaxed) else { return }
        DispatchQueue.global(qos: .utility).asyncAfter(deadline: .now() + .milliseconds(500)) {
            isPlanned.store(false, ordering: .relaxed)
            trim()
        }
    }

    /// Returns free memory between blocks in use.
    static func trim() { _ = trimming?(0) }
}
