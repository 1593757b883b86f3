import MartletData
import MartletModels
import MartletRuns
import MartletTensor

extension NextToken {
    /// The loss of modules that predict further tokens (DeepSeek-AI 2024, "DeepSeek-V3", eq. 24 and 25):
    ///
    ///     L = λ/D Σ over modules k of −1/N Σ log pₖ(tᵢ₊₁₊ₖ)
    ///
    /// Module k is given the states of the depth before it, and the token k places behind each. N is that of the step's next
    /// tokens; at the end of a segment there are fewer.
    /// - Parameter hidden: the decoder's states, `[rows, hidden]`.
    /// - Returns: nil where there are no modules.
    func predictionLoss(
        _ hidden: Tensor, _ batch: TrainingBatch, _ dropout: DecoderDropout, _ record: PassRecord?,
        _ context: StepContext
    ) throws -> (loss: Tensor, metric: Metric)? {
        let modules = decoder.configuration.predictionModules
        guard predictionWeight > 0, modules > 0 else { return nil }
        let head = try decoder.lossHead
        var states = hidden, total: Tensor?, count = 0
        for module in 0..<modules {
            let (next, targets) = batch.shifted(by: module + 1)
            let own = record?.ofMoreLayers()
            states = try decoder.predicted(
                states, next: next, module: module,
                Pass(
                    .whole(batch.segmentRows), positions: batch.positions, dropout: dropout, record: own,
                    routing: routers?.routing(context)))  // [rows, hidden]
            if let own { record?.take(own, numberedFrom: decoder.configuration.layerCount + module) }
            let loss = try Fused.crossEntropy(
                decoder.predictionStates(states, module: module), head.weight, bias: head.bias, targets: targets,
                divisor: context.weight, CrossEntropyOptions(ignored: TrainingBatch.ignoredTarget))
            total = try total.map { try $0 + loss } ?? loss
            count += targets.count { $0 != TrainingBatch.ignoredTarget }
        }
        guard let total else { return nil }
        let sum = try total.detach().item(as: Double.self) * context.weight
        return (
            try total * (predictionWeight / Double(modules)),
            Metric("mtp_loss", sum / Double(max(count, 1)), weight: Double(count))
        )
    }
}

extension TrainingBatch {
    /// For every row, the token `distance` places behind it in its segment, and the target of that place: 0 and nothing to
    /// learn beyond the segment's end.
    func shifted(by distance: Int) -> (next: [Int32], targets: [Int32]) {
        var next = [Int32](repeating: 0, count: inputs.count)
        var later = [Int32](repeating: Self.ignoredTarget, count: inputs.count)
        for segment in segments where !segment.isPadding {
            let first = segment.row * length + segment.start, end = segment.row * length + segment.end
            for place in first..<end {
                let other = place + distance
                if other < end {
                    (next[place], later[place]) = (inputs[other], targets[other])
                } else if other == end {
                    next[place] = max(0, targets[end - 1])
                }
            }
        }
        return (next, later)
    }
}
