#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Checks whether the server can listen on its address, before gigabytes are loaded.
enum ListeningAddress {
    static func inUse(_ port: Int) -> ServerError {
        ServerError("port \(port) is in use: stop what listens there, or give another --port")
    }

    /// - Throws: `ServerError` when the host name is unknown, or the port is in use or not permitted.
    static func check(host: String, port: Int) throws(ServerError) {
        guard port > 0 else { return }
        var hints = addrinfo()
        #if canImport(Glibc)
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        #else
        hints.ai_socktype = SOCK_STREAM
        #endif
        hints.ai_flags = AI_PASSIVE
        var found: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host, String(port), &hints, &found)
        guard status == 0, let address = found else {
            throw ServerError(
                "--host \(host) is not an address of this machine: \(String(cString: gai_strerror(status)))")
        }
        defer { freeaddrinfo(found) }
        let descriptor = socket(address.pointee.ai_family, address.pointee.ai_socktype, address.pointee.ai_protocol)
        // If this fails, the later call of listen reports the error.
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var yes: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        guard bind(descriptor, address.pointee.ai_addr, address.pointee.ai_addrlen) != 0 else { return }
        switch errno {
        case EADDRINUSE: throw inUse(port)
        case EACCES: throw ServerError("port \(port) is not permitted for this user: give one above 1023 with --port")
        case EADDRNOTAVAIL: throw ServerError("--host \(host) is not an address of this machine")
        default: return
        }
    }
}
