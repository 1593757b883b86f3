#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The value of an environment variable; nil if it is not set.
public func environmentVariable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
