import MartletTensor

/// NumPy's array format: a magic string, a version, a header as a Python literal, then the elements.
///
/// Source: NumPy documentation, `numpy.lib.format`, versions 1.0 to 3.0. Pickled (object) arrays are refused.
public enum NumPyArray {
    static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

    /// An array from the bytes of an .npy file. Big-endian and Fortran-ordered arrays are converted.
    public static func decode(_ bytes: UnsafeRawBufferPointer, name: String = "npy") throws(FormatError) -> Tensor {
        func bad(_ reason: String) -> FormatError { FormatError(.malformed, path: name, reason) }
        guard bytes.count >= 10, bytes.starts(with: magic) else { throw bad("is not an .npy file: wrong first bytes") }
        let major = bytes[6]
        guard (1...3).contains(major), bytes[7] == 0 else {
            throw bad("has format version \(major).\(bytes[7]); 1.0 to 3.0 are known")
        }
        let start = major == 1 ? 10 : 12
        guard bytes.count >= start else { throw bad("ends inside the header") }
        let length =
            major == 1
            ? Int(bytes[8]) | Int(bytes[9]) << 8
            : Int(bytes[8]) | Int(bytes[9]) << 8 | Int(bytes[10]) << 16 | Int(bytes[11]) << 24
        guard length <= 1 << 20, length <= bytes.count - start else {
            throw bad("header of \(length) bytes does not fit \(bytes.count - start) remaining")
        }
        let header = try NumPyHeader(parsing: Array(bytes[start..<start + length]), name: name)
        let elements = UnsafeRawBufferPointer(rebasing: bytes[(start + length)...])
        guard let shape = Shape(checking: header.fortranOrder ? header.shape.reversed() : header.shape),
            let byteCount = header.dtype.byteCount(of: shape.elementCount)
        else { throw bad("no tensor has shape \(header.shape)") }
        guard elements.count >= byteCount else {
            throw bad("shape \(header.shape) of \(header.dtype.name) takes \(byteCount) bytes, found \(elements.count)")
        }
        let width = header.dtype.blockByteCount
        let tensor = Tensor(filling: shape, dtype: header.dtype) { target in
            target.copyMemory(from: UnsafeRawBufferPointer(rebasing: elements[..<byteCount]))
            if header.bigEndian && width > 1 { swapBytes(target, width) }
            guard header.dtype == .bool else { return }
            // A Swift Bool must be 0 or 1.
            for place in target.indices where target[place] > 1 { target[place] = 1 }
        }
        guard header.fortranOrder else { return tensor }
        do {
            return try tensor.permute(Array((0..<shape.rank).reversed())).contiguous()
        } catch {
            throw bad(error.description)
        }
    }

    public static func read(path: String) throws -> Tensor {
        let file = try MappedFile(path: path)
        return try withExtendedLifetime(file) {
            let result = Result { try decode(file.bytes, name: path) }
            try file.recheck()
            return try result.get()
        }
    }

    /// The bytes of an .npy file. bfloat16, which NumPy lacks, is converted to float32; quantised tensors throw.
    public static func encode(_ tensor: Tensor) throws -> [UInt8] {
        let plain = try (tensor.dtype == .bfloat16 ? tensor.to(.float32) : tensor).contiguous()
        guard let descriptor = NumPyHeader.descriptor(plain.dtype) else {
            throw FormatError(.malformed, path: "npy", "\(plain.dtype.name) of shape \(plain.shape) has no NumPy type")
        }
        let extents = plain.shape.map(String.init).joined(separator: ", ") + (plain.rank == 1 ? "," : "")
        var header = "{'descr': '\(descriptor)', 'fortran_order': False, 'shape': (\(extents)), }"
        // The elements start at a multiple of 64 bytes.
        let used = 10 + header.utf8.count + 1
        header += String(repeating: " ", count: (64 - used % 64) % 64) + "\n"
        let length = header.utf8.count
        return magic + [1, 0, UInt8(length & 0xff), UInt8(length >> 8)] + Array(header.utf8) + plain.bytes()
    }

    public static func write(_ tensor: Tensor, path: String) throws {
        try AtomicFile.write(path, bytes: try encode(tensor))
    }

    private static func swapBytes(_ bytes: UnsafeMutableRawBufferPointer, _ width: Int) {
        for start in stride(from: 0, to: bytes.count, by: width) {
            for place in 0..<width / 2 {
                (bytes[start + place], bytes[start + width - 1 - place]) =
                    (bytes[start + width - 1 - place], bytes[start + place])
            }
        }
    }
}
