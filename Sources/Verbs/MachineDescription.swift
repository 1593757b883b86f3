import MartletCatalog
import MartletSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// What `martlet env` tells about the machine.
package enum MachineDescription {
    package static var kernels: String { InstructionSet.active }
    package static var threads: Int { ThreadPool.shared.workerCount }

    /// What a variable of the environment says that cannot be followed; nil where all can.
    static var wrongEnvironment: String? {
        func value(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
        if let threads = value("MARTLET_THREADS"), !threads.isEmpty, !(1...1024).contains(Int(threads) ?? 0) {
            return "MARTLET_THREADS is \(threads.quoted(limit: 40)); expected a number of threads from 1 to 1024"
        }
        let known = InstructionSet.supported
        if let kernels = value("MARTLET_KERNELS"), !kernels.isEmpty, !known.contains(kernels) {
            return
                "MARTLET_KERNELS is \(kernels.quoted(limit: 40)); this processor has \(known.joined(separator: ", "))"
        }
        return nil
    }

    package static func rows() -> [(String, String)] {
        var rows: [(String, String)] = [("version", ProgramVersion.current)]
        rows.append(("processor", Machine.processor))
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
}
