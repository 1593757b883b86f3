import MartletData
import MartletFormats
import MartletJSON

/// Conversations that teach a chat model a new name and its author, and held-out questions that test whether the model
/// learnt the facts, not only the wording.
///
/// ```swift
/// let identity = Identity(name: "Robin", author: "the Birdhouse")
/// identity.lessons.count                       // each training wording with each of its answers
/// identity.questions.first?.check              // mentions "Robin"
/// ```
public struct Identity: Sendable {
    public var name: String
    public var author: String

    public init(name: String, author: String) {
        self.name = name
        self.author = author
    }

    /// A question in several wordings, and its possible answers.
    struct Subject: Sendable {
        var category: String
        var language: WorldLanguage
        var wordings: [String]
        var answers: [String]
    }

    /// One wording in five is held out.
    private static let heldOut = 5

    private func filled(_ template: String) -> String {
        template.replacing("NAME", with: name).replacing("AUTHOR", with: author)
    }

    /// Conversations for `sft`: each training wording with each answer of its subject.
    public var lessons: [[WorldMessage]] {
        IdentitySubjects.all.flatMap { subject in
            subject.wordings.enumerated().filter { $0.offset % Self.heldOut != Self.heldOut - 1 }.flatMap { wording in
                subject.answers.map { answer in
                    [
                        WorldMessage(role: "user", content: filled(wording.element)),
                        WorldMessage(role: "assistant", content: filled(answer)),
                    ]
                }
            }
        }
    }

    /// The held-out wordings. A reply is right if it mentions what the question asks for.
    public var questions: [WorldQuestion] {
        IdentitySubjects.all.flatMap { subject in
            subject.wordings.enumerated().filter { $0.offset % Self.heldOut == Self.heldOut - 1 }.map { wording in
                WorldQuestion(
                    category: "identity.\(subject.category)", language: subject.language,
                    prompt: [WorldMessage(role: "user", content: filled(wording.element))],
                    reply: filled(subject.answers[0]),
                    check: .mentions(subject.category == "author" ? author : name, without: []))
            }
        }
    }
}

/// Example data as JSON lines.
extension Identity {
    /// One line of a chat file.
    public static func line(_ messages: [WorldMessage]) -> JSON {
        ["messages": .array(messages.map { ["role": .string($0.role), "content": .string($0.content)] })]
    }

    /// One line of a question file, as read by `martlet eval --questions`.
    public static func line(_ question: WorldQuestion, index: Int) -> JSON {
        [
            "id": .string("identity/\(index)"), "category": .string(question.category),
            "language": .string(question.language.rawValue),
            "messages": line(question.prompt)["messages"] ?? .array([]),
            "reply": .string(question.reply), "check": .string(question.check.name),
            "expected": .string(question.check.expected), "without": .array([]),
        ]
    }
}
