import MartletModels
import MartletNN
import MartletTensor

extension Adapter {
    /// The configuration as files store it: an adapter that was initialised from singular values has twice the rank
    /// there, because the second half subtracts the initialisation.
    var publishedConfiguration: AdapterConfiguration {
        var result = configuration
        result.targets = writtenTargets
        // PEFT finds the number of a layer behind two names: a class without a head may have one alone ("layers.3").
        if result.layers != nil, targetModules.contains(where: { $0.hasPrefix("layers.") }) { result.layers = nil }
        let isDoubled =
            configuration.kind == .lora && configuration.start == .principal
            && tensors.contains { $0.appended != nil }
        result.start = .usual
        guard isDoubled else { return result }
        let factor = configuration.stabilizesRank ? 2.0.squareRoot() : 2
        result.rank *= 2
        result.alpha *= factor
        result.rankPattern = result.rankPattern.map { .init($0.expression, 2 * $0.value) }
        result.alphaPattern = result.alphaPattern.map { .init($0.expression, factor * $0.value) }
        return result
    }

    /// Modules with an adapter, by their published names.
    var targetModules: [String] {
        var seen: Set<String> = [], names: [String] = []
        for tensor in tensors {
            for mark in [".lora_", ".ia3_l", ".oft_R"] {
                guard let cut = tensor.key.range(of: mark) else { continue }
                let name = String(tensor.key[..<cut.lowerBound].dropFirst("base_model.model.".count))
                if seen.insert(name).inserted { names.append(name) }
            }
        }
        return names
    }

    /// `target_modules`: as they were named, or the shortest names that mean these modules and no others.
    var targetNames: [String] {
        if case .names(let names) = writtenTargets { return names }
        let modules = targetModules, all = base.published.names + base.unread
        let adapted = Set(modules)
        var names: [String] = []
        for module in modules {
            guard !names.contains(where: { ModuleNameMatcher.ends(module, with: $0) }) else { continue }
            let parts = module.split(separator: ".").map(String.init)
            // Of some layers only: the configuration says which.
            let layers = module.hasPrefix("layers.") ? nil : configuration.layers
            let ends = (1...parts.count).lazy.map { parts.suffix($0).joined(separator: ".") }
            let clear = ends.first { end in
                all.allSatisfy { name in
                    !ModuleNameMatcher.ends(name, with: end) || adapted.contains(name)
                        || layers.map { !$0.contains(ModuleNameMatcher.layer(of: name) ?? $0.first ?? 0) } ?? false
                }
            }
            names.append(clear ?? module)
        }
        return names
    }

    /// The targets as they were given, where they mean in PEFT what they mean here: not where they also name a module that is
    /// saved as a whole, or one that nothing here is computed with.
    private var writtenTargets: AdapterConfiguration.Targets {
        guard base.decoder == nil else { return configuration.targets }
        var plain = configuration
        plain.savedModules = []
        guard let matcher = try? ModuleNameMatcher(plain) else { return .allLinear }
        let adapted = Set(targetModules)
        let others = base.published.names.filter { !adapted.contains($0) } + base.unread
        let isPlain = configuration.layers == nil && !others.contains(where: matcher.isTarget)
        return isPlain ? configuration.targets : .allLinear
    }

    /// Whether its modules are stored `[in, out]`, as GPT-2's.
    var isTransposed: Bool {
        let modules = Set(targetModules)
        return base.published.linears.contains { modules.contains($0.published.module) && $0.published.isTransposed }
    }

    /// How many parameters are trained, of how many, and where: told before the first step.
    public var summary: AdapterSummary {
        let all = base.parameterCount
        var counts: [(module: String, count: Int)] = []
        for parameter in parameters {
            var name = parameter.name
            for mark in [".lora_", ".ia3_l", ".oft_R", ".token_adapter"] {
                if let cut = name.range(of: mark) { name = String(name[..<cut.lowerBound]) }
            }
            for end in [".weight", ".bias"] where name.hasSuffix(end) { name = String(name.dropLast(end.count)) }
            if name.hasPrefix("base_model.model.") { name = String(name.dropFirst("base_model.model.".count)) }
            // "layers.*.self_attn.q_proj"
            let kind = name.split(separator: ".").map { Int($0) == nil ? String($0) : "*" }.joined(separator: ".")
            if let index = counts.firstIndex(where: { $0.module == kind }) {
                counts[index].count += parameter.tensor.elementCount
            } else {
                counts.append((kind, parameter.tensor.elementCount))
            }
        }
        let trained = count
        // Parameters that replace the model's own are not counted twice.
        let own = replaced.reduce(0) { $0 + $1.tensor.elementCount }
        return AdapterSummary(
            title: configuration.title, trained: trained, total: all + trained - own, modules: counts)
    }
}

/// Which parameters of a model are trained.
public struct AdapterSummary: Sendable, CustomStringConvertible {
    public var title: String
    public var trained, total: Int
    /// By kind of module, as "model.layers.*.self_attn.q_proj".
    public var modules: [(module: String, count: Int)]

    /// "lora: 4884480 of 139400064 parameters are trained (3.504 %)", and a line for each kind of module.
    public var description: String {
        let share = 100 * Double(trained) / Double(max(total, 1))
        let head = "\(title): \(trained) of \(total) parameters are trained (\(Self.rounded(share)) %)"
        return ([head] + modules.map { "  \($0.module)  \($0.count)" }).joined(separator: "\n")
    }

    private static func rounded(_ value: Double) -> String { "\((value * 1000).rounded() / 1000)" }
}
