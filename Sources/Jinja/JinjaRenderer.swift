/// One rendering of a template: traverses the tree, keeps the variables, counts against the limits.
final class JinjaRenderer {
    let names: JinjaNames
    let limits: JinjaLimits
    let now: @Sendable () -> Int
    /// Whether the template mentions `loop`; without it, loops need no filter pass beforehand.
    var readsLoop = true
    /// Whether a missing value that is printed, tested or looped over is an error.
    var isStrict = false
    var scope = JinjaScope(parent: nil)
    var line = 0
    let meter: JinjaMeter
    /// The current number of frames of evaluation and of macros.
    var frames = 0
    var calls = 0

    private(set) var output: JinjaTextBuilder
    /// The number of texts being captured (macros, set blocks), innermost last.
    private var captures = 0
    private var rootCount = 0
    /// Scopes referenced by macros and namespaces, which may form cycles or long chains. Cleared at the end.
    private var captured: [JinjaScope] = []
    var namespaces: [JinjaNamespace] = []
    private(set) var generations: [Range<Int>] = []

    init(names: JinjaNames, limits: JinjaLimits, now: @escaping @Sendable () -> Int) {
        self.names = names
        self.limits = limits
        self.now = now
        meter = JinjaMeter(limits)
        output = JinjaTextBuilder(meter)
    }

    private func defined(_ value: JinjaValue) throws(JinjaError) -> JinjaValue {
        if isStrict, case .undefined(let reason) = value { throw JinjaError(.undefined, reason) }
        return value
    }

    enum Flow { case normal, breaksLoop, continuesLoop }

    /// Breaks the references among scopes, macros and namespaces, one by one.
    func dispose() {
        for scope in captured { scope.removeAll() }
        for namespace in namespaces { namespace.members = JinjaDictionary() }
    }

    // MARK: Limits

    /// Checks the nesting depth, and charges the items of a created list.
    func charge(_ value: JinjaValue) throws(JinjaError) -> JinjaValue {
        guard value.depth <= JinjaLimits.nesting else {
            throw .limit("values nested deeper than \(JinjaLimits.nesting)")
        }
        switch value {
        case .list(let values), .tuple(let values): try meter.step(values.count / 8)
        default: break
        }
        return value
    }

    /// The items of an iterable, charged as steps.
    func items(_ value: JinjaValue) throws(JinjaError) -> [JinjaValue] {
        if case .string(let text) = value { try meter.touch(text.bytes.count) }
        if let length = value.length {
            // The characters of a string and the numbers of a range are created; other items exist already.
            switch value {
            case .string: try meter.make(texts: length)
            case .range, .dict: try meter.step(length / 2)
            default: try meter.step(length / 8)
            }
            guard length <= JinjaLimits.listCount else { throw .limit("more than \(JinjaLimits.listCount) items") }
        }
        guard let items = value.items() else { throw .type("'\(value.typeName)' object is not iterable") }
        return items
    }

    // MARK: Output

    private func write(_ text: JinjaText) throws(JinjaError) {
        try output.append(text)
        if captures == 0, output.bytes.count > limits.outputBytes {
            throw .limit("more than \(limits.outputBytes) bytes of output")
        }
    }

    /// The output of `work` as a text.
    func capture(_ work: () throws(JinjaError) -> Void) throws(JinjaError) -> JinjaText {
        if captures == 0 { rootCount = output.bytes.count }
        captures += 1
        let outer = output
        output = JinjaTextBuilder(meter)
        defer {
            captures -= 1
            output = outer
        }
        try work()
        return output.finish()
    }

    // MARK: Statements

    func execute(_ statements: [JinjaStatement]) throws(JinjaError) -> Flow {
        frames += 1
        defer { frames -= 1 }
        guard frames <= JinjaLimits.frames else { throw .limit("nested too deeply") }
        for statement in statements {
            let flow = try execute(statement)
            if flow != .normal { return flow }
        }
        return .normal
    }

    private func execute(_ statement: JinjaStatement) throws(JinjaError) -> Flow {
        line = statement.line
        try meter.step()
        switch statement.kind {
        case .text(let text): try write(text)
        case .output(let expression): try write(try defined(try evaluate(expression)).text(meter))
        case .conditional(let branches, let otherwise):
            for branch in branches where try defined(try evaluate(branch.test)).isTrue {
                return try execute(branch.body)
            }
            return try execute(otherwise)
        case .loop(let loop): try run(loop, items: nil, depth0: 0)
        case .set(let target, let expression): try assign(try evaluate(expression), to: target)
        case .setBlock(let target, let filter, let body):
            var value = JinjaValue.string(try captureScoped(body))
            if let filter { value = try evaluate(filter, input: value) }
            try assign(value, to: target)
        case .macro(let macro):
            captured.append(scope)
            scope.set(macro.nameIndex, .callable(JinjaCallable(.macro(macro, scope: scope))))
        case .callBlock(let macro, let call):
            captured.append(scope)
            let caller = JinjaValue.callable(JinjaCallable(.macro(macro, scope: scope)))
            guard case .call(let function, let arguments) = call else { return .normal }
            try write(try evaluateCall(function, arguments, caller: caller).text(meter))
        case .filterBlock(let filter, let body):
            let text = JinjaValue.string(try captureScoped(body))
            try write(try evaluate(filter, input: text).text(meter))
        case .with(let values, let body):
            let outer = scope
            let inner = JinjaScope(parent: outer)
            for (target, value) in values {
                let value = try evaluate(value)
                scope = inner
                defer { scope = outer }
                try assign(value, to: target)
            }
            return try inScope(inner, body)
        case .generation(let body): try generate(body)
        case .breakLoop: return .breaksLoop
        case .continueLoop: return .continuesLoop
        }
        return .normal
    }

    private func inScope(_ inner: JinjaScope, _ body: [JinjaStatement]) throws(JinjaError) -> Flow {
        let outer = scope
        scope = inner
        defer { scope = outer }
        return try execute(body)
    }

    private func captureScoped(_ body: [JinjaStatement]) throws(JinjaError) -> JinjaText {
        let inner = JinjaScope(parent: scope)
        return try capture { () throws(JinjaError) in _ = try inScope(inner, body) }
    }

    /// Records the range of assistant text in the output. Inside a captured text it is the position of the capturing
    /// statement, as in transformers.
    private func generate(_ body: [JinjaStatement]) throws(JinjaError) {
        let text = try captureScoped(body)
        let start = captures == 0 ? output.bytes.count : rootCount
        try write(text)
        generations.append(start..<start + text.bytes.count)
    }

    func assign(_ value: JinjaValue, to target: JinjaTarget) throws(JinjaError) {
        switch target {
        case .name(let name): scope.set(name, value)
        case .member(let name, let member):
            guard case .namespace(let namespace)? = scope[name] else {
                throw .type("cannot assign attribute on non-namespace object")
            }
            guard member.bytes.first != UInt8(ascii: "_") else {
                throw JinjaError(.unsupported, "a namespace attribute that starts with an underscore")
            }
            namespace.members.set(member, value)
        case .tuple(let targets):
            let values = try items(value)
            guard values.count == targets.count else {
                throw .value("expected \(targets.count) values to unpack, got \(values.count)")
            }
            for (target, value) in zip(targets, values) { try assign(value, to: target) }
        }
    }

    // MARK: Loops

    /// Runs a loop over its own iterable, or over `items` for a recursive call.
    func run(_ loop: JinjaForLoop, items given: [JinjaValue]?, depth0: Int) throws(JinjaError) {
        let line = line
        var items: [JinjaValue]
        if let given {
            items = given
        } else {
            let iterable = try defined(try evaluate(loop.iterable))
            if case .undefined = iterable { items = [] } else { items = try self.items(iterable) }
        }
        let outer = scope
        defer { scope = outer }
        let usesLoop = readsLoop || loop.isRecursive
        if usesLoop, let filter = loop.filter {
            var kept: [JinjaValue] = []
            for item in items where try passes(item, filter, loop.target, outer) { kept.append(item) }
            items = kept
        }
        let state = JinjaLoop(items: JinjaList(items), depth0: depth0, definition: loop, scope: outer)
        guard state.items.depth < JinjaLimits.nesting else { throw .limit("values nested too deeply") }
        defer { state.scope = nil }
        var ran = false
        for (index, item) in items.enumerated() {
            try meter.step()
            if !usesLoop, let filter = loop.filter, !(try passes(item, filter, loop.target, outer)) { continue }
            state.index0 = index
            scope = JinjaScope(parent: outer)
            if usesLoop { scope.set(JinjaNames.loop, .loop(state)) }
            if case .name(let name) = loop.target { scope.set(name, item) } else { try assign(item, to: loop.target) }
            let flow = try execute(loop.body)
            if flow == .breaksLoop { break }
            // As compiled by jinja2, `else` also runs when every iteration ended in break or continue.
            if flow == .normal { ran = true }
        }
        scope = outer
        self.line = line
        if !ran { _ = try inScope(JinjaScope(parent: outer), loop.otherwise) }
    }

    private func passes(
        _ item: JinjaValue, _ filter: JinjaExpression, _ target: JinjaTarget, _ outer: JinjaScope
    ) throws(JinjaError) -> Bool {
        scope = JinjaScope(parent: outer)
        defer { scope = outer }
        try assign(item, to: target)
        return try evaluate(filter).isTrue
    }

    // MARK: Macros

    func call(
        _ macro: JinjaMacro, _ arguments: JinjaArguments, in definition: JinjaScope
    ) throws(JinjaError) -> JinjaText {
        calls += 1
        frames += 1
        let outer = scope
        let line = line
        let inner = JinjaScope(parent: definition)
        scope = inner
        defer {
            scope = outer
            self.line = line
            calls -= 1
            frames -= 1
        }
        guard calls <= limits.depth else { throw .limit("macros called more than \(limits.depth) deep") }
        try bind(macro, arguments, in: inner)
        return try capture { () throws(JinjaError) in _ = try execute(macro.body) }
    }

    private func bind(
        _ macro: JinjaMacro, _ arguments: JinjaArguments, in inner: JinjaScope
    ) throws(JinjaError) {
        let parameters = macro.parameters
        try meter.step(parameters.count + arguments.named.count)
        var named = arguments.named
        var given: [JinjaValue?] = Array(arguments.positional.prefix(parameters.count))
        for parameter in parameters.dropFirst(given.count) {
            guard let index = named.firstIndex(where: { $0.name == parameter.label }) else {
                given.append(nil)
                continue
            }
            given.append(named.remove(at: index).value)
        }
        if macro.readsCaller, !parameters.contains(where: { $0.name == JinjaNames.caller }) {
            var caller = JinjaValue.undefined("No caller defined")
            if let index = named.firstIndex(where: { $0.name == "caller" }) { caller = named.remove(at: index).value }
            inner.set(JinjaNames.caller, caller)
        }
        if macro.readsNamed {
            var members = JinjaDictionary()
            for argument in named { members.set(JinjaText(argument.name), argument.value) }
            inner.set(JinjaNames.kwargs, .dict(members))
        } else if let extra = named.first {
            throw .type(
                "macro '\(JinjaQuote.short(macro.name))' takes no keyword argument '\(JinjaQuote.short(extra.name))'")
        }
        let rest = Array(arguments.positional.dropFirst(parameters.count))
        if macro.readsPositional {
            inner.set(JinjaNames.varargs, .tuple(JinjaList(rest)))
        } else if !rest.isEmpty {
            throw .type("macro '\(JinjaQuote.short(macro.name))' takes not more than \(parameters.count) argument(s)")
        }
        for (parameter, value) in zip(parameters, given) {
            if let value {
                inner.set(parameter.name, value)
            } else if let fallback = parameter.fallback {
                inner.set(parameter.name, try evaluate(fallback))
            } else {
                inner.set(
                    parameter.name, .undefined("parameter '\(JinjaQuote.short(parameter.label))' was not provided"))
            }
        }
    }
}
