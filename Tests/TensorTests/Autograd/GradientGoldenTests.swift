import MartletFormats
@preconcurrency import MartletTensor
import Testing

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Results and gradients of every differentiable operation against PyTorch's (Goldens/make_gradient_goldens.py).
struct GradientGoldenTests {
    private static let goldens = #filePath.replacing(
        "Autograd/GradientGoldenTests.swift", with: "Goldens/gradients.safetensors")

    @Test(arguments: GradientGoldenCase.all)
    func gradientsEqualPyTorchs(test: GradientGoldenCase) throws {
        let file = try SafetensorsFile(path: Self.goldens)
        var inputs: [Tensor] = []
        while file.entry("\(test.name).in\(inputs.count)") != nil {
            inputs.append(try file.tensor("\(test.name).in\(inputs.count)").copied().requiringGrad())
        }
        try #require(!inputs.isEmpty, "no golden")
        let result = try test.function(inputs)
        #expect(result.operations.contains(test.operation), "\(result.operations)")
        try compare("result", result, file.tensor(test.name + ".out"))
        try result.backward(gradient: file.tensor(test.name + ".gradient").to(result.dtype))
        for (index, input) in inputs.enumerated() {
            let found = try input.gradient ?? Tensor.zeros(input.shape)
            try compare("gradient \(index)", found, file.tensor("\(test.name).gradient\(index)"))
        }
    }

    private static let fused: Set = [
        "linear", "rmsNorm", "layerNorm", "activate", "gate", "softmax", "attention", "embed", "placeRows", "rotate",
        "crossEntropy", "logProbabilities",
    ]

    /// The formulas in float64, which the kernels are compared with elsewhere.
    @Test(arguments: GradientGoldenCase.all.filter { fused.contains($0.operation) })
    func formulasEqualPyTorchs(test: GradientGoldenCase) throws {
        let file = try SafetensorsFile(path: Self.goldens)
        var inputs: [Tensor] = []
        while file.entry("\(test.name).in\(inputs.count)") != nil {
            inputs.append(try file.tensor("\(test.name).in\(inputs.count)").to(.float64).requiringGrad())
        }
        let result = try test.function(inputs)
        #expect(result.dtype == .float64)
        try compare("result", result, file.tensor(test.name + ".out"))
        try result.backward(gradient: file.tensor(test.name + ".gradient").to(result.dtype))
        for (index, input) in inputs.enumerated() {
            let found = try input.gradient ?? Tensor.zeros(input.shape, dtype: .float64)
            try compare("gradient \(index)", found, file.tensor("\(test.name).gradient\(index)"))
        }
    }

    private func compare(_ what: String, _ found: Tensor, _ wanted: Tensor) throws {
        #expect(found.shape == wanted.shape, "\(what)")
        guard found.shape == wanted.shape else { return }
        let a: [Double] = try found.detach().to(.float32).toArray(), b: [Double] = try wanted.toArray()
        let scale = max(1, b.reduce(0) { max($0, abs($1)) })
        let error = zip(a, b).reduce(0.0) { max($0, abs($1.0 - $1.1)) }
        #expect(error <= 3e-6 * scale, "\(what): off by \(error) of \(scale)")
    }

    @Test func everyDifferentiableOperationHasAGolden() {
        let covered = Set(GradientGoldenCase.all.map(\.operation))
        let missing = DifferentiableOperations.all.subtracting(covered)
        #expect(missing.isEmpty, "no golden case for \(missing.sorted())")
        #expect(covered.isSubset(of: DifferentiableOperations.all))
    }

    /// The names that the sources give their nodes, against the list.
    @Test func listNamesEveryOperationOfTheSource() throws {
        let root = #filePath.replacing("Tests/TensorTests/Autograd/GradientGoldenTests.swift", with: "Sources/Tensor")
        var found: Set<String> = [], files = 0
        for path in try Self.sources(root) {
            files += 1
            let text = try String(decoding: Folder.read(path), as: UTF8.self)
            for line in text.split(separator: "\n") {
                let code = line.drop { $0 == " " }
                if code.hasPrefix("//") { continue }
                for match in line.matches(of: /(?:record|recorded|View|Part|Function|Sum)\("([a-zA-Z]+)"/) {
                    found.insert(String(match.1))
                }
            }
        }
        #expect(files > 40 && found.count > 25)
        // Recomputation is no function of its own; its gradient is its body's.
        let missing = found.subtracting(DifferentiableOperations.all).subtracting(["checkpointed"])
        #expect(missing.isEmpty, "not in DifferentiableOperations: \(missing.sorted())")
    }

    /// Every Swift file in a folder and the folders in it.
    private static func sources(_ folder: String) throws -> [String] {
        try names(folder).flatMap { name in
            let path = folder + "/" + name
            return name.hasSuffix(".swift") ? [path] : try sources(path)
        }
    }

    private static func names(_ folder: String) throws -> [String] {
        let handle = try #require(opendir(folder))
        defer { closedir(handle) }
        var names: [String] = []
        while let entry = readdir(handle) {
            names.append(
                withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                })
        }
        return names.filter { !$0.hasPrefix(".") }
    }
}
