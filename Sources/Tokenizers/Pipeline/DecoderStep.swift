/// One step of decoding tokens to text, as in `tokenizer.json`.
package enum DecoderStep: Sendable, Equatable {
    /// Replaces every occurrence in a token.
    case replace([UInt8], with: [UInt8])
    /// `<0x0A>` becomes byte 10.
    case byteFallback
    /// Joins all tokens into one.
    case fuse
    /// Removes up to `start` scalars equal to `content` from the start of each token, and up to `stop` from its end.
    case strip(content: [UInt8], start: Int, stop: Int)
    /// Replaces the marker by " "; in the first token it is removed if a prefix was added there.
    case metaspace(replacement: [UInt8], dropsFirst: Bool)
    /// Tokens without the prefix start a word.
    case wordPiece(prefix: [UInt8], cleansUp: Bool)
    /// The suffix ends a word.
    case wordSuffix([UInt8])
    /// Connectionist temporal classification: removes repetitions and padding.
    case ctc(padding: [UInt8], delimiter: [UInt8], cleansUp: Bool)
    /// Tokens are spelled in GPT-2's byte alphabet.
    case byteAlphabet
    /// A space between tokens: the default without a decoder.
    case spaced
}

/// Joins tokens incrementally. The output after n tokens is a prefix of the output after n + 1, so decoding at once and
/// streaming are the same computation.
package struct TokenAssembler: Sendable {
    private let steps: [DecoderStep]
    private var states: [State]
    /// Bytes ready for output; the owner removes them.
    package var output: [UInt8] = []

    private struct State {
        var count = 0
        var budget = 0
        var held = 0
        var pending: [UInt8] = []
        var hasPending = false
    }

    package init(_ steps: [DecoderStep]) {
        self.steps = steps
        states = Array(repeating: State(), count: steps.count)
    }

    /// Adds a token in the vocabulary's spelling.
    package mutating func push(_ token: [UInt8]) { feed(0, token, begins: true) }

    /// Signals the end of the tokens.
    package mutating func finish() { finish(0) }

    /// Passes bytes of a token to a step: the first ones (`begins`), or more of the same token.
    private mutating func feed(_ index: Int, _ bytes: [UInt8], begins: Bool) {
        guard index < steps.count else {
            output += bytes
            return
        }
        switch steps[index] {
        case .replace(let pattern, let replacement):
            feed(index + 1, bytes.replacing(bytes: pattern, with: replacement), begins: begins)
        case .byteFallback:
            feed(index + 1, ByteToken.byte(of: bytes).map { [$0] } ?? bytes, begins: begins)
        case .fuse:
            feed(index + 1, bytes, begins: states[index].count == 0)
            states[index].count += 1
        case .strip(let content, let start, let stop):
            strip(index, bytes, begins: begins, content: content, start: start, stop: stop)
        case .metaspace(let replacement, let dropsFirst):
            if begins { states[index].count += 1 }
            let isFirst = states[index].count == 1
            feed(
                index + 1, bytes.replacing(bytes: replacement, with: isFirst && dropsFirst ? [] : [0x20]),
                begins: begins)
        case .wordPiece(let prefix, let cleansUp):
            var piece = bytes
            if begins {
                states[index].count += 1
                if states[index].count > 1 {
                    if piece.starts(with: prefix), !prefix.isEmpty {
                        piece.removeFirst(prefix.count)
                    } else {
                        piece.insert(0x20, at: 0)
                    }
                }
            }
            feed(index + 1, cleansUp ? EnglishSpacing.cleanUp(piece) : piece, begins: begins)
        case .wordSuffix(let suffix):
            // Whether the suffix becomes a space or is at the end of the text depends on the next token.
            if states[index].hasPending {
                feed(index + 1, states[index].pending.replacing(bytes: suffix, with: [0x20]), begins: true)
            }
            states[index].pending = bytes
            states[index].hasPending = true
        case .ctc(let padding, let delimiter, let cleansUp):
            if states[index].hasPending, states[index].pending == bytes { return }
            states[index].pending = bytes
            states[index].hasPending = true
            var piece = bytes.replacing(bytes: padding, with: [])
            if cleansUp { piece = EnglishSpacing.cleanUp(piece).replacing(bytes: delimiter, with: [0x20]) }
            if !piece.isEmpty { feed(index + 1, piece, begins: true) }
        case .byteAlphabet:
            feed(index + 1, ByteAlphabet.bytes(spelledBy: bytes) ?? bytes, begins: begins)
        case .spaced:
            if begins {
                states[index].count += 1
                if states[index].count > 1 { feed(index + 1, [0x20], begins: true) }
            }
            feed(index + 1, bytes, begins: begins)
        }
    }

    private mutating func strip(
        _ index: Int, _ bytes: [UInt8], begins: Bool, content: [UInt8], start: Int, stop: Int
    ) {
        guard !content.isEmpty else { return feed(index + 1, bytes, begins: begins) }
        var begins = begins
        if begins {
            endStripped(index, content: content, stop: stop)
            states[index].budget = start
        }
        var rest = bytes[...]
        while states[index].budget > 0, !rest.isEmpty {
            if rest.starts(with: content) {
                rest.removeFirst(content.count)
                states[index].budget -= 1
            } else {
                states[index].budget = 0
            }
        }
        guard stop > 0 else { return feed(index + 1, Array(rest), begins: begins) }
        var held = 0
        while rest.count >= content.count, rest.suffix(content.count).elementsEqual(content) {
            rest.removeLast(content.count)
            held += 1
        }
        if !rest.isEmpty, states[index].held > 0 {
            feed(index + 1, (0..<states[index].held).flatMap { _ in content }, begins: begins)
            begins = false
            states[index].held = 0
        }
        states[index].held += held
        if !rest.isEmpty { feed(index + 1, Array(rest), begins: begins) }
    }

    private mutating func endStripped(_ index: Int, content: [UInt8], stop: Int) {
        let rest = max(0, states[index].held - stop)
        states[index].held = 0
        if rest > 0 { feed(index + 1, (0..<rest).flatMap { _ in content }, begins: false) }
    }

    private mutating func finish(_ index: Int) {
        guard index < steps.count else { return }
        switch steps[index] {
        case .strip(let content, _, let stop): endStripped(index, content: content, stop: stop)
        case .wordSuffix(let suffix) where states[index].hasPending:
            states[index].hasPending = false
            feed(index + 1, states[index].pending.replacing(bytes: suffix, with: []), begins: true)
        default: break
        }
        finish(index + 1)
    }
}

extension DecoderStep {
    /// The bytes of a token independent of its neighbours: only the steps without context.
    func bytes(of token: [UInt8]) -> [UInt8] {
        switch self {
        case .replace(let pattern, let replacement): token.replacing(bytes: pattern, with: replacement)
        case .byteFallback: ByteToken.byte(of: token).map { [$0] } ?? token
        case .metaspace(let replacement, _): token.replacing(bytes: replacement, with: [0x20])
        case .wordPiece(let prefix, _):
            token.starts(with: prefix) && !prefix.isEmpty ? Array(token.dropFirst(prefix.count)) : token
        case .wordSuffix(let suffix): token.replacing(bytes: suffix, with: [0x20])
        case .ctc(let padding, let delimiter, _):
            token.replacing(bytes: padding, with: []).replacing(bytes: delimiter, with: [0x20])
        case .byteAlphabet: ByteAlphabet.bytes(spelledBy: token) ?? token
        case .fuse, .strip, .spaced: token
        }
    }
}

/// Byte tokens: `<0x00>` to `<0xFF>`.
package enum ByteToken {
    package static func byte(of token: some Collection<UInt8>) -> UInt8? {
        guard token.count == 6, token.starts(with: [0x3C, 0x30, 0x78]), token.dropFirst(5).first == 0x3E else {
            return nil
        }
        let digits = token.dropFirst(3).prefix(2)
        guard digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }) else { return nil }
        return UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
    }

    package static func token(of byte: UInt8) -> [UInt8] {
        let digits = Array("0123456789ABCDEF".utf8)
        return [0x3C, 0x30, 0x78, digits[Int(byte >> 4)], digits[Int(byte & 15)], 0x3E]
    }
}

/// Removes spaces before English punctuation. Source: the clean-up of the BERT reference code.
enum EnglishSpacing {
    private static let rules: [([UInt8], [UInt8])] = [
        (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"),
        (" do not", " don't"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
    ].map { (Array($0.0.utf8), Array($0.1.utf8)) }

    static func cleanUp(_ text: [UInt8]) -> [UInt8] {
        guard text.contains(0x20) else { return text }
        return rules.reduce(text) { $0.replacing(bytes: $1.0, with: $1.1) }
    }
}
