import MartletFormats

/// The header of a page.
struct ParquetPageHeader {
    enum Kind { case data, dictionary, dataVersion2, other }
    var kind = Kind.other
    var unpackedSize = -1
    var packedSize = -1
    var valueCount = -1
    var encoding = -1
    var definitionEncoding = 3
    /// Version 2 stores the levels separately, uncompressed.
    var definitionByteCount = 0
    var repetitionByteCount = 0
    var isCompressed = true
    /// The length of the header.
    var byteCount = 0

    init(_ bytes: UnsafeRawBufferPointer) throws(ThriftReader.Failure) {
        typealias Failure = ThriftReader.Failure
        var reader = ThriftReader(bytes)
        var header = self
        try reader.structure { (reader, field, kind) throws(Failure) in
            switch (field, kind) {
            case (1, .int32):
                switch try reader.integer() {
                case 0: header.kind = .data
                case 2: header.kind = .dictionary
                case 3: header.kind = .dataVersion2
                default: header.kind = .other
                }
            case (2, .int32): header.unpackedSize = try reader.integer()
            case (3, .int32): header.packedSize = try reader.integer()
            case (5, .structure), (7, .structure):
                try reader.structure { (reader, field, kind) throws(Failure) in
                    switch (field, kind) {
                    case (1, .int32): header.valueCount = try reader.integer()
                    case (2, .int32): header.encoding = try reader.integer()
                    case (3, .int32): header.definitionEncoding = try reader.integer()
                    default: return false
                    }
                    return true
                }
            case (8, .structure):
                try reader.structure { (reader, field, kind) throws(Failure) in
                    switch (field, kind) {
                    case (1, .int32): header.valueCount = try reader.integer()
                    case (4, .int32): header.encoding = try reader.integer()
                    case (5, .int32): header.definitionByteCount = try reader.integer()
                    case (6, .int32): header.repetitionByteCount = try reader.integer()
                    case (7, .yes), (7, .no): header.isCompressed = kind == .yes
                    default: return false
                    }
                    return true
                }
            default: return false
            }
            return true
        }
        header.byteCount = reader.position
        self = header
    }
}
