/// The names of all operations that are recorded on the tape. Each one is compared with PyTorch by a golden test
/// (GradientGoldenTests); another test compares this list with the source code.
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

    package static let recurrent = ["causalConvolution", "selectiveScan", "stateSpace", "gatedDelta"]

    package static let all = Set(elementwise + reductions + views + indexing + products + fused + recurrent)
}
