/// Decompresses Snappy's block format (without framing), as used by Parquet. Source: google/snappy,
/// format_description.txt.
package enum SnappyDecoder {
    /// - Parameter size: the decompressed size stated by the container.
    package static func decode(_ input: UnsafeRawBufferPointer, size: Int) throws(DecompressionError) -> [UInt8] {
        var place = 0
        let stated = try length(input, &place)
        guard stated == size else { throw .malformed("they unpack to \(stated) bytes, expected \(size)") }
        // A copy of 64 bytes takes at least 2 bytes, so the output is at most 32 times the input.
        guard size <= input.count * 32 + 64 else { throw .truncated }
        var failure: DecompressionError?
        let output = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            do throws(DecompressionError) {
                try decode(input, from: place, into: buffer, size)
                count = size
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return output
    }

    private static func length(_ input: UnsafeRawBufferPointer, _ place: inout Int) throws(DecompressionError) -> Int {
        var value = 0
        for shift in stride(from: 0, to: 35, by: 7) {
            guard place < input.count else { throw .truncated }
            let byte = input[place]
            place += 1
            value |= Int(byte & 0x7f) << shift
            if byte < 0x80 { return value }
        }
        throw .malformed("the length has too many bytes")
    }

    private static func decode(
        _ input: UnsafeRawBufferPointer, from start: Int, into buffer: UnsafeMutableBufferPointer<UInt8>, _ size: Int
    ) throws(DecompressionError) {
        guard let output = buffer.baseAddress, let source = input.baseAddress else {
            guard size == 0 else { throw .truncated }
            return
        }
        var place = start, done = 0
        func number(_ count: Int) throws(DecompressionError) -> Int {
            guard input.count - place >= count else { throw .truncated }
            var value = 0
            for index in 0..<count { value |= Int(input[place + index]) << (8 * index) }
            place += count
            return value
        }
        while place < input.count {
            let tag = Int(input[place])
            place += 1
            var count = tag >> 2 + 1
            if tag & 3 == 0 {
                if count > 60 { count = try number(count - 60) + 1 }
                guard count <= input.count - place else { throw .truncated }
                guard count <= size - done else { throw .malformed("they unpack to more than \(size) bytes") }
                UnsafeMutableRawPointer(output + done).copyMemory(from: source + place, byteCount: count)
                place += count
            } else {
                let distance: Int
                switch tag & 3 {
                case 1:
                    count = tag >> 2 & 7 + 4
                    distance = (tag >> 5) << 8 | (try number(1))
                case 2: distance = try number(2)
                default: distance = try number(4)
                }
                guard distance > 0, distance <= done else { throw .malformed("a copy begins before the data") }
                guard count <= size - done else { throw .malformed("they unpack to more than \(size) bytes") }
                let from = output + (done - distance), to = output + done
                if distance >= count {
                    to.update(from: from, count: count)
                } else {
                    for index in 0..<count { to[index] = from[index] }
                }
            }
            done += count
        }
        guard done == size else { throw .truncated }
    }
}
