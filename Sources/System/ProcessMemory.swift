#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Memory use of the process.
package enum ProcessMemory {
    /// The peak of the resident memory since this program began, in bytes.
    ///
    /// On Linux this is `VmHWM`: after an exec, the value of `getrusage` begins with the peak of the parent process, so
    /// a small program would report the memory of a large parent.
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
    /// The value of a line such as "VmHWM:    123456 kB" in /proc/self/status; nil if the kernel does not have it.
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
