import Martlet

/// Teaches a model one sentence: train MODEL. An objective of the program's own, in the step that all training runs.
@main
struct Train {
    static func main() async throws {
        let name = CommandLine.arguments.dropFirst().first ?? "smollm2"
        let files = try ModelFiles(path: ModelLocator.locate(name))
        let tokens = try files.tokenizer().encode("Martlets are birds that never land.")
        let (decoder, parameters) = try files.checkpoint.trainableDecoder()
        let loop = try StepLoop(parameters) { AdamW(ParameterGroup.decaying($0, weightDecay: 0.1)) }
        for step in 0..<5 {
            let done = try loop.step(Sentence(decoder: decoder), number: step, rate: 1e-4) { [tokens] }
            print("step \(step + 1): loss \(done?.loss ?? .nan)")
        }
    }
}

/// The mean cross-entropy of every token after the first.
struct Sentence: Objective {
    let decoder: Decoder

    /// What the loss is a mean over.
    func weight(of batch: [Int32]) -> Double { Double(batch.count - 1) }

    func loss(of batch: [Int32], _ context: StepContext) throws -> ObjectiveLoss {
        let share = weight(of: batch) / context.weight  // of the step, which may have several micro-batches
        return ObjectiveLoss(try decoder.loss(batch, labels: batch) * share)
    }
}
