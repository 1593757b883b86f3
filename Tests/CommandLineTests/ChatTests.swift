import Foundation
import MartletJSON
import Testing
import TinyModels

#if os(Linux)
import Glibc

/// The chat in a terminal, played through a pseudo-terminal.
struct ChatTests {
    let program: Program
    init() throws { program = try Program() }

    /// A running chat and the terminal it is in.
    final class Conversation {
        private let process: Process
        private let descriptor: Int32
        private var screen = ""

        init(_ program: Program, _ arguments: [String]) throws {
            // What posix_openpt, unlockpt and ptsname do; Glibc's module shows none of them.
            descriptor = open("/dev/ptmx", O_RDWR | O_NOCTTY)
            var unlocked: Int32 = 0, number: Int32 = 0
            guard descriptor >= 0, ioctl(descriptor, 0x4004_5431, &unlocked) == 0,
                ioctl(descriptor, 0x8004_5430, &number) == 0
            else { throw POSIXError(.ENOTTY) }
            let side = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY)
            guard side >= 0 else { throw POSIXError(.ENOTTY) }
            let handle = FileHandle(fileDescriptor: side, closeOnDealloc: true)
            process = program.process(arguments)
            process.standardInput = handle
            process.standardOutput = handle
            process.standardError = handle
            try process.run()
        }
        deinit {
            _ = process.exitCode(within: 0)
            close(descriptor)
        }

        func type(_ text: String) { _ = text.withCString { write(descriptor, $0, strlen($0)) } }
        func interrupt() { process.interrupt() }

        /// Waits for text to be shown after what was last waited for; false after a while, or at the end.
        func shows(_ text: String, seconds: Double = 120) -> Bool {
            let deadline = Date(timeIntervalSinceNow: seconds)
            while true {
                if let range = screen.range(of: text) {
                    screen.removeSubrange(..<range.upperBound)
                    return true
                }
                var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                guard Date() < deadline, poll(&wanted, 1, 50) >= 0 else { return false }
                guard wanted.revents != 0 else { continue }
                var buffer = [UInt8](repeating: 0, count: 65_536)
                let count = read(descriptor, &buffer, buffer.count)
                guard count > 0 else { return false }
                screen += String(decoding: buffer[..<count], as: UTF8.self)
            }
        }

        func exitCode() -> Int32 {
            // What it still shows has to be taken.
            let deadline = Date(timeIntervalSinceNow: 120)
            while process.isRunning, Date() < deadline { _ = shows("what is never shown", seconds: 0.05) }
            return process.exitCode(within: 0)
        }
    }

    @Test(.timeLimit(.minutes(20))) func commandsAndTurns() throws {
        let chat = try Conversation(program, ["run", try program.model(), "-n", "6"])
        #expect(chat.shows(">>> "))
        chat.type("/set parameter temperature 0\r")
        #expect(chat.shows("temperature = 0"))
        chat.type("/set parameter top_p 7\r")
        #expect(chat.shows("top_p is 7"))
        chat.type("/set system Speak of inns.\r")
        #expect(chat.shows("system message set"))
        chat.type("Is this the inn?\r")
        #expect(chat.shows("reply 6 tokens"))
        chat.type("And the road?\r")
        #expect(chat.shows(" cached)"))
        #expect(chat.shows("reply 6 tokens"))
        chat.type("\"\"\"\rtwo\r/lines\r\"\"\"\r")
        #expect(chat.shows("reply 6 tokens"))
        // Pasted text comes in one piece.
        chat.type("\u{1B}[200~one\r\n/bye\u{1B}[201~\r")
        #expect(chat.shows("reply 6 tokens"))
        let file = program.home + "/chat.json"
        chat.type("/save \(file)\r")
        #expect(chat.shows("saved 9 messages"))
        let saved = try JSON(parsing: [UInt8](Data(contentsOf: URL(fileURLWithPath: file))))["messages"]?.array ?? []
        #expect(
            saved.map { $0["role"]?.string } == ["system"] + Array(repeating: ["user", "assistant"], count: 4).joined())
        #expect(saved.count == 9 && saved[5]["content"]?.string == "two\n/lines")
        #expect(saved.count == 9 && saved[7]["content"]?.string == "one\n/bye")
        chat.type("/clear\r/show info\r")
        #expect(chat.shows(", 0 messages"))
        chat.type("/load \(file)\r/show info\r")
        #expect(chat.shows(", 8 messages"))
        chat.type("/load /none.json\r")
        #expect(chat.shows("/none.json"))
        chat.type("/nonsense\r")
        #expect(chat.shows("is not known"))
        chat.type("/bye\r")
        #expect(chat.exitCode() == 0)
    }

    @Test(.timeLimit(.minutes(20))) func anInterruptStopsTheReplyAndKeepsTheChat() throws {
        let chat = try Conversation(program, ["run", try program.model { $0.contextLength = 1_000_000 }])
        #expect(chat.shows(">>> "))
        chat.type("Tell me everything.\r")
        // The line is sent, and some of the reply is there.
        #expect(chat.shows("everything."))
        #expect(chat.shows("\u{1B}[?2004l"))
        #expect(chat.shows("e"))
        chat.interrupt()
        #expect(chat.shows(">>> "))
        chat.type("/show info\r")
        #expect(chat.shows(", 2 messages"))
        // End of input leaves, as /bye does.
        chat.type("\u{4}")
        #expect(chat.exitCode() == 0)
    }

    @Test(.timeLimit(.minutes(20))) func aConversationLongerThanTheContextSaysWhatToDo() throws {
        let chat = try Conversation(program, ["run", try program.model { $0.contextLength = 64 }, "-n", "2"])
        #expect(chat.shows(">>> "))
        chat.type(String(repeating: "x", count: 70) + "\r")
        #expect(chat.shows("64 tokens; /clear"))
        chat.type("/show info\r")
        #expect(chat.shows(", 0 messages"))
        chat.type("/bye\r")
        #expect(chat.exitCode() == 0)
    }
}
#endif
