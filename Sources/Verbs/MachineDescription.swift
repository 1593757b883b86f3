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
