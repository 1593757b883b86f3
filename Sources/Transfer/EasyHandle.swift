import CTransfer
import MartletSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A libcurl easy handle: one transfer. Only used on the thread of its loop.
final class EasyHandle {
    let pointer: UnsafeMutableRawPointer
    let transfer: Transfer
    private var lines: UnsafeMutableRawPointer?
    private let detail: UnsafeMutablePointer<CChar>
    private var status = 0
    private var headers: [TransferHeader] = []
    private var headerBytes = 0
    private var hasHead = false
    /// The reason of an abort by Martlet; libcurl only reports that the transfer was aborted.
    private var refusal: TransferError?

    init(_ transfer: Transfer) throws(TransferError) {
        guard let pointer = martlet_curl_easy() else { throw .failed(reason: "no memory for a transfer") }
        self.pointer = pointer
        self.transfer = transfer
        detail = .allocate(capacity: Curl.errorBytes)
        detail.initialize(repeating: 0, count: Curl.errorBytes)
        try configure()
    }

    deinit {
        martlet_curl_easy_free(pointer)
        martlet_curl_lines_free(lines)
        detail.deallocate()
    }

    private func configure() throws(TransferError) {
        let request = transfer.request
        try request.check()
        try Curl.Option.url.set(request.url, on: pointer)
        try Curl.Option.errorBuffer.set(pointer: detail, on: pointer)
        try Curl.Option.noSignal.set(1, on: pointer)
        // No other protocol, whatever the URL says. The caller follows redirects.
        try Curl.Option.protocols.set(Curl.httpOnly, on: pointer)
        try Curl.Option.followLocation.set(0, on: pointer)
        try Curl.Option.netrc.set(0, on: pointer)
        try Curl.Option.disallowUserInURL.set(1, on: pointer, isRequired: false)
        try Curl.Option.oldHTTPAllowed.set(0, on: pointer, isRequired: false)
        try Curl.Option.suppressConnectHeaders.set(1, on: pointer, isRequired: false)
        // Cancelling during name resolution does not wait for the resolver's thread.
        try Curl.Option.quickExit.set(1, on: pointer, isRequired: false)
        // A libcurl without HTTP/2 does not know the value.
        try Curl.Option.httpVersion.set(
            request.allowsHTTP2 ? Curl.http2OverTLS : Curl.http1, on: pointer, isRequired: false)
        try Curl.Option.bufferSize.set(64 << 10, on: pointer)
        try Curl.Option.keepAlive.set(1, on: pointer)
        try setTimes(request)
        try setTrust()
        if request.isLoopback { try Curl.Option.proxy.set("", on: pointer) }
        try setContent(request)
        let code = martlet_curl_set_receivers(
            pointer,
            { bytes, size, count, context in EasyHandle.of(context)?.receiveHeader(bytes, size * count) ?? 0 },
            { bytes, size, count, context in EasyHandle.of(context)?.receiveBody(bytes, size * count) ?? 0 },
            Unmanaged.passUnretained(self).toOpaque())
        guard code == 0 else { throw .failed(reason: String(cString: martlet_curl_error_text(code))) }
    }

    private func setTimes(_ request: TransferRequest) throws(TransferError) {
        try Curl.Option.connectTimeoutMilliseconds.set(request.connectTimeout.milliseconds, on: pointer)
        if let timeout = request.timeout { try Curl.Option.timeoutMilliseconds.set(timeout.milliseconds, on: pointer) }
        if let idle = request.idleTimeout {
            try Curl.Option.lowSpeedLimit.set(max(request.leastBytesPerSecond, 1), on: pointer)
            try Curl.Option.lowSpeedTime.set(max((idle.milliseconds - 1) / 1000 + 1, 1), on: pointer)
        }
    }

    /// The system's certificates, or those that `SSL_CERT_FILE` or `SSL_CERT_DIR` names, as for OpenSSL's own programs.
    private func setTrust() throws(TransferError) {
        func value(_ name: String) -> String? { environmentVariable(name).flatMap { $0.isEmpty ? nil : $0 } }
        if let file = value("SSL_CERT_FILE") {
            try Curl.Option.certificateFile.set(file, on: pointer)
            try Curl.Option.proxyCertificateFile.set(file, on: pointer, isRequired: false)
        }
        if let folder = value("SSL_CERT_DIR") {
            try Curl.Option.certificateFolder.set(folder, on: pointer)
            try Curl.Option.proxyCertificateFolder.set(folder, on: pointer, isRequired: false)
        }
    }

    private func setContent(_ request: TransferRequest) throws(TransferError) {
        switch request.method {
        case .get: break
        case .head: try Curl.Option.noBody.set(1, on: pointer)
        case .post:
            try Curl.Option.post.set(1, on: pointer)
            try Curl.Option.postSize.set(size: request.body.count, on: pointer)
            // An empty buffer has a null address, which libcurl would take for a body that a callback provides.
            let body = request.body.isEmpty ? [0] : request.body
            let option = Curl.Option.copiedPostFields.rawValue
            let code = body.withUnsafeBytes { martlet_curl_set_pointer(pointer, option, $0.baseAddress) }
            guard code == 0 else { throw .failed(reason: "no memory for what is posted") }
            // Otherwise libcurl waits up to a second for "100 Continue" before it sends the body.
            try append("Expect:")
            if request.headers["content-type"] == nil { try append("Content-Type: application/octet-stream") }
        }
        for header in request.headers {
            // "Name;" is how libcurl is told of an empty value; "Name:" would leave the header out.
            try append(header.value.isEmpty ? "\(header.name);" : "\(header.name): \(header.value)")
        }
        if let lines { try Curl.Option.headers.set(pointer: lines, on: pointer) }
    }

    private func append(_ line: String) throws(TransferError) {
        guard let longer = martlet_curl_line(lines, line) else { throw .failed(reason: "no memory for a header") }
        lines = longer
    }

    // MARK: What arrives

    private static func of(_ context: UnsafeMutableRawPointer?) -> EasyHandle? {
        context.map { Unmanaged<EasyHandle>.fromOpaque($0).takeUnretainedValue() }
    }

    /// A line of the head, its end included. An answer may have several heads: "100 Continue" comes before the one that
    /// counts.
    private func receiveHeader(_ bytes: UnsafeMutablePointer<CChar>?, _ count: Int) -> Int {
        headerBytes += count
        guard headerBytes <= transfer.request.headerLimit else {
            return refuse(.headersTooLarge(limit: transfer.request.headerLimit))
        }
        guard let bytes, !hasHead else { return count }  // what follows the body says nothing that is read here
        let line = String(decoding: UnsafeRawBufferPointer(start: bytes, count: count), as: UTF8.self)
            .trimmed(while: { $0 == "\r\n" || $0 == "\n" || $0 == "\r" })
        if line.hasPrefix("HTTP/") {
            status = line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
            headers = []
        } else if line.isEmpty {
            guard status >= 200 else { return count }
            hasHead = true
            transfer.receive(Transfer.Head(status: status, headers: headers))
        } else if let first = line.first, first == " " || first == "\t" {
            // A value that goes on in the next line, as old servers write it.
            if let last = headers.indices.last { headers[last].value += " " + line.trimmed(while: \.isBlank) }
        } else if let colon = line.firstIndex(of: ":") {
            let value = line[line.index(after: colon)...].trimmed(while: \.isBlank)
            headers.append(TransferHeader(String(line[..<colon]), value))
        }
        return count
    }

    private func receiveBody(_ bytes: UnsafeMutablePointer<CChar>?, _ count: Int) -> Int {
        guard let bytes, count > 0 else { return 0 }
        switch transfer.receive(UnsafeRawBufferPointer(start: bytes, count: count)) {
        case .taken: return count
        case .later: return Int(MARTLET_CURL_PAUSE)
        case .ended: return 0
        }
    }

    /// Any other number than the bytes it was given makes libcurl abort the transfer.
    private func refuse(_ error: TransferError) -> Int {
        refusal = error
        return 0
    }

    /// Tells the reader how it ended.
    func end(_ code: Int32) {
        if let refusal {
            transfer.finish(.failure(refusal))
        } else if code == 0 {
            transfer.finish(.success(()))
        } else {
            let moment = TransferError.Moment(
                request: transfer.request, systemError: Int32(clamping: number(.systemError)),
                wasSent: number(.requestSize) > 0, hasHead: hasHead)
            transfer.finish(.failure(TransferError(code: code, detail: String(cString: detail), moment)))
        }
    }

    private func number(_ information: Curl.Information) -> Int {
        martlet_curl_number(pointer, information.rawValue)
    }
}

extension Character {
    fileprivate var isBlank: Bool { self == " " || self == "\t" }
}

extension StringProtocol {
    fileprivate func trimmed(while isEdge: (Character) -> Bool) -> String {
        var rest = self[...]
        while let first = rest.first, isEdge(first) { rest.removeFirst() }
        while let last = rest.last, isEdge(last) { rest.removeLast() }
        return String(rest)
    }
}

extension Duration {
    /// Whole milliseconds, at least one, since libcurl takes 0 for "never", and at most what it keeps, 24 days.
    fileprivate var milliseconds: Int {
        let (seconds, attoseconds) = components
        let rest = Int(attoseconds / 1_000_000_000_000_000)
        return min(max(Int(clamping: seconds).multiplied(clampedBy: 1000).adding(clamped: rest), 1), Int(Int32.max))
    }
}
