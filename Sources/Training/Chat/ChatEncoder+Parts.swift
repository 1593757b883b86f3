import MartletChat
import MartletData
import MartletJSON

/// More or less of a conversation than its replies.
extension ChatEncoder {
    /// The conversation as the template writes it, all of its tokens learnt.
    func encodeWhole(_ conversation: Conversation, given: [ChatMessage]) throws -> EncodedConversation {
        if given.contains(where: { $0["weight"].map { $0.double != 1 } ?? false || $0["train_detail"] != nil }) {
            throw TrainingError(
                .data,
                "learn all learns every token alike, and a message says that it is not to be learnt so: "
                    + "\(Self.shown(given))")
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

    /// The characters of `train_detail` that are not to be learnt, or count otherwise; its ends count in.
    static func weighed(_ detail: JSON?) -> [WeighedPart] {
        (detail?.array ?? []).compactMap { part in
            guard let first = part["begin_offset"]?.integer, let last = part["end_offset"]?.integer, first >= 0,
                last >= first
            else { return nil }
            let factor = part["train"]?.bool == false ? 0 : part["weight"]?.double ?? 1
            return factor == 1 ? nil : WeighedPart(characters: first..<last + 1, factor: Float(factor))
        }
    }

    /// What each token of a reply counts: a token with a byte of several parts counts what the least of them does.
    /// - Parameters:
    ///   - tokens: of the reply as it was rendered, from the first to its end token.
    ///   - weight: of the whole reply.
    /// - Throws: `TrainingError` where the text is not found in what the tokens stand for.
    func weights(
        _ tokens: ArraySlice<Int32>, _ weight: Float, parts: [WeighedPart], of content: String
    ) throws -> [Float] {
        guard !parts.isEmpty else { return tokens.map { _ in weight } }
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
        let bytes = parts.map { part in
            let last = starts.count - 1, characters = part.characters
            return place + starts[min(characters.lowerBound, last)]..<place + starts[min(characters.upperBound, last)]
        }
        var end = 0
        return pieces.map { piece in
            let own = end..<end + piece.count
            end = own.upperBound
            let factors = zip(bytes, parts).filter { $0.0.overlaps(own) }.map(\.1.factor)
            return weight * (factors.min() ?? 1)
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
