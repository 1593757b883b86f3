/// Bytes as a string, with U+FFFD for each maximal subpart that is no UTF-8, and the way back: U+FFFD is three bytes, and
/// what it stands for is one to three.
struct RepairedText {
    let string: String
    /// For each byte of `string` and its end, the byte of the original; nil when the two are the same.
    private let places: [Int]?

    init(_ bytes: UnsafeBufferPointer<UInt8>) {
        if let whole = String(validating: bytes, as: UTF8.self) {
            string = whole
            places = nil
            return
        }
        var parser = UTF8.ForwardParser()
        var source = bytes.makeIterator()
        var output: [UInt8] = [], places: [Int] = []
        var position = 0
        func take(_ text: some Collection<UInt8>, standingFor length: Int) {
            output += text
            places += repeatElement(position, count: text.count)
            position += length
        }
        scan: while true {
            switch parser.parseScalar(from: &source) {
            case .valid(let scalar): take(scalar, standingFor: scalar.count)
            case .error(let length): take([0xEF, 0xBF, 0xBD], standingFor: length)
            case .emptyInput: break scan
            }
        }
        string = String(decoding: output, as: UTF8.self)
        self.places = places + [position]
    }

    /// Where in the bytes a place between two characters of `string` is.
    func place(_ offset: Int) -> Int { places.map { $0[offset] } ?? offset }
}
