import Martlet

/// Teaches a model one sentence: train MODEL. Loss, tape, optimiser, in the program's own loop.
@main
struct Train {
    static func main() async throws {
        let name = CommandLine.arguments.dropFirst().first ?? "smollm2"
        let files = try ModelFiles(path: ModelLocator.locate(name))
        let tokens = try files.tokenizer().encode("Martlets are birds that never land.")
        let (decoder, parameters) = try files.checkpoint.trainableDecoder()
        let optimizer = AdamW(ParameterGroup.decaying(parameters, weightDecay: 0.1))
        for step in 1...5 {
            let loss = try decoder.loss(tokens, labels: tokens)
            try loss.backward()
            try optimizer.step(learningRate: 1e-4, gradientScale: 1)
            parameters.clearGradients()
            print("step \(step): loss \(try loss.item(as: Float.self))")
        }
    }
}
