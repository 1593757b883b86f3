#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The version of this program, for `--version` and the server.
package enum ProgramVersion {
    package static let current = "0.1.0"
}

/// The name and the hardware of this machine.
package enum Machine {
    package static var host: String {
        var host = [CChar](repeating: 0, count: 256)
        gethostname(&host, 255)
        return String(decoding: host.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// "AMD EPYC 9654 96-Core Processor"; "unknown" if the system does not report it.
    package static var processor: String {
        guard let text = try? systemFile("/proc/cpuinfo") else { return "unknown" }
        let line = text.split(separator: "\n").first { $0.hasPrefix("model name") }
        return line?.split(separator: ":").last.map { String($0.drop { $0 == " " }) } ?? "unknown"
    }

    /// In one line: name, processor, threads and the kernels in use.
    package static var description: String {
        "\(host): \(processor), \(ThreadPool.shared.workerCount) threads, \(InstructionSet.active)"
    }

    /// Files under /proc have no size, so they cannot be mapped into memory.
    private static func systemFile(_ path: String) throws -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError(path: path, doing: "open") }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = read(descriptor, &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
    }
}
