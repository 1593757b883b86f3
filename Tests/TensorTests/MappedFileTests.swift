import Foundation
import MartletTensor
import Testing

struct MappedFileTests {
    private static let size = 64 << 10

    private func withFile<Result>(_ body: (String, MappedFile) throws -> Result) throws -> Result {
        let path = NSTemporaryDirectory() + "martlet-mapped-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Data(repeating: 7, count: Self.size).write(to: URL(filePath: path))
        return try body(path, MappedFile(path: path))
    }

    private func problem(_ file: MappedFile, byTime: Bool = false) -> String? {
        do throws(FileError) {
            try file.checkUnchanged(byTime: byTime)
            return nil
        } catch {
            return error.reason
        }
    }

    @Test func bytesThatAreCutOffReadAsZeroAndAreToldOf() throws {
        try withFile { path, file in
            #expect(problem(file) == nil)
            #expect(truncate(path, 8192 + 100) == 0)
            // On a thread of the pool as on this one.
            var sums = [Int](repeating: 0, count: 8)
            sums.withUnsafeMutableBufferPointer { sums in
                ThreadPool.shared.run(8) { part in
                    sums[part] = file.bytes[(part * 8192)..<(part + 1) * 8192].reduce(0) { $0 + Int($1) }
                }
            }
            #expect(sums == [8192 * 7, 100 * 7, 0, 0, 0, 0, 0, 0])
            #expect(problem(file)?.contains("8292 bytes") == true)
            // That it has its length again does not bring back what was read.
            #expect(truncate(path, off_t(Self.size)) == 0)
            #expect(problem(file)?.contains("truncated") == true)
        }
    }

    @Test func manyFilesAreToldApart() throws {
        try withFile { path, file in
            let others = try (0..<200).map { _ in try MappedFile(path: path) }
            #expect(truncate(path, 0) == 0)
            #expect(others[150].bytes[Self.size - 1] == 0)
            #expect(truncate(path, off_t(Self.size)) == 0)
            #expect(problem(others[150]) != nil)
            #expect(problem(others[149]) == nil && problem(file) == nil)
        }
    }

    @Test func aFileThatIsWrittenToIsToldOfWhereThatIsAsked() throws {
        try withFile { path, file in
            var times = [timespec(tv_sec: 1, tv_nsec: 0), timespec(tv_sec: 1, tv_nsec: 0)]
            #expect(utimensat(AT_FDCWD, path, &times, 0) == 0)
            #expect(problem(file) == nil)
            #expect(problem(file, byTime: true)?.contains("written") == true)
        }
    }

    @Test func aFileWhoseNameAnotherTakesStaysAsItWas() throws {
        try withFile { path, file in
            try Data([1]).write(to: URL(filePath: path), options: .atomic)
            #expect(file.bytes[Self.size - 1] == 7)
            #expect(problem(file, byTime: true) == nil)
        }
    }

    #if os(Linux)
    @Test func aFaultElsewhereStillEndsTheProcess() async {
        await #expect(processExitsWith: .signal(SIGBUS)) {
            let path = NSTemporaryDirectory() + "martlet-mapped-elsewhere"
            try Data(repeating: 7, count: 8192).write(to: URL(filePath: path))
            // Watched, so that the handler is there.
            let file = try MappedFile(path: path)
            let descriptor = open(path, O_RDWR)
            let other = mmap(nil, 8192, PROT_READ, MAP_PRIVATE, descriptor, 0)
            truncate(path, 0)
            // The process ends below: nobody could remove the file later.
            unlink(path)
            withExtendedLifetime(file) {
                if let other { print(other.load(fromByteOffset: 4096, as: UInt8.self)) }
            }
        }
    }
    #endif
}
