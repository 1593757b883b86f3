import MartletPatterns
import MartletSystem

/// Reads BPE models from each file format that they are stored in.
extension FileField {
    /// The `model` of a `tokenizer.json` with type BPE.
    func bytePairs(spelledInByteAlphabet: Bool) throws(TokenizerError) -> BytePairs {
        let vocabulary = Vocabulary(try required("vocab").vocabularyTokens())
        let prefix = Array(try string("continuing_subword_prefix", or: "").utf8)
        let field = try required("merges")
        let builder = MergeTable(
            vocabulary: vocabulary, count: field.value.array?.count ?? 0, continuingPrefix: prefix)
        for (rank, value) in (field.value.array ?? []).enumerated() {
            let problem: String?
            if let line = value.string {
                problem = builder.add(line: Array(line.utf8), rank: rank)
            } else if let pair = value.array, pair.count == 2, let left = pair[0].string, let right = pair[1].string {
                problem = builder.add(Array(left.utf8), Array(right.utf8), rank: rank)
            } else {
                problem = "expected two tokens"
            }
            if let problem { throw field.element(rank, value).malformed(problem) }
        }
        guard field.value.array != nil else { throw field.malformed("expected array, found \(field.value.kind)") }
        var model =
            spelledInByteAlphabet
            ? BytePairs(vocabulary: vocabulary.inBytes(), merges: .pairs(builder.table), unit: .byte)
            : BytePairs(vocabulary: vocabulary, merges: .pairs(builder.table), unit: .scalar)
        model.unknown = try tokenID("unk_token", in: vocabulary)
        model.continuingPrefix = prefix
        model.wordSuffix = Array(try string("end_of_word_suffix", or: "").utf8)
        model.fusesUnknown = try bool("fuse_unk", or: false)
        model.prefersWholePiece = try bool("ignore_merges", or: false)
        if try bool("byte_fallback", or: false) { model.byteTokens = vocabulary.byteTokens() }
        return model
    }
}

/// Merges by the token ids of their parts.
struct MergeTable {
    let vocabulary: Vocabulary
    var continuingPrefix: [UInt8] = []
    let table: PairTable

    init(vocabulary: Vocabulary, count: Int, continuingPrefix: [UInt8] = []) {
        table = PairTable(capacity: count)
        self.vocabulary = vocabulary
        self.continuingPrefix = continuingPrefix
    }

    /// The merges of lines of the form "left right".
    static func read(_ lines: [String], _ vocabulary: Vocabulary, file: String) throws(TokenizerError) -> PairTable {
        let builder = MergeTable(vocabulary: vocabulary, count: lines.count)
        for (rank, line) in lines.enumerated() where !line.isEmpty {
            if let problem = builder.add(line: Array(line.utf8), rank: rank) {
                throw .malformed(file: file, field: "merges[\(rank)]", reason: problem)
            }
        }
        return builder.table
    }

    /// Adds a merge "left right".
    /// - Returns: what is wrong with the line, or nil.
    func add(line: [UInt8], rank: Int) -> String? {
        // In this notation a token contains no space, except that it may begin with one.
        guard let space = line.dropFirst().firstIndex(of: 0x20), space + 1 < line.count else {
            return "expected two tokens"
        }
        return add(Array(line[..<space]), Array(line[(space + 1)...]), rank: rank)
    }

    func add(_ left: [UInt8], _ right: [UInt8], rank: Int) -> String? {
        let dropped = !continuingPrefix.isEmpty && right.starts(with: continuingPrefix) ? continuingPrefix.count : 0
        let merged = left + right.dropFirst(dropped)
        func missing(_ what: String, _ token: [UInt8]) -> String {
            "the merge of \(left.quoted()) and \(right.quoted()) \(what) \(token.quoted()), "
                + "which is not in the vocabulary"
        }
        guard let a = vocabulary.id(of: left) else { return missing("takes", left) }
        guard let b = vocabulary.id(of: right) else { return missing("takes", right) }
        guard let token = vocabulary.id(of: merged) else { return missing("makes", merged) }
        table.insert(a, b, rank: UInt32(rank), token: token)
        return nil
    }
}

extension Vocabulary {
    /// The vocabulary with tokens in GPT-2's byte alphabet converted to bytes.
    func inBytes() -> Vocabulary {
        Vocabulary(
            (0..<Int32(count)).map { id in self[id].map { ByteAlphabet.bytes(spelledBy: Array($0)) ?? Array($0) } })
    }
}

extension Tokenizer {
    /// sentencepiece's BPE: any two adjacent tokens whose concatenation is a token can merge, the best score first.
    static func scoredBytePairs(
        tokens: [[UInt8]?], scores: [Float], usable: [Bool], unknown: Int32?, byteTokens: [Int32]?
    ) -> BytePairs {
        let ranks = tokens.indices.map { id -> UInt32 in
            guard usable[id] else { return BytePairs.noRank }
            // Maps the bits of a float to an integer of the same order, the largest first.
            let bits = scores[id].bitPattern
            let ascending = bits >> 31 == 0 ? bits | 0x8000_0000 : ~bits
            return min(~ascending, BytePairs.noRank - 1)
        }
        var model = BytePairs(vocabulary: Vocabulary(tokens), merges: .tokens(ranks: ranks), unit: .scalar)
        model.unknown = unknown
        model.byteTokens = byteTokens
        return model
    }

    static func byteLevelParts(
        spelledTokens: [[UInt8]], merges: [String], pre: String, file: String
    ) throws(TokenizerError) -> Parts {
        let vocabulary = Vocabulary(spelledTokens)
        let merges = try MergeTable.read(merges, vocabulary, file: file)
        var model = BytePairs(vocabulary: vocabulary.inBytes(), merges: .pairs(merges), unit: .byte)
        model.prefersWholePiece = KnownPatterns.prefersWholeWords(pre)
        var parts = Parts(model: model)
        parts.spellsBytesInAlphabet = true
        parts.takesAnyBytes = true
        parts.details.kind = "BPE"
        parts.stages = PieceStages(try steps(named: pre, file: file))
        return parts
    }

    static func rankedParts(tokens: [[UInt8]?], pattern: String, file: String) throws(TokenizerError) -> Parts {
        let ranks = tokens.indices.map { tokens[$0] == nil ? BytePairs.noRank : UInt32($0) }
        var model = BytePairs(vocabulary: Vocabulary(tokens), merges: .tokens(ranks: ranks), unit: .byte)
        model.prefersWholePiece = true
        var parts = Parts(model: model)
        parts.spellsBytesInAlphabet = true
        parts.takesAnyBytes = true
        parts.details.kind = "BPE"
        parts.stages = PieceStages(try steps(named: pattern, file: file))
        return parts
    }

    /// The pre-tokenizer by the name of a model family, or by a regular expression.
    static func steps(named name: String, file: String) throws(TokenizerError) -> [PieceStages.Step] {
        if let steps = KnownPatterns.steps(named: name) { return steps }
        if let scanner = KnownPatterns.scanner(for: name, .tiktoken) { return [.cut(scanner)] }
        // A name contains none of the characters that mark a regular expression.
        if name.utf8.contains(where: { "|\\[(".utf8.contains($0) }) {
            do {
                let expression = try RegularExpression(name, .tiktoken)
                return [.cut(PatternCutter(.expression(expression), behavior: .removed, isInverted: true))]
            } catch {
                throw .malformed(file: file, field: "pre-tokeniser", reason: "\(error)")
            }
        }
        throw .unsupported(file: file, field: "pre-tokeniser", found: name, known: KnownPatterns.names)
    }
}
