extension TokenTree {
    /// The tokens that may come at a place.
    func mask(at place: Int32, in space: inout StackSpace) throws(GrammarError) -> TokenMask {
        if let mask = space.places[Int(place)].mask { return mask }
        // What tokens reach seldom goes far out of the innermost rules: masks are made for stacks cut short, which many
        // places share.
        for level in 0..<StackSpace.levels {
            let cut = space.shallow(place, level: level)
            if let mask = space.places[Int(cut)].mask {
                space.note(mask, at: place, isShared: true)
                return mask
            }
            if space.places[Int(cut)].isTooShallow { continue }
            if let mask = try walk(from: cut, in: &space) {
                space.note(mask, at: cut)
                if cut != place { space.note(mask, at: place, isShared: true) }
                return mask
            }
            space.noteTooShallow(cut)
        }
        guard let mask = try walk(from: place, in: &space) else { throw .noToken }
        space.note(mask, at: place)
        return mask
    }

    /// Nil where the answer depends on frames that were cut off.
    private func walk(from first: Int32, in space: inout StackSpace) throws(GrammarError) -> TokenMask? {
        if space.places[Int(first)].isUnderCut { return nil }
        var words = [UInt64](repeating: 0, count: (vocabularySize + 63) / 64)
        if space.places[Int(first)].mayEnd {
            for token in endTokens { words[Int(token) / 64] |= 1 << UInt64(token % 64) }
        }
        var path = [Int32](repeating: first, count: deepest + 1)
        var index = 0
        while index < nodes.count {
            let node = nodes[index]
            let place = try space.step(path[Int(node.depth) - 1], node.byte)
            guard place >= 0 else {
                index = Int(node.end)
                continue
            }
            if space.isUnderCut(place) { return nil }
            path[Int(node.depth)] = place
            for position in Int(node.firstToken)..<Int(node.firstToken + node.tokenCount) {
                let token = tokens[position]
                words[Int(token) / 64] |= 1 << UInt64(token % 64)
            }
            index += 1
        }
        return TokenMask(words: words)
    }
}

extension StackSpace {
    func isUnderCut(_ place: Int32) -> Bool { places[Int(place)].isUnderCut }
}
