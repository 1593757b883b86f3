import MartletSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// What the process has taken of the machine's memory.
package enum ProcessMemory {
    /// The most bytes that were resident at once since this program began.
    ///
    /// On Linux `VmHWM`: what `getrusage` tells begins, after an exec, with the peak of the process that started this
    /// one, so a small program would report the memory of a large parent.
    package static var peak: Int {
        var usage = rusage()
        #if canImport(Darwin)
        getrusage(RUSAGE_SELF, &usage)
        return usage.ru_maxrss
        #else
        if let known = kilobytes("VmHWM") { return known.multiplied(clampedBy: 1024) }
        #if canImport(Glibc)
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        #else
        getrusage(RUSAGE_SELF, &usage)
        #endif
        return usage.ru_maxrss.multiplied(clampedBy: 1024)
        #endif
    }

    #if !canImport(Darwin)
    /// A line such as "VmHWM:    123456 kB" of /proc/self/status; nil where a kernel does not tell.
    private static func kilobytes(_ name: String) -> Int? {
        let descriptor = open("/proc/self/status", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 8192)
        let count = read(descriptor, &buffer, buffer.count)
        guard count > 0 else { return nil }
        for line in String(decoding: buffer[..<count], as: UTF8.self).split(separator: "\n")
        where line.hasPrefix(name + ":") {
            return line.dropFirst(name.utf8.count + 1).split(whereSeparator: { $0 == " " || $0 == "\t" }).first
                .flatMap { Int($0) }
        }
        return nil
    }
    #endif
}
