#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Where `strftime_now` reads the time, in seconds since 1970.
public enum JinjaClock {
    public static let system: @Sendable () -> Int = { Int(time(nil)) }

    /// A clock that stands still: for tests and for prompts that must be the same every day.
    public static func fixed(_ seconds: Int) -> @Sendable () -> Int { { seconds } }
}
