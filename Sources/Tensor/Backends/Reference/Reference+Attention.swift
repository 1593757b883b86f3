extension Reference {
    /// softmax(mask(scale · q kᵀ)) v for every head (Vaswani et al. 2017); several query heads may share one key/value
    /// head (grouped-query attention, Ainslie et al. 2023).
    ///
    /// With a relative bias, a number for the distance of the key is added to each score; with vectors of distances, what
    /// `DisentangledPositions` says. A query sees only keys of its
    /// own block of the mask, and of these the ones that the mask says, see `AttentionMask.Reach`: with a causal mask its
    /// own position and those before it. With `sinks`, the softmax of each head has one more logit, whose
    /// probability is given to no value. Shapes: q `[queries, heads · headDimension]`, k `[keys, keyValueHeads ·
    /// headDimension]`, v `[keys, keyValueHeads · valueDimension]` -> `[queries, heads · valueDimension]`. Keeps all
    /// scores in memory, `[heads, queries, keys]`.
    public static func attention(
        _ q: Tensor, _ k: Tensor, _ v: Tensor, mask: AttentionMask, _ shape: AttentionShape, sinks: Tensor? = nil,
        dropout: AttentionDropout? = nil
    ) throws(TensorError) -> Tensor {
        let queryCount = q.shape[0], keyCount = k.shape[0], dimension = shape.headDimension
        let group = shape.heads / max(shape.keyValueHeads, 1)
        func repeated(_ x: Tensor, _ size: Int) throws(TensorError) -> Tensor {
            try x.reshape(keyCount, shape.keyValueHeads, size).permute(1, 0, 2).unsqueeze(1)
                .expand(shape.keyValueHeads, group, keyCount, size).reshape(shape.heads, keyCount, size)
        }
        let queries = try q.reshape(queryCount, shape.heads, dimension).permute(1, 0, 2)  // [heads, queries, d]
        let keys = try repeated(k, dimension)  // [heads, keys, d]
        let values = try repeated(v, shape.valueDimension)  // [heads, keys, valueDimension]
        var scores = try queries.matmul(keys.transposed())  // [heads, queries, keys]
        if let positions = shape.positions { scores = try scores + positions.scores(queries, keys, mask) }
        scores = try scores * Double(shape.scale)
        if let cap = shape.softCap { scores = try softCap(scores, cap) }
        if let bias = shape.relativeBias {
            scores = try scores + relative(bias, mask, queryCount, keyCount).to(scores.dtype)
        }
        let seen = try Tensor(visible(mask, queryCount, keyCount), shape: [queryCount, keyCount])
        scores = try Tensor.where(seen, scores, -1e30)
        if let sinks {
            let column = try sinks.reshape(shape.heads, 1, 1).expand(shape.heads, queryCount, 1)
            scores = try Tensor.concatenate([scores, column], axis: 2)  // [heads, queries, keys + 1]
        }
        var probabilities = try softmax(scores)
        if sinks != nil { probabilities = try probabilities.slice(2, from: 0, to: keyCount) }
        if let dropout, dropout.probability > 0 {
            probabilities = try probabilities * factors(dropout, mask, queryCount, keyCount, heads: shape.heads)
        }
        let mixed = try probabilities.matmul(values)  // [heads, queries, valueDimension]
        return try mixed.permute(1, 0, 2).reshape(queryCount, shape.heads * shape.valueDimension)
    }

    /// The bias of every score: `[heads, queries, keys]`. Rows and keys of different blocks are not seen.
    private static func relative(
        _ bias: RelativeBias, _ mask: AttentionMask, _ queries: Int, _ keys: Int
    ) throws(TensorError) -> Tensor {
        var columns = [Int64](repeating: 0, count: queries * keys)
        for (own, seen) in zip(mask.queries, mask.keys) {
            for query in own {
                for key in seen {
                    let distance = (key - seen.lowerBound) - (query - own.lowerBound)
                    columns[query * keys + key] = Int64(min(max(distance, -bias.span), bias.span) + bias.span)
                }
            }
        }
        return try bias.table.indexSelect(1, Tensor(columns)).reshape(bias.table.shape[0], queries, keys)
    }

    /// For each query, row by row, whether it sees each key.
    private static func visible(_ mask: AttentionMask, _ queries: Int, _ keys: Int) -> [Bool] {
        var visible = [Bool](repeating: false, count: queries * keys)
        for (reach, (own, seen)) in zip(mask.reaches, zip(mask.queries, mask.keys)) {
            for query in own {
                for key in seen {
                    visible[query * keys + key] = reach.sees(
                        key: key - seen.lowerBound, from: query - own.lowerBound)
                }
            }
        }
        return visible
    }

    private static func factors(
        _ dropout: AttentionDropout, _ mask: AttentionMask, _ queries: Int, _ keys: Int, heads: Int
    ) throws(TensorError) -> Tensor {
        var factors = [Double](repeating: 0, count: heads * queries * keys)
        for head in 0..<heads {
            for (own, seen) in zip(mask.queries, mask.keys) {
                for query in own {
                    for key in seen {
                        factors[(head * queries + query) * keys + key] = dropout.factor(
                            token: query, head: head, key: key - seen.lowerBound)
                    }
                }
            }
        }
        return try Tensor(factors, shape: [heads, queries, keys])
    }
}

extension DisentangledPositions {
    /// q_i · K[b(i − j)] + k_j · Q[b(i − j)] for queries and keys `[heads, tokens, headDimension]`:
    /// `[heads, queries, keys]`. Between different blocks of the mask, the term of some bucket, which is not seen.
    fileprivate func scores(_ queries: Tensor, _ keys: Tensor, _ mask: AttentionMask) throws(TensorError) -> Tensor {
        let heads = queries.shape[0], count = queries.shape[1], size = queries.shape[2]
        var places = [Int64](repeating: 0, count: count * count)
        for block in mask.queries {
            for query in block { for key in block { places[query * count + key] = Int64(bucket(of: query - key)) } }
        }
        let index = try Tensor(places, shape: [count, count])  // [queries, keys]
        /// tokens · vectors of the buckets of their pairs, `[heads, tokens, tokens]`.
        func picked(_ tokens: Tensor, _ vectors: Tensor, _ index: Tensor) throws(TensorError) -> Tensor {
            let ofBuckets = try vectors.to(tokens.dtype).reshape(vectors.shape[0], heads, size).permute(1, 2, 0)
            let all = try tokens.matmul(ofBuckets)  // [heads, tokens, buckets]
            return try all.gather(2, index.unsqueeze(0).expand(heads, count, count).contiguous())
        }
        var sum = try Tensor.zeros([heads, count, count], dtype: queries.dtype)
        if let vectors = self.keys { sum = try sum + picked(queries, vectors, index) }
        if let vectors = self.queries {
            sum = try sum + picked(keys, vectors, index.transposed().contiguous()).transposed()
        }
        return sum
    }
}

extension AttentionDropout {
    /// The factor on a probability: 0 if it is dropped, else 1 / (1 − the dropout probability).
    ///
    /// A hash of dropout key, query token and head starts a random stream; four attention keys share one draw, 16 bits
    /// each.
    func factor(token: Int, head: Int, key place: Int) -> Double {
        let odd: UInt64 = 0x9e37_79b9_7f4a_7c15
        let start = Self.mixed(key &+ Self.mixed(UInt64(firstToken + token) &* odd) &+ UInt64(head))
        let draw = Self.mixed(start &+ UInt64(place / 4 + 1) &* odd) >> UInt64(16 * (place % 4)) & 0xffff
        return draw < dropped ? 0 : 65536 / Double(65536 - dropped)
    }

    /// The finaliser (bit mixer) of SplitMix64 (Steele et al. 2014).
    private static func mixed(_ z: UInt64) -> UInt64 {
        var z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }
}
