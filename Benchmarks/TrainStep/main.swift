// A whole training step, one JSON line: the counterpart of PyTorch's with the same shapes.
//
//     swift run -c release train-step cs336|llama15m|gpt2|mixtral [steps] [profile] [high|medium]
//
// Forward, loss, backward, clipping to norm 1, AdamW, in float32, products in the precision that is named; the median of
// the steps after the third.

import MartletData
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor
import MartletTraining

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

let arguments = CommandLine.arguments
let name = arguments.count > 1 ? arguments[1] : "cs336"
let steps = arguments.count > 2 ? Int(arguments[2]) ?? 8 : 8
let isDetailed = arguments.dropFirst(3).contains("profile")
let precision = arguments.dropFirst(3).compactMap { MatmulPrecision(rawValue: $0) }.first ?? .highest
for word in arguments.dropFirst(3) where word != "profile" && MatmulPrecision(rawValue: word) == nil { refuse(word) }

func refuse(_ name: String) -> Never {
    print("usage: train-step cs336|llama15m|gpt2|mixtral [STEPS] [profile] [high|medium], not \"\(name)\"")
    exit(2)
}

func llama(vocabulary: Int, width: Int, feedForward: Int, layers: Int, heads: Int, tied: Bool) -> String {
    """
    {"model_type": "llama", "vocab_size": \(vocabulary), "hidden_size": \(width), "intermediate_size": \(feedForward),
     "num_hidden_layers": \(layers), "num_attention_heads": \(heads), "max_position_embeddings": 256,
     "rms_norm_eps": 1e-6, "tie_word_embeddings": \(tied)}
    """
}

let (configuration, batch, length): (String, Int, Int) =
    switch name {
    case "gpt2":
        (
            """
            {"model_type": "gpt2", "vocab_size": 50257, "n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 1024,
             "layer_norm_epsilon": 1e-5, "activation_function": "gelu_new"}
            """, 4, 64
        )
    case "llama15m":
        (llama(vocabulary: 32000, width: 288, feedForward: 768, layers: 6, heads: 6, tied: true), 8, 256)
    case "cs336":
        (llama(vocabulary: 10000, width: 512, feedForward: 1344, layers: 4, heads: 16, tied: false), 8, 256)
    case "mixtral":
        (
            """
            {"model_type": "mixtral", "vocab_size": 10000, "hidden_size": 512, "intermediate_size": 1344,
             "num_hidden_layers": 4, "num_attention_heads": 16, "num_key_value_heads": 16, "num_local_experts": 8,
             "num_experts_per_tok": 2, "max_position_embeddings": 256, "rms_norm_eps": 1e-6, "sliding_window": null,
             "tie_word_embeddings": false}
            """, 8, 256
        )
    default: refuse(name)
    }

let reader = ConfigurationReader(file: name, json: try JSON(parsing: Array(configuration.utf8)))
let (_, spec) = try Family.configuration(reader)
let source = TrainableParameters(Initializer(.normal(deviation: 0.02, layers: spec.layerCount), seed: 1))
let model = Decoder(source, spec)
try source.finish()
let loop = try StepLoop(source.parameters) {
    AdamW(ParameterGroup.decaying($0, weightDecay: 0.01), beta2: 0.999)
}
loop.matmulPrecision = precision
if isDetailed { loop.profiledSteps = max(1, steps - 3) }

let tokens = batch * length
var stream = RandomStream(seed: 2)
let ids = (0..<tokens).map { _ in Int32(stream.nextIndex(below: spec.vocabularySize)) }
var rows = TrainingBatch(rows: batch, length: length)
rows.inputs = ids
// As the peer: the labels are the inputs shifted by one, the last of each sequence without one.
rows.targets = (0..<tokens).map { $0 % length == length - 1 ? TrainingBatch.ignoredTarget : ids[$0 + 1] }
rows.positions = (0..<tokens).map { Int32($0 % length) }
rows.segments = (0..<batch).map { TrainingBatch.Segment(row: $0, start: 0, end: length) }

let clock = ContinuousClock()
var seconds: [Double] = []
var loss = 0.0
var profile: StepProfile?
for step in 0..<steps {
    let start = clock.now
    loss = try loop.step(NextToken(model), number: step, rate: 1e-4) { [rows] }?.loss ?? 0
    seconds.append((clock.now - start) / .seconds(1))
    profile = loop.takeProfile() ?? profile
}

let sorted = seconds.dropFirst(3).sorted()
let median = sorted.isEmpty ? seconds[seconds.count - 1] : sorted[sorted.count / 2]
let peak = GEMM.multiplyAddPeak(threads: ThreadPool.shared.workerCount, seconds: 0.2)
var usage = rusage()
getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
// Of a mixture, those of the experts that a token is computed with.
let cost = TrainingCost(spec, length: length)
let gigaflops = cost.trainingPerToken * Double(tokens) / median / 1e9
print(
    """
    {"case": "\(name)", "products": "\(precision.rawValue)", \
    "params": \(source.count), "active": \(cost.activeParameters), "batch": \(batch), "seq": \(length), \
    "tok_per_s": \((Double(tokens) / median * 10).rounded() / 10), "step_ms": \((median * 1000).rounded()), \
    "gflops": \(gigaflops.rounded()), "peak_share": \((gigaflops / peak * 1e12).rounded() / 1000), \
    "loss": \(loss), "rss_mb": \(usage.ru_maxrss / 1024), "buffers_mb": \(BufferPool.shared.peakLiveByteCount >> 20)}
    """)
if let profile { print(profile.table) }
