import ArgumentParser
import Martlet

struct ConvertCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert",
        abstract: "Write a model in another form: a GGUF file, or a folder that transformers reads.",
        discussion: """
            Without --dtype a type that loses nothing stays: bfloat16 from a folder to a GGUF file and back is the same, \
            bit for bit. Blocks of a quantised file become the numbers that they stand for, in bfloat16 if nothing else \
            is said. `martlet quantize` writes blocks.

            Examples:
              martlet convert runs/first --to gguf --out first.gguf
              martlet convert model.gguf --to hf --dtype bf16 --out folder/
            """)
    @Argument(help: "A folder, a GGUF file, org/name, or a short name.") var model: String
    @Option(help: "gguf or hf.") var to: Form
    @Option(help: "f32, f16 or bf16.") var dtype: PlainType?
    @Option(name: .shortAndLong, help: "The file, or the folder, to write.") var out: String
    @Flag(help: "One JSON object instead of text.") var json = false

    enum Form: String, ExpressibleByArgument, CaseIterable { case gguf, hf }

    enum PlainType: String, ExpressibleByArgument, CaseIterable {
        case f32, f16, bf16
        var dtype: DType { [.f32: .float32, .f16: .float16, .bf16: .bfloat16][self] ?? .float32 }
    }

    func run() throws {
        let path = try ModelLocator.locate(model), files = try ModelFiles(path: path)
        let clock = ContinuousClock(), started = clock.now, stop = StopRequest()
        var line = StatusLine()
        func progress(_ done: Int, _ count: Int) throws {
            if stop.isRequested { throw ExitCode(130) }
            line.show("tensor \(done) of \(count)", after: (clock.now - started).inSeconds)
        }
        let bytes: Int, notes: [String]
        switch to {
        case .gguf:
            let warnings = try files.checkpoint.warnings()
            let recipe = try QuantizationRecipe.named(dtype?.rawValue ?? Self.common(files).rawValue)
            let export = try GGUFExport(files, recipe: recipe)
            notes = warnings + export.notes
            notes.forEach { Terminal.note($0) }
            try export.write(to: out, progress: progress)
            bytes = export.byteCount
        case .hf:
            let export = try FolderExport(files, dtype: dtype?.dtype)
            notes = export.notes
            notes.forEach { Terminal.note($0) }
            try export.write(toFolder: out, progress: progress)
            bytes = export.byteCount
        }
        line.clear()
        let seconds = (clock.now - started).inSeconds
        if json {
            let object: JSON = [
                "out": .string(out), "form": .string(to.rawValue), "bytes": .integer(Int64(bytes)),
                "seconds": .number(seconds.rounded(to: 3)), "notes": .array(notes.map { .string($0) }),
            ]
            print(object.text(indent: 2))
        } else {
            print("\(out): \(Terminal.bytes(bytes)), \(Terminal.fixed(seconds, 1)) s")
        }
    }

    /// The unquantised type of most parameters, or bfloat16.
    private static func common(_ files: ModelFiles) -> PlainType {
        var counts: [DType: Int] = [:]
        for entry in files.checkpoint.tensors.entries where entry.shape.rank > 1 {
            counts[entry.dtype ?? .bfloat16, default: 0] += entry.shape.elementCount
        }
        switch counts.max(by: { $0.value < $1.value })?.key {
        case .float32?: return .f32
        case .float16?: return .f16
        default: return .bf16
        }
    }
}
