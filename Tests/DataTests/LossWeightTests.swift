import MartletChat
import MartletData
import Testing
import TinyModels

/// What messages, characters, segments and tokens count in the loss.
@Suite("Loss weights")
struct LossWeightTests {
    private func documents(_ scratch: Scratch, _ lines: String...) throws -> [Document.Content] {
        let path = try scratch.write("a.jsonl", Array(lines.joined(separator: "\n").utf8))
        let corpus = try Corpus([path])
        var found: [Document.Content] = []
        while let document = try corpus.nextDocument() { found.append(document.content) }
        return found
    }

    @Test("token ids and segments have weights")
    func records() throws {
        let scratch = try Scratch()
        let found = try documents(
            scratch, #"{"input_ids": [5, 6, 7], "weights": [0, 0.5, 2]}"#,
            #"{"input_ids": [5, 6, 7], "weights": [1, 1, 0.25], "labels": [-100, 6, 7], "attention_mask": [1, 1, 1]}"#,
            #"{"input_ids": [5, 6], "weights": [0, 1]}"#,
            #"{"segments": [{"text": "a", "label": false}, {"text": "b", "weight": 0.5}]}"#)
        #expect(
            found == [
                .tokens([5, 6, 7], isTrained: [false, true, true], weights: [0, 0.5, 2]),
                .tokens([5, 6, 7], isTrained: [false, true, true], weights: [0, 1, 0.25]),
                // A mask says that.
                .tokens([5, 6], isTrained: [false, true]),
                .segments([.init("a", weight: 0), .init("b", weight: 0.5)]),
            ])
    }

    @Test(
        "what is no weight is refused with its place",
        arguments: [
            (#"{"input_ids": [1, 2], "weights": [1]}"#, "has 1 entries for 2 tokens"),
            (#"{"input_ids": [1], "weights": [-1]}"#, "entry 1 is -1, expected 0 (context) or more"),
            (#"{"input_ids": [1], "weights": [0]}"#, "are all 0: there is nothing to learn"),
            (#"{"input_ids": [1], "weights": 3}"#, "expected a list of numbers"),
            (#"{"segments": [{"text": "b", "weight": -2}]}"#, "a 'weight' of 0 or more"),
            (#"{"segments": [{"text": "b", "weight": 0.5, "label": false}]}"#, "segment 1 needs"),
            (#"{"messages": [{"role": "assistant", "content": "b", "weight": -0.5}]}"#, "'weight' is -0.5"),
            (#"{"messages": [{"role": "assistant", "content": "b", "weight": 0.5, "train": false}]}"#, "contradict"),
            (#"{"messages": [{"role": "user", "content": "b", "weight": 0.5}]}"#, "on a message of \"user\""),
            (
                #"{"messages": [{"role": "assistant", "content": "b", "train_detail": [{"begin_offset": 0, "end_offset": 0, "weight": "x"}]}]}"#,
                "or a weight of 0 or more"
            ),
        ])
    func refused(record: String, words: String) throws {
        let scratch = try Scratch()
        #expect { try documents(scratch, record) } throws: { "\($0)".contains(words) }
    }

    @Test("a shard keeps them, from the first document that has some")
    func shards() throws {
        let scratch = try Scratch(), path = scratch.file("a.shard")
        let writer = try TokenShardWriter(path: path, vocabulary: smallVocabulary, hasMask: true)
        try writer.append([1, 2, 3], isTrained: [false, true, true])
        try writer.append([4, 5, 6], weights: [0, 0.5, 2])
        try writer.append([7, 8])
        try writer.finish()
        let shard = try TokenShard(path: path)
        #expect(shard.hasWeights && shard.hasMask)
        #expect(try (0..<8).map { try shard.weight(of: $0) } == [0, 1, 1, 0, 0.5, 2, 1, 1])
        #expect((0..<8).map { shard.isTrained($0) } == [false, true, true, false, true, true, true, true])
        try shard.verify()
        let rows = try SequenceSet([shard], length: 8, layout: .packed(.sequential))
        let batch = try rows.batch(0..<1)
        #expect(Array((batch.weights ?? []).prefix(5)) == [1, 1, 0.5, 2, 1])
        #expect(batch.trainedWeight == 5.5 && batch.trainedTokenCount == 5)
        // The same in memory, and without weights there are none.
        let memory = try TokenShard(
            name: "m", documents: [[1, 2, 3], [4, 5, 6], [7, 8]], weights: [[0, 1, 1], [0, 0.5, 2], [1, 1]],
            vocabulary: smallVocabulary)
        try memory.verify()
        #expect(try SequenceSet([memory], length: 8, layout: .packed(.sequential)).batch(0..<1) == batch)
        let plain = try TokenShard(name: "m", documents: [[1, 2]], vocabulary: smallVocabulary)
        #expect(try plain.weight(of: 1) == 1 && !plain.hasWeights)
        #expect(try SequenceSet([plain], length: 1).batch(0..<1).weights == nil)
    }

    @Test("damaged weights are named, and found by the hash")
    func damage() throws {
        let scratch = try Scratch()
        let writer = try TokenShardWriter(path: scratch.file("a.shard"), vocabulary: smallVocabulary, hasMask: true)
        try writer.append([4, 5, 6], weights: [0, 0.5, 2])
        try writer.finish()
        var bytes = try scratch.read("a.shard")
        bytes[bytes.count - 2] = 0x20
        #expect(throws: DataError.self) { try TokenShard(path: scratch.write("b.shard", bytes)).verify() }
        (bytes[bytes.count - 2], bytes[bytes.count - 1]) = (0xc0, 0x7f)
        let shard = try TokenShard(path: scratch.write("c.shard", bytes))
        #expect { try shard.weight(of: 2) } throws: { "\($0)".contains("token 2") && "\($0)".contains("is nan") }
        #expect(throws: DataError.self) {
            let writer = try TokenShardWriter(path: scratch.file("d.shard"), vocabulary: smallVocabulary, hasMask: true)
            try writer.append([4], weights: [-.infinity])
        }
    }
}
