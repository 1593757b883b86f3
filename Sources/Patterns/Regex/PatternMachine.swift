#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Runs a program over a text by backtracking, so that the first alternative that matches wins, in linear time.
///
/// At first nothing is memoised, which suffices for nearly all texts. When the number of steps exceeds a multiple of
/// the text's length, all further failures are memoised (`PatternMemory`).
struct PatternMachine {
    /// Steps per byte before failures are memoised, in addition to the initial allowance.
    private static let stepsPerByte = 64

    /// A choice point: an instruction with untried alternatives, or (with memoisation) one whose alternatives are in
    /// progress.
    struct Choice {
        var instruction: Int
        /// For a run the current end; for an alternation its position.
        var position: Int
        /// The smallest end of a run.
        var low: Int
        /// The largest end of a star, or the start of a span.
        var high: Int
        /// Untried targets.
        var mask: UInt64
    }

    private let program: PatternProgram
    let text: PatternText
    // Fields of the program, copied for fast access.
    private let code: UnsafePointer<PatternInstruction>
    private let sets: UnsafePointer<PatternSetTable>
    private let alternations: UnsafePointer<PatternAlternation>
    private let masks: UnsafePointer<UInt64>
    private let targets: UnsafePointer<Int32>
    private let literals: UnsafePointer<UInt8>
    private var stack: UnsafeMutableBufferPointer<Choice>
    private var ownsStack = false
    private var depth = 0
    private var memory: PatternMemory?
    private(set) var steps = 0
    private let allowedAtFirst: Int
    private var allowed: Int
    /// The next step at which cancellation is checked; not checked in the fast mode.
    private var nextCheck = Int.max
    private var isStopped = false

    /// `stack` is the initial space for choice points.
    init(
        _ program: PatternProgram, _ bytes: UnsafeBufferPointer<UInt8>, allowedAtFirst: Int,
        stack: UnsafeMutableBufferPointer<Choice>
    ) {
        self.allowedAtFirst = allowedAtFirst
        self.allowed = allowedAtFirst
        self.program = program
        text = PatternText(bytes: bytes, words: program.sets[program.wordSet])
        code = program.code
        sets = program.sets
        alternations = program.alternations
        masks = program.masks
        targets = program.targets
        literals = program.text
        self.stack = stack
    }

    /// Frees additional space.
    mutating func finish() {
        if ownsStack { stack.deallocate() }
    }

    // MARK: Search

    /// The first match that starts at or after `start`.
    mutating func firstMatch(from start: Int) -> Range<Int>? {
        var start = start
        while start <= text.count, !isStopped {
            if program.startSet >= 0 {
                let set = sets[program.startSet]
                while start < text.count, !text.has(set, start) { start += text.length(at: start) }
                if start == text.count { return nil }
            }
            allowed = allowedAtFirst + start * Self.stepsPerByte
            memory?.moveOn(to: start)
            let end = run(0, start)
            if end >= 0 { return start..<end }
            start += start < text.count ? text.length(at: start) : 1
        }
        return nil
    }

    // MARK: Choices

    @inline(__always)
    private mutating func push(_ choice: Choice) {
        if depth == stack.count { grow() }
        stack[depth] = choice
        depth += 1
    }

    @inline(never)
    private mutating func grow() {
        let larger = UnsafeMutableBufferPointer<Choice>.allocate(capacity: max(64, depth * 2))
        _ = larger.moveInitialize(fromContentsOf: stack[..<depth])
        if ownsStack { stack.deallocate() }
        stack = larger
        ownsStack = true
    }

    /// The targets that are possible for the next scalar.
    @inline(__always)
    private func mask(_ alternation: PatternAlternation, _ position: Int) -> UInt64 {
        guard position < text.count else { return alternation.open }
        let byte = text.bytes[position]
        if byte < 0x80 { return masks[Int(alternation.table) + Int(byte)] }
        let scalar = text.wide(position).scalar
        var mask = alternation.open
        for bit in 0..<Int(alternation.count) {
            let set = Int(program.targetSets[Int(alternation.first) + bit])
            if set >= 0, sets[set].contains(scalar) { mask |= 1 << UInt64(bit) }
        }
        return mask
    }

    /// Records the outcome of the instruction of `choice`.
    private mutating func note(_ outcome: PatternMemory.Outcome, _ choice: Choice, end: Int? = nil) {
        let instruction = code[choice.instruction]
        switch instruction.operation {
        case .star:
            // A star has the same outcome wherever it is entered.
            let isAll = outcome == .fails || instruction.isPossessive
            for position in choice.low...(isAll ? choice.high : choice.position) {
                memory?.note(outcome, instruction.memo, position, end: end)
                steps += 1
            }
        case .span: memory?.note(outcome, instruction.memo, choice.high, end: end)
        default: memory?.note(outcome, instruction.memo, choice.position, end: end)
        }
    }

    /// The memoised outcome of an instruction at a position.
    private func known(_ instruction: PatternInstruction, _ position: Int) -> PatternMemory.Outcome {
        memory?.outcome(instruction.memo, position) ?? .unknown
    }

    /// Records success for everything in progress since `base`, with the end `end`.
    private mutating func succeed(_ level: PatternInstruction.Level, since base: Int, end: Int) {
        guard level != .whole, memory != nil else { return }
        for index in base..<depth { note(.succeeds, stack[index], end: level == .atomic ? end : nil) }
    }

    // MARK: Steps

    /// Where the match that starts with an instruction at a position ends, or -1. Recurses for lookarounds and atomic
    /// groups: as deep as the expression is nested.
    private mutating func run(_ entry: Int, _ start: Int) -> Int {
        let base = depth
        var place = entry
        var position = start
        running: while true {
            steps += 1
            let instruction = code[place]
            attempt: switch instruction.operation {
            case .accept:
                succeed(.init(rawValue: instruction.a) ?? .whole, since: base, end: position)
                depth = base
                return position
            case .text:
                let literal = literals + Int(instruction.a)
                let length = Int(instruction.b)
                guard text.count - position >= length else { break attempt }
                if length > 16, let bytes = text.bytes.baseAddress {
                    guard memcmp(bytes + position, literal, length) == 0 else { break attempt }
                } else {
                    for index in 0..<length where text.bytes[position + index] != literal[index] { break attempt }
                }
                position += length
                place += 1
                continue
            case .one:
                let length = text.taken(sets[Int(instruction.a)], position)
                guard length > 0 else { break attempt }
                position += length
                place += 1
                continue
            case .star:
                let set = sets[Int(instruction.a)]
                let low = position
                if memory != nil {
                    var previous = low
                    while true {
                        steps += 1
                        switch known(instruction, position) {
                        case .unknown: break
                        case .succeeds: return join(place, position, since: base)
                        case .fails:
                            guard position > low else { break attempt }
                            position = previous
                            let tried = Choice(
                                instruction: place, position: position, low: low, high: position, mask: 0)
                            if instruction.isPossessive {
                                note(.fails, tried)
                                break attempt
                            }
                            push(tried)
                            place += 1
                            continue running
                        }
                        let length = text.taken(set, position)
                        if length == 0 { break }
                        previous = position
                        position += length
                    }
                    let reached = instruction.isPossessive ? low : position
                    push(Choice(instruction: place, position: reached, low: low, high: position, mask: 0))
                    place += 1
                    continue
                }
                while case let length = text.taken(set, position), length > 0 {
                    position += length
                    steps += 1
                }
                if !instruction.isPossessive, position > low {
                    push(Choice(instruction: place, position: position, low: low, high: position, mask: 0))
                }
                place += 1
                continue
            case .span:
                let start = position
                if memory != nil {
                    switch known(instruction, position) {
                    case .unknown: break
                    case .succeeds: return join(place, position, since: base)
                    case .fails: break attempt
                    }
                }
                let set = sets[Int(instruction.a)]
                if memory != nil {
                    guard let (low, high) = reach(of: instruction, from: start) else { break attempt }
                    let tried = Choice(instruction: place, position: high, low: low, high: start, mask: 0)
                    guard let reached = newest(high, low, instruction.memo) else {
                        note(.fails, tried)
                        break attempt
                    }
                    position = reached
                    push(Choice(instruction: place, position: position, low: low, high: start, mask: 0))
                    place += 1
                    continue
                }
                var low = position
                var count: Int32 = 0
                while count < instruction.c {
                    if count == instruction.b { low = position }
                    let length = text.taken(set, position)
                    if length == 0 { break }
                    position += length
                    count += 1
                }
                steps += Int(count)
                guard count >= instruction.b else { break attempt }
                if instruction.b == instruction.c || instruction.isPossessive { low = position }
                if position > low {
                    push(Choice(instruction: place, position: position, low: low, high: start, mask: 0))
                }
                place += 1
                continue
            case .alternatives:
                let alternation = alternations[Int(instruction.a)]
                var mask = mask(alternation, position)
                guard mask != 0 else { break attempt }
                if memory != nil {
                    switch known(instruction, position) {
                    case .unknown: break
                    case .succeeds: return join(place, position, since: base)
                    case .fails: break attempt
                    }
                }
                let target = targets[Int(alternation.first) + mask.trailingZeroBitCount]
                mask &= mask - 1
                if mask != 0 || memory != nil {
                    push(Choice(instruction: place, position: position, low: 0, high: 0, mask: mask))
                }
                place = Int(target)
                continue
            case .jump:
                place = Int(instruction.a)
                continue
            case .look:
                var found = known(instruction, position)
                if found == .unknown {
                    found = run(place + 1, position) >= 0 ? .succeeds : .fails
                    memory?.note(found, instruction.memo, position)
                }
                guard (found == .succeeds) != (instruction.b == 1) else { break attempt }
                place = Int(instruction.a)
                continue
            case .atomic:
                var end = -1
                switch known(instruction, position) {
                case .fails: break attempt
                case .succeeds: end = memory?.end(instruction.memo, position) ?? position
                case .unknown:
                    end = run(place + 1, position)
                    memory?.note(end < 0 ? .fails : .succeeds, instruction.memo, position, end: end < 0 ? nil : end)
                }
                guard end >= 0 else { break attempt }
                position = end
                place = Int(instruction.a)
                continue
            case .back:
                var count = instruction.a
                while count > 0, position > 0 {
                    position = text.start(before: position)
                    count -= 1
                }
                guard count == 0 else { break attempt }
                place += 1
                continue
            case .assertion:
                guard text.holds(instruction.a, position) else { break attempt }
                place += 1
                continue
            }
            guard let next = retreat(to: base) else { return -1 }
            (place, position) = next
        }
    }

    /// The smallest and largest end of a span from a position; nil if there are too few scalars of its set.
    private mutating func reach(of instruction: PatternInstruction, from start: Int) -> (low: Int, high: Int)? {
        let set = sets[Int(instruction.a)]
        let (least, most) = (Int(instruction.b), Int(instruction.c))
        guard var span = memory?.spans[Int(instruction.memo)] else { return nil }
        if start < span.start || start > span.end || (start - span.start) % span.width != 0 {
            let length = text.taken(set, start)
            if length == span.width, start + length == span.start {
                span.start = start
            } else {
                (span.start, span.end, span.width) = (start, start, max(1, length))
            }
        }
        let wanted = start + most * span.width
        while span.end < wanted, text.taken(set, span.end) == span.width {
            span.end += span.width
            steps += 1
        }
        memory?.spans[Int(instruction.memo)] = span
        var count = min(most, (span.end - start) / span.width)
        var high = start + count * span.width
        var low = count >= least ? start + least * span.width : -1
        // Scalars of other widths, one by one.
        while count < most, case let length = text.taken(set, high), length > 0 {
            high += length
            count += 1
            steps += 1
            if count == least { low = high }
        }
        guard count >= least else { return nil }
        return (least == most || instruction.isPossessive ? high : low, high)
    }

    /// The largest position from `low` to `high` from which the rest after a span is not known to fail.
    private func newest(_ high: Int, _ low: Int, _ memo: Int32) -> Int? {
        guard let span = memory?.spans[Int(memo)], span.hasFailed(at: high) else { return high }
        guard span.failedLow > low else { return nil }
        return text.start(before: span.failedLow)
    }

    /// The rest from here is known to match, within a lookaround or an atomic group.
    private mutating func join(_ place: Int, _ position: Int, since base: Int) -> Int {
        let end = memory?.end(code[place].memo, position)
        succeed(end == nil ? .look : .atomic, since: base, end: end ?? position)
        depth = base
        return end ?? position
    }

    /// Takes the next alternative of the last choice point that has one; nil if there is none since `base`.
    @inline(__always)
    private mutating func retreat(to base: Int) -> (place: Int, position: Int)? {
        if steps > allowed, memory == nil {
            memory = PatternMemory(count: program.memoCount)
            nextCheck = steps
        }
        if steps >= nextCheck {
            nextCheck = steps + 1 << 16
            isStopped = TextCancellation.isRequested
        }
        guard !isStopped else { return nil }
        while depth > base {
            steps += 1
            let top = depth - 1
            let choice = stack[top]
            let instruction = code[choice.instruction]
            if instruction.operation == .alternatives {
                if choice.mask != 0 {
                    let mask = choice.mask & (choice.mask - 1)
                    if mask == 0, memory == nil { depth = top } else { stack[top].mask = mask }
                    let first = Int(alternations[Int(instruction.a)].first)
                    return (Int(targets[first + choice.mask.trailingZeroBitCount]), choice.position)
                }
            } else {
                var position = choice.position
                if memory != nil, instruction.operation == .span {
                    let length = position < text.count ? text.length(at: position) : 0
                    memory?.spans[Int(instruction.memo)].fail(at: position, length: length)
                }
                while position > choice.low {
                    steps += 1
                    position = text.start(before: position)
                    if instruction.operation == .span, memory != nil {
                        guard let next = newest(position, choice.low, instruction.memo) else { break }
                        position = next
                    }
                    if instruction.operation == .star, instruction.b >= 0,
                        !text.has(sets[Int(instruction.b)], position)
                    {
                        continue
                    }
                    if position == choice.low, memory == nil { depth = top } else { stack[top].position = position }
                    return (choice.instruction + 1, position)
                }
            }
            depth = top
            if memory != nil { note(.fails, choice) }
        }
        return nil
    }
}
