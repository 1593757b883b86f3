// floors: System JSON Tensor Formats
import MartletFormats
import MartletTensor

/// Opens the input as an .npz archive, or as an .npy file; what can be read is written, and must be read as the same.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let input = UnsafeRawBufferPointer(start: start, count: count)
    guard input.first == UInt8(ascii: "P") else {
        guard let tensor = try? NumPyArray.decode(input), let written = try? NumPyArray.encode(tensor) else { return 0 }
        let again = written.withUnsafeBytes { try? NumPyArray.decode($0) }
        precondition(again?.shape == tensor.shape && again?.bytes() == tensor.bytes())
        return 0
    }
    guard let arrays = try? NumPyArchive.decode(input) else { return 0 }
    for array in arrays { precondition(array.tensor.elementCount >= 0) }
    return 0
}
