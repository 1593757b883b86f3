import MartletChat
import MartletData
import MartletJSON

/// Replies as what follows their prompts.
extension ChatEncoder {
    /// A reply behind the prompt that asks for it.
    struct Turn {
        var tokens: [Int32]
        /// Where the reply begins, and where it has ended: behind its end token.
        var start: Int
        var end: Int
        var notes: [CorpusTally.Kind]
        /// The text that asks for it.
        var prompt: String
    }

    func encodeTurns(_ conversation: Conversation) throws -> EncodedConversation {
        var result = EncodedConversation(sequences: [])
        var open: (chat: EncodedChat, weights: [Float], end: Int)?
        // Earlier turns are left away from here on, once a conversation has been cut.
        var from = conversation.leading
        var isCut = false, lost = 0, parts = 0, checked = 0
        func close() {
            if var done = open {
                done.chat.isTrained = done.weights.map { $0 > 0 }
                done.chat.weights = LossWeights.beyondMask(done.weights)
                result.sequences.append(done.chat)
            }
            open = nil
        }
        for (number, index) in conversation.messages.indices.filter(conversation.isLearnt).enumerated() {
            var next = try turn(conversation, index, from: from, number: number + 1)
            if let largestSequence, next.tokens.count > largestSequence {
                close()
                guard let (shorter, start) = try shortened(conversation, index, after: from, number: number + 1) else {
                    lost += 1
                    continue
                }
                (next, from, isCut) = (shorter, start, true)
            }
            result.notes += next.notes
            for place
                in (checked == 0
                ? Array(0..<conversation.leading) + Array(from..<index) : Array(max(checked, from)..<index))
            where !isRendered(conversation.messages[place], in: next.prompt) {
                result.notes.append(.messageNotRendered)
            }
            checked = index
            if var last = open, next.tokens[..<next.start].starts(with: last.chat.tokens[..<last.end]) {
                last.weights.removeSubrange(last.end...)
                last.weights += Array(repeating: 0, count: next.tokens.count - last.end)
                last.chat.tokens = next.tokens
                open = (last.chat, last.weights, next.end)
            } else {
                if open != nil, !isCut { parts += 1 }
                close()
                open = (
                    EncodedChat(tokens: next.tokens, isTrained: []), Array(repeating: 0, count: next.tokens.count),
                    next.end
                )
            }
            let weights = try weights(
                next.tokens[next.start..<next.end], conversation.weights[index], parts: conversation.details[index],
                of: conversation.messages[index].content ?? "")
            open?.weights.replaceSubrange(next.start..<next.end, with: weights)
        }
        close()
        if parts > 0 { result.notes.append(.renderedByTurn) }
        if isCut { result.notes.append(.cutAtTurns) }
        if lost > 0 { result.notes.append(.tooLong) }
        return result
    }

    /// The reply with as many of the turns before it as fit, by the policy; nil where it does not fit, or is not to be
    /// cut.
    private func shortened(
        _ conversation: Conversation, _ index: Int, after from: Int, number: Int
    ) throws -> (Turn, Int)? {
        guard long == .cut, let largestSequence else { return nil }
        for start in (from..<index).dropFirst() where conversation.messages[start].role == "user" {
            let next = try turn(conversation, index, from: start, number: number)
            if next.tokens.count <= largestSequence { return (next, start) }
        }
        return nil
    }

    private func turn(_ conversation: Conversation, _ index: Int, from: Int, number: Int) throws -> Turn {
        let kept = conversation.messages[..<conversation.leading] + conversation.messages[from..<index]
        let reply = conversation.messages[index]
        let asked = Array(kept), answered = asked + [reply]
        let prompt = try render(asked, conversation.tools, opening: true)
        let whole = try render(answered, conversation.tools, opening: false)
        let opened = prompt.text.utf8.count
        var notes: [CorpusTally.Kind] = []
        let replyText: String
        let tokens: [Int32], start: Int
        if whole.text.utf8.starts(with: prompt.text.utf8) {
            replyText = String(decoding: whole.text.utf8.dropFirst(opened), as: UTF8.self)
            (tokens, start) = try joined(prompt, whole)
        } else if let reply = try behindOpening(asked, conversation.tools, prompt, whole) {
            replyText = reply.map(\.text).joined()
            let before = try self.tokens(prompt.segments)
            tokens = before + (try self.tokens(reply))
            start = before.count
        } else {
            let thought = try OpenedThought(prompt, whole, reply, name: "reply \(number)", shown: Self.shown(answered))
            if thought.isEmpty { notes.append(.closedThought) }
            replyText = thought.segments.map(\.text).joined()
            let before = try self.tokens(prompt.segments)
            tokens = before + (try self.tokens(thought.segments))
            start = before.count
        }
        notes += try check(
            reply, calls: conversation.calls[index], in: replyText, name: "reply \(number)", whole: answered)
        guard let end = (start..<tokens.count).first(where: { tokenizer.eosTokens.contains(tokens[$0]) }) else {
            throw TrainingError(
                .data,
                "no end token follows reply \(number), the model would not learn to stop: \(Self.shown(answered))")
        }
        return Turn(tokens: tokens, start: start, end: end + 1, notes: notes, prompt: prompt.text)
    }

    /// The reply where the template writes what stands before it otherwise once it is there: behind the last of what opens
    /// a reply. Nil where nothing opens it, or it is not opened so.
    private func behindOpening(
        _ asked: [ChatMessage], _ tools: [JSON]?, _ prompt: RenderedPrompt, _ whole: RenderedPrompt
    ) throws -> [(text: String, isTrusted: Bool)]? {
        let closed = Array(try render(asked, tools, opening: false).text.utf8), open = Array(prompt.text.utf8)
        guard open.count > closed.count, open.starts(with: closed) else { return nil }
        let opening = open[closed.count...], text = Array(whole.text.utf8)
        guard text.count > opening.count else { return nil }
        let place = (0...(text.count - opening.count)).last {
            text[$0] == opening.first && text[$0...].starts(with: opening)
        }
        return place.map { whole.segments(from: $0 + opening.count) }
    }

    /// The tokens of the whole, and where those of the reply begin. At inference prompt and reply are tokens of their
    /// own; where the tokenizer would join the prompt's end with the reply's beginning, they are kept apart as there.
    private func joined(_ prompt: RenderedPrompt, _ whole: RenderedPrompt) throws -> ([Int32], Int) {
        let before = try tokens(prompt.segments), all = try tokens(whole.segments)
        if all.starts(with: before) { return (all, before.count) }
        let apart = before + (try tokens(whole.segments(from: prompt.text.utf8.count)))
        // Tokenizers that put a space before every text would put one more here.
        let isSame =
            try tokenizer.decode(apart, skipSpecialTokens: false) == tokenizer.decode(all, skipSpecialTokens: false)
        if isSame { return (apart, before.count) }
        return (all, zip(all, before).prefix { $0 == $1 }.count)
    }
}

extension RenderedPrompt {
    /// The segments of a range of the text's bytes.
    func segments(in range: Range<Int>) -> [(text: String, isTrusted: Bool)] {
        var place = 0, parts: [(text: String, isTrusted: Bool)] = []
        for segment in segments {
            let own = place..<place + segment.text.utf8.count
            place = own.upperBound
            guard own.overlaps(range) else { continue }
            let shared = own.clamped(to: range)
            let bytes = segment.text.utf8.dropFirst(shared.lowerBound - own.lowerBound).prefix(shared.count)
            parts.append((String(decoding: bytes, as: UTF8.self), segment.isTrusted))
        }
        return parts
    }

    /// The segments from a byte of the text on.
    func segments(from start: Int) -> [(text: String, isTrusted: Bool)] {
        segments(in: start..<max(start, text.utf8.count))
    }
}
