import MartletSystem

/// A line chart as one SVG element, without scripts, for light and dark pages.
package struct LineChart {
    package struct Line {
        var name: String
        var points: [(x: Double, y: Double)]
        var color: String
        var hasDots = false

        package init(
            name: String, points: [(x: Double, y: Double)], color: String, hasDots: Bool = false
        ) {
            self.name = name
            self.points = points
            self.color = color
            self.hasDots = hasDots
        }
    }

    package let title: String
    /// The titles of the axes, with units.
    package let xTitle, yTitle: String
    package let lines: [Line]
    package var startsAtZero = false

    package init(title: String, xTitle: String, yTitle: String, lines: [Line], startsAtZero: Bool = false) {
        self.title = title
        self.xTitle = xTitle
        self.yTitle = yTitle
        self.lines = lines
        self.startsAtZero = startsAtZero
    }

    private static let width = 560.0, height = 260.0, left = 84.0, right = 26.0, top = 28.0, bottom = 46.0

    /// Empty when there is no data.
    package var svg: String {
        let points = lines.flatMap(\.points).filter { $0.x.isFinite && $0.y.isFinite }
        guard let first = points.first else { return "" }
        var (lowX, highX, lowY, highY) = (first.x, first.x, first.y, first.y)
        for point in points {
            (lowX, highX) = (min(lowX, point.x), max(highX, point.x))
            (lowY, highY) = (min(lowY, point.y), max(highY, point.y))
        }
        if startsAtZero { lowY = min(0, lowY) }
        // Adding 1 to a number such as 1e19 does not change it.
        if highX == lowX { highX = max(lowX + 1, lowX.nextUp) }
        if highY == lowY { (lowY, highY) = (min(lowY - 0.5, lowY.nextDown), max(highY + 0.5, highY.nextUp)) }
        let plotWidth = Self.width - Self.left - Self.right, plotHeight = Self.height - Self.top - Self.bottom
        func x(_ value: Double) -> Double { Self.left + Self.part(value, lowX, highX) * plotWidth }
        func y(_ value: Double) -> Double { Self.top + (1 - Self.part(value, lowY, highY)) * plotHeight }
        var out =
            "<svg viewBox=\"0 0 \(Int(Self.width)) \(Int(Self.height))\" role=\"img\" aria-label=\"\(escaped(title))\">"
        out += "<text class=\"title\" x=\"\(Self.left)\" y=\"16\">\(escaped(title))</text>"
        let middle = (x: Self.left + plotWidth / 2, y: Self.top + plotHeight / 2)
        out +=
            "<text class=\"tick\" text-anchor=\"middle\" x=\"\(short(middle.x))\" y=\"\(Self.height - 8)\">"
            + "\(escaped(xTitle))</text><text class=\"tick\" text-anchor=\"middle\" "
            + "transform=\"translate(14 \(short(middle.y))) rotate(-90)\">\(escaped(yTitle))</text>"
        for tick in Self.ticks(lowY, highY) {
            out +=
                "<line class=\"grid\" x1=\"\(Self.left)\" x2=\"\(Self.width - Self.right)\" y1=\"\(short(y(tick)))\" "
                + "y2=\"\(short(y(tick)))\"/><text class=\"tick\" text-anchor=\"end\" x=\"\(Self.left - 6)\" "
                + "y=\"\(short(y(tick) + 4))\">\(label(tick))</text>"
        }
        for tick in Self.ticks(lowX, highX) {
            out +=
                "<text class=\"tick\" text-anchor=\"middle\" x=\"\(short(x(tick)))\" "
                + "y=\"\(Self.height - 26)\">\(label(tick))</text>"
        }
        for line in lines {
            let path = thinned(line.points).filter { $0.y.isFinite }
                .map { "\(short(x($0.x))),\(short(y($0.y)))" }.joined(separator: " ")
            out +=
                "<polyline points=\"\(path)\" fill=\"none\" stroke=\"\(line.color)\" "
                + "stroke-width=\"\(line.points.count > 400 ? 1 : 2)\"/>"
            // Of a single point no line is drawn.
            guard line.hasDots || line.points.count { $0.y.isFinite } == 1 else { continue }
            for point in line.points where point.y.isFinite {
                out +=
                    "<circle cx=\"\(short(x(point.x)))\" cy=\"\(short(y(point.y)))\" r=\"3\" fill=\"\(line.color)\">"
                    + "<title>\(escaped(line.name)), \(escaped(xTitle)) \(label(point.x)): \(label(point.y))</title></circle>"
            }
        }
        return out + "</svg>"
    }

    /// Reduces the points to about a thousand: the lowest and the highest of each run of neighbours.
    private func thinned(_ points: [(x: Double, y: Double)]) -> [(x: Double, y: Double)] {
        guard points.count > 1200 else { return points }
        let size = points.count / 500
        var kept: [(x: Double, y: Double)] = []
        for start in stride(from: 0, to: points.count, by: size) {
            let part = points[start..<min(start + size, points.count)]
            guard let low = part.min(by: { $0.y < $1.y }), let high = part.max(by: { $0.y < $1.y }) else { continue }
            kept += low.x < high.x ? [low, high] : [high, low]
        }
        return kept
    }

    /// The relative position of a value between two others, from 0 to 1. Computed with halves, because a difference may
    /// overflow.
    private static func part(_ value: Double, _ low: Double, _ high: Double) -> Double {
        let part = (value / 2 - low / 2) / (high / 2 - low / 2)
        return part.isFinite ? min(1, max(0, part)) : 0
    }

    /// Four to eight round numbers; only the two ends if their difference overflows.
    static func ticks(_ low: Double, _ high: Double) -> [Double] {
        guard (high - low).isFinite, high - low >= .leastNormalMagnitude else { return [low, high] }
        var step = 1.0
        while step * 8 < high - low { step *= 10 }
        while step > high - low { step /= 10 }
        if (high - low) / step > 8 { step *= 2 } else if (high - low) / step < 3 { step /= 4 }
        var ticks: [Double] = [], tick = (low / step).rounded(.up) * step
        while tick <= high + step * 1e-9, ticks.count < 20 {
            ticks.append(tick)
            tick += step
        }
        return ticks
    }

    private func short(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }

    private func label(_ value: Double) -> String {
        let magnitude = abs(value)
        guard magnitude < 1e15 else { return "\(value)" }
        if magnitude >= 1000 || magnitude == magnitude.rounded() && magnitude < 1e6 {
            return "\(Int(clamping: value.rounded()))"
        }
        var scale = 1.0
        while magnitude * scale < 1000, scale < 1e9 { scale *= 10 }
        return "\((value * scale).rounded() / scale)"
    }
}

/// Text escaped for HTML.
func escaped(_ text: String) -> String {
    var out = ""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "&": out += "&amp;"
        case "<": out += "&lt;"
        case ">": out += "&gt;"
        case "\"": out += "&quot;"
        default: out.unicodeScalars.append(scalar)
        }
    }
    return out
}
