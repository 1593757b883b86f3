import Martlet
import MartletAPI
import MartletJSON
import MartletSystem

/// What was asked of a run that was begun from here: kept beside the runs, so that it can be gone on with after the server was
/// started anew.
package struct TuningRecord: Sendable {
    package var name, method, model: String
    package var data: [String]
    /// The file that rows of the request were written to.
    package var upload: String?
    package var options: JSONObject
    /// Seconds since 1970.
    package var started: Double

    package init(_ request: TuningRequest, upload: String?, started: Double) {
        name = request.name
        method = request.method ?? ""
        model = request.model ?? ""
        data = request.data
        self.upload = upload
        options = request.options
        self.started = started
    }

    /// - Returns: nil for what is no record.
    init?(_ json: JSON) {
        guard let name = json["name"]?.string, TuningRequest.isRunName(name), let method = json["method"]?.string,
            let model = json["model"]?.string
        else { return nil }
        (self.name, self.method, self.model) = (name, method, model)
        data = json["data"]?.array?.compactMap(\.string) ?? []
        upload = json["upload"]?.string
        options = json["options"]?.object ?? JSONObject()
        started = json["started"]?.double ?? 0
    }

    var members: [JSONObject.Element] {
        [
            ("name", .string(name)), ("method", .string(method)), ("model", .string(model)),
            ("data", .array(data.map { .string($0) })), ("options", .object(options)), ("started", .number(started)),
        ]
    }

    var json: JSON { .object(JSONObject(members + [("upload", upload.map { .string($0) } ?? .null)])) }

    /// The request to go on with it: what the new one leaves out is as it was.
    func resumed(by request: TuningRequest) -> TuningRequest {
        var all = request
        all.method = request.method ?? method
        all.model = request.model ?? model
        if request.data.isEmpty { all.data = data }
        all.options = options
        for (key, value) in request.options { all.options[key] = value }
        return all
    }
}

/// The folder beside the runs that holds what was asked of each, rows that came with requests, and what programs wrote.
struct TuningFiles: Sendable {
    let folder: String

    init(runs: String) { folder = runs + "/.tuning" }

    /// Apart from records, which rows could pass for; and under names by which no file of them describes another.
    private var rows: String { folder + "/rows" }

    func make() throws {
        try Folder.make(folder)
        try Folder.make(rows)
    }

    func output(_ name: String) -> String { "\(folder)/\(name).log" }

    func write(_ record: TuningRecord) throws {
        try AtomicFile.write("\(folder)/\(record.name).json", bytes: record.json.bytes(indent: 2))
    }

    func record(_ name: String) -> TuningRecord? {
        guard let bytes = try? Folder.read("\(folder)/\(name).json", limit: 1 << 24) else { return nil }
        return (try? JSON(parsing: bytes)).flatMap(TuningRecord.init)
    }

    /// The newest ones.
    func records(_ most: Int = 100) -> [TuningRecord] {
        let all = Folder.files(folder).filter { $0.hasSuffix(".json") }.compactMap { record(String($0.dropLast(5))) }
        return Array(all.sorted { $0.started > $1.started }.prefix(most))
    }

    /// Rows of a request as a file.
    /// - Throws: `APIError` for a form that cannot be read as text.
    func keep(_ upload: TuningRequest.Upload, of name: String) throws -> String {
        let forms = ["json", "jsonl", "csv", "tsv", "txt"]
        guard let form = forms.first(where: { upload.name.lowercased().hasSuffix("." + $0) }) else {
            throw APIError.invalid(
                "upload.name", "is '\(upload.name.shown(limit: 80))'; it must end in .\(forms.joined(separator: ", ."))"
            )
        }
        guard !upload.text.isEmpty else { throw APIError.invalid("upload.text", "is empty") }
        let path = "\(rows)/rows-\(name).\(form)"
        try AtomicFile.write(path, bytes: Array(upload.text.utf8))
        return path
    }

    /// The last lines that a program wrote; of a line that was written over, what it became.
    func lines(_ name: String, most: Int = 40) -> [String] {
        let path = output(name), size = Folder.byteCount(path)
        guard size > 0, let file = try? InputFile(path: path) else { return [] }
        let count = min(size, 16 << 10)
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            filled = (try? file.read(into: UnsafeMutableRawBufferPointer(buffer), at: size - count)) ?? 0
        }
        var lines: [String] = []
        // The first one may be a part.
        for line in bytes.split(separator: UInt8(ascii: "\n")).dropFirst(size > count ? 1 : 0) {
            let last = line.split(separator: UInt8(ascii: "\r")).last ?? []
            let text = String(decoding: last.filter { $0 >= 0x20 || $0 == 0x09 }, as: UTF8.self)
            if !text.isEmpty { lines.append(text) }
        }
        return Array(lines.suffix(most))
    }
}
