#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// How the learning rate goes from the first step to the last. All begin with a linear warm-up from 0.
public enum LearningRateSchedule: String, Sendable, CaseIterable {
    case constant
    /// Straight down to the lowest rate.
    case linear
    /// Half a cosine down to the lowest rate (Loshchilov and Hutter 2017).
    case cosine
    /// Warm-up, stable, decay: constant, then straight down over the last part (Hu et al. 2024).
    case warmupStableDecay = "wsd"
    /// ∝ 1/√step after the warm-up (Vaswani et al. 2017).
    case inverseSquareRoot = "inverse-square-root"

    /// The rate of one step.
    /// - Parameters:
    ///   - step: from 0. - warmup: steps until the highest rate. - total: steps until the lowest rate.
    ///   - decay: steps of the decay of `warmupStableDecay`.
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

    /// The rate of a step of a run that ends by the clock.
    /// - Parameters:
    ///   - step: from 0; the warm-up and `inverseSquareRoot` go by it, since the clock has not told the speed yet.
    ///   - share: of the run that is over, 0...1. - decay: share of the run that `warmupStableDecay` decays over.
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
