import MartletFormats
import MartletRuns
import Testing

struct EventFileTests {
    @Test func checksumsAreThoseOfTheStandard() {
        // RFC 3720, appendix B.4.
        #expect(CRC32C.checksum(Array("123456789".utf8)) == 0xE306_9283)
        #expect(CRC32C.checksum([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(CRC32C.checksum([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
        #expect(CRC32C.checksum(0..<32 as Range<UInt8>) == 0x46DD_794E)
    }

    @Test func bytesAreThoseOfTheFormat() throws {
        let scratch = RunScratch()
        let file = try EventFile(folder: scratch.folder(), after: 0)
        file.scalars([("loss", 1.5), ("nothing", .nan)], step: 300)
        let records = RecordFraming.records(in: try Folder.read(file.path))
        #expect(records.count == 2)
        // Field 1, a double: the time, which is not compared. Field 3, 13 bytes.
        #expect(Array(records[0].payload.dropFirst(9)) == [0x1A, 13] + Array("brain.Event:2".utf8))
        let value: [UInt8] = [0x0A, 4] + Array("loss".utf8) + [0x15, 0, 0, 0xC0, 0x3F]
        let summary = [0x0A, UInt8(value.count)] + value
        #expect(Array(records[1].payload.dropFirst(9)) == [0x10, 0xAC, 0x02, 0x2A, UInt8(summary.count)] + summary)
        // The frame: length, checksum of the length, bytes, checksum of the bytes.
        let whole = try Folder.read(file.path)
        #expect(whole.count == records.reduce(0) { $0 + $1.payload.count + 16 })
        #expect(Array(whole[0..<8]) == [UInt8(records[0].payload.count), 0, 0, 0, 0, 0, 0, 0])
    }

    @Test func aBrokenRecordEndsTheFile() throws {
        let first = RecordFraming.frame([1, 2, 3]), second = RecordFraming.frame([4])
        #expect(RecordFraming.records(in: first + second).map { Array($0.payload) } == [[1, 2, 3], [4]])
        #expect(RecordFraming.records(in: first + second.dropLast()).count == 1)
        for place in second.indices {
            var broken = second
            broken[place] ^= 1
            #expect(RecordFraming.records(in: first + broken + first).count == 1)
        }
    }
}
