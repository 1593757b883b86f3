// floors: System JSON Tensor Formats
// seeds: Tests/QuantizationTests/Goldens/flat
// longest: 131072
import MartletFormats
import MartletTensor

/// The input as a model of llama2.c or llm.c, and as the tokenizers of both: it is refused, or gives all its tensors.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let contents = Array(UnsafeBufferPointer(start: start, count: count))
    let file = MappedFile(path: "input.bin", contents: contents)
    var sum = 0
    if let model = try? FlatModel.open(file) {
        sum &+= model.configuration.text().utf8.count
        for entry in model.entries {
            guard let tensor = try? model.tensor(entry.name) else { continue }
            precondition(tensor.shape == entry.shape && tensor.dtype == entry.dtype)
            tensor.forEachHostRun { for byte in $0 { sum &+= Int(byte) } }
        }
    }
    for size in [1, 8, 300] {
        if let found = try? FlatVocabulary(llama2c: file, vocabularySize: size) {
            precondition(found.tokens.count == found.scores.count && found.tokens.count >= size)
        }
        if let found = try? FlatVocabulary(llmc: file, vocabularySize: size) {
            precondition(found.tokens.count == size && found.endOfText.map { $0 < size } == true)
        }
    }
    return sum == Int.min ? 1 : 0
}
