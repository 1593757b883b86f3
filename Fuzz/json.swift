// floors: System JSON
import MartletJSON

/// Parses the input; what parses is written and parsed again, and must be the same.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = UnsafeBufferPointer(start: start, count: count)
    var lenient = JSONLimits()
    lenient.replacesLoneSurrogates = true
    _ = try? JSON(parsing: bytes, limits: lenient)
    guard let value = try? JSON(parsing: bytes) else { return 0 }
    for indent in [nil, 2] {
        let again = try? JSON(parsing: value.bytes(indent: indent))
        precondition(again == value, "a value changed when it was written and read")
    }
    return 0
}
