import MartletJSON

/// The body of `POST /v1/embeddings`.
public struct EmbeddingsRequest: Sendable {
    public enum Format: String, Sendable, CaseIterable { case float, base64 }

    public var model: String?
    public var inputs: [GenerationRequest.Prompt]
    public var format: Format
    /// The number of elements of a vector to keep; nil keeps all.
    public var dimensions: Int?
    /// Whether vectors are cut to `dimensions` even if the model was not trained for that.
    public var shortens = false
    public var truncation: Truncation?
    /// The largest number of tokens of a text, if it is less than that of the model; nil for that of the model.
    public var contextLength: Int?
    /// How long the model stays in memory after this request, in seconds; nil: the server's default; negative: forever.
    public var keepAliveSeconds: Double?
    /// Whether vectors are normalised to length one.
    public var normalizes = true
    public var user: String?
    public var unknownFields: [String]

    public init(_ body: some Sequence<UInt8>, limits: RequestLimits = RequestLimits()) throws(APIError) {
        var fields = try FieldReader.body(body, limits)
        try self.init(&fields, limits)
    }

    /// The body of vLLM's `POST /pooling`: one vector for each text.
    public init(pooling body: some Sequence<UInt8>, limits: RequestLimits = RequestLimits()) throws(APIError) {
        var fields = try FieldReader.body(body, limits)
        try fields.refuse(
            "task", unless: { $0.string == "embed" },
            "is not supported unless it is 'embed': a text becomes one vector here, not one for each token")
        for key in ["normalize", "use_activation", "activation", "softmax"] {
            try fields.refuse(key, unless: { $0.bool == true })
        }
        try self.init(&fields, limits)
    }

    private init(_ fields: inout FieldReader, _ limits: RequestLimits) throws(APIError) {
        model = try fields.string("model", longest: 1024)
        inputs = try GenerationRequest.Prompt.list(
            fields.required("input", fields.json("input")), "input", most: limits.embeddingInputs)
        try Self.check(inputs, "input", limits)
        format = try fields.choice("encoding_format", Format.self) ?? .float
        dimensions = try fields.integer("dimensions", 1...65536)
        user = try fields.string("user", longest: 1024)
        if let tokens = try fields.integer("truncate_prompt_tokens", -1...(1 << 24)), tokens != 0 {
            truncation = Truncation(tokens: tokens, keepsEnd: false)
        }
        unknownFields = fields.unread
    }

    static func check(
        _ inputs: [GenerationRequest.Prompt], _ key: String, _ limits: RequestLimits
    ) throws(APIError) {
        for (index, input) in inputs.enumerated() {
            guard case .text(let text) = input else { continue }
            try FieldReader.checkBytes(
                text, limits.embeddingTextBytes, inputs.count == 1 ? key : "\(key)[\(index)]")
        }
    }

    /// The reply body.
    /// - Parameter vectors: one for each input, of length one.
    public func reply(model: String, vectors: [[Float]], promptTokens: Int) -> JSON {
        let data: [JSON] = vectors.enumerated().map { index, vector in
            let embedding: JSON =
                switch format {
                case .float: .array(vector.map { .number(Double($0)) })
                case .base64: .string(Base64.text(vector))
                }
            return ["object": "embedding", "index": .integer(index), "embedding": embedding]
        }
        return [
            "object": "list", "data": .array(data), "model": .string(model),
            "usage": ["prompt_tokens": .integer(promptTokens), "total_tokens": .integer(promptTokens)],
        ]
    }

    /// The reply body of `/pooling`.
    public func poolingReply(model: String, vectors: [[Float]], promptTokens: Int, id: String, created: Int) -> JSON {
        var reply = reply(model: model, vectors: vectors, promptTokens: promptTokens).object ?? [:]
        reply["id"] = .string(id)
        reply["created"] = .integer(Int64(created))
        reply["data"] = .array(
            (reply["data"]?.array ?? []).map {
                ["object": "pooling", "index": $0["index"] ?? 0, "data": $0["embedding"] ?? []]
            })
        return .object(reply)
    }

    /// The first elements of a vector, normalised to length one (Matryoshka representations, Kusupati et al. 2022).
    /// Only vectors of models trained for this remain useful.
    public static func shortened(_ vector: [Float], to dimensions: Int) -> [Float] {
        let short = vector.prefix(dimensions)
        let square = short.reduce(0.0) { $0 + Double($1) * Double($1) }
        let scale = square > 0 ? Float(1 / square.squareRoot()) : 0
        return short.map { $0 * scale }
    }
}

/// RFC 4648, with padding.
enum Base64 {
    private static let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// Elements as little-endian IEEE 754 float32.
    static func text(_ vector: [Float]) -> String {
        text(
            vector.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * UInt32($0))) } })
    }

    static func text(_ bytes: [UInt8]) -> String {
        var result: [UInt8] = []
        result.reserveCapacity((bytes.count + 2) / 3 * 4)
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            var value: UInt32 = 0
            for offset in 0..<3 { value = value << 8 | (offset < group.count ? UInt32(group[start + offset]) : 0) }
            for digit in 0..<4 {
                result.append(
                    digit <= group.count ? digits[Int(value >> (18 - 6 * UInt32(digit)) & 63)] : UInt8(ascii: "="))
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
