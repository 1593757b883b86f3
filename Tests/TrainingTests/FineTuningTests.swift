import MartletChat
import MartletData
import MartletFormats
import MartletInference
import MartletJSON
import MartletNN
import MartletTasks
import MartletTraining
import Testing
import TinyModels

/// From a folder with a model to a fine-tuned one, and to one that learnt from rewards.
struct FineTuningTests: TinyRuns {
    private func shards(
        _ folder: String, _ model: StartingModel, chats: String, validation: Double = 0
    ) throws -> TrainingData {
        try AtomicFile.write(folder + "/chats.jsonl", bytes: Array(chats.utf8))
        var options = PackOptions()
        options.validation = validation
        options.split = .documents
        let packer = CorpusPacker(
            try Corpus([folder + "/chats.jsonl"]), encoder: try model.chatEncoder().documentEncoder(separator: nil),
            options: options)
        _ = try packer.pack(into: folder + "/shards", tokenizerFolder: folder + "/model")
        return try TrainingData(folder: folder + "/shards")
    }

    private func options(epochs: Int64) throws -> TrainingOptions {
        var options = TrainingOptions()
        for (key, value) in ["epochs": .integer(epochs), "batch_rows": 2, "context_length": 128] as [String: JSON] {
            try options.set(key, value)
        }
        return options
    }

    private let chats = (0..<64).map {
        """
        {"messages": [{"role": "user", "content": "say \($0 % 4)"}, {"role": "assistant", "content": "ok \($0 % 4)"}]}

        """
    }.joined()

    @Test func fineTuningLowersTheLossOfRepliesAndKeepsTheModelsShape() throws {
        let folder = try modelFolder("sft")
        let model = try StartingModel(path: folder + "/model")
        let options = try options(epochs: 12)
        let data = try shards(folder, model, chats: chats)
        let trainer = try Trainer(run: folder + "/run", options: options, data: data, from: model)
        #expect(trainer.options["depth"].integer == model.decoder.configuration.layerCount)
        var losses: [Double] = []
        try trainer.train { if case .step(let report) = $0 { losses.append(report.loss) } }
        let first = try #require(losses.first), last = try #require(losses.last)
        #expect(last < 0.5 * first, "\(first) to \(last)")
        let tuned = try ModelFiles(path: folder + "/run")
        #expect(tuned.checkpoint.modelType == (try ModelFiles(path: folder + "/model")).checkpoint.modelType)
        #expect(try tuned.tokenizer().chatTemplate == model.tokenizer.chatTemplate)
        // What ends a reply ends it for every program that reads the folder.
        #expect(try tuned.endTokens().isSuperset(of: model.tokenizer.eosTokens))
    }

    /// A base has no template of its own: what it learns conversations by goes with it.
    @Test func anotherTemplateIsLearntByAndSaved() throws {
        let folder = try modelFolder("sft-template")
        var model = try StartingModel(path: folder + "/model")
        let template = "{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}{% endfor %}"
        #expect(model.template != nil && model.template != template)
        try model.use(template: template)
        let encoded = try model.chatEncoder().prompt([ChatMessage(role: "user", content: "say 1")])
        #expect(try model.tokenizer.decode(encoded).hasPrefix("user: say 1"))
        let trainer = try Trainer(
            run: folder + "/run", options: options(epochs: 1), data: shards(folder, model, chats: chats), from: model)
        try trainer.train { _ in }
        #expect(try ModelFiles(path: folder + "/run").tokenizer().chatTemplate == template)
        let file = folder + "/other.jinja"
        try AtomicFile.write(file, bytes: Array("{{ messages[0].content }}".utf8))
        try model.use(template: file)
        #expect(model.template == "{{ messages[0].content }}")
        #expect(message { try model.use(template: "none.jinja") }.contains("neither a file nor a template"))
        #expect(message { try model.use(template: "{% for %}") }.contains("chat_template"))
    }

    /// What an adapter learnt conversations by stands in its folder, and is used wherever the adapter is.
    @Test func anAdaptersTemplateGoesWithIt() throws {
        let folder = try modelFolder("adapter-template")
        func start(_ key: String, _ value: String) throws -> StartingModel {
            var given = TrainingOptions(for: .tuning)
            try given.set(key, text: value)
            return try StartingModel(
                path: folder + "/model", adapter: ResolvedOptions(given, vocabularySize: 0).adapter)
        }
        var model = try start("adapter", "lora")
        let own = try #require(model.template)
        let template = "{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}{% endfor %}"
        try model.use(template: template)
        var options = TrainingOptions(for: .tuning)
        for (key, value) in ["adapter": "lora", "epochs": 1, "batch_rows": 2, "context_length": 128] as [String: JSON] {
            try options.set(key, value)
        }
        let trainer = try Trainer(
            run: folder + "/run", options: options, data: shards(folder, model, chats: chats), from: model)
        try trainer.train { _ in }
        let question = [ChatMessage(role: "user", content: "say 1")]
        // Run beside the model, and asked for by single requests.
        let base = try LanguageModel(path: folder + "/model")
        let loaded = try base.loadAdapter(folder + "/run", name: "run")
        let tuned = try LanguageModel(
            ModelFiles(path: folder + "/model", adapters: [AdapterReference(folder + "/run")]))
        #expect(base.chatTemplate?.source == own && tuned.chatTemplate?.source == template)
        #expect(base.chatTemplate(with: loaded)?.source == template)
        let prompt = try base.prompt(question, adapter: loaded)
        #expect(try base.tokenizer.decode(prompt).hasPrefix("user: say 1"))
        #expect(try prompt == tuned.prompt(question) && prompt != base.prompt(question))
        // Merged, and trained on.
        let files = try ModelFiles(path: folder + "/model", adapters: [AdapterReference(folder + "/run")])
        let merged = try StartingModel.files(of: files, savedAs: "float32")
        #expect(merged.last { $0.name == "chat_template.jinja" }?.bytes == Array(template.utf8))
        #expect(try start("adapter_from", folder + "/run").template == template)
        // Switched off it says nothing, and one like the base's changes nothing.
        let off = try ModelFiles(path: folder + "/model", adapters: [AdapterReference(folder + "/run", strength: 0)])
        #expect(try off.chatTemplateSource(base.tokenizer) == own)
        try AtomicFile.write(folder + "/run/chat_template.jinja", bytes: Array(own.utf8))
        #expect(try base.loadAdapter(folder + "/run", name: "run").chatTemplate == nil)
        try AtomicFile.write(folder + "/run/chat_template.jinja", bytes: Array("{% for %}".utf8))
        #expect(message { _ = try base.loadAdapter(folder + "/run", name: "run") }.contains("chat template in"))
    }

    @Test func aSampleOfTuningIsAQuestionAndItsReply() throws {
        let folder = try modelFolder("sample")
        let model = try StartingModel(path: folder + "/model")
        let data = try shards(folder, model, chats: chats, validation: 0.2)
        let trainer = try Trainer(run: folder + "/run", options: options(epochs: 12), data: data, from: model)
        var found: Evaluation?
        try trainer.train { if case .evaluated(_, let evaluation) = $0 { found = evaluation } }
        let prompt = try #require(found?.prompt), reply = try #require(found?.sample)
        #expect(prompt.contains("say ") && !prompt.contains("<|") && !prompt.contains("ok "), "\(prompt)")
        #expect(!reply.contains("say ") && !reply.contains("<|im_start"), "\(reply)")
        let last = try #require(RunRecord(path: folder + "/run").evaluations.last)
        #expect(last.prompt == prompt && last.sample == reply)
        // Parent and tuned model have the same shape: one chose it, the other has it from there.
        let record = try RunRecord(path: folder + "/run")
        let depth = try #require(record.configuration.first { $0.name == "depth" })
        #expect(depth.isInherited && depth.origin == "the model's" && !depth.value.isEmpty)
        for name in ["family", "rope_theta", "initialization"] {
            #expect(record.configuration.first { $0.name == name }?.isInherited == true, "\(name)")
        }
        #expect(trainer.hasChatTemplate)
    }

    /// What a conversion to GGUF changed is changed back: the folder that is saved says the same as the file.
    @Test func aGGUFFileIsABeginningToo() throws {
        let folder = try modelFolder("gguf")
        var tiny = TinyModel()
        tiny.contextLength = 256
        try tiny.write(gguf: folder + "/tiny.gguf")
        let model = try StartingModel(path: folder + "/tiny.gguf")
        let ids: [Int32] = [5, 6, 7, 8, 40, 41, 42]
        let stored = try LanguageModel(path: folder + "/tiny.gguf", precision: .exact)
        func expectClose(_ a: [Float], _ b: [Float], _ tolerance: Float) {
            #expect(a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) <= tolerance })
        }
        try expectClose(model.decoder(ids).detach().toArray(), stored.decoder(ids).toArray(), 1e-4)
        let data = try shards(folder, model, chats: chats)
        let trainer = try Trainer(run: folder + "/run", options: options(epochs: 4), data: data, from: model)
        var losses: [Double] = []
        try trainer.train { if case .step(let report) = $0 { losses.append(report.loss) } }
        #expect(try #require(losses.last) < #require(losses.first))
        let tuned = try LanguageModel(path: folder + "/run", precision: .exact)
        try expectClose(tuned.decoder(ids).toArray(), model.decoder(ids).detach().toArray(), 1e-4)
        let config = try JSON(parsing: Folder.read(folder + "/run/config.json"))
        #expect(config["architectures"] == ["LlamaForCausalLM"] && config["martlet_rope_layout"] == nil)
        let text = "user said: the end\n<|im_end|>"
        #expect(try tuned.tokenizer.encode(text) == model.tokenizer.encode(text))
        #expect(try ModelFiles(path: folder + "/run").endTokens() == model.tokenizer.eosTokens)
    }

    @Test func theModelsShapeIsNotOpenToOptions() throws {
        let folder = try modelFolder("shape")
        let model = try StartingModel(path: folder + "/model")
        let data = try shards(folder, model, chats: chats)
        var options = TrainingOptions()
        try options.set("hidden_size", 64)
        #expect(throws: MartletTraining.TrainingError.self) {
            try Trainer(run: folder + "/run", options: options, data: data, from: model)
        }
        options = TrainingOptions()
        try options.set("context_length", 512)
        let error = #expect(throws: MartletTraining.TrainingError.self) {
            try Trainer(run: folder + "/run", options: options, data: data, from: model)
        }
        #expect("\(try #require(error))".contains("256"))
    }

    @Test func aRowThatIsNoChatIsNamedWithFileAndLine() throws {
        let folder = try modelFolder("rows")
        let model = try StartingModel(path: folder + "/model")
        let broken = chats + "{\"messages\": [{\"role\": \"user\", \"content\": \"no reply\"}]}\n"
        let error = #expect(throws: DataError.self) { try shards(folder, model, chats: broken) }
        let text = "\(try #require(error))"
        #expect(text.contains("chats.jsonl") && text.contains("65"), "\(text)")
    }

    /// The loss is over the replies' tokens, and so are the bytes that it is divided by.
    @Test func bitsPerByteAreOverTrainedBytes() throws {
        let folder = try modelFolder("bits")
        let model = try StartingModel(path: folder + "/model")
        let chats = (0..<64).map {
            """
            {"messages": [{"role": "user", "content": "\(String(repeating: "far too long ", count: 4))\($0)"}, {"role": "assistant", "content": "ok 12"}]}

            """
        }.joined()
        let data = try shards(folder, model, chats: chats, validation: 0.25)
        let trainer = try Trainer(run: folder + "/run", options: options(epochs: 1), data: data, from: model)
        var found: Evaluation?
        try trainer.train { if case .evaluated(_, let evaluation) = $0 { found = evaluation } }
        let evaluation = try #require(found), bytes = try #require(evaluation.bytesPerToken)
        // "ok 12" and what ends the reply, whatever the template puts around them.
        let reply = try model.tokenizer.encode("ok 12", addSpecialTokens: false).count
        #expect(bytes <= 5 / Double(reply) && bytes >= 5 / Double(reply + 3), "\(bytes) of \(reply) tokens")
    }

    /// A model that was tuned to say one answer gets just those questions right whose answer it is.
    @Test func evaluationCountsByCategory() throws {
        let folder = try modelFolder("eval")
        let model = try StartingModel(path: folder + "/model")
        let options = try options(epochs: 20)
        let same = (0..<64).map { _ in
            "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": \"7\"}]}\n"
        }
        let data = try shards(
            folder, model, chats: same.enumerated().map { $1.replacing("\"a\"", with: "\"a\($0)\"") }.joined())
        try Trainer(run: folder + "/run", options: options, data: data, from: model).train { _ in }
        let questions = [7, 8, 7].map {
            WorldQuestion(
                category: "n.\($0)", language: .english, prompt: [WorldMessage(role: "user", content: "a\($0)")],
                reply: "\($0)", check: .number($0))
        }
        // One whose prompt leaves no room is left out, not an error; so is one that the tokenizer has no token for.
        let long = WorldQuestion(
            category: "n.9", language: .english,
            prompt: [WorldMessage(role: "user", content: String(repeating: "a b ", count: 400))], reply: "9",
            check: .number(9))
        let unreadable = WorldQuestion(
            category: "n.9", language: .english, prompt: [WorldMessage(role: "user", content: "Grüße")], reply: "9",
            check: .number(9))
        let result = try #require(
            try QuestionEvaluation(
                task: "t", [long, unreadable] + questions + [long], ModelFiles(path: folder + "/run").decoder(),
                model.chatEncoder()))
        #expect(result.right == 2 && result.accuracy == 2.0 / 3)
        #expect(result.categories.map(\.name) == ["n.7", "n.8"])
        #expect(result.categories.map(\.right) == [2, 0])
        #expect(result.leftOut == 2 && result.json()["left_out"] == 2 && result.answers.count == 3)
        #expect(result.unreadable == 1 && result.json()["unreadable"] == 1)
        #expect(result.unreadableReason?.contains("no token") ?? false)
    }
}
