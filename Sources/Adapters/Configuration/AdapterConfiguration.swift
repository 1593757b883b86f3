import MartletSystem

/// What an adapter is: its kind, its target modules, and its initialisation. `adapter_config.json` of PEFT holds the
/// same.
///
/// ```swift
/// var configuration = AdapterConfiguration(.lora)
/// configuration.rank = 16
/// configuration.alpha = 32
/// let adapter = try Adapter(configuration, of: decoder, seed: 1)      // attached: everything else is frozen
/// print(adapter.summary)
/// ```
public struct AdapterConfiguration: Sendable, Equatable {
    /// By the names PEFT gives them; `partial`, which PEFT has not, trains parameters of the model itself.
    public enum Kind: String, Sendable, CaseIterable {
        /// W + s B A (Hu et al. 2021); with `usesMagnitude` DoRA (Liu et al. 2024).
        case lora = "LORA"
        /// Scaled keys, values and inputs of the feed-forward (Liu et al. 2022).
        case ia3 = "IA3"
        /// Rotated inputs (Qiu et al. 2023).
        case oft = "OFT"
        /// Learnt embeddings before every text (Lester et al. 2021).
        case prompt = "PROMPT_TUNING"
        /// Learnt keys and values before every text, in every layer (Li and Liang 2021).
        case prefix = "PREFIX_TUNING"
        /// Learnt embeddings that a small network makes (Liu et al. 2021).
        case promptEncoder = "P_TUNING"
        /// Some parameters as they are: biases (BitFit, Ben Zaken et al. 2022), some layers ("freeze").
        case partial = "PARTIAL"

        public var isPrompt: Bool { self == .prompt || self == .prefix || self == .promptEncoder }
    }

    /// The target modules, by the names of the model's published files.
    public enum Targets: Sendable, Equatable {
        /// Names, or ends of names: "q_proj", "mlp.c_proj".
        case names([String])
        /// A regular expression that a whole name matches.
        case expression(String)
        /// Every product but the output projection; of IA³ keys, values and what goes into the feed-forward's last product.
        case allLinear

        /// As it is written: "all-linear", "q_proj,v_proj", or an expression, which has one of `* ( [ \ |`.
        public init(_ text: String) {
            if text == "all-linear" || text == "all" {
                self = .allLinear
            } else if text.contains(where: { "*([\\|^$+?".contains($0) }) {
                self = .expression(text)
            } else {
                self = .names(text.split(whereSeparator: { $0 == "," || $0 == " " }).map(String.init))
            }
        }
    }

    /// Which biases of the model are trained too.
    public enum Bias: String, Sendable, CaseIterable {
        case none, all
        /// Those of modules with an adapter.
        case adapted = "lora_only"
    }

    /// The initialisation of A and B.
    public enum Start: Sendable, Equatable {
        /// A as U(±1/√in), B as 0.
        case usual
        /// A as N(0, 1/rank²), B as 0.
        case gaussian
        /// From the largest singular values of W, which are subtracted from it (PiSSA, Meng et al. 2024).
        case principal
        /// From the largest singular values of the quantisation error (LoftQ, Li et al. 2023); needs the original
        /// model.
        case residual

        public init?(_ name: String) {
            switch name {
            case "usual", "true": self = .usual
            case "gaussian": self = .gaussian
            case "loftq": self = .residual
            default:
                guard name == "pissa" || name.hasPrefix("pissa_niter_") else { return nil }
                self = .principal
            }
        }
    }

    public var kind: Kind
    public var rank = 16
    public var alpha = 32.0
    /// The probability of dropout on the input of A, in training.
    public var dropout = 0.0
    public var targets = Targets.allLinear
    public var excluded: Targets?
    /// Other ranks and alphas for modules whose names end in a match of an expression; the first match counts.
    public var rankPattern: [Override<Int>] = []
    public var alphaPattern: [Override<Double>] = []
    /// Only these layers.
    public var layers: [Int]?
    /// The names that may precede a layer's number; any if empty.
    public var layersPattern: [String] = []
    /// Modules that are trained as a whole and stored with the adapter: "lm_head".
    public var savedModules: [String] = []
    public var bias = Bias.none
    /// s = α / √rank in place of α / rank.
    public var stabilizesRank = false
    /// DoRA.
    public var usesMagnitude = false
    public var start = Start.usual
    /// For IA³: the modules whose input is scaled instead of their output.
    public var feedForwardModules: [String] = []
    /// For OFT: the size of a rotated block, or the number of blocks if the size is 0.
    public var blockSize = 32, blocks = 0
    public var sharesBlocks = false
    /// The number of terms of the Neumann series; nil for the exact inverse.
    public var neumannTerms: Int? = 5
    /// For prompts: the number of virtual tokens.
    public var virtualTokens = 20
    /// For P-tuning: the hidden width of its network.
    public var encoderSize: Int?
    /// The tokens whose embedding rows are trained.
    public var trainedTokens: [Int32] = []
    /// Of files of PEFT: parameters that are no matrix of a module, as experts that are joined in one tensor. They become
    /// targets as soon as the base is known.
    var joinedParameters: [String] = []
    /// For `partial`: which parameters are trained, as patterns of `ModulePattern` on the model's own paths.
    public var trainedPatterns: [String] = []
    /// The base model: a path, or a name on a hub.
    public var base: String?
    /// PEFT's name of what the model is for: "CAUSAL_LM", "SEQ_CLS", "TOKEN_CLS", "FEATURE_EXTRACTION".
    public var taskType: String?

    /// A value for modules whose names match.
    public struct Override<Value: Sendable & Equatable>: Sendable, Equatable {
        public var expression: String
        public var value: Value
        public init(_ expression: String, _ value: Value) { (self.expression, self.value) = (expression, value) }
    }

    public init(_ kind: Kind) { self.kind = kind }

    /// The names people know: lora, rslora, dora, pissa, loftq, ia3, oft, prompt, prefix, p-tuning, bitfit, freeze.
    public static let names = [
        "lora", "rslora", "dora", "pissa", "loftq", "ia3", "oft", "prompt", "prefix", "p-tuning", "bitfit", "freeze",
    ]

    /// - Throws: `AdapterError` for a name that is none, with the nearest.
    public init(named name: String) throws(AdapterError) {
        switch name {
        case "lora", "qlora": self.init(.lora)
        case "rslora":
            self.init(.lora)
            stabilizesRank = true
        case "dora":
            self.init(.lora)
            usesMagnitude = true
        case "pissa":
            self.init(.lora)
            start = .principal
        case "loftq":
            self.init(.lora)
            start = .residual
        case "ia3": self.init(.ia3)
        case "oft": self.init(.oft)
        case "prompt": self.init(.prompt)
        case "prefix": self.init(.prefix)
        case "p-tuning": self.init(.promptEncoder)
        case "bitfit":
            self.init(.partial)
            bias = .all
        case "freeze": self.init(.partial)
        default:
            let near = Spelling.nearest(to: name, among: Self.names).map { "did you mean \($0)? " } ?? ""
            throw AdapterError(
                .configuration,
                "there is no adapter called \(name.quoted()); \(near)There are \(Self.names.joined(separator: ", "))")
        }
    }

    /// What it is called, as in `names`.
    public var title: String {
        switch kind {
        case .lora:
            usesMagnitude
                ? "dora"
                : start == .principal ? "pissa" : start == .residual ? "loftq" : stabilizesRank ? "rslora" : "lora"
        case .ia3: "ia3"
        case .oft: "oft"
        case .prompt: "prompt"
        case .prefix: "prefix"
        case .promptEncoder: "p-tuning"
        case .partial: bias == .all && trainedPatterns.isEmpty ? "bitfit" : "freeze"
        }
    }

    /// s of a module with a rank and an alpha.
    public func scale(rank: Int, alpha: Double) -> Float {
        Float(stabilizesRank ? alpha / Double(rank).squareRoot() : alpha / Double(rank))
    }
}
