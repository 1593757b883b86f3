import MartletData
import MartletInference
import MartletModels
import MartletNN
import MartletTensor

extension StepProfile {
    /// Records steps of a new model on random tokens: what training with these options will spend its time on, with
    /// dropout, rounded matrices, the losses' further terms and the average of the weights where they are asked for.
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
        decoder.recomputesLayers = options.recomputesLayers
        let mixed = try options.roundedType.map { try MixedPrecision(source.parameters, $0) }
        let parameters = mixed?.masters ?? source.parameters
        let optimizer = options.optimizer(parameters)
        let decay = options.number("ema")
        let average = decay > 0 ? WeightAverage(parameters, decay: decay) : nil
        let compute = LossComputation(
            decoder: decoder, smoothing: Float(options.number("label_smoothing")),
            zLoss: Float(options.number("z_loss")))
        let length = options.integer("context_length"), parts = options.integer("micro_batches")
        let rows = options.integer("batch_rows")
        let size = UInt64(max(1, options.integer("vocabulary_size")))
        var random = RandomStream(seed: UInt64(options.integer("seed")))
        func batch(_ rows: Int) -> TrainingBatch {
            var batch = TrainingBatch(rows: rows, length: length)
            batch.segments = (0..<rows).map { TrainingBatch.Segment(row: $0, start: 0, end: length) }
            for place in batch.inputs.indices {
                batch.inputs[place] = Int32(random.next() % size)
                batch.targets[place] = Int32(random.next() % size)
                batch.positions[place] = Int32(place % length)
            }
            return batch
        }

        func step(_ number: Int) throws {
            let span = OperationSpan("step \(number)", .part)
            defer { span.end() }
            let scale = mixed?.scaler?.scale ?? 1
            var dropout = DecoderDropout(
                probability: options.number("dropout"), attentionProbability: options.number("attention_dropout"),
                seed: UInt64(options.integer("seed")), step: number)
            for part in 0..<parts {
                // As a step of training is cut.
                let count = rows * (part + 1) / parts - rows * part / parts
                let batch = OperationSpan.of("batch", .data) { batch(count) }
                let loss = try OperationSpan.of("forward", .part) {
                    try compute(batch, divisor: rows * length, dropout: dropout)
                }
                dropout.firstToken += batch.inputs.count
                try OperationSpan.of("backward", .part) { try loss.backward(gradient: Tensor(Float(scale))) }
            }
            try mixed?.collectGradients()
            let norm = try parameters.gradientNorm() / scale, clip = options.number("clip")
            if mixed?.scaler != nil, !norm.isFinite {
                // As training leaves such a step out.
                try mixed?.scaler?.overflowed(step: number)
                return parameters.clearGradients()
            }
            try OperationSpan.of(options.text("optimizer"), .update) {
                try optimizer.step(
                    learningRate: options.number("learning_rate"),
                    gradientScale: (norm > clip ? clip / norm : 1) / scale)
            }
            parameters.clearGradients()
            try mixed?.roundMasters()
            try average?.update()
        }

        for number in 0..<StepRecording.warmup { try step(number + 1) }
        let recorder = try OperationRecorder(parameters, optimizer)
        try recorder.record {
            for number in 0..<steps { try step(StepRecording.warmup + number + 1) }
        }
        return StepProfile(recorder, machinePeak: MachinePeak.operationsPerSecond)
    }
}
