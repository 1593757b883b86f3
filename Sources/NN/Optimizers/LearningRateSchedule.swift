#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The learning rate as a function of the step. All schedules begin with a linear warm-up from 0.
public enum LearningRateSchedule: String, Sendable, CaseIterable {
    case constant
    /// Linear decay to the lowest rate.
    case linear
    /// Cosine decay to the lowest rate (Loshchilov and Hutter 2017).
    case cosine
    /// Warm-up, stable, decay: constant, then linear decay over the last part (Hu et al. 2024).
    case warmupStableDecay = "wsd"
    /// Proportional to 1/√step after the warm-up (Vaswani et al. 2017).
    case inverseSquareRoot = "inverse-square-root"

    /// The learning rate of one step.
    /// - Parameters:
    ///   - step: starting from 0.
    ///   - warmup: number of steps until the highest rate.
    ///   - total: number of steps until the lowest rate.
    ///   - decay: number of decay steps of `warmupStableDecay`.
    public func rate(
        step: Int, highest: Double, lowest: Double = 0, warmup: Int, total: Int, decay: Int = 0
    ) -> Double {
        if step < warmup { return highest * Double(step) / Double(warmup) }
        let past = Double(step - warmup), span = Double(max(1, total - warmup))
        switch self {
        case .constant: return highest
        case .linear: return highest + (lowest - highest) * min(1, past / span)
        case .cosine:
            guard step <= total else { return lowest }
            return lowest + (highest - lowest) * (1 + cos(.pi * past / span)) / 2
        case .warmupStableDecay:
            let begin = total - decay
            guard step > begin else { return highest }
            return highest + (lowest - highest) * min(1, Double(step - begin) / Double(max(1, decay)))
        case .inverseSquareRoot:
            return max(lowest, highest * (Double(max(warmup, 1)) / Double(max(step, 1))).squareRoot())
        }
    }

    /// The learning rate of a step of a run with a time limit instead of a number of steps.
    /// - Parameters:
    ///   - step: starting from 0; determines the warm-up and `inverseSquareRoot`, because the speed is not known
    ///     yet.
    ///   - share: the fraction of the run that is over, 0...1.
    ///   - decay: the fraction of the run over which `warmupStableDecay` decays.
    public func rate(
        step: Int, share: Double, highest: Double, lowest: Double = 0, warmup: Int, decay: Double = 0.2
    ) -> Double {
        if step < warmup { return highest * Double(step) / Double(warmup) }
        let share = min(1, max(0, share))
        switch self {
        case .constant: return highest
        case .linear: return highest + (lowest - highest) * share
        case .cosine: return lowest + (highest - lowest) * (1 + cos(.pi * share)) / 2
        case .warmupStableDecay: return lowest + (highest - lowest) * min(1, (1 - share) / max(decay, 1e-9))
        case .inverseSquareRoot: return rate(step: step, highest: highest, lowest: lowest, warmup: warmup, total: 0)
        }
    }
}
