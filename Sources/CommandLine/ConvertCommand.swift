import ArgumentParser
import Martlet
import MartletSystem
import MartletVerbs

struct ConvertCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert",
        abstract: "Write a model in another form: a GGUF file, a folder, or the files of mlx, llama2.c and llm.c.",
        discussion: """
            Without --dtype a type that loses nothing stays: bfloat16 from a folder to a GGUF file and back is the same, \
            bit for bit. Blocks of a quantised file become the numbers that they stand for, in bfloat16 if nothing else \
            is said. `martlet quantize` writes blocks.

            mlx is a folder that mlx-lm reads: plain numbers, or with --bits affine codes in groups (--group).

            llama2c is a .bin file of llama2.c with tokenizer.bin beside it (--file-version 0 for run.c, 2 for runq.c); \
            llmc is a GPT-2 of llm.c with gpt2_tokenizer.bin, in f32 or bf16, and with --state the logits and gradients on \
            a text that its test_gpt2 compares. A folder of token shards becomes llm.c's shards, one .bin file each.

            Examples:
              martlet convert runs/first --to gguf --out first.gguf
              martlet convert model.gguf --to hf --dtype bf16 --out folder/
              martlet convert ./model --to mlx --bits 4 --out mlx-folder/
              martlet convert stories.gguf --to llama2c --out stories.bin
              martlet convert ./gpt2 --to llmc --out gpt2_124M.bin --state state.bin --text tinyshakespeare.txt
              martlet convert shards/ --to llmc --out tokens/
            """)
    @Argument(
        help: "A folder, a GGUF file, a .bin file, org/name, a short name, or a folder of token shards.",
        completion: .models)
    var model: String
    @Option(help: "gguf, hf, mlx, llama2c or llmc.") var to: Form
    @Option(help: "f32, f16 or bf16.") var dtype: PlainType?
    @Option(name: .shortAndLong, help: "The file, or the folder, to write.") var out: String
    @Option(help: "Of mlx: codes of 2, 4 or 8 bits.") var bits: Int?
    @Option(help: "Of mlx: weights that share a scale (64).") var group: Int?
    @Option(help: "Version of llama2.c's file: 0, 1 or 2 (int8).") var fileVersion: Int?
    @Option(help: "Also write a debug state of llm.c to this file: 4 × 64 tokens of --text.") var state: String?
    @Option(help: "The text of --state.") var text: String?
    @Flag(help: "One JSON object instead of text.") var json = false

    enum Form: String, ExpressibleByArgument, CaseIterable { case gguf, hf, mlx, llama2c, llmc }

    enum PlainType: String, ExpressibleByArgument, CaseIterable {
        case f32, f16, bf16
        var dtype: DType { [.f32: .float32, .f16: .float16, .bf16: .bfloat16][self] ?? .float32 }
    }

    func validate() throws {
        guard fileVersion == nil || to == .llama2c else {
            throw ValidationError("--file-version belongs to --to llama2c")
        }
        guard (bits == nil && group == nil) || to == .mlx else {
            throw ValidationError("--bits and --group belong to --to mlx; martlet quantize has other methods")
        }
        guard [2, 4, 8].contains(bits ?? 4) else { throw ValidationError("--bits is \(bits ?? 4); expected 2, 4 or 8") }
        try demand("--group", group, 32...65_536, "weights")
        guard group == nil || bits != nil else { throw ValidationError("--group goes with --bits") }
        guard bits == nil || dtype == nil else {
            throw ValidationError("--bits and --dtype exclude each other: codes have the type of the model")
        }
        guard state == nil || to == .llmc, (state == nil) == (text == nil) else {
            throw ValidationError("--state FILE and --text FILE belong together, to --to llmc")
        }
        guard to != .llama2c || dtype == nil || dtype == .f32 else {
            throw ValidationError("llama2.c's numbers are f32; --file-version 2 writes int8")
        }
        guard to != .llmc || dtype != .f16 else { throw ValidationError("llm.c's numbers are f32 or bf16") }
    }

    func run() throws {
        if to == .llmc, Folder.exists(model + "/shards.json") { return try convertShards() }
        let path = try ModelLocator.locate(model) { Terminal.note($0) }, files = try ModelFiles(path: path)
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
        case .mlx where bits != nil:
            var options = QuantizationMethodOptions(.mlx)
            options.bits = bits ?? options.bits
            options.groupSize = group ?? options.groupSize
            notes = try files.checkpoint.warnings()
            notes.forEach { Terminal.note($0) }
            try PackedExport(files, options).write(toFolder: out, windows: nil) { _, done, count in
                try progress(done, count)
            }
            bytes = try ModelFiles(path: out).checkpoint.tensors.byteCount
        case .hf, .mlx:
            let export = try FolderExport(files, dtype: dtype?.dtype)
            notes = export.notes
            notes.forEach { Terminal.note($0) }
            try export.write(toFolder: out, progress: progress)
            bytes = export.byteCount
        case .llama2c:
            let export = try LLaMA2CExport(files, version: fileVersion ?? 0)
            notes = export.notes
            notes.forEach { Terminal.note($0) }
            try export.write(to: out, progress: progress)
            bytes = try LLaMA2CFile(path: out).byteCount
        case .llmc:
            let type = dtype ?? (Self.common(files) == .bf16 ? .bf16 : .f32)
            let export = try LLMCExport(files, dtype: type.dtype)
            notes = export.notes
            notes.forEach { Terminal.note($0) }
            try export.write(to: out, progress: progress)
            bytes = try LLMCFile(path: out).byteCount
            if let state, let text {
                let tokens = try files.tokenizer().encode(TextFile.read(text)), batch = 4
                let length = min(64, export.sizes.context), count = batch * length
                guard tokens.count > count else {
                    throw QuantizationError.shortText(name: text, tokens: tokens.count, needed: count + 1)
                }
                try export.state(
                    tokens: Array(tokens[..<count]), targets: Array(tokens[1...count]), batch: batch
                ).write(to: state, of: export.sizes)
            }
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
            print("\(out): \(Terminal.bytes(bytes)), \(ElapsedTime.text(seconds, decimals: 1))")
        }
    }

    /// Token shards in llm.c's format: one file for each, in a folder.
    private func convertShards() throws {
        guard dtype == nil, state == nil else { throw ValidationError("--dtype and --state belong to models") }
        let stop = StopRequest()
        var tokens = 0, written: [String] = []
        try Folder.fill(out) {
            for path in try LLMCShardWriter.shards(inFolder: model) {
                let shard = try TokenShard(path: path)
                let file = (path.split(separator: "/").last ?? "tokens.shard").dropLast(".shard".count) + ".bin"
                tokens += try LLMCShardWriter.write(shard, to: "\(out)/\(file)") { _, _ in
                    if stop.isRequested { throw ExitCode(130) }
                }
                written.append(String(file))
            }
        }
        if json {
            let object: JSON = [
                "out": .string(out), "form": "llmc", "files": .array(written.map { .string($0) }),
                "tokens": .integer(Int64(tokens)),
            ]
            print(object.text(indent: 2))
        } else {
            print("\(out): \(tokens) tokens in \(written.joined(separator: ", "))")
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
