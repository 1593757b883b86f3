// floors: System JSON Tensor Formats
import MartletFormats
import MartletTensor

/// Opens the input as a safetensors file and reads every tensor.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let contents = Array(UnsafeBufferPointer(start: start, count: count))
    guard let file = try? SafetensorsFile(MappedFile(path: "input", contents: contents)) else { return 0 }
    var sum = 0
    for (key, text) in file.metadata { sum &+= key.utf8.count &+ text.utf8.count }
    for entry in file.entries {
        guard let tensor = try? file.tensor(entry.name) else { continue }
        tensor.forEachHostRun { for byte in $0 { sum &+= Int(byte) } }
    }
    return sum == Int.min ? 1 : 0
}
