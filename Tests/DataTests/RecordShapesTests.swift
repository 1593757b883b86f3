import Foundation
import MartletData
import MartletJSON
import Testing
import TinyModels

/// The conversations of a file, as "role: content" with "*" behind what is context only.
private func turns(_ path: String, _ change: (inout CorpusOptions) -> Void = { _ in }) throws -> [[String]] {
    try documents([path], change).map { document in
        guard case .chat(let messages, _) = document.content else {
            return [String(decoding: document.plainText, as: UTF8.self)]
        }
        return messages.map { "\($0.role): \($0.content ?? "")" + ($0["weight"]?.double == 0 ? "*" : "") }
    }
}

private func tally(_ path: String, _ change: (inout CorpusOptions) -> Void = { _ in }) throws -> [CorpusTally.Kind: Int]
{
    var options = CorpusOptions()
    change(&options)
    let corpus = try Corpus([path], options: options)
    while try corpus.nextDocument() != nil {}
    return Dictionary(uniqueKeysWithValues: corpus.tally.entries.map { ($0.kind, $0.count) })
}

@Suite("Shapes of records")
struct RecordShapesTests {
    private let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private func one(_ record: String, _ change: (inout CorpusOptions) -> Void = { _ in }) throws -> [String] {
        try turns(scratch.write("one.jsonl", record), change).first ?? []
    }

    @Test(
        "a prompt and its response, by the names they have",
        arguments: [
            (#"{"instruction": "a", "context": "c", "response": "b", "category": "qa"}"#, "a\n\nc"),
            (#"{"instruction": "a", "input": "c", "output": "b", "text": "a c b"}"#, "a\n\nc"),
            (#"{"question": "a", "answer": "b", "id": 3, "score": [1]}"#, "a"),
            (#"{"query": "a", "response": "b"}"#, "a"), (#"{"problem": "a", "solution": "b"}"#, "a"),
            (#"{"prompt": "a", "completion": "b"}"#, "a"), (#"{"input": "a", "output": "b"}"#, "a"),
            (#"{"prompt": "a", "solution": "b"}"#, "a"),
            (#"{"instruction": "", "input": "a", "output": "b"}"#, "a"),
        ])
    func tasks(_ record: String, _ asked: String) throws {
        #expect(try one(record) == ["user: \(asked)", "assistant: b"])
    }

    @Test("a prompt that nothing answers keeps its system prompt, its context, its history and its tools")
    func promptsAlone() throws {
        func asked(_ record: String, _ change: (inout CorpusOptions) -> Void = { _ in }) throws -> [String] {
            try one(record) {
                $0.keepsPrompts = true
                change(&$0)
            }
        }
        #expect(
            try asked(#"{"prompt": "p", "system": "s", "id": 1}"#) == ["system: s", "user: p"])
        #expect(
            try asked(#"{"instruction": "p", "input": "c", "history": [["a", "b"]]}"#) == [
                "user: a", "assistant: b", "user: p\n\nc",
            ])
        #expect(
            try asked(#"{"prompt": "p"}"#) { $0.system = "all" } == ["system: all", "user: p"])
        #expect(
            try asked(#"{"prompt": "p", "system": "s"}"#) { $0.system = "all" } == ["system: s", "user: p"])
        let path = try scratch.write("tools.jsonl", #"{"prompt": "p", "tools": "[{\"type\": \"function\"}]"}"#)
        guard case .chat(_, let tools?)? = try documents([path], { $0.keepsPrompts = true }).first?.content else {
            Issue.record("the tools are gone")
            return
        }
        #expect(tools.count == 1)
    }

    @Test("pictures, films and sounds beside a text are refused by the name of their column, and none are none")
    func media() throws {
        for name in ["images", "videos", "audios"] {
            let text = #"{"instruction": "what?", "output": "a cat", "\#(name)": ["a"]}"#
            let path = try scratch.write("media.jsonl", text)
            let error = failure { () throws(DataError) in _ = try Corpus([path]).nextDocument() }
            #expect(error?.field == name && error?.reason.contains("only text is learnt") == true, "\(error as Any)")
            for none in ["[]", "null", "\"\""] {
                #expect(try one(#"{"instruction": "a", "output": "b", "\#(name)": \#(none)}"#).count == 2)
            }
        }
    }

    @Test("pictures in columns of a table are refused like those of records", arguments: ["parquet", "arrow"])
    func mediaOfTables(_ kind: String) throws {
        let path = #filePath.replacing("RecordShapesTests.swift", with: "Goldens/pictures.\(kind)")
        var read = 0
        let error = failure { () throws(DataError) in
            let corpus = try Corpus([path])
            while try corpus.nextDocument() != nil { read += 1 }
        }
        #expect(read == 2 && error?.place == "row 3" && error?.field == "images", "\(error as Any)")
        #expect(error?.reason.contains("only text is learnt") == true)
        #expect(try documents([path]) { $0.badRecords = .skip }.count == 2)
    }

    @Test("calls of tools that are JSON in a text are calls, and template arguments are counted")
    func callsInTexts() throws {
        let calls = #"[{\"type\": \"function\", \"function\": {\"name\": \"w\", \"arguments\": {\"c\": 1}}}]"#
        let record =
            #"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "", "tool_calls": "\#(calls)"}, "#
            + #"{"role": "tool", "content": "s"}, {"role": "assistant", "content": "b", "tool_calls": ""}], "#
            + #""chat_template_kwargs": {"enable_thinking": false}}"#
        let path = try scratch.write("calls.jsonl", record)
        guard case .chat(let messages, _)? = try documents([path]).first?.content else {
            Issue.record("is no conversation")
            return
        }
        #expect(messages[1].toolCalls.map(\.name) == ["w"] && messages[3].toolCalls.isEmpty)
        #expect(try tally(path) == [.templateArguments: 1])
    }

    @Test("conversations without a system prompt have the one that is given, and others their own")
    func systemOfAll() throws {
        func said(_ record: String) throws -> [String] { try one(record) { $0.system = "all" } }
        #expect(
            try said(#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}"#) == [
                "system: all", "user: a", "assistant: b",
            ])
        #expect(
            try said(#"{"instruction": "a", "output": "b", "system": "own"}"#) == [
                "system: own", "user: a", "assistant: b",
            ])
        #expect(try said(#"{"text": "plain"}"#) == ["plain"])
    }

    @Test("a text beside a column that a prompt could be is shown as the text that is packed, and asked as a prompt")
    func textBesidePrompt() throws {
        let record = #"{"input": 3, "prompt": "p", "text": "a"}"#
        #expect(try one(record) == ["a"])
        #expect(
            try one(record) {
                $0.feedback = .whereThere
                $0.keepsPrompts = true
            } == ["a"])
        #expect(try one(record) { $0.keepsPrompts = true } == ["user: p"])
    }

    @Test("Alpaca's history is earlier turns")
    func history() throws {
        #expect(
            try one(
                #"{"instruction": "c", "input": "", "output": "d", "system": "s", "history": [["a", "b"], ["e", "f"]]}"#
            )
                == ["system: s", "user: a", "assistant: b", "user: e", "assistant: f", "user: c", "assistant: d"])
        let path = try scratch.write("h.jsonl", #"{"instruction": "c", "output": "d", "history": [["a"]]}"#)
        #expect(refusal(path).contains("\"history\": entry 1 is not a pair"))
    }

    @Test("one column with a name that says what it holds is that, whatever the file")
    func onlyColumns() throws {
        let messages =
            "\"[{\"\"role\"\": \"\"user\"\", \"\"content\"\": \"\"a\"\"}, {\"\"role\"\": \"\"assistant\"\", "
            + "\"\"content\"\": \"\"b\"\"}]\"\n"
        let said = [["user: a", "assistant: b"]]
        for name in ["messages", "conversations", "conversation"] {
            #expect(try turns(scratch.write("\(name).csv", "\(name)\n" + messages)) == said)
            #expect(try turns(scratch.write("\(name).csv", "\(name)\n" + messages)) { $0.field = name } == said)
        }
        #expect(try turns(scratch.write("any.csv", "story\n[once]\n")) == [["[once]"]])
        #expect(try turns(scratch.write("text.csv", "text\n" + messages)).first?.first?.hasPrefix("[{") == true)
        let ids = try documents([scratch.write("ids.csv", "input_ids\n\"[3, 4, 5]\"\n")])
        #expect(ids.map(\.content) == [.tokens([3, 4, 5], isTrained: nil)])
        #expect(refusal(try scratch.write("p.csv", "prompt\na\n")).contains("no column is known to hold text"))
        #expect(refusal(try scratch.write("m.csv", "messages\nplain words\n")).contains("expected a list of messages"))
    }

    @Test("messages within the cells of a table are messages under every name")
    func cellsOfMessages() throws {
        func cell(_ role: String, _ text: String) -> String {
            "\"[{\"\"role\"\": \"\"\(role)\"\", \"\"content\"\": \"\"\(text)\"\"}]\""
        }
        let asked = cell("user", "a"), good = cell("assistant", "good"), bad = cell("assistant", "bad")
        #expect(
            try turns(scratch.write("pc.csv", "prompt,completion\n\(asked),\(good)\n")) == [
                ["user: a", "assistant: good"]
            ])
        #expect(
            try turns(scratch.write("pr.csv", "prompt,chosen,rejected\n\(asked),\(good),\(bad)\n")) == [
                ["user: a", "assistant: good"]
            ])
        // The same in a JSON text; a list of other things is a text.
        let text = #"{"prompt": "[{\"from\": \"human\", \"value\": \"a\"}]", "completion": "[1]"}"#
        #expect(try one(text) == ["user: a", "assistant: [1]"])
        let printed = try scratch.write("py.csv", "prompt,completion\n\"[{'role': 'user', 'content': 'a'}]\",b\n")
        #expect(refusal(printed).contains("as Python prints it"))
    }

    @Test("prompts and completions that are messages: what was said before is context")
    func conversational() throws {
        #expect(
            try one(
                """
                {"prompt": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, \
                {"role": "user", "content": "c"}], "completion": [{"role": "assistant", "content": "d"}]}
                """) == ["user: a", "assistant: b*", "user: c", "assistant: d"])
        #expect(
            try one(#"{"prompt": "a", "completion": [{"role": "assistant", "content": "d"}]}"#)
                == ["user: a", "assistant: d"])
    }

    @Test("labels that are false are left out and counted, in every container")
    func labels() throws {
        let good = #"{"prompt": "a", "completion": "b", "label": true}"#,
            bad = #"{"prompt": "a", "completion": "c", "label": false}"#
        let chat =
            #"{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "r"}], "label": false}"#
        let tag = #"{"instruction": "a", "output": "b", "kto_tag": false}"#
        let lines = try scratch.write("a.jsonl", [good, bad, chat, tag].joined(separator: "\n"))
        #expect(try turns(lines) == [["user: a", "assistant: b"]])
        #expect(try tally(lines) == [.unwanted: 3])
        #expect(try tally(scratch.write("a.json", "[\(good), \(bad)]")) == [.unwanted: 1])
        #expect(try tally(scratch.write("a.csv", "prompt,completion,label\na,b,True\na,c,False\n")) == [.unwanted: 1])
    }

    @Test("of preference pairs the chosen reply is learnt")
    func preferences() throws {
        let expected = ["user: a", "assistant: good"]
        #expect(try one(#"{"prompt": "a", "chosen": "good", "rejected": "bad"}"#) == expected)
        #expect(
            try one(
                #"{"conversations": [{"from": "human", "value": "a"}], "chosen": {"from": "gpt", "value": "good"}, "rejected": {"from": "gpt", "value": "bad"}}"#
            ) == expected)
        let whole =
            #"{"chosen": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "good"}], "rejected": []}"#
        #expect(try one(whole) == expected)
        #expect(try tally(scratch.write("w.jsonl", whole)) == [.rejectedReply: 1])
    }

    @Test("null and empty texts are left out and counted alike, in every container")
    func nulls() throws {
        let values = ["{\"text\": \"x\", \"n\": 1}", "{\"text\": null, \"n\": 2}", "{\"text\": \"\", \"n\": 3}"]
        for path in [
            try scratch.write("a.jsonl", values.joined(separator: "\n")),
            try scratch.write("a.json", "[\(values.joined(separator: ","))]"),
            try scratch.write("a.csv", "text,n\nx,1\n,2\n\"\",3\n"),
        ] {
            #expect(try texts([path]) == ["x"])
            #expect(try tally(path) == [.emptyText: 2], "\(path)")
        }
    }

    private func map(_ text: String) -> ColumnMap { (try? ColumnMap(text)) ?? ColumnMap() }

    @Test("columns can be mapped, and what cannot be is refused by name")
    func maps() throws {
        let record = #"{"q": "a", "s": "b", "hint": "c", "text": "other"}"#
        #expect(try one(record) { $0.columns = map("prompt=q,response=s") } == ["user: a", "assistant: b"])
        #expect(
            try one(record) { $0.columns = map("instruction=q,input=hint,answer=s") }
                == ["user: a\n\nc", "assistant: b"])
        #expect(try one(record) { $0.columns = map("text=hint") } == ["c"])
        for (map, words) in [
            ("q", "is not of the form role=column"),
            ("colour=q", "does not name a role; roles are text, messages, prompt"),
            ("prompt=q", "has no role to train on"), ("response=s", "no prompt"), ("text=", "does not name a column"),
            ("text=a,text=b", "a second time"),
        ] {
            #expect(
                failure { () throws(DataError) in _ = try ColumnMap(map) }?.description.contains(words) == true,
                "\(map)")
        }
        let table = try scratch.write("t.csv", "q,s\na,b\n")
        #expect(try turns(table) { $0.columns = map("prompt=q,response=s") } == [["user: a", "assistant: b"]])
        #expect(refusal(table) { $0.columns = map("prompt=q,response=x") }.contains("\"x\": is not a column"))
    }

    @Test("token ids with their labels, and segments")
    func pretokenized() throws {
        let path = try scratch.write(
            "a.jsonl",
            """
            {"input_ids": [5, 6, 7, 0], "labels": [-100, 6, 7, -100], "attention_mask": [1, 1, 1, 0]}
            {"input_ids": [5, 6]}
            {"segments": [{"text": "a", "label": false}, {"text": "b", "label": true}]}
            """)
        #expect(
            try documents([path]).map(\.content) == [
                .tokens([5, 6, 7], isTrained: [false, true, true]), .tokens([5, 6], isTrained: nil),
                .segments([.init("a", isTrained: false), .init("b", isTrained: true)]),
            ])
        for (record, words) in [
            (#"{"input_ids": [1], "labels": [2]}"#, "expected the token's own id 1 or -100"),
            (#"{"input_ids": [1, 2], "labels": [1]}"#, "1 entries for 2 tokens"),
            (#"{"input_ids": [-1]}"#, "is not a token id"), (#"{"input_ids": [1.5]}"#, "expected a whole number"),
            (#"{"input_ids": [1], "labels": [-100]}"#, "nothing to learn"),
            (#"{"prompt": "a", "completions": ["b"], "labels": [true]}"#, "for a reward model"),
            (#"{"prompt": "a"}"#, "without a response"),
        ] {
            #expect(refusal(try scratch.write("b.jsonl", record)).contains(words), "\(record)")
        }
    }

    @Test("what messages carry is read or refused by name")
    func messages() throws {
        #expect(
            try one(
                #"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "weight": 0}]}"#
            )
                == ["user: a", "assistant: b*"])
        for key in ["train", "training"] {
            let reply = #"{"role": "assistant", "content": "b", "\#(key)": false}"#
            #expect(
                try one(#"{"messages": [{"role": "user", "content": "a"}, \#(reply)]}"#) == [
                    "user: a", "assistant: b*",
                ])
        }
        let call =
            #"{"messages": [{"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{\"x\": 1}"}}, {"role": "function", "name": "f", "content": "2"}]}"#
        guard case .chat(let messages, _) = try documents([scratch.write("c.jsonl", call)])[0].content else {
            throw DataError(.invalid, "no chat")
        }
        #expect(messages[0].toolCalls.first?.arguments["x"]?.integer == 1 && messages[1].role == "tool")
        for (message, words) in [
            (#"{"role": "assistant", "content": "b", "weight": "x"}"#, "'weight' is \"x\""),
            (#"{"role": "assistant", "content": "b", "train": 1}"#, "'train' is 1"),
            (#"{"role": "assistant", "content": "b", "training": "no"}"#, "'training' is \"no\""),
            (#"{"role": "assistant", "content": "b", "loss": 2}"#, "'loss' is 2"),
            (#"{"role": "user", "content": "b", "train": true}"#, "'train' is true on a message of \"user\""),
            (#"{"role": "assistant", "content": "b", "train": true, "weight": 0}"#, "contradict"),
            (
                #"{"role": "assistant", "content": "b", "train_detail": [{"begin_offset": 0, "end_offset": 1, "train": false}]}"#,
                "reaches to character 1"
            ),
            (#"{"role": "user", "content": "b", "weight": 1}"#, "on a message of \"user\""),
            (#"{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}"#, "has an image"),
            (#"{"role": "user", "content": [{"type": "input_audio"}]}"#, "a part of type \"input_audio\""),
            (#"{"from": "human", "value": null}"#, "'value' is null"),
        ] {
            #expect(
                refusal(try scratch.write("d.jsonl", #"{"messages": [\#(message)]}"#)).contains(words), "\(message)")
        }
        let table = try scratch.write(
            "m.csv", "id,messages\n1,\"[{\"\"role\"\": \"\"user\"\", \"\"content\"\": \"\"a\"\"}]\"\n")
        #expect(try turns(table) == [["user: a"]])
    }

    @Test("train is weight under another name, and max_records reads the beginning of each file")
    func trainedMessagesAndFirstRecords() throws {
        for name in ["train", "training", "loss"] {
            let record =
                #"{"messages": [{"role": "user", "content": "a", "train": false}, "#
                + #"{"role": "assistant", "content": "b", "train": false}, {"role": "user", "content": "c"}, "#
                + #"{"role": "assistant", "content": "d", "train": true}]}"#
            let named = record.replacing("\"train\"", with: "\"\(name)\"")
            #expect(try one(named) == ["user: a*", "assistant: b*", "user: c", "assistant: d"])
        }
        let path = try scratch.write(
            "many.jsonl", (0..<9).map { #"{"prompt": "\#($0)", "completion": "x"}"# }.joined(separator: "\n"))
        #expect(try turns(path) { $0.largestCount = 4 }.map { $0[0] } == (0..<4).map { "user: \($0)" })
    }
}

@Suite("Records that cannot be used")
struct BadRecordTests {
    private let scratch: Scratch

    init() throws { scratch = try Scratch() }

    /// Each holds two good texts and one record that cannot be used.
    static let files: [(name: String, text: String, place: String)] = [
        ("nan.jsonl", "{\"text\": \"x\"}\n{\"text\": \"y\", \"score\": NaN}\n{\"text\": \"z\"}\n", "line 2"),
        ("half.jsonl", "{\"text\": \"x\"}\n{\"text\": \"half a rec\n{\"text\": \"z\"}\n", "line 2"),
        ("list.json", "[{\"text\": \"x\"}, {\"text\": nul}, {\"text\": \"z\"}]", "record 2"),
        ("pretty.json", "{\n \"text\": \"x\"\n}\n{\n \"text\": tru\n}\n{\n \"text\": \"z\"\n}", "record 2"),
        ("kind.json", "[{\"text\": \"x\"}, 7, {\"text\": \"z\"}]", "record 2"),
        ("cut.json", "[{\"text\": \"x\"}, {\"text\": \"z\"}, {\"text\": \"ha", "line 1"),
        ("fields.csv", "text,n\nx,1\ny\nz,3\n", "line 3, row 2"),
        ("quote.csv", "text,n\nx,1\n\"a\"b,2\nz,3\n", "line 3"),
        ("answer.jsonl", "{\"text\": \"x\"}\n{\"question\": \"q\", \"answer\": \"\"}\n{\"text\": \"z\"}", "line 2"),
    ]

    @Test("end the reading with their place, or are passed over and counted", arguments: files)
    func policies(_ name: String, _ text: String, _ place: String) throws {
        let path = try scratch.write(name, text)
        #expect(refusal(path).contains(place), "\(refusal(path))")
        for policy in [BadRecordPolicy.skip, .report] {
            var options = CorpusOptions(), told: [String] = [], texts: [String] = []
            options.badRecords = policy
            let corpus = try Corpus([path], options: options)
            corpus.onBadRecord = { told.append($0.description) }
            while let document = try corpus.nextDocument() {
                texts.append(String(decoding: document.plainText, as: UTF8.self))
            }
            #expect(texts == ["x", "z"])
            #expect(corpus.tally[.badRecord] == 1 && corpus.tally.entries[0].first.contains(place))
            #expect(told.count == (policy == .report ? 1 : 0))
        }
    }

    @Test("a list of any length is read in the memory of its longest record")
    func longList() throws {
        let record = "{\"text\": \"[]{}\\\"\\\\, \(String(repeating: "é", count: 500))\"}"
        let path = try scratch.write(
            "a.json", "[" + Array(repeating: record, count: 2000).joined(separator: " ,\n") + "]")
        #expect(try documents([path]).count == 2000)
        #expect(
            refusal(try scratch.write("b.json", "[{\"text\": \"x\"} {\"text\": \"y\"}]")).contains("expected a comma"))
        #expect(refusal(try scratch.write("c.json", "[{\"text\": \"x\"}")).contains("ends before its list does"))
        #expect(refusal(try scratch.write("d.json", "[{\"text\": \"x\"},]")).contains("a comma stands before"))
        #expect(refusal(try scratch.write("e.json", "[] x")).contains("something follows"))
        #expect(try texts([scratch.write("f.json", "[]")]) == [])
        #expect(try texts([scratch.write("g.json", " \n")]) == [])
        #expect(refusal(try scratch.write("h.json", "}")).contains("expected a value"))
    }
}
