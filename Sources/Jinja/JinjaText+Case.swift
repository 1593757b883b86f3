import MartletSystem

extension JinjaText {
    /// Maps every scalar, run by run, so that each keeps its origin.
    func mapping(_ meter: JinjaMeter, _ transform: (Unicode.Scalar) -> String) throws(JinjaError) -> JinjaText {
        var builder = JinjaTextBuilder(meter)
        var start = 0
        for run in runs {
            while start < run.end {
                // In pieces, so that a long text is charged, and can be cancelled, on the way.
                let stop = min(run.end, start + 4096)
                let first = start
                var mapped: [UInt8] = []
                while start < stop {
                    mapped.append(contentsOf: transform(scalar(at: start)).utf8)
                    start = endOfScalar(at: start)
                }
                try meter.scan(start - first)
                try builder.append(mapped[...], isData: run.isData)
            }
        }
        return builder.finish()
    }

    private func mappingASCII(_ meter: JinjaMeter, _ transform: (UInt8) -> UInt8) throws(JinjaError) -> JinjaText {
        try meter.touch(weight.multiplied(clampedBy: 2))
        return JinjaText(bytes: bytes.map(transform), origin: origin)
    }

    func uppercased(_ meter: JinjaMeter) throws(JinjaError) -> JinjaText {
        if isASCII { return try mappingASCII(meter) { (0x61...0x7A).contains($0) ? $0 - 32 : $0 } }
        return try mapping(meter) { $0.properties.uppercaseMapping }
    }

    func lowercased(_ meter: JinjaMeter) throws(JinjaError) -> JinjaText {
        if isASCII { return try mappingASCII(meter) { (0x41...0x5A).contains($0) ? $0 + 32 : $0 } }
        let hasSigma = bytes.contains(0xCE)
        guard hasSigma else { return try mapping(meter) { $0.properties.lowercaseMapping } }
        // A lowercase sigma is final ("ς") after a letter and before a non-letter.
        try meter.scan(bytes.count)
        let all = Array(string.unicodeScalars)
        var index = -1
        return try mapping(meter) { scalar in
            index += 1
            guard scalar == "\u{3A3}" else { return scalar.properties.lowercaseMapping }
            let before = all[..<index].last { !$0.properties.isCaseIgnorable }
            let after = all[(index + 1)...].first { !$0.properties.isCaseIgnorable }
            return before?.properties.isCased == true && after?.properties.isCased != true ? "ς" : "σ"
        }
    }

    func capitalized(_ meter: JinjaMeter) throws(JinjaError) -> JinjaText {
        guard !isEmpty else { return self }
        let end = endOfScalar(at: 0)
        return try self[0..<end].titlecased(meter)
            .joined(with: self[end..<bytes.count].lowercased(meter), meter)
    }

    private func titlecased(_ meter: JinjaMeter) throws(JinjaError) -> JinjaText {
        try mapping(meter) { $0.properties.titlecaseMapping }
    }

    /// `str.title`: every letter after a non-letter is a capital.
    func titled(_ meter: JinjaMeter) throws(JinjaError) -> JinjaText {
        var afterLetter = false
        return try mapping(meter) { scalar in
            defer { afterLetter = scalar.properties.isCased }
            return afterLetter ? scalar.properties.lowercaseMapping : scalar.properties.titlecaseMapping
        }
    }

    /// The `title` filter: words start after spaces, hyphens and opening brackets.
    func titledWords(_ meter: JinjaMeter) throws(JinjaError) -> JinjaText {
        var isStart = true
        return try mapping(meter) { scalar in
            let isBreak = scalar.isPythonSpace || "-({[<".unicodeScalars.contains(scalar)
            defer { isStart = isBreak }
            return isStart ? scalar.properties.uppercaseMapping : scalar.properties.lowercaseMapping
        }
    }

    func swappedCase(_ meter: JinjaMeter) throws(JinjaError) -> JinjaText {
        try mapping(meter) { scalar in
            scalar.properties.isUppercase ? scalar.properties.lowercaseMapping : scalar.properties.uppercaseMapping
        }
    }

    func reversedScalars(_ meter: JinjaMeter) throws(JinjaError) -> JinjaText {
        let count = count
        return try picked((0..<count).reversed(), of: count, meter)
    }

    private func all(_ test: (Unicode.Scalar) -> Bool) -> Bool { !isEmpty && string.unicodeScalars.allSatisfy(test) }

    /// The `str.is…` methods; nil for other names.
    func isAll(_ name: String, _ meter: JinjaMeter) throws(JinjaError) -> Bool? {
        try meter.scan(bytes.count)
        return switch name {
        case "isalpha": all(\.isPythonLetter)
        case "isdigit": all(\.isPythonDigit)
        case "isdecimal": all { $0.properties.generalCategory == .decimalNumber }
        case "isnumeric": all { $0.properties.numericType != nil }
        case "isalnum": all { $0.isPythonLetter || $0.properties.numericType != nil }
        case "isspace": all(\.isPythonSpace)
        case "isascii": isASCII
        case "isupper": isCased { $0.isUppercase }
        case "islower": isCased { $0.isLowercase }
        case "istitle": isTitle
        case "isidentifier":
            all { $0.properties.isXIDContinue || $0 == "_" }
                && string.unicodeScalars.first.map { $0.properties.isXIDStart || $0 == "_" } == true
        case "isprintable": string.unicodeScalars.allSatisfy(\.isPythonPrintable)
        default: nil
        }
    }

    private func isCased(_ test: (Unicode.Scalar.Properties) -> Bool) -> Bool {
        let cased = string.unicodeScalars.lazy.map(\.properties).filter(\.isCased)
        return cased.first != nil && cased.allSatisfy(test)
    }

    private var isTitle: Bool {
        var afterLetter = false
        var found = false
        for scalar in string.unicodeScalars {
            let properties = scalar.properties
            if properties.isUppercase || properties.generalCategory == .titlecaseLetter {
                if afterLetter { return false }
                afterLetter = true
                found = true
            } else if properties.isLowercase {
                if !afterLetter { return false }
                found = true
            } else {
                afterLetter = false
            }
        }
        return found
    }
}

extension Unicode.Scalar {
    var isPythonLetter: Bool {
        switch properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
        default: false
        }
    }

    var isPythonDigit: Bool {
        properties.numericType == .decimal || properties.numericType == .digit
    }

    var isPythonPrintable: Bool {
        switch properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
        case .spaceSeparator: self == " "
        default: true
        }
    }
}
