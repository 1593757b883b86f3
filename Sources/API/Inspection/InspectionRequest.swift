import MartletInference
import MartletJSON
import MartletModels

/// `POST /inspect`: the request of the Inspect page, and its response.
///
/// `{"model", "text" | "tokens": [id], "heads_off": [[layer, head]], "lens_top_k"}`; layers and heads count from 0.
public struct InspectionRequest: Sendable, Equatable {
    public enum Input: Sendable, Equatable {
        case text(String)
        case tokens([Int32])
    }

    public var model: String?
    public var input: Input
    public var headsOff: Set<DecoderHead> = []
    public var lensTokens = 5

    /// The maximum number of characters: tokens are limited too, but counting them takes time.
    static let longestText = 16 << 10

    public init(_ body: some Sequence<UInt8>, limits: RequestLimits = RequestLimits()) throws(APIError) {
        var fields = try FieldReader.body(body, limits)
        model = try fields.string("model", longest: 1024)
        let text = try fields.string("text", longest: Self.longestText)
        let tokens = try fields.tokens("tokens", most: LanguageModel.inspectedTokens)
        if let tokens, tokens.isEmpty { throw fields.error("tokens", "must hold at least one token") }
        switch (text, tokens) {
        case (let text?, nil): input = .text(text)
        case (nil, let tokens?): input = .tokens(tokens)
        case (nil, nil): throw .invalid("text", "is missing; give text or tokens")
        default: throw .invalid("tokens", "cannot be combined with text; give one of them")
        }
        for (index, item) in (try fields.array("heads_off", most: 4096) ?? []).enumerated() {
            guard let pair = item.array, pair.count == 2, let layer = pair[0].integer, let head = pair[1].integer else {
                throw .invalid("heads_off[\(index)]", "must be a layer and a head: [0, 3]")
            }
            headsOff.insert(DecoderHead(layer: layer, head: head))
        }
        if let count = try fields.integer("lens_top_k", 1...20) { lensTokens = count }
        // A client that asked for one layer must not get all of them without notice.
        if let name = fields.unread.first { throw .unsupported(name, "is not known here") }
    }

    /// Inspects the model, on the caller's thread.
    public func answer(_ model: LanguageModel, name: String) throws -> JSON {
        let tokens =
            switch input {
            case .text(let text): try model.tokenizer.encode(text)
            case .tokens(let tokens): tokens
            }
        do {
            let seen = try model.inspect(tokens, headsOff: headsOff, lensTokens: lensTokens)
            return InspectionAnswer(seen, model.tokenizer).json(model: name)
        } catch let error as OptionError {
            throw APIError.invalid(
                error.option == "tokens" && input != .tokens(tokens) ? "text" : error.option,
                "is \(error.value); expected \(error.expected)")
        } catch ModelError.tokenOutOfRange(let token, let size) {
            throw APIError.invalid("tokens", "has \(token); the model's vocabulary has \(size)")
        } catch ModelError.contextExceeded(let count, let limit) {
            throw APIError.contextExceeded(promptTokens: count, maximumTokens: nil, limit: limit)
        }
    }
}
