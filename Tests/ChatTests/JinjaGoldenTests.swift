import Foundation
import MartletChat
import MartletJSON
import MartletJinja
import Testing

/// Against jinja2 and transformers: see Goldens/make_chat_template_goldens.py.
struct JinjaGoldenTests {
    private func golden(_ name: String) throws -> JSON {
        try JSON(parsing: Data(contentsOf: goldenFolder.appendingPathComponent(name)))
    }

    @Test func snippetsRenderAsInJinja2() throws {
        let golden = try golden("jinja-snippets.json")
        let context = try #require(golden["context"]?.object)
        let cases = try #require(golden["cases"]?.array)
        #expect(cases.count > 1000)
        for item in cases {
            let source = item.array?[0].string ?? ""
            let expected = item.array?[1].string
            var found: String?
            var reason = ""
            do {
                found = try ChatTemplate(source: source, now: JinjaClock.fixed(1_773_489_600))
                    .render(messages: [], extra: context).text
            } catch { reason = error.description }
            #expect(
                found.map { Array($0.utf8) } == expected.map { Array($0.utf8) },
                "\(source): found \(found.debugDescription) \(reason), expected \(expected.debugDescription)")
        }
    }

    @Test func conversationsRenderAsInTransformers() throws {
        let golden = try golden("chat-templates.json")
        var tokens: [String: String] = [:]
        for (name, value) in try #require(golden["tokens"]?.object) { tokens[name] = value.string }
        let conversations = try #require(golden["conversations"]?.object)
        for (name, results) in try #require(golden["results"]?.object) {
            let file = goldenFolder.appendingPathComponent("ChatTemplates/\(name).jinja")
            let source = String(decoding: try Data(contentsOf: file), as: UTF8.self)
            // Noon of 14 March 2026, UTC.
            let template = try ChatTemplate(source: source, specialTokens: tokens, now: JinjaClock.fixed(1_773_489_600))
            for (shape, conversation) in conversations {
                let expected = try #require(results[shape])
                var found: RenderedPrompt?
                var reason = ""
                do {
                    found = try template.render(
                        messages: try (conversation["messages"]?.array ?? []).map { try ChatMessage($0) },
                        tools: conversation["tools"]?.array, documents: conversation["documents"]?.array,
                        addGenerationPrompt: conversation["gen"]?.bool ?? false,
                        continueFinalMessage: conversation["cont"]?.bool ?? false,
                        extra: conversation["extra"]?.object ?? JSONObject())
                } catch { reason = "\(error)" }
                let text = expected["text"]?.string
                let hasNoContent = conversation["messages"]?.array?.contains { $0["content"]?.isNull == true } ?? false
                if hasNoContent, let found, found.text != text {
                    // Where transformers prints "None", or fails on it, what is not there prints as nothing.
                    #expect(text == nil || found.text == text?.replacing("None", with: ""), "\(name), \(shape)")
                    continue
                }
                #expect(
                    found.map { Array($0.text.utf8) } == text.map { Array($0.utf8) },
                    "\(name), \(shape): found \((found?.text).debugDescription) \(reason), expected \(text.debugDescription)"
                )
                guard let found else { continue }
                #expect(found.segments.map(\.text).joined().utf8.elementsEqual(found.text.utf8))
                guard let spans = expected["spans"]?.array else { continue }
                let ranges = spans.map { ($0.array?[0].integer ?? 0)..<($0.array?[1].integer ?? 0) }
                #expect(found.generationRanges == ranges, "\(name), \(shape)")
            }
        }
    }
}
