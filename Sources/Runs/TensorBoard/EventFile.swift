import MartletFormats
import MartletSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A TensorBoard event file in a run's folder, beside its log: `tensorboard --logdir runs` shows the curves and samples
/// of every run below `runs`.
package final class EventFile {
    package let path: String
    private let descriptor: Int32

    /// Begins a file for the steps after `step`. Events of later steps, from a process that ended before it saved, are
    /// removed from the older files, as is an incomplete record at their end; so no step occurs twice.
    package init(folder: String, after step: Int) throws {
        let names = Folder.files(folder).filter { $0.contains("tfevents") }
        for name in names { Self.cut(folder + "/" + name, after: step) }
        let now = Self.now
        // Files are read in the order of their names: the time, then a number within the second.
        let seconds = String(Int(now))
        let padded = String(repeating: "0", count: max(0, 10 - seconds.count)) + seconds
        path = "\(folder)/events.out.tfevents.\(padded).\(Machine.host).\(getpid()).\(names.count)"
        descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw RunError("\(path): \(String(cString: strerror(errno)))")
        }
        append(EventMessage.version(time: now))
    }

    deinit { close(descriptor) }

    package func scalars(_ values: [(tag: String, value: Double)], step: Int) {
        append(EventMessage.scalars(values, step: step, time: Self.now))
    }

    package func text(_ tag: String, _ text: String, step: Int) {
        append(EventMessage.text(tag, text, step: step, time: Self.now))
    }

    /// Appends in one write, so that a reader sees complete records. Write errors are ignored: they must not end hours
    /// of training.
    private func append(_ event: [UInt8]) {
        let record = RecordFraming.frame(event)
        let start = lseek(descriptor, 0, SEEK_END)
        let written = record.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        if written >= 0, written < record.count { ftruncate(descriptor, start) }
    }

    private static var now: Double {
        var time = timeval()
        gettimeofday(&time, nil)
        return Double(time.tv_sec) + Double(time.tv_usec) * 1e-6
    }

    private static func cut(_ path: String, after step: Int) {
        guard let bytes = try? Folder.read(path, limit: .max) else { return }
        var end = 0
        for record in RecordFraming.records(in: bytes) {
            guard let its = EventMessage.step(of: record.payload), its <= step else { break }
            end = record.end
        }
        if end < bytes.count { truncate(path, off_t(end)) }
    }
}
