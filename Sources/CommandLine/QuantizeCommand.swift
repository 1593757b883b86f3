import ArgumentParser
import Martlet
import MartletSystem
import MartletVerbs

struct QuantizeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quantize",
        abstract: "Write a model with fewer bits for each weight: a GGUF file, or a folder.",
        discussion: """
            Types: \(QuantizationRecipe.all.map(\.name).joined(separator: ", ")). The mixes (_s, _m, _l) are llama.cpp's. \
            A matrix whose rows are no whole number of a type's blocks gets another type, which is told. With importances \
            of the columns the same bytes lose less: --calibration computes them from a text, --imatrix reads them from a \
            file, --save-imatrix keeps them.

            --method writes a folder with quantization_config instead, as transformers and other servers read it:
              rtn          round to nearest, GPTQ's layout (--bits, --group, --asymmetric, --grid)
              gptq         errors made up for by later columns (Frantar et al. 2022; --act-order)
              awq          large inputs' columns scaled up first (Lin et al. 2023), AutoAWQ's layout
              nf4, fp4     16 levels, bitsandbytes' layout (Dettmers et al. 2023)
              int8         LLM.int8's weights, bitsandbytes' layout (Dettmers et al. 2022)
              smoothquant  outliers moved into int8 weights (Xiao et al. 2022; --migration)
              fp8, fp8-e5m2  eight-bit floats, one scale for each output
              mlx          mlx-lm's affine codes, of the embeddings too
            gptq, awq and smoothquant need --calibration. With --dry-run a method tells what it takes in memory, counted from \
            the shapes alone. Folders of int8 and smoothquant are computed with inputs of 16 bits, \
            or of eight with --int8-inputs.

            Examples:
              martlet quantize runs/first --to q4_k_m --out first.gguf
              martlet quantize ./model --method gptq --bits 4 --group 128 --calibration wiki.txt --out folder/
              martlet quantize ./model --method awq --group 64 --calibration wiki.txt --out folder/
              martlet quantize ./model --to q4_k_m --calibration wiki.txt --out model.gguf
              martlet quantize ./model --to iq4_xs --imatrix imatrix.gguf --tensor 'ffn_down=q6_k' --out model.gguf
            """)
    @Argument(help: "A folder, a GGUF file, org/name, or a short name.", completion: .models) var model: String
    @Option(help: "The type of the GGUF file.") var to: String?
    @Option(help: "\(QuantizationMethod.allCases.map(\.rawValue).joined(separator: ", ")): write a folder instead.")
    var method: QuantizationMethod?
    @Option(help: "Bits of rtn, gptq and mlx: 2, 4 or 8; awq has 4.") var bits: Int?
    @Option(help: "Inputs that share a scale in rtn, gptq, awq (128) and mlx (64).") var group: Int?
    @Flag(help: "Grids of rtn and gptq with zeros of their own.") var asymmetric = false
    @Option(help: "Of rtn: search, for the grid of least square error, or extremes.") var grid: Grid?
    @Flag(help: "Of gptq: columns in the order of how much they count.") var actOrder = false
    @Option(help: "Of smoothquant: how far outliers move into the weights, 0 … 1 (0.5).") var migration: Double?
    @Option(name: .shortAndLong, help: "The file, or the folder, to write; --dry-run needs none.") var out: String?
    @Option(help: "An importance matrix in llama.cpp's GGUF format.") var imatrix: String?
    @Option(
        help: ArgumentHelp(
            "A text that a method or the importances look at, or records (.jsonl, …), which are read as documents, as in "
                + "training."))
    var calibration: String?
    @Option(help: "Windows of the calibration text at most, of 512 tokens or the model's context.") var chunks = 128
    @Option(help: "Write the importances that --calibration gave.") var saveImatrix: String?
    @Option(help: "PATTERN=TYPE: a type of its own for matching tensors; may be repeated, the last counts.")
    var tensor: [String] = []
    @Flag(help: "Write nothing: list every tensor with its type, or with --method tell the memory it takes.")
    var dryRun = false
    @Flag(help: "One JSON object instead of text.") var json = false

    enum Grid: String, ExpressibleByArgument, CaseIterable { case search, extremes }

    func validate() throws {
        guard imatrix == nil || calibration == nil else {
            throw ValidationError("--imatrix and --calibration both give importances: name one of them")
        }
        guard saveImatrix == nil || calibration != nil else {
            throw ValidationError("--save-imatrix keeps what --calibration gives: name a text")
        }
        guard dryRun || out != nil else {
            throw ValidationError("name what to write with --out, or look at what it would be with --dry-run")
        }
        try demand("--chunks", chunks, 1...)
        guard let method else {
            guard bits == nil, group == nil, !asymmetric, grid == nil, !actOrder, migration == nil else {
                throw ValidationError(
                    "--bits, --group, --asymmetric, --grid, --act-order and --migration belong to --method")
            }
            return
        }
        guard to == nil, imatrix == nil, saveImatrix == nil, tensor.isEmpty else {
            throw ValidationError(
                "--to, --imatrix, --save-imatrix and --tensor belong to GGUF files, --method to folders")
        }
        for (flag, isGiven, allowed) in [
            ("--bits", bits != nil, method.hasGroups), ("--group", group != nil, method.hasGroups),
            ("--asymmetric", asymmetric, method.hasSymmetry), ("--grid", grid != nil, method == .rtn),
            ("--act-order", actOrder, method == .gptq), ("--migration", migration != nil, method == .smoothquant),
        ] where isGiven && !allowed {
            throw ValidationError("\(flag) does not belong to --method \(method.rawValue)")
        }
        guard dryRun || method.needsCalibration == (calibration != nil) else {
            throw ValidationError(
                method.needsCalibration
                    ? "--method \(method.rawValue) needs --calibration TEXT"
                    : "--method \(method.rawValue) looks at no text")
        }
        guard !dryRun || calibration == nil else {
            throw ValidationError("--dry-run looks at no text: leave --calibration out")
        }
        if let bits, !method.allowedBits.contains(bits) {
            let known = method.allowedBits.map(String.init).joined(separator: ", ")
            throw ValidationError("--bits of \(method.rawValue) is one of \(known), not \(bits)")
        }
        if let group, !(8...65_536).contains(group) {
            throw ValidationError("--group is from 8 to 65536, not \(group)")
        }
        try demand("--migration", migration, 0...1)
    }

    func run() throws {
        if let method { return try runMethod(method) }
        let recipe: QuantizationRecipe, overrides: [TensorOverride]
        do {
            recipe = try QuantizationRecipe.named(to ?? "q4_k_m")
            overrides = try tensor.map { try TensorOverride($0) }
        } catch { throw ValidationError("\(error)") }
        let path = try ModelLocator.locate(model) { Terminal.note($0) }, files = try ModelFiles(path: path)
        for warning in try files.checkpoint.warnings() { Terminal.note("warning: \(warning)") }
        let clock = ContinuousClock(), started = clock.now, stop = StopRequest()
        let importance = try importances(files, stop)
        let export = try GGUFExport(files, recipe: recipe, overrides: overrides, importance: importance)
        if !json { export.notes.forEach { Terminal.note($0) } }
        if !dryRun, let out {
            var line = StatusLine()
            try export.write(to: out) { done, count in
                if stop.isRequested { throw ExitCode(130) }
                line.show("tensor \(done) of \(count)", after: (clock.now - started).inSeconds)
            }
            line.clear()
        }
        report(export, seconds: (clock.now - started).inSeconds)
    }

    private func runMethod(_ method: QuantizationMethod) throws {
        var options = QuantizationMethodOptions(method)
        options.bits = bits ?? options.bits
        options.groupSize = group ?? options.groupSize
        options.symmetric = !asymmetric
        options.searchesGrid = grid != .extremes
        options.actOrder = actOrder
        options.migration = migration ?? options.migration
        let files = try ModelFiles(path: ModelLocator.locate(model) { Terminal.note($0) })
        for warning in try files.checkpoint.warnings() { Terminal.note("warning: \(warning)") }
        let export = try PackedExport(files, options)
        guard !dryRun, let out else { return tell(try export.memoryNeeded(), method) }
        let windows = try calibration.map { try self.windows($0, files) }
        let clock = ContinuousClock(), started = clock.now, stop = StopRequest()
        var line = StatusLine()
        let notes = try export.write(toFolder: out, windows: windows) { what, done, count in
            if stop.isRequested { throw ExitCode(130) }
            line.show("\(what) \(done) of \(count)", after: (clock.now - started).inSeconds)
        }
        line.clear()
        if !json { notes.forEach { Terminal.note($0) } }
        let seconds = (clock.now - started).inSeconds
        let bytes = try ModelFiles(path: out).checkpoint.tensors.byteCount
        if json {
            let object: JSON = [
                "out": .string(out), "method": .string(method.rawValue), "bytes": .integer(Int64(bytes)),
                "seconds": .number(seconds.rounded(to: 3)), "notes": .array(notes.map { .string($0) }),
            ]
            print(object.text(indent: 2))
        } else {
            print("\(out): \(Terminal.bytes(bytes)), \(ElapsedTime.text(seconds, decimals: 1))")
        }
    }

    private func tell(_ memory: QuantizationMemory, _ method: QuantizationMethod) {
        if json {
            let object: JSON = [
                "method": .string(method.rawValue), "mapped_bytes": .integer(Int64(memory.mapped)),
                "packed_bytes": .integer(Int64(memory.packed)), "hessian_bytes": .integer(Int64(memory.hessians)),
                "block_bytes": .integer(Int64(memory.blocks)),
                "passes": .integer(Int64(memory.passes)), "working_bytes": .integer(Int64(memory.working)),
                "needed_bytes": .integer(Int64(memory.needed)),
            ]
            return print(object.text(indent: 2))
        }
        let passes = memory.passes == 1 ? "one pass over the text" : "each of \(memory.passes) passes over the text"
        var rows = [("packed", "\(Terminal.bytes(memory.packed)), held until the folder is written")]
        if memory.passes > 0 { rows.append(("Hessians", "\(Terminal.bytes(memory.hessians)) in \(passes)")) }
        if memory.blocks > 0 {
            rows.append(("blocks", "\(Terminal.bytes(memory.blocks)) of all Hessians, held for the limits of grids"))
        }
        rows += [
            ("working", "\(Terminal.bytes(memory.working)) for a layer's inputs or one matrix, whichever is more"),
            ("needed", "\(Terminal.bytes(memory.needed)) in all"),
            ("mapped", "\(Terminal.bytes(memory.mapped)), which the system lets go of where memory is short"),
        ]
        for (name, value) in rows { print(name.padding(12) + value) }
    }

    private func windows(_ path: String, _ files: ModelFiles) throws -> TextWindows {
        let length = try TextWindows.usualLength(context: files.checkpoint.decoderConfiguration().contextLength)
        return try WindowedText.windows(path, files, method: .chunks(length: length), limit: chunks)
    }

    private func importances(_ files: ModelFiles, _ stop: StopRequest) throws -> ImportanceMatrix? {
        if let imatrix { return try ImportanceMatrix(file: imatrix) }
        guard let calibration else { return nil }
        let windows = try windows(calibration, files), decoder = try files.decoder()
        try decoder.prepare(.fast)
        var line = StatusLine()
        let matrix = try ImportanceMatrix(decoder, .fast, windows, origin: calibration) { done, count in
            if stop.isRequested { throw ExitCode(130) }
            line.show("calibration: window \(done) of \(count)", isDue: done % 16 == 0)
        }
        line.clear()
        if let saveImatrix {
            try matrix.write(
                to: saveImatrix, tensors: files.checkpoint.ggufContents().tensors, chunkLength: windows.method.length)
            Terminal.note("wrote the importances of \(windows.windows.count) windows to \(saveImatrix)")
        }
        return matrix
    }

    private func report(_ export: GGUFExport, seconds: Double) {
        if json {
            let tensors = export.plans.map { plan -> JSON in
                [
                    "name": .string(plan.name), "type": .string(plan.type.name),
                    "shape": .array(plan.shape.map { .integer(Int64($0)) }), "bytes": .integer(Int64(plan.byteCount)),
                    "wanted": plan.wanted.map { .string($0.name) } ?? .null,
                ]
            }
            let object: JSON = [
                "out": dryRun ? .null : out.map { .string($0) } ?? .null, "type": .string(export.recipe.name),
                "bytes": .integer(Int64(export.byteCount)), "weights": .integer(Int64(export.weightCount)),
                "bits_per_weight": .number(export.bitsPerWeight.rounded(to: 4)),
                "seconds": .number(seconds.rounded(to: 3)), "notes": .array(export.notes.map { .string($0) }),
                "tensors": .array(tensors),
            ]
            print(object.text(indent: 2))
            return
        }
        if dryRun {
            for plan in export.plans {
                print("\(plan.type.name.padding(8))\("\(plan.shape)".padding(20))\(plan.name)")
            }
        }
        let size = "\(Terminal.bytes(export.byteCount)), \(Terminal.fixed(export.bitsPerWeight, 2)) bits per weight"
        print(
            dryRun
                ? "\(export.recipe.name): \(size)" : "\(out ?? ""): \(size), \(ElapsedTime.text(seconds, decimals: 1))")
    }
}

/// A text that a command is given by its path.
enum TextFile {
    static func read(_ path: String) throws -> String {
        guard let text = String(validating: try Folder.read(path), as: UTF8.self) else {
            throw ValidationError("\(path) is not UTF-8 text")
        }
        return text
    }
}

extension QuantizationMethod: ExpressibleByArgument {}
