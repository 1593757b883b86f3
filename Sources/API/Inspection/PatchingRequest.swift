import MartletInference
import MartletJSON

/// `POST /inspect/patch`: activations of one prompt put into another (activation patching).
///
/// `{"model", "clean", "corrupted", "answer", "wrong", "part", "heads", "cell": {"layer", "token"}}`. Both prompts have as
/// many tokens. With a cell, only that one activation is patched, and what the model says then is told.
public struct PatchingRequest: Sendable, Equatable {
    public enum Part: String, Sendable, CaseIterable {
        case residual, attention, feedforward
    }

    public var model: String?
    public var clean, corrupted: String
    /// The token that is asked about and the one it is compared with; what the model says after either when left out.
    public var answer: String?, wrong: String?
    /// What is put in place of the other prompt's: the residual stream after a layer, or what a part of it adds.
    public var part = Part.residual
    /// Whether every head is patched too.
    public var heads = false
    public var cell: (layer: Int, token: Int)?

    /// Tokens of a prompt: every layer and token is a pass of its own.
    public static let mostTokens = 48
    static let longestText = 2048

    public init(_ body: some Sequence<UInt8>, limits: RequestLimits = RequestLimits()) throws(APIError) {
        var fields = try FieldReader.body(body, limits)
        model = try fields.string("model", longest: 1024)
        clean = try fields.required("clean", fields.string("clean", longest: Self.longestText))
        corrupted = try fields.required("corrupted", fields.string("corrupted", longest: Self.longestText))
        for (name, text) in [("clean", clean), ("corrupted", corrupted)] where text.isEmpty {
            throw .invalid(name, "must hold at least one character")
        }
        answer = try fields.string("answer", longest: 256)
        wrong = try fields.string("wrong", longest: 256)
        if let part = try fields.choice("part", Part.self) { self.part = part }
        if let heads = try fields.bool("heads") { self.heads = heads }
        if var place = try fields.fields("cell") {
            let layer = try place.required("layer", place.integer("layer", 0...1 << 20))
            let token = try place.required("token", place.integer("token", 0...1 << 20))
            cell = (layer, token)
        }
        if let name = fields.unread.first { throw .unsupported(name, "is not known here") }
    }

    public static func == (a: PatchingRequest, b: PatchingRequest) -> Bool {
        (a.model, a.clean, a.corrupted, a.answer, a.wrong) == (b.model, b.clean, b.corrupted, b.answer, b.wrong)
            && (a.part, a.heads, a.cell?.layer, a.cell?.token) == (b.part, b.heads, b.cell?.layer, b.cell?.token)
    }
}

/// `POST /inspect/steer`: a direction between two kinds of texts, and how a prompt goes on with it.
///
/// `{"model", "prompt", "towards": [text], "away": [text], "layer", "strengths": [number], "max_tokens"}`.
public struct SteeringRequest: Sendable, Equatable {
    public var model: String?
    public var prompt: String
    public var towards, away: [String]
    /// The layer after which the direction is added; the middle one when left out.
    public var layer: Int?
    public var strengths: [Float] = [0, 2]
    public var maximumTokens = 24

    /// Tokens of each text and of the prompt.
    public static let mostTokens = 256
    static let longestText = 4096, mostTexts = 32, mostStrengths = 9, mostNewTokens = 128

    public init(_ body: some Sequence<UInt8>, limits: RequestLimits = RequestLimits()) throws(APIError) {
        var fields = try FieldReader.body(body, limits)
        model = try fields.string("model", longest: 1024)
        prompt = try fields.required("prompt", fields.string("prompt", longest: Self.longestText))
        func texts(_ key: String) throws(APIError) -> [String] {
            let texts = try fields.required(
                key, fields.strings(key, most: Self.mostTexts, longest: Self.longestText))
            guard !texts.isEmpty, !texts.contains("") else {
                throw fields.error(key, "must hold at least one text, and none that is empty")
            }
            return texts
        }
        (towards, away) = (try texts("towards"), try texts("away"))
        layer = try fields.integer("layer", 0...1 << 20)
        if let given = try fields.array("strengths", most: Self.mostStrengths) {
            guard !given.isEmpty else { throw fields.error("strengths", "must hold at least one number") }
            var strengths: [Float] = []
            for (index, item) in given.enumerated() {
                guard let number = item.double, (-1000...1000).contains(number) else {
                    throw .invalid("strengths[\(index)]", "must be a number from -1000 to 1000")
                }
                strengths.append(Float(number))
            }
            self.strengths = strengths
        }
        if let count = try fields.integer("max_tokens", 0...Self.mostNewTokens) { maximumTokens = count }
        guard !prompt.isEmpty else { throw .invalid("prompt", "must hold at least one character") }
        if let name = fields.unread.first { throw .unsupported(name, "is not known here") }
    }
}
