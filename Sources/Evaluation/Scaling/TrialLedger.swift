import MartletFormats
import MartletJSON

/// What one training of a series came to.
package struct Trial: Sendable {
    /// The held-out loss; nil where training, or the held-out data, came to numbers that are none.
    package var loss: Double?
    package var seconds: Double
    /// Why there is no loss.
    package var failure: String?

    /// - Parameter loss: as measured: one that is NaN or infinite is none.
    package init(loss: Double, seconds: Double) {
        self.seconds = seconds
        if loss.isFinite { self.loss = loss } else { failure = "the held-out loss is \(loss)" }
    }

    package init(failure: String, seconds: Double) { (self.failure, self.seconds) = (failure, seconds) }
}

/// The results of the trainings of a series, a line of a file each, written as they come. One without a loss has `"loss": null`
/// and says why in `failed`, so that it is not trained again and never counts as the best.
package struct TrialLedger {
    private let path: String
    /// Where what is known was read.
    private let source: String
    private var known: [String: JSON] = [:]
    private var lines: [UInt8] = []

    /// - Parameter before: of the same series while each size was trained once; read where `path` is not there yet.
    /// - Throws: `EvaluationError` for a line that is no result; what reading throws.
    package init(path: String, before: String? = nil) throws {
        self.path = path
        let isThere = Folder.isFile(path)
        source = isThere ? path : before ?? path
        guard Folder.isFile(source) else { return }
        for (index, line) in try Folder.read(source).split(separator: 0x0A).enumerated() {
            guard let json = try? JSON(parsing: Array(line)), let name = json["name"]?.string else {
                throw EvaluationError(source, place: "line \(index + 1)", "is no result of a training; delete the line")
            }
            // A mean over several trainings has no configuration.
            guard isThere || json["configuration"] != nil else { continue }
            known[name] = json
            lines += Array(line) + [0x0A]
        }
    }

    /// - Returns: nil for a training that is not there yet.
    /// - Throws: `EvaluationError` for one of other options or data.
    package func trial(_ name: String, configuration: JSON, data: JSON) throws(EvaluationError) -> Trial? {
        guard let json = known[name] else { return nil }
        guard json["configuration"] == configuration, json["data"] == data else {
            throw EvaluationError(source, place: name, "was trained with other options or data; choose another --out")
        }
        let seconds = json["seconds"]?.double ?? 0
        if let loss = json["loss"]?.double { return Trial(loss: loss, seconds: seconds) }
        guard let failure = json["failed"]?.string else {
            throw EvaluationError(source, place: name, "has neither a loss nor why there is none; delete the line")
        }
        return Trial(failure: failure, seconds: seconds)
    }

    mutating func add(_ line: JSONObject) throws {
        lines += JSON.object(line).bytes() + [0x0A]
        try AtomicFile.write(path, bytes: lines)
    }
}
