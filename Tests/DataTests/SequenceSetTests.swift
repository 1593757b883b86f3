import MartletData
import Testing

@Suite("Rows of shards")
struct SequenceSetTests {
    @Test("contiguous rows follow each other, with the next token as target")
    func contiguous() throws {
        let set = try SequenceSet([counting([10, 11])], length: 5, shiftsWindows: false)
        #expect(set.count == 4)
        let batch = try set.batch(0..<4)
        #expect(batch.inputs == Array(0..<20))
        #expect(batch.targets == Array(1..<21))
        #expect(batch.positions == Array(0..<5) + Array(0..<5) + Array(0..<5) + Array(0..<5))
        #expect(batch.isContiguous && batch.trainedTokenCount == 20)
        #expect(batch.segments[3] == .init(row: 3, start: 0, end: 5))
        #expect(try batch.inputTensor().shape == [4, 5])
    }

    @Test("rows do not reach from one shard into the next")
    func shards() throws {
        let set = try SequenceSet(
            [counting([12]), counting([6]), counting([5]), counting([6])], length: 5, shiftsWindows: false)
        #expect(set.count == 4)
        #expect(try set.batch(2..<4).inputs == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4])
    }

    @Test("documents in contiguous rows: positions begin anew, and none is the next one's context")
    func contiguousDocuments() throws {
        let set = try SequenceSet([counting([3, 5, 4])], length: 5, layout: .contiguousDocuments, shiftsWindows: false)
        let batch = try set.batch(0..<2)
        #expect(batch.inputs == Array(0..<10))
        #expect(batch.targets == [1, 2, -100, 4, 5, 6, 7, -100, 9, 10])
        #expect(batch.positions == [0, 1, 2, 0, 1, 0, 1, 2, 0, 1])
        #expect(
            batch.segments == [
                .init(row: 0, start: 0, end: 3), .init(row: 0, start: 3, end: 5), .init(row: 1, start: 0, end: 3),
                .init(row: 1, start: 3, end: 5),
            ])
    }

    @Test("a masked token is read, but nobody's target")
    func mask() throws {
        let shard = try counting([5], isTrained: [[true, false, true, false, true]])
        #expect(try SequenceSet([shard], length: 4, shiftsWindows: false).batch(0..<1).targets == [-100, 2, -100, 4])
    }

    @Test("sequential packing", arguments: [SequenceLayout.Packing.sequential])
    func sequential(packing: SequenceLayout.Packing) throws {
        let set = try SequenceSet([counting([3, 4, 2, 1, 8])], length: 5, layout: .packed(packing), padToken: 99)
        let batch = try set.batch(0..<set.count)
        #expect(batch.inputs == [0, 1, 3, 4, 5, 7, 99, 99, 99, 99, 10, 11, 12, 13, 14, 15, 16, 99, 99, 99])
        #expect(
            batch.targets == [
                1, 2, 4, 5, 6, 8, -100, -100, -100, -100, 11, 12, 13, 14, 15, 16, 17, -100, -100, -100,
            ])
        #expect(batch.positions == [0, 1, 0, 1, 2, 0, 0, 1, 2, 3, 0, 1, 2, 3, 4, 0, 1, 0, 1, 2])
        #expect(batch.segments[3] == .init(row: 1, start: 1, end: 5, isPadding: true))
    }

    @Test(
        "every pair of neighbours in a document is trained on once, however documents are packed",
        arguments: [SequenceLayout.Packing.sequential, .bestFit, .single], [7, 64, 200])
    func packedCoverage(packing: SequenceLayout.Packing, length: Int) throws {
        var generator = SeededGenerator(seed: 5)
        let lengths = (0..<300).map { _ in Int.random(in: 0...100, using: &generator) }
        let shards = [try counting(Array(lengths[..<100])), try counting(Array(lengths[100...]))]
        let set = try SequenceSet(shards, length: length, layout: .packed(packing))
        let batch = try set.batch(0..<set.count)
        #expect(batch.trainedTokenCount == lengths.reduce(0) { $0 + max($1 - 1, 0) })
        var covered = 0
        for (index, segment) in batch.segments.enumerated() {
            let start = segment.row * length + segment.start
            let previous = index > 0 ? batch.segments[index - 1] : nil
            #expect(segment.start == (previous.map { $0.row == segment.row ? $0.end : 0 } ?? 0))
            covered += segment.end - segment.start
            for place in 0..<segment.end - segment.start {
                #expect(batch.positions[start + place] == Int32(place))
                if segment.isPadding {
                    #expect(batch.targets[start + place] == TrainingBatch.ignoredTarget)
                } else {
                    #expect(batch.inputs[start + place] == batch.inputs[start] + Int32(place))
                    #expect(batch.targets[start + place] == batch.inputs[start + place] + 1)
                }
            }
        }
        #expect(covered == set.count * length)
        #expect(abs(set.fill - Double(batch.trainedTokenCount) / Double(covered)) < 1e-12)
    }

    @Test("best fit leaves no more padding than packing in order, and little of it")
    func bestFit() throws {
        var generator = SeededGenerator(seed: 6)
        let shard = try random((0..<2000).map { _ in Int.random(in: 2...200, using: &generator) })
        let inOrder = try SequenceSet([shard], length: 256, layout: .packed(.sequential))
        let best = try SequenceSet([shard], length: 256, layout: .packed(.bestFit))
        #expect(best.fill > inOrder.fill)
        #expect(best.fill > 0.99)
    }

    @Test("too little data and other vocabularies are refused in one sentence")
    func refusals() throws {
        let shard = try random([10])
        #expect(failure { () throws(DataError) in _ = try SequenceSet([], length: 4) } != nil)
        #expect(failure { () throws(DataError) in _ = try SequenceSet([shard], length: 0) }?.field == "length")
        #expect(
            failure { () throws(DataError) in _ = try SequenceSet([shard], length: 10) }?.reason
                == "too little data: 10 tokens in 1 shard do not make one row of 10 tokens and the one after it")
        let error = failure { () throws(DataError) in
            _ = try SequenceSet([shard], length: 4, vocabulary: VocabularyIdentity(size: 1000, hash: 0xabc))
        }
        #expect(error?.description.contains("0000000000000007") == true)
        #expect(error?.description.contains("0000000000000abc") == true)
        let one = try random([1, 1, 0])
        #expect(
            failure { () throws(DataError) in _ = try SequenceSet([one], length: 4, layout: .packed(.bestFit)) } != nil)
    }
}

@Suite("Documents that are in no row")
struct LeftOutDocumentTests {
    private func set(_ masks: [[Bool]], length: Int) throws -> SequenceSet {
        let shard = try counting(masks.map(\.count), isTrained: masks)
        return try SequenceSet([shard], length: length, layout: .packed(.bestFit))
    }

    @Test("documents without a label, and conversations longer than a row, are left out and counted")
    func leftOut() throws {
        let chat = [false, false, true, true], mute = [true, false, false]
        let long = Array(repeating: false, count: 9) + [true], text = Array(repeating: true, count: 10)
        let rows = try set([chat, mute, long, text, chat], length: 6)
        #expect(rows.leftOut.withoutLabel == 1 && rows.leftOut.tooLong == 1)
        #expect(
            rows.leftOut.description(length: 6)
                == "1 conversation longer than a row of 6 tokens, 1 document without a token to learn")
        // Every row has a label, and a text without a prompt is cut as before.
        for row in 0..<rows.count { #expect(try rows.batch(row..<row + 1).trainedTokenCount > 0) }
        #expect(try rows.batch(0..<rows.count).trainedTokenCount == 2 + 9 + 2)
        #expect(try set([chat], length: 3).leftOut.isEmpty)
        let error = failure { () throws(DataError) in
            let shard: TokenShard
            do { shard = try counting([3], isTrained: [mute]) } catch { throw DataError(.invalid, "\(error)") }
            _ = try SequenceSet([shard], length: 6, layout: .packed(.single))
        }
        #expect(error?.reason.contains("left out: 1 document without a token to learn") == true)
    }

    @Test("a prompt of one token is told in rows, and kept with its reply")
    func promptOfOneToken() throws {
        let pair = [false, true, true], text = [true, true, true]
        let long = [false] + Array(repeating: true, count: 8)
        let rows = try set([pair, text, long], length: 6)
        #expect(rows.leftOut.tooLong == 1 && rows.count == 1)
        let segments = try rows.batch(0..<1).segments
        #expect(segments.count { $0.beginsWithPrompt } == 1 && segments.count { !$0.isPadding } == 2)
    }

    @Test("trained tokens are counted as they are told one by one")
    func counts() throws {
        var generator = SeededGenerator(seed: 3)
        let mask = (0..<100).map { _ in Bool.random(using: &generator) }
        let shard = try counting([37, 63], isTrained: [Array(mask[..<37]), Array(mask[37...])])
        for start in stride(from: 0, to: 100, by: 7) {
            for end in start...100 {
                #expect(shard.trainedCount(start..<end) == (start..<end).count { shard.isTrained($0) })
            }
        }
    }
}
