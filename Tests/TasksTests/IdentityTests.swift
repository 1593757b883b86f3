import MartletTasks
import Testing

struct IdentityTests {
    private let identity = Identity(name: "Robin", author: "the Birdhouse")

    @Test func whatIsHeldOutIsNeverTaught() {
        let taught = Set(identity.lessons.compactMap { $0.first?.content })
        #expect(identity.questions.count >= 20)
        for question in identity.questions { #expect(!taught.contains(question.prompt[0].content)) }
    }

    @Test func everyAnswerSaysWhoItIs() {
        for lesson in identity.lessons {
            #expect(lesson.map(\.role) == ["user", "assistant"])
            #expect(lesson[1].content.contains("Robin") && lesson[1].content.contains("the Birdhouse"))
            #expect(!lesson[1].content.contains("NAME") && !lesson[1].content.contains("AUTHOR"))
        }
    }

    @Test func theReplyOfAQuestionIsAcceptedAndAnotherNameIsNot() {
        for question in identity.questions {
            #expect(question.check.accepts(question.reply), "\(question.prompt[0].content)")
            #expect(!question.check.accepts("I am SmolLM, trained by Hugging Face."))
        }
    }
}
