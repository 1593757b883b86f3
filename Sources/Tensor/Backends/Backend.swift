import MartletSystem

/// Which implementation computes a model.
public enum Backend: String, Sendable, CaseIterable {
    /// Processor kernels, in float32 and the stored weight formats.
    case cpu
    /// Plain formulas in float64: see `Reference`.
    case reference

    /// The backend named by the environment variable `MARTLET_BACKEND`; `cpu` when it is not set.
    /// - Throws: `TensorError` of kind `.argument` for an unknown name.
    public static func chosen(
        _ name: String? = environmentVariable("MARTLET_BACKEND")
    ) throws(TensorError) -> Backend {
        guard let name, !name.isEmpty else { return .cpu }
        guard let backend = Backend(rawValue: name) else {
            let names = allCases.map(\.rawValue).joined(separator: " or ")
            throw TensorError(.argument, "MARTLET_BACKEND", "\"\(name.prefix(40))\" is not a backend: use \(names)")
        }
        return backend
    }
}
