import MartletJSON

/// The body of `POST /api/tune`: a run of training to begin, or to go on with.
///
///     {"name": "id", "method": "sft", "model": "smollm2", "data": ["identity.json"], "options": {"adapter": "lora"}}
///
/// It is read here and not judged: which methods, models, files and options there are, the server knows.
public struct TuningRequest: Sendable {
    /// Of the run, and of its folder.
    public var name: String
    /// A command that tunes a model: "sft", "dpo".
    public var method: String?
    /// One of the server's models, or `runs/NAME`.
    public var model: String?
    /// Paths below the server's folder of data.
    public var data: [String]
    /// Rows that come with the request.
    public var upload: Upload?
    /// Options of the command by name, as a configuration file holds them.
    public var options: JSONObject
    /// Goes on with a run that was stopped; what is left out is as it was.
    public var resumes: Bool

    public struct Upload: Sendable, Equatable {
        /// Of the file they were in; what it ends with says what form they have.
        public var name: String
        public var text: String

        public init(name: String, text: String) { (self.name, self.text) = (name, text) }
    }

    /// Options that a request may have.
    static let mostOptions = 256

    public init(_ body: some Sequence<UInt8>, limits: RequestLimits = RequestLimits()) throws(APIError) {
        var fields = try FieldReader.body(body, limits)
        name = try fields.required("name", fields.string("name", longest: 64))
        guard Self.isRunName(name) else {
            throw .invalid(
                "name", "may have letters, digits, \".\", \"_\" and \"-\", and begins with a letter or digit")
        }
        method = try fields.string("method", longest: 64)
        model = try fields.string("model", longest: 1024)
        data = try fields.strings("data", most: 64, longest: 4096) ?? []
        if var file = try fields.fields("upload") {
            upload = Upload(
                name: try file.required("name", file.string("name", longest: 255)),
                text: try file.required("text", file.string("text")))
        }
        options = try fields.object("options") ?? JSONObject()
        guard options.count <= Self.mostOptions else {
            throw .invalid("options", "has \(options.count) members; at most \(Self.mostOptions) are allowed")
        }
        for (key, value) in options where value.array != nil || value.object != nil {
            throw .invalid("options.\(key)", "must be a text, a number, true or false, not \(value.kind)")
        }
        resumes = try fields.bool("resume") ?? false
        if let unknown = fields.unread.first {
            throw .unsupported(unknown, "is not known; there are name, method, model, data, upload, options and resume")
        }
    }

    /// What may be the name of a folder, a part of a URL and of a model, everywhere.
    public static func isRunName(_ text: String) -> Bool {
        func isPlain(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: false
            }
        }
        guard let first = text.utf8.first, isPlain(first), text.utf8.count <= 64 else { return false }
        return text.utf8.allSatisfy {
            isPlain($0) || [UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-")].contains($0)
        }
    }
}
