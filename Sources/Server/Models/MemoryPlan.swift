import MartletFormats
import MartletModels

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// What a model will take, told before it is loaded, so that a model that does not fit is refused and nothing is killed.
struct MemoryPlan: Sendable, Equatable {
    /// Bytes of the rearranged weights.
    var weights: Int
    /// Bytes of keys and values that one whole context takes; the cache holds at least one.
    var context: Int
    /// For a step's intermediate results, the tokenizer and the like.
    static let working = 96 << 20

    /// What it takes at least.
    var minimum: Int { weights + context + Self.working }

    init(weights: Int, context: Int) {
        self.weights = weights
        self.context = context
    }

    /// Weights keep their width when they are rearranged, but for the rows that fill up the last panel of each.
    init(_ checkpoint: Checkpoint) throws {
        let bytes = checkpoint.tensors.names.reduce(0) { $0 + (checkpoint.tensors.entry($1)?.byteCount ?? 0) }
        weights = bytes + bytes / 16
        context = 0
        guard !checkpoint.isEncoder else { return }
        let configuration = try checkpoint.decoderConfiguration()
        // Float16 keys and values.
        let perToken =
            configuration.layerCount * configuration.attention.keyValueHeads * configuration.attention.headDimension * 4
        context = perToken * configuration.contextLength
    }

    /// Bytes for the cache out of what is available: as many as asked for, or what is left.
    func cache(available: Int, wanted: Int) -> Int {
        max(context, min(wanted, available - weights - Self.working))
    }
}

/// What this process may use.
enum MachineMemory {
    /// Bytes that could be taken now without others being pushed out or this process being killed: what the system says is
    /// available, and what the control group leaves. Nil where neither is known.
    static func available() -> Int? {
        var least = systemAvailable()
        for (limit, usage) in [
            ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
        ] {
            guard let limit = number(limit), let used = number(usage), limit < 1 << 50 else { continue }
            // Cached file pages count as used, but are given back when memory is asked for.
            let free = limit - used + (fileBytes() ?? 0)
            least = min(least ?? free, free)
        }
        return least
    }

    private static func systemAvailable() -> Int? {
        field("MemAvailable:", of: "/proc/meminfo").map { $0 << 10 }
    }

    private static func fileBytes() -> Int? { field("inactive_file", of: "/sys/fs/cgroup/memory.stat") }

    private static func field(_ name: String, of path: String) -> Int? {
        guard let text = text(path) else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix(name) {
            return line.split(separator: " ").dropFirst().first.flatMap { Int($0) }
        }
        return nil
    }

    private static func number(_ path: String) -> Int? { text(path).flatMap { Int($0.prefix { $0 != "\n" }) } }

    /// Files under /proc have no size, so they are read until they end.
    private static func text(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 16_384)
        let count = read(descriptor, &bytes, bytes.count)
        return count < 0 ? nil : String(decoding: bytes.prefix(count), as: UTF8.self)
    }
}

extension Int {
    /// "1.3 GiB", for messages.
    var asBytes: String {
        var (value, unit) = (Double(self), 0)
        while value >= 1024, unit < 4 { (value, unit) = (value / 1024, unit + 1) }
        let digits = unit == 0 ? "\(self)" : "\((value * 10).rounded() / 10)"
        return digits + " " + ["B", "KiB", "MiB", "GiB", "TiB"][unit]
    }
}
