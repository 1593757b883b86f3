import Foundation
import MartletFormats
import MartletTensor
import Testing

struct AtomicFileTests {
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

    @Test func aFolderThatCannotBeMadeSaysWhatToDo() throws {
        let scratch = try Scratch(), file = try scratch.write("f", "")
        #expect { try Folder.make(scratch.file("none/d")) } throws: { "\($0)".contains("make it first (mkdir -p)") }
        #expect { try Folder.make(file) } throws: { "\($0)".contains("cannot make the folder: File exists") }
        for _ in 0..<2 { try Folder.make(scratch.file("d")) }
        #expect(try scratch.contents() == ["d", "f"])
    }

    @Test func aFolderThatIsNotFilledKeepsWhatItHad() throws {
        struct Stopped: Error {}
        let scratch = try Scratch(), path = scratch.file("d")
        func fill() throws {
            try Folder.fill(path) {
                try AtomicFile.write(path + "/new", bytes: [1])
                try Folder.make(path + "/1_Pooling")
                try AtomicFile.write(path + "/1_Pooling/config.json", bytes: [1])
                throw Stopped()
            }
        }
        #expect(throws: Stopped.self) { try fill() }
        #expect(try scratch.contents() == [])
        try Folder.make(path)
        try AtomicFile.write(path + "/old", bytes: [1])
        #expect(throws: Stopped.self) { try fill() }
        #expect(Folder.contents(path) == ["old"])
    }

    @Test func whatKilledWritersLeftIsRemoved() throws {
        let scratch = try Scratch()
        let old = Date(timeIntervalSinceNow: -3600)
        // Held by a writer that takes long, in another folder first so that this one has not been looked at.
        let held = try PendingFile(scratch.file("slow"))
        let mine = try #require(try scratch.contents().first)
        let other = try Scratch()
        for name in [".martlet-abc.partial", ".martlet-new.partial", ".other.partial", "kept"] {
            _ = try other.write(name, "x")
        }
        try FileManager.default.linkItem(atPath: scratch.file(mine), toPath: other.file(".martlet-held.partial"))
        for name in [".martlet-abc.partial", ".other.partial", "kept", ".martlet-held.partial"] {
            try FileManager.default.setAttributes([.modificationDate: old], ofItemAtPath: other.file(name))
        }
        try AtomicFile.write(other.file("f"), bytes: "new".utf8)
        #expect(
            try Set(other.contents()) == [
                ".martlet-held.partial", ".martlet-new.partial", ".other.partial", "kept", "f",
            ])
        held.discard()
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
