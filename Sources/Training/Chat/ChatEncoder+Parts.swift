import MartletChat
import MartletData
import MartletJSON

/// More or less of a conversation than its replies.
extension ChatEncoder {
    /// The conversation as the template writes it, all of its tokens learnt.
    func encodeWhole(_ conversation: Conversation, given: [ChatMessage]) throws -> EncodedConversation {
        if given.contains(where: { $0["weight"]?.double == 0 || $0["train_detail"] != nil }) {
            throw TrainingError(
                .data,
                "learn all learns every token, and a message says that it is not to be learnt: \(Self.shown(given))")
        }
        let whole = try render(conversation.messages, conversation.tools, opening: false)
        let tokens = try self.tokens(whole.segments)
        if let largestSequence, tokens.count > largestSequence {
            guard long == .cut else { return EncodedConversation(sequences: [], notes: [.tooLong]) }
            // Cut at turns; what is repeated before a later turn is learnt with it.
            var encoded = try encodeTurns(conversation)
            for index in encoded.sequences.indices {
                encoded.sequences[index].isTrained = encoded.sequences[index].tokens.map { _ in true }
            }
            return encoded
        }
        return EncodedConversation(sequences: [EncodedChat(tokens: tokens, isTrained: tokens.map { _ in true })])
    }

    /// The characters of `train_detail` that are not to be learnt; its ends count in.
    static func unlearnt(_ detail: JSON?) -> [Range<Int>] {
        (detail?.array ?? []).compactMap { part in
            guard let first = part["begin_offset"]?.integer, let last = part["end_offset"]?.integer, first >= 0,
                last >= first, part["train"]?.bool == false
            else { return nil }
            return first..<last + 1
        }
    }

    /// Which tokens of a reply are learnt: those without a byte of what is not to be.
    /// - Parameters:
    ///   - tokens: of the reply as it was rendered, from the first to its end token.
    ///   - ranges: of characters (Unicode scalars) of `content`.
    /// - Throws: `TrainingError` where the text is not found in what the tokens stand for.
    func learnt(_ tokens: ArraySlice<Int32>, without ranges: [Range<Int>], of content: String) throws -> [Bool] {
        guard !ranges.isEmpty else { return tokens.map { _ in true } }
        let pieces = tokens.map { tokenizer.bytes(of: $0) ?? [] }
        let text = pieces.flatMap { $0 }, said = Array(content.utf8)
        guard let place = text.firstRange(of: said)?.lowerBound else {
            throw TrainingError(
                .data,
                "train_detail speaks of characters of a reply whose text is not found as it is among its tokens: the "
                    + "template or the tokenizer changes it (\(content.prefix(100)))")
        }
        var starts = [0]
        for scalar in content.unicodeScalars { starts.append(starts[starts.count - 1] + UTF8.width(scalar)) }
        let bytes = ranges.map { place + starts[$0.lowerBound]..<place + starts[min($0.upperBound, starts.count - 1)] }
        var end = 0
        return pieces.map { piece in
            let own = end..<end + piece.count
            end = own.upperBound
            return !bytes.contains { $0.overlaps(own) }
        }
    }
}

extension ChatMessage {
    /// Takes the thoughts out of a reply: `reasoning_content`, and what stands between <think> and </think>.
    mutating func dropThoughts() {
        guard role == "assistant" else { return }
        for name in ["reasoning_content", "reasoning", "thinking"] where self[name] != nil { self[name] = nil }
        guard let content, content.contains("<think>") else { return }
        var kept = "", rest = content[...]
        while let open = rest.firstRange(of: "<think>") {
            kept += rest[..<open.lowerBound]
            guard let close = rest[open.upperBound...].firstRange(of: "</think>") else {
                // A thought without an end is all that is left.
                rest = rest[rest.endIndex...]
                break
            }
            rest = rest[close.upperBound...]
        }
        kept += rest
        self.content = String(kept.drop { $0.isWhitespace })
    }
}
