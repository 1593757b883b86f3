#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// What a variable of the process's environment says; nil where it is not set.
public func environmentVariable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
