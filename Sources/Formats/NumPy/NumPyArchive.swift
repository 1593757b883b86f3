import MartletTensor

/// NumPy's .npz format: a zip archive with one .npy member per array. Stored and deflated members can be read; members
/// are written stored. Source: PKWARE APPNOTE 6.3.10, sections 4.3 and 4.5.3 (zip64).
public enum NumPyArchive {
    /// The arrays by name (without ".npy"), in the archive's order.
    public static func decode(
        _ bytes: UnsafeRawBufferPointer, name: String = "npz"
    ) throws(FormatError) -> [(name: String, tensor: Tensor)] {
        var arrays: [(name: String, tensor: Tensor)] = []
        var seen: Set<String> = []
        for member in try ZipDirectory(bytes, name: name).members {
            guard member.name.hasSuffix(".npy") else { continue }
            let key = String(member.name.dropLast(4))
            guard seen.insert(key).inserted else {
                throw FormatError(.malformed, path: name, "has two members named \(FormatError.quote(member.name))")
            }
            let place = "\(name)[\(FormatError.quote(key))]"
            let data = UnsafeRawBufferPointer(rebasing: bytes[member.data])
            let tensor: Tensor
            if member.isDeflated {
                let plain: [UInt8]
                do {
                    plain = try InflateSource(MemorySource(data)).readAll(count: member.size)
                } catch {
                    throw FormatError(.malformed, path: place, "\(error)")
                }
                try check(plain, member.checksum, place)
                tensor = try decodeArray(plain, place)
            } else {
                try check(data, member.checksum, place)
                tensor = try NumPyArray.decode(data, name: place)
            }
            arrays.append((key, tensor))
        }
        return arrays
    }

    public static func read(path: String) throws -> [(name: String, tensor: Tensor)] {
        let file = try MappedFile(path: path)
        return try withExtendedLifetime(file) {
            let result = Result { try decode(file.bytes, name: path) }
            try file.recheck()
            return try result.get()
        }
    }

    /// An archive with the arrays in the given order.
    public static func encode(_ arrays: [(name: String, tensor: Tensor)]) throws -> [UInt8] {
        var writer = ZipWriter()
        for array in arrays { try writer.add("\(array.name).npy", try NumPyArray.encode(array.tensor)) }
        return try writer.finish()
    }

    public static func write(_ arrays: [(name: String, tensor: Tensor)], path: String) throws {
        try AtomicFile.write(path, bytes: try encode(arrays))
    }

    private static func decodeArray(_ bytes: [UInt8], _ name: String) throws(FormatError) -> Tensor {
        let result = bytes.withUnsafeBytes { raw in
            Result { () throws(FormatError) in try NumPyArray.decode(raw, name: name) }
        }
        return try result.get()
    }

    private static func check(_ bytes: some Collection<UInt8>, _ expected: UInt32, _ name: String) throws(FormatError) {
        guard CyclicChecksum.of(bytes) == expected else {
            throw FormatError(.malformed, path: name, "checksum does not match: the data is damaged")
        }
    }
}
