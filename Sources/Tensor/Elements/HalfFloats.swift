/// The two 16-bit float formats as bit patterns, converted without branches in the common case so that loops vectorise.
/// Infinities and NaNs are kept; rounding is to nearest, ties to even.

/// IEEE 754 binary16: 5 exponent bits, 10 of fraction.
struct HalfBits: BitwiseCopyable {
    var bits: UInt16

    @inline(__always) var float: Float {
        let sign = UInt32(bits & 0x8000) << 16
        let body = UInt32(bits & 0x7fff) << 13
        // After the shift the exponent is too small by 112; the multiplication corrects it, for subnormals too.
        let value = (Float(bitPattern: body) * Float(bitPattern: 0x7780_0000)).bitPattern
        let special: UInt32 = body >= 0x0f80_0000 ? 0x7f80_0000 : 0
        return Float(bitPattern: value | special | sign)
    }

    @inline(__always) init(_ value: Float) {
        let whole = value.bitPattern
        let sign = UInt16(truncatingIfNeeded: (whole >> 16) & 0x8000)
        let magnitude = whole & 0x7fff_ffff
        let rounded: UInt32
        if magnitude > 0x7f80_0000 {
            rounded = 0x7e00 | ((magnitude >> 13) & 0x3ff)
        } else if magnitude >= 0x477f_f000 {
            rounded = 0x7c00
        } else if magnitude < 0x3880_0000 {
            // The smallest subnormal half is one unit in the last place of 0.5, so the addition rounds correctly.
            rounded = (Float(bitPattern: magnitude) + 0.5).bitPattern &- 0x3f00_0000
        } else {
            rounded = (magnitude &+ 0xc800_0fff &+ ((magnitude >> 13) & 1)) >> 13
        }
        bits = sign | UInt16(truncatingIfNeeded: rounded)
    }

    /// Rounds once: the intermediate float32 is rounded to odd, which keeps the information about ties.
    init(_ value: Double) { self.init(value.roundedToOddFloat) }
}

/// bfloat16: the upper half of a float32.
struct BrainBits: BitwiseCopyable {
    var bits: UInt16

    @inline(__always) var float: Float { Float(bitPattern: UInt32(bits) << 16) }

    @inline(__always) init(_ value: Float) {
        let whole = value.bitPattern
        let rounded = (whole &+ 0x7fff &+ ((whole >> 16) & 1)) >> 16
        let quiet = (whole >> 16) | 0x40
        bits = UInt16(truncatingIfNeeded: whole & 0x7fff_ffff > 0x7f80_0000 ? quiet : rounded)
    }

    init(_ value: Double) { self.init(value.roundedToOddFloat) }
}

extension Double {
    /// The float32 rounded towards zero, with its last bit set if anything was cut off (round to odd, Boldo and
    /// Melquiond 2008).
    fileprivate var roundedToOddFloat: Float {
        let nearest = Float(self)
        if Double(nearest) == self || isNaN || isInfinite { return nearest }
        let towardsZero = Double(nearest.magnitude) > magnitude ? nearest.bitPattern - 1 : nearest.bitPattern
        return Float(bitPattern: towardsZero | 1)
    }
}
