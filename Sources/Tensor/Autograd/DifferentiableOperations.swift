/// The operations that note themselves on the tape, by the names of their nodes: every one has a golden comparison with
/// PyTorch (GradientGoldenTests), and a test holds this list against the source.
package enum DifferentiableOperations {
    package static let elementwise: [String] =
        BinaryOperation.allCases.map(\.rawValue) + UnaryOperation.allCases.map(\.rawValue) + ["where", "maskedFill"]

    package static let reductions = ["sum", "prod", "cumulativeSum", "cumulativeProduct", "softmax", "logSoftmax"]

    package static let views = [
        "permute", "transpose", "expand", "select", "slice", "diagonal", "unfold", "reshape", "copy", "to",
        "concatenate", "flip",
    ]

    package static let indexing = ["indexSelect", "gather", "scatter", "scatterAdd"]

    package static let products = ["matmul", "linear", "attention"]

    package static let fused = [
        "rmsNorm", "layerNorm", "activate", "gate", "add", "rotate", "embed", "placeRows", "crossEntropy",
        "logProbabilities", "dropout",
    ]

    package static let all = Set(elementwise + reductions + views + indexing + products + fused)
}
