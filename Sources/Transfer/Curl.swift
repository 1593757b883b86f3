import CTransfer

/// libcurl, which is on nearly every machine. It is opened at the first transfer: neither the build nor the start of a
/// program needs it.
enum Curl {
    private static let failure: String? = martlet_curl_open().map { String(cString: $0) }

    /// Opens the library if that has not been done.
    static func open() throws(TransferError) {
        if let failure { throw .noLibrary(reason: failure) }
    }

    /// Numbers of options, from libcurl's include/curl/curl.h: the kind of value (0 a number, 10000 a pointer, 30000 a
    /// number of 64 bits) plus the option's own number. They never change.
    enum Option: Int32 {
        case url = 10002
        case proxy = 10004
        case errorBuffer = 10010
        case lowSpeedLimit = 19
        case lowSpeedTime = 20
        case headers = 10023
        case noBody = 44
        case post = 47
        case netrc = 51
        case followLocation = 52
        case certificateFile = 10065
        case httpVersion = 84
        case certificateFolder = 10097
        case bufferSize = 98
        case noSignal = 99
        case postSize = 30120
        case timeoutMilliseconds = 155
        case connectTimeoutMilliseconds = 156
        case copiedPostFields = 10165
        case protocols = 181
        case keepAlive = 213
        case proxyCertificateFile = 10246
        case proxyCertificateFolder = 10247
        case suppressConnectHeaders = 265
        case disallowUserInURL = 278
        case oldHTTPAllowed = 285
        case quickExit = 322
    }

    /// What can be asked of a transfer that has ended: `CURLINFO_REQUEST_SIZE`, `CURLINFO_OS_ERRNO`.
    enum Information: Int32 {
        case requestSize = 0x20000C
        case systemError = 0x200019
    }

    static let http1: Int = 2
    static let http2OverTLS: Int = 4
    /// `CURLPROTO_HTTP | CURLPROTO_HTTPS`.
    static let httpOnly: Int = 3
    /// Bytes that `CURLOPT_ERRORBUFFER` must have.
    static let errorBytes = 256
}

extension Curl.Option {
    /// Sets a number.
    /// - Parameter isRequired: whether a library without the option, or without that value of it, is refused.
    func set(_ value: Int, on easy: UnsafeMutableRawPointer, isRequired: Bool = true) throws(TransferError) {
        try check(martlet_curl_set_number(easy, rawValue, value), isRequired)
    }

    func set(size: Int, on easy: UnsafeMutableRawPointer) throws(TransferError) {
        try check(martlet_curl_set_size(easy, rawValue, Int64(size)), true)
    }

    /// Sets a text, which is copied.
    func set(_ text: String, on easy: UnsafeMutableRawPointer, isRequired: Bool = true) throws(TransferError) {
        try check(text.withCString { martlet_curl_set_pointer(easy, rawValue, $0) }, isRequired)
    }

    /// Sets a pointer, which must live as long as the transfer unless the option copies.
    func set(pointer: UnsafeRawPointer?, on easy: UnsafeMutableRawPointer) throws(TransferError) {
        try check(martlet_curl_set_pointer(easy, rawValue, pointer), true)
    }

    private func check(_ code: Int32, _ isRequired: Bool) throws(TransferError) {
        guard code != 0, isRequired else { return }
        throw .failed(reason: "libcurl refuses option \(self): \(String(cString: martlet_curl_error_text(code)))")
    }
}
