#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The memory that this process may use: the machine's, or what its control groups (a container, a service) allow.
///
/// Source: Linux, "Control Group v2" (`memory.max`, `memory.current`, `memory.stat`) and "Memory Resource Controller" for
/// version 1; proc(5) for `/proc/meminfo`; cgroups(7) for `/proc/self/cgroup`.
public struct MachineMemory: Sendable {
    /// The root of `/proc` and `/sys`.
    private let root: String

    /// - Parameter root: a folder to use as the root of the file system, for tests.
    public init(root: String = "") { self.root = root }

    /// Bytes that could be used if nothing else ran: the machine's, or the smallest limit of a control group. Nil if
    /// unknown.
    public var total: Int? {
        (groups().map(\.limit) + [memoryField("MemTotal:")].compactMap { $0 }).min()
    }

    /// Bytes that can be used now without swapping out other processes or this process being killed. Nil if unknown.
    public var available: Int? {
        (groups().compactMap(\.left) + [memoryField("MemAvailable:")].compactMap { $0 }).min()
    }

    private struct Group {
        var limit: Int
        /// Nil if the usage is not reported.
        var left: Int?
    }

    /// The control groups with a limit that contain this process, including all parents.
    private func groups() -> [Group] {
        var found: [Group] = []
        for line in (text("/proc/self/cgroup") ?? "0::/").split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            if parts[1].isEmpty {
                found += groups(
                    "/sys/fs/cgroup", parts[2], limit: "memory.max", usage: "memory.current", cached: "inactive_file ")
            } else if parts[1].split(separator: ",").contains("memory") {
                found += groups(
                    "/sys/fs/cgroup/memory", parts[2], limit: "memory.limit_in_bytes", usage: "memory.usage_in_bytes",
                    cached: "total_inactive_file ")
            }
        }
        return found
    }

    /// The group at `path` and all its parents. In a container the tree often starts at its own group while the path is
    /// the host's: then only the root is found, which is correct.
    private func groups(
        _ tree: String, _ path: Substring, limit: String, usage: String, cached: String
    ) -> [Group] {
        let parts = path.split(separator: "/").filter { $0 != ".." }
        return (0...parts.count).compactMap { depth in
            let folder = ([tree] + parts.prefix(depth).map(String.init)).joined(separator: "/") + "/"
            // "max", or in version 1 a number near 2⁶³, means no limit.
            guard let limit = number(folder + limit), limit < 1 << 50 else { return nil }
            // Cached file pages count as used, but are freed when memory is needed.
            let files = field(cached, of: folder + "memory.stat") ?? 0
            return Group(limit: limit, left: number(folder + usage).map { limit - $0 + files })
        }
    }

    private func memoryField(_ name: String) -> Int? { field(name, of: "/proc/meminfo").map { $0 << 10 } }

    private func field(_ name: String, of path: String) -> Int? {
        guard let text = text(path) else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix(name) {
            return line.split(separator: " ").dropFirst().first.flatMap { Int($0) }
        }
        return nil
    }

    private func number(_ path: String) -> Int? { text(path).flatMap { Int($0.prefix { $0 != "\n" }) } }

    /// Files under /proc report size 0, so they are read until their end.
    private func text(_ path: String) -> String? {
        let descriptor = open(root + path, O_RDONLY)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 16_384)
        let count = read(descriptor, &bytes, bytes.count)
        return count < 0 ? nil : String(decoding: bytes.prefix(count), as: UTF8.self)
    }
}
