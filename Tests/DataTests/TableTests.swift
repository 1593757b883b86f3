import Foundation
import MartletData
import MartletJSON
import MartletTensor
import Testing

/// Tables that pyarrow wrote (`make_table_goldens.py`), row by row against what it reads from them.
@Suite("Parquet and Arrow") struct TableTests {
    static let folder =
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Goldens/tables").path
    static let expected: JSON = {
        let bytes = (try? Data(contentsOf: URL(fileURLWithPath: "\(folder)/expected.json"))) ?? Data()
        return (try? JSON(parsing: bytes)) ?? .null
    }()
    static let files = (expected["files"]?.object ?? JSONObject()).keys.filter { $0 != "codec_brotli.parquet" }

    static func table(_ bytes: [UInt8], _ name: String) throws -> TableRecords {
        let file = MappedFile(path: name, contents: bytes)
        return name.hasSuffix(".parquet") ? try TableRecords(parquet: file) : try TableRecords(arrow: file)
    }

    static func bytes(_ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)")))
    }

    static func rows(_ table: TableRecords) throws -> [JSON] {
        var rows: [JSON] = []
        while let row = try table.next() { rows.append(.object(row)) }
        return rows
    }

    @Test("every row is what pyarrow reads", arguments: files)
    func rowsAgree(name: String) throws {
        let own = try #require(Self.expected["files"]?[name]?.string.flatMap { Self.expected["rows"]?[$0]?.array })
        let rows = try Self.rows(try Self.table(try Self.bytes(name), name))
        #expect(rows.count == own.count)
        for (row, (found, right)) in zip(rows, own).enumerated() {
            #expect(Self.agree(found, right), "row \(row): \(found.text()) is not \(right.text())")
        }
    }

    /// Whole floats are whole numbers in one of the texts.
    private static func agree(_ left: JSON, _ right: JSON) -> Bool {
        switch (left, right) {
        case (.array(let left), .array(let right)):
            return left.count == right.count && zip(left, right).allSatisfy(agree)
        case (.object(let left), .object(let right)):
            return left.count == right.count
                && left.allSatisfy { key, value in right[key].map { agree(value, $0) } ?? false }
        case (.string, .string), (.bool, .bool), (.null, .null): return left == right
        default: return left.double != nil && left.double == right.double
        }
    }

    @Test("Brotli is unpacked by the system's library, or refused by name")
    func brotli() throws {
        let name = "codec_brotli.parquet"
        do {
            let table = try Self.table(try Self.bytes(name), name)
            #expect(try Self.rows(table).count == 40)
        } catch {
            #expect("\(error)".contains("libbrotlidec is not installed"))
        }
    }

    @Test("only columns that are read are judged")
    func onlyUsedColumns() throws {
        let table = try Self.table(try Self.bytes("flat.parquet"), "flat.parquet")
        table.select(["text", "flag"])
        let row = try #require(try table.next())
        #expect(row.keys == ["text", "flag"])
    }

    /// A file from a public report of the kind, byte by byte: a field's number near 2^63 in the footer.
    @Test("numbers of fields beyond their range are an error")
    func fieldOverflow() throws {
        // Field number from zigzag 2^64 - 2 (that is 2^63 - 1), then a field one further.
        let number: [UInt8] = [0xfe] + [UInt8](repeating: 0xff, count: 8) + [0x01]
        let footer = [0x05] + number + [0x02, 0x15, 0x02, 0x00]
        let bytes =
            Array("PAR1".utf8) + footer + [UInt8(footer.count), 0, 0, 0] + Array("PAR1".utf8)
        #expect(throws: DataError.self) { try Self.table(bytes, "overflow.parquet") }
    }

    @Test("damaged tables are errors within a bounded time, never crashes", arguments: files)
    func mutations(name: String) throws {
        var generator = SeededGenerator(seed: 11)
        let good = try Self.bytes(name)
        for round in 0..<120 {
            var bytes = good
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                let start = round % 2 == 0 && name.hasSuffix("parquet") ? max(bytes.count - 1200, 0) : 0
                let place = Int.random(in: start..<bytes.count, using: &generator)
                let extreme: UInt8 = [0, 0x7f, 0x80, 0xff].randomElement(using: &generator) ?? 0
                bytes[place] = round % 3 == 0 ? extreme : .random(in: 0...255, using: &generator)
            }
            if round % 6 == 0 { bytes.removeLast(Int.random(in: 1..<bytes.count, using: &generator)) }
            guard let table = try? Self.table(bytes, name) else { continue }
            var rows = 0
            while rows < 100_000 {
                do {
                    guard try table.next() != nil else { break }
                } catch {
                    guard table.canContinue else { break }
                }
                rows += 1
            }
        }
    }
}
