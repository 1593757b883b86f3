// floors: System JSON Tensor Formats
import MartletFormats
import MartletTensor

/// Opens the input as a GGUF file and reads all that it offers.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let contents = Array(UnsafeBufferPointer(start: start, count: count))
    guard let file = try? GGUFFile(MappedFile(path: "input", contents: contents)) else { return 0 }
    var sum = 0
    for (key, value) in file.metadata {
        sum &+= key.utf8.count &+ value.description.utf8.count &+ value.typeDescription.utf8.count
        guard let array = value.array else { continue }
        for element in array.prefix(64) { sum &+= element.description.utf8.count }
        sum &+= array.integers()?.last ?? 0
        sum &+= Int(array.realNumbers()?.last?.bitPattern ?? 0)
        sum &+= array.bools()?.count ?? 0
        if let strings = array.strings() {
            for text in strings { sum &+= text.utf8.count }
            let (bytes, offsets) = strings.flat()
            precondition(offsets.count == strings.count + 1 && offsets.last == bytes.count)
        }
    }
    for entry in file.entries {
        guard let tensor = try? file.tensor(entry.name) else { continue }
        tensor.forEachHostRun { for byte in $0 { sum &+= Int(byte) } }
    }
    return sum == Int.min ? 1 : 0
}
