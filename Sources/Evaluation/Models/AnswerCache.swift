import MartletFormats
import MartletJSON
import MartletSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Answers on disk by the hash of their requests, written as they come: an evaluation that was killed goes on where it
/// was, and asks for nothing twice.
///
/// A file of lines: the model's identity, then `{"key", "answer"}`. A last line that a kill cut short is dropped.
public final class AnswerCache {
    public let path: String
    private var answers: [String: RequestAnswer] = [:]
    private var descriptor: Int32 = -1
    private var pending: [UInt8] = []
    public var count: Int { answers.count }

    /// - Throws: `EvaluationError` when the file holds another model's answers, or lines that are none.
    public init(path: String, identity: JSONObject) throws {
        self.path = path
        let head = JSON.object(["model": .object(identity), "format": 1])
        var kept = 0
        if Folder.isFile(path) {
            let bytes = try Folder.read(path, limit: 1 << 34)
            var start = 0, line = 0
            while let end = bytes[start...].firstIndex(of: 0x0A) {
                line += 1
                let text = bytes[start..<end]
                guard let json = try? JSON(parsing: Array(text)) else {
                    throw EvaluationError(path, place: "line \(line)", "is no answer; delete the file to begin anew")
                }
                if line == 1 {
                    guard json == head else {
                        throw EvaluationError(
                            path,
                            "holds answers of another model or of other options; choose another --out or delete the file"
                        )
                    }
                } else if let key = json["key"]?.string, let value = json["answer"], let answer = RequestAnswer(value) {
                    answers[key] = answer
                } else {
                    throw EvaluationError(path, place: "line \(line)", "is no answer; delete the file to begin anew")
                }
                start = end + 1
            }
            kept = start
        }
        descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0, ftruncate(descriptor, off_t(kept)) == 0, lseek(descriptor, 0, SEEK_END) >= 0 else {
            throw EvaluationError(path, "cannot be written: \(String(cString: strerror(errno)))")
        }
        if kept == 0 {
            pending = head.bytes() + [0x0A]
            try flush()
        }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    public subscript(key: String) -> RequestAnswer? { answers[key] }

    /// Keeps an answer; it is on its way to the disk when this returns.
    public func add(_ key: String, _ answer: RequestAnswer) throws {
        answers[key] = answer
        pending += JSON.object(["key": .string(key), "answer": answer.json]).bytes() + [0x0A]
        try flush()
    }

    private func flush() throws {
        while !pending.isEmpty {
            let written = pending.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if written < 0, errno == EINTR { continue }
            guard written > 0 else {
                throw EvaluationError(path, "cannot be written: \(String(cString: strerror(errno)))")
            }
            pending.removeFirst(written)
        }
    }
}
