import MartletTensor

/// The dictionary at the start of an .npy file: `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`.
struct NumPyHeader {
    var dtype: DType
    var bigEndian: Bool
    var fortranOrder: Bool
    var shape: [Int]

    static func descriptor(_ dtype: DType) -> String? {
        switch dtype {
        case .float16: "<f2"
        case .float32: "<f4"
        case .float64: "<f8"
        case .int8: "|i1"
        case .uint8: "|u1"
        case .int16: "<i2"
        case .int32: "<i4"
        case .int64: "<i8"
        case .bool: "|b1"
        default: nil
        }
    }

    init(parsing bytes: [UInt8], name: String) throws(FormatError) {
        var parser = LiteralParser(bytes: bytes, name: name)
        var descriptor: String?
        var order: Bool?
        var extents: [Int]?
        try parser.expect("{")
        while !parser.take("}") {
            let key = try parser.string()
            try parser.expect(":")
            switch key {
            case "descr" where descriptor == nil: descriptor = try parser.string()
            case "fortran_order" where order == nil: order = try parser.boolean()
            case "shape" where extents == nil: extents = try parser.tuple()
            default:
                throw FormatError(
                    .malformed, path: name, "header has an unexpected or repeated key \(FormatError.quote(key))")
            }
            if !parser.take(",") {
                try parser.expect("}")
                break
            }
        }
        guard let descriptor, let order, let extents else {
            throw FormatError(.malformed, path: name, "header lacks one of descr, fortran_order, shape")
        }
        let kind = descriptor.dropFirst()
        guard let mark = descriptor.first, "<>|=".contains(mark),
            let dtype = DType.allCases.first(where: { Self.descriptor($0)?.dropFirst() == kind })
        else {
            let hint = descriptor.contains("O") ? " (a pickled array: save it with allow_pickle=False)" : ""
            throw FormatError(
                .malformed, path: name, "element type \(FormatError.quote(descriptor)) is not supported\(hint)")
        }
        self.dtype = dtype
        bigEndian = mark == ">"
        fortranOrder = order
        shape = extents
    }
}

/// The subset of Python literals that occurs in headers.
private struct LiteralParser {
    let bytes: [UInt8]
    let name: String
    var place = 0

    private func bad(_ expected: String) -> FormatError {
        FormatError(.malformed, path: name, "header: expected \(expected) at byte \(place)")
    }

    private mutating func skipSpace() {
        while place < bytes.count, bytes[place] == 0x20 || (0x09...0x0d).contains(bytes[place]) { place += 1 }
    }

    mutating func take(_ character: Unicode.Scalar) -> Bool {
        skipSpace()
        guard place < bytes.count, bytes[place] == UInt8(ascii: character) else { return false }
        place += 1
        return true
    }

    mutating func expect(_ character: Unicode.Scalar) throws(FormatError) {
        guard take(character) else { throw bad("'\(character)'") }
    }

    mutating func string() throws(FormatError) -> String {
        skipSpace()
        guard place < bytes.count, bytes[place] == UInt8(ascii: "'") || bytes[place] == UInt8(ascii: "\""),
            let end = bytes[(place + 1)...].firstIndex(of: bytes[place]), end - place <= 64
        else { throw bad("a short string") }
        defer { place = end + 1 }
        return String(decoding: bytes[place + 1..<end], as: UTF8.self)
    }

    mutating func boolean() throws(FormatError) -> Bool {
        skipSpace()
        for (word, value) in [("True", true), ("False", false)] where bytes[place...].starts(with: word.utf8) {
            place += word.utf8.count
            return value
        }
        throw bad("True or False")
    }

    mutating func tuple() throws(FormatError) -> [Int] {
        try expect("(")
        var extents: [Int] = []
        while !take(")") {
            skipSpace()
            let start = place
            while place < bytes.count, (0x30...0x39).contains(bytes[place]) { place += 1 }
            guard extents.count < 64, let extent = Int(String(decoding: bytes[start..<place], as: UTF8.self)) else {
                throw bad("an extent")
            }
            extents.append(extent)
            if !take(",") {
                try expect(")")
                break
            }
        }
        return extents
    }
}
