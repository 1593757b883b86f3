import Foundation
import MartletData
import MartletFormats
import Testing
import TinyModels

@Suite("Folders of data")
struct FolderLayoutTests {
    private let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private func make(_ files: [String: String]) throws {
        for (name, text) in files {
            let path = URL(fileURLWithPath: scratch.file(name))
            try FileManager.default.createDirectory(
                at: path.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: path)
        }
    }

    private func record(_ text: String) -> String { "{\"text\": \"\(text)\"}\n" }

    /// The texts that are read, and the relative names of the files that are not, with their reasons.
    private func read(
        _ folder: String, _ change: (inout CorpusOptions) -> Void = { _ in }
    ) throws -> (texts: [String], leftOut: [String: LeftOutFile.Reason]) {
        var options = CorpusOptions(), texts: [String] = []
        change(&options)
        let corpus = try Corpus([scratch.file(folder)], options: options)
        while let document = try corpus.nextDocument() {
            texts.append(String(decoding: document.plainText, as: UTF8.self))
        }
        let prefix = scratch.file(folder).count + 1
        let leftOut = corpus.leftOutFiles.map { (String($0.path.dropFirst(prefix)), $0.reason) }
        return (texts, Dictionary(uniqueKeysWithValues: leftOut))
    }

    @Test("test and validation splits are not trained on, by the names of files and folders")
    func names() throws {
        try make([
            "r/data/train-00000-of-00001.jsonl": record("a"), "r/data/test-00000.jsonl": record("b"),
            "r/data/validation.jsonl": record("c"), "r/my_dev.csv": "text\nd\n", "r/eval/x.jsonl": record("e"),
            "r/contest.jsonl": record("f"), "r/latest-news.jsonl": record("g"),
        ])
        let (texts, leftOut) = try read("r")
        #expect(texts == ["f", "a", "g"])
        #expect(
            leftOut == [
                "data/test-00000.jsonl": .split("test"), "data/validation.jsonl": .split("validation"),
                "my_dev.csv": .split("validation"), "eval/x.jsonl": .split("test"),
            ])
        #expect(try read("r") { $0.split = "test" }.texts == ["b", "e"])
        #expect(try read("r") { $0.split = "all" }.texts.count == 7)
        #expect(try texts_(scratch.file("r/data/test-00000.jsonl")) == ["b"])
        try make(["t/test.jsonl": record("x")])
        let error = failure { () throws(DataError) in _ = try Corpus([scratch.file("t")]) }
        #expect(error?.reason.contains("holds no split \"train\"; there are, with their files: test (1)") == true)
    }

    @Test("a path names the split and the subset of its folder behind colons")
    func parts() throws {
        try make([
            "m/talk/train_sft-00000.jsonl": record("a"), "m/talk/train_gen-00000.jsonl": record("b"),
            "m/sets/SFT/table-0.jsonl": record("c"), "m/sets/Preference/table-0.jsonl": record("d"),
            "m/with:colon/train.jsonl": record("e"),
        ])
        let root = scratch.file("m")
        #expect(try texts(["\(root)/talk:train_gen"]) == ["b"])
        #expect(try texts(["\(root)/talk:train_sft", "\(root)/sets:SFT:table"]) == ["a", "c"])
        #expect(try texts(["\(root)/with:colon"]) == ["e"] && texts(["\(root)/with:colon:train"]) == ["e"])
        let split = failure { () throws(DataError) in _ = try Corpus(["\(root)/talk:train_magic"]) }
        #expect(split?.reason.contains("holds no split \"train_magic\"") == true, "\(split as Any)")
        let subset = failure { () throws(DataError) in _ = try Corpus(["\(root)/sets:DPO:table"]) }
        #expect(subset?.reason.contains("has no subset \"DPO\"") == true, "\(subset as Any)")
        // The option says it of all folders, and is not read past where there is no card.
        #expect(
            try read("m/sets") {
                $0.subset = "Preference"
                $0.split = "all"
            }.texts == ["d"])
    }

    @Test("a data set of the hub is found in the cache by its name, and told as what it is where it is not there")
    func cachedDataSets() throws {
        try make([
            "hub/datasets--org--talk/snapshots/abc/data/train_sft-0.jsonl": record("a"),
            "hub/datasets--org--talk/snapshots/abc/data/test_sft-0.jsonl": record("b"),
        ])
        func read(_ paths: String...) throws -> [String] {
            try texts(paths) { $0.hub = HubCache(root: scratch.file("hub")) }
        }
        #expect(try read("org/talk") == ["a"] && read("org/talk:test_sft", "org/talk") == ["b", "a"])
        for missing in ["org/other", "org/other:train_sft"] {
            do {
                _ = try read(missing)
                Issue.record("\(missing) was read")
            } catch {
                #expect("\(error)".contains("hf download --repo-type dataset org/other"), "\(error)")
            }
        }
        for path in ["talks/c.jsonl", "a/b/c"] {
            #expect(failure { () throws(DataError) in _ = try Corpus([path]) }?.reason == "is not there")
        }
    }

    @Test("dataset_info.json names the split and the subset of a folder")
    func describedParts() throws {
        try make([
            "i/talk/train.jsonl": record("a"), "i/talk/test.jsonl": record("b"),
            "i/dataset_info.json":
                #"{"held": {"file_name": "talk", "split": "test", "columns": {"prompt": "text"}}, "far": {"file_name": "talk", "folder": "x"}}"#,
        ])
        let info = try DatasetInfo(path: scratch.file("i/dataset_info.json"))
        var options = CorpusOptions()
        options.datasets = info
        #expect(try documents(["held"]) { $0.datasets = info }.count == 1)
        #expect(try Corpus(["held"], options: options).files.map(\.path) == [scratch.file("i/talk/test.jsonl")])
        #expect(failure { () throws(DataError) in _ = try info.entry("far") }?.field == "far.folder")
    }

    private func texts_(_ path: String) throws -> [String] { try texts([path]) }

    @Test("what describes the data is no data")
    func descriptions() throws {
        try make([
            "r/README.md": "---\nlicense: mit\n---\n# The card\n", "r/data.jsonl": record("a"), "r/notes.md": "b",
            "r/LICENSE.txt": "c", "r/dataset_infos.json": "{}", "pages/README.md": "# Pages", "pages/a.md": "text",
        ])
        let (texts, leftOut) = try read("r")
        #expect(texts == ["a"])
        #expect(Set(leftOut.keys) == ["README.md", "notes.md", "LICENSE.txt", "dataset_infos.json"])
        #expect(leftOut.values.allSatisfy { $0 == .description })
        #expect(try read("pages").texts == ["# Pages", "text"])
    }

    @Test("a card's subsets and splits")
    func card() throws {
        let card = """
            ---
            license: mit # a comment
            configs:
            - config_name: main
              default: true
              data_files:
              - split: train
                path: "main/tr-*"
              - split: test
                path:
                - main/te-*
                - 'main/more.jsonl'
            - config_name: socratic
              data_files: {train: "socratic/*.jsonl"}
            - config_name: flat
              data_files: [flat/**]
            dataset_info:
              features: &x []
            ---
            """
        try make([
            "r/README.md": card, "r/main/tr-0.jsonl": record("a"), "r/main/te-0.jsonl": record("b"),
            "r/main/more.jsonl": record("c"), "r/socratic/test.jsonl": record("d"), "r/flat/x/y.jsonl": record("e"),
        ])
        let (texts, leftOut) = try read("r")
        #expect(texts == ["a"])
        #expect(leftOut["main/te-0.jsonl"] == .split("test") && leftOut["socratic/test.jsonl"] == .subset("socratic"))
        #expect(try read("r") { $0.split = "test" }.texts == ["c", "b"])
        #expect(try read("r") { $0.subset = "socratic" }.texts == ["d"])
        #expect(try read("r") { $0.subset = "flat" }.texts == ["e"])
        let unknown = failure { () throws(DataError) in
            var options = CorpusOptions()
            options.subset = "x"
            _ = try Corpus([scratch.file("r")], options: options)
        }
        #expect(unknown?.reason.contains("there are main, socratic, flat") == true)
        try make(["bad/README.md": "---\nconfigs:\n  - a: [1\n---\n", "bad/a.jsonl": record("a")])
        let malformed = failure { () throws(DataError) in _ = try Corpus([scratch.file("bad")]) }
        #expect(malformed?.place == "line 3" && malformed?.field == "configs")
    }

    @Test("linked folders are followed, each folder once")
    func links() throws {
        try make(["other/data/train.jsonl": record("b"), "r/own.jsonl": record("a")])
        let files = FileManager.default
        try files.createSymbolicLink(atPath: scratch.file("r/more"), withDestinationPath: "../other/data")
        try files.createSymbolicLink(atPath: scratch.file("r/self"), withDestinationPath: ".")
        try files.createSymbolicLink(atPath: scratch.file("r/zero.txt"), withDestinationPath: "/dev/zero")
        let (texts, leftOut) = try read("r")
        #expect(texts == ["b", "a"])
        #expect(leftOut == ["self": .linkedAgain, "zero.txt": .special])
    }

    @Test("splits with longer names are meant where there is one of them")
    func longerNames() throws {
        try make([
            "r/README.md":
                "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train_sft\n    path: a*\n  - split: test_sft\n    path: b*\n---\n",
            "r/a.jsonl": record("a"), "r/b.jsonl": record("b"),
        ])
        #expect(try read("r").texts == ["a"])
        #expect(try read("r") { $0.split = "test_sft" }.texts == ["b"])
    }
}
