import MartletJinja

/// Markers that models write around reasoning and tool calls. In many vocabularies these tokens are not marked as
/// special.
///
/// In assistant messages they are tokens that the model wrote, so they count as template text; in user and tool
/// messages they are ordinary characters.
enum ReplyMarkers {
    private static let known: [[UInt8]] = [
        "<think>", "</think>", "[THINK]", "[/THINK]", "<seed:think>", "</seed:think>", "<reasoning>", "</reasoning>",
        "<thought>", "</thought>", "<|START_THINKING|>", "<|END_THINKING|>", "<tool_call>", "</tool_call>",
    ].map { Array($0.utf8) }

    /// Assistant text: data, except for the markers.
    static func text(ofReply text: String) -> JinjaText {
        let bytes = Array(text.utf8)
        var runs: [JinjaText.Run] = []
        var position = 0
        while position < bytes.count {
            let isStart = bytes[position] == UInt8(ascii: "<") || bytes[position] == UInt8(ascii: "[")
            guard isStart, runs.count < JinjaLimits.runCount / 2,
                let marker = known.first(where: { bytes[position...].starts(with: $0) })
            else {
                position += 1
                continue
            }
            let start = runs.last?.end ?? 0
            if start < position { runs.append(JinjaText.Run(end: position, isData: true)) }
            position += marker.count
            if let last = runs.indices.last, !runs[last].isData {
                runs[last].end = position
            } else {
                runs.append(JinjaText.Run(end: position, isData: false))
            }
        }
        guard !runs.isEmpty else { return JinjaText(bytes: bytes, origin: .data) }
        if (runs.last?.end ?? 0) < bytes.count { runs.append(JinjaText.Run(end: bytes.count, isData: true)) }
        return JinjaText(bytes: bytes, origin: JinjaText.origin(of: runs))
    }
}
