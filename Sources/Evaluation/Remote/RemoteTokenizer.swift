import MartletJSON

/// A server's tokenizer (`/tokenize`, `/tokenizer_info`): with it prompts are sent as tokens, and what belongs to context
/// and continuation is known as it is in process.
struct RemoteTokenizer: Sendable {
    let calls: RemoteCalls
    let model: String?
    /// The token before a text without context.
    var prefix: Int32?

    /// Nil where the server has none.
    static func find(_ calls: RemoteCalls, model: String?) async throws -> RemoteTokenizer? {
        var tokenizer = RemoteTokenizer(calls: calls, model: model)
        do {
            guard try await !tokenizer.encode("test", special: false).isEmpty else { return nil }
        } catch let error as RemoteModelError {
            switch error.kind {
            case .refused, .badAnswer, .noTokenizer, .unreadableText: return nil
            default: throw error
            }
        }
        let query = model.map { "?model=" + Self.escaped($0) } ?? ""
        let information = try? await calls.get(calls.options.root + "/tokenizer_info" + query)
        for key in ["bos_token", "eos_token"] {
            let written = information?[key]?.string ?? information?[key]?["content"]?.string
            guard tokenizer.prefix == nil, let written, !written.isEmpty else { continue }
            let tokens = try await tokenizer.encode(written, special: false)
            if tokens.count == 1 { tokenizer.prefix = tokens[0] }
        }
        return tokenizer
    }

    func encode(_ text: String, special: Bool) async throws -> [Int32] {
        guard !text.isEmpty else { return [] }
        var body: JSONObject = [
            "prompt": .string(text), "content": .string(text), "add_special_tokens": .bool(special),
            "add_special": .bool(special),
        ]
        if let model { body["model"] = .string(model) }
        let url = calls.options.root + "/tokenize"
        let answer: JSON
        do { answer = try await calls.post(url, .object(body)) } catch let error as RemoteModelError {
            // A strict server knows one of the two dialects.
            guard case .refused(400) = error.kind else { throw error }
            do {
                answer = try await calls.post(
                    url, .object(JSONObject(body.filter { !["content", "add_special"].contains($0.key) })))
            } catch let error as RemoteModelError {
                guard case .refused(400) = error.kind else { throw error }
                throw RemoteModelError(.unreadableText, url, error.reason)
            }
        }
        guard let tokens = answer["tokens"]?.array?.map({ $0.integer ?? $0["id"]?.integer }),
            tokens.allSatisfy({ $0 != nil })
        else { throw RemoteModelError(.noTokenizer, url, "the answer has no list of tokens") }
        let found = tokens.compactMap { $0.flatMap { Int32(exactly: $0) } }
        guard found.count == tokens.count, found.allSatisfy({ $0 >= 0 }) else {
            throw RemoteModelError(.noTokenizer, url, "a token is no number of 31 bits")
        }
        return found
    }

    private static func escaped(_ text: String) -> String {
        text.utf8.map { byte in
            let isPlain =
                (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
                || [0x2D, 0x2E, 0x5F, 0x7E].contains(byte)
            if isPlain { return String(UnicodeScalar(byte)) }
            let digits = String(byte, radix: 16, uppercase: true)
            return "%" + (digits.count < 2 ? "0" : "") + digits
        }.joined()
    }
}
