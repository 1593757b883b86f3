import MartletSystem
import Synchronization

/// Bytes of one or more texts, which one thread splits into words.
final class TextBlock: @unchecked Sendable {
    // Filled under the lock of `TextBlocks`, then passed to one thread.
    fileprivate(set) var bytes: [UInt8] = []
    /// The end of each text, or part of a text.
    fileprivate(set) var ends: [Int] = []

    /// Readable bytes after the last text, so that sixteen bytes can be loaded at any position.
    static let padding = 16
}

/// Delivers texts in blocks: small ones together, large ones split at word boundaries. Memory for a few blocks only.
final class TextBlocks: Sendable {
    private let source: Mutex<Source>
    private let observer: TrainingObserver?

    /// - Parameters:
    ///   - total: bytes of all texts, if known.
    ///   - blockSize: the bytes of a block, unless a word is longer.
    init(
        _ texts: some Sequence<TrainingText>, cuts: SafeCut, total: Int?, blockSize: Int = 4 << 20,
        observer: TrainingObserver?
    ) {
        source = Mutex(
            Source(texts: TextIterator(AnyIterator(texts.makeIterator())), cuts: cuts, total: total, size: blockSize))
        self.observer = observer
    }

    /// The next block, or nil after the last one or after an error.
    func next() throws(TokenizerTrainingError) -> TextBlock? {
        let observer = observer
        let result = source.withLock { source -> Result<TextBlock?, TokenizerTrainingError> in
            guard !source.hasEnded else { return .success(nil) }
            do throws(TokenizerTrainingError) {
                let block = try source.next()
                if block == nil { source.hasEnded = true }
                try TokenizerTrainingProgress.report(.counting, source.given, of: source.total, to: observer)
                return .success(block)
            } catch {
                source.hasEnded = true
                return .failure(error)
            }
        }
        return try result.get()
    }
}

/// Only used under a lock.
private final class TextIterator: @unchecked Sendable {
    private var texts: AnyIterator<TrainingText>

    init(_ texts: AnyIterator<TrainingText>) { self.texts = texts }

    func next() -> TrainingText? { texts.next() }
}

extension TextBlocks {
    fileprivate struct Source: Sendable {
        let texts: TextIterator
        let cuts: SafeCut
        let total: Int?
        let size: Int
        var file: OpenFile?
        /// The start of the current file's next block.
        var carried: [UInt8] = []
        var given = 0
        var hasEnded = false

        init(texts: TextIterator, cuts: SafeCut, total: Int?, size: Int) {
            self.texts = texts
            self.cuts = cuts
            self.total = total
            self.size = size
        }

        mutating func next() throws(TokenizerTrainingError) -> TextBlock? {
            let block = TextBlock()
            while block.bytes.count < size {
                if let open = file {
                    guard try read(open, into: block) else { break }
                } else {
                    switch texts.next() {
                    case .file(let path): file = try OpenFile(path)
                    case .text(let text): append(text.utf8, to: block)
                    case .bytes(let bytes): append(bytes, to: block)
                    case .missing(let error): throw error
                    case nil: return finish(block)
                    }
                }
            }
            return finish(block)
        }

        private mutating func append(_ bytes: some Collection<UInt8>, to block: TextBlock) {
            guard !bytes.isEmpty else { return }
            block.bytes += bytes
            block.ends.append(block.bytes.count)
        }

        private mutating func finish(_ block: TextBlock) -> TextBlock? {
            guard !block.ends.isEmpty else { return nil }
            given += block.bytes.count
            block.bytes += repeatElement(0, count: TextBlock.padding)
            return block
        }

        /// Fills the block from a file; text after its last safe position is kept for the next block. Returns true at
        /// the end of the file.
        private mutating func read(_ open: OpenFile, into block: TextBlock) throws(TokenizerTrainingError) -> Bool {
            let start = block.bytes.count
            block.bytes += carried
            carried = []
            var wanted = size
            while true {
                let isEnd = try open.read(upTo: start + wanted, into: &block.bytes)
                if isEnd {
                    file = nil
                    if block.bytes.count > start { block.ends.append(block.bytes.count) }
                    return true
                }
                let place = block.bytes.withUnsafeBufferPointer {
                    cuts.last(in: UnsafeBufferPointer(rebasing: $0[start...]))
                }
                if let place {
                    carried = Array(block.bytes[(start + place)...])
                    block.bytes.removeSubrange((start + place)...)
                    block.ends.append(block.bytes.count)
                    return false
                }
                wanted *= 2
            }
        }
    }
}

/// An open file.
private final class OpenFile: Sendable {
    private let file: InputFile

    init(_ path: String) throws(TokenizerTrainingError) {
        do throws(FileError) {
            file = try InputFile(path: path)
        } catch {
            throw .unreadable(file: path, reason: error.reason)
        }
    }

    /// Appends bytes until there are `count`; returns true if the file ends before that.
    func read(upTo count: Int, into bytes: inout [UInt8]) throws(TokenizerTrainingError) -> Bool {
        let filled = bytes.count
        guard filled < count else { return false }
        bytes += repeatElement(0, count: count - filled)
        var position = filled
        while position < count {
            let start = position
            let result = bytes.withUnsafeMutableBytes { raw in
                Result { () throws(FileError) in
                    try file.read(into: UnsafeMutableRawBufferPointer(rebasing: raw[start..<count]))
                }
            }
            let got: Int
            do throws(FileError) {
                got = try result.get()
            } catch {
                throw .unreadable(file: file.path, reason: error.reason)
            }
            if got == 0 { break }
            position += got
        }
        bytes.removeSubrange(position...)
        return position < count
    }
}
