import MartletFormats
import MartletJSON
import MartletNN
import MartletTensor

/// How a folder that another program quantised keeps its matrices: `quantization_config` of config.json. One method is one
/// file; matrices are used as they are stored.
package protocol PackedReader: Sendable {
    /// The names of the tensors that a packed module may have, behind the module's name and a dot.
    var suffixes: [String] { get }
    /// What stands behind the name of a stack of experts.
    var stackSuffixes: [String] { get }
    /// Whether `weight` holds numbers that are rounded before they are used, so that they cannot be trained as they are.
    var roundsTrainedWeights: Bool { get }
    /// The matrix of a module `[out, in]`; nil where the module is not packed.
    func matrix(_ module: PackedModule) throws -> (any WeightMatrix)?
    /// The matrix of an expert whose module holds all experts; nil where the module is not packed.
    func expert(_ index: Int, _ part: ExpertPart, of stack: PackedModule) throws -> (any WeightMatrix)?
    /// The table of an embedding `[tokens, size]`; nil where it is not packed.
    func table(_ module: PackedModule) throws -> Tensor?
}

extension PackedReader {
    package var stackSuffixes: [String] { [] }

    package var roundsTrainedWeights: Bool { false }

    package func expert(_ index: Int, _ part: ExpertPart, of stack: PackedModule) throws -> (any WeightMatrix)? { nil }

    package func table(_ module: PackedModule) throws -> Tensor? { nil }
}

/// A module in a folder of packed weights.
package struct PackedModule {
    /// "model.layers.0.mlp.up_proj" as the files call it.
    let name: String
    let shape: Shape
    let source: any TensorSource
    let file: String

    var outputs: Int { shape[0] }
    var inputs: Int { shape[1] }

    package init(name: String, shape: Shape, source: any TensorSource, file: String) {
        self.name = name
        self.shape = shape
        self.source = source
        self.file = file
    }

    func has(_ suffix: String) -> Bool { source.entry("\(name).\(suffix)") != nil }
    func type(_ suffix: String) -> String? { source.entry("\(name).\(suffix)")?.typeName }

    func tensor(_ suffix: String) throws -> Tensor { try source.tensor("\(name).\(suffix)") }

    func optional(_ suffix: String) throws -> Tensor? { has(suffix) ? try tensor(suffix) : nil }

    /// Scales, levels and offsets.
    /// - Throws: `ModelError.unsupported` for integers, which would be taken for numbers of that size.
    func numbers(_ suffix: String) throws -> Tensor {
        let tensor = try tensor(suffix)
        guard tensor.dtype.isFloatingPoint else {
            throw refuse(suffix, "is \(type(suffix) ?? tensor.dtype.name), expected F16, BF16 or F32")
        }
        return tensor
    }

    /// Codes, zeros and indices; nil where there are none.
    /// - Throws: `ModelError.unsupported` for floating-point numbers, of which the whole part would be taken.
    func integers(_ suffix: String) throws -> Tensor? {
        guard let tensor = try optional(suffix) else { return nil }
        guard !tensor.dtype.isFloatingPoint else {
            throw refuse(suffix, "is \(type(suffix) ?? tensor.dtype.name), expected whole numbers")
        }
        return tensor
    }

    /// - Throws: `ModelError.unsupported` that names the tensor.
    func refuse(_ suffix: String, _ reason: String) -> ModelError {
        .unsupported(file: file, reason: "\(name).\(suffix): \(reason)")
    }
}

package enum PackedFormats {
    package static let supported = [
        "gptq", "awq", "auto-round", "bitsandbytes", "fp8", "fbgemm_fp8", "compressed-tensors", "modelopt", "mxfp4",
        "hqq", "torchao", BitNetReader.method, "mlx",
    ]

    /// - Returns: nil for a configuration that says nothing of quantisation.
    /// - Throws: `ModelError.unsupported` that names the method and those that are read.
    package static func reader(_ configuration: ConfigurationReader) throws(ModelError) -> (any PackedReader)? {
        // mlx calls it "quantization", and names no method.
        let own = configuration.json["quantization"] ?? configuration.json["quantization_config"]
        if let own, own["quant_method"] == nil, own["quant_type"] == nil, own["bits"] != nil || own["group_size"] != nil
        {
            return try MLXReader(ConfigurationReader(file: configuration.file, json: own))
        }
        guard let json = configuration.json["quantization_config"], !json.isNull else { return nil }
        let reader = ConfigurationReader(file: configuration.file, json: json)
        let method = json["quant_method"]?.string ?? json["quant_type"]?.string ?? "unnamed"
        switch method {
        case "gptq": return try GPTQReader(reader)
        case "awq": return try AWQReader(reader)
        case "auto-round", "intel/auto-round": return try AutoRound.reader(reader)
        case "modelopt", "modelopt_fp4": return ModelOptReader()
        case "bitsandbytes": return try BitsAndBytesReader(reader)
        case "fp8", "fbgemm_fp8": return try Float8Reader(reader)
        case "mxfp4": return MXFP4Reader()
        case "compressed-tensors": return try CompressedTensorsReader(reader)
        case "hqq": return try HQQReader(reader)
        case "torchao": return TorchAOReader()
        case BitNetReader.method: return try BitNetReader(reader)
        default:
            throw .unsupported(
                file: configuration.file,
                reason:
                    "quantization_config: the weights are quantised by the method \"\(method.prefix(40))\", which is not "
                    + "read; read are \(supported.joined(separator: ", ")). Take the model's unquantised folder, or a GGUF "
                    + "file of it")
        }
    }
}

/// Groups of neighbouring inputs.
enum InputGroups {
    /// - Parameter size: -1 for one group of all inputs.
    static func neighbours(_ inputs: Int, size: Int) -> [Int32] {
        (0..<inputs).map { size > 0 ? Int32($0 / size) : 0 }
    }

    /// - Throws: `ModelError.unsupported` where the scales of the tensor `suffix` are not of so many groups: fewer would be
    ///   read than there are, and the numbers be others.
    static func neighbours(_ module: PackedModule, size: Int, groups: Int, of suffix: String) throws -> [Int32] {
        let expected = size > 0 ? (module.inputs + size - 1) / size : 1
        guard groups == expected else {
            throw module.refuse(
                suffix, "has \(groups) groups, and the configuration's group_size of \(size) makes \(expected)")
        }
        return neighbours(module.inputs, size: size)
    }
}

extension Tensor {
    /// `[groups, out]` as a list `[out, groups]`.
    func transposedList() throws -> [Float] {
        try to(.float32).transposed().contiguous().toArray(as: Float.self)
    }
}
