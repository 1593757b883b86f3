import MartletSystem
import Testing

struct CheckedNumbersTests {
    /// What a file, a request or a log may say.
    static let extremes: [Double] = [
        .nan, .infinity, -.infinity, 1e308, -1e308, 0x1p63, -0x1p63, 0x1p64, 0x1p53, 1e19, 0.5, -0.5,
        .leastNonzeroMagnitude,
    ]

    @Test(arguments: extremes) func everyDoubleIsNarrowedWithoutTrap(value: Double) {
        let clamped = Int(clamping: value)
        if let whole = Int(whole: value) {
            #expect(Double(whole) == value && clamped == whole)
        } else {
            let beyond = value.isNaN || Swift.abs(value) < 1 ? 0 : value < 0 ? Int.min : .max
            #expect(clamped == beyond)
        }
    }

    @Test func doublesLoseTheirFraction() {
        #expect(Int(clamping: 2.9) == 2 && Int(clamping: -2.9) == -2 && UInt8(clamping: 300.0) == 255)
        #expect(UInt8(clamping: -1.0) == 0 && Int(whole: 3.0) == 3 && Int(whole: 3.5) == nil)
    }

    @Test func sumsAndProductsTellOverflow() {
        #expect(Int.product(1 << 31, 1 << 31) == 1 << 62 && Int.product(1 << 32, 1 << 31) == nil)
        #expect(Int.product(.max, .max, 0) == 0 && Int.product() == 1 && Int.product(.min, -1) == nil)
        #expect(Int.sum(.max, 1) == nil && Int.sum(.max - 1, 1) == .max && Int.sum() == 0)
    }

    @Test func clampedArithmeticEndsAtTheBounds() {
        #expect(Int.max.adding(clamped: 1) == .max && Int.min.adding(clamped: -1) == .min)
        #expect(Int.max.multiplied(clampedBy: -2) == .min && Int.min.multiplied(clampedBy: -1) == .max)
        #expect(Int32(7).narrowed(to: 0...7) == 7 && Int32(8).narrowed(to: 0...7) == nil)
    }
}
