import MartletModels
import MartletNN
import MartletTensor

/// PEFT's adapters of the parameters of experts (`target_parameters`), read as one adapter for each matrix of an expert.
///
/// transformers holds the experts of a layer in two tensors: `gate_up_proj` `[experts, 2 inner, hidden]` and `down_proj`
/// `[experts, hidden, inner]`. For each, PEFT stores A as `[experts · rank, in]`, one expert after the other, and B as
/// `[out, rank · experts]`, the experts of each rank beside each other; what belongs to the first of both stands under
/// `base_layer`. Gate and up have one A, and each its half of B.
struct JoinedExperts {
    private let stored: StoredAdapter
    private let ranks: NameOverrides<Int>
    private let alphas: NameOverrides<Double>
    /// Of experts by their paths in the model: "model.layers.0.mlp.experts.3.gate_proj".
    private let places: [String: PublishedLayer]
    /// In the order in which a module has them.
    private static let names = ["gate_up_proj", "down_proj"]
    private static let prefix = "base_model.model."

    /// The same adapter with a target for every matrix; unchanged where no parameters are named.
    /// - Throws: `AdapterError` for parameters and families that are not known to be joined so.
    static func separated(_ stored: StoredAdapter, _ published: PublishedLayers) throws -> StoredAdapter {
        guard !stored.configuration.joinedParameters.isEmpty else { return stored }
        return try JoinedExperts(stored, published).separated()
    }

    private init(_ stored: StoredAdapter, _ published: PublishedLayers) throws {
        self.stored = stored
        ranks = try NameOverrides(stored.configuration.rankPattern)
        alphas = try NameOverrides(stored.configuration.alphaPattern)
        places = published.linears.reduce(into: [:]) { places, one in
            if one.layer.path.contains(".experts.") { places[one.layer.path] = one.published }
        }
    }

    private func separated() throws -> StoredAdapter {
        var result = stored, joined: [String] = [], modules: [String] = []
        for parameter in stored.configuration.joinedParameters {
            let name = parameter.split(separator: ".").last.map(String.init) ?? parameter
            if Self.names.contains(name) {
                joined.append(name)
            } else if name == "weight", parameter.contains(".") {
                // A matrix of a module by itself, as a router's.
                modules.append(String(parameter.dropLast(".weight".count)))
            } else {
                throw AdapterError(
                    .unsupported,
                    "\(stored.file): target_parameters has \(parameter.quoted()); gate_up_proj and down_proj of experts are "
                        + "read, and weights of modules: merge the adapter into its base where it was made")
            }
        }
        let order = Self.names.filter(joined.contains)
        var alphaOfKind: [String: Double] = [:]
        for (module, levels) in levels() {
            guard levels.count == order.count else {
                throw AdapterError(
                    .file,
                    "\(stored.file): \(module) has adapters of \(levels.count) parameters, its adapter_config.json names "
                        + "\(order.joined(separator: ", "))")
            }
            for (name, level) in zip(order, levels) {
                let alpha = alphas.value(of: "\(module).\(name)") ?? stored.configuration.alpha
                for (kind, key, tensor) in try parts(of: module, name, level) {
                    result.tensors[key] = tensor
                    alphaOfKind[kind] = alpha
                }
                result.tensors[level + ".lora_A.weight"] = nil
                result.tensors[level + ".lora_B.weight"] = nil
            }
        }
        result.configuration.joinedParameters = []
        try name(alphaOfKind, modules, in: &result.configuration)
        return result
    }

    /// The keys of each module's adapters without their ends, the innermost, which is of the first parameter, first.
    private func levels() -> [(module: String, levels: [String])] {
        var found: [String: [String]] = [:]
        for key in stored.tensors.keys where key.hasSuffix(".lora_A.weight") && key.hasPrefix(Self.prefix) {
            let level = String(key.dropLast(".lora_A.weight".count))
            let module = level.dropFirst(Self.prefix.count).replacing(".base_layer", with: "")
            if module.hasSuffix(".experts") { found[String(module), default: []].append(level) }
        }
        return found.sorted { $0.key < $1.key }.map { ($0.key, $0.value.sorted { $0.count > $1.count }) }
    }

    /// Names and tensors of every expert.
    private func parts(
        of module: String, _ name: String, _ level: String
    ) throws -> [(kind: String, key: String, tensor: Tensor)] {
        guard let down = stored.tensors[level + ".lora_A.weight"], let up = stored.tensors[level + ".lora_B.weight"]
        else {
            throw AdapterError(.file, "\(stored.file) has a lora_A of \(module).\(name) and no lora_B")
        }
        let rank = ranks.value(of: "\(module).\(name)") ?? stored.configuration.rank
        guard down.rank == 2, up.rank == 2, rank > 0, down.shape[0] % rank == 0, up.shape[1] == down.shape[0],
            let layer = ModuleNameMatcher.layer(of: module)
        else {
            throw AdapterError(
                .file,
                "\(stored.file): \(module).\(name) has A \(down.shape) and B \(up.shape), which are of no whole number of "
                    + "experts at rank \(rank)")
        }
        let experts = down.shape[0] / rank, outputs = up.shape[0]
        let kinds = name == "down_proj" ? ["down_proj"] : ["gate_proj", "up_proj"]
        let byExpert = try up.contiguous().reshape([outputs, rank, experts])
        var result: [(String, String, Tensor)] = []
        for expert in 0..<experts {
            let own = try byExpert.slice(2, from: expert, to: expert + 1).contiguous().reshape([outputs, rank])
            for (index, kind) in kinds.enumerated() {
                let path = "model.layers.\(layer).mlp.experts.\(expert).\(kind)"
                guard let place = places[path], place.part == nil, place.order == nil, outputs % kinds.count == 0 else {
                    throw AdapterError(
                        places.isEmpty ? .unsupported : .otherBase,
                        "\(stored.file): \(module).\(name) belongs to no experts that the base's files hold apart: the "
                            + "adapter was made for another model, or is to be merged into its base where it was made")
                }
                let key = Self.prefix + place.module, size = outputs / kinds.count
                let end = place.module.split(separator: ".").last.map(String.init) ?? kind
                let rows = try down.slice(0, from: expert * rank, to: (expert + 1) * rank)
                // Each a memory of its own, since each may be trained.
                result.append((end, key + ".lora_A.weight", rows.copied()))
                let half = try own.slice(0, from: index * size, to: (index + 1) * size)
                result.append((end, key + ".lora_B.weight", half.copied()))
            }
        }
        return result
    }

    /// Names the experts as targets, and their alphas.
    private func name(
        _ alphas: [String: Double], _ modules: [String], in configuration: inout AdapterConfiguration
    ) throws {
        guard case .names(let names) = configuration.targets, configuration.layers == nil || alphas.isEmpty else {
            throw AdapterError(
                .unsupported,
                "\(stored.file): target_parameters beside an expression or layers_to_transform is not read: merge the adapter "
                    + "into its base where it was made")
        }
        guard !alphas.isEmpty else {
            configuration.targets = .names(names + modules)
            return
        }
        let kinds = alphas.keys.sorted()
        let experts = "experts\\.\\d+\\.(?:\(kinds.joined(separator: "|")))"
        let plain = (names + modules).map { $0.replacing(".", with: "\\.") } + [experts]
        configuration.targets = .expression("(?:.*\\.)?(?:\(plain.joined(separator: "|")))")
        configuration.rankPattern.removeAll { Self.isOfJoined($0.expression) }
        configuration.alphaPattern.removeAll { Self.isOfJoined($0.expression) }
        configuration.alphaPattern =
            kinds.compactMap { kind in
                guard let alpha = alphas[kind], alpha != configuration.alpha else { return nil }
                return .init("experts\\.\\d+\\.\(kind)", alpha)
            } + configuration.alphaPattern
    }

    /// Whether an expression is of a tensor that is not there any more.
    private static func isOfJoined(_ expression: String) -> Bool { expression.contains("gate_up_proj") }
}
