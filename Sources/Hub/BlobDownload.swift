import Foundation
import MartletFormats
import MartletSystem
import MartletTransfer

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Downloads one file into the cache's `blobs` under its ETag and verifies it. An interrupted download is resumed.
struct BlobDownload {
    let client: HubClient
    let repository: String
    let file: String
    let remote: RemoteFile
    /// `models--ORG--NAME`.
    let folder: String

    var path: String { "\(folder)/blobs/\(remote.etag)" }

    func run(progress: (Int) -> Void) async throws {
        if Folder.byteCount(path) == remote.size, Folder.exists(path) {
            progress(remote.size)
            return
        }
        try Self.makeFolder(folder + "/blobs")
        let lock = try await FileLock(lockPath)
        defer { lock.release() }
        // Another process may have finished it while this one waited.
        if Folder.byteCount(path) == remote.size, Folder.exists(path) {
            progress(remote.size)
            return
        }
        let partial =
            existingPartial() ?? "\(path).\((0..<4).map { _ in UInt8.random(in: 0...255) }.hexadecimal).incomplete"
        try await client.retrying(received: { Folder.byteCount(partial) }) {
            try await receive(into: partial, progress: progress)
        }
        try verify(partial)
        guard rename(partial, path) == 0 else { throw Self.diskError(path) }
        Self.sync(folder + "/blobs")
    }

    private var lockPath: String {
        let parts = folder.split(separator: "/", omittingEmptySubsequences: false)
        let root = parts.dropLast().joined(separator: "/")
        return "\(root)/.locks/\(parts.last ?? "")/\(remote.etag).lock"
    }

    private func existingPartial() -> String? {
        Folder.contents(folder + "/blobs").first { $0.hasPrefix(remote.etag + ".") && $0.hasSuffix(".incomplete") }
            .map { "\(folder)/blobs/\($0)" }
    }

    private func receive(into partial: String, progress: (Int) -> Void) async throws {
        var received = Folder.byteCount(partial)
        if received > remote.size {
            Folder.remove(partial)
            received = 0
        }
        let descriptor = open(partial, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw Self.diskError(partial) }
        defer { close(descriptor) }
        progress(received)
        if received < remote.size {
            let response: TransferResponse
            do {
                response = try await client.body(repository, file, revision: remote.commit, from: received)
            } catch HubError.status(_, 416, _) where received > 0 {
                throw try startOver(descriptor, partial, received)
            }
            if response.status == 206, !Self.begins(response.headers["content-range"], at: received) {
                throw try startOver(descriptor, partial, received)
            }
            // A server that ignores the range sends everything: start over.
            if response.status != 206 { received = 0 }
            guard ftruncate(descriptor, received) == 0, lseek(descriptor, received, SEEK_SET) == received else {
                throw Self.diskError(partial)
            }
            try await client.transport(file) {
                for try await part in response.body {
                    received += part.count
                    guard received <= remote.size else {
                        throw HubError.badAnswer(url: file, reason: "more than the announced \(remote.size) bytes")
                    }
                    try Self.append(part, to: descriptor, partial)
                    progress(received)
                }
            }
        }
        guard received == remote.size else {
            throw HubError.wrongSize(file: file, expected: remote.size, found: received)
        }
        guard fsync(descriptor) == 0 else { throw Self.diskError(partial) }
    }

    /// Whether a part of a file begins where the last one ended; one that does not say so is believed.
    private static func begins(_ range: String?, at offset: Int) -> Bool {
        guard let range else { return true }
        let start = range.drop { !$0.isNumber }.prefix { $0.isNumber }
        return Int(start) == offset
    }

    /// Drops what there is of a file that the server does not go on with: the next attempt asks for all of it.
    private func startOver(_ descriptor: Int32, _ partial: String, _ received: Int) throws -> HubError {
        guard ftruncate(descriptor, 0) == 0 else { throw Self.diskError(partial) }
        return .unreachable(url: file, reason: "the server does not go on from byte \(received)")
    }

    /// Compares the file's hash with its ETag; a file that differs is removed.
    private func verify(_ partial: String) throws {
        let isSHA256 = remote.etag.count == 64, isGit = remote.etag.count == 40
        guard isSHA256 || isGit, remote.etag.allSatisfy(\.isHexDigit) else { return }
        guard let handle = FileHandle(forReadingAtPath: partial) else { throw Self.diskError(partial) }
        defer { try? handle.close() }
        var strong = SHA256(), git = SHA1()
        git.update(Array("blob \(remote.size)\0".utf8))
        while let chunk = try handle.read(upToCount: 1 << 20), !chunk.isEmpty {
            chunk.withUnsafeBytes { if isSHA256 { strong.update($0) } else { git.update($0) } }
        }
        let found = isSHA256 ? strong.finalize().hexadecimal : git.finalize().hexadecimal
        guard found == remote.etag.lowercased() else {
            Folder.remove(partial)
            throw HubError.wrongHash(file: file, expected: remote.etag, found: found)
        }
    }

    private static func append(_ bytes: [UInt8], to descriptor: Int32, _ path: String) throws {
        var start = 0
        while start < bytes.count {
            let written = bytes.withUnsafeBytes {
                write(descriptor, $0.baseAddress.map { $0 + start }, bytes.count - start)
            }
            if written < 0 {
                if errno == EINTR { continue }
                throw diskError(path)
            }
            start += written
        }
    }

    static func diskError(_ path: String) -> HubError { .disk(path: path, reason: String(cString: strerror(errno))) }

    static func makeFolder(_ path: String) throws {
        do { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) } catch {
            throw HubError.disk(path: path, reason: "cannot make the folder: \(error.localizedDescription)")
        }
    }

    static func sync(_ folder: String) {
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        close(descriptor)
    }
}

/// An exclusive lock shared with other processes and libraries that use the cache.
private final class FileLock {
    private let descriptor: Int32

    init(_ path: String) async throws {
        try BlobDownload.makeFolder(String(path.prefix(upTo: path.lastIndex(of: "/") ?? path.startIndex)))
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw BlobDownload.diskError(path) }
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            do { try await Task.sleep(for: .milliseconds(200)) } catch {
                close(descriptor)
                throw error
            }
        }
    }

    func release() { close(descriptor) }
}
