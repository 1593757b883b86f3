import Foundation
import MartletSystem
import Testing

struct InputFileTests {
    private func inFolder<Result>(_ body: (String) throws -> Result) throws -> Result {
        let folder = NSTemporaryDirectory() + "martlet-input-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        return try body(folder)
    }

    private func reason(_ path: String) -> String {
        do throws(FileError) {
            return "\(try InputFile.bytes(path).count) bytes"
        } catch {
            return error.reason
        }
    }

    @Test func whatIsNoRegularFileIsRefusedAtOnce() throws {
        try inFolder { folder in
            let pipe = folder + "/pipe", device = folder + "/zero", socket = folder + "/socket"
            #expect(mkfifo(pipe, 0o600) == 0)
            #expect(symlink("/dev/zero", device) == 0)
            let descriptor = Foundation.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            defer { close(descriptor) }
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(socket.utf8.prefix(107))) }
            let isBound = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
                }
            }
            #expect(isBound && socket.utf8.count < 107)
            #expect(reason(pipe).contains("is a pipe"))
            #expect(reason(device).contains("is a device"))
            #expect(reason(socket).contains("is a socket"))
            #expect(reason(folder).contains("is a folder"))
            #expect(reason(folder + "/absent").contains("No such file"))
            #expect(reason(folder + "/a\0b").contains("NUL"))
        }
    }

    @Test func aFileIsReadWholeAndInParts() throws {
        try inFolder { folder in
            let path = folder + "/file", content = (0..<300_000).map { UInt8($0 % 251) }
            try Data(content).write(to: URL(filePath: path))
            #expect(try InputFile.bytes(path) == content)
            let file = try InputFile(path: path)
            #expect(file.byteCount == content.count)
            var part = [UInt8](repeating: 0, count: 10)
            let count = try part.withUnsafeMutableBytes { try file.read(into: $0, at: content.count - 4) }
            #expect(count == 4 && Array(part[..<4]) == Array(content.suffix(4)))
            #expect(try part.withUnsafeMutableBytes { try file.read(into: $0, at: .max) } == 0)
            #expect(throws: FileError.self) { try InputFile.bytes(path, limit: 299_999) }
        }
    }

    @Test func aLengthThatIsOnlyClaimedTakesNoMemory() throws {
        try inFolder { folder in
            let path = folder + "/sparse"
            try Data("{}".utf8).write(to: URL(filePath: path))
            #expect(truncate(path, 1 << 40) == 0)
            #expect(reason(path).contains("more than the limit"))
        }
    }

    #if os(Linux)
    @Test func aFileWithoutALengthIsReadToItsEnd() throws {
        #expect(try InputFile.bytes("/proc/self/status").starts(with: "Name:".utf8))
    }
    #endif
}
