import Foundation
import MartletInference
import Testing

final class MachineMemoryTests {
    private let root = FileManager.default.temporaryDirectory.path + "/machine-memory-" + UUID().uuidString

    deinit { try? FileManager.default.removeItem(atPath: root) }

    private func write(_ files: [String: String]) throws {
        for (path, text) in files {
            let url = URL(fileURLWithPath: root + path)
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: url)
        }
    }

    private let machine = [
        "/proc/meminfo": "MemTotal:       16000 kB\nMemFree:         1000 kB\nMemAvailable:    9000 kB\n"
    ]

    @Test func withoutGroupsItIsTheMachines() throws {
        #expect(MachineMemory(root: root).total == nil && MachineMemory(root: root).available == nil)
        try write(machine)
        #expect(MachineMemory(root: root).total == 16_000 << 10)
        #expect(MachineMemory(root: root).available == 9000 << 10)
    }

    /// The service's own group has no limit, the slice around it has.
    @Test func theSmallestLimitOnTheWayUpCounts() throws {
        try write(machine)
        let tree = "/sys/fs/cgroup/"
        try write([
            "/proc/self/cgroup": "0::/system.slice/martlet.service\n",
            tree + "system.slice/martlet.service/memory.max": "max\n",
            tree + "system.slice/martlet.service/memory.current": "100\n",
            tree + "system.slice/memory.max": "8000000\n", tree + "system.slice/memory.current": "5000000\n",
            tree + "system.slice/memory.stat": "anon 4000000\ninactive_file 600000\nactive_file 7\n",
        ])
        #expect(MachineMemory(root: root).total == 8_000_000)
        #expect(MachineMemory(root: root).available == 3_600_000)
    }

    /// Version 1 in a container: the path is the host's, the tree that is seen begins at the container.
    @Test func aContainersTreeBeginsAtItsOwnGroup() throws {
        try write(machine)
        let tree = "/sys/fs/cgroup/memory/"
        try write([
            "/proc/self/cgroup": "11:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n0::/docker/abc\n",
            tree + "memory.limit_in_bytes": "7000000\n", tree + "memory.usage_in_bytes": "5000000\n",
            tree + "memory.stat": "inactive_file 1\ntotal_inactive_file 400000\n",
        ])
        #expect(MachineMemory(root: root).total == 7_000_000)
        #expect(MachineMemory(root: root).available == 2_400_000)
    }

    @Test func aGroupWithoutALimitOrWiderThanTheMachineChangesNothing() throws {
        try write(machine)
        let tree = "/sys/fs/cgroup/memory/"
        try write([
            "/proc/self/cgroup": "4:memory:/user\n", tree + "memory.limit_in_bytes": "9223372036854771712\n",
            tree + "memory.usage_in_bytes": "5000000\n", tree + "user/memory.limit_in_bytes": "70000000\n",
            tree + "user/memory.usage_in_bytes": "5000000\n",
        ])
        #expect(MachineMemory(root: root).total == 16_000 << 10)
        #expect(MachineMemory(root: root).available == 9000 << 10)
    }
}
