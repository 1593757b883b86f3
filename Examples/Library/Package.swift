// swift-tools-version: 6.1
import Foundation
import PackageDescription

// Seven small programs, each of one file: swift run --package-path Examples/Library ask "Why is the sky blue?"
let martlet = Target.Dependency.product(name: "Martlet", package: "martlet")
var targets: [Target] = ["ask", "conversation", "structured", "tools", "search", "train"].map {
    .executableTarget(name: $0, dependencies: [martlet], path: "Sources/\($0)")
}
// The server brings its networking packages along; MARTLET_EXAMPLES=library leaves it out.
if ProcessInfo.processInfo.environment["MARTLET_EXAMPLES"] != "library" {
    targets.append(
        .executableTarget(
            name: "serve", dependencies: [martlet, .product(name: "MartletServer", package: "martlet")],
            path: "Sources/serve"))
}

let package = Package(
    name: "library-examples",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "martlet", path: "../..")],
    targets: targets
)
