import MartletSystem

/// What computes a model.
public enum Backend: String, Sendable, CaseIterable {
    /// Kernels of the processor, in float32 and the formats weights are stored in.
    case cpu
    /// The formulas, in float64: see `Reference`.
    case reference

    /// What `MARTLET_BACKEND` names; the processor's kernels without it.
    /// - Throws: `TensorError` for a name that is none.
    public static func chosen(
        _ name: String? = environmentVariable("MARTLET_BACKEND")
    ) throws(TensorError) -> Backend {
        guard let name, !name.isEmpty else { return .cpu }
        guard let backend = Backend(rawValue: name) else {
            let names = allCases.map(\.rawValue).joined(separator: " and ")
            throw TensorError(.argument, "MARTLET_BACKEND", "\"\(name.prefix(40))\" is no backend; there are \(names)")
        }
        return backend
    }
}
