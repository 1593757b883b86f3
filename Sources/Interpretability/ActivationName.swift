import MartletModels
import MartletSystem

/// The name of a tensor inside a forward pass: ours (`layers.3.residual.after`) or TransformerLens's
/// (`blocks.3.hook_resid_post`), which is an alias of it.
///
/// | name | shape | alias |
/// |---|---|---|
/// | `layers.L.residual.before`, `.middle`, `.after` | tokens, hidden | `blocks.L.hook_resid_pre`, `_mid`, `_post` |
/// | `layers.L.attention.queries.projected`, `.keys.projected` | tokens, heads · dimension | `blocks.L.attn.hook_q`, `hook_k` |
/// | `layers.L.attention.queries`, `.keys`, `.values` | tokens, heads · dimension | `blocks.L.attn.hook_rot_q`, `hook_rot_k`, `hook_v` |
/// | `layers.L.attention.pattern` | heads, tokens, tokens | `blocks.L.attn.hook_pattern` |
/// | `layers.L.attention.heads` | tokens, heads · dimension | `blocks.L.attn.hook_z` |
/// | `layers.L.attention.update`, `layers.L.feedforward.update` | tokens, hidden | `blocks.L.hook_attn_out`, `hook_mlp_out` |
/// | `layers.L.feedforward.pre`, `.linear`, `.neurons` | tokens, size | `blocks.L.mlp.hook_pre`, `hook_pre_linear`, `hook_post` |
/// | `layers.L.router` | tokens, experts | `blocks.L.mlp.hook_expert_weights` |
///
/// Queries and keys are those that attention takes, after norms and rotation; `.projected` ones come before both. A dense
/// feed-forward layer has neurons (`linear` only where it has a gate), a mixture of experts has a router. `ModelProbe.names`
/// lists what a model has.
public struct ActivationName: Hashable, Sendable, CustomStringConvertible {
    public enum Part: String, Sendable, CaseIterable {
        case residualBefore = "residual.before"
        case residualMiddle = "residual.middle"
        case residualAfter = "residual.after"
        case projectedQueries = "attention.queries.projected"
        case projectedKeys = "attention.keys.projected"
        case queries = "attention.queries"
        case keys = "attention.keys"
        case values = "attention.values"
        case pattern = "attention.pattern"
        case heads = "attention.heads"
        case attentionUpdate = "attention.update"
        case feedForwardUpdate = "feedforward.update"
        case preActivation = "feedforward.pre"
        case linear = "feedforward.linear"
        case neurons = "feedforward.neurons"
        case router = "router"

        fileprivate var alias: String {
            switch self {
            case .residualBefore: "hook_resid_pre"
            case .residualMiddle: "hook_resid_mid"
            case .residualAfter: "hook_resid_post"
            case .projectedQueries: "attn.hook_q"
            case .projectedKeys: "attn.hook_k"
            case .queries: "attn.hook_rot_q"
            case .keys: "attn.hook_rot_k"
            case .values: "attn.hook_v"
            case .pattern: "attn.hook_pattern"
            case .heads: "attn.hook_z"
            case .attentionUpdate: "hook_attn_out"
            case .feedForwardUpdate: "hook_mlp_out"
            case .preActivation: "mlp.hook_pre"
            case .linear: "mlp.hook_pre_linear"
            case .neurons: "mlp.hook_post"
            case .router: "mlp.hook_expert_weights"
            }
        }
    }

    public var layer: Int
    public var part: Part

    public init(layer: Int, _ part: Part) { (self.layer, self.part) = (layer, part) }

    public var description: String { "layers.\(layer).\(part.rawValue)" }
    public var alias: String { "blocks.\(layer).\(part.alias)" }

    /// Names for a text with `*` for every layer.
    /// - Throws: `InterpretabilityError.unknownName` with the nearest one.
    public static func names(_ text: String, layerCount: Int) throws(InterpretabilityError) -> [ActivationName] {
        let pieces = text.split(separator: ".", maxSplits: 2).map { String($0) }
        guard pieces.count == 3, pieces[0] == "layers" || pieces[0] == "blocks",
            let part = Part.allCases.first(where: { $0.rawValue == pieces[2] || $0.alias == pieces[2] })
        else {
            let all = Part.allCases.flatMap { [$0.rawValue, $0.alias] }
            let near = Spelling.nearest(to: pieces.count > 2 ? pieces[2] : text, among: all)
            throw .unknownName(text, near: near)
        }
        if pieces[1] == "*" { return (0..<layerCount).map { ActivationName(layer: $0, part) } }
        guard let layer = Int(pieces[1]), (0..<layerCount).contains(layer) else {
            throw .unknownLayer(text, layerCount: layerCount)
        }
        return [ActivationName(layer: layer, part)]
    }

    init(_ site: ActivationSite) {
        switch site {
        case .residualBefore(let layer): self.init(layer: layer, .residualBefore)
        case .residualMiddle(let layer): self.init(layer: layer, .residualMiddle)
        case .residualAfter(let layer): self.init(layer: layer, .residualAfter)
        case .projectedQueries(let layer): self.init(layer: layer, .projectedQueries)
        case .projectedKeys(let layer): self.init(layer: layer, .projectedKeys)
        case .queries(let layer): self.init(layer: layer, .queries)
        case .keys(let layer): self.init(layer: layer, .keys)
        case .values(let layer): self.init(layer: layer, .values)
        case .pattern(let layer): self.init(layer: layer, .pattern)
        case .mixed(let layer): self.init(layer: layer, .heads)
        case .attentionUpdate(let layer): self.init(layer: layer, .attentionUpdate)
        case .feedForwardUpdate(let layer): self.init(layer: layer, .feedForwardUpdate)
        case .preActivation(let layer): self.init(layer: layer, .preActivation)
        case .linear(let layer): self.init(layer: layer, .linear)
        case .neurons(let layer): self.init(layer: layer, .neurons)
        case .router(let layer): self.init(layer: layer, .router)
        }
    }
}

/// Why a model could not be looked into.
public enum InterpretabilityError: Error, Sendable, Equatable, CustomStringConvertible {
    case unknownName(String, near: String?)
    case unknownLayer(String, layerCount: Int)
    /// A part that this model does not have, or that a pass does not show.
    case notSeen(String)
    /// Two prompts that are patched into each other must be as long.
    case lengthsDiffer(clean: Int, corrupted: Int)
    case badInput(String)

    public var description: String {
        switch self {
        case .unknownName(let name, let near):
            "\(name.quoted()) is no name of an activation" + (near.map { "; did you mean \($0)?" } ?? ".")
                + " Names are as layers.3.residual.after or blocks.3.hook_resid_post, with * for every layer"
        case .unknownLayer(let name, let count): "\(name.quoted()): the model has the layers 0 to \(count - 1)"
        case .notSeen(let name): "\(name) is not there in this model's pass"
        case .lengthsDiffer(let clean, let corrupted):
            "the prompts have \(clean) and \(corrupted) tokens; patching needs as many of both, as each is put in the other's place"
        case .badInput(let reason): reason
        }
    }
}
