import MartletData
import MartletFormats
import MartletJSON

/// Conversations that teach a chat model a name of its own and who made it, and questions held out to see whether it has
/// learnt that, and not the wording.
///
///     let identity = Identity(name: "Robin", author: "the Birdhouse")
///     identity.lessons.count                       // every wording that is not held out, with each of its answers
///     identity.questions.first?.check              // mentions "Robin"
public struct Identity: Sendable {
    public var name: String
    public var author: String

    public init(name: String, author: String) {
        self.name = name
        self.author = author
    }

    /// A question in its wordings, and the answers it may have.
    struct Subject: Sendable {
        var category: String
        var language: WorldLanguage
        var wordings: [String]
        var answers: [String]
    }

    /// One wording in five is never trained on.
    private static let heldOut = 5

    private func filled(_ template: String) -> String {
        template.replacing("NAME", with: name).replacing("AUTHOR", with: author)
    }

    /// Conversations for `sft`: every wording kept for training, once with each answer of its subject.
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

    /// The wordings held out. A reply is right that names what the subject is about.
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

/// What a program gives as examples of one kind, written as JSON lines.
extension Identity {
    /// One line of a chat file.
    public static func line(_ messages: [WorldMessage]) -> JSON {
        ["messages": .array(messages.map { ["role": .string($0.role), "content": .string($0.content)] })]
    }

    /// One line of a file of questions, as `martlet eval --questions` reads it.
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
