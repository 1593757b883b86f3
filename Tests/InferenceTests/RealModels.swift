import Foundation
import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletTensor

/// Where real models are: `MARTLET_TEST_MODELS` names a folder with `smollm2/`, `gemma3/` and `minilm/`. Without it the
/// suites that need weights skip.
enum RealModels {
    static let folder = ProcessInfo.processInfo.environment["MARTLET_TEST_MODELS"]
    static let decoders = [
        "smollm2": "smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "gemma3": "gemma3/gemma-3-270m-q4_k_m.gguf",
    ]
    static let skipped = "set MARTLET_TEST_MODELS to a folder with smollm2/, gemma3/ and minilm/"

    static func path(_ name: String) throws -> String {
        guard let folder else { throw TestFileError(what: skipped) }
        return "\(folder)/\(decoders[name] ?? name)"
    }

    static func golden(_ file: String) throws -> JSON {
        let path = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Goldens/\(file)").path
        return try JSON(parsing: Folder.read(path))
    }
}

struct TestFileError: Error { let what: String }

/// One prompt and its greedy continuation by transformers in float32.
struct ReferenceCase {
    let topic, text: String
    let prompt, reply: [Int32]
    /// How far the best logit lay above the second at each step.
    let gap: [Float]

    init(_ json: JSON) throws {
        func ids(_ key: String) -> [Int32] {
            json[key]?.array?.compactMap { $0.integer.flatMap(Int32.init(exactly:)) } ?? []
        }
        topic = json["topic"]?.string ?? ""
        text = json["text"]?.string ?? ""
        prompt = ids("prompt")
        reply = ids("reply")
        gap = json["gap"]?.array?.compactMap { $0.double.map { Float($0) } } ?? []
        guard !prompt.isEmpty, reply.count == gap.count, reply.count >= 24 else {
            throw TestFileError(what: "a case of reference.json is incomplete")
        }
    }

    static func all(_ model: String) throws -> [ReferenceCase] {
        try (RealModels.golden("reference.json")[model]?.array ?? []).map(ReferenceCase.init)
    }
}

/// The logits of each position, `[tokens][vocabulary]`.
struct LogitRows {
    private let values: [Float]
    let count: Int
    init(_ tensor: Tensor) throws {
        values = try tensor.toArray()
        count = tensor.shape[0]
    }
    subscript(row: Int) -> [Float] {
        let width = values.count / count
        return Array(values[row * width..<(row + 1) * width])
    }
    /// The position of the largest logit, the first of equals.
    func best(_ row: Int) -> Int {
        let row = self[row]
        return row.indices.reduce(0) { row[$1] > row[$0] ? $1 : $0 }
    }
}
