import Foundation
import MartletEvaluation
import MartletFormats
import MartletJSON
import Testing
import TinyModels

struct TaskTests {
    private let library = TaskLibrary { path in
        try JSON(parsing: Array(FileManager.default.contents(atPath: path) ?? Data()))
    }

    @Test func everyBuiltInTaskIsRead() throws {
        let tree = try library.tasks(["gsm8k", "gsm8k_self_consistency", "mmlu", "arc_easy", "arc_challenge"])
        #expect(tree.tasks.count == 4 + 57)
        let others = ["hellaswag", "piqa", "winogrande", "boolq", "lambada_openai", "wikitext"]
        #expect(try library.tasks(others).tasks.count == others.count)
    }

    @Test func wrongDefinitionsAreNamed() throws {
        let good: JSONObject = [
            "task": "t", "dataset_path": "json", "test_split": "test", "doc_to_text": "{{q}}", "doc_to_target": "{{a}}",
        ]
        func refusal(_ change: (inout JSONObject) -> Void) -> String {
            var source = good
            change(&source)
            do {
                _ = try TaskDefinition(source, from: "t.yaml")
                return ""
            } catch { return "\(error)" }
        }
        #expect(refusal { _ in }.isEmpty)
        #expect(refusal { $0["doc_to_txt"] = "x" }.contains("doc_to_text"))
        #expect(refusal { $0["doc_to_text"] = "{{ q" }.contains("doc_to_text"))
        #expect(refusal { $0["output_type"] = "guess" }.contains("multiple_choice"))
        #expect(refusal { $0["output_type"] = "multiple_choice" }.contains("doc_to_choice"))
        #expect(refusal { $0["metric_list"] = [["metric": "acuracy"]] }.contains("acuracy"))
        #expect(refusal { $0["metric_list"] = [["metric": "acc"]] }.contains("generate_until"))
        #expect(refusal { $0["process_docs"] = ["!function": "utils.mine"] }.contains("built in"))
        #expect(refusal { $0["generation_kwargs"] = ["beams": 4] }.contains("beams"))
        let filter: JSON = [["name": "x", "filter": [["function": "regex", "regex_pattern": "("]]]]
        #expect(refusal { $0["filter_list"] = filter }.contains("regular expression"))
        #expect(refusal { $0["test_split"] = nil }.contains("test_split"))
    }

    /// As a file without a line, or with comments alone, is read.
    @Test(arguments: ["{}", "null"])
    func emptyFilesAreToldAsEmpty(_ text: String) throws {
        let scratch = try Scratch(), path = try scratch.write("t.json", text)
        #expect {
            try library.tasks([path])
        } throws: {
            "\($0)".contains("t.json: is empty") && "\($0)".contains("dataset_path")
        }
    }

    @Test func dataSetsOfTheHubsCacheAreFound() throws {
        let scratch = try Scratch(), commit = String(repeating: "a", count: 40)
        let folder = "datasets--openai--gsm8k/snapshots/\(commit)/main"
        try FileManager.default.createDirectory(atPath: scratch.file(folder), withIntermediateDirectories: true)
        let row = "{\"question\": \"1 + 1?\", \"answer\": \"#### 2\"}\n"
        _ = try scratch.write("\(folder)/test-00000-of-00002.jsonl", row)
        _ = try scratch.write("\(folder)/test-00001-of-00002.jsonl", row + row)
        var options = HarnessOptions()
        (options.hub, options.shotCount) = (HubCache(root: scratch.path), 0)
        let task = try library.tasks(["gsm8k"]).tasks[0]
        #expect(try PreparedTask(task, options, render: nil).rows.count == 3)
        options.hub = HubCache(root: scratch.file("none"))
        #expect {
            try PreparedTask(task, options, render: nil)
        } throws: {
            "\($0)".contains("gsm8k_test.jsonl") && "\($0)".contains("cache")
        }
    }

    @Test func missingDataAndRowsAreNamed() throws {
        let scratch = try Scratch()
        var options = HarnessOptions()
        options.dataFolder = scratch.path
        func refusal(_ task: TaskDefinition) -> String {
            do {
                _ = try PreparedTask(task, options, render: nil)
                return ""
            } catch { return "\(error)" }
        }
        let gsm8k = try library.tasks(["gsm8k"]).tasks[0]
        #expect(refusal(gsm8k).contains("gsm8k_test.jsonl"))
        _ = try scratch.write("gsm8k_test.jsonl", "{\"question\": \"1 + 1?\", \"answer\": \"#### 2\"}\n")
        _ = try scratch.write("gsm8k_train.jsonl", "{\"question\": \"2 + 1?\", \"answer\": \"#### 3\"}\n")
        #expect(refusal(gsm8k).contains("5 examples"))
        options.shotCount = 1
        let prepared = try PreparedTask(gsm8k, options, render: nil)
        #expect(
            prepared.prompts[0][0].arguments[0]
                == "Question: 2 + 1?\nAnswer: #### 3\n\nQuestion: 1 + 1?\nAnswer:")
        _ = try scratch.write(
            "gsm8k_test.jsonl", "{\"question\": \"1 + 1?\", \"answer\": \"#### 2\"}\n{\"answer\": \"\"}\n")
        #expect(refusal(gsm8k).contains("row 2"))
        var tree = try library.tasks(["mmlu_stem"])
        #expect(tree.removeTasksWithoutData(dataFolder: scratch.path).count == 19)
    }
}
