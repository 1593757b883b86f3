import MartletData
import MartletInference
import MartletModels
import MartletNN
import MartletTensor

extension StepProfile {
    /// Records steps of a new model on random tokens: where training with these options will spend its time, including
    /// dropout, rounded matrices, further terms of the loss and the weight average if they are enabled.
    /// - Parameter memory: the limit on the planned memory in bytes; nil for no check.
    public static func measure(
        _ options: ResolvedOptions, steps: Int, memory: Int? = MachineMemory().total
    ) throws -> StepProfile {
        let spec = try options.decoderConfiguration()
        try TrainingCost.demand(
            options.memory(TrainingCost(spec, length: options.rows.length)), within: memory,
            for: "a training step")
        let source = TrainableParameters(options.initializer())
        let decoder = Decoder(source, spec)
        try source.finish()
        decoder.recomputesLayers = options.recomputesLayers
        let loop = try options.stepLoop(source.parameters)
        loop.guards = nil
        loop.profiledSteps = steps
        let objective = options.nextToken(decoder)
        let length = options.rows.length, parts = options.compute.microBatches
        let rows = options.rows.perStep
        let size = UInt64(max(1, options.shape.vocabularySize))
        var random = RandomStream(seed: options.general.randomSeed)
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

        var number = 0
        while true {
            // Divided into micro-batches like a step of training.
            _ = try loop.step(objective, number: number, rate: options.schedule.highest) {
                (0..<parts).map { batch(rows * ($0 + 1) / parts - rows * $0 / parts) }
            }
            if let profile = loop.takeProfile() { return profile }
            number += 1
        }
    }
}
