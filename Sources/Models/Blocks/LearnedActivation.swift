import MartletNN
import MartletTensor

/// xIELU, an activation with learned slopes (Huang and Schlag 2024):
///
///     f(x) = p x² + β x for x > 0,  n (e^min(x, ε) − 1 − x) + β x otherwise
///
/// with p = softplus(alpha_p) and n = β + softplus(alpha_n). β and ε are stored and not trained.
final class LearnedActivation: ModuleLeaf {
    let path: String
    var kind: String { "activation" }
    private var values: [String: Tensor] = [:]
    var hooks = LeafHooks()

    private static let names = ["alpha_n", "alpha_p", "beta", "eps"]

    init(_ source: ParameterSource, _ path: String) {
        self.path = path
        for name in Self.names {
            values[name] = source.parameter("\(path).\(name)", shape: name.hasPrefix("alpha") ? [1] : [], role: .bias)
        }
        source.register(self)
    }

    var parameters: [ModuleParameter] {
        Self.names.compactMap { name in
            values[name].map { ModuleParameter(path: "\(path).\(name)", role: .bias, value: $0) }
        }
    }

    func replaceParameters(_ change: (ModuleParameter, Tensor) throws -> Tensor) rethrows {
        for parameter in parameters {
            guard let name = parameter.path.split(separator: ".").last.map(String.init), let tensor = values[name]
            else { continue }
            values[name] = try change(parameter, tensor)
        }
    }

    /// `[tokens, size]` -> same.
    func callAsFunction(_ x: Tensor) throws -> Tensor {
        func value(_ name: String) throws -> Tensor { try (values[name] ?? Tensor.zeros([1])).to(x.dtype) }
        let beta = try value("beta").detach(), eps = try value("eps").detach()
        let positive = try value("alpha_p").softplus(), negative = try value("alpha_n").softplus() + beta
        let above = try positive * x * x, below = try negative * (x.minimum(eps).expm1() - x)
        return try Tensor.where(x .> 0, above, below) + beta * x
    }
}
