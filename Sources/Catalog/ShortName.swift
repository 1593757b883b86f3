/// Names for models that many people start with.
public struct ShortName: Sendable {
    public let name: String
    /// The hub repository, with the file or quantisation after a colon, that the name stands for.
    public let repository: String
    /// Where under the model folder `./quickstart` puts the same model from a Python package.
    public let localPath: String
    public let summary: String

    public static let all = [
        ShortName(
            name: "smollm2", repository: "bartowski/SmolLM2-135M-Instruct-GGUF:Q4_1",
            localPath: "smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", summary: "SmolLM2 135M Instruct, chat, English"),
        ShortName(
            name: "gemma3", repository: "ggml-org/gemma-3-270m-GGUF:Q4_K_M",
            localPath: "gemma3/gemma-3-270m-q4_k_m.gguf", summary: "Gemma 3 270M, base model, many languages"),
        ShortName(
            name: "minilm", repository: "sentence-transformers/all-MiniLM-L6-v2", localPath: "minilm",
            summary: "MiniLM L6, sentence embeddings, English"),
    ]

    /// The short name itself, or with the `:latest` behind it that ollama's users write.
    public static func find(_ name: String) -> ShortName? {
        all.first { $0.name == name || $0.name + ":latest" == name }
    }
}
