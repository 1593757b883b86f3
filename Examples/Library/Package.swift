// swift-tools-version: 6.1
import PackageDescription

// Seven small programs, each of one file: swift run --package-path Examples/Library ask "Why is the sky blue?"
let martlet = Target.Dependency.product(name: "Martlet", package: "martlet")
let server = Target.Dependency.product(name: "MartletServer", package: "martlet")
let targets: [Target] = ["ask", "conversation", "structured", "tools", "search", "train", "serve"].map { name in
    .executableTarget(
        name: name, dependencies: name == "serve" ? [martlet, server] : [martlet], path: "Sources/\(name)")
}

let package = Package(
    name: "library-examples",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "martlet", path: "../..")],
    targets: targets
)
