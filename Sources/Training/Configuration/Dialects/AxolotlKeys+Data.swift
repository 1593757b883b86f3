import MartletJSON

/// The data of axolotl's files: which there are, how their columns are called, and what of them is learnt.
extension DialectReader {
    func readAxolotlData() {
        readAxolotlTexts()
        var parts: [(path: String, subset: String?, split: String)] = [], maps: Set<String> = []
        var learns: Set<String> = []
        for (index, entry) in (take("datasets")?.array ?? []).enumerated() {
            func refuseEntry(_ name: String, _ next: String) {
                refuse("datasets", "entry \(index + 1): \(name) \(next)")
            }
            guard let members = entry.object, let path = members["path"]?.string else {
                refuseEntry("path", "is missing")
                continue
            }
            var map: [String] = [], paths = [path], subset: String?, split = "train"
            for (name, value) in members where !value.isNull {
                switch name {
                case "path", "ds_type", "trust_remote_code", "revision", "preprocess_shards": break
                case "data_files":
                    let files = value.string.map { [$0] } ?? value.array?.compactMap(\.string) ?? []
                    if files.isEmpty { refuseEntry(name, "is no file, or list of files") }
                    // "json" and the like are readers of files, no folders.
                    let isReader = ["json", "csv", "parquet", "arrow", "text"].contains(path)
                    paths = files.map { isReader || $0.contains("/") ? $0 : path + "/" + $0 }
                case "type":
                    // "alpaca:phi" and "chatml.argilla" are a shape and a manner of writing it.
                    let known = value.string.map { text in
                        text.split(whereSeparator: { $0 == "." || $0 == ":" }).first.map(String.init) ?? text
                    }
                    if let known {
                        let shapes: Set = [
                            "chat_template", "sharegpt", "completion", "pretrain", "input_output", "chatml", "llama3",
                            "orpo", "bradley_terry", "stepwise_supervised", "user_defined", "passthrough", "zephyr",
                        ]
                        // Of these axolotl writes the prompts itself.
                        let written: Set = [
                            "alpaca", "alpaca_chat", "alpaca_instruct", "alpaca_w_system", "gpteacher", "explainchoice",
                            "concisechoice", "context_qa", "jeopardy", "load_camel_ai", "oasst",
                        ]
                        if written.contains(known) {
                            note(
                                "type \(known): prompts are written by the model's chat template, without axolotl's words"
                            )
                        } else if !shapes.contains(known) {
                            refuseEntry(name, "\(known.quoted()) is not known; take it out: shapes are found out")
                        }
                    } else if let columns = value.object {
                        for (role, column) in columns {
                            let ours = [
                                "field_instruction": "prompt", "field_input": "context", "field_output": "response",
                                "field_system": "system", "field_prompt": "prompt", "field_chosen": "chosen",
                                "field_rejected": "rejected", "field_completion": "response", "field_label": "label",
                            ]
                            if let ours = ours[role], let column = column.string {
                                map.append("\(ours)=\(column)")
                            } else {
                                refuseEntry(
                                    "type.\(role)", "is not understood: the model's chat template writes prompts")
                            }
                        }
                    } else {
                        refuseEntry(name, "is not understood")
                    }
                case "split": split = value.string ?? split
                case "name": subset = value.string
                case "field": if let text = value.string { map.append("text=\(text)") }
                case "field_messages":
                    // Names that are known anyway need no map.
                    if let text = value.string, !["messages", "conversations"].contains(text) {
                        map.append("messages=\(text)")
                    }
                case "field_tools": if let text = value.string { map.append("tools=\(text)") }
                case "field_system": if let text = value.string { map.append("system=\(text)") }
                case "field_chosen": if let text = value.string { map.append("chosen=\(text)") }
                case "field_rejected": if let text = value.string { map.append("rejected=\(text)") }
                case "message_property_mappings":
                    for (role, column) in value.object ?? [:] {
                        let known =
                            role == "role" ? ["role", "from"] : role == "content" ? ["content", "value"] : [role]
                        if !known.contains(column.string ?? "") {
                            refuseEntry(
                                name,
                                "\(role) is \(column.text()): describe the file in a dataset_info.json (tags), and name it with dataset_info"
                            )
                        }
                    }
                case "message_field_role":
                    if !["role", "from"].contains(value.string ?? "") { refuseEntry(name, "is role or from") }
                case "message_field_content":
                    if !["content", "value"].contains(value.string ?? "") { refuseEntry(name, "is content or value") }
                case "roles":
                    let usual: Set = ["user", "human", "assistant", "gpt", "model", "system", "tool"]
                    let names = (value.object ?? [:]).flatMap {
                        [$0.key] + ($0.value.array?.compactMap(\.string) ?? [])
                    }
                    if !Set(names).isSubset(of: usual) {
                        refuseEntry(name, "has other speakers than \(usual.sorted().joined(separator: ", "))")
                    }
                case "roles_to_train":
                    let names = value.array?.compactMap(\.string) ?? []
                    if names.isEmpty || Set(names).isSubset(of: ["assistant", "gpt", "model"]) {
                        learns.insert("replies")
                    } else {
                        refuseEntry(
                            name,
                            "\(names.joined(separator: ", ")): replies are learnt (or everything: train_on_inputs)")
                    }
                case "train_on_eos":
                    if value.string != "turn" { refuseEntry(name, "is turn here: a reply is learnt with what ends it") }
                case "train_on_eot":
                    if value.string != "turn" { refuseEntry(name, "is turn here: a reply is learnt with what ends it") }
                case "chat_template": noteTemplate(value.string ?? "")
                case "message_field_training", "message_field_training_detail":
                    if !["train", "train_detail", "weight"].contains(value.string ?? "") {
                        refuseEntry(name, "is train or train_detail")
                    }
                case "field_thinking", "template_thinking_key":
                    // The names that thoughts have in messages are found.
                    if !["reasoning_content", "thinking", "reasoning"].contains(value.string ?? "") {
                        refuseEntry(name, "is reasoning_content, reasoning or thinking here")
                    }
                case "drop_system_message":
                    if value.bool == true {
                        refuseEntry(name, "has no counterpart: take the system messages out of the file, then the key")
                    }
                case "step_separator":
                    if value.string != "\n" { refuseEntry(name, "is a line end here, between the steps of a reply") }
                case "train_on_last_step_only": if value.bool == true { refuseEntry(name, "every step is learnt") }
                case "max_completion_length":
                    refuseEntry(name, "replies are not cut: longer records are left out (sequence_len)")
                case "streaming": break
                default: refuseEntry(name, "is not understood; take it out, or use --map")
                }
            }
            parts += paths.map { ($0, subset, split) }
            maps.insert(map.joined(separator: ","))
        }
        setParts(command.key("data") != nil ? "data" : "prompts", parts, by: "datasets")
        if maps.count > 1 {
            refuse("datasets", "columns are mapped differently: tune on one after the other, or rename them")
        } else if let map = maps.first, !map.isEmpty {
            set("map", map, by: "datasets")
        }
        if let template = text("chat_template") { noteTemplate(template) }
        if let tokens = take("special_tokens")?.object {
            let usual: Set = ["pad_token", "unk_token"]
            let others = tokens.filter { !usual.contains($0.key) }.map(\.key)
            if others.isEmpty {
                note("special_tokens: rows are not padded here")
            } else {
                note(
                    "special_tokens \(others.joined(separator: ", ")): the tokenizer's own are used; no token is added")
            }
        }
        if let tokens = list("eot_tokens"), !tokens.isEmpty { note("eot_tokens: what ends a turn is the tokenizer's") }
        if let size = number("val_set_size") {
            if size == 0, command.key("validation") == nil {
                note("val_set_size: questions says how many problems are held out, a tenth of them at most")
            } else {
                set("validation", size, by: "val_set_size")
            }
        } else {
            usual("validation", 0)
        }
        if command.key("learn") != nil {
            let all = flag("train_on_inputs") ?? false
            if all, learns.contains("replies") { refuse("train_on_inputs", "contradicts roles_to_train") }
            set("learn", all ? "all" : "replies", by: "train_on_inputs")
        } else {
            _ = take("train_on_inputs")
        }
        if let length = integer("sequence_len") {
            if command.key("context_length") != nil {
                set("context_length", length, by: "sequence_len")
            } else {
                note("sequence_len: prompts longer than the model's context are left out; maximum_tokens is of replies")
            }
        } else {
            usual("context_length", 512)
        }
        demand("excess_length_strategy", among: ["drop"], else: "say long: cut for that")
        let packs = flag("sample_packing") ?? false
        if !packs, command.name == "sft" { notePackedRows() }
        noteGroupedRows()
        demand(
            "dataset_exact_deduplication", false,
            else: "no record is left out for being there twice: sort -u FILE does it for JSON lines")
    }

    /// Texts that go on being learnt as in pre-training: axolotl's other list of data sets.
    private func readAxolotlTexts() {
        guard let value = take("pretraining_dataset") else { return }
        let key = "pretraining_dataset"
        guard command.name == "sft" else {
            return refuse(key, "is learnt by martlet sft: martlet sft MODEL --config \(path)")
        }
        // One path, one data set, or several.
        let entries = value.string.map { [JSON.object(["path": .string($0)])] } ?? value.array ?? [value]
        var parts: [(path: String, subset: String?, split: String)] = [], fields: Set<String> = []
        for entry in entries {
            guard let members = entry.object, let path = members["path"]?.string else {
                refuse(key, "a data set has no path")
                continue
            }
            parts.append((path, members["name"]?.string, members["split"]?.string ?? "train"))
            for (name, value) in members where !value.isNull {
                switch name {
                case "path", "name", "split", "type", "trust_remote_code": break
                case "text_column": if let text = value.string { fields.insert(text) }
                case "skip" where value.integer == 0: break
                default: refuse(key, "\(name) is not understood; take it out")
                }
            }
        }
        guard fields.count < 2 else {
            return refuse(key, "texts stand in columns of several names: tune on one data set after the other")
        }
        setParts("data", parts, by: key)
        if let field = fields.first, field != "text" { set("field", field, by: key) }
        note(
            "pretraining_dataset: records of plain text are learnt whole, as many to a row as fit; martlet train reads token "
                + "shards")
    }

    private func noteTemplate(_ name: String) {
        switch name {
        case "tokenizer_default": break
        case "jinja":
            if !has("chat_template_jinja") {
                refuse("chat_template", "jinja needs chat_template_jinja, the template's file or its text")
            }
        default:
            note(
                name.hasPrefix("tokenizer_default_fallback_")
                    ? "chat_template: the model's own is used; without one there is an error"
                    : "chat_template \(name): the model's own chat template is used, which it stands for")
        }
    }
}
