// swift-tools-version: 6.1
import PackageDescription

let package = Package(
    name: "embeddings",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "martlet", path: "../..")],
    targets: [
        .executableTarget(
            name: "embeddings", dependencies: [.product(name: "Martlet", package: "martlet")], path: "Sources")
    ]
)
