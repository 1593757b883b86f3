import Dispatch
import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Gives memory that large requests have freed back to the system. glibc keeps it until it is asked, by functions that
/// Swift's module of it leaves out; other libraries give it back by themselves.
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

    /// Blocks of a megabyte and more are from now on returned when they are freed. Left to itself, glibc keeps ever larger
    /// ones for later.
    static func returnBlocks() {
        let largeBlock: Int32 = -3
        _ = setting?(largeBlock, 1 << 20)
    }

    private static let isPlanned = Atomic(false)

    /// Returns what is free in half a second, once for all who ask until then: looking for it takes a while, in which who
    /// allocates may wait.
    static func trimSoon() {
        guard !isPlanned.exchange(true, ordering: .relaxed) else { return }
        DispatchQueue.global(qos: .utility).asyncAfter(deadline: .now() + .milliseconds(500)) {
            isPlanned.store(false, ordering: .relaxed)
            trim()
        }
    }

    /// Returns what is free between blocks in use.
    static func trim() { _ = trimming?(0) }
}
