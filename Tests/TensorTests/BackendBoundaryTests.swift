import MartletFormats
import MartletTensor
import Testing

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Who may see what: addresses of elements are the tensors' affair, C is the processor backend's and the machine's.
struct BackendBoundaryTests {
    private static let sources = #filePath.replacing("Tests/TensorTests/BackendBoundaryTests.swift", with: "Sources")

    /// Where code outside some folders matches; comments and the contents of texts are none.
    private func places(
        of pattern: Regex<Substring>, in words: [String], outside folders: [String]
    ) throws -> [String] {
        var found: [String] = [], files = 0
        for path in try Self.files(Self.sources) {
            let name = path.dropFirst(Self.sources.count + 1)
            files += 1
            if folders.contains(where: { name.hasPrefix($0) }) { continue }
            let file = try MappedFile(path: path)
            defer { withExtendedLifetime(file) {} }
            guard words.contains(where: { Self.holds(file, $0) }) else { continue }
            var isText = false
            let lines = String(decoding: file.bytes, as: UTF8.self).split(
                separator: "\n", omittingEmptySubsequences: false)
            for (number, line) in lines.enumerated() {
                let code = line.drop { $0 == " " }, wasText = isText
                if code.contains("\"\"\"") { isText.toggle() }
                if wasText || code.hasPrefix("//") { continue }
                if String(code).replacing(/"(?:[^"\\]|\\.)*"/, with: "").contains(pattern) {
                    found.append("\(name):\(number + 1)")
                }
            }
        }
        #expect(files > 300, "the sources were found")
        return found
    }

    private static func holds(_ file: MappedFile, _ word: String) -> Bool {
        let text = [UInt8](file.bytes) + [0]
        return text.withUnsafeBytes { bytes in
            guard let base = bytes.bindMemory(to: CChar.self).baseAddress else { return false }
            return strstr(base, word) != nil
        }
    }

    @Test func noAddressOfElementsIsUsedAboveTheTensors() throws {
        let found = try places(of: /\.floats\b(?!\()/, in: [".floats"], outside: ["Tensor/"])
        #expect(found.isEmpty, "\(found)")
    }

    @Test func cIsCalledByTheProcessorBackendAndTheMachineAlone() throws {
        let found = try places(
            of: /import CKernels|\bmartlet_[a-z0-9_]+|\bMARTLET_[A-Z0-9_]+/, in: ["CKernels", "martlet_", "MARTLET_"],
            // Transfer calls the few functions that load libcurl; no number is computed there.
            outside: ["Tensor/Backends/CPU/", "System/", "Transfer/"])
        #expect(found.isEmpty, "\(found)")
    }

    private static func files(_ folder: String) throws -> [String] {
        let handle = try #require(opendir(folder), "\(folder)")
        var names: [String] = []
        while let entry = readdir(handle) {
            names.append(
                withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                })
        }
        closedir(handle)
        return try names.filter { !$0.hasPrefix(".") }.flatMap { name in
            let path = folder + "/" + name
            if name.hasSuffix(".swift") { return [path] }
            var status = stat()
            return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR ? try files(path) : []
        }
    }
}
