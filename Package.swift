// swift-tools-version: 6.1
import PackageDescription
import class Foundation.ProcessInfo

/// `MARTLET_CORE=1` leaves out everything that needs a networking package, so that the
/// floors below the hub build and test in seconds. See docs/architecture.md.
let environment = ProcessInfo.processInfo.environment
let coreOnly = environment["MARTLET_CORE"] != nil
/// `MARTLET_EXTRAS=0` leaves out benchmarks and examples, which neither ./test nor an image needs.
let hasExtras = environment["MARTLET_EXTRAS"] != "0"
/// `MARTLET_FIRST=1` leaves out what `martlet-small` does not need, so that a first `./quickstart` fetches one package.
let firstOnly = environment["MARTLET_FIRST"] != nil
/// `MARTLET_TLS=0` leaves out https of the server, and with it the compilation of BoringSSL: a sixth of a first build.
let hasTLS = environment["MARTLET_TLS"] != "0"
/// `MARTLET_SOON=1` compiles without optimisation what `martlet` has and `martlet-small` has not: training, evaluation, the
/// server. ./test sets it until a program of them is built; the rooms that compute are optimised all the same.
let testsSoon = environment["MARTLET_SOON"] == "1"

func floor(
    _ name: String, _ folder: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = []
) -> Target {
    .target(name: name, dependencies: dependencies, path: "Sources/\(folder)", exclude: exclude)
}

/// For rooms that are in no library and whose time nobody feels: tests measure what is built for speed, verbs read words
/// and print lines. Without optimisation they are compiled in a quarter of the time; a job of its own for the module's
/// interface, for which nobody waits, would be an eighth of what is left.
let compiledSoon: [SwiftSetting] = [.unsafeFlags(["-Onone", "-no-emit-module-separately-wmo"])]
/// A test says itself where it failed.
let withoutDebugInfo: [SwiftSetting] = [.unsafeFlags(["-Xfrontend", "-gnone"])]
/// SwiftPM finds tests by an index of them; of what they import it needs none, which would be a fifth of their time.
let ownIndex: [SwiftSetting] = [.unsafeFlags(["-index-ignore-system-modules", "-index-ignore-clang-modules"])]

func tests(
    _ folder: String, _ dependencies: [Target.Dependency], exclude: [String] = [], resources: [Resource]? = nil
) -> Target {
    .testTarget(
        name: "\(folder)Tests", dependencies: dependencies, path: "Tests/\(folder)Tests", exclude: exclude,
        resources: resources, swiftSettings: compiledSoon + withoutDebugInfo + ownIndex)
}

var products: [Product] = [
    .library(
        name: "MartletCore",
        targets: [
            "MartletSystem", "MartletJSON", "MartletTensor", "MartletPatterns", "MartletJinja", "MartletFormats",
            "MartletTokenizers", "MartletGrammar", "MartletChat", "MartletNN", "MartletModels", "MartletInference",
            "MartletData", "MartletTasks", "MartletRuns", "MartletTraining", "MartletQuantization",
            "MartletEvaluation", "MartletInterpretability",
        ])
]
var dependencies: [Package.Dependency] = []
var targets: [Target] = [
    .target(name: "CKernels", path: "Sources/CKernels"),
    // Opens libcurl at run time; `dlopen` is a library of its own in older systems.
    .target(
        name: "CTransfer", path: "Sources/CTransfer",
        linkerSettings: [.linkedLibrary("dl", .when(platforms: [.linux]))]),
    floor("MartletSystem", "System", ["CKernels"]),
    floor("MartletTransfer", "Transfer", ["CTransfer", "MartletSystem"]),
    floor("MartletJSON", "JSON", ["MartletSystem"]),
    floor("MartletTensor", "Tensor", ["CKernels", "MartletSystem"]),
    floor("MartletPatterns", "Patterns", ["MartletSystem"]),
    floor("MartletJinja", "Jinja", ["MartletJSON", "MartletSystem"]),
    floor("MartletFormats", "Formats", ["MartletTensor", "MartletJSON", "MartletSystem"]),
    floor("MartletRuns", "Runs", ["MartletFormats", "MartletJSON", "MartletSystem"]),
    floor("MartletHub", "Hub", ["MartletTransfer", "MartletFormats", "MartletJSON", "MartletSystem"]),
    floor(
        "MartletLoad", "Load",
        ["MartletTransfer", "MartletRuns", "MartletTensor", "MartletJSON", "MartletSystem"]),
    floor("MartletNN", "NN", ["MartletTensor", "MartletSystem"]),
    floor("MartletTokenizers", "Tokenizers", ["MartletPatterns", "MartletJSON", "MartletSystem"]),
    floor(
        "MartletModels", "Models",
        ["MartletNN", "MartletTensor", "MartletFormats", "CKernels", "MartletJSON", "MartletSystem"]),
    floor(
        "MartletAdapters", "Adapters",
        [
            "MartletModels", "MartletNN", "MartletTensor", "MartletFormats", "MartletPatterns", "MartletJSON",
            "MartletSystem",
        ]),
    floor("MartletGrammar", "Grammar", ["MartletTokenizers", "MartletPatterns", "MartletJSON", "MartletSystem"]),
    floor(
        "MartletChat", "Chat", ["MartletGrammar", "MartletTokenizers", "MartletJinja", "MartletJSON", "MartletSystem"]),
    floor(
        "MartletData", "Data",
        ["MartletChat", "MartletTokenizers", "MartletTensor", "MartletFormats", "MartletJSON", "MartletSystem"]),
    floor("MartletTasks", "Tasks", ["MartletData", "MartletTensor", "MartletFormats", "MartletJSON", "MartletSystem"]),
    floor(
        "MartletInference", "Inference",
        [
            "MartletAdapters", "MartletModels", "MartletNN", "MartletTensor", "MartletFormats", "MartletChat",
            "MartletGrammar",
            "MartletTokenizers", "MartletJSON", "MartletSystem",
        ]),
    floor(
        "MartletCatalog", "Catalog",
        [
            "MartletHub", "MartletInference", "MartletAdapters", "MartletModels", "MartletNN", "MartletTensor",
            "MartletFormats", "MartletChat", "MartletGrammar", "MartletTokenizers", "MartletJSON", "MartletSystem",
        ]),
    floor(
        "MartletQuantization", "Quantization",
        [
            "MartletInference", "MartletAdapters", "MartletModels", "MartletNN", "MartletTensor", "MartletFormats",
            "MartletTokenizers", "MartletJSON", "MartletSystem",
        ]),
    floor(
        "MartletAPI", "API",
        [
            "MartletInference", "MartletModels", "MartletChat", "MartletGrammar", "MartletTokenizers", "MartletJSON",
            "MartletSystem",
        ]),
    floor(
        "MartletTraining", "Training",
        [
            "MartletAdapters", "MartletInference", "MartletModels", "MartletNN", "MartletTensor", "MartletTasks",
            "MartletData", "MartletChat", "MartletRuns", "MartletTokenizers", "MartletPatterns", "MartletFormats",
            "MartletTransfer", "MartletJSON", "MartletSystem",
        ]),
    floor(
        "MartletEvaluation", "Evaluation",
        [
            "MartletInference", "MartletModels", "MartletNN", "MartletTensor", "MartletData", "MartletChat",
            "MartletRuns", "MartletJinja", "MartletTransfer", "MartletTraining", "MartletTokenizers", "MartletFormats",
            "MartletJSON", "MartletSystem",
        ]),
    floor(
        "MartletInterpretability", "Interpretability",
        [
            "MartletInference", "MartletModels", "MartletNN", "MartletTensor", "MartletTokenizers", "MartletFormats",
            "MartletJSON", "MartletSystem",
        ]),
    .executableTarget(
        name: "tokenizer-speed", dependencies: ["MartletTokenizers", "MartletJSON"], path: "Benchmarks/TokenizerSpeed",
        exclude: ["tiktoken_speed.py", "compare.sh"]),
    .executableTarget(
        name: "tokenizer-training", dependencies: ["MartletTokenizers", "MartletJSON"],
        path: "Benchmarks/TokenizerTraining",
        exclude: ["train.py", "make_text.py", "compare.py", "compare.sh"]),
    .executableTarget(
        name: "pattern-speed", dependencies: ["MartletPatterns"], path: "Benchmarks/PatternSpeed"),
    .executableTarget(
        name: "gemm-benchmark", dependencies: ["CKernels", "MartletTensor"], path: "Benchmarks/GEMM"),
    .executableTarget(
        name: "packed-products", dependencies: ["CKernels", "MartletNN", "MartletSystem", "MartletTensor"],
        path: "Benchmarks/PackedProducts"),
    .executableTarget(
        name: "engine-load", dependencies: ["MartletInference", "MartletTensor"], path: "Benchmarks/Engine"),
    .executableTarget(
        name: "grammar-benchmark",
        dependencies: ["MartletInference", "MartletGrammar", "MartletTokenizers", "MartletJSON"],
        path: "Benchmarks/Grammar", exclude: ["check_walks.py"]),
    .executableTarget(
        name: "divergence", dependencies: ["MartletInference", "MartletModels", "MartletNN", "MartletTensor"],
        path: "Benchmarks/Divergence"),
    .executableTarget(
        name: "train-step",
        dependencies: [
            "MartletTraining", "MartletData", "MartletModels", "MartletNN", "MartletTensor", "MartletJSON",
        ],
        path: "Benchmarks/TrainStep"),
    .executableTarget(
        name: "adapter-step",
        dependencies: [
            "MartletTraining", "MartletData", "MartletModels", "MartletNN", "MartletTensor", "MartletJSON",
            "MartletSystem",
        ],
        path: "Benchmarks/AdapterStep"),
    tests("System", ["MartletSystem"]),
    tests("Transfer", ["MartletTransfer", "TestServers"]),
    tests("Hub", ["MartletHub", "MartletFormats", "MartletSystem"]),
    tests("Load", ["MartletLoad", "MartletTensor", "MartletJSON", "TestServers"]),
    tests("JSON", ["MartletJSON"]),
    tests("CKernels", ["CKernels"], exclude: ["Goldens"]),
    tests(
        "Tensor", ["MartletTensor", "CKernels", "MartletFormats", "MartletJSON", "MartletSystem"], exclude: ["Goldens"]),
    tests("Patterns", ["MartletPatterns", "MartletTokenizers", "MartletJSON"], exclude: ["Goldens"]),
    tests("Tokenizers", ["MartletTokenizers", "MartletPatterns", "MartletJSON"], exclude: ["Goldens"]),
    tests("Grammar", ["MartletGrammar", "MartletTokenizers", "MartletJSON", "TinyModels"], exclude: ["Goldens"]),
    tests("Chat", ["MartletChat", "MartletJinja", "MartletTokenizers", "MartletJSON"], exclude: ["Goldens"]),
    tests("Formats", ["MartletFormats", "MartletTensor", "MartletJSON"], exclude: ["Goldens"]),
    tests(
        "Data", ["MartletData", "MartletTokenizers", "MartletTensor", "MartletFormats", "MartletJSON", "TinyModels"],
        exclude: ["Goldens"]),
    tests("Tasks", ["MartletTasks", "MartletData", "MartletJSON", "TinyModels"]),
    tests(
        "Quantization",
        [
            "MartletQuantization", "MartletTraining", "MartletInference", "MartletAdapters", "MartletModels",
            "MartletNN", "MartletTensor", "MartletFormats", "MartletTokenizers", "MartletJSON", "TinyModels",
        ],
        exclude: ["Goldens"]),
    tests("NN", ["MartletNN", "MartletTensor", "MartletFormats"], exclude: ["Goldens"]),
    tests(
        "Models", ["MartletModels", "MartletNN", "MartletTensor", "MartletFormats", "MartletJSON", "TinyModels"],
        exclude: ["Goldens"]
    ),
    tests(
        "Adapters",
        [
            "MartletAdapters", "MartletModels", "MartletNN", "MartletTensor", "MartletFormats", "MartletJSON",
            "TinyModels",
        ], exclude: ["Goldens"]),
    tests(
        "Training",
        [
            "MartletTraining", "MartletAdapters", "MartletTasks", "MartletInference", "MartletModels", "MartletNN",
            "MartletTensor",
            "MartletData", "MartletChat", "MartletRuns", "MartletTokenizers", "MartletFormats", "MartletJSON",
            "TestServers", "TinyModels",
        ], exclude: ["Goldens"]),
    tests(
        "Evaluation",
        [
            "MartletEvaluation", "MartletTraining", "MartletInference", "MartletModels", "MartletNN", "MartletChat",
            "MartletData", "MartletFormats", "MartletJSON", "TinyModels", "TestServers",
        ], exclude: ["Goldens"]),
    tests(
        "Interpretability",
        [
            "MartletInterpretability", "MartletInference", "MartletModels", "MartletNN", "MartletTensor",
            "MartletTokenizers", "MartletFormats", "MartletJSON", "TinyModels",
        ]),
    tests("Runs", ["MartletRuns", "MartletFormats", "MartletJSON"]),
    tests(
        "Inference",
        [
            "MartletInference", "MartletAdapters", "MartletModels", "MartletNN", "MartletTensor", "MartletChat",
            "MartletGrammar",
            "MartletTokenizers", "MartletFormats", "MartletJSON", "TinyModels",
        ], exclude: ["Goldens"]),
    tests(
        "API", ["MartletAPI", "MartletInference", "MartletChat", "MartletGrammar", "MartletJSON", "TinyModels"],
        exclude: ["Goldens"]),
    // A server on loopback that says what a test tells it to.
    .target(name: "TestServers", path: "Tests/TestServers", swiftSettings: compiledSoon + withoutDebugInfo),
    // Random models of a few kilobytes for the tests of everything above the models.
    .target(
        name: "TinyModels", dependencies: ["MartletFormats", "MartletTensor", "MartletJSON"], path: "Tests/TinyModels",
        swiftSettings: compiledSoon + withoutDebugInfo),
]

if !coreOnly {
    dependencies.append(.package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"))
    products.append(.executable(name: "martlet-small", targets: ["MartletSmall"]))
    targets += [
        .target(
            name: "MartletVerbs",
            dependencies: [
                "MartletCatalog", "MartletSystem", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Sources/Verbs", swiftSettings: compiledSoon),
        .executableTarget(
            name: "MartletSmall",
            dependencies: [
                "MartletVerbs", "MartletSystem", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Sources/SmallProgram", swiftSettings: compiledSoon),
    ]
}

if !coreOnly && !firstOnly {
    dependencies += [
        .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.5.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.80.0"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.25.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.30.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.3.0"),
    ]
    products += [
        .library(name: "Martlet", targets: ["Martlet"]),
        .library(name: "MartletServer", targets: ["MartletServer"]),
        .executable(name: "martlet", targets: ["MartletCLI"]),
    ]
    targets += [
        floor(
            "Martlet", "Martlet",
            [
                "MartletAdapters", "MartletCatalog", "MartletChat", "MartletData", "MartletEvaluation",
                "MartletFormats", "MartletGrammar", "MartletHub", "MartletInference", "MartletInterpretability",
                "MartletJinja", "MartletJSON", "MartletModels", "MartletNN", "MartletSystem", "MartletTensor",
                "MartletTokenizers",
                "MartletQuantization", "MartletRuns", "MartletTasks", "MartletTraining", "MartletTransfer",
            ]),
        floor("MartletEventLoops", "EventLoops", [.product(name: "NIOCore", package: "swift-nio")]),
        .executableTarget(name: "embed-pages", path: "Plugins/embed-pages"),
        .plugin(
            name: "EmbedPages", capability: .buildTool(), dependencies: ["embed-pages"], path: "Plugins/EmbedPages"),
        .target(
            name: "MartletServer",
            dependencies: [
                "MartletSystem", "Martlet", "MartletAPI", "MartletEventLoops", "MartletFormats", "MartletJSON",
                "MartletModels", "MartletRuns",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
            ]
                + (hasTLS ? [.product(name: "NIOSSL", package: "swift-nio-ssl")] : []),
            path: "Sources/Server", exclude: ["Pages"], swiftSettings: hasTLS ? [.define("TLS")] : [],
            plugins: ["EmbedPages"]),
        .executableTarget(
            name: "MartletCLI",
            dependencies: [
                "MartletSystem", "Martlet", "MartletVerbs", "MartletServer", "MartletLoad",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Yams", package: "Yams"),
            ],
            path: "Sources/CommandLine", swiftSettings: compiledSoon),
        tests(
            "Server",
            [
                "MartletServer", "MartletAPI", "MartletInference", "MartletJSON", "TestServers", "TinyModels",
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Logging", package: "swift-log"),
            ],
            exclude: ["clients", "pages"]),
        tests("CommandLine", ["Martlet", "MartletFormats", "MartletJSON", "MartletTokenizers", "TinyModels"]),
    ]
}

// The programs of Examples/Library, which is a package of its own, are compiled here with the modules that are built
// anyway, and see only what is public.
if !coreOnly && !firstOnly {
    targets += ["ask", "conversation", "structured", "tools", "search", "train", "serve"].map { name in
        .executableTarget(
            name: "\(name)-example", dependencies: name == "serve" ? ["Martlet", "MartletServer"] : ["Martlet"],
            path: "Examples/Library/Sources/\(name)", packageAccess: false)
    }
}

if testsSoon {
    let rooms = [
        "API", "Data", "Evaluation", "Interpretability", "Load", "Quantization", "Runs", "Server", "Tasks", "Training",
    ]
    let soon = Set(rooms.map { "Martlet\($0)" } + ["Martlet"])
    for target in targets where soon.contains(target.name) {
        target.swiftSettings = (target.swiftSettings ?? []) + compiledSoon + withoutDebugInfo
    }
}

// `MARTLET_TESTS=Tokenizers,Data` keeps the tests of those rooms only, and no benchmarks: what a change is tried with.
if let rooms = environment["MARTLET_TESTS"] {
    let kept = Set(rooms.split(separator: ",").map { "\($0)Tests" })
    targets.removeAll { $0.type == .test && !kept.contains($0.name) }
}
if !hasExtras || environment["MARTLET_TESTS"] != nil {
    targets.removeAll { $0.path?.hasPrefix("Benchmarks/") == true || $0.path?.hasPrefix("Examples/") == true }
}

// A module that exports others is all that its users name, and SwiftPM compiles a module again only where what it names has
// changed. So they name the others as well: without that a changed structure was read by its layout of before.
let exports = [
    "MartletTraining": ["Runs"],
    "MartletCatalog": [
        "Adapters", "Chat", "Formats", "Grammar", "Hub", "Inference", "JSON", "Models", "NN", "Tensor", "Tokenizers",
    ],
    "Martlet": [
        "Adapters", "Catalog", "Chat", "Data", "Evaluation", "Formats", "Grammar", "Hub", "Inference",
        "Interpretability", "JSON", "Models", "NN", "Quantization", "Runs", "Tasks", "Tensor", "Tokenizers", "Training",
    ],
]
for target in targets {
    func names(_ module: String) -> Bool {
        target.dependencies.contains { if case .byNameItem(module, _) = $0 { true } else { false } }
    }
    for (module, others) in exports where names(module) {
        for other in others.map({ "Martlet\($0)" }) where other != target.name && !names(other) {
            target.dependencies.append(.byName(name: other))
        }
    }
}

let package = Package(
    name: "martlet",
    platforms: [.macOS(.v15)],
    products: products,
    dependencies: dependencies,
    targets: targets,
    swiftLanguageModes: [.v6],
    cLanguageStandard: .c11
)
