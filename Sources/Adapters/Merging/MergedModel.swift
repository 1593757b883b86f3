import MartletModels
import MartletNN
import MartletTensor

/// Merges adapters into the matrices that they change.
///
/// ```swift
/// try adapter.attach()
/// try MergedModel.merge(into: decoder)       // float32 matrices with the adapter in them
/// ```
public enum MergedModel {
    /// Replaces every matrix and table with adapters by the float32 one that computes the same, and removes the
    /// adapters.
    /// - Parameter progress: called with the number of layers done and their total.
    public static func merge(into decoder: Decoder, progress: (Int, Int) -> Void = { _, _ in }) throws {
        try merge(into: AdapterBase(decoder), progress: progress)
    }

    /// The same of any kind of model.
    public static func merge(into base: AdapterBase, progress: (Int, Int) -> Void = { _, _ in }) throws {
        try noGrad {
            let linears = base.tree.linears.filter { !$0.adapters.isEmpty }
            // A head that shares a table is untied from it before the table changes.
            for linear in linears { linear.untie() }
            for (index, layer) in linears.enumerated() {
                try merge(layer)
                progress(index + 1, linears.count)
            }
            for case let table as Embedding in base.tree.leaves where !table.adapters.isEmpty {
                base.untieHead()
                var rows = try table.weight.float32Matrix().detach()
                for adapter in table.adapters where adapter.isEnabled { rows = try adapter.merged(rows).detach() }
                table.adapters = []
                table.replaceParameters { _, _ in rows }
            }
        }
        base.releasePrepared()
    }

    private static func merge(_ layer: Linear) throws {
        var weight = try layer.matrix.float32Matrix().detach(), bias = layer.bias?.detach()
        for adapter in layer.adapters where adapter.isEnabled {
            (weight, bias) = try adapter.merged(weight, bias: bias)
        }
        layer.adapters = []
        let merged = weight.detach().contiguous(), row = bias?.detach().contiguous()
        try layer.replaceMatrix(merged)
        guard let row else { return }
        layer.replaceParameters { parameter, tensor in parameter.role == .bias ? row : tensor }
    }
}
