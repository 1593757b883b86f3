import MartletModels
import MartletTensor

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// How far a student's next tokens are from a teacher's, q and p their probabilities at a temperature T:
///
///     weight 0     forward KL   Σ p log(p/q)        covers what the teacher may say
///     weight 1     reverse KL   Σ q log(q/p)        keeps to what it would say
///     between      β KL(p ‖ m) + (1 − β) KL(q ‖ m),  m = β p + (1 − β) q    (Agarwal et al. 2023, generalised JSD)
///
/// Logits are made a few rows at a time for both models, and the gradient along with them, so that memory does not grow
/// with rows times vocabulary.
public struct DistillationLoss: Sendable, Equatable {
    /// β.
    public var weight = 0.0
    public var temperature = 1.0
    /// Multiply with T², so that gradients keep their size (Hinton et al. 2015).
    public var squaresTemperature = false
    /// The teacher's most likely tokens alone, their probabilities made to add up to 1; nil for all.
    public var teacherTop: Int?
    private static let logitBytes = 1 << 24

    public init(weight: Double = 0, temperature: Double = 1) {
        self.weight = weight
        self.temperature = temperature
    }

    /// What a teacher says of the next tokens.
    public enum Teacher {
        /// Its hidden states, `[rows, hidden]`, and the head that makes logits of them.
        case model(Tensor, head: any WeightMatrix, softCap: Float?)
        /// The probabilities of some tokens of each row, as a server gives them. What is missing counts as 0.
        case top([[(token: Int32, probability: Float)]])
    }

    /// Σ over rows / divisor: a scalar.
    /// - Parameters:
    ///   - x: the student's hidden states of the rows that count, `[rows, hidden]`.
    ///   - softCap: of the student's logits.
    public func callAsFunction(
        _ x: Tensor, _ head: any WeightMatrix, softCap: Float? = nil, teacher: Teacher, divisor: Double
    ) throws -> Tensor {
        let factor = (squaresTemperature ? temperature * temperature : 1) / divisor
        let trained = head.isTrained ? head.dense : nil
        var backX: Tensor?, backHead: Tensor?
        let records = isGradientEnabled && (x.requiresGrad || trained != nil)
        let result = try differentiable("distillation", [x] + (trained.map { [$0] } ?? [])) { plain in
            let rows = plain[0].shape[0], vocabulary = head.shape[0]
            let atOnce = max(1, Self.logitBytes / (4 * vocabulary))
            var total = 0.0, parts: [Tensor] = []
            for start in stride(from: 0, to: rows, by: atOnce) {
                let range = start..<min(start + atOnce, rows)
                let part = try plain[0].slice(0, from: range.lowerBound, to: range.upperBound).contiguous()
                let (loss, slope) = try block(part, head.untracked, softCap, teacher, range, slope: records)
                total += loss
                guard records, let slope else { continue }
                parts.append(try slope.matmul(head.float32Matrix().detach()))  // [rows, hidden]
                if trained != nil {
                    let outer = try slope.transposed().matmul(part)  // [vocabulary, hidden]
                    backHead = try backHead.map { try $0 + outer } ?? outer
                }
            }
            if records { backX = parts.isEmpty ? try Tensor.zeros(plain[0].shape) : try Tensor.concatenate(parts) }
            return [Tensor(Float(total * factor))]
        } backward: { gradients, _, _ in
            let upstream: Double = try gradients[0]?.item() ?? 0
            return try [backX, backHead].prefix(trained == nil ? 1 : 2).map { gradient in
                try gradient.map { try $0 * (upstream * factor) }
            }
        }
        return result[0]
    }

    /// The loss of some rows, and what it changes with each of the student's logits.
    private func block(
        _ x: Tensor, _ head: any WeightMatrix, _ softCap: Float?, _ teacher: Teacher, _ rows: Range<Int>, slope: Bool
    ) throws -> (Double, Tensor?) {
        let raw = try Fused.linear(x, [(head, nil)])[0]  // [rows, vocabulary]
        let capped = try softCap.map { try (raw / Double($0)).tanh() * Double($0) } ?? raw
        let logQ = try (capped / temperature).logSoftmax(axis: 1)  // [rows, vocabulary]
        let (p, logP) = try teacherProbabilities(teacher, rows, vocabulary: head.shape[0])
        let q = try logQ.exp()
        let loss: Double, back: Tensor
        if weight == 0 {
            loss = try (p * (logP - logQ)).sum(axes: []).item()
            back = try q * p.sum(axes: [1], keepDimensions: true) - p
        } else if weight == 1 {
            let ratio = try logQ - logP
            let each = try (q * ratio).sum(axes: [1], keepDimensions: true)  // [rows, 1]
            loss = try each.sum(axes: []).item()
            back = try q * (ratio - each)
        } else {
            let logM = try (p * weight + q * (1 - weight)).log()
            let fromQ = try logQ - logM
            let each = try (q * fromQ).sum(axes: [1], keepDimensions: true)
            let first: Double = try (p * (logP - logM)).sum(axes: []).item()
            loss = weight * first + (1 - weight) * (try each.sum(axes: []).item())
            back = try q * (fromQ - each) * (1 - weight)
        }
        guard slope else { return (loss, nil) }
        var gradient = try back / temperature
        if let softCap { gradient = try gradient * (1 - (capped / Double(softCap)).square()) }
        return (loss, gradient)
    }

    /// p and log p, the latter 0 where the former is, unless the student is to be kept to it.
    private func teacherProbabilities(
        _ teacher: Teacher, _ rows: Range<Int>, vocabulary: Int
    ) throws -> (Tensor, Tensor) {
        switch teacher {
        case .top(let all):
            var values = [Float](repeating: 0, count: rows.count * vocabulary)
            for (index, row) in rows.enumerated() {
                let kept = teacherTop.map { Array(all[row].prefix($0)) } ?? all[row]
                // Probabilities at T: p^(1/T), made to add up to 1.
                let warm = kept.map { pow(max(0, Double($0.probability)), 1 / temperature) }
                let sum = warm.reduce(0, +)
                for (place, value) in zip(kept, warm) where sum > 0 && (0..<vocabulary).contains(Int(place.token)) {
                    values[index * vocabulary + Int(place.token)] = Float(value / sum)
                }
            }
            return try sparse(Tensor(values, shape: [rows.count, vocabulary]))
        case .model(let hidden, let head, let cap):
            let x = try hidden.detach().slice(0, from: rows.lowerBound, to: rows.upperBound).contiguous()
            var z = try Fused.linear(x, [(head.untracked, nil)])[0]  // [rows, vocabulary]
            if let cap { z = try (z / Double(cap)).tanh() * Double(cap) }
            z = try z / temperature
            guard z.shape[1] == vocabulary else {
                throw TensorError(
                    .shape, "distillation",
                    "the teacher has \(z.shape[1]) logits, the student \(vocabulary): they need one vocabulary")
            }
            guard let teacherTop, teacherTop < vocabulary else {
                let logP = try z.logSoftmax(axis: 1)
                return (try logP.exp(), logP)
            }
            let best = try z.topK(teacherTop, axis: 1)
            return try sparse(Tensor.zeros(z.shape).scatter(1, best.indices, best.values.softmax(axis: 1)))
        }
    }

    private func sparse(_ p: Tensor) throws -> (Tensor, Tensor) {
        guard weight < 1 else {
            throw TensorError(
                .argument, "distillation",
                "the reverse divergence is infinite where a teacher's probability is missing; use a weight below 1 or the "
                    + "teacher's whole distribution")
        }
        return (p, try Tensor.where(p .> 0, p, 1.0).log())
    }
}

/// A student that learns what a teacher says of the same tokens.
public struct Distillation: Objective {
    public let student, teacher: Decoder
    public var divergence: DistillationLoss
    /// Weight of the negative log-likelihood of the tokens themselves beside it.
    public var hardWeight = 0.0

    public init(_ student: Decoder, teacher: Decoder, _ divergence: DistillationLoss) {
        self.student = student
        self.teacher = teacher
        self.divergence = divergence
    }

    public func weight(of batch: [EncodedChat]) -> Double { Double(batch.reduce(0) { $0 + $1.trainedCount }) }

    public func tokenCount(of batch: [EncodedChat]) -> Int { batch.reduce(0) { $0 + $1.tokens.count - 1 } }

    /// With the metrics "divergence" and, where it is learnt too, "nll_loss", each a mean over the learnt tokens.
    public func loss(of batch: [EncodedChat], _ context: StepContext) throws -> ObjectiveLoss {
        let packed = PackedSequences(batch)
        let rows = packed.targets.indices.filter { packed.targets[$0] != -100 }
        let index = try Tensor(rows.map(Int64.init))
        let taught = try noGrad {
            try teacher.hiddenStates(packed.inputs, segments: packed.segments).take(rows: index)  // [rows, hidden]
        }
        let hidden = try student.hiddenStates(packed.inputs, segments: packed.segments)  // [tokens, hidden]
        return try Self.loss(
            student, divergence, hardWeight: hardWeight, packed, hidden, context, weight: weight(of: batch),
            teacher: .model(taught, head: teacher.headWeight, softCap: teacher.configuration.logitSoftCap))
    }

    /// - Parameters:
    ///   - hidden: the student's, of all tokens.
    ///   - weight: learnt tokens of the batch.
    ///   - teacher: of the learnt tokens.
    static func loss(
        _ student: Decoder, _ divergence: DistillationLoss, hardWeight: Double, _ packed: PackedSequences,
        _ hidden: Tensor, _ context: StepContext, weight: Double, teacher: DistillationLoss.Teacher
    ) throws -> ObjectiveLoss {
        let rows = packed.targets.indices.filter { packed.targets[$0] != -100 }
        var value = try divergence(
            hidden.indexSelect(0, Tensor(rows.map(Int64.init))), student.headWeight,
            softCap: student.configuration.logitSoftCap, teacher: teacher, divisor: context.weight)
        let share = weight / context.weight
        var metrics = [Metric("divergence", try value.detach().item() / max(share, 1e-30))]
        if hardWeight > 0 {
            let likelihood = try Fused.crossEntropy(
                hidden, student.headWeight, targets: packed.targets, divisor: context.weight,
                CrossEntropyOptions(softCap: student.configuration.logitSoftCap))
            metrics.append(Metric("nll_loss", try likelihood.detach().item() / max(share, 1e-30)))
            value = try value * (1 - hardWeight) + likelihood * hardWeight
        }
        return ObjectiveLoss(value, metrics: metrics)
    }
}
