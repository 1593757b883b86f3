import Foundation
import MartletAPI

// What Foundation shows of an error is the sentence that names what is wrong, as for those of the library.

extension APIError: LocalizedError { public var errorDescription: String? { description } }
extension ServerError: LocalizedError { public var errorDescription: String? { description } }
