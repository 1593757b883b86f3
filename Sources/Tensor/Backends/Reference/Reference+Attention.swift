extension Reference {
    /// softmax(mask(scale · q kᵀ)) v for every head (Vaswani et al. 2017), with as many query heads to a key/value head
    /// as there are more of them (Ainslie et al. 2023).
    ///
    /// A query sees the keys of its own segment: those before it and its own where `isCausal`, the latest `window` of
    /// them where there is one. q `[tokens, heads · headDimension]`, k and v `[tokens, keyValueHeads · headDimension]`
    /// -> as q. Holds all scores, `[heads, tokens, tokens]`.
    public static func attention(
        _ q: Tensor, _ k: Tensor, _ v: Tensor, segments: [Range<Int>], _ shape: AttentionShape,
        dropout: AttentionDropout? = nil
    ) throws(TensorError) -> Tensor {
        let tokens = q.shape[0], dimension = shape.headDimension
        let group = shape.heads / max(shape.keyValueHeads, 1)
        func heads(_ x: Tensor, _ count: Int) throws(TensorError) -> Tensor {
            try x.reshape(tokens, count, dimension).permute(1, 0, 2)
        }
        func repeated(_ x: Tensor) throws(TensorError) -> Tensor {
            try heads(x, shape.keyValueHeads).unsqueeze(1)
                .expand(shape.keyValueHeads, group, tokens, dimension).reshape(shape.heads, tokens, dimension)
        }
        let queries = try heads(q, shape.heads), keys = try repeated(k), values = try repeated(v)
        var scores = try queries.matmul(keys.transposed()) * Double(shape.scale)  // [heads, tokens, tokens]
        if let cap = shape.softCap { scores = try softCap(scores, cap) }
        let mask = try Tensor(visible(tokens, segments, shape), shape: [tokens, tokens])
        var probabilities = try softmax(Tensor.where(mask, scores, -1e30))
        if let dropout, dropout.probability > 0 {
            probabilities = try probabilities * factors(dropout, tokens, segments, heads: shape.heads)
        }
        let mixed = try probabilities.matmul(values)  // [heads, tokens, headDimension]
        return try mixed.permute(1, 0, 2).reshape(q.shape)
    }

    /// For each query, row by row, the keys that it sees.
    private static func visible(_ tokens: Int, _ segments: [Range<Int>], _ shape: AttentionShape) -> [Bool] {
        var visible = [Bool](repeating: false, count: tokens * tokens)
        for segment in segments {
            for query in segment {
                for key in segment where !shape.isCausal || key <= query {
                    let isNear = shape.window.map { query - key < $0 } ?? true
                    visible[query * tokens + key] = isNear || !shape.isCausal
                }
            }
        }
        return visible
    }

    private static func factors(
        _ dropout: AttentionDropout, _ tokens: Int, _ segments: [Range<Int>], heads: Int
    ) throws(TensorError) -> Tensor {
        var factors = [Double](repeating: 0, count: heads * tokens * tokens)
        for head in 0..<heads {
            for segment in segments {
                for query in segment {
                    for key in segment {
                        factors[(head * tokens + query) * tokens + key] = dropout.factor(
                            token: query, head: head, key: key - segment.lowerBound)
                    }
                }
            }
        }
        return try Tensor(factors, shape: [heads, tokens, tokens])
    }
}

extension AttentionDropout {
    /// What a probability is multiplied with: 0, or what makes up for those that are dropped.
    ///
    /// A hash of the key, the query's token and the head begins a stream; four keys share a draw of it, 16 bits each.
    func factor(token: Int, head: Int, key place: Int) -> Double {
        let odd: UInt64 = 0x9e37_79b9_7f4a_7c15
        let start = Self.mixed(key &+ Self.mixed(UInt64(firstToken + token) &* odd) &+ UInt64(head))
        let draw = Self.mixed(start &+ UInt64(place / 4 + 1) &* odd) >> UInt64(16 * (place % 4)) & 0xffff
        return draw < dropped ? 0 : 65536 / Double(65536 - dropped)
    }

    /// The finaliser of SplitMix64 (Steele et al. 2014).
    private static func mixed(_ z: UInt64) -> UInt64 {
        var z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }
}
