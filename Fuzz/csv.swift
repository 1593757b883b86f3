// floors: System JSON Patterns Jinja Tensor Formats Tokenizers Grammar Chat Data
// with: files
import MartletData

/// Reads the input as a corpus of the kind that its first byte says: tables, JSON, JSON Lines, or text.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let endings = ["csv", "tsv", "jsonl", "json", "txt", "csv.gz", "jsonl.zst"]
    guard count > 0 else { return 0 }
    return withInputFile(start + 1, count - 1, "corpus.\(endings[Int(start[0]) % endings.count])") { path in
        guard let corpus = try? Corpus([path]) else { return }
        var documents = 0
        while documents < 20_000, let document = try? corpus.nextDocument() {
            precondition(document.identity.count >= 0)
            documents += 1
        }
    }
}
