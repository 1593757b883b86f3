import MartletNN
import MartletSystem

/// A layer that mixes the tokens of a sequence through a state of fixed size in place of attention.
public enum RecurrentSpec: Sendable, Equatable {
    case shortConvolution(ShortConvolutionSpec)
    case selectiveScan(SelectiveScanSpec)
    case stateSpace(StateSpaceSpec)
    case gatedDelta(GatedDeltaSpec)

    /// Numbers of the state of one sequence, in float32.
    public var stateCount: Int {
        switch self {
        case .shortConvolution(let spec): spec.convolution.stateCount
        case .selectiveScan(let spec):
            spec.convolution.stateCount.adding(clamped: spec.inner.multiplied(clampedBy: spec.stateSize))
        case .stateSpace(let spec):
            spec.convolution.stateCount.adding(clamped: spec.inner.multiplied(clampedBy: spec.stateSize))
        case .gatedDelta(let spec):
            spec.convolution.stateCount.adding(clamped: spec.valueWidth.multiplied(clampedBy: spec.keyDimension))
        }
    }

    /// For people: "gated delta rule".
    public var name: String {
        switch self {
        case .shortConvolution: "short convolution"
        case .selectiveScan: "selective scan"
        case .stateSpace: "state space"
        case .gatedDelta: "gated delta rule"
        }
    }
}

/// A causal convolution of single channels, whose state is its last `width − 1` inputs.
public struct ConvolutionSpec: Sendable, Equatable {
    public var channels: Int
    public var width: Int
    public var hasBias: Bool

    public init(channels: Int, width: Int, hasBias: Bool) {
        (self.channels, self.width, self.hasBias) = (channels, width, hasBias)
    }

    var stateCount: Int { channels.multiplied(clampedBy: width - 1) }
    /// How the weights of Mamba's begin: as PyTorch's convolutions do, U(±1 / √width).
    var uniformRule: InitialRule { .uniform(bound: 1 / Double(max(width, 1)).squareRoot()) }
}

extension InitialRule {
    /// The steps that state spaces begin with.
    static let mambaSteps = InitialRule.steps(0.001...0.1, floor: 1e-4)
}

/// The gated short convolution of LFM2 (Liquid AI 2025).
public struct ShortConvolutionSpec: Sendable, Equatable {
    public var convolution: ConvolutionSpec
    /// Biases of both projections.
    public var hasBias: Bool

    public init(convolution: ConvolutionSpec, hasBias: Bool) {
        (self.convolution, self.hasBias) = (convolution, hasBias)
    }
}

/// The mixer of Mamba 1 (Gu and Dao 2023).
public struct SelectiveScanSpec: Sendable, Equatable {
    /// Channels inside.
    public var inner: Int
    /// Numbers of the state of each channel.
    public var stateSize: Int
    /// The width that steps are computed through.
    public var stepRank: Int
    public var convolution: ConvolutionSpec
    /// Biases of the first and the last projection.
    public var hasBias: Bool
    /// The RMSNorms of what steps are computed through, of B and of C, each by itself (Falcon-Mamba, Jamba); nil without.
    public var norm: NormSpec?

    public init(inner: Int, stateSize: Int, stepRank: Int, convolution: ConvolutionSpec, hasBias: Bool) {
        (self.inner, self.stateSize, self.stepRank) = (inner, stateSize, stepRank)
        (self.convolution, self.hasBias) = (convolution, hasBias)
    }
}

/// The mixer of Mamba 2 (Dao and Gu 2024).
public struct StateSpaceSpec: Sendable, Equatable {
    public var heads: Int
    public var headDimension: Int
    /// Heads of B and C.
    public var groups: Int
    public var stateSize: Int
    public var convolutionWidth: Int
    public var hasConvolutionBias: Bool
    /// Biases of the first and the last projection.
    public var hasBias: Bool
    /// Steps are limited to this range.
    public var stepLimits: ClosedRange<Double>
    public var epsilon: Float
    /// Whether a new layer's steps and convolution begin as Mamba 2's; those of Granite 4 begin with a bias of 1, and by
    /// the scheme of matrices.
    public var beginsAsMamba = true
    /// Where the norm of the result is; without one there is only the gate (Falcon-H1).
    public var gateNorm = GateNorm.afterGate
    /// The factor on the layer's input, and those on its gate, x, B, C and steps as they are projected (Falcon-H1).
    public var inputScale: Float = 1
    public var projectionScales: [Float] = [1, 1, 1, 1, 1]

    public enum GateNorm: Sendable {
        /// norm(y ⊙ silu(z))
        case afterGate
        /// norm(y) ⊙ silu(z)
        case beforeGate
        case none
    }

    public init(
        heads: Int, headDimension: Int, groups: Int, stateSize: Int, convolutionWidth: Int, hasConvolutionBias: Bool,
        hasBias: Bool, stepLimits: ClosedRange<Double> = 0...(.infinity), epsilon: Float
    ) {
        (self.heads, self.headDimension, self.groups, self.stateSize) = (heads, headDimension, groups, stateSize)
        (self.convolutionWidth, self.hasConvolutionBias, self.hasBias) = (convolutionWidth, hasConvolutionBias, hasBias)
        (self.stepLimits, self.epsilon) = (stepLimits, epsilon)
    }

    public var inner: Int { heads.multiplied(clampedBy: headDimension) }
    /// The width of B, and of C.
    public var groupWidth: Int { groups.multiplied(clampedBy: stateSize) }
    public var convolution: ConvolutionSpec {
        ConvolutionSpec(
            channels: inner.adding(clamped: groupWidth.multiplied(clampedBy: 2)), width: convolutionWidth,
            hasBias: hasConvolutionBias)
    }
}

/// Linear attention by the gated delta rule (Yang et al. 2024), as Qwen3-Next has it.
public struct GatedDeltaSpec: Sendable, Equatable {
    /// Heads of keys and queries, each of which serves neighbouring heads of values.
    public var keyHeads: Int
    public var heads: Int
    public var keyDimension: Int
    public var valueDimension: Int
    public var convolutionWidth: Int
    public var epsilon: Float

    public init(
        keyHeads: Int, heads: Int, keyDimension: Int, valueDimension: Int, convolutionWidth: Int, epsilon: Float
    ) {
        (self.keyHeads, self.heads) = (keyHeads, heads)
        (self.keyDimension, self.valueDimension) = (keyDimension, valueDimension)
        (self.convolutionWidth, self.epsilon) = (convolutionWidth, epsilon)
    }

    public var keyWidth: Int { keyHeads.multiplied(clampedBy: keyDimension) }
    public var valueWidth: Int { heads.multiplied(clampedBy: valueDimension) }
    public var convolution: ConvolutionSpec {
        ConvolutionSpec(
            channels: keyWidth.multiplied(clampedBy: 2).adding(clamped: valueWidth), width: convolutionWidth,
            hasBias: false)
    }
}
