import MartletChat
import MartletData
import MartletFormats
import MartletJSON

/// Problems from files: prompts with reference answers and whatever else their records hold, as every reader of data sets
/// knows them. They are gone through in an order that is drawn anew for each time.
public struct PromptTask: VerifiableTask {
    public let name: String
    public let identity: String
    /// What was left out, a sentence each.
    public private(set) var notes: [String] = []
    /// Problems that are not held out.
    public var learntCount: Int { learnt.count }
    private let seed: UInt64
    private let learnt: [VerifiableProblem]
    private let held: [VerifiableProblem]

    /// - Parameters:
    ///   - path: a file or a folder, as `martlet sft --data` takes them; of a record with a reply the reply is the answer.
    ///   - map: columns, as "prompt=question,response=answer"; found out by their names without.
    ///   - system: the system prompt of problems that have none of their own.
    ///   - heldOut: problems to hold out, a tenth of all at most.
    ///   - fits: whether a prompt leaves room for a reply.
    /// - Throws: `DataError` naming file and record; `TrainingError` where there is no problem left.
    public init(
        path: String, map: String? = nil, system: String? = nil, heldOut: Int, seed: UInt64,
        fits: ([ChatMessage]) throws -> Bool
    ) throws {
        var options = CorpusOptions()
        if let map { options.columns = try ColumnMap(map) }
        options.keepsPrompts = true
        options.system = system
        let corpus = try Corpus([path], options: options)
        var all: [VerifiableProblem] = [], tooLong = 0, withTools = 0, hash = HashXX64()
        while let document = try corpus.nextDocument() {
            if case .chat(_, _?) = document.content { withTools += 1 }
            var problem = try Self.problem(document)
            problem.columns = document.record?.object ?? JSONObject()
            guard try fits(problem.messages) else {
                tooLong += 1
                continue
            }
            let line: JSON = [
                "prompt": .array(problem.messages.map(\.json)), "answer": problem.answer.map { .string($0) } ?? .null,
                "columns": .object(problem.columns),
            ]
            Array(line.text().utf8).withUnsafeBytes { hash.update($0) }
            all.append(problem)
        }
        if tooLong > 0 { notes.append("\(path): \(tooLong) prompts leave no room for a reply and are left out") }
        if withTools > 0 {
            notes.append(
                "\(path): \(withTools) prompts name tools of their own, which are not offered: replies may call those of --tool"
            )
        }
        let count = min(heldOut, all.count / 10)
        guard all.count - count > 0 else {
            throw TrainingError(.data, "\(path) holds no problem that fits the model's context")
        }
        let order = KeyedPermutation(count: all.count, key: 0x9E37)
        held = (0..<count).map { all[order($0)] }
        learnt = (count..<all.count).map { all[order($0)] }
        name = path.split(separator: "/").last.map(String.init) ?? path
        identity = "\(all.count) problems, \(count) held out, XXH64 \(String(hash.value, radix: 16))"
        self.seed = seed
    }

    static func problem(_ document: Document) throws -> VerifiableProblem {
        switch document.content {
        case .text(let bytes):
            return VerifiableProblem(
                messages: [ChatMessage(role: "user", content: String(decoding: bytes, as: UTF8.self))])
        case .chat(let messages, _):
            let prompt = messages.last?.role == "assistant" ? Array(messages.dropLast()) : messages
            guard !prompt.isEmpty else {
                throw TrainingError(.data, "\(document.origin): there is a reply and nothing that asks for it")
            }
            return VerifiableProblem(
                messages: prompt.map { message in
                    var plain = message
                    plain["weight"] = nil
                    return plain
                }, answer: prompt.count < messages.count ? messages.last?.content : nil)
        case .segments, .tokens, .feedback:
            throw TrainingError(.data, "\(document.origin): is no prompt, but a text in pieces or token ids")
        }
    }

    public func heldOutCount(of asked: Int) -> Int { min(asked, held.count) }

    public func problem(_ index: Int, heldOut: Bool) -> VerifiableProblem {
        if heldOut { return held[index % held.count] }
        let count = learnt.count, epoch = UInt64(index / count)
        return learnt[KeyedPermutation(count: count, key: seed &+ (epoch &* 0x9E37_79B9_7F4A_7C15))(index % count)]
    }
}
