import MartletFormats
import MartletSystem
import MartletTensor

/// The importance matrices that llama.cpp wrote before it used GGUF (.dat): the number of entries; of each the length of its
/// name, the name, how many batches it has seen, how many numbers there are, and the numbers, mean squares times batches;
/// then perhaps the number of batches and the name of the text.
struct LegacyImportances {
    let matrix: ImportanceMatrix

    /// More than any model has.
    private static let mostEntries = 1 << 16

    /// - Returns: nil for a file that does not begin as such a file does.
    /// - Throws: `FormatError` for one that does and then ends early or holds what is no mean square.
    init?(path: String) throws {
        let file: MappedFile
        do throws(FileError) { file = try MappedFile(path: path, copying: true) } catch { throw FormatError(error) }
        let bytes = file.bytes
        var offset = 0
        func left() -> Int { bytes.count - offset }
        func number() -> Int? {
            guard left() >= 4 else { return nil }
            defer { offset += 4 }
            return Int(Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self)))
        }
        // The word GGUF is a number of entries that no file has.
        guard let count = number(), (1...Self.mostEntries).contains(count), let first = number(),
            (1...1024).contains(first), left() > first
        else { return nil }
        offset = 4
        var result = ImportanceMatrix()
        result.origin = path
        for entry in 0..<count {
            func malformed(_ reason: String) -> FormatError {
                FormatError(.malformed, path: path, field: "entry \(entry) of \(count)", reason)
            }
            guard let length = number(), (1...1024).contains(length), left() >= length,
                let name = String(validating: bytes[offset..<offset + length], as: UTF8.self)
            else { throw malformed("its name is cut off or no text") }
            offset += length
            guard let batches = number(), let values = number(), batches >= 0, values > 0, values <= left() / 4 else {
                throw malformed("\(name.quoted()): its numbers are cut off")
            }
            var sums = [Float](repeating: 0, count: values)
            for index in 0..<values {
                sums[index] = Float(
                    bitPattern: UInt32(
                        littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 4 * index, as: UInt32.self)))
            }
            offset += 4 * values
            guard sums.allSatisfy({ $0.isFinite && $0 >= 0 }) else {
                throw malformed("\(name.quoted()) holds what is no mean of squares")
            }
            guard result.tensors[name] == nil else { throw malformed("\(name.quoted()) appears twice") }
            result.tensors[name] = ImportanceMatrix.Statistics(sums: [sums], counts: [Float(max(batches, 1))])
        }
        if let chunks = number(), chunks >= 0 { result.chunks = chunks }
        withExtendedLifetime(file) {}
        matrix = result
    }
}
