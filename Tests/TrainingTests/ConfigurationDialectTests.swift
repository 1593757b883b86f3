import Foundation
import MartletJSON
import MartletTraining
import Testing

/// Files of other programs as options of a run. The files of `Goldens/dialects` are as their programs publish them.
struct ConfigurationDialectTests: TinyRuns {
    private func file(_ name: String) throws -> JSON {
        let folder = #filePath.replacing("ConfigurationDialectTests.swift", with: "Goldens/dialects/")
        return try JSON(parsing: [UInt8](Data(contentsOf: URL(filePath: folder + name + ".json"))))
    }

    private func read(
        _ name: String, for command: RunCommand, changing change: (inout JSONObject) -> Void = { _ in },
        isQuantized: Bool = false
    ) throws -> (ConfigurationDialect, TranslatedConfiguration, ResolvedOptions) {
        var members = try #require(file(name).object)
        change(&members)
        let object = JSON.object(members)
        let dialect = try #require(ConfigurationDialect.recognised(object, for: command))
        let translated = try dialect.translated(object, path: name + ".yaml", lines: ["lora_rank": 9], for: command) {
            isQuantized
        }
        var options = TrainingOptions(for: command)
        try options.set(translated)
        return (dialect, translated, try ResolvedOptions(options, vocabularySize: 0))
    }

    private func refusal(
        _ name: String, for command: RunCommand, _ key: String, _ value: JSON
    ) -> String {
        do {
            _ = try read(name, for: command) { $0[key] = value }
            return ""
        } catch { return "\(error)" }
    }

    @Test func llamaFactory() throws {
        let (dialect, read, options) = try read("llamafactory_sft", for: .tuning)
        #expect(dialect == .llamaFactory)
        #expect(read.model == "meta-llama/Meta-Llama-3-8B-Instruct")
        #expect(options.adapter.method == .lora && options.adapter.rank == 8 && options.adapter.targets == "all-linear")
        #expect(options.chat.data == ["identity", "alpaca_en_demo"])
        #expect(options.chat.datasetInfo == "data/dataset_info.json")
        #expect(options.chat.mostRecords == 1000 && options.chat.validation == 0.1 && options.chat.long == .cut)
        #expect(options.rows.length == 2048 && options.rows.perStep == 8 && options.rows.epochs == 3)
        #expect(options.compute.microBatches == 8 && options.compute.precision == .bf16)
        #expect(options.schedule.highest == 1e-4 && options.schedule.kind == .cosine)
        #expect(options.schedule.warmupShare == 0.1 && options.schedule.finalShare == 0)
        #expect(
            options.evaluation.every == 500 && options.checkpoints.every == 500 && options.checkpoints.logEvery == 10)
        #expect(options.general.out == "saves/llama3-8b/lora/sft" && options.general.seed == 42)
        let rank = try #require(options.values.first { $0.name == "rank" })
        #expect(rank.origin == "llamafactory_sft.yaml, line 9: lora_rank")
        #expect(options.values.first { $0.name == "seed" }?.origin == "default of LLaMA-Factory")
        #expect(read.notes.contains { $0.hasPrefix("without effect here: ") && $0.contains("overwrite_cache") })
    }

    @Test func llamaFactorysStagesNameTheVerb() throws {
        let (_, _, options) = try read("llamafactory_dpo", for: .preferences)
        #expect(options.preferences.loss == "simpo" && options.preferences.beta == 0.1)
        #expect(options.preferences.simpoMargin == 0.7 && options.adapter.targets == "q_proj,v_proj")
        let wrong = refusal("llamafactory_dpo", for: .tuning, "stage", "dpo")
        #expect(
            wrong.contains("stage dpo is what `martlet dpo` does: martlet dpo MODEL --config llamafactory_dpo.yaml"))
        // What the other keys mean is that verb's to say.
        #expect(!wrong.contains("pref_beta") && !wrong.contains("keys cannot be followed"))
        #expect(refusal("llamafactory_sft", for: .tuning, "stage", "rm").contains("martlet reward"))
        #expect(refusal("llamafactory_sft", for: .tuning, "stage", "pt").isEmpty)
        #expect(refusal("llamafactory_dpo", for: .preferences, "stage", "pt").contains("martlet sft MODEL"))
        let kto = try read("llamafactory_dpo", for: .preferences) {
            $0["stage"] = "kto"
            $0["pref_loss"] = nil
            $0["simpo_gamma"] = nil
        }
        #expect(kto.2.preferences.loss == "kto")
        let reward = try read("llamafactory_dpo", for: .rewardModel) {
            for key in ["pref_beta", "pref_loss", "simpo_gamma", "lora_rank", "lora_target"] { $0[key] = nil }
            $0["stage"] = "rm"
            $0["finetuning_type"] = "full"
        }
        #expect(reward.2.rows.perStep == 8 && reward.2.chat.data == ["dpo_en_demo"])
    }

    @Test func axolotl() throws {
        let (dialect, read, options) = try read("axolotl_lora", for: .tuning)
        #expect(dialect == .axolotl && read.model == "NousResearch/Llama-3.2-1B")
        #expect(options.chat.data == ["data/alpaca.jsonl", "data/chats.jsonl"] && options.chat.validation == 0.1)
        #expect(options.adapter.method == .lora && options.adapter.alpha == 32 && options.adapter.dropout == 0.05)
        #expect(options.adapter.targets == "gate_proj,down_proj,up_proj,q_proj,v_proj,k_proj,o_proj")
        #expect(options.rows.perStep == 4 && options.rows.length == 2048 && options.compute.recompute == .layers)
        #expect(options.evaluation.perEpoch == 4 && options.checkpoints.perEpoch == 1 && options.schedule.warmup == 10)
        #expect(options.chat.learnt == .replies)
    }

    @Test func mlx() throws {
        let (dialect, read, options) = try read("mlx_lora", for: .tuning)
        #expect(dialect == .mlx && read.model == "mlx-community/Llama-3.2-1B-Instruct")
        #expect(options.adapter.targets == "q_proj,v_proj" && options.adapter.layers == "last 16")
        // alpha / rank is mlx-lm's scale.
        #expect(options.adapter.rank == 8 && options.adapter.alpha == 160)
        #expect(options.schedule.steps == 1000 && options.schedule.highest == 1e-5 && options.schedule.warmup == 100)
        #expect(abs(options.schedule.finalShare - 0.01) < 1e-9 && options.schedule.kind == .cosine)
        #expect(options.chat.learnt == .all && options.general.out == "adapters")
        #expect(options.evaluation.rows == 100 && options.checkpoints.every == 100)
        let masked = try self.read("mlx_lora", for: .tuning) { $0["mask_prompt"] = true }
        // mlx-lm masks all that stands before the last message.
        #expect(masked.2.chat.learnt == .last)
        let columns = try self.read("mlx_lora", for: .tuning) {
            $0["prompt_feature"] = "question"
            $0["completion_feature"] = "reply"
        }
        #expect(columns.2.chat.map == "prompt=question,response=reply")
        #expect(columns.1.notes.contains { $0.contains("bias_correction") }, "\(columns.1.notes)")
    }

    @Test func trl() throws {
        let (dialect, _, options) = try read("trl_sft", for: .tuning)
        #expect(dialect == .trl && options.adapter.rank == 32 && options.adapter.alpha == 16)
        #expect(options.adapter.targets == "all-linear" && options.chat.learnt == .replies)
        #expect(options.rows.epochs == 1 && options.rows.perStep == 16 && options.evaluation.perEpoch == 1)
        #expect(options.schedule.finalShare == 0.1 && options.checkpoints.keep == 1 && options.checkpoints.every == 100)
        let groups = try read("trl_grpo", for: .policy).2
        #expect(groups.rollouts.groupSize == 8 && groups.rollouts.problems == 4 && groups.compute.microBatches == 1)
        #expect(groups.policy.normalisation == .length && !groups.policy.dividesByDeviation)
        #expect(groups.policy.divergenceWeight == 0.04 && groups.policy.clipHigh == 0.28)
        // TRL's format is thoughts and then whatever, not an answer in tags.
        let form = #"regex:/\A<think>(?![\s\S]*<think>)[\s\S]*?<\/think>/"#
        #expect(groups.rewards.reward == "math=1,\(form)=0.2" && groups.rewards.prompts == "data/gsm8k.jsonl")
        let reward = try Reward.builtIn(form)
        for (reply, worth) in [
            ("<think>\na\n</think>\nb", 1.0), ("<think>a", 0), ("b <think>a</think>", 0),
            ("<think>a</think><think>b</think>", 0),
        ] {
            #expect(try reward.score([RewardRequest(prompt: [], reply: reply)]) == [worth], "\(reply)")
        }
    }

    private func translated(
        _ members: JSONObject, for command: RunCommand
    ) throws -> (TranslatedConfiguration, ResolvedOptions) {
        let object = JSON.object(members)
        let dialect = try #require(ConfigurationDialect.recognised(object, for: command))
        let read = try dialect.translated(object, path: "run.yaml", for: command)
        var options = TrainingOptions(for: command)
        try options.set(read)
        return (read, try ResolvedOptions(options, vocabularySize: 0))
    }

    /// Most of axolotl's published files name kernels, which change nothing of what is learnt.
    @Test func axolotlsKernelsChangeNothing() throws {
        var members = try #require(file("axolotl_lora").object)
        members["plugins"] = [
            "axolotl.integrations.liger.LigerPlugin", "axolotl.integrations.cut_cross_entropy.CutCrossEntropyPlugin",
        ]
        members["liger_rms_norm"] = true
        members["liger_fused_linear_cross_entropy"] = true
        members["swanlab_mode"] = "cloud"
        members["shuffle_merged_datasets"] = true
        members["warmup_steps"] = 0.1
        let (read, options) = try translated(members, for: .tuning)
        #expect(read.notes.contains { $0.contains("liger_rms_norm") && $0.contains("swanlab_mode") }, "\(read.notes)")
        #expect(options.schedule.warmupShare == 0.1 && options.rows.perStep == 4)
        let distils = refusal("axolotl_lora", for: .tuning, "plugins", ["axolotl.integrations.kd.KDPlugin"])
        #expect(distils.contains("KDPlugin") && distils.contains("martlet distill"), "\(distils)")
        #expect(refusal("axolotl_lora", for: .tuning, "unfrozen_parameters", ["lm_head"]).contains("has an adapter"))
    }

    /// What axolotl does where its file says nothing, and what it calls a manner of writing.
    @Test func axolotlsDefaultsAndShapes() throws {
        var members = try #require(file("axolotl_lora").object)
        members["warmup_steps"] = nil
        members["datasets"] = [["path": "a.jsonl", "type": "alpaca:phi"]]
        members["group_by_length"] = true
        members["val_set_size"] = 200
        var (read, options) = try translated(members, for: .tuning)
        #expect(options.schedule.warmupShare == 0.03 && options.chat.validation == 200)
        #expect(read.notes.contains { $0.hasPrefix("type alpaca: ") && $0.contains("chat template") }, "\(read.notes)")
        #expect(read.notes.contains { $0.hasPrefix("group_by_length: ") })
        members["max_steps"] = 50
        members["num_epochs"] = nil
        #expect(try translated(members, for: .tuning).1.schedule.warmup == 1)
        // transformers' constant rate has no warm-up.
        members["lr_scheduler"] = "constant"
        members["warmup_steps"] = 10
        (read, options) = try translated(members, for: .tuning)
        #expect(options.schedule.warmup == 0 && options.schedule.kind == .constant)
        #expect(read.notes.contains { $0.contains("constant has no warm-up") }, "\(read.notes)")
        for key in ["streaming", "use_dsv4_kernels", "gemma4_hybrid_attn_impl", "freeze_mm_modules", "fp8"] {
            members[key] = true
        }
        #expect(try translated(members, for: .tuning).0.notes.contains { $0.contains("gemma4_hybrid_attn_impl") })
        let routers = refusal(
            "axolotl_lora", for: .tuning, "model_config", ["output_router_logits": true])
        #expect(routers.contains("load_balance"), "\(routers)")
    }

    /// Each data set of axolotl's list has a subset and a split of its own, and one for all has them as options.
    @Test func axolotlsDataSets() throws {
        func chat(_ sets: JSON) throws -> ConversationOptions {
            try translated(["base_model": "tiny", "max_steps": 5, "datasets": sets], for: .tuning).1.chat
        }
        let one = try chat([["path": "org/a", "name": "en", "split": "test", "type": "chat_template"]])
        #expect(one.data == ["org/a"] && one.subset == "en" && one.split == "test")
        let several = try chat([
            ["path": "org/a", "name": "en", "type": "alpaca"],
            ["path": "org/b", "split": "train_sft", "type": "alpaca"],
            ["path": "json", "data_files": ["c.jsonl"], "type": "alpaca"],
        ])
        #expect(several.data == ["org/a:en:train", "org/b:train_sft", "c.jsonl"])
        #expect(several.subset == nil && several.split == "train")
    }

    /// PEFT names the experts of a layer by the two tensors that transformers joins them in.
    @Test func parametersOfExpertsAreTargets() throws {
        func adapter(_ change: (inout JSONObject) -> Void) throws -> (options: AdapterOptions, notes: [String]) {
            var members: JSONObject = [
                "base_model": "tiny", "datasets": [["path": "a.jsonl", "type": "alpaca"]], "max_steps": 5,
                "adapter": "lora",
                "lora_r": 4,
            ]
            change(&members)
            let (file, run) = try translated(members, for: .tuning)
            return (run.adapter, file.notes)
        }
        func chosen(_ options: AdapterOptions, _ names: [String]) -> [String] {
            names.filter { $0.range(of: "\\A(?:\(options.targets))\\z", options: .regularExpression) != nil }
        }
        let layer = "model.layers.3.", modules = ["self_attn.q_proj", "mlp.gate_proj", "mlp.shared_expert.up_proj"]
        let experts = ["mlp.experts.7.gate_proj", "mlp.experts.7.up_proj", "block_sparse_moe.experts.0.w3"]
        let last = ["mlp.experts.7.down_proj", "block_sparse_moe.experts.0.w2"]
        let all = (modules + experts + last).map { layer + $0 }
        let both = try adapter {
            $0["lora_target_modules"] = ["q_proj"]
            $0["lora_target_parameters"] = ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"]
        }
        #expect(
            chosen(both.options, all) == ["self_attn.q_proj"].map { layer + $0 }
                + (experts + last).map { layer + $0 })
        #expect(both.notes.contains { $0.contains("share one in PEFT") })
        let alone = try adapter { $0["lora_target_parameters"] = ["experts.down_proj"] }
        #expect(chosen(alone.options, all) == last.map { layer + $0 })
        let written = try adapter {
            $0["lora_target_modules"] = #"model.layers.[\d]+.mlp.(gate|up)_proj"#
            $0["lora_target_parameters"] = ["experts.gate_up_proj"]
        }
        #expect(chosen(written.options, all) == (["mlp.gate_proj"] + experts).map { layer + $0 })
        let linear = try adapter {
            $0["lora_target_linear"] = true
            $0["lora_target_parameters"] = ["experts.gate_up_proj"]
        }
        #expect(linear.options.targets == "all-linear")
        #expect(
            message { _ = try adapter { $0["lora_target_parameters"] = ["mlp.router.weight"] } }.contains(
                "experts.down_proj"))
    }

    /// What axolotl itself passes over changes nothing, and is told.
    @Test func keysThatAxolotlDoesNotReadAreTold() throws {
        let (file, run) = try translated(
            [
                "base_model": "tiny", "datasets": [["path": "a.jsonl", "type": "alpaca"]], "max_steps": 5,
                "eta_min": 7e-7,
                "adam_eps": 0.1, "learning_rate": 2e-5,
            ], for: .tuning)
        #expect(run.optimizer.numbers.epsilon == 1e-8)
        for key in ["eta_min", "adam_eps"] {
            #expect(file.notes.contains { $0.hasPrefix("\(key): axolotl does not read it") })
        }
    }

    @Test func axolotlsTextsOfPretraining() throws {
        var members: JSONObject = [
            "base_model": "tiny", "max_steps": 10, "sequence_len": 128, "sample_packing": true,
            "pretraining_dataset": [["path": "org/texts", "name": "en", "type": "pretrain", "text_column": "body"]],
        ]
        let options = try translated(members, for: .tuning).1.chat
        #expect(options.data == ["org/texts"] && options.field == "body" && options.subset == "en")
        members["pretraining_dataset"] = [["path": "a", "magic": 1]]
        #expect(message { _ = try translated(members, for: .tuning) }.contains("magic is not understood"))
    }

    /// torchao's rounding of axolotl's section `qat`, around float32 masters here.
    @Test func axolotlsRounding() throws {
        var members: JSONObject = [
            "base_model": "tiny", "datasets": [["path": "a.jsonl", "type": "chat_template"]], "bf16": "auto",
            "qat": ["activation_dtype": "int8", "weight_dtype": "int4", "group_size": 64], "max_steps": 10,
        ]
        let options = try translated(members, for: .tuning).1
        #expect(options["qat"] == "int4" && options["qat_group"] == 64 && options["qat_activations"] == "int8")
        #expect(options.compute.precision == .fp32)
        members["qat"] = ["weight_dtype": "nvfp4"]
        #expect(message { _ = try translated(members, for: .tuning) }.contains("int8 or int4"))
        members["qat"] = ["weight_dtype": "int8", "fake_quant_after_n_steps": 1000]
        #expect(message { _ = try translated(members, for: .tuning) }.contains("begins with the first step"))
    }

    /// Files of other commands of the same program.
    @Test func llamaFactorysOtherFiles() throws {
        let merging = refusal("llamafactory_sft", for: .tuning, "export_dir", "merged")
        #expect(merging.contains("martlet merge MODEL") && !merging.contains("cannot be followed"), "\(merging)")
        let second: JSON = [
            "model": "tiny", "model_class": "llm", "train_dataset": "a.yaml", "micro_batch_size": 1,
            "learning_rate": 1e-5,
        ]
        let dialect = try #require(ConfigurationDialect.recognised(second, for: .tuning))
        let told = message { _ = try dialect.translated(second, path: "run.yaml", for: .tuning) }
        #expect(dialect == .llamaFactory && told.contains("USE_V1"), "\(told)")
        let options = try read("llamafactory_sft", for: .tuning) {
            $0["use_kt"] = true
            $0["kt_config"] = ["kt_backend": "auto"]
            $0["tensor_model_parallel_size"] = 4
            $0["disable_gradient_checkpointing"] = true
            $0["default_system"] = "Be kind."
            $0["val_size"] = 50
        }.2
        #expect(options.chat.system == "Be kind." && options.chat.validation == 50)
    }

    /// The section `trl` of axolotl's files holds what grpo is set to, by TRL's names.
    @Test func axolotlsSectionOfGroups() throws {
        var trl: JSONObject = [
            "num_generations": 4, "max_completion_length": 256, "use_vllm": true, "vllm_server_port": 8000,
            "beta": 0.001,
            "loss_type": "grpo", "scale_rewards": true, "reward_funcs": ["accuracy_reward"],
        ]
        func members(_ trl: JSONObject) -> JSONObject {
            [
                "base_model": "HuggingFaceTB/SmolLM2-135M-Instruct", "rl": "grpo", "trl": .object(trl),
                "datasets": [["path": "data/gsm8k.jsonl"]], "val_set_size": 0, "sequence_len": 512,
                "micro_batch_size": 8, "gradient_accumulation_steps": 2, "max_steps": 20, "learning_rate": 1e-5,
            ]
        }
        let options = try translated(members(trl), for: .policy).1
        #expect(
            options.rollouts.groupSize == 4 && options.rollouts.problems == 4 && options.rollouts.maximumTokens == 256)
        #expect(options.policy.divergenceWeight == 0.001 && options.policy.normalisation == .replies)
        #expect(options.rewards.reward == "math" && options.rewards.prompts == "data/gsm8k.jsonl")
        trl["rollout_magic"] = 3
        #expect(
            message { _ = try translated(members(trl), for: .policy) }.contains("trl.rollout_magic: is not understood"))
    }

    @Test func llamaFactorysProjectionsAreOptimisers() throws {
        let galore = try read("llamafactory_sft", for: .tuning) {
            $0["finetuning_type"] = "full"
            for key in ["lora_rank", "lora_target"] { $0[key] = nil }
            $0["use_galore"] = true
            $0["galore_layerwise"] = true
            $0["galore_target"] = "mlp,self_attn"
            $0["galore_rank"] = 128
            $0["galore_scale"] = 2.0
            $0["pure_bf16"] = true
        }.2
        #expect(galore.optimizer.kind == .galore && galore.optimizer.numbers.projection.rank == 128)
        #expect(galore.optimizer.numbers.projection.scale == 2 && galore.compute.precision == .bf16)
        #expect(refusal("llamafactory_sft", for: .tuning, "use_llama_pro", true).contains("martlet adapters expand"))
        #expect(refusal("llamafactory_sft", for: .tuning, "image_max_pixels", 9).contains("texts alone are learnt"))
    }

    /// Keys of recipes that are published for TRL: alignment-handbook's and open-r1's.
    @Test func recipesOfTRL() throws {
        var members: JSONObject = [
            "model_name_or_path": "tiny", "use_peft": true, "num_train_epochs": 2, "save_steps": 0.1,
            "push_to_hub": true,
            "hub_model_revision": "main", "wandb_project": "x", "dataset_kwargs": ["add_special_tokens": false],
            "dataset_mixture": [
                "datasets": [
                    ["id": "org/a", "split": "train_sft", "weight": 1], ["id": "org/b", "split": "train_sft"],
                ],
                "test_split_size": 0.05,
            ],
        ]
        let (read, options) = try translated(members, for: .tuning)
        #expect(options.chat.data == ["org/a", "org/b"] && options.chat.split == "train_sft")
        #expect(options.chat.validation == 0.05 && options.checkpoints.perEpoch == 5)
        #expect(read.notes.contains { $0.contains("push_to_hub: nothing is sent") }, "\(read.notes)")
        members["max_steps"] = 50
        #expect(try translated(members, for: .tuning).1.checkpoints.every == 5)
        members["dataset_mixture"] = ["datasets": [["id": "org/a", "weight": 0.5]]]
        #expect(message { _ = try translated(members, for: .tuning) }.contains("takes 0.5 of org/a"))
        members["dataset_mixture"] = nil
        members["dataset_mixer"] = ["org/a": 1.0]
        members["dataset_splits"] = ["train_prefs", "test_prefs"]
        #expect(try translated(members, for: .preferences).1.chat.split == "train_prefs")
        members["chat_template"] = "{{ x }}"
        #expect(try translated(members, for: .tuning).1.chat.template == "{{ x }}")
        members["dataset_mixer"] = nil
        members["dataset_splits"] = nil
        members["dataset_mixture"] = [
            "datasets": [
                ["id": "org/a", "config": "default", "split": "train_sft"],
                ["id": "org/b", "config": "SFT", "split": "table_gpt", "columns": ["messages"]],
            ],
            "test_split_size": 2000,
        ]
        let mixed = try translated(members, for: .tuning).1.chat
        #expect(mixed.data == ["org/a:train_sft", "org/b:SFT:table_gpt"] && mixed.validation == 2000)
        #expect(mixed.split == "train" && mixed.subset == nil)
        // TRL's own list of data sets.
        members["dataset_mixture"] = nil
        members["datasets"] = [["path": "org/a", "name": "en"], ["path": "org/b", "columns": ["messages"]]]
        members["test_split_size"] = 0.1
        let own = try translated(members, for: .tuning).1.chat
        #expect(own.data == ["org/a:en:train", "org/b"] && own.validation == 0.1)
        members["datasets"] = [["path": "org/a", "data_files": "a.json"]]
        #expect(message { _ = try translated(members, for: .tuning) }.contains("\"data_files\" of org/a"))
    }

    /// Keys that change what is learnt are not passed over where they cannot be followed.
    @Test func keysOfTRLThatCount() throws {
        let pairs: JSONObject = [
            "model_name_or_path": "tiny", "dataset_name": "pairs.jsonl", "loss_type": ["sigmoid", "bco_pair"],
            "loss_weights": [0.8, 0.2], "max_steps": 5,
        ]
        func changed(_ members: JSONObject, _ key: String, _ value: JSON) -> JSONObject {
            var other = members
            other[key] = value
            return other
        }
        #expect(try translated(pairs, for: .preferences).1.preferences.loss == "sigmoid=0.8,bco_pair=0.2")
        #expect(
            message { _ = try translated(changed(pairs, "loss_weights", [0.8]), for: .preferences) }.contains(
                "has 1 numbers for 2 of loss_type"))
        let replies: JSONObject = [
            "model_name_or_path": "tiny", "dataset_name": "problems.jsonl", "max_steps": 5, "num_generations": 4,
            "gradient_accumulation_steps": 2, "per_device_train_batch_size": 8, "steps_per_generation": 2,
            "reward_funcs": ["accuracy"],
        ]
        #expect(try translated(replies, for: .policy).1.rewards.reward == "math")
        #expect(
            message { _ = try translated(changed(replies, "steps_per_generation", 8), for: .policy) }.contains(
                "steps_per_generation"))
        let proximal: JSONObject = [
            "model_name_or_path": "tiny", "dataset_name": "prompts.jsonl", "total_episodes": 400,
            "reward_model_path": "rm", "num_ppo_epochs": 2,
        ]
        // Eight replies to a step, as of one device.
        #expect(try translated(proximal, for: .proximal).1.schedule.steps == 50)
        #expect(
            message { _ = try translated(changed(proximal, "num_mini_batches", 4), for: .proximal) }.contains(
                "num_mini_batches"))
    }

    /// TRL holds no rows of the training split out unless evaluations are asked for, and then another split.
    @Test func rowsOfTheTrainingSplitAreAllLearntFrom() throws {
        var members: JSONObject = ["model_name_or_path": "tiny", "dataset_name": "chat.jsonl", "max_steps": 5]
        #expect(try translated(members, for: .tuning).1.chat.validation == 0)
        members["eval_strategy"] = "steps"
        let (read, options) = try translated(members, for: .tuning)
        #expect(options.chat.validation == nil)
        #expect(read.notes.contains { $0.hasPrefix("dataset_test_split: ") }, "\(read.notes)")
    }

    /// open-r1's recipes: epochs over problems, and a system prompt for all of them.
    @Test func problemsByEpochs() throws {
        let members: JSONObject = [
            "model_name_or_path": "tiny", "dataset_name": "problems.jsonl", "system_prompt": "Think first.",
            "num_train_epochs": 2, "num_generations": 4, "per_device_train_batch_size": 8,
            "gradient_accumulation_steps": 2, "max_steps": -1, "reward_funcs": ["exact"],
        ]
        let dialect = try #require(ConfigurationDialect.recognised(.object(members), for: .policy))
        var options = TrainingOptions(for: .policy)
        try options.set(dialect.translated(.object(members), path: "run.yaml", for: .policy))
        let resolved = try ResolvedOptions(options, vocabularySize: 0)
        #expect(resolved.rewards.system == "Think first." && resolved.rollouts.problems == 4)
        var part = members
        part["dataset_config"] = "verifiable"
        part["dataset_train_split"] = "train_prompts"
        #expect(try translated(part, for: .policy).1.rewards.prompts == "problems.jsonl:verifiable:train_prompts")
        // Twice 30 problems, four to a step.
        try options.setSteps(problems: 30)
        #expect(try ResolvedOptions(options, vocabularySize: 0).schedule.steps == 15)
        var endless = TrainingOptions(for: .policy)
        try endless.set("epochs", text: "2", from: "run.yaml")
        #expect(message { try endless.setSteps(problems: nil) }.contains("say steps"))
        // A file may say both, and its steps count.
        try endless.set("steps", text: "7", from: "run.yaml")
        try endless.setSteps(problems: 30)
        #expect(try ResolvedOptions(endless, vocabularySize: 0).schedule.steps == 7)
    }

    /// GKD's temperature is of the replies that are drawn, and half of the steps draw some.
    @Test func generalisedDistillation() throws {
        let members: JSONObject = [
            "model_name_or_path": "tiny", "teacher_model_name_or_path": "smollm2", "dataset_name": "chat.jsonl",
            "max_new_tokens": 64, "temperature": 0.7, "max_steps": 10,
        ]
        let options = try translated(members, for: .distillation).1.distillation
        #expect(options.teacher == "smollm2" && options.weight == 0.5 && options.onPolicy == 0.5)
        #expect(options.maximumTokens == 64 && options.drawTemperature == 0.7 && options.temperature == 1)
        var given = members
        given["lmbda"] = 0
        #expect(try translated(given, for: .distillation).1.distillation.onPolicy == 0)
        given["lmbda"] = 0.5
        given["seq_kd"] = true
        #expect(message { _ = try translated(given, for: .distillation) }.contains("lmbda: is of next tokens"))
        given["lmbda"] = nil
        #expect(try translated(given, for: .distillation).1.distillation.level == .sequence)
    }

    /// Whatever is not understood is named, with its line, and with what to do.
    @Test func unknownKeysAreRefusedByName() throws {
        #expect(
            refusal("llamafactory_sft", for: .tuning, "lora_magic", 3).contains(
                "lora_magic: is not understood of LLaMA-Factory's files"))
        // A name that is like none is suggested none.
        #expect(refusal("llamafactory_sft", for: .tuning, "learning_rates", 3).contains("such as learning_rate"))
        #expect(!refusal("llamafactory_sft", for: .tuning, "xyzzy", 3).contains("such as"))
        #expect(refusal("axolotl_lora", for: .tuning, "optimizer", "came_pytorch").contains("there is no optimiser"))
        #expect(
            refusal("mlx_lora", for: .tuning, "wand", "project").contains("wand: is not understood of mlx-lm's files"))
        #expect(refusal("trl_sft", for: .tuning, "lr_scheduler_type", "polynomial").contains("there is no schedule"))
        #expect(refusal("llamafactory_sft", for: .tuning, "learning_rate", "fast").contains("expected a number"))
        #expect(refusal("trl_grpo", for: .policy, "top_p", 0.9).contains("drawn from the whole distribution"))
        // All of them at once.
        do {
            _ = try read("llamafactory_sft", for: .tuning) {
                $0["use_badam"] = true
                $0["template"] = "vicuna"
            }
            Issue.record("two keys were read past")
        } catch {
            #expect("\(error)".contains("2 keys cannot be followed") && "\(error)".contains("use_badam"))
        }
    }

    /// A base of few bits is a matter of its file.
    @Test func quantisedBases() throws {
        #expect(refusal("llamafactory_sft", for: .tuning, "quantization_bit", 4).contains("martlet quantize MODEL"))
        let (_, read, _) = try read(
            "llamafactory_sft", for: .tuning, changing: { $0["quantization_bit"] = 4 }, isQuantized: true)
        #expect(read.notes.contains { $0.contains("quantization_bit") })
    }

    @Test func ownFilesStayOwn() throws {
        let own: JSON = ["data": "chats.jsonl", "adapter": "lora", "rank": 8, "epochs": 2, "learning_rate": 0.001]
        #expect(ConfigurationDialect.recognised(own, for: .tuning) == nil)
        // One name of another program among ours is a mistake that is told as before.
        let mixed: JSON = ["data": "chats.jsonl", "batch_rows": 8, "iters": 100]
        #expect(ConfigurationDialect.recognised(mixed, for: .tuning) == nil)
        var options = TrainingOptions(for: .tuning)
        #expect(throws: TrainingError.self) { try options.set(mixed, from: "run.yaml") }
    }

    /// Shares of epochs and of steps become numbers as soon as the rows are known.
    @Test func sharesBecomeSteps() throws {
        var options = TrainingOptions(for: .tuning)
        for (key, value) in ["batch_rows": "4", "epochs": "2", "warmup_share": "0.1", "context_length": "64"] {
            try options.set(key, text: value)
        }
        try options.set("evaluations_per_epoch", text: "4")
        try options.set("saves_per_epoch", text: "1")
        let resolved = try ResolvedOptions(options, vocabularySize: 100, rowsPerEpoch: { _, _ in 400 })
        #expect(resolved.schedule.steps == 200 && resolved.schedule.warmup == 20)
        #expect(resolved.evaluation.every == 25 && resolved.checkpoints.every == 100)
    }
}
