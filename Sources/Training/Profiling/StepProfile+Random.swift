import MartletInference
import MartletModels
import MartletNN
import MartletTensor

extension StepProfile {
    /// Records steps of a new model on random tokens: what training with these options will spend its time on.
    /// - Parameter memory: bytes that the plan may come to; nil does not look.
    public static func measure(
        _ options: ResolvedOptions, steps: Int, memory: Int? = MachineMemory().total
    ) throws -> StepProfile {
        let spec = try options.decoderConfiguration()
        try TrainingCost.demand(
            options.memory(TrainingCost(spec, length: options.integer("context_length"))), within: memory,
            for: "a training step")
        let source = TrainableParameters(options.initializer())
        let decoder = Decoder(source, spec)
        try source.finish()
        let optimizer = options.optimizer(source.parameters)
        let length = options.integer("context_length"), parts = options.integer("micro_batches")
        let rows = options.integer("batch_rows") / parts
        let segments = (0..<rows).map { $0 * length..<($0 + 1) * length }
        let size = UInt64(options.integer("vocabulary_size"))
        var random = RandomStream(seed: UInt64(options.integer("seed")))
        func tokens() -> [Int32] { (0..<rows * length).map { _ in Int32(random.next() % size) } }

        func step(_ number: Int) throws {
            let span = OperationSpan("step \(number)", .part)
            defer { span.end() }
            for _ in 0..<parts {
                let (inputs, targets) = OperationSpan.of("batch", .data) { (tokens(), tokens()) }
                let loss = try OperationSpan.of("forward", .part) {
                    try Fused.crossEntropy(
                        decoder.hiddenStates(inputs, segments: segments), decoder.headWeight, targets: targets,
                        divisor: Double(parts * rows * length))
                }
                try OperationSpan.of("backward", .part) { try loss.backward() }
            }
            let norm = try source.parameters.gradientNorm(), clip = options.number("clip")
            try OperationSpan.of(options.text("optimizer"), .update) {
                try optimizer.step(
                    learningRate: options.number("learning_rate"), gradientScale: norm > clip ? clip / norm : 1)
            }
            source.parameters.clearGradients()
        }

        for number in 0..<StepRecording.warmup { try step(number + 1) }
        let recorder = try OperationRecorder(source.parameters, optimizer)
        try recorder.record {
            for number in 0..<steps { try step(StepRecording.warmup + number + 1) }
        }
        return StepProfile(recorder, machinePeak: MachinePeak.operationsPerSecond)
    }
}
