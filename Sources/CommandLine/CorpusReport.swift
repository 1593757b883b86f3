import Martlet
import MartletVerbs

/// Reports what of a corpus was left out or changed on the way to tokens.
enum CorpusReport {
    /// The files that are not read, by reason.
    static func tellFiles(_ corpus: Corpus) {
        for note in corpus.notes { Terminal.note("martlet: \(note)") }
        for line in LeftOutFile.summary(corpus.leftOutFiles) { Terminal.note("not read: \(line)") }
    }

    /// What was left out or changed, with the first of each kind, and a share for validation that was chosen.
    static func tell(_ result: PackProgress) {
        for entry in result.tally.entries { Terminal.note(entry.description) }
        guard result.isShareDerived, result.validationTokens > 0, result.validationShare > 0.011 else { return }
        let share = (100 * result.validationShare).rounded(to: 1)
        Terminal.note(
            "\(share) % of the corpus is kept for validation, since there is little (\(Terminal.bytes(result.byteCount))); "
                + "--validation sets another share")
    }

    /// Runs `body`; if a bad record ends it, the error names the next step.
    static func explaining<Result>(_ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as DataError where error.isOneRecord {
            Terminal.note("one record ends this; --on-bad-record skip leaves such records out and counts them")
            throw error
        }
    }
}
