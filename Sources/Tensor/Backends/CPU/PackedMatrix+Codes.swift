import CKernels

extension PackedMatrix {
    /// What codes of bytes stand for.
    package enum Code: Sendable {
        /// Floats of eight bits: 1 sign, 4 exponent and 3 fraction bits, or 1, 5 and 2.
        case e4m3
        case e5m2
    }

    /// Gives the codes of a row, a byte each, and its scales, one for each run. Called by several threads.
    package typealias RowFill = (
        _ row: Int, _ codes: UnsafeMutableBufferPointer<UInt8>, _ scales: UnsafeMutableBufferPointer<Float>
    ) -> Void

    /// W[o, i] = scale[o, i / run] · number of code[o, i], the numbers and scales in float32.
    ///
    /// - Parameters:
    ///   - run: how many neighbouring inputs share a scale.
    ///   - fill: gives the codes and scales of a row.
    package convenience init(_ code: Code, rows: Int, columns: Int, run: Int, fill: RowFill) {
        var coded = martlet_coded()
        coded.columns = columns
        coded.run = max(min(run, columns), 1)
        coded.kind = code == .e4m3 ? MARTLET_CODE_E4M3 : MARTLET_CODE_E5M2
        let form = coded, runs = (columns + coded.run - 1) / coded.run
        self.init(
            rows: rows, columns: columns, form: .coded(coded), panelBytes: martlet_coded_panel_bytes(&coded)
        ) { first, count, panel in
            Self.fillRows(first, count, columns: columns, runs: runs, fill) { codes, scales in
                var form = form
                martlet_pack_coded_panel(&form, codes, scales, count, panel)
            }
        }
    }

    /// W[o, i] = scale[o, i / run] · levels[code[o, i]], codes of four bits. The levels become integers of 15 bits times one
    /// number, which is chosen so that they miss by as little as they can; inputs are rounded to 16 bits as those of blocks
    /// are.
    ///
    /// - Parameters:
    ///   - levels: 16 finite numbers.
    ///   - columns: a whole number of runs.
    ///   - run: how many neighbouring inputs share a scale, a multiple of 32.
    ///   - fill: gives the codes and scales of a row.
    package convenience init(levels: [Float], rows: Int, columns: Int, run: Int, fill: RowFill) {
        let (numbers, unit) = Self.integers(for: levels)
        var form = martlet_levels()
        form.columns = columns
        form.run = run
        withUnsafeMutableBytes(of: &form.numbers) { target in numbers.withUnsafeBytes { target.copyMemory(from: $0) } }
        let levels = form, runs = columns / run
        self.init(
            rows: rows, columns: columns, form: .levels(form), panelBytes: martlet_levels_panel_bytes(&form)
        ) { first, count, panel in
            Self.fillRows(first, count, columns: columns, runs: runs, fill) { codes, scales in
                for index in 0..<count * runs { scales[index] *= unit }
                var levels = levels
                martlet_pack_levels_panel(&levels, codes, scales, count, panel)
            }
        }
    }

    /// Integers and what they are multiplied with to be the levels: of all that the largest level may become, what leaves
    /// the least square error.
    package static func integers(for levels: [Float]) -> (numbers: [Int16], unit: Float) {
        let top = levels.reduce(0) { max($0, abs(Double($1))) }, most = Int(MARTLET_LEVEL_TOP)
        guard top > 0 else { return ([Int16](repeating: 0, count: levels.count), 0) }
        var best = (error: Double.infinity, largest: most)
        for largest in most / 2...most {
            let scale = Double(largest) / top
            let error = levels.reduce(0) { sum, level in
                let miss = Double(level) * scale - (Double(level) * scale).rounded()
                return sum + miss * miss
            }
            let relative = error / (scale * scale)
            if relative < best.error { best = (relative, largest) }
        }
        let scale = Double(best.largest) / top
        return (levels.map { Int16((Double($0) * scale).rounded()) }, Float(1 / scale))
    }

    /// Rows from `fill`, one behind the other, as packing takes them.
    private static func fillRows(
        _ first: Int, _ count: Int, columns: Int, runs: Int, _ fill: RowFill,
        pack: (UnsafePointer<UInt8>, UnsafeMutablePointer<Float>) -> Void
    ) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: count * columns) { codes in
            withUnsafeTemporaryAllocation(of: Float.self, capacity: count * runs) { scales in
                for row in 0..<count {
                    fill(
                        first + row, UnsafeMutableBufferPointer(rebasing: codes[row * columns..<(row + 1) * columns]),
                        UnsafeMutableBufferPointer(rebasing: scales[row * runs..<(row + 1) * runs]))
                }
                guard let codes = codes.baseAddress, let scales = scales.baseAddress else { return }
                pack(codes, scales)
            }
        }
    }

    /// W[o, i] = scale[o, i / 32] · (code[o, i] − zero[o, i / 32]), the scales in half precision, codes of 4 or 8 bits.
    ///
    /// - Parameters:
    ///   - columns: a multiple of 32.
    ///   - fill: gives the codes of a row, a byte each, and the bits of its scales and its zeros, one for each 32 columns.
    ///     Called by several threads.
    package convenience init(
        bits: Int, rows: Int, columns: Int,
        fill: (
            _ row: Int, _ codes: UnsafeMutableBufferPointer<UInt8>, _ scales: UnsafeMutableBufferPointer<UInt16>,
            _ zeros: UnsafeMutableBufferPointer<UInt8>
        ) -> Void
    ) {
        var packing = martlet_zeros_packing(Int32(bits))
        let form = packing, blocks = columns / Self.block
        self.init(
            rows: rows, columns: columns, form: .blocks(packing), panelBytes: martlet_panel_bytes(&packing, columns)
        ) { first, count, panel in
            withUnsafeTemporaryAllocation(of: UInt8.self, capacity: count * (columns + blocks)) { bytes in
                withUnsafeTemporaryAllocation(of: UInt16.self, capacity: count * blocks) { scales in
                    for row in 0..<count {
                        let zeros = count * columns + row * blocks
                        fill(
                            first + row,
                            UnsafeMutableBufferPointer(rebasing: bytes[row * columns..<(row + 1) * columns]),
                            UnsafeMutableBufferPointer(rebasing: scales[row * blocks..<(row + 1) * blocks]),
                            UnsafeMutableBufferPointer(rebasing: bytes[zeros..<zeros + blocks]))
                    }
                    guard let codes = bytes.baseAddress, let scales = scales.baseAddress else { return }
                    var form = form
                    martlet_pack_zeros_panel(&form, codes, scales, codes + count * columns, count, columns, panel)
                }
            }
        }
    }
}
