import MartletFormats

/// auto-round (Cheng et al. 2023, SignRound) has no layout of its own: `packing_format` names the one whose tensors it
/// writes, "auto_round:auto_gptq" or "auto_round:auto_awq". "auto_round" alone, or with the name of a kernel, is GPTQ's
/// with zeros as they are and groups of neighbouring inputs.
enum AutoRound {
    /// - Throws: `ModelError.unsupported` for types of weights that are no integers, and for rotated weights.
    static func reader(_ config: ConfigurationReader) throws(ModelError) -> any PackedReader {
        let type = try config.string("data_type", default: "int")
        let packing = try config.string("packing_format", "backend", default: "auto_round:auto_gptq")
        func refuse(_ reason: String) -> ModelError {
            .unsupported(
                file: config.file,
                reason:
                    "quantization_config: auto-round with \(reason) is not read; read are integers packed as "
                    + "auto_round, auto_round:auto_gptq or auto_round:auto_awq. Take the model's unquantised folder, or a "
                    + "GGUF file of it")
        }
        guard type == "int" else { throw refuse("data_type \"\(type.prefix(40))\"") }
        guard config.json["rotation_config"]?.isNull ?? true else { throw refuse("rotation_config") }
        if packing.contains("awq") { return try AWQReader(config) }
        guard packing.contains("auto_round") || packing.contains("gptq") else {
            throw refuse("packing_format \"\(packing.prefix(40))\"")
        }
        // GPTQModel's packing keeps version 2's zeros.
        let isFirst = packing.contains("gptq") && !packing.contains("gptqmodel")
        return try GPTQReader(config, version: isFirst ? 1 : 2)
    }
}
