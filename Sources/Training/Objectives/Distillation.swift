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
    /// A stored head of at most so many bytes as float32 is decoded once for all rows, a larger one for every block.
    private static let decodedBytes = 1 << 28

    public init(weight: Double = 0, temperature: Double = 1) {
        self.weight = weight
        self.temperature = temperature
    }

    /// What a teacher says of the next tokens.
    public enum Teacher {
        /// Its hidden states, `[rows, hidden]`, and the head that makes logits of them, with the bias `[vocabulary]` of
        /// families that have one.
        case model(Tensor, head: any WeightMatrix, bias: Tensor? = nil, softCap: Float?)
        /// The probabilities of some tokens of each row, as a server gives them. What is missing counts as 0.
        case top([[(token: Int32, probability: Float)]])
    }

    /// Σ over rows / divisor: a scalar.
    /// - Parameters:
    ///   - x: the student's hidden states of the rows that count, `[rows, hidden]`.
    ///   - bias: of the student's head, `[vocabulary]`, where it has one.
    ///   - softCap: of the student's logits.
    ///   - rowWeights: a factor for each row; 1 by default.
    public func callAsFunction(
        _ x: Tensor, _ head: any WeightMatrix, bias: Tensor? = nil, softCap: Float? = nil, teacher: Teacher,
        rowWeights: [Float]? = nil, divisor: Double
    ) throws -> Tensor {
        let factor = (squaresTemperature ? temperature * temperature : 1) / divisor
        let trained = head.isTrained ? head.dense : nil
        let trainedBias = bias.flatMap { $0.requiresGrad ? $0 : nil }
        var backX: Tensor?, backHead: Tensor?, backBias: Tensor?
        let records = isGradientEnabled && (x.requiresGrad || trained != nil || trainedBias != nil)
        let inputs = [x] + [trained, trainedBias].compactMap { $0 }
        let result = try differentiable("distillation", inputs) { plain in
            let rows = plain[0].shape[0], vocabulary = head.shape[0]
            let atOnce = max(1, Self.logitBytes / (4 * vocabulary))
            let keepsDecoded = records && 4 * vocabulary * head.shape[1] <= Self.decodedBytes
            let decoded = try keepsDecoded ? head.float32Matrix().detach() : nil
            var total = 0.0, parts: [Tensor] = []
            for start in stride(from: 0, to: rows, by: atOnce) {
                let range = start..<min(start + atOnce, rows)
                let part = try plain[0].slice(0, from: range.lowerBound, to: range.upperBound).contiguous()
                let logits = Logits(head: head.untracked, bias: bias?.detach(), softCap: softCap)
                let weights = try rowWeights.map { try Tensor(Array($0[range]), shape: [range.count, 1]) }
                let (loss, slope) = try block(part, logits, teacher, range, weights, slope: records)
                total += loss
                guard records, let slope else { continue }
                parts.append(try slope.matmul(decoded ?? head.float32Matrix().detach()))  // [rows, hidden]
                if trained != nil {
                    let outer = try slope.transposed().matmul(part)  // [vocabulary, hidden]
                    backHead = try backHead.map { try $0 + outer } ?? outer
                }
                guard trainedBias != nil else { continue }
                let sum = try slope.sum(axes: [0])  // [vocabulary]
                backBias = try backBias.map { try $0 + sum } ?? sum
            }
            if records { backX = parts.isEmpty ? try Tensor.zeros(plain[0].shape) : try Tensor.concatenate(parts) }
            return [Tensor(Float(total * factor))]
        } backward: { gradients, _, _ in
            let upstream: Double = try gradients[0]?.item() ?? 0
            let found = [backX] + (trained == nil ? [] : [backHead]) + (trainedBias == nil ? [] : [backBias])
            return try found.map { gradient in try gradient.map { try $0 * (upstream * factor) } }
        }
        return result[0]
    }

    /// How logits are made of hidden states.
    private struct Logits {
        let head: any WeightMatrix
        let bias: Tensor?
        let softCap: Float?

        /// `[rows, hidden]` -> `[rows, vocabulary]`.
        func callAsFunction(_ x: Tensor) throws -> Tensor {
            let raw = try Fused.linear(x, [(head, bias)])[0]
            return try softCap.map { try (raw / Double($0)).tanh() * Double($0) } ?? raw
        }
    }

    /// The loss of some rows, and what it changes with each of the student's logits.
    /// - Parameter weights: of the rows, `[rows, 1]`.
    private func block(
        _ x: Tensor, _ logits: Logits, _ teacher: Teacher, _ rows: Range<Int>, _ weights: Tensor?, slope: Bool
    ) throws -> (Double, Tensor?) {
        let capped = try logits(x)  // [rows, vocabulary]
        let logQ = try (capped / temperature).logSoftmax(axis: 1)  // [rows, vocabulary]
        let (p, logP) = try teacherProbabilities(teacher, rows, vocabulary: logits.head.shape[0])
        let q = try logQ.exp()
        /// Σ over the vocabulary: `[rows, 1]`.
        func sum(_ terms: Tensor) throws -> Tensor { try terms.sum(axes: [1], keepDimensions: true) }
        let losses: Tensor, back: Tensor  // [rows, 1], [rows, vocabulary]
        if weight == 0 {
            losses = try sum(p * (logP - logQ))
            back = try q * sum(p) - p
        } else if weight == 1 {
            let ratio = try logQ - logP
            losses = try sum(q * ratio)
            back = try q * (ratio - losses)
        } else {
            let logM = try (p * weight + q * (1 - weight)).log()
            let fromQ = try logQ - logM
            let each = try sum(q * fromQ)
            losses = try sum(p * (logP - logM)) * weight + each * (1 - weight)
            back = try q * (fromQ - each) * (1 - weight)
        }
        let loss: Double = try (weights.map { try losses * $0 } ?? losses).sum(axes: []).item()
        guard slope else { return (loss, nil) }
        var gradient = try back / temperature
        if let weights { gradient = try gradient * weights }
        if let softCap = logits.softCap { gradient = try gradient * (1 - (capped / Double(softCap)).square()) }
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
        case .model(let hidden, let head, let bias, let cap):
            let x = try hidden.detach().slice(0, from: rows.lowerBound, to: rows.upperBound).contiguous()
            let logits = Logits(head: head.untracked, bias: bias?.detach(), softCap: cap)
            let z = try logits(x) / temperature  // [rows, vocabulary]
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

    /// Learnt tokens, each with its own weight.
    public func weight(of batch: [EncodedChat]) -> Double { batch.reduce(0) { $0 + $1.trainedWeight } }

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
        let head = try teacher.lossHead
        return try Self.loss(
            student, divergence, hardWeight: hardWeight, packed, hidden, context, weight: weight(of: batch),
            teacher: .model(
                taught, head: head.weight, bias: head.bias, softCap: teacher.configuration.logitSoftCap))
    }

    /// - Parameters:
    ///   - hidden: the student's, of all tokens.
    ///   - weight: of the batch.
    ///   - teacher: of the learnt tokens.
    static func loss(
        _ student: Decoder, _ divergence: DistillationLoss, hardWeight: Double, _ packed: PackedSequences,
        _ hidden: Tensor, _ context: StepContext, weight: Double, teacher: DistillationLoss.Teacher
    ) throws -> ObjectiveLoss {
        let rows = packed.targets.indices.filter { packed.targets[$0] != -100 }
        let head = try student.lossHead
        var value = try divergence(
            hidden.indexSelect(0, Tensor(rows.map(Int64.init))), head.weight, bias: head.bias,
            softCap: student.configuration.logitSoftCap, teacher: teacher,
            rowWeights: packed.weights.map { weights in rows.map { weights[$0] } }, divisor: context.weight)
        let share = weight / context.weight
        var metrics = [Metric("divergence", try value.detach().item() / max(share, 1e-30))]
        if hardWeight > 0 {
            let likelihood = try Fused.crossEntropy(
                hidden, head.weight, bias: head.bias, targets: packed.targets, rowWeights: packed.weights,
                divisor: context.weight, CrossEntropyOptions(softCap: student.configuration.logitSoftCap))
            metrics.append(Metric("nll_loss", try likelihood.detach().item() / max(share, 1e-30)))
            value = try value * (1 - hardWeight) + likelihood * hardWeight
        }
        return ObjectiveLoss(value, metrics: metrics)
    }
}
