#if TLS
import NIOCore
import NIOSSL

extension ServerCertificate {
    /// Whether this build supports https.
    package static let isSupported = true

    /// TLS that shows this certificate.
    /// - Throws: `ServerError` when the chain or the key cannot be read, or do not belong together.
    func security() throws(ServerError) -> HTTPService.Security {
        do {
            let certificates = try NIOSSLCertificate.fromPEMFile(chain).map { NIOSSLCertificateSource.certificate($0) }
            let privateKey = try NIOSSLPrivateKey(file: key, format: .pem)
            let context = try NIOSSLContext(
                configuration: .makeServerConfiguration(
                    certificateChain: certificates, privateKey: .privateKey(privateKey)))
            return { channel in
                try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
            }
        } catch {
            throw ServerError(
                "--tls-cert \(chain) and --tls-key \(key) cannot be used: \(error); "
                    + "expected a certificate chain and its private key, both as PEM")
        }
    }
}
#else
extension ServerCertificate {
    /// Whether this build supports https.
    package static let isSupported = false

    /// - Throws: `ServerError`, always: a build with `MARTLET_TLS=0`, such as that of `./test`, has no TLS.
    func security() throws(ServerError) -> HTTPService.Security {
        throw ServerError(
            "--tls-cert \(chain): this build has no TLS, which ./quickstart zero, tune and ./test leave out to build faster; "
                + "build it with ./install, or put an https proxy in front of the server")
    }
}
#endif
