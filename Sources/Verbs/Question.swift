import MartletSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension Terminal {
    /// Asks a person who can answer; where nobody can, the answer is no.
    static func confirm(_ question: String) -> Bool {
        guard inputIsTerminal, errorIsTerminal else { return false }
        write("\(question.printable) [Y/n] ", to: STDERR_FILENO)
        guard let answer = readLine() else { return false }
        return ["", "y", "yes"].contains(answer.lowercased().filter { !$0.isWhitespace })
    }
}
