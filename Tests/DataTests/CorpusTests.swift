import MartletData
import MartletJSON
import Testing
import TinyModels

func documents(_ paths: [String], _ change: (inout CorpusOptions) -> Void = { _ in }) throws -> [Document] {
    var options = CorpusOptions()
    change(&options)
    let corpus = try Corpus(paths, options: options)
    var documents: [Document] = []
    while let document = try corpus.nextDocument() { documents.append(document) }
    #expect(corpus.bytesRead == corpus.byteCount)
    #expect(corpus.documentCount == documents.count)
    return documents
}

func texts(_ paths: [String], _ change: (inout CorpusOptions) -> Void = { _ in }) throws -> [String] {
    try documents(paths, change).map { String(decoding: $0.plainText, as: UTF8.self) }
}

/// The message of the error that reading the file ends with.
func refusal(_ path: String, _ change: (inout CorpusOptions) -> Void = { _ in }) -> String {
    do {
        let count = try documents([path], change).count
        return "accepted, \(count) documents"
    } catch {
        return "\(error)"
    }
}

@Suite("Documents of a corpus")
struct CorpusTests {
    @Test("a text file is one document, or what stands between separators")
    func text() throws {
        let scratch = try Scratch()
        let one = try scratch.write("a.txt", "\u{FEFF}one\ntwo\n")
        let many = try scratch.write("b.txt", "x\n<|endoftext|>\n\ny <|endoftext|><|endoftext|>\n<|endoftext|>z<|endof")
        #expect(try texts([one]) == ["one\ntwo\n"])
        #expect(try texts([many]) == ["x", "y ", "z<|endof"])
        #expect(try documents([many])[1].place == "document 2")
        #expect(try texts([many]) { $0.separator = nil }.count == 1)
        #expect(
            try texts([many]) { $0.separator = "\n" } == [
                "x", "<|endoftext|>", "y <|endoftext|><|endoftext|>", "<|endoftext|>z<|endof",
            ])
        #expect(try texts([scratch.write("e.txt", "")]) == [])
    }

    @Test("a separator is found wherever a stretch of reading ends")
    func longText() throws {
        let scratch = try Scratch()
        var generator = SeededGenerator(seed: 1)
        let parts = (0..<40).map { _ in
            String(repeating: "ab<|end", count: Int.random(in: 1...20_000, using: &generator))
        }
        let path = try scratch.write("long.txt", parts.joined(separator: "<|endoftext|>"))
        #expect(try texts([path]) == parts)
    }

    @Test("a text that is too long for one document is cut at a line's end, and nothing is lost")
    func cuts() throws {
        let scratch = try Scratch()
        let line = "ein Satz über Käse\n"
        let path = try scratch.write("a.txt", String(repeating: line, count: 1000))
        let parts = try texts([path]) { $0.largestTextDocument = 3000 }
        #expect(parts.count > 5 && parts.joined().utf8.count >= line.utf8.count * 1000 - parts.count)
        let wide = try scratch.write("b.txt", String(repeating: "ü", count: 5000))
        #expect(try texts([wide]) { $0.largestTextDocument = 999 }.joined() == String(repeating: "ü", count: 5000))
    }

    @Test("JSON lines, with every shape of record")
    func jsonLines() throws {
        let scratch = try Scratch()
        let path = try scratch.write(
            "a.jsonl",
            """
            {"text": "plain"}

            {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}\r
            {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}], "system": "s"}
            {"instruction": "do", "input": "this", "output": "done"}
            {"question": "1+1?", "answer": "2"}
            "a bare string"
            """)
        let all = try documents([path])
        #expect(
            all.map { String(decoding: $0.plainText, as: UTF8.self) } == [
                "plain", "q\n\na", "s\n\nq\n\na", "do\n\nthis\n\ndone", "1+1?\n\n2", "a bare string",
            ])
        #expect(all.map(\.place) == ["line 1", "line 3", "line 4", "line 5", "line 6", "line 7"])
        guard case .chat(let messages, nil) = all[2].content else { throw DataError(.invalid, "no chat") }
        #expect(messages.map(\.role) == ["system", "user", "assistant"])
        #expect(refusal(path) { $0.field = "text" }.contains("line 3: \"text\": is missing; there are \"messages\""))
    }

    @Test("calls of functions become messages with tool calls")
    func functionCalls() throws {
        let scratch = try Scratch()
        let path = try scratch.write(
            "a.json",
            #"[{"conversations": [{"from": "function_call", "value": "{\"name\": \"f\", \"arguments\": {\"x\": 1}}"}, {"from": "observation", "value": "2"}], "tools": "[{\"name\": \"f\"}]"}]"#
        )
        guard case .chat(let messages, let tools?) = try documents([path])[0].content else {
            throw DataError(.invalid, "no chat")
        }
        #expect(messages[0].toolCalls.first?.name == "f" && messages[1].role == "tool")
        #expect(tools[0]["name"]?.string == "f")
    }

    @Test("a file called .json holds a list, or lines")
    func json() throws {
        let scratch = try Scratch()
        #expect(try texts([scratch.write("a.json", " [{\"text\": \"x\"},\n {\"text\": \"y\"}]")]) == ["x", "y"])
        #expect(try texts([scratch.write("b.json", "{\"text\": \"x\"}\n{\"text\": \"y\"}\n")]) == ["x", "y"])
        #expect(try documents([scratch.file("a.json")])[1].place == "record 2")
    }

    @Test("errors name file, line and field")
    func refusals() throws {
        let scratch = try Scratch()
        for (name, text, words) in [
            ("a.jsonl", "{\"text\": \"x\"}\n{\"text\": }", ["a.jsonl: line 2: byte 9"]),
            ("b.jsonl", "{\"text\": 5}", ["line 1", "\"text\"", "integer"]),
            (
                "c.jsonl", "{\"messages\": [{\"role\": \"user\"}, {\"content\": \"x\"}]}",
                ["line 1", "\"messages\"", "message 2"]
            ),
            ("d.jsonl", "{\"messages\": []}", ["empty conversation"]),
            ("e.jsonl", "[1]", ["line 1", "expected an object"]),
            ("f.jsonl", "{\"foo\": 1, \"bar\": 2}", ["there are \"foo\", \"bar\""]),
            ("g.json", "[{\"text\": \"x\"}, 7]", ["record 2"]),
            ("h.csv", "text,b\nx,y\nz\n", ["line 3, row 2", "1 field"]),
            ("i.csv", "text\n\"x\n\ny", ["line 2", "quote", "never closes"]),
            ("j.csv", "text\n\"x\"y\n", ["line 2", "after its closing quote"]),
            ("k.csv", "", ["empty"]),
            ("l.csv", "a,b\n1,2\n", ["no column is known", "there are \"a\", \"b\"", "--map"]),
            ("m.jsonl", "{\"question\": \"x\", \"answer\": \"\"}", ["\"answer\"", "empty"]),
            ("n.txt.gz", "hello", ["n.txt.gz", "first bytes"]),
            ("o.parquet", "PAR1PAR1", ["not a Parquet file"]),
            ("p.jsonl", "{\"conversations\": [{\"from\": \"martian\", \"value\": \"x\"}]}", ["martian"]),
        ] {
            let message = refusal(try scratch.write(name, text))
            for word in words { #expect(message.contains(word), "\(name): \(message)") }
        }
        #expect(refusal(try scratch.write("u.txt", [0xff, 0xfe, 0x41, 0])).contains("UTF-16"))
        #expect(refusal(scratch.file("absent.txt")).contains("is not there"))
        #expect(refusal(try scratch.write("x.pdf", "x")).contains("unknown kind"))
        #expect(refusal(scratch.path) { $0.separator = "" } != "")
    }

    @Test("tables: quoted delimiters, line ends and quotes, CRLF, one column, another delimiter")
    func csv() throws {
        let scratch = try Scratch()
        let path = try scratch.write(
            "a.csv", "id,text\r\n1,\"a, \"\"b\"\"\nc\"\r\n\r\n2,plain \"quote\" inside\r\n3,\"\"\n4,last")
        #expect(try texts([path]) == ["a, \"b\"\nc", "plain \"quote\" inside", "last"])
        #expect(try texts([path]) { $0.field = "text" } == ["a, \"b\"\nc", "plain \"quote\" inside", "last"])
        #expect(try documents([path])[1].place == "line 5, row 2")
        #expect(try texts([scratch.write("b.csv", "whatever\nx\ny\n")]) == ["x", "y"])
        #expect(try texts([scratch.write("c.tsv", "q\ttext\n1\ta,b\n")]) == ["a,b"])
        #expect(try texts([scratch.write("d.csv", "question,answer\n1+1,2\n")]) == ["1+1\n\n2"])
    }

    @Test("a large table with long quoted fields, whatever stretches it is read in")
    func largeTable() throws {
        let scratch = try Scratch()
        var generator = SeededGenerator(seed: 2)
        let fields = (0..<400).map { _ in
            String(
                (0..<Int.random(in: 1...4000, using: &generator)).map { _ in
                    Character(["a", "\"", ",", "\n", "é"].randomElement(using: &generator) ?? "a")
                })
        }
        let rows = fields.map { "1,\"\($0.replacing("\"", with: "\"\""))\"\n" }.joined()
        #expect(try texts([scratch.write("a.csv", "n,text\n" + rows)]) == fields)
    }

    @Test("folders are read in the order of names; hidden and unknown files are not")
    func folders() throws {
        let scratch = try Scratch()
        _ = try scratch.write("b.txt", "b")
        _ = try scratch.write("a.jsonl", "{\"text\": \"a\"}")
        _ = try scratch.write(".c.txt", "c")
        _ = try scratch.write("d.bin", "d")
        #expect(try texts([scratch.path]) == ["a", "b"])
        #expect(
            try Corpus([scratch.path]).leftOutFiles == [LeftOutFile(path: scratch.file("d.bin"), reason: .unknownKind)])
        let empty = try Scratch()
        #expect(
            failure { () throws(DataError) in _ = try Corpus([empty.path]) }?.reason.contains("nothing to read") == true
        )
    }
}
