import MartletFormats
import MartletJSON
import MartletNN
import MartletSystem
import MartletTensor

/// A folder as mlx-lm writes it: `adapters.safetensors` with `lora_a` `[in, rank]` and `lora_b` `[rank, out]`, the other way
/// round than PEFT's, and `adapter_config.json` with `lora_parameters`, whose scale is used as it is.
public enum MLXAdapter {
    public static let weightsName = "adapters.safetensors"

    static func read(_ path: String) throws -> StoredAdapter {
        let file = path + "/" + PEFTFolder.configurationName, weights = path + "/" + weightsName
        let json: JSON
        do { json = try JSON(parsing: Folder.read(file)) } catch { throw AdapterError(.file, "\(file): \(error)") }
        let type = json["fine_tune_type"]?.string ?? "lora"
        guard type == "lora" || type == "dora" else {
            throw AdapterError(.unsupported, "\(file): fine_tune_type is \(type.quoted()); Martlet reads lora and dora")
        }
        guard let parameters = json["lora_parameters"]?.object else {
            throw AdapterError(.file, "\(file) has no lora_parameters")
        }
        guard let scale = parameters["scale"]?.double ?? parameters["alpha"]?.double, scale.isFinite else {
            throw AdapterError(.file, "\(file): lora_parameters has no scale")
        }
        let (stored, metadata) = try PEFTFolder.tensors(weights)
        var tensors: [String: Tensor] = [:], modules: [String] = [], rank = 0
        for (name, tensor) in stored {
            let kinds = [("lora_a", ".lora_A.weight"), ("lora_b", ".lora_B.weight"), ("m", ".lora_magnitude_vector")]
            guard let (end, key) = kinds.first(where: { name.hasSuffix("." + $0.0) }) else {
                throw AdapterError(.unsupported, "\(weights): \(name) is no tensor of mlx-lm's LoRA or DoRA")
            }
            let module = String(name.dropLast(end.count + 1))
            let isMatrix = end != "m"
            guard tensor.rank == (isMatrix ? 2 : 1) else {
                throw AdapterError(.file, "\(weights): \(name) has shape \(tensor.shape)")
            }
            tensors["base_model.model." + module + key] = isMatrix ? try tensor.transposed().contiguous() : tensor
            if end == "lora_a" {
                modules.append(module)
                rank = max(rank, tensor.shape[1])
            }
        }
        guard !modules.isEmpty else { throw AdapterError(.file, "\(weights) holds no lora_a") }
        var configuration = AdapterConfiguration(.lora)
        configuration.targets = .names(modules.sorted())
        // The scale is PEFT's α / rank, whatever the rank of a module.
        configuration.rank = rank
        configuration.alpha = scale * Double(rank)
        configuration.alphaPattern = alphas(tensors, modules, scale: scale, rank: rank)
        configuration.dropout = parameters["dropout"]?.double ?? 0
        configuration.usesMagnitude = type == "dora"
        configuration.base = json["model"]?.string
        return StoredAdapter(
            file: weights, form: .mlx, configuration, tensors, baseFingerprint: metadata[PEFTFolder.fingerprintKey])
    }

    /// Alphas that give every module the same scale, where ranks differ.
    static func alphas(
        _ tensors: [String: Tensor], _ modules: [String], scale: Double, rank: Int
    ) -> [AdapterConfiguration.Override<Double>] {
        modules.sorted().compactMap { module in
            let own = tensors["base_model.model.\(module).lora_A.weight"]?.shape.first ?? rank
            return own == rank ? nil : .init(module.replacing(".", with: "\\."), scale * Double(own))
        }
    }

    /// - Throws: `AdapterError` for what mlx-lm has no form for.
    public static func write(_ stored: StoredAdapter, to path: String) throws {
        let configuration = stored.configuration
        guard configuration.kind == .lora else {
            throw AdapterError(.unsupported, "mlx-lm has no adapters of the kind \(configuration.title)")
        }
        guard configuration.joinedParameters.isEmpty else {
            throw AdapterError(
                .unsupported,
                "\(stored.file): mlx-lm has no adapters of target_parameters: merge it into its base instead")
        }
        let scales = try LowRankScales(stored)
        guard let scale = scales.common else {
            throw AdapterError(
                .unsupported, "mlx-lm has one scale for all modules, the adapter has several: \(scales.description)")
        }
        var tensors: [(String, Tensor)] = []
        for (key, tensor) in stored.tensors.sorted(by: { $0.key < $1.key }) {
            let name = key.hasPrefix("base_model.model.") ? String(key.dropFirst("base_model.model.".count)) : key
            let kinds = [
                (".lora_A.weight", ".lora_a"), (".lora_B.weight", ".lora_b"), (".lora_magnitude_vector", ".m"),
                (".lora_magnitude_vector.weight", ".m"),
            ]
            guard let (end, own) = kinds.first(where: { name.hasSuffix($0.0) }) else {
                throw AdapterError(.unsupported, "mlx-lm has no form for \(key)")
            }
            let plain = try tensor.to(.float32)
            tensors.append((name.dropLast(end.count) + own, own == ".m" ? plain : try plain.transposed().contiguous()))
        }
        let layers = Set(stored.modules.compactMap { ModuleNameMatcher.layer(of: $0) })
        let keys = Set(
            stored.modules.map { module -> String in
                // "self_attn.q_proj": the name within a layer.
                let parts = module.split(separator: ".")
                guard let number = parts.firstIndex(where: { Int($0) != nil }) else { return module }
                return parts[(number + 1)...].joined(separator: ".")
            })
        let json: JSON = [
            "fine_tune_type": .string(configuration.usesMagnitude ? "dora" : "lora"),
            "model": configuration.base.map { .string($0) } ?? .null,
            "num_layers": .integer(Int64(layers.count)),
            "lora_parameters": [
                "rank": .integer(Int64(configuration.rank)), "scale": .number(scale),
                "dropout": .number(configuration.dropout), "keys": .array(keys.sorted().map { .string($0) }),
            ],
        ]
        try PEFTFolder.fill(path) {
            try SafetensorsWriter.write(tensors, metadata: ["format": "mlx"], to: path + "/" + weightsName)
            try AtomicFile.write(path + "/" + PEFTFolder.configurationName, bytes: json.bytes(indent: 2))
        }
    }
}

/// The scales that the modules of a stored adapter have.
struct LowRankScales: CustomStringConvertible {
    private var scales: [(module: String, scale: Double)] = []

    init(_ stored: StoredAdapter) throws {
        let alphas = try NameOverrides(stored.configuration.alphaPattern)
        for (key, tensor) in stored.tensors {
            guard let end = [".lora_A.weight", ".lora_embedding_A"].first(where: key.hasSuffix) else { continue }
            let module = String(key.dropLast(end.count).dropFirst("base_model.model.".count))
            let alpha = alphas.value(of: module) ?? stored.configuration.alpha
            scales.append((module, Double(stored.configuration.scale(rank: tensor.shape[0], alpha: alpha))))
        }
    }

    /// The one that all have.
    var common: Double? {
        guard let first = scales.first?.scale else { return nil }
        return scales.allSatisfy { abs($0.scale - first) <= 1e-6 * abs(first) } ? first : nil
    }

    func of(_ module: String) -> Double? { scales.first { $0.module == module }?.scale }

    var description: String {
        Set(scales.map { "\($0.scale)" }).sorted().prefix(4).joined(separator: ", ")
    }
}
