#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The clock of `strftime_now`, in seconds since 1970.
public enum JinjaClock {
    public static let system: @Sendable () -> Int = { Int(time(nil)) }

    /// A fixed clock: for tests and for reproducible prompts.
    public static func fixed(_ seconds: Int) -> @Sendable () -> Int { { seconds } }
}
