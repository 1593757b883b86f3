import Foundation
import MartletChat
import MartletData
import MartletJSON
import Testing
import TinyModels

@Suite("Records that say which replies are good")
struct FeedbackTests {
    private let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private func read(_ name: String, _ text: String, _ change: (inout CorpusOptions) -> Void = { _ in }) throws
        -> (all: [Feedback], tally: CorpusTally)
    {
        var options = CorpusOptions()
        options.feedback = .demanded
        change(&options)
        let corpus = try Corpus([scratch.write(name, text)], options: options)
        var all: [Feedback] = []
        while let document = try corpus.nextDocument() {
            guard case .feedback(let feedback) = document.content else { continue }
            all.append(feedback)
        }
        return (all, corpus.tally)
    }

    private func shown(_ messages: [ChatMessage]) -> String {
        messages.map { "\($0.role.prefix(1)):\($0.content ?? "")" }.joined(separator: "|")
    }

    private func pair(_ record: String, _ change: (inout CorpusOptions) -> Void = { _ in }) throws -> [String] {
        guard case .pair(let pair)? = try read("one.jsonl", record, change).all.first else { return [] }
        return [shown(pair.prompt), shown(pair.chosen), shown(pair.rejected)]
    }

    @Test(
        "pairs in the shapes of TRL, LLaMA-Factory and the HH sets",
        arguments: [
            (#"{"prompt": "q", "chosen": "a", "rejected": "b"}"#, ["u:q", "a:a", "a:b"]),
            (#"{"question": "q", "chosen": "a", "rejected": "b", "system": "s"}"#, ["s:s|u:q", "a:a", "a:b"]),
            (
                #"{"instruction": "q", "input": "c", "chosen": "a", "rejected": "b", "history": [["x", "y"]]}"#,
                ["u:x|a:y|u:q\n\nc", "a:a", "a:b"]
            ),
            (
                #"{"prompt": [{"role": "user", "content": "q"}], "chosen": [{"role": "assistant", "content": "a"}], "rejected": [{"role": "assistant", "content": "b"}]}"#,
                ["u:q", "a:a", "a:b"]
            ),
            (
                #"{"chosen": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}], "rejected": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "b"}]}"#,
                ["u:q", "a:a", "a:b"]
            ),
            (
                #"{"prompt": "q", "chosen": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}], "rejected": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "b"}]}"#,
                ["u:q", "a:a", "a:b"]
            ),
            (
                #"{"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "x"}, {"from": "human", "value": "r"}], "chosen": {"from": "gpt", "value": "a"}, "rejected": {"from": "gpt", "value": "b"}}"#,
                ["u:q|a:x|u:r", "a:a", "a:b"]
            ),
            (
                #"{"chosen": "\n\nHuman: q\n\nAssistant: x\n\nHuman: r\n\nAssistant: a", "rejected": "\n\nHuman: q\n\nAssistant: x\n\nHuman: r\n\nAssistant: b"}"#,
                ["u:q|a:x|u:r", "a:a", "a:b"]
            ),
            (
                #"{"chosen": "The sky is blue.", "rejected": "The sky is green."}"#,
                ["u:The sky is", "a: blue.", "a: green."]
            ),
        ])
    func pairs(_ record: String, _ wanted: [String]) throws { #expect(try pair(record) == wanted) }

    @Test("columns under other names, and a margin")
    func mapped() throws {
        let record = #"{"q": "q", "good": "a", "bad": "b", "by": 2.5}"#
        let columns = try ColumnMap("prompt=q,chosen=good,rejected=bad,margin=by")
        #expect(try pair(record) { $0.columns = columns } == ["u:q", "a:a", "a:b"])
        guard case .pair(let pair)? = try read("m.jsonl", record, { $0.columns = columns }).all.first else {
            Issue.record("no pair")
            return
        }
        #expect(pair.margin == 2.5)
    }

    @Test("equal and empty pairs are counted, with the first place of each")
    func leftOut() throws {
        let found = try read(
            "bad.jsonl",
            """
            {"prompt": "q", "chosen": "a", "rejected": "b"}
            {"prompt": "q", "chosen": "a", "rejected": "a"}
            {"prompt": "q", "chosen": "", "rejected": "a"}
            {"prompt": "q", "chosen": "a", "rejected": "  \\n"}
            {"chosen": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}], "rejected": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
            """)
        #expect(found.all.count == 1)
        #expect(found.tally[.equalPair] == 2 && found.tally[.emptyReply] == 2)
        #expect(found.tally.entries[0].first.hasSuffix("line 2"))
    }

    @Test(
        "replies by themselves",
        arguments: [
            (#"{"prompt": "q", "completion": "a", "label": true}"#, "u:q", "a:a", true),
            (#"{"prompt": "q", "completion": "a", "label": "False"}"#, "u:q", "a:a", false),
            (#"{"instruction": "q", "input": "", "output": "a", "kto_tag": false}"#, "u:q", "a:a", false),
            (
                #"{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}], "label": true}"#,
                "u:q", "a:a", true
            ),
        ])
    func judged(_ record: String, _ prompt: String, _ reply: String, _ label: Bool) throws {
        guard case .judged(let found)? = try read("one.jsonl", record).all.first else {
            Issue.record("no judged reply")
            return
        }
        #expect(shown(found.prompt) == prompt && shown(found.reply) == reply && found.isDesirable == label)
    }

    @Test("steps with labels")
    func steps() throws {
        let record = #"{"prompt": "q", "completions": ["one", "two"], "labels": [true, false]}"#
        guard case .steps(let found)? = try read("one.jsonl", record).all.first else {
            Issue.record("no steps")
            return
        }
        #expect(found.steps == ["one", "two"] && found.areRight == [true, false])
    }

    @Test("a record that says nothing about replies is an error that lists its columns")
    func refused() throws {
        let path = try scratch.write("plain.jsonl", #"{"prompt": "q", "completion": "a"}"#)
        var options = CorpusOptions()
        options.feedback = .demanded
        let corpus = try Corpus([path], options: options)
        let found = failure { () throws(DataError) in _ = try corpus.nextDocument() }
        #expect(found?.description.contains("says nothing about replies") ?? false)
        #expect(found?.description.contains("line 1") ?? false)
        // Where feedback is welcome, the record is what it is otherwise.
        options.feedback = .whereThere
        let other = try Corpus([path], options: options)
        guard case .chat? = try other.nextDocument()?.content else {
            Issue.record("no conversation")
            return
        }
    }

    /// Columns that a description does not name are those of Alpaca where they are there, and no others.
    @Test("dataset_info.json: tables without an input, and texts that are described by their prompt alone")
    func describedColumnsMayBeMissing() throws {
        _ = try scratch.write("pairs.csv", "q,a\nHi?,Yes.\nSo?,No.\n")
        _ = try scratch.write(
            "texts.jsonl", "{\"text\": \"one\", \"url\": \"u\"}\n{\"text\": \"two\", \"url\": \"u\"}\n")
        _ = try scratch.write("alpaca.jsonl", "{\"text\": \"q\", \"output\": \"a\"}\n")
        let info = try scratch.write(
            "dataset_info.json",
            """
            {"pairs": {"file_name": "pairs.csv", "columns": {"prompt": "q", "response": "a"}},
             "texts": {"file_name": "texts.jsonl", "columns": {"prompt": "text"}},
             "alpaca": {"file_name": "alpaca.jsonl", "columns": {"prompt": "text"}}}
            """)
        func read(_ name: String, keepsPrompts: Bool = false) throws -> [String] {
            var options = CorpusOptions(), found: [String] = []
            options.datasets = try DatasetInfo(path: info)
            options.keepsPrompts = keepsPrompts
            let corpus = try Corpus([name], options: options)
            while let document = try corpus.nextDocument() {
                switch document.content {
                case .text(let bytes): found.append(String(decoding: bytes, as: UTF8.self))
                case .chat(let messages, _): found.append(shown(messages))
                default: Issue.record("\(document.content)")
                }
            }
            return found
        }
        #expect(try read("pairs") == ["u:Hi?|a:Yes.", "u:So?|a:No."])
        #expect(try read("texts") == ["one", "two"])
        #expect(try read("texts", keepsPrompts: true) == ["u:one", "u:two"])
        #expect(try read("alpaca") == ["u:q|a:a"])
    }

    @Test("dataset_info.json of LLaMA-Factory: names, columns, tags and what is not read")
    func datasetInfo() throws {
        let file = try scratch.write(
            "pairs.json",
            """
            [{"talk": [{"who": "person", "says": "q"}], "better": {"who": "model", "says": "a"},
              "worse": {"who": "model", "says": "b"}},
             {"talk": [{"who": "person", "says": "q2"}], "better": {"who": "model", "says": "a"},
              "worse": {"who": "model", "says": "b"}}]
            """)
        let info = try scratch.write(
            "dataset_info.json",
            """
            {"mine": {"file_name": "pairs.json", "formatting": "sharegpt", "ranking": true, "num_samples": 1,
              "columns": {"messages": "talk", "chosen": "better", "rejected": "worse"},
              "tags": {"role_tag": "who", "content_tag": "says", "user_tag": "person", "assistant_tag": "model"}},
             "far": {"hf_hub_url": "org/name"}, "pictures": {"file_name": "p.json", "columns": {"images": "i"}}}
            """)
        var options = CorpusOptions()
        options.feedback = .demanded
        options.datasets = try DatasetInfo(path: info)
        let corpus = try Corpus(["mine"], options: options)
        var count = 0
        while let document = try corpus.nextDocument() {
            guard case .feedback(.pair(let pair)) = document.content else { continue }
            #expect([shown(pair.prompt), shown(pair.chosen), shown(pair.rejected)] == ["u:q", "a:a", "a:b"])
            count += 1
        }
        #expect(count == 1)
        // The file by itself is read the same way, all of it, and that is told.
        options.datasets = nil
        let beside = try Corpus([file], options: options)
        #expect(beside.notes.count == 1)
        count = 0
        while try beside.nextDocument() != nil { count += 1 }
        #expect(count == 2)
        let described = try DatasetInfo(path: info)
        #expect(described.names == ["far", "mine", "pictures"])
        for (name, part) in [("far", "not downloaded"), ("pictures", "columns.images"), ("other", "not a data set")] {
            let found = failure { () throws(DataError) in _ = try described.entry(name) }
            #expect(found?.description.contains(part) ?? false, "\(String(describing: found))")
        }
    }
}
