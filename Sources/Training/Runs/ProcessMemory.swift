#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// What the process has taken of the machine's memory.
package enum ProcessMemory {
    /// The most bytes that were resident at once.
    package static var peak: Int {
        var usage = rusage()
        #if canImport(Glibc)
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_maxrss * 1024
        #else
        getrusage(RUSAGE_SELF, &usage)
        return usage.ru_maxrss
        #endif
    }
}
