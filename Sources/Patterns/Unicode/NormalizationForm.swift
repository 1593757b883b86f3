/// The four normalisation forms of Unicode Standard Annex 15, over UTF-8.
package enum NormalizationForm: String, Sendable, CaseIterable {
    case nfc, nfd, nfkc, nfkd

    var composes: Bool { self == .nfc || self == .nfkc }
    var isCompatible: Bool { self == .nfkc || self == .nfkd }

    /// The text in this form. Linear time, except for the sorting of runs of combining marks.
    package func normalize(_ text: [UInt8]) -> [UInt8] {
        // Scalars below U+0300 are unchanged by NFC, those below U+00A0 by all forms.
        let stable: UInt8 = self == .nfc ? 0xCC : 0x80
        guard let first = text.firstIndex(where: { $0 >= stable }) else { return text }
        var run = NormalizationRun(form: self)
        run.output.reserveCapacity(text.count + text.count / 8)
        text.withUnsafeBufferPointer { bytes in
            // The previous scalar may combine with the one found.
            var start = max(0, first - 1)
            while start > 0, bytes[start] & 0xC0 == 0x80 { start -= 1 }
            run.output.append(contentsOf: bytes[..<start])
            var scalars = UTF8Scalars(bytes, at: start)
            while let scalar = scalars.next() { run.append(scalar) }
        }
        run.flush()
        return run.output
    }
}

/// A run of scalars that may still affect each other, and the finished text before it.
private struct NormalizationRun {
    let form: NormalizationForm
    let tables = NormalizationTables.shared
    var output: [UInt8] = []
    private var scalars: [UInt32] = []
    private var classes: [UInt8] = []

    init(form: NormalizationForm) { self.form = form }

    mutating func append(_ scalar: UInt32) {
        if scalar < 0x80 {
            flush()
            scalars.append(scalar)
            classes.append(0)
            return
        }
        let tables = tables
        tables.decompose(scalar, compatible: form.isCompatible) { part in
            let value = tables.combiningClass(part)
            if value == 0, !(form.composes && tables.mayFollow(part)) { flush() }
            scalars.append(part)
            classes.append(value)
        }
    }

    mutating func flush() {
        if scalars.count > 1 {
            order()
            if form.composes { compose() }
        }
        for scalar in scalars { output.append(scalar: scalar) }
        scalars.removeAll(keepingCapacity: true)
        classes.removeAll(keepingCapacity: true)
    }

    /// Canonical ordering: stable sort of each run of non-starters by combining class.
    private mutating func order() {
        var start = 0
        while start < scalars.count {
            guard classes[start] != 0 else {
                start += 1
                continue
            }
            var end = start + 1
            var sorted = true
            while end < scalars.count, classes[end] != 0 {
                if classes[end] < classes[end - 1] { sorted = false }
                end += 1
            }
            if !sorted {
                let order = (start..<end).sorted { (classes[$0], $0) < (classes[$1], $1) }
                let sortedRun = order.map { (scalars[$0], classes[$0]) }
                for (place, item) in sortedRun.enumerated() {
                    (scalars[start + place], classes[start + place]) = item
                }
            }
            start = end
        }
    }

    /// Canonical composition (D117): a scalar combines with the last starter if no scalar between them has the same or
    /// a higher class.
    private mutating func compose() {
        var starter = -1
        var write = 0
        var lastClass: UInt8 = 0
        for read in scalars.indices {
            let scalar = scalars[read]
            let value = classes[read]
            let blocked = write - 1 > starter && lastClass >= value
            if starter >= 0, !blocked, let composite = tables.composite(scalars[starter], scalar) {
                scalars[starter] = composite
                continue
            }
            scalars[write] = scalar
            classes[write] = value
            if value == 0 { starter = write }
            lastClass = value
            write += 1
        }
        scalars.removeSubrange(write...)
        classes.removeSubrange(write...)
    }
}
