// swift-tools-version: 6.1
import PackageDescription

let package = Package(
    name: "chat",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "martlet", path: "../..")],
    targets: [
        .executableTarget(name: "chat", dependencies: [.product(name: "Martlet", package: "martlet")], path: "Sources")
    ]
)
