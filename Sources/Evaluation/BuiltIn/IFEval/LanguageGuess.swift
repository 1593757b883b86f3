/// The language of a text: by its script, by letters that only some languages of a script use, by common words.
///
/// It knows the languages that IFEval asks for; a text of numbers and marks alone has none.
enum LanguageGuess {
    private static let scripts: [(range: ClosedRange<UInt32>, language: String)] = [
        (0x0590...0x05FF, "he"), (0x0980...0x09FF, "bn"), (0x0A00...0x0A7F, "pa"), (0x0A80...0x0AFF, "gu"),
        (0x0B80...0x0BFF, "ta"), (0x0C00...0x0C7F, "te"), (0x0C80...0x0CFF, "kn"), (0x0D00...0x0D7F, "ml"),
        (0x0E00...0x0E7F, "th"), (0x3040...0x30FF, "ja"), (0xAC00...0xD7AF, "ko"), (0x1100...0x11FF, "ko"),
        (0x0370...0x03FF, "el"), (0x0600...0x06FF, "ar"), (0x0400...0x04FF, "ru"), (0x0900...0x097F, "hi"),
        (0x4E00...0x9FFF, "zh"), (0x0041...0x007A, "en"), (0x00C0...0x024F, "en"), (0x1E00...0x1EFF, "en"),
    ]

    private static let words: [(language: String, words: Set<String>)] = [
        (
            "en",
            ["the", "and", "of", "to", "is", "in", "that", "it", "you", "for", "with", "are", "this", "was", "not"]
        ),
        ("de", ["der", "die", "und", "das", "ist", "nicht", "ein", "eine", "zu", "mit", "sie", "ich", "auf", "den"]),
        (
            "fr",
            ["le", "la", "les", "et", "est", "des", "une", "un", "dans", "que", "pour", "pas", "vous", "du", "qui"]
        ),
        ("es", ["el", "los", "las", "y", "es", "una", "por", "que", "para", "con", "del", "se", "no", "su", "como"]),
        ("pt", ["o", "os", "e", "é", "uma", "um", "não", "que", "para", "com", "do", "da", "em", "se", "você"]),
        ("it", ["il", "gli", "e", "è", "una", "che", "non", "per", "con", "di", "del", "della", "sono", "un", "si"]),
        ("pl", ["i", "w", "nie", "jest", "na", "się", "z", "do", "że", "to", "jak", "o", "ale", "są", "dla"]),
        ("fi", ["ja", "on", "ei", "se", "että", "oli", "ovat", "hän", "mutta", "kun", "myös", "voi", "tai", "jos"]),
        ("sw", ["na", "ya", "wa", "ni", "kwa", "katika", "za", "la", "kuwa", "hii", "kama", "yako", "cha", "vya"]),
        ("vi", ["và", "là", "của", "có", "không", "một", "cho", "được", "các", "người", "trong", "với", "này"]),
        ("hi", ["है", "के", "और", "का", "की", "में", "से", "को", "हैं", "यह", "पर"]),
        ("mr", ["आहे", "आणि", "ते", "हे", "तो", "आहेत", "मध्ये", "या", "च्या", "नाही"]),
        ("ne", ["छ", "र", "को", "मा", "हो", "छन्", "यो", "लाई", "पनि", "गर्न"]),
        ("ru", ["и", "в", "не", "на", "что", "это", "с", "как", "для", "по"]),
        ("bg", ["и", "в", "не", "на", "че", "това", "се", "да", "за", "от", "са", "е"]),
        ("uk", ["і", "в", "не", "на", "що", "це", "та", "як", "для", "у", "є", "з"]),
        ("ar", ["في", "من", "على", "أن", "إلى", "هذا", "التي", "هو", "مع", "لا"]),
        ("fa", ["در", "به", "از", "که", "این", "است", "را", "با", "برای", "می"]),
        ("ur", ["کے", "ہے", "میں", "کی", "اور", "سے", "کا", "ہیں", "کو", "یہ"]),
    ]
    private static let relatives: [String: Set<String>] = [
        "en": ["en", "de", "fr", "es", "pt", "it", "pl", "fi", "sw", "vi"], "hi": ["hi", "mr", "ne"],
        "ru": ["ru", "bg", "uk"], "ar": ["ar", "fa", "ur"],
    ]

    /// Nil where there are no letters.
    static func language(of text: String) -> String? {
        var counts: [String: Int] = [:]
        for scalar in text.unicodeScalars where scalar.properties.isAlphabetic {
            if let script = scripts.first(where: { $0.range.contains(scalar.value) }) {
                counts[script.language, default: 0] += 1
            }
        }
        // Japanese has Chinese characters too.
        if counts["ja", default: 0] > 0 { counts["ja", default: 0] += counts.removeValue(forKey: "zh") ?? 0 }
        guard let script = counts.max(by: { ($0.value, $1.key) < ($1.value, $0.key) })?.key else { return nil }
        guard let related = relatives[script] else { return script }
        let lower = text.lowercased()
        let tokens = lower.unicodeScalars.split { scalar in
            !scalar.properties.isAlphabetic && scalar.properties.generalCategory != .nonspacingMark
                && scalar.properties.generalCategory != .spacingMark
        }.map { String($0) }
        var scores: [String: Int] = [:]
        for entry in words where related.contains(entry.language) {
            scores[entry.language] = tokens.count { entry.words.contains($0) }
        }
        func has(_ letters: String) -> Bool { letters.unicodeScalars.contains { lower.unicodeScalars.contains($0) } }
        if script == "ru", has("їєґ") { scores["uk", default: 0] += 100 }
        if script == "ru", has("ыэё") { scores["ru", default: 0] += 100 }
        if script == "ar", has("ٹڈڑےں") { scores["ur", default: 0] += 100 }
        if script == "ar", has("ةىك") { scores["ar", default: 0] += 100 }
        guard let best = scores.max(by: { $0.value < $1.value || ($0.value == $1.value && $1.key == script) }),
            best.value > 0
        else { return script }
        return best.key
    }
}
