extension Server {
    /// The table of routes, one line per group.
    package func routes() -> [Route] {
        let routes =
            statusRoutes() + modelRoutes() + generationRoutes() + embeddingRoutes() + tokenizerRoutes()
            + responseRoutes() + messagesRoutes() + ollamaRoutes() + textGenerationRoutes()
            + textEmbeddingsRoutes() + llamaServerRoutes() + adapterRoutes() + inspectRoutes() + runRoutes()
            + tuneRoutes() + pageRoutes()
        return routes + [openAPIRoute(routes)]
    }
}
