import MartletModels
import MartletTensor

/// What becomes of one tensor, and why.
public struct TensorPlan: Sendable {
    public let name: String
    public let shape: Shape
    /// What it is written as.
    public let type: DType
    /// What the recipe meant, where a row is no whole number of its blocks.
    public let wanted: DType?
    let source: WrittenTensor

    public var byteCount: Int { type.byteCount(of: shape.elementCount) ?? 0 }

    /// One line for a tensor that got another type than meant: with the length of its rows and what remains of them.
    public var note: String? {
        guard let wanted else { return nil }
        let columns = shape.last ?? 0
        return "\(name): rows of \(columns) are no whole number of \(wanted.name) blocks of \(wanted.blockLength) "
            + "(\(columns % wanted.blockLength) remain), written as \(type.name)"
    }
}

/// `pattern=type`: tensors whose names match get a type of their own.
public struct TensorOverride: Sendable, Equatable {
    public let pattern: String
    public let type: DType

    /// - Parameter text: "blk.*.ffn_down=q6_k": names as the file has them, `*` any characters; a part of a name is
    ///   enough.
    /// - Throws: `QuantizationError.badOverride` for a text without a pattern or a type that can be written.
    public init(_ text: String) throws(QuantizationError) {
        let parts = text.split(separator: "=", omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty else { throw .badOverride(text, types: Self.types) }
        let name = parts[1].lowercased()
        guard let type = DType.encodable.first(where: { $0.name.lowercased() == name }) else {
            throw .badOverride(text, types: Self.types)
        }
        pattern = String(parts[0])
        self.type = type
    }

    private static var types: [String] { DType.encodable.map { $0.name.lowercased() } }

    func matches(_ name: String) -> Bool {
        // Pieces between stars, one after the other anywhere in the name.
        var rest = name[...]
        for piece in pattern.split(separator: "*") {
            guard let range = rest.firstRange(of: piece) else { return false }
            rest = rest[range.upperBound...]
        }
        return true
    }
}

extension QuantizationRecipe {
    /// The types of all tensors.
    /// - Throws: `QuantizationError.unusedOverride` for a pattern that matches none.
    func plan(
        _ tensors: [WrittenTensor], in model: Model, overrides: [TensorOverride]
    ) throws(QuantizationError) -> [TensorPlan] {
        for override in overrides where !tensors.contains(where: { override.matches($0.name) && $0.shape.rank >= 2 }) {
            throw .unusedOverride(override.pattern, near: tensors.filter { $0.shape.rank >= 2 }.prefix(6).map(\.name))
        }
        return tensors.map { tensor in
            let override = overrides.last { $0.matches(tensor.name) && tensor.shape.rank >= 2 }
            guard let meant = override?.type ?? type(of: tensor.name, shape: tensor.shape, in: model) else {
                return TensorPlan(
                    name: tensor.name, shape: tensor.shape, type: .float32, wanted: nil, source: tensor)
            }
            let columns = tensor.shape.last ?? 0
            var found = meant
            while columns % found.blockLength != 0 { found = Self.fallback(for: found) }
            return TensorPlan(
                name: tensor.name, shape: tensor.shape, type: found, wanted: found == meant ? nil : meant,
                source: tensor)
        }
    }
}
