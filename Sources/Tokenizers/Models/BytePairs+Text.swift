import MartletPatterns

extension BytePairs {
    /// Adds the ids of a text split by `cutter`: the same result as splitting and encoding piece by piece, but faster.
    ///
    /// Most pieces are short ASCII words. Such a word is found with two loads, and the same two machine words are its
    /// key in the cache of the call. Ids are collected in the scratch buffer, where four can be written even if fewer
    /// are valid, and copied to the result in pages.
    package func encode(
        _ text: UnsafeBufferPointer<UInt8>, cutBy cutter: WordCutter, into ids: inout [Int32],
        _ scratch: EncodingScratch
    ) {
        guard let base = text.baseAddress else { return }
        let raw = UnsafeRawPointer(base)
        let staged = scratch.staged
        let lastWide = text.count - 16
        var fresh: [Int32] = []
        var used = 0
        var position = 0
        while position < text.count {
            if used > EncodingScratch.stagedCapacity - 4 {
                if TextCancellation.isRequested { return }
                ids.append(contentsOf: UnsafeBufferPointer(start: staged, count: used))
                used = 0
            }
            var length = 0
            let key: EncodingScratch.Key
            if position <= lastWide {
                let first = UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: position, as: UInt64.self))
                let second = UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: position + 8, as: UInt64.self))
                length = cutter.shortWord(first, second)
                if length == 0 { length = cutter.end(text, from: position) - position }
                key = EncodingScratch.Key(first: first, second: second, count: length & 15)
            } else {
                length = cutter.end(text, from: position) - position
                key = EncodingScratch.Key(base + position, count: min(length, EncodingScratch.longest))
            }
            if length <= EncodingScratch.longest {
                let place = scratch.place(of: key)
                let count = scratch.count(at: place, key)
                if count > 0 {
                    UnsafeMutableRawPointer(staged + used).storeBytes(of: place.pointee.ids, as: SIMD4<Int32>.self)
                    used += count
                    position += length
                    continue
                }
            }
            fresh.removeAll(keepingCapacity: true)
            encode(UnsafeBufferPointer(start: base + position, count: length), into: &fresh)
            if length <= EncodingScratch.longest {
                scratch.remember(fresh[...], for: key, at: scratch.place(of: key))
            }
            if fresh.count > EncodingScratch.stagedCapacity - used {
                ids.append(contentsOf: UnsafeBufferPointer(start: staged, count: used))
                ids.append(contentsOf: fresh)
                used = 0
            } else {
                for id in fresh {
                    staged[used] = id
                    used += 1
                }
            }
            position += length
        }
        ids.append(contentsOf: UnsafeBufferPointer(start: staged, count: used))
    }
}
