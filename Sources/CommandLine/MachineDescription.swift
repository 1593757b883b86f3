import Martlet
import MartletSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// What `martlet env` tells about the machine.
enum MachineDescription {
    static var kernels: String { InstructionSet.active }
    static var threads: Int { ThreadPool.shared.workerCount }

    static func rows() -> [(String, String)] {
        var rows: [(String, String)] = [("version", MartletCommand.configuration.version)]
        rows.append(("processor", processor()))
        rows.append(("kernels", kernels))
        rows.append(("runs here", InstructionSet.supported.joined(separator: ", ")))
        rows.append(("threads", "\(threads)"))
        let memory = MachineMemory().total ?? sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
        rows.append(("memory", Terminal.bytes(memory)))
        rows.append(("models", ModelLocator.models))
        rows.append(("hub cache", HubCache().root))
        for name in ["MARTLET_KERNELS", "MARTLET_THREADS", "MARTLET_HOME", "HF_HOME", "HF_ENDPOINT", "HF_HUB_OFFLINE"] {
            if let value = getenv(name) { rows.append((name, String(cString: value))) }
        }
        // Said to be set, never shown.
        if getenv("HF_TOKEN") != nil { rows.append(("HF_TOKEN", "set")) }
        return rows
    }

    private static func processor() -> String {
        guard let bytes = try? readSystemFile("/proc/cpuinfo") else { return "unknown" }
        let line = bytes.split(separator: "\n").first { $0.hasPrefix("model name") }
        return line?.split(separator: ":").last.map { String($0.drop { $0 == " " }) } ?? "unknown"
    }

    /// Files under /proc have no size, so they cannot be mapped.
    private static func readSystemFile(_ path: String) throws -> String {
        let descriptor = open(path, O_RDONLY)
        guard descriptor >= 0 else { throw FileError(path: path, doing: "open") }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = read(descriptor, &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
    }
}
