import Foundation
import MartletFormats
import MartletTensor
import Testing

/// Files with random damage: opened or refused, never a crash; and what was opened can be read to its last byte.
struct MutationTests {
    static let rounds = ProcessInfo.processInfo.environment["MARTLET_MUTATIONS"].flatMap(Int.init) ?? 100_000

    /// One to four changes: a byte, a number that is likely to hurt, bytes taken out, doubled or cut off.
    static func damage(_ bytes: [UInt8], using generator: inout SeededGenerator) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...4, using: &generator) where bytes.count > 16 {
            let place = Int.random(in: 0..<bytes.count, using: &generator)
            switch Int.random(in: 0..<8, using: &generator) {
            case 0...2: bytes[place] = UInt8.random(in: 0...255, using: &generator)
            case 3: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            case 4:
                let numbers: [UInt64] = [0, 1, 0xFF, 0x7FFF_FFFF, 0xFFFF_FFFF, 1 << 61, 1 << 63, .max, .max - 31]
                let number = numbers[Int.random(in: 0..<numbers.count, using: &generator)]
                for index in 0..<min(8, bytes.count - place) {
                    bytes[place + index] = UInt8(truncatingIfNeeded: number >> UInt64(8 * index))
                }
            case 5: bytes.removeSubrange(place..<min(bytes.count, place + Int.random(in: 1...9, using: &generator)))
            case 6: bytes.insert(contentsOf: bytes[place..<min(bytes.count, place + 16)], at: place)
            default: bytes.removeSubrange(place...)
            }
        }
        return bytes
    }

    /// Reads everything a file offers; the sum keeps the reads from being optimised away.
    static func readAll(_ source: some TensorSource) -> Int {
        var sum = 0
        for name in source.names {
            guard let tensor = try? source.tensor(name) else { continue }
            tensor.forEachHostRun { for byte in $0 { sum &+= Int(byte) } }
        }
        return sum
    }

    @Test func damagedGGUFNeverCrashes() throws {
        let whole = try sampleGGUF()
        var generator = SeededGenerator(seed: 20)
        var opened = 0
        for _ in 0..<Self.rounds {
            let bytes = Self.damage(whole, using: &generator)
            guard let file = try? GGUFFile(MappedFile(path: "m", contents: bytes)) else { continue }
            opened += 1
            var sum = Self.readAll(file)
            for (_, value) in file.metadata {
                sum &+= value.description.utf8.count
                sum &+= value.array?.strings()?.flat().bytes.count ?? 0
                sum &+= value.array?.integers()?.count ?? 0
            }
            #expect(sum != Int.min)
        }
        #expect(opened > 0 && opened < Self.rounds)
    }

    @Test func damagedSafetensorsNeverCrashes() throws {
        let whole = safetensors(
            #"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"#
                + #""b":{"dtype":"BF16","shape":[5],"data_offsets":[24,34]},"#
                + #""e":{"dtype":"I64","shape":[0],"data_offsets":[34,34]},"#
                + #""c":{"dtype":"U8","shape":[],"data_offsets":[34,35]}}"#, data: Array(0..<35))
        var generator = SeededGenerator(seed: 21)
        var opened = 0
        for _ in 0..<Self.rounds {
            let bytes = Self.damage(whole, using: &generator)
            guard let file = try? SafetensorsFile(MappedFile(path: "m", contents: bytes)) else { continue }
            opened += 1
            #expect(Self.readAll(file) != Int.min)
        }
        #expect(opened > 0 && opened < Self.rounds)
    }
}
