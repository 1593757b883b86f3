import Foundation
import MartletFormats
import MartletTensor
import Testing

struct HubCacheTests {
    static let commit = String(repeating: "0a", count: 20)

    /// A repository laid out as the Python library does: blobs, and links to them.
    static func add(
        _ scratch: Scratch, _ folder: String, _ files: [String: String], commit: String = commit
    ) throws {
        _ = try scratch.write("\(folder)/refs/main", commit)
        for (name, text) in files {
            let blob = "blob-" + name.replacing("/", with: "_")
            _ = try scratch.write("\(folder)/blobs/\(blob)", text)
            let link = scratch.file("\(folder)/snapshots/\(commit)/\(name)")
            try FileManager.default.createDirectory(
                atPath: (link as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
            let up = String(repeating: "../", count: 2 + name.filter { $0 == "/" }.count)
            try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "\(up)blobs/\(blob)")
        }
    }

    @Test func environmentNamesTheFolder() {
        func root(_ variables: [String: String]) -> String { HubCache { variables[$0] }.root }
        #expect(root(["HOME": "/h"]) == "/h/.cache/huggingface/hub")
        #expect(root(["HOME": "/h", "XDG_CACHE_HOME": "/x"]) == "/x/huggingface/hub")
        #expect(root(["HOME": "/h", "XDG_CACHE_HOME": "/x", "HF_HOME": "/f"]) == "/f/hub")
        #expect(root(["HOME": "/h", "HF_HOME": "~/f"]) == "/h/f/hub")
        #expect(root(["HOME": "/h", "HF_HOME": "/f", "HF_HUB_CACHE": "/c"]) == "/c")
        #expect(root(["HOME": "/h", "HF_HOME": "", "HF_HUB_CACHE": ""]) == "/h/.cache/huggingface/hub")
    }

    @Test func namesThatAreNoRepositoryAreRefused() {
        for name in ["a/b", "gpt2", "Org-1/Na.me_2", "a/b-c"] { #expect(HubCache.isName(name), "\(name)") }
        for name in [
            "", "/", "a/", "/a", "a/b/c", "../b", "a/..", "a/.b", "a--b/c", "a b", "a\\b", "a/b\0", "-a/b", "a/b.",
            "é/b", String(repeating: "a", count: 200),
        ] { #expect(!HubCache.isName(name), "\(name)") }
    }

    @Test func referencesParse() {
        #expect(HubReference("a/b") == HubReference(name: "a/b"))
        #expect(
            HubReference("a/b@refs/pr/1:x/y.gguf")
                == HubReference(name: "a/b", revision: "refs/pr/1", selection: "x/y.gguf"))
        #expect(HubReference("a/b:Q4_K_M")?.selection == "Q4_K_M")
        // As the addresses of the hub's pages are copied.
        for (page, reference) in [
            ("https://huggingface.co/a/b", "a/b"), ("huggingface.co/a/b/tree/main", "a/b"),
            ("hf.co/a/b:Q4_0", "a/b:Q4_0"),
            ("https://huggingface.co/a/b/blob/v1/x/y.gguf?download=true", "a/b@v1:x/y.gguf"),
        ] { #expect(HubReference(page) == HubReference(reference) && HubReference(page) != nil, "\(page)") }
        for text in [
            "https://huggingface.co/a", "https://huggingface.co/datasets/a/b", "hf.co/spaces/a/b",
            "https://example.org/a/b", "https://huggingface.co/a/../b", "a/b:../x",
            "a/b:/etc/passwd", "a/b@../../x", "a/b:", "a/b@", "a/b:x\\y", "./a/b", "a/b:c:d",
        ] {
            #expect(HubReference(text) == nil, "\(text)")
        }
    }

    @Test func repositoriesAreListedWithTheirSizes() throws {
        let scratch = try Scratch()
        try Self.add(scratch, "models--org--b", ["config.json": "{}", "model.safetensors": "12345"])
        try Self.add(scratch, "models--gpt2", ["config.json": "{}"])
        try Self.add(scratch, "datasets--org--d", ["x": "y"])
        _ = try scratch.write("models--a--b--c/refs/main", "x")
        _ = try scratch.write("CACHEDIR.TAG", "x")
        let list = HubCache(root: scratch.path).repositories()
        #expect(list.map(\.name) == ["gpt2", "org/b"])
        #expect(list.map(\.byteCount) == [2, 7])
        #expect(list[1].revisions == ["main": Self.commit])
        #expect(list[1].commits == [Self.commit])
        #expect(HubCache(root: scratch.file("nowhere")).repositories().isEmpty)
    }

    @Test func referencesResolveToFolderOrFile() throws {
        let scratch = try Scratch()
        let cache = HubCache(root: scratch.path)
        try Self.add(scratch, "models--o--hf", ["config.json": "{}", "model.safetensors": "x", "sub/a.txt": "y"])
        try Self.add(scratch, "models--o--one", ["m-Q8_0.gguf": "x"])
        try Self.add(
            scratch, "models--o--many",
            ["m-Q4_K_M.gguf": "x", "m-Q4_K_S.gguf": "x", "m.q8_0.gguf": "x", "README.md": "x"])
        func resolve(_ text: String) throws -> String {
            try cache.resolve(try #require(HubReference(text))).path.replacing(scratch.path + "/", with: "")
        }
        func tail(_ name: String, _ file: String) -> String { "models--o--\(name)/snapshots/\(Self.commit)\(file)" }
        #expect(try resolve("o/hf") == tail("hf", ""))
        #expect(try resolve("o/hf@\(Self.commit)") == tail("hf", ""))
        #expect(try resolve("o/hf:sub/a.txt") == tail("hf", "/sub/a.txt"))
        #expect(try resolve("o/one") == tail("one", "/m-Q8_0.gguf"))
        #expect(try resolve("o/many") == tail("many", "/m-Q4_K_M.gguf"))
        #expect(try resolve("o/many:Q8_0") == tail("many", "/m.q8_0.gguf"))
        #expect(try resolve("o/many:q4_k_s") == tail("many", "/m-Q4_K_S.gguf"))
        for text in ["o/many:Q4_K", "o/many:Q2_K", "o/none", "o/hf@dev", "o/hf:gone.json"] {
            let error = failure { () throws(FormatError) in
                if let reference = HubReference(text) { _ = try cache.resolve(reference) }
            }
            #expect(error?.kind == .missing, "\(text)")
        }
    }

    @Test func memoryChoosesAmongQuantisations() throws {
        let scratch = try Scratch(), cache = HubCache(root: scratch.path)
        func text(_ count: Int) -> String { String(repeating: "x", count: count) }
        try Self.add(
            scratch, "models--o--many",
            [
                "m-Q8_0.gguf": text(900), "m-Q5_K_M.gguf": text(600), "m-Q2_K.gguf": text(300),
                "m-Q6_K-00001-of-00002.gguf": text(400), "m-Q6_K-00002-of-00002.gguf": text(400),
            ])
        try Self.add(scratch, "models--o--parts", ["a-00001-of-00002.gguf": "x", "a-00002-of-00002.gguf": "x"])
        try Self.add(scratch, "models--o--strange", ["a.gguf": "x", "b.gguf": "x"])
        let reference = try #require(HubReference("o/many"))
        var said: [String] = []
        func chosen(_ memory: Int?) throws -> String {
            let path = try cache.resolve(reference, memory: memory) { said.append($0) }.path
            return String(path.split(separator: "/").last ?? "")
        }
        #expect(try chosen(nil) == "m-Q5_K_M.gguf")
        #expect(try chosen(1000) == "m-Q5_K_M.gguf")
        #expect(try chosen(500) == "m-Q2_K.gguf")
        #expect(try chosen(100) == "m-Q2_K.gguf")
        #expect(said.count == 4 && said[1].contains("Q5_K_M is taken") && said[3].contains("none fits"), "\(said)")
        let six = try cache.resolve(#require(HubReference("o/many:Q6_K"))).path
        #expect(six.hasSuffix("m-Q6_K-00001-of-00002.gguf"))
        #expect(try cache.resolve(#require(HubReference("o/parts"))).path.hasSuffix("a-00001-of-00002.gguf"))
        let error = failure { () throws(FormatError) in
            if let reference = HubReference("o/strange") { _ = try cache.resolve(reference) }
        }
        #expect("\(String(describing: error))".contains("name one"))
    }

    @Test func linksThatLeaveTheRepositoryAreRefused() throws {
        let scratch = try Scratch()
        try Self.add(scratch, "models--o--evil", ["config.json": "{}"])
        try Self.add(scratch, "models--o--evil2", ["config.json": "{}"])
        _ = try scratch.write("secret", "x")
        let cache = HubCache(root: scratch.path)
        #expect(throws: Never.self) { try cache.snapshot("o/evil") }
        for target in ["/etc/passwd", "../../../secret", "../../../models--o--evil2/blobs/blob-config.json"] {
            let link = scratch.file("models--o--evil/snapshots/\(Self.commit)/tokenizer.json")
            try? FileManager.default.removeItem(atPath: link)
            try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: target)
            let error = failure { () throws(FormatError) in _ = try cache.snapshot("o/evil") }
            #expect(error?.reason.contains("leaves the repository") == true)
            #expect(error?.path.hasSuffix("tokenizer.json") == true)
        }
    }

    @Test func refsThatNameNoCommitAreIgnored() throws {
        let scratch = try Scratch()
        try Self.add(scratch, "models--o--m", ["config.json": "{}"])
        _ = try scratch.write("models--o--m/refs/main", "../../../../etc")
        let cache = HubCache(root: scratch.path)
        #expect(cache.repository("o/m")?.revisions.isEmpty == true)
        #expect(failure { () throws(FormatError) in _ = try cache.snapshot("o/m") }?.kind == .missing)
    }
}
