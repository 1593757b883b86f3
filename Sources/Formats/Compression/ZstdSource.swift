/// Decompresses Zstandard files incrementally: consecutive frames, skipping skippable ones; each is checked against its
/// size and checksum if it has them. Dictionaries are not supported. Source: RFC 8878.
package final class ZstdSource: ByteSource {
    private var input: BufferedInput
    private let largestWindow: Int
    private var frame: Frame?
    private var isFirst = true

    /// The output: a window of earlier output, then the output that has not been consumed.
    private var output: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    private var taken = 0
    private var end = 0

    private let block: UnsafeMutableBufferPointer<UInt8>
    private let literals: UnsafeMutableBufferPointer<UInt8>

    private struct Frame {
        var decoder: ZstdBlockDecoder
        var window: Int
        var size: UInt64?
        var checksum: HashXX64?
        /// The output bytes of the frame so far.
        var produced: UInt64 = 0
    }

    /// - Parameter largestWindow: the maximum window of a frame in bytes; at most twice this is kept, and never more
    ///   than was decompressed. The default is the limit of the zstd program without options.
    package init(_ source: any ByteSource, largestWindow: Int = 1 << 27) {
        input = BufferedInput(source)
        self.largestWindow = largestWindow
        capacity = 4 * ZstdBlockDecoder.largest
        output = .allocate(capacity: capacity)
        block = .allocate(capacity: ZstdBlockDecoder.largest + ZstdBlockDecoder.slack)
        block.initialize(repeating: 0)
        literals = .allocate(capacity: ZstdBlockDecoder.largest)
        literals.initialize(repeating: 0)
    }

    deinit {
        output.deallocate()
        block.deallocate()
        literals.deallocate()
    }

    package func read(into buffer: UnsafeMutableRawBufferPointer) throws(DecompressionError) -> Int {
        guard !buffer.isEmpty else { return 0 }
        while taken == end {
            if frame == nil {
                guard try header() else { return 0 }
            }
            try nextBlock()
        }
        let count = min(end - taken, buffer.count)
        buffer.copyMemory(from: UnsafeRawBufferPointer(start: output + taken, count: count))
        taken += count
        return count
    }

    /// Reads a frame header. Returns false if no frame follows.
    private func header() throws(DecompressionError) -> Bool {
        while true {
            guard let first = try input.byte() else {
                if isFirst { throw .truncated }
                return false
            }
            let magic = UInt64(first) | (try input.number(3) << 8)
            if magic & 0xffff_fff0 == 0x184D_2A50 {
                try input.skip(Int(try input.number(4)))
                isFirst = false
                continue
            }
            guard magic == 0xFD2F_B528 else {
                throw .malformed(isFirst ? "this is not a Zstandard file" : "the data after a frame are not a frame")
            }
            isFirst = false
            break
        }
        let descriptor = try input.requiredByte()
        guard descriptor & 8 == 0 else { throw .malformed("a reserved bit of a frame is set") }
        let isSingle = descriptor & 32 != 0
        var window: UInt64 = 0
        if !isSingle {
            let byte = try input.requiredByte()
            let base: UInt64 = 1 << UInt64(10 + byte >> 3)
            window = base + base / 8 * UInt64(byte & 7)
        }
        let dictionary = try input.number([0, 1, 2, 4][Int(descriptor & 3)])
        guard dictionary == 0 else { throw .unsupported("the frame needs dictionary \(dictionary)") }
        var size: UInt64?
        switch descriptor >> 6 {
        case 0: size = isSingle ? try input.number(1) : nil
        case 1: size = try input.number(2) + 256
        case 2: size = try input.number(4)
        default: size = try input.number(8)
        }
        if isSingle { window = size ?? 0 }
        guard window <= UInt64(largestWindow) else {
            throw .unsupported("the frame needs a window of \(window) bytes; at most \(largestWindow) are allowed")
        }
        frame = Frame(
            decoder: ZstdBlockDecoder(literals: literals), window: Int(window), size: size,
            checksum: descriptor & 4 != 0 ? HashXX64() : nil)
        taken = 0
        end = 0
        return true
    }

    private func nextBlock() throws(DecompressionError) {
        guard var frame else { return }
        let header = Int(try input.number(3))
        let size = header >> 3, largest = min(max(frame.window, 1), ZstdBlockDecoder.largest)
        makeRoom(frame.window)
        let reach = min(end, frame.window), start = end
        switch header >> 1 & 3 {
        case 0:
            guard size <= largest || size == 0 else { throw .malformed("a block is larger than allowed") }
            try input.copy(into: UnsafeMutableRawBufferPointer(start: output + end, count: size))
            end += size
        case 1:
            let byte = try input.requiredByte()
            guard size <= largest || size == 0 else { throw .malformed("a block is larger than allowed") }
            (output + end).initialize(repeating: byte, count: size)
            end += size
        case 2:
            guard size <= largest else { throw .malformed("a block is larger than allowed") }
            let bytes = UnsafeMutableBufferPointer(rebasing: block[..<size])
            try input.copy(into: UnsafeMutableRawBufferPointer(bytes))
            end += try frame.decoder.decode(
                UnsafeBufferPointer(bytes), output: output + end, reach: reach, room: ZstdBlockDecoder.largest)
        default: throw .malformed("a block has the reserved type")
        }
        frame.produced += UInt64(end - start)
        frame.checksum?.update(UnsafeRawBufferPointer(start: output + start, count: end - start))
        if let size = frame.size, frame.produced > size { throw .malformed("a frame is longer than it says") }
        guard header & 1 == 1 else {
            self.frame = frame
            return
        }
        if let size = frame.size, frame.produced != size { throw .malformed("a frame is shorter than it says") }
        if let checksum = frame.checksum, try input.number(4) != checksum.value & 0xffff_ffff {
            throw .malformed("the checksum is another")
        }
        self.frame = nil
    }

    /// Makes space for a block after the output, keeping the window.
    private func makeRoom(_ window: Int) {
        guard end + ZstdBlockDecoder.largest > capacity else { return }
        let kept = min(end, window)
        var target = output
        // Moving the window once per as many new bytes as its size costs little.
        let wanted = kept + max(window, 1 << 20) + ZstdBlockDecoder.largest
        let larger = min(wanted, max(2 * capacity, kept + ZstdBlockDecoder.largest))
        if larger > capacity {
            target = .allocate(capacity: larger)
            capacity = larger
        }
        target.update(from: output + (end - kept), count: kept)
        if target != output {
            output.deallocate()
            output = target
        }
        taken = kept
        end = kept
    }
}
