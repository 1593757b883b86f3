import MartletSystem

/// Compiles syntax trees to programs.
struct PatternCompiler {
    static let longestProgram = 8_192
    static let mostSets = 512
    /// The maximum number of memoised instructions: two bits each per byte of text.
    static let mostMemos = 256
    /// The maximum total number of scalars in bounded repeats.
    static let mostBoundedScalars = 8_192

    private(set) var code: [PatternInstruction] = []
    private(set) var text: [UInt8] = []
    private(set) var sets: [ScalarSet] = []
    private(set) var alternations: [PatternAlternation] = []
    private(set) var masks: [UInt64] = []
    private(set) var targets: [Int32] = []
    private(set) var targetSets: [Int32] = []
    private(set) var memoCount: Int32 = 0
    private var boundedScalars = 0
    private(set) var startSet: Int32 = -1
    private(set) var wordSet: Int32 = -1
    private var setIndex: [ScalarSet: Int32] = [:]
    /// The position in the expression at which "too large" is reported.
    private let end: Int

    /// What is known about the text after a node.
    private struct Following {
        /// The scalars that may come next.
        var set: ScalarSet
        /// Whether the match may also end there.
        var isOpen: Bool
        /// Whether the rest matches for any text.
        var isSure: Bool

        static let end = Following(set: .none, isOpen: true, isSure: true)

        func preceded(by node: PatternNode) -> Following {
            let start = node.start
            guard start.canBeEmpty else { return Following(set: start.set, isOpen: false, isSure: false) }
            return Following(set: start.set.union(set), isOpen: isOpen, isSure: isSure && node.isSure)
        }
    }

    static func compile(_ expression: String, _ dialect: PatternDialect) throws(PatternError) -> PatternProgram {
        let node = try PatternParser.parse(expression, dialect)
        var compiler = PatternCompiler(end: expression.unicodeScalars.count)
        try compiler.add(node, before: .end)
        try compiler.accept(.whole)
        let start = node.start
        if !start.canBeEmpty { compiler.startSet = try compiler.index(of: start.set) }
        compiler.wordSet = try compiler.index(of: .word)
        return PatternProgram(compiler)
    }

    private init(end: Int) { self.end = end }

    // MARK: Parts

    private func tooLarge(_ limit: String) -> PatternError { PatternError(.tooLarge(limit), at: end) }

    private var here: Int32 { Int32(truncatingIfNeeded: code.count) }

    private mutating func add(_ instruction: PatternInstruction) throws(PatternError) {
        guard code.count < Self.longestProgram else { throw tooLarge("more than \(Self.longestProgram) steps") }
        code.append(instruction)
    }

    private mutating func accept(_ level: PatternInstruction.Level) throws(PatternError) {
        try add(PatternInstruction(operation: .accept, a: level.rawValue))
    }

    private mutating func index(of set: ScalarSet) throws(PatternError) -> Int32 {
        if let known = setIndex[set] { return known }
        guard sets.count < Self.mostSets else { throw tooLarge("more than \(Self.mostSets) different classes") }
        let index = Int32(truncatingIfNeeded: sets.count)
        setIndex[set] = index
        sets.append(set)
        return index
    }

    private mutating func nextMemo() throws(PatternError) -> Int32 {
        guard memoCount < Self.mostMemos else {
            throw tooLarge("more than \(Self.mostMemos) alternatives and repeats, repeated parts counted as often")
        }
        defer { memoCount += 1 }
        return memoCount
    }

    // MARK: Nodes

    private mutating func add(_ node: PatternNode, before following: Following) throws(PatternError) {
        switch node {
        case .one(let set):
            if let scalar = set.onlyScalar {
                try add(text: [scalar])
            } else {
                try add(PatternInstruction(operation: .one, a: try index(of: set)))
            }
        case .sequence(let nodes): try add(sequence: nodes, before: following)
        case .choice(let nodes): try add(choice: nodes[...], before: following)
        case .repeated(let node, let least, let most, let eagerness):
            try add(node, least, most, eagerness, before: following)
        case .atomic(let node):
            let place = code.count
            try add(PatternInstruction(operation: .atomic, memo: try nextMemo()))
            try add(node, before: .end)
            try accept(.atomic)
            code[place].a = here
        case .lookahead(let node, let isNegated):
            let place = code.count
            try add(PatternInstruction(operation: .look, b: isNegated ? 1 : 0, memo: try nextMemo()))
            try add(node, before: .end)
            try accept(.look)
            code[place].a = here
        case .lookbehind(let alternatives, let isNegated):
            let place = code.count
            try add(PatternInstruction(operation: .look, b: isNegated ? 1 : 0, memo: try nextMemo()))
            try add(choiceOf: alternatives.count, starts: alternatives.map { _ in nil }) {
                (compiler, number) throws(PatternError) in
                let (width, node) = alternatives[number]
                try compiler.add(PatternInstruction(operation: .back, a: Int32(truncatingIfNeeded: width)))
                try compiler.add(node, before: .end)
            }
            try accept(.look)
            code[place].a = here
        case .assertion(let kind): try add(PatternInstruction(operation: .assertion, a: kind.rawValue))
        }
    }

    private mutating func add(text scalars: [UInt32]) throws(PatternError) {
        let start = text.count
        for scalar in scalars { text.append(scalar: scalar) }
        try add(
            PatternInstruction(
                operation: .text, a: Int32(truncatingIfNeeded: start),
                b: Int32(truncatingIfNeeded: text.count - start)))
    }

    private mutating func add(sequence nodes: [PatternNode], before following: Following) throws(PatternError) {
        var after: [Following] = [following]
        for node in nodes.dropFirst().reversed() { after.append(after[after.count - 1].preceded(by: node)) }
        var literal: [UInt32] = []
        for (node, following) in zip(nodes, after.reversed()) {
            if case .one(let set) = node, let scalar = set.onlyScalar {
                literal.append(scalar)
                continue
            }
            if !literal.isEmpty { try add(text: literal) }
            literal.removeAll()
            try add(node, before: following)
        }
        if !literal.isEmpty { try add(text: literal) }
    }

    private mutating func add(
        choice nodes: ArraySlice<PatternNode>, before following: Following
    ) throws(PatternError) {
        // A mask has 64 bits; the last bit represents all remaining alternatives.
        let few = nodes.count <= 64 ? nodes : nodes.prefix(63)
        let rest = nodes[few.endIndex...]
        var starts = few.map { following.preceded(by: $0) as Following? }
        if !rest.isEmpty { starts.append(nil) }
        try add(choiceOf: starts.count, starts: starts) { (compiler, number) throws(PatternError) in
            if number < few.count {
                try compiler.add(few[few.startIndex + number], before: following)
            } else {
                try compiler.add(choice: rest, before: following)
            }
        }
    }

    /// An alternation and the code of its alternatives, each of which continues after the last one.
    private mutating func add(
        choiceOf count: Int, starts: [Following?],
        _ body: (inout PatternCompiler, Int) throws(PatternError) -> Void
    ) throws(PatternError) {
        let place = try addAlternation(starts)
        var jumps: [Int] = []
        for number in 0..<count {
            setTarget(number, of: place)
            try body(&self, number)
            if number < count - 1 {
                jumps.append(code.count)
                try add(PatternInstruction(operation: .jump))
            }
        }
        for jump in jumps { code[jump].a = here }
    }

    /// Nil in `starts` means nothing is known. The targets are set later.
    private mutating func addAlternation(_ starts: [Following?]) throws(PatternError) -> Int {
        let place = code.count
        let number = Int32(truncatingIfNeeded: alternations.count)
        try add(PatternInstruction(operation: .alternatives, a: number, memo: try nextMemo()))
        var alternation = PatternAlternation(
            first: Int32(truncatingIfNeeded: targets.count), count: Int32(truncatingIfNeeded: starts.count),
            table: Int32(truncatingIfNeeded: masks.count), open: 0)
        var table = [UInt64](repeating: 0, count: 0x80)
        for (bit, start) in starts.enumerated() {
            targets.append(0)
            if let start, !start.isOpen {
                targetSets.append(try index(of: start.set))
                for range in start.set.ranges where range.lowerBound < 0x80 {
                    for byte in range.lowerBound...min(range.upperBound, 0x7F) { table[Int(byte)] |= 1 << UInt64(bit) }
                }
            } else {
                targetSets.append(-1)
                alternation.open |= 1 << UInt64(bit)
            }
        }
        masks += table.map { $0 | alternation.open }
        alternations.append(alternation)
        return place
    }

    /// Sets target `number` of the alternation at `place` to the current position.
    private mutating func setTarget(_ number: Int, of place: Int, to target: Int32? = nil) {
        targets[Int(alternations[Int(code[place].a)].first) + number] = target ?? here
    }

    // MARK: Repeats

    private mutating func add(
        _ node: PatternNode, _ least: Int, _ most: Int?, _ eagerness: PatternNode.Eagerness,
        before following: Following
    ) throws(PatternError) {
        if most == 0 { return }
        if case .one(let set) = node, eagerness != .lazy {
            return try add(run: set, least, most, isPossessive: eagerness == .possessive, before: following)
        }
        if eagerness == .possessive {
            return try add(.atomic(.repeated(node, least: least, most: most, .greedy)), before: following)
        }
        let start = node.start
        var within = Following(
            set: start.set.union(following.set), isOpen: following.isOpen || start.canBeEmpty, isSure: false)
        for _ in 0..<(most == nil ? max(least - 1, 0) : least) { try add(node, before: within) }
        within.isSure = following.isSure
        let again = Following(set: start.set, isOpen: start.canBeEmpty, isSure: false)
        let starts = eagerness == .lazy ? [following, again] : [again, following]
        let (body, exit) = eagerness == .lazy ? (1, 0) : (0, 1)
        if let most {
            var places: [Int] = []
            for _ in 0..<(most - least) {
                let place = try addAlternation(starts)
                places.append(place)
                setTarget(body, of: place)
                try add(node, before: within)
            }
            for place in places { setTarget(exit, of: place) }
        } else if least > 0 {
            let top = here
            try add(node, before: within)
            let place = try addAlternation(starts)
            setTarget(body, of: place, to: top)
            setTarget(exit, of: place)
        } else {
            let top = here
            let place = try addAlternation(starts)
            setTarget(body, of: place)
            try add(node, before: within)
            try add(PatternInstruction(operation: .jump, a: top))
            setTarget(exit, of: place)
        }
    }

    /// A repeat of one set. No backtracking into it is needed if what follows cannot begin with a scalar of the set, or
    /// matches anyway.
    private mutating func add(
        run set: ScalarSet, _ least: Int, _ most: Int?, isPossessive: Bool, before following: Following
    ) throws(PatternError) {
        let index = try index(of: set)
        let isPossessive =
            isPossessive || following.isSure || !following.isOpen && following.set.isDisjoint(with: set)
        if let most {
            boundedScalars = boundedScalars.adding(clamped: most)
            guard boundedScalars <= Self.mostBoundedScalars else {
                throw tooLarge("repeats of more than \(Self.mostBoundedScalars) characters together")
            }
            try add(
                PatternInstruction(
                    operation: .span, isPossessive: isPossessive || least == most, a: index,
                    b: Int32(truncatingIfNeeded: least), c: Int32(truncatingIfNeeded: most), memo: try nextMemo()))
            return
        }
        if least == 1 {
            try add(PatternInstruction(operation: .one, a: index))
        } else if least > 1 {
            try add(run: set, least, least, isPossessive: true, before: following)
        }
        let next = following.isOpen || isPossessive ? -1 : try self.index(of: following.set)
        try add(
            PatternInstruction(operation: .star, isPossessive: isPossessive, a: index, b: next, memo: try nextMemo()))
    }
}

extension PatternNode {
    /// Whether it matches any text, at least the empty match.
    var isSure: Bool {
        switch self {
        case .repeated(_, let least, _, _): least == 0
        case .sequence(let nodes): nodes.allSatisfy(\.isSure)
        case .choice(let nodes): nodes.contains { $0.isSure }
        case .atomic(let node): node.isSure
        case .one, .lookahead, .lookbehind, .assertion: false
        }
    }
}
