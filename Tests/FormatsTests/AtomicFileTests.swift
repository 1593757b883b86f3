import Foundation
import MartletFormats
import MartletTensor
import Testing

@Suite struct AtomicFileTests {
    @Test func failureLeavesTheOldFileAndNothingElse() throws {
        let scratch = try Scratch()
        let path = try scratch.write("f", "old")
        #expect(throws: FileError.self) {
            try AtomicFile.write(path) { (file) throws(FileError) in
                try file.write(Array(repeating: 1, count: 1 << 20))
                throw FileError(path: path, reason: "stopped")
            }
        }
        #expect(try scratch.read("f") == Array("old".utf8))
        #expect(try scratch.contents() == ["f"])
        try AtomicFile.write(path, bytes: "new".utf8)
        #expect(try scratch.read("f") == Array("new".utf8))
        #expect(try scratch.contents() == ["f"])
    }

    @Test func anyMixOfSizesArrivesInOrder() throws {
        let scratch = try Scratch()
        var generator = SeededGenerator(seed: 6), expected: [UInt8] = []
        try AtomicFile.write(scratch.file("f")) { (file) throws(FileError) in
            for size in [0, 1, 70_000, 262_143, 262_144, 262_145, 3, 700_000, 1] {
                let part = (0..<size).map { _ in UInt8.random(in: 0...255, using: &generator) }
                expected += part
                try file.write(part)
            }
            try file.pad(to: 64)
        }
        while expected.count % 64 != 0 { expected.append(0) }
        #expect(try scratch.read("f") == expected)
    }

    @Test func linksAreReplacedAndNeverWrittenThrough() throws {
        let scratch = try Scratch()
        _ = try scratch.write("target", "kept")
        try FileManager.default.createSymbolicLink(atPath: scratch.file("link"), withDestinationPath: "target")
        try AtomicFile.write(scratch.file("link"), bytes: [1])
        #expect(try scratch.read("link") == [1])
        #expect(try scratch.read("target") == Array("kept".utf8))
    }

    @Test func folderThatIsNotThereIsAnError() throws {
        let scratch = try Scratch()
        for name in ["no/f", "", "."] {
            #expect(throws: FileError.self) { try AtomicFile.write("\(scratch.path)/\(name)", bytes: [1]) }
        }
        #expect(try scratch.contents().isEmpty)
    }
}
