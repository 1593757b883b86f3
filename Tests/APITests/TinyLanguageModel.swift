import Foundation
import MartletAPI
import MartletInference
import MartletJSON
import TinyModels

extension LanguageModel {
    /// A random model, the same for the same settings; with a template of one's own where one is given.
    static func tiny(template: String? = nil, _ change: (inout TinyModel) -> Void = { _ in }) throws -> LanguageModel {
        let folder = NSTemporaryDirectory() + "martlet-api-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var tiny = TinyModel()
        change(&tiny)
        try tiny.write(folder: folder)
        if let template {
            try template.write(toFile: folder + "/chat_template.jinja", atomically: true, encoding: .utf8)
        }
        return try LanguageModel(path: folder)
    }
}

/// Events as an engine would send them, and what a dialect makes of them.
struct Script {
    var model: LanguageModel
    var request: GenerationRequest
    var header = ReplyHeader(id: "chatcmpl-abc", created: 1_700_000_000, systemFingerprint: "martlet-test")
    /// Of each sample.
    var pieces: [[GeneratedPiece]]
    var reason = FinishReason.stop
    var promptEvents: [[TokenLogProbability?]] = []

    static func pieces(_ texts: [String], ids: Int32 = 40) -> [GeneratedPiece] {
        texts.enumerated().map { GeneratedPiece(token: ids + Int32($0.offset), text: $0.element) }
    }

    /// The bytes of the stream, and the whole reply.
    func run() throws -> (stream: String, json: JSON) {
        let plan = try GenerationPlan(request, model: model, name: "tiny")
        var reply = plan.reply(header)
        var bytes: [UInt8] = []
        for prompt in plan.prompts.indices {
            let count = plan.prompts[prompt].count
            bytes += reply.add(.started(cachedTokens: prompt == 0 ? 2 : 0, promptTokens: count), prompt: prompt)
            if prompt < promptEvents.count { bytes += reply.add(.prompt(promptEvents[prompt]), prompt: prompt) }
            for (sample, list) in pieces.enumerated() {
                for piece in list { bytes += reply.add(.token(sample: sample, piece), prompt: prompt) }
                var statistics = GenerationStatistics()
                statistics.promptTokens = count
                statistics.cachedTokens = prompt == 0 ? 2 : 0
                statistics.replyTokens = list.count
                statistics.promptSeconds = 0.5
                statistics.replySeconds = 0.25
                bytes += reply.add(.finished(sample: sample, reason, statistics), prompt: prompt)
            }
        }
        bytes += reply.finish()
        return (String(decoding: bytes, as: UTF8.self), reply.json())
    }
}

/// A file of Goldens/, compared; written where there is none yet, and anew with MARTLET_WRITE_GOLDENS.
enum Golden {
    static var folder: String { #filePath.replacing("TinyLanguageModel.swift", with: "Goldens/") }

    static func text(_ name: String) throws -> String { try String(contentsOfFile: folder + name, encoding: .utf8) }

    static func matches(_ text: String, _ name: String) throws -> Bool {
        let path = folder + "replies/" + name
        let isWanted = ProcessInfo.processInfo.environment["MARTLET_WRITE_GOLDENS"] != nil
        if isWanted || !FileManager.default.fileExists(atPath: path) {
            try FileManager.default.createDirectory(atPath: folder + "replies", withIntermediateDirectories: true)
            try text.write(toFile: path, atomically: true, encoding: .utf8)
        }
        return try self.text("replies/" + name) == text
    }
}
