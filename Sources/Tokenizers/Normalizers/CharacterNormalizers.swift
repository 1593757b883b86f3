import MartletPatterns

/// Simple lowercase mapping of every scalar, without context (no final sigma).
package struct LowercaseNormalizer: Normalizer {
    package init() {}

    package func normalize(_ text: [UInt8]) -> [UInt8] {
        text.mappingScalars { scalar, output in Self.append(scalar, to: &output) }
    }

    @inline(__always)
    static func append(_ scalar: UInt32, to output: inout [UInt8]) {
        if scalar < 0x80 {
            output.append(UInt8(scalar) | (scalar >= 0x41 && scalar <= 0x5A ? 0x20 : 0))
        } else if let scalar = Unicode.Scalar(scalar) {
            output += scalar.properties.lowercaseMapping.utf8
        }
    }
}

/// Removes combining marks (general category M). Only useful after decomposition (NFD).
package struct StripAccentsNormalizer: Normalizer {
    package init() {}

    package func normalize(_ text: [UInt8]) -> [UInt8] {
        text.mappingScalars { scalar, output in
            switch ScalarClass.category(scalar) {
            case .nonspacingMark, .spacingMark, .enclosingMark: break
            default: output.append(scalar: scalar)
            }
        }
    }
}

/// BERT's normaliser: removes control characters, converts white space to " ", puts spaces around Chinese characters,
/// strips accents and lowercases. Source: Devlin et al. 2018, `BasicTokenizer`.
package struct BertNormalizer: Normalizer {
    package let cleansText: Bool
    package let separatesChinese: Bool
    package let stripsAccents: Bool
    package let lowercases: Bool

    /// - Parameter stripsAccents: nil uses the value of `lowercases`.
    package init(cleansText: Bool, separatesChinese: Bool, stripsAccents: Bool?, lowercases: Bool) {
        self.cleansText = cleansText
        self.separatesChinese = separatesChinese
        self.stripsAccents = stripsAccents ?? lowercases
        self.lowercases = lowercases
    }

    package func normalize(_ text: [UInt8]) -> [UInt8] {
        var text = text
        if cleansText || separatesChinese {
            text = text.mappingScalars { scalar, output in
                if scalar > 0x20, scalar < 0x7F { return output.append(UInt8(scalar)) }
                if cleansText {
                    if WhiteSpace.contains(scalar), scalar != 0x0B, scalar != 0x0C, scalar != 0x85 {
                        return output.append(0x20)
                    }
                    if scalar == 0 || scalar == 0xFFFD || ScalarClass.isControl(scalar) { return }
                }
                if separatesChinese, ScalarClass.isChinese(scalar) {
                    output.append(0x20)
                    output.append(scalar: scalar)
                    output.append(0x20)
                } else {
                    output.append(scalar: scalar)
                }
            }
        }
        if stripsAccents, text.contains(where: { $0 >= 0x80 }) {
            text = NormalizationForm.nfd.normalize(text).mappingScalars { scalar, output in
                if scalar < 0x300 || ScalarClass.category(scalar) != .nonspacingMark { output.append(scalar: scalar) }
            }
        }
        return lowercases ? LowercaseNormalizer().normalize(text) : text
    }
}

/// sentencepiece's "nmt" normalisation: removes some control characters and converts unusual spaces to " ".
package struct NmtNormalizer: Normalizer {
    package init() {}

    package func normalize(_ text: [UInt8]) -> [UInt8] {
        text.mappingScalars { scalar, output in
            switch scalar {
            case 0x01...0x08, 0x0B, 0x0E...0x1F, 0x7F, 0x8F, 0x9F: break
            case 0x09, 0x0A, 0x0C, 0x0D, 0x1680, 0x200B...0x200F, 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD:
                output.append(0x20)
            default: output.append(scalar: scalar)
            }
        }
    }
}

/// Properties of scalars used by the reference code, from the Unicode data of Swift's standard library.
enum ScalarClass {
    static func category(_ scalar: UInt32) -> Unicode.GeneralCategory {
        Unicode.Scalar(scalar)?.properties.generalCategory ?? .unassigned
    }

    static func isControl(_ scalar: UInt32) -> Bool {
        switch category(scalar) {
        case .control, .format, .privateUse, .surrogate: true
        default: false
        }
    }

    /// The blocks that BERT treats as Chinese: CJK ideographs, not kana and not Hangul.
    static func isChinese(_ scalar: UInt32) -> Bool {
        switch scalar {
        case 0x4E00...0x9FFF, 0x3400...0x4DBF, 0x20000...0x2A6DF, 0x2A700...0x2B73F, 0x2B740...0x2B81F,
            0x2B920...0x2CEAF, 0xF900...0xFAFF, 0x2F800...0x2FA1F:
            true
        default: false
        }
    }

    /// `\w` of Unicode Technical Standard 18, annex C.
    static func isWord(_ scalar: UInt32) -> Bool {
        if scalar < 0x80 {
            return scalar >= 0x30 && scalar <= 0x39 || scalar == 0x5F
                || (scalar | 0x20) >= 0x61 && (scalar | 0x20) <= 0x7A
        }
        guard let value = Unicode.Scalar(scalar) else { return false }
        switch value.properties.generalCategory {
        case .decimalNumber, .connectorPunctuation, .nonspacingMark, .spacingMark, .enclosingMark: return true
        default: return value.properties.isAlphabetic || value.properties.isJoinControl
        }
    }
}

extension [UInt8] {
    /// Builds a new text scalar by scalar.
    @inline(__always)
    func mappingScalars(_ body: (UInt32, inout [UInt8]) -> Void) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(count + count / 8)
        withUnsafeBufferPointer { bytes in
            var scalars = UTF8Scalars(bytes)
            while let scalar = scalars.next() { body(scalar, &output) }
        }
        return output
    }
}
