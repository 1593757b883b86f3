import HummingbirdCore

#if TLS
import HummingbirdTLS
import NIOSSL

extension ServerCertificate {
    /// Whether this build can serve https at all.
    package static let isSupported = true

    /// `http` behind TLS with this certificate.
    /// - Throws: `ServerError` where the chain or the key cannot be read, or do not belong together.
    func securing(_ http: HTTPServerBuilder) throws -> HTTPServerBuilder {
        do {
            let certificates = try NIOSSLCertificate.fromPEMFile(chain).map { NIOSSLCertificateSource.certificate($0) }
            let privateKey = try NIOSSLPrivateKey(file: key, format: .pem)
            return try .tls(
                http,
                tlsConfiguration: .makeServerConfiguration(
                    certificateChain: certificates, privateKey: .privateKey(privateKey)))
        } catch {
            throw ServerError(
                "--tls-cert \(chain) and --tls-key \(key) cannot be used: \(error); "
                    + "expected a certificate chain and its private key, both as PEM")
        }
    }
}
#else
extension ServerCertificate {
    /// Whether this build can serve https at all.
    package static let isSupported = false

    /// - Throws: `ServerError`: a build made with `MARTLET_TLS=0`, as `./quickstart` does, has no TLS.
    func securing(_ http: HTTPServerBuilder) throws -> HTTPServerBuilder {
        throw ServerError(
            "--tls-cert \(chain): this martlet was built without TLS, as ./quickstart does to be done sooner; "
                + "./install builds it in, or put a proxy that speaks https before the server")
    }
}
#endif
