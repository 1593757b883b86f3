/// A time as people read it, in two units at most: "0.4 s", "3 min 7 s", "1 h 12 min", "2 d 5 h".
package enum ElapsedTime {
    /// - Parameter decimals: Of the seconds, where it is less than a minute.
    package static func text(_ seconds: Double, decimals: Int = 0) -> String {
        let scale = (0..<decimals).reduce(1) { power, _ in power * 10 }
        // A minute is told as one, also where it is reached by rounding.
        let parts = max(0, Int(clamping: (seconds * Double(scale)).rounded()))
        guard parts >= 60 * scale else {
            let rest = String(parts % scale)
            let point = decimals == 0 ? "" : "." + String(repeating: "0", count: decimals - rest.count) + rest
            return "\(parts / scale)\(point) s"
        }
        let whole = Int(clamping: seconds.rounded())
        let units: [(seconds: Int, name: String)] = [(86400, "d"), (3600, "h"), (60, "min"), (1, "s")]
        let first = units.firstIndex { whole >= $0.seconds } ?? 2
        let (size, next) = (units[first], units[first + 1])
        let rest = whole % size.seconds / next.seconds
        return "\(whole / size.seconds) \(size.name)" + (rest > 0 ? " \(rest) \(next.name)" : "")
    }
}
