import MartletSystem

/// Adapters of experts as PEFT's `target_parameters` names them: by the two tensors in which transformers holds all experts of a
/// layer, `experts.gate_up_proj` and `experts.down_proj`. Here every expert has matrices of its own.
extension DialectReader {
    /// Published names of an expert's matrices, as most families and as Mixtral's have them.
    private static let experts = ["gate_up_proj": "gate_up_proj|gate_proj|up_proj|w1|w3", "down_proj": "down_proj|w2"]

    /// Sets the targets of an adapter to modules and to parameters.
    /// - Parameters:
    ///   - names: of modules: "all-linear", names, or one expression.
    ///   - parameters: "mlp.experts.gate_up_proj".
    func setTargets(_ names: [String], withExperts parameters: [String], by key: String) {
        guard !parameters.isEmpty else { return setTargets(names, by: key) }
        var expressions: [String] = []
        for parameter in parameters {
            let parts = parameter.split(separator: ".").map(String.init)
            guard parts.dropLast().last == "experts", let matrices = Self.experts[parts.last ?? ""] else {
                return refuse(
                    "lora_target_parameters",
                    "\(parameter.quoted()) is none of experts.gate_up_proj and experts.down_proj: name modules "
                        + "(lora_target_modules)")
            }
            expressions.append(#".*\.experts\.(?:\d+\.)?(?:\#(matrices))"#)
        }
        note("lora_target_parameters: gate and up of an expert have an A each here, and share one in PEFT")
        // All products are the experts' too.
        if names.contains(where: ["all", "all-linear", "all_linear"].contains) { return setTargets(names, by: key) }
        for name in names {
            let isExpression = name.contains { "*([\\|^$+?".contains($0) }
            expressions.append(isExpression ? "(?:\(name))" : #"(?:.*\.)?\#(name.replacing(".", with: #"\."#))"#)
        }
        set("targets", expressions.joined(separator: "|"), by: key)
    }
}
