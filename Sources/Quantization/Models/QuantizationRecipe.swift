import MartletTensor

/// Which type each tensor of a GGUF file gets: llama.cpp's recipes, by their names.
///
/// A recipe is one type for most matrices and better ones for those that lose most: the output projection, values, and
/// what leads back into the residual stream, in some layers more than in others. Source: llama.cpp's list of mixes.
public struct QuantizationRecipe: Sendable, Equatable {
    /// "q4_k_m"
    public let name: String
    /// `general.file_type`
    public let fileType: UInt32
    /// What most matrices become.
    public let type: DType
    let size: Size

    /// S, M and L of the mixes.
    enum Size: Sendable { case plain, small, medium, large }

    private init(_ name: String, _ fileType: UInt32, _ type: DType, _ size: Size = .plain) {
        self.name = name
        self.fileType = fileType
        self.type = type
        self.size = size
    }

    public static let all: [QuantizationRecipe] = [
        .init("f32", 0, .float32), .init("f16", 1, .float16), .init("bf16", 32, .bfloat16),
        .init("q8_0", 7, .q8_0), .init("q6_k", 18, .q6_K), .init("q5_k_m", 17, .q5_K, .medium),
        .init("q5_k_s", 16, .q5_K, .small), .init("q5_1", 9, .q5_1), .init("q5_0", 8, .q5_0),
        .init("q4_k_m", 15, .q4_K, .medium), .init("q4_k_s", 14, .q4_K, .small), .init("q4_1", 3, .q4_1),
        .init("q4_0", 2, .q4_0), .init("iq4_nl", 25, .iq4_NL), .init("iq4_xs", 30, .iq4_XS),
        .init("q3_k_l", 13, .q3_K, .large), .init("q3_k_m", 12, .q3_K, .medium), .init("q3_k_s", 11, .q3_K, .small),
        .init("q2_k", 10, .q2_K), .init("q2_k_s", 21, .q2_K, .small), .init("tq1_0", 36, .tq1_0),
        .init("tq2_0", 37, .tq2_0), .init("mxfp4", 38, .mxfp4),
    ]

    /// - Parameter name: in any case; "q4_k" and "q5_k" mean the middle mix, "q3_k" too.
    /// - Throws: `QuantizationError.unknownRecipe`.
    public static func named(_ name: String) throws(QuantizationError) -> QuantizationRecipe {
        let wanted = name.lowercased(), short = ["q3_k", "q4_k", "q5_k"].contains(wanted) ? wanted + "_m" : wanted
        guard let recipe = all.first(where: { $0.name == short }) else {
            throw .unknownRecipe(name: name, known: all.map(\.name))
        }
        return recipe
    }

    /// What a recipe needs to know of the model.
    struct Model {
        let layers: Int
        /// Query heads for each key head.
        let queryGroups: Int
        let experts: Int
        let hasOutput: Bool
        let hasImportance: Bool
    }

    /// The type a tensor is meant to have, before its shape is looked at; nil for those that stay as they are: vectors,
    /// routers, tables of positions, and what Gemma 3n and 4 have beside their layers' matrices.
    func type(of name: String, shape: Shape, in model: Model) -> DType? {
        guard shape.rank >= 2, name.hasSuffix(".weight"), !name.contains("_norm."), !name.contains("ffn_gate_inp."),
            !name.hasPrefix("position_embd."), !name.hasPrefix("token_types."), !name.hasPrefix("rope_f"),
            !["altup", "laurel", "per_layer_model_proj"].contains(where: name.contains)
        else { return nil }
        guard type.isQuantized else { return type }
        let parts = name.split(separator: "."), layer = parts.count > 2 ? Int(parts[1]) ?? 0 : 0
        let kind = String(parts.dropLast().last ?? "")
        switch kind {
        case "output": return outputType
        case "token_embd": return model.hasOutput ? tableType : outputType
        case "attn_v": return valueType(layer, model)
        case "attn_k": return model.experts == 8 ? .q8_0 : type
        case "attn_qkv": return joinedType
        case "attn_output": return attentionOutputType(model)
        case "ffn_down", "ffn_down_exps": return downType(layer, model)
        default: return type
        }
    }

    private var outputType: DType {
        switch type {
        case .q8_0: .q8_0
        case .tq1_0, .tq2_0: .q6_K
        case .mxfp4: .q8_0
        default: .q6_K
        }
    }

    private var tableType: DType {
        switch type {
        case .tq1_0, .tq2_0: .q4_K
        case .mxfp4: .q8_0
        default: type
        }
    }

    private func valueType(_ layer: Int, _ model: Model) -> DType {
        if model.experts == 8, type != .q8_0 { return .q8_0 }
        let isShared = model.queryGroups >= 4
        switch (type, size) {
        case (.q2_K, .plain): return isShared ? .q4_K : .q3_K
        case (.q2_K, _): return isShared ? .q4_K : type
        case (.q3_K, .medium): return layer < 2 ? .q5_K : .q4_K
        case (.q3_K, .large): return .q5_K
        case (.iq4_NL, _), (.iq4_XS, _): return isShared ? .q5_K : type
        case (.q4_K, .medium), (.q5_K, .medium): return Self.getsMore(layer, model.layers) ? .q6_K : type
        case (.q4_K, .small): return layer < 4 ? .q5_K : type
        default: return type
        }
    }

    private var joinedType: DType {
        switch (type, size) {
        case (.q3_K, .medium), (.q3_K, .large): .q4_K
        case (.q4_K, .medium): .q5_K
        case (.q5_K, .medium): .q6_K
        default: type
        }
    }

    private func attentionOutputType(_ model: Model) -> DType {
        if model.experts == 8 {
            switch (type, size) {
            case (.q2_K, _), (.q3_K, .small), (.q3_K, .medium), (.q4_K, _), (.iq4_NL, _), (.iq4_XS, _): return .q5_K
            default: return type
            }
        }
        switch (type, size) {
        case (.q2_K, .plain): return .q3_K
        case (.q3_K, .medium): return .q4_K
        case (.q3_K, .large): return .q5_K
        default: return type
        }
    }

    private func downType(_ layer: Int, _ model: Model) -> DType {
        let eighth = model.layers / 8
        switch (type, size) {
        case (.q2_K, .plain): return .q3_K
        case (.q2_K, _): return layer < eighth ? .q4_K : type
        case (.q3_K, .medium): return layer < model.layers / 16 ? .q5_K : .q4_K
        case (.q3_K, .large): return .q5_K
        case (.q4_K, .medium), (.q5_K, .medium): return Self.getsMore(layer, model.layers) ? .q6_K : type
        case (.q4_K, .small): return layer < eighth ? .q5_K : type
        case (.iq4_NL, _), (.iq4_XS, _): return layer < eighth && !model.hasImportance ? .q5_K : type
        case (.q4_0, _) where model.hasImportance: return layer < eighth ? .q4_1 : type
        case (.q5_0, _) where model.hasImportance: return layer < eighth ? .q5_1 : type
        default: return type
        }
    }

    /// The first and last eighth of the layers, and every third between.
    private static func getsMore(_ layer: Int, _ layers: Int) -> Bool {
        let eighth = layers / 8
        return layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2
    }

    /// What stands in for a type whose blocks a row is no whole number of.
    static func fallback(for type: DType) -> DType {
        switch type {
        case .q2_K, .q3_K, .iq4_XS: .iq4_NL
        case .q4_K, .tq1_0, .tq2_0: .q5_0
        case .q5_K: .q5_1
        case .q6_K: .q8_0
        default: .float16
        }
    }
}
