import MartletData
import Testing

@Suite("Order of training")
struct BatchStreamTests {
    @Test("a keyed permutation reaches every place once", arguments: [0, 1, 2, 3, 5, 16, 17, 1000, 4096, 4097])
    func permutation(count: Int) {
        for key in [0, 1, UInt64.max] {
            let shuffle = KeyedPermutation(count: count, key: key)
            #expect(Set((0..<count).map { shuffle($0) }).count == count)
        }
    }

    @Test("over keys every place is as likely, and so is every neighbour")
    func uniform() {
        let count = 10, keys = 20_000
        var places = [Int](repeating: 0, count: count * count), neighbours = places
        for key in 0..<keys {
            let shuffle = KeyedPermutation(count: count, key: UInt64(key))
            for index in 0..<count {
                places[index * count + shuffle(index)] += 1
                neighbours[shuffle(index) * count + shuffle((index + 1) % count)] += 1
            }
        }
        // A count is binomial with a standard deviation of about 42; 6 of them are passed once in some 10^9.
        let expected = Double(keys) / Double(count)
        #expect(places.allSatisfy { abs(Double($0) - expected) < 6 * 42.5 })
        for row in 0..<count {
            for column in 0..<count where row != column {
                #expect(abs(Double(neighbours[row * count + column]) - Double(keys) / 9) < 6 * 44.5)
            }
        }
    }

    @Test("every row comes once an epoch, in another order each time")
    func epochs() throws {
        let set = try SequenceSet([random([5000])], length: 7, shiftsWindows: false)
        let stream = try BatchStream(set, rowsPerStep: 1, seed: 3)
        let orders = (0..<3).map { epoch in
            (0..<set.count).map { stream.address(step: epoch * set.count + $0, row: 0).sequence }
        }
        for order in orders { #expect(order.sorted() == Array(0..<set.count)) }
        #expect(orders[0] != orders[1] && orders[1] != orders[2])
        #expect(orders[0] != Array(0..<set.count))
        #expect(stream.stepsPerEpoch == set.count)
    }

    @Test("a step is the same rows whenever it is asked for and however it is split")
    func addressable() throws {
        let sets = try [random([3000], seed: 1), random([900], seed: 2)].map { try SequenceSet([$0], length: 16) }
        func stream(_ seed: UInt64) throws -> BatchStream {
            try BatchStream([.init(sets[0], weight: 3), .init(sets[1])], rowsPerStep: 12, seed: seed)
        }
        let a = try stream(1), b = try stream(1)
        for step in [17, 0, 1000, 17] {
            let whole = try a.batch(step: step)
            #expect(try b.batch(step: step) == whole)
            for count in [1, 2, 3, 5, 12] {
                let parts = try (0..<count).map { try b.batch(step: step, microBatch: $0, of: count) }
                #expect(parts.flatMap(\.inputs) == whole.inputs)
                #expect(parts.flatMap(\.targets) == whole.targets)
            }
        }
        #expect(try stream(2).batch(step: 0) != a.batch(step: 0))
        #expect(failure { () throws(DataError) in _ = try a.batch(step: 0, microBatch: 0, of: 13) } != nil)
        #expect(a.origin(step: 0, row: 0).hasPrefix("random "))
    }

    @Test("weights hold exactly within 4096 rows, and each source keeps its own epochs")
    func mixing() throws {
        let sets = try [random([3000], seed: 1), random([900], seed: 2), random([100], seed: 3)].map {
            try SequenceSet([$0], length: 16)
        }
        let stream = try BatchStream(
            [.init(sets[0], weight: 5), .init(sets[1], weight: 3), .init(sets[2], weight: 0)], rowsPerStep: 64, seed: 9)
        var counts = [0, 0, 0], seen: [[Int]: Int] = [:]
        for step in 0..<64 {
            for row in 0..<64 {
                let address = stream.address(step: step, row: row)
                counts[address.source] += 1
                seen[[address.source, address.epoch, address.sequence], default: 0] += 1
            }
        }
        #expect(counts == [2560, 1536, 0])
        #expect(seen.values.allSatisfy { $0 == 1 })
        // A stretch of rows holds about its share already.
        let first = (0..<256).count { stream.address(step: $0 / 64, row: $0 % 64).source == 0 }
        #expect(abs(first - 160) < 50)
    }

    @Test("weights that make no sense are refused", arguments: [-1, .nan, .infinity, 0])
    func weights(weight: Double) throws {
        let set = try SequenceSet([random([300])], length: 16)
        #expect(
            failure { () throws(DataError) in
                _ = try BatchStream([.init(set, weight: weight)], rowsPerStep: 1, seed: 0)
            } != nil)
    }

    @Test("cuts lie elsewhere in every epoch, and no row leaves its shard")
    func shifts() throws {
        let set = try SequenceSet([counting([1000]), counting([70]), counting([33])], length: 32)
        let stream = try BatchStream(set, rowsPerStep: set.count, seed: 1)
        var starts: Set<Int32> = []
        for epoch in 0..<40 {
            let batch = try stream.batch(step: epoch)
            for row in 0..<set.count {
                let first = batch.inputs[row * 32]
                starts.insert(first % 32)
                #expect(Array(batch.inputs[row * 32..<row * 32 + 32]) == Array(first..<first + 32))
            }
        }
        #expect(starts.count > 20)
    }

    @Test("a document's bytes alone decide on which side it is")
    func split() throws {
        let split = try DocumentSplit(validation: 0.1)
        let documents = (0..<10_000).map { Array("document \($0)".utf8) }
        let chosen = documents.filter { split.isValidation($0) }
        #expect(abs(chosen.count - 1000) < 150)
        #expect(chosen.allSatisfy { split.isValidation($0) })
        let other = try DocumentSplit(validation: 0.1, salt: 1)
        #expect(documents.filter { other.isValidation($0) } != chosen)
        #expect(try documents.allSatisfy { try !DocumentSplit(validation: 0).isValidation($0) })
        #expect(failure { () throws(DataError) in _ = try DocumentSplit(validation: 1) } != nil)
    }
}
