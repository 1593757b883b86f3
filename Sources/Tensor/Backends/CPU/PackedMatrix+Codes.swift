import CKernels

extension PackedMatrix {
    /// What codes of bytes or of four bits stand for.
    package enum Code: Sendable {
        /// Floats of eight bits: 1 sign, 4 exponent and 3 fraction bits, or 1, 5 and 2.
        case e4m3
        case e5m2
        /// 16 numbers.
        case levels([Float])
    }

    /// W[o, i] = scale[o, i / run] · number of code[o, i], the numbers and scales in float32.
    ///
    /// - Parameters:
    ///   - run: how many neighbouring inputs share a scale; for `levels` an even number.
    ///   - fill: gives the codes of a row, a byte each, and its scales, one for each run. Called by several threads.
    package convenience init(
        _ code: Code, rows: Int, columns: Int, run: Int,
        fill: (_ row: Int, _ codes: UnsafeMutableBufferPointer<UInt8>, _ scales: UnsafeMutableBufferPointer<Float>) ->
            Void
    ) {
        var coded = martlet_coded()
        coded.columns = columns
        coded.run = max(min(run, columns), 1)
        switch code {
        case .e4m3: coded.kind = MARTLET_CODE_E4M3
        case .e5m2: coded.kind = MARTLET_CODE_E5M2
        case .levels(let levels):
            coded.kind = MARTLET_CODE_LEVELS
            withUnsafeMutableBytes(of: &coded.levels) { target in
                levels.withUnsafeBytes {
                    target.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0.prefix(target.count)))
                }
            }
        }
        let form = coded, runs = (columns + coded.run - 1) / coded.run
        self.init(
            rows: rows, columns: columns, form: .coded(coded), panelBytes: martlet_coded_panel_bytes(&coded)
        ) { first, count, panel in
            withUnsafeTemporaryAllocation(of: UInt8.self, capacity: count * columns) { codes in
                withUnsafeTemporaryAllocation(of: Float.self, capacity: count * runs) { scales in
                    for row in 0..<count {
                        fill(
                            first + row,
                            UnsafeMutableBufferPointer(rebasing: codes[row * columns..<(row + 1) * columns]),
                            UnsafeMutableBufferPointer(rebasing: scales[row * runs..<(row + 1) * runs]))
                    }
                    guard let codes = codes.baseAddress, let scales = scales.baseAddress else { return }
                    var form = form
                    martlet_pack_coded_panel(&form, codes, scales, count, panel)
                }
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
